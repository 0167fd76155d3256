"""One supervisor lends its servers to all the commands of a checkout.

Nothing here touches the checkout's own ``var/``: every test has a copy of the package, with a small ``manage.py`` of
its own so that no migration of the portal runs.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest

from bma_portal import embedded
from bma_portal.embedded import lease, places
from bma_portal.embedded.supervisor import migrations_digest
from tests.bma_portal.processes import alive, processes_of, query, wait_until

# Takes the servers, says their addresses, and keeps them until its input ends.
CLIENT = """
import json, os, sys
from bma_portal.embedded import ensure_environment
ensure_environment()
print(json.dumps({n: os.environ.get(n) for n in ("DATABASE_URL", "REDIS_URL")}), flush=True)
sys.stdin.read()
"""
MANAGE = """
import os, sys, pathlib
here = pathlib.Path(__file__).parent
with open(here / "migrated.txt", "a") as file:
    file.write(f"{os.environ['BMA_EMBEDDED']} {os.environ['DATABASE_URL']} {os.environ['REDIS_URL']}\\n")
if (here / "broken").exists():
    print("boom: la colonne existe déjà")
    sys.exit(1)
"""


class Checkout:
    """A copy of the package alone, whose commands share the servers of its own ``var``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = root / "var"
        shutil.copytree(Path(embedded.__file__).parent, root / "bma_portal" / "embedded")
        (root / "bma_portal" / "__init__.py").touch()
        (root / "manage.py").write_text(MANAGE)
        (root / "shop" / "migrations").mkdir(parents=True)
        (root / "shop" / "__init__.py").touch()
        (root / "shop" / "migrations" / "0001_initial.py").write_text("one")
        self.clients: list[subprocess.Popen] = []

    def environment(self, **more: str) -> dict[str, str]:
        mine = ("DATABASE_URL", "REDIS_URL", "BMA_EMBEDDED", "BMA_VAR", "DJANGO_SETTINGS_MODULE")
        kept = {name: value for name, value in os.environ.items() if name not in mine}
        return kept | {"BMA_LINGER": "0.2"} | more

    def start(self, code: str = CLIENT, **environ: str) -> subprocess.Popen:
        client = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=self.root,
            env=self.environment(**environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.clients.append(client)
        return client

    def addresses(self, client: subprocess.Popen) -> dict[str, str]:
        line = client.stdout.readline()
        assert line, client.communicate()[1]
        return json.loads(line)

    def leave(self, client: subprocess.Popen) -> str:
        return client.communicate(timeout=20)[1]

    @property
    def supervisor(self) -> int:
        return int((self.home / "supervisor.lock").read_text())

    def has_supervisor(self) -> bool:
        try:
            with (self.home / "supervisor.lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def migrations(self) -> list[str]:
        journal = self.root / "migrated.txt"
        return journal.read_text().splitlines() if journal.exists() else []

    def close(self) -> None:
        for client in self.clients:
            if client.poll() is None:
                client.kill()
            client.communicate()
        if self.has_supervisor():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.supervisor, signal.SIGTERM)
        wait_until(lambda: not self.has_supervisor(), what="the supervisor's end")


@pytest.fixture
def checkout(tmp_path):
    checkout = Checkout(tmp_path / "checkout")
    yield checkout
    checkout.close()


@pytest.fixture
def ready_checkout(checkout, prepared_data):
    """One whose PostgreSQL was initialised before, so that the test is quick."""
    checkout.home.mkdir()
    shutil.copytree(prepared_data / "pgdata", checkout.home / "pgdata")
    return checkout


def test_two_commands_at_once_share_one_supervisor_until_the_last_leaves(checkout):
    first, second = checkout.start(), checkout.start()
    addresses = checkout.addresses(first)
    assert checkout.addresses(second) == addresses
    assert addresses == {
        "DATABASE_URL": places.database_url(checkout.home),
        "REDIS_URL": places.redis_url(checkout.home),
    }
    assert len(checkout.migrations()) == 1
    assert checkout.migrations()[0] == f"no {addresses['DATABASE_URL']} {addresses['REDIS_URL']}"

    checkout.leave(first)
    time.sleep(0.5)  # longer than the supervisor waits for a new client
    assert query(addresses["DATABASE_URL"], "SELECT 1") == [(1,)]

    checkout.leave(second)
    wait_until(lambda: not processes_of(checkout.home), what="the end of the supervisor and its servers")
    assert not places.socket_folder(checkout.home).exists()


def test_a_killed_command_gives_its_lease_back(ready_checkout):
    client = ready_checkout.start()
    ready_checkout.addresses(client)
    client.kill()
    wait_until(lambda: not processes_of(ready_checkout.home), what="the supervisor's end")


def test_a_killed_supervisor_takes_its_servers_along_and_the_next_command_finds_the_data(tmp_path):
    checkout = Checkout(tmp_path / 'l\'école, "très" loin')  # its sockets are in /tmp
    try:
        client = checkout.start()
        url = checkout.addresses(client)["DATABASE_URL"]
        query(url, "CREATE TABLE kept AS SELECT 7 AS number")
        first = checkout.supervisor
        os.kill(first, signal.SIGKILL)
        again = checkout.start()  # at once: PostgreSQL may still be stopping
        assert checkout.addresses(again)["DATABASE_URL"] == url
        assert checkout.supervisor != first
        assert query(url, "SELECT number FROM kept") == [(7,)]
        assert len(checkout.migrations()) == 1

        os.kill(checkout.supervisor, signal.SIGKILL)
        wait_until(lambda: not processes_of(checkout.home), what="the servers' end")
        sockets = places.socket_folder(checkout.home)
        assert sockets.parent == Path("/tmp")
    finally:
        checkout.close()
    shutil.rmtree(checkout.root)
    assert sockets.exists()
    places.sweep()
    assert not sockets.exists()


def test_a_server_that_dies_under_its_commands_is_started_again(ready_checkout):
    client = ready_checkout.start()
    url = ready_checkout.addresses(client)["DATABASE_URL"]
    postmaster = int((ready_checkout.home / "pgdata" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)

    def answers() -> bool:
        with contextlib.suppress(psycopg2.OperationalError):
            return query(url, "SELECT 1") == [(1,)]
        return False

    wait_until(lambda: not alive(postmaster), what="the postmaster's end")
    wait_until(answers, what="PostgreSQL's return")


def test_given_addresses_start_nothing(checkout):
    given = {"DATABASE_URL": "postgresql://ailleurs/bma", "REDIS_URL": "redis://ailleurs/0"}
    client = checkout.start(**given)
    assert checkout.addresses(client) == given
    assert not checkout.home.exists()


def test_addresses_given_by_the_env_file_start_nothing(checkout):
    (checkout.root / ".env").write_text(
        "DATABASE_URL='postgresql://ailleurs/bma'\nexport REDIS_URL=redis://ailleurs/0\n"
    )
    client = checkout.start()
    assert checkout.addresses(client) == {"DATABASE_URL": None, "REDIS_URL": None}  # the settings read that file
    assert not checkout.home.exists()


@pytest.mark.parametrize(
    "refusal", [{"BMA_EMBEDDED": "no"}, {"DJANGO_SETTINGS_MODULE": "bma_portal.settings.production"}]
)
def test_production_and_a_refusal_start_nothing(checkout, refusal):
    client = checkout.start(**refusal)
    assert checkout.addresses(client) == {"DATABASE_URL": None, "REDIS_URL": None}
    assert not checkout.home.exists()


def test_a_given_redis_leaves_only_postgresql_to_embed(ready_checkout):
    client = ready_checkout.start(REDIS_URL="redis://ailleurs/0")
    addresses = ready_checkout.addresses(client)
    assert addresses == {"DATABASE_URL": places.database_url(ready_checkout.home), "REDIS_URL": "redis://ailleurs/0"}
    assert query(addresses["DATABASE_URL"], "SELECT 1") == [(1,)]
    assert not (ready_checkout.home / "valkey").exists()
    assert ready_checkout.migrations() == [f"no {addresses['DATABASE_URL']} redis://ailleurs/0"]


def test_a_program_started_by_a_command_outlives_it_on_a_lease_of_its_own(ready_checkout):
    code = (
        "import json, os, subprocess, sys\n"
        "from bma_portal.embedded import ensure_environment\n"
        "ensure_environment(); ensure_environment()\n"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=0, stdout=1, stderr=2)\n"
        "sys.stdin.readline() if False else os._exit(0) if os.read(int(sys.argv[2]), 1) else None\n"
    )
    reader, writer = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", code, CLIENT, str(reader)],
        cwd=ready_checkout.root,
        env=ready_checkout.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[reader],
    )
    url = json.loads(parent.stdout.readline())["DATABASE_URL"]  # said by the child
    os.write(writer, b"x")
    parent.wait(10)
    time.sleep(0.5)
    assert query(url, "SELECT 1") == [(1,)]
    parent.communicate()  # the child's input ends
    os.close(reader)
    os.close(writer)
    wait_until(lambda: not ready_checkout.has_supervisor(), what="the supervisor's end")


