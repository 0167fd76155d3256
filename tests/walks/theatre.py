"""A stage for walks: servers, an Exchange stand-in, real workers and beats, all to be killed at will."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg2

from bma_portal.embedded.servers import Servers
from demo.exchange.control import StandIn
from demo.processes import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
LEASE = 3
PATIENCE = 90


class Theatre:
    def __init__(self, servers: Servers, exchange: StandIn, folder: Path) -> None:
        self.servers, self.exchange, self.folder = servers, exchange, folder
        self.troupe: list[subprocess.Popen] = []
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bma_portal.settings.test",
            "BMA_EMBEDDED": "no",
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "EXCHANGE_URL": exchange.ews,
            "DIRECTORY_BACKEND": "demo.directory.TwinDirectory",
            "MAIL_LEASE_SECONDS": str(LEASE),
            "BMA_VAR": str(folder / "var"),
        }

    # People

    def start(self, *command: str, prefix: tuple[str, ...] = (), **env: str) -> subprocess.Popen:
        with open(self.folder / "troupe.log", "ab") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", *command],
                cwd=ROOT, env={**self.env, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        self.troupe.append(process)
        return process

    def worker(self, *, prefix: tuple[str, ...] = (), **env: str) -> subprocess.Popen:
        options = ["--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        return self.start("celery", "-A", "bma_portal", "worker", "-l", "WARNING", *options, prefix=prefix, **env)

    def beat(self) -> subprocess.Popen:
        return self.start("celery", "-A", "bma_portal", "beat", "-l", "WARNING", "--pidfile=")

    def kill(self, process: subprocess.Popen) -> None:
        """-9, parent and children together."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.troupe.remove(process)

    def act(self, name: str, *arguments: object) -> str:
        return self.run("-m", "tests.walks.acts", name, *map(str, arguments)).stdout

    def manage(self, *arguments: str) -> subprocess.CompletedProcess:
        return self.run("manage.py", *arguments)

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=240,
            check=True,
        )

    def close(self) -> None:
        for process in list(self.troupe):
            self.kill(process)

    def restart_the_dead(self) -> None:
        """What the container engine does (docker-compose.yml: `restart: unless-stopped`)."""
        for process in list(self.troupe):
            if process.poll() is not None:
                self.troupe.remove(process)
                self.worker()

    # What there is to see

    def ask(self, query: str, *values: object) -> list[tuple]:
        connection = psycopg2.connect(self.env["DATABASE_URL"])
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def statuses(self) -> dict[str, int]:
        return dict(self.ask("SELECT status, count(*) FROM mail_outgoingmail GROUP BY status"))

    def waiting(self) -> int:
        found = self.statuses()
        return found.get("queued", 0) + found.get("sending", 0)

    def wait(self, until: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        limit = time.monotonic() + patience
        while True:
            try:
                if until():
                    return
            except psycopg2.OperationalError:
                pass  # the server is being restarted
            if time.monotonic() > limit:
                log = (self.folder / "troupe.log").read_text()[-3000:]
                raise AssertionError(f"en vain : {what} ; {self.statuses()} ; {log}")
            time.sleep(0.05)

    def wait_sent(self, count: int) -> None:
        self.wait(lambda: self.exchange.counts()["delivered"] >= count, f"{count} courriels remis")

    def wait_drained(self) -> None:
        self.wait(lambda: not self.waiting(), "file vide")

    def assert_each_once_and_in_order(self, *, failed: int = 0) -> None:
        """Held against the stand-in's own log: lost, unexpected, twice, overtaken: none; nothing stuck."""
        rows = dict(self.ask("SELECT uuid::text, status FROM mail_outgoingmail"))
        sent = {key for key, status in rows.items() if status == "sent"}
        assert Counter(rows.values()) == Counter({"sent": len(rows) - failed} | ({"failed": failed} if failed else {}))
        log = self.exchange.deliveries()
        received = Counter(delivery["key"] for delivery in log)
        assert set(received) == sent
        assert set(received.values()) == {1}
        order: dict[str, list[int]] = {}
        for delivery in log:
            if delivery["subject"].isdigit():
                order.setdefault(delivery["to"], []).append(int(delivery["subject"]))
        assert all(steps == sorted(steps) for steps in order.values())
        self.act("resume")  # a busy account may still be told to wait
        self.act("tidy")
        assert self.exchange.counts()["drafts"] == 0

    def replay(self, first: str = "2024-10-07", last: str = "2025-01-05") -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "manage.py", "replay_campaign", "--from", first, "--to", last, "--json"],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def summary(self, replay: subprocess.Popen) -> dict:
        out, errors = replay.communicate(timeout=PATIENCE * 3)
        assert replay.returncode == 0, errors[-2000:] + out
        return json.loads(out)
