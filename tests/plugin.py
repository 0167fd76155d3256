"""Gives the test run its own PostgreSQL and Valkey, unless DATABASE_URL and REDIS_URL name others.

Named by ``addopts = -p tests.plugin``: pytest-django reads the settings before any conftest is loaded. With
pytest-xdist the workers inherit the addresses from the process that started the servers, and start none.
"""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# A test run never touches the checkout's own servers, nor does a command that a test starts.
os.environ["BMA_EMBEDDED"] = "no"
os.environ["DJANGO_SETTINGS_MODULE"] = "bma_portal.settings.test"

from bma_portal.embedded.errors import EmbeddedError
from bma_portal.embedded.places import Scratch
from bma_portal.embedded.servers import Servers

PREFIX = "bma-tests-"


@pytest.hookimpl(wrapper=True)  # a wrapper goes before pytest-django's own, first though that one asks to be
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    options = early_config.known_args_namespace
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if missing and not (getattr(options, "help", False) or getattr(options, "version", False)):
        _start(early_config, missing)
    return (yield)


def _start(config: pytest.Config, missing: list[str]) -> None:
    scratch = Scratch(PREFIX)
    config.add_cleanup(scratch.remove)
    servers = Servers(scratch.folder, durable=False, postgres="DATABASE_URL" in missing, valkey="REDIS_URL" in missing)
    try:
        servers.__enter__()
    except EmbeddedError as error:
        raise pytest.UsageError(error.for_a_person()) from None
    config.add_cleanup(servers.close)
    if "DATABASE_URL" in missing:
        os.environ["DATABASE_URL"] = servers.database_url
    if "REDIS_URL" in missing:
        os.environ["REDIS_URL"] = servers.redis_url
    for name in missing:
        config.add_cleanup(lambda name=name: os.environ.pop(name, None))


@pytest.fixture(scope="session")
def prepared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an empty database, at rest: copying it is three times as quick as making one."""
    folder = tmp_path_factory.mktemp("prepared") / "data"
    with Servers(folder, durable=False):
        pass
    return folder


@pytest.fixture
def private_servers(tmp_path: Path, prepared_data: Path) -> Iterator[Callable[..., Servers]]:
    """Servers of a test's own, to be restarted and killed: ``servers = private_servers()``."""
    with ExitStack() as stack:

        def start(name: str = "servers", *, durable: bool = False) -> Servers:
            shutil.copytree(prepared_data, tmp_path / name)
            return stack.enter_context(Servers(tmp_path / name, durable=durable))

        yield start