def test_a_failed_migration_is_shown_in_french_and_the_command_stops(ready_checkout):
    (ready_checkout.root / "broken").touch()
    client = ready_checkout.start()
    output, errors = client.communicate(timeout=20)
    assert (client.returncode, output) == (1, "")
    assert "une migration a échoué" in errors
    assert "  | boom: la colonne existe déjà" in errors
    assert "Traceback" not in errors


def test_migrations_run_again_when_the_code_changed_and_only_then(ready_checkout):
    for expected in (1, 1):
        ready_checkout.leave(ready_checkout.start())
        assert len(ready_checkout.migrations()) == expected
    before = migrations_digest(ready_checkout.root)
    (ready_checkout.root / "shop" / "migrations" / "0002_more.py").write_text("two")
    assert migrations_digest(ready_checkout.root) != before
    ready_checkout.leave(ready_checkout.start())
    assert len(ready_checkout.migrations()) == 2


def test_data_of_another_version_stop_the_command_without_a_traceback(checkout):
    (checkout.home / "pgdata").mkdir(parents=True)
    (checkout.home / "pgdata" / "PG_VERSION").write_text("13\n")
    client = checkout.start()
    errors = client.communicate(timeout=20)[1]
    assert client.returncode == 1
    assert "autre version de PostgreSQL" in errors
    assert "Traceback" not in errors


