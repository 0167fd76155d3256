"""Private embedded servers, for real: paths, users, restarts, kills, and what stays behind (nothing)."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from bma_portal.embedded import identity, places
from bma_portal.embedded.binaries import postgres_folder
from bma_portal.embedded.errors import EmbeddedError
from bma_portal.embedded.servers import Servers
from tests.bma_portal.processes import processes_of, query, valkey, wait_until

ODD_NAMES = {
    "190 caractères": "/".join(["a" * 60] * 3),
    "espaces et accents": "mes données à l’école",
    "apostrophe, virgule et guillemets": """l'école, "la petite" $HOME;x""",
}


@pytest.fixture
def servers(tmp_path, prepared_data):
    shutil.copytree(prepared_data, tmp_path / "servers")
    with Servers(tmp_path / "servers") as servers:
        yield servers


def test_both_servers_answer_and_nothing_of_them_stays(tmp_path):
    with Servers(tmp_path / "d", durable=False) as servers:
        assert query(servers.database_url, "SHOW server_encoding") == [("UTF8",)]
        [[collation]] = query(servers.database_url, "SELECT datcollate FROM pg_database WHERE datname = 'bma'")
        assert collation == "C.UTF-8"
        assert valkey(servers, "CONFIG GET maxmemory-policy").split()[-1] == "noeviction"
        assert valkey(servers, "CONFIG GET appendonly").split()[-1] == "yes"
        assert len(processes_of(servers.home)) >= 2
        sockets = places.socket_folder(servers.home)
        assert (sockets / "pg").stat().st_mode & 0o777 == 0o700
        assert (sockets / "vk").stat().st_mode & 0o777 == 0o700
    assert processes_of(servers.home) == []
    assert not sockets.exists()


@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES.keys())
def test_an_odd_path_makes_no_difference(tmp_path, prepared_data, name):
    folder = tmp_path / name
    shutil.copytree(prepared_data, folder)
    with Servers(folder, durable=False) as servers:
        assert query(servers.database_url, "SELECT 1") == [(1,)]
        assert "PONG" in valkey(servers, "PING")
        sockets = places.socket_folder(folder)
        assert sockets.parent == Path("/tmp")
        assert sockets.stat().st_mode & 0o066 == 0
    assert not sockets.exists()
    assert processes_of(folder) == []


def test_postgresql_restarted_or_killed_comes_back_with_what_was_committed(servers):
    query(servers.database_url, "CREATE TABLE kept AS SELECT 7 AS number")
    for interruption in (servers.restart_postgres, lambda: servers.kill("postgres")):
        interruption()
        servers.start_postgres()
        assert query(servers.database_url, "SELECT number FROM kept") == [(7,)]


def test_valkey_restarted_comes_back_with_its_queue(servers):
    valkey(servers, "RPUSH celery bell")
    servers.restart_valkey()
    assert "bell" in valkey(servers, "LRANGE celery 0 -1")


def test_a_folder_serves_one_process_at_a_time(servers):
    with pytest.raises(EmbeddedError, match="sert déjà à un autre processus"), Servers(servers.home):
        pytest.fail("two owners")
    assert query(servers.database_url, "SELECT 1") == [(1,)]


def test_a_pid_file_that_names_an_unrelated_process_does_not_prevent_the_start(tmp_path, prepared_data):
    folder = tmp_path / "d"
    shutil.copytree(prepared_data, folder)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        lines = f"{bystander.pid}\n{folder / 'pgdata'}\n1700000000\n5432\n\n\n  5432001  32768\n"
        (folder / "pgdata" / "postmaster.pid").write_text(lines)
        (folder / "valkey" / "valkey.pid").write_text(f"{bystander.pid}\n")
        with Servers(folder, durable=False) as servers:
            assert query(servers.database_url, "SELECT 1") == [(1,)]
        assert bystander.poll() is None
        bystander.communicate(b"\n")


def test_an_interrupted_initialisation_starts_over(tmp_path):
    (tmp_path / "d" / "pgdata.new").mkdir(parents=True)
    (tmp_path / "d" / "pgdata.new" / "PG_VERSION").write_text("18\n")
    with Servers(tmp_path / "d", durable=False, valkey=False) as servers:
        assert query(servers.database_url, "SELECT 1") == [(1,)]


def test_data_of_another_postgresql_are_refused_with_the_way_out(tmp_path):
    data = tmp_path / "d" / "pgdata"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("13\n")
    with pytest.raises(EmbeddedError, match=r"autre version de PostgreSQL \(13 ; ici \d+\)\. Supprimez"):
        Servers(tmp_path / "d").__enter__()
    assert (data / "PG_VERSION").read_text() == "13\n"


def test_a_wrong_pg_bindir_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PG_BINDIR", "/nowhere")
    with pytest.raises(EmbeddedError, match="PG_BINDIR désigne /nowhere"):
        Servers(tmp_path / "d", valkey=False).__enter__()


