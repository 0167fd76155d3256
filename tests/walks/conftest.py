import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from accounts.models import Contact
from bma_portal.embedded.servers import Servers
from demo.directory import MemoryDirectory
from demo.exchange.control import StandIn
from tests.factories import ContactFactory
from tests.walks.sound import hear
from tests.walks.theatre import ROOT, Theatre

TEAMS = {
    "sgne": "migrationBMA@cfwb.be",
    "etnic": "support@etnic.be",
    "priminfo": "sttd@priminfo.be",
    "enseignement_be": "BMA@enseignement.be",
}


@pytest.fixture
def site(live_server) -> Iterator[str]:
    """The portal for a browser, with the contacts that the migrations of other tests may have flushed."""
    for team, email in TEAMS.items():
        if not Contact.objects.filter(team=team).exists():
            ContactFactory(team=team, email=email, phone="+32 2 800 10 10", hours="Du lundi au vendredi")
    MemoryDirectory.forget()
    yield live_server.url
    MemoryDirectory.forget()


@pytest.fixture
def tab(site: str, page: Page) -> Iterator[Page]:
    """A tab that complains in the end of what the browser complained of, and of any foreign host."""
    complaints = hear(page, within=site)
    yield page
    # The browser itself writes a line for each answer that is not a success: it is the page that was asked for.
    assert [text for text in complaints if "Failed to load resource: the server responded" not in text] == []


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


@contextlib.contextmanager
def opened(folder: Path, migrated_data: Path, *, durable: bool = False) -> Iterator[Theatre]:
    shutil.copytree(migrated_data, folder / "servers")
    with Servers(folder / "servers", durable=durable) as servers, StandIn.start() as exchange:
        stage = Theatre(servers, exchange, folder)
        try:
            yield stage
        finally:
            stage.close()


@pytest.fixture
def theatre(request: pytest.FixtureRequest, tmp_path: Path, migrated_data: Path) -> Iterator[Theatre]:
    """Servers of its own, an Exchange stand-in, and nobody at work yet.

    `durable` marks a walk whose PostgreSQL is cut: what it says is committed must then be so, as in production.
    """
    with opened(tmp_path, migrated_data, durable=request.node.get_closest_marker("durable") is not None) as stage:
        yield stage


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory, migrated_data: Path) -> Iterator[Theatre]:
    with opened(tmp_path_factory.mktemp("compagnie"), migrated_data) as stage:
        yield stage


@pytest.fixture
def at_work(company: Theatre) -> Theatre:
    """A beat and a worker that stay at work from one walk to the next, as in production, before an empty outbox.

    For the walks that break nothing but what Exchange answers.
    """
    company.clear()
    return company
