"""A pooler between the portal and its database, a worker whose clock is wrong: nothing changes (SEC-J12, K6)."""

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg2
import pytest

from bma_portal.clock import BRUSSELS
from tests.walks.theatre import Theatre

pytestmark = pytest.mark.slow

POOL = 5  # connections for everybody: a transaction lands where it can


def program(name: str) -> str:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if found is None:
        pytest.skip(f"{name} n'est pas installé ici (paquet {name})")
    return found


@pytest.fixture
def pooled(theatre: Theatre) -> Iterator[Theatre]:
    """The theatre, whose people see PostgreSQL through pgbouncer in transaction mode."""
    pgbouncer = program("pgbouncer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = theatre.servers.postgres
    settings = theatre.folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\nbma = host={server.sockets} user=postgres dbname=bma\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {POOL}\nmax_client_conn = 100\n"
    )
    identity: dict = {}
    folder: Path = server.sockets
    if os.geteuid() == 0:  # it refuses root, and PostgreSQL's folder is closed to the others
        command = [*server.identity.namespace, pgbouncer]
        if server.identity.uid is not None:
            identity = {"user": server.identity.uid, "group": server.identity.gid, "extra_groups": []}
    else:
        command = [pgbouncer]
    with open(theatre.folder / "pgbouncer.log", "wb") as log:
        process = subprocess.Popen([*command, "-q", str(settings)], stdout=log, stderr=log, cwd=folder, **identity)
    direct = theatre.env["DATABASE_URL"]
    theatre.env["DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{port}/bma"

    def answers() -> bool:
        assert process.poll() is None, (theatre.folder / "pgbouncer.log").read_text()
        with contextlib.suppress(psycopg2.OperationalError):
            return bool(theatre.ask("SELECT 1"))
        return False

    try:
        theatre.wait(answers, "pgbouncer")
        yield theatre
    finally:
        theatre.env["DATABASE_URL"] = direct
        theatre.close()
        process.terminate()
        process.wait()


def assert_shared(theatre: Theatre) -> None:
    """Nobody has a connection of their own: the few of the pool served everybody."""
    served = theatre.servers.postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = 'bma'")
    assert 0 < served[0][0] <= POOL


def test_the_outbox_through_a_pooler(pooled: Theatre) -> None:
    pooled.act("queue", 80, 4)
    pooled.beat()
    for _ in range(2):
        pooled.worker()
    pooled.wait_drained()
    assert_shared(pooled)
    pooled.assert_each_once_and_in_order()
    held = pooled.servers.postgres.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert held == [(0,)], "aucun verrou de session ne traîne"


def test_planned_statements_through_a_pooler(pooled: Theatre) -> None:
    assert pooled.act("look_up", 12, 40) == ""
    assert_shared(pooled)
    assert pooled.ask("SELECT sum(count) FROM bma_portal_ratecount WHERE bucket LIKE 'essai:%%'") == [(12 * 40,)]
    refused = (pooled.servers.postgres.log).read_text(errors="replace")
    assert "prepared statement" in refused, "plusieurs sessions ont dû apprendre le même ordre"


def test_a_campaign_and_kills_through_a_pooler(pooled: Theatre) -> None:
    chance = random.Random(20241107)
    pooled.act("register", 12, 4)
    pooled.act("campaign", 1, 1)
    pooled.exchange.latency(30)
    pooled.beat()
    workers = [pooled.worker(), pooled.worker()]
    pooled.wait_ready(2)
    replay = pooled.replay(last="2024-12-06")
    pooled.wait_sent(2)
    for n in range(3):
        time.sleep(chance.uniform(0.1, 0.8))
        pooled.kill(workers[n % 2])
        workers[n % 2] = pooled.worker()
    summary = pooled.summary(replay)
    assert summary["kept"], summary
    pooled.assert_each_once_and_in_order()
    pooled.assert_passwords_kept(16)
    assert_shared(pooled)


@pytest.mark.parametrize("shift", ["+2h", "-2h"])
def test_a_worker_two_hours_off_beside_a_right_one(theatre: Theatre, shift: str) -> None:
    """Leases, waits and marks are the database's: the wrong clock takes nothing from the right worker."""
    off = (program("faketime"), "-f", shift)
    theatre.exchange.latency(10)
    theatre.exchange.faults([{"op": "SendItem", "action": "busy", "ms": 300, "times": 2}])
    at = datetime(2024, 10, 7, 9, tzinfo=BRUSSELS)
    theatre.set_clock(at)
    theatre.act("queue", 60, 4)
    theatre.beat()
    theatre.worker(prefix=off)
    theatre.wait_ready(1)
    theatre.wait_sent(60)
    theatre.worker()
    theatre.wait_ready(2)
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()
    ready = re.findall(r'"at": "([^"]+)".* ready\.', (theatre.folder / "troupe.log").read_text())
    wrong, right = map(datetime.fromisoformat, ready)
    assert abs(wrong - right) > timedelta(hours=1), "l'horloge du premier ouvrier est bien fausse"
    assert theatre.ask("SELECT DISTINCT sent_at FROM mail_outgoingmail") == [(at,)], "l'heure réglée, chez les deux"
    proofs = theatre.ask("SELECT DISTINCT proof FROM mail_outgoingmail")
    assert proofs == [("answer",)], "aucune prise n'a semblé trop vieille : Exchange n'a pas dû être interrogé"


def test_a_dead_worker_s_mails_are_taken_over_by_one_two_hours_off(theatre: Theatre) -> None:
    off = (program("faketime"), "-f", "-2h")
    theatre.exchange.latency(20)
    theatre.act("queue", 40, 3)
    theatre.beat()
    victim = theatre.worker()
    theatre.wait_sent(10)
    theatre.kill(victim)
    assert theatre.waiting()
    theatre.worker(prefix=off)
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()


def test_the_clock_that_a_replay_sets_is_every_worker_s(theatre: Theatre) -> None:
    days = [datetime(2024, 10, 7, 9, tzinfo=BRUSSELS), datetime(2025, 3, 30, 3, 30, tzinfo=BRUSSELS)]
    theatre.beat()
    for _ in range(2):
        theatre.worker()
    theatre.wait_ready(2)
    for n, at in enumerate(days):
        theatre.set_clock(at)
        theatre.act("queue", 20, 2, f"jour-{n}")
        theatre.wait_drained()
    assert {row[0] for row in theatre.ask("SELECT DISTINCT sent_at FROM mail_outgoingmail")} == set(days)
    theatre.ask("DELETE FROM bma_portal_replayclock RETURNING id")
    theatre.act("queue", 20, 1, "aujourd'hui")
    theatre.wait_drained()
    late = "SELECT count(*) FROM mail_outgoingmail WHERE sent_at > clock_timestamp() - interval '10 minutes'"
    assert theatre.ask(late) == [(20,)]