def test_a_socket_folder_prepared_by_somebody_else_is_refused(tmp_path):
    if os.geteuid():
        pytest.skip("il faut être root pour faire un dossier au nom d'un autre")
    home = tmp_path / "é"
    home.mkdir()
    folder = places.socket_folder(home)
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    try:
        with pytest.raises(EmbeddedError, match="appartient à quelqu’un d’autre"):
            Servers(home).__enter__()
    finally:
        folder.rmdir()


def test_what_a_killed_test_run_leaves_is_swept_by_the_next():
    code = (
        "import sys\n"
        "from bma_portal.embedded.places import Scratch\n"
        "from bma_portal.embedded.servers import Servers\n"
        "scratch = Scratch('bma-sweep-'); servers = Servers(scratch.folder, durable=False, postgres=False)\n"
        "servers.__enter__(); print(scratch.folder, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=places.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        folder = Path(run.stdout.readline().strip())
        places.sweep("bma-sweep-")
        assert folder.exists()
        run.kill()
        run.communicate()
    wait_until(lambda: not processes_of(folder), what="Valkey's end")
    places.sweep("bma-sweep-")
    assert not folder.exists()


# Another user than ours


PROBE = "import os, sys, psycopg2; sys.exit(not os.access(sys.executable, os.X_OK))"


def reachable_python() -> str | None:
    """An interpreter of our version that an ordinary user may run, with our libraries."""
    for name in (os.path.realpath(sys.executable), f"/usr/bin/python3.{sys.version_info.minor}"):
        program = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", name, "-c", PROBE]
        if (
            subprocess.run(program, env=reachable_environment(), cwd="/", capture_output=True, check=False).returncode
            == 0
        ):
            return name
    return None


def reachable_environment() -> dict[str, str]:
    packages = Path(psycopg2.__file__).parent.parent
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{packages}:{places.ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def open_folder(tmp_path):
    """A temporary folder that others may reach: pytest's own is closed to them."""
    scratch = places.Scratch("bma-user-")
    yield scratch.folder
    scratch.remove()


def test_an_ordinary_user_runs_the_servers_as_themselves(open_folder):
    if os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("déjà couvert par les autres tests, qui ne tournent pas en root ici")
    python = reachable_python()
    if not python:
        pytest.skip("un utilisateur ordinaire ne peut pas lire l'environnement Python de root")
    folder = open_folder / "à moi, l'usager"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    code = (
        "import os, sys; from bma_portal.embedded.servers import Servers\n"
        "with Servers(sys.argv[1], durable=False) as servers:\n"
        "    owner = os.stat(servers.postgres.data).st_uid\n"
        "    print(servers.postgres.execute('SELECT 40 + 2'), owner, servers.valkey.answers())"
    )
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", python, "-c", code, folder]
    done = subprocess.run(user, env=reachable_environment(), cwd="/", capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[(42,)] 65534 True", done.stderr
    assert processes_of(folder) == []


def test_root_in_a_users_folder_leaves_everything_to_that_user(open_folder):
    if os.geteuid():
        pytest.skip("il faut être root")
    folder = open_folder / "var"
    os.chown(open_folder, 65534, 65534)
    with Servers(folder, durable=False) as servers:
        assert query(servers.database_url, "SELECT 1") == [(1,)]
        owners = {path: path.lstat().st_uid for path in (folder, *folder.rglob("*"))}
        running = {Path(f"/proc/{pid}").stat().st_uid for pid in processes_of(folder)}
    if not any(owners.values()):
        pytest.skip("un utilisateur ordinaire ne peut pas lire les programmes ici")
    assert set(owners.values()) == {65534}, {path for path, uid in owners.items() if uid != 65534}
    assert running == {65534}


def test_root_where_namespaces_are_refused_drops_to_another_account(open_folder, monkeypatch):
    if os.geteuid():
        pytest.skip("il faut être root")
    monkeypatch.setattr(identity, "_namespace", lambda program, account: ())
    if not identity.may_reach(postgres_folder(), pwd.getpwnam("nobody")):
        pytest.skip("les programmes sont dans un dossier fermé aux autres comptes")
    with Servers(open_folder / "d", durable=False) as servers:
        assert query(servers.database_url, "SELECT 1") == [(1,)]
        assert servers.postgres.data.stat().st_uid != 0
    assert processes_of(open_folder / "d") == []


def test_root_in_a_closed_folder_without_namespaces_says_what_to_do(tmp_path, monkeypatch):
    if os.geteuid():
        pytest.skip("il faut être root")
    monkeypatch.setattr(identity, "_namespace", lambda program, account: ())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="PostgreSQL refuse de tourner en root"):
        Servers(closed / "d", valkey=False).__enter__()
