import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bma_portal.embedded.servers import Servers
from demo.exchange.control import StandIn
from tests.walks.theatre import ROOT, Theatre


@pytest.fixture(scope="session")
def migrated_data(tmp_path_factory: pytest.TempPathFactory, prepared_data: Path) -> Path:
    """A data folder with the portal's tables, at rest: each walk copies it."""
    import os

    folder = tmp_path_factory.mktemp("migrated") / "data"
    shutil.copytree(prepared_data, folder)
    with Servers(folder, durable=False) as servers:
        env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bma_portal.settings.test",
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "BMA_EMBEDDED": "no",
        }
        migrate = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
        subprocess.run(migrate, cwd=ROOT, env=env, check=True, timeout=120)
    return folder


@pytest.fixture
def theatre(request: pytest.FixtureRequest, tmp_path: Path, migrated_data: Path) -> Iterator[Theatre]:
    """Servers of its own, an Exchange stand-in, and nobody at work yet.

    `durable` marks a walk whose PostgreSQL is cut: what it says is committed must then be so, as in production.
    """
    shutil.copytree(migrated_data, tmp_path / "servers")
    durable = request.node.get_closest_marker("durable") is not None
    with Servers(tmp_path / "servers", durable=durable) as servers, StandIn.start() as exchange:
        stage = Theatre(servers, exchange, tmp_path)
        yield stage
        stage.close()