def test_an_impossible_data_folder_stops_the_command_without_a_traceback(checkout):
    (checkout.root / "file").touch()
    client = checkout.start(BMA_VAR=str(checkout.root / "file" / "var"))
    errors = client.communicate(timeout=20)[1]
    assert client.returncode == 1
    assert "Impossible de créer le dossier de données" in errors
    assert "Traceback" not in errors


def test_a_forked_child_keeps_the_lease_and_a_lost_supervisor_is_noticed(checkout, monkeypatch):
    monkeypatch.setattr(places, "ROOT", checkout.root)
    monkeypatch.setenv("BMA_LINGER", "0.2")
    lease.obtain(checkout.home, {"valkey": True})
    held = lease._leases[checkout.home]
    assert not os.get_inheritable(held)
    lease.obtain(checkout.home, {"valkey": True})
    assert lease._leases[checkout.home] == held
    supervisor = checkout.supervisor
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: not alive(supervisor), what="the supervisor's end")
    lease.obtain(checkout.home, {"valkey": True})
    assert checkout.supervisor != supervisor
    lease.release(checkout.home)


def test_the_package_never_imports_django():
    code = (
        "import sys, bma_portal.embedded.lease, bma_portal.embedded.supervisor, bma_portal.embedded.servers\n"
        "sys.exit('django' in sys.modules or 'celery' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=places.ROOT, check=False).returncode == 0
