"""A stage for walks: servers, an Exchange stand-in, real workers and beats, all to be killed at will."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psycopg2

from bma_portal.embedded.servers import Servers
from demo.exchange.control import StandIn
from demo.processes import die_with_parent

ROOT = Path(__file__).resolve().parents[2]
LEASE = 3
PATIENCE = 90
PASSWORD = re.compile(r"(?<![\w-])\w{4}(?:-\w{4}){3}(?![\w-])", re.ASCII)


class StageHand:
    """The process that acts inside the portal, in the environment of the moment."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = dict(env)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.walks.acts"],
            cwd=ROOT, env=self.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def does(self, *act: str, times: int = 1) -> list[subprocess.CompletedProcess]:
        assert self.process.stdin
        assert self.process.stdout
        limit = threading.Timer(240, self.process.kill)
        limit.start()
        try:
            self.process.stdin.write(json.dumps([times, *act]) + "\n")
            self.process.stdin.flush()
            done = json.loads(self.process.stdout.readline())
        finally:
            limit.cancel()
        return [subprocess.CompletedProcess(act, status, out, errors) for status, out, errors in done]

    def close(self) -> None:
        self.process.communicate(timeout=30)


ROWS = "SELECT uuid::text, status FROM mail_outgoingmail"


class Theatre:
    def __init__(self, servers: Servers, exchange: StandIn, folder: Path) -> None:
        self.servers, self.exchange, self.folder = servers, exchange, folder
        self.troupe: list[subprocess.Popen] = []
        self.stage_hand: StageHand | None = None
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bma_portal.settings.test",
            "BMA_EMBEDDED": "no",
            "DATABASE_URL": servers.database_url,
            "REDIS_URL": servers.redis_url,
            "EXCHANGE_URL": exchange.ews,
            "DIRECTORY_BACKEND": "demo.directory.TwinDirectory",
            "MAIL_LEASE_SECONDS": str(LEASE),
            "DIRECTORY_LEASE_SECONDS": str(LEASE),
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
        """What `tests.walks.acts` does under that name, and what it says."""
        (done,) = self.hand().does(name, *map(str, arguments))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def twice_at_once(self, *arguments: str) -> list[subprocess.CompletedProcess]:
        """The same command of `manage.py` by two people at the same moment."""
        return self.hand().does("command", *arguments, times=2)

    def hand(self) -> StageHand:
        if self.stage_hand is None or self.stage_hand.env != self.env:
            self.dismiss()
            self.stage_hand = StageHand(self.env)
        return self.stage_hand

    def clear(self) -> None:
        """Nothing in the outbox nor at Exchange, a beat and a worker at work: new ones after a walk that failed."""
        if not self.troupe or self.waiting() or any(process.poll() is not None for process in self.troupe):
            self.close()
            (self.folder / "troupe.log").unlink(missing_ok=True)
            self.beat()
            self.worker()
            self.wait_ready()
        self.exchange.reset()
        self.ask("TRUNCATE mail_outgoingmail, mail_senderstate, mail_throttle CASCADE")

    def dismiss(self) -> None:
        if self.stage_hand is not None:
            self.stage_hand.close()
            self.stage_hand = None

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

    def set_clock(self, at: datetime) -> None:
        """For every process, until the walk ends."""
        self.ask(
            """INSERT INTO bma_portal_replayclock (id, at, expires_at) VALUES (1, %s, 'infinity')
               ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING id""",
            at,
        )

    def close(self) -> None:
        self.dismiss()
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
                return cursor.fetchall() if cursor.description else []
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

    def wait_ready(self, workers: int = 1) -> None:
        """A replay starts workers of its own if none answers."""
        log = self.folder / "troupe.log"
        self.wait(lambda: log.read_text().count(" ready.") >= workers, "ouvriers prêts")

    def wait_sent(self, count: int) -> None:
        self.wait(lambda: self.exchange.counts()["delivered"] >= count, f"{count} courriels remis")

    def wait_drained(self) -> None:
        self.wait(lambda: not self.waiting(), "file vide")

    def _at_rest(self) -> tuple[dict[str, str], list[dict]]:
        """The rows and the stand-in's log while nothing moves: beat may ring a report of the day in between."""
        while True:
            self.wait_drained()
            rows = dict(self.ask(ROWS))
            log = self.exchange.deliveries()
            if dict(self.ask(ROWS)) == rows and not self.waiting():
                return rows, log

    def assert_each_once_and_in_order(self, *, failed: int = 0) -> None:
        """Held against the stand-in's own log: lost, unexpected, twice, overtaken: none; nothing stuck."""
        rows, log = self._at_rest()
        sent = {key for key, status in rows.items() if status == "sent"}
        assert Counter(rows.values()) == Counter({"sent": len(rows) - failed} | ({"failed": failed} if failed else {}))
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

    def passwords(self, step: int) -> dict[str, str]:
        """By address, the password that mail `step` (2 or 4) tells its holder."""
        sent = self.ask(
            """SELECT mail.uuid::text, mail."to"[1] FROM migration_mailing JOIN mail_outgoingmail AS mail
               ON mail.id = mail_id WHERE step = %s AND mail.status = 'sent'""",
            step,
        )
        told = {}
        for key, address in sent:
            texts = [mail["text"] for mail in self.exchange.mailbox(address)["mails"] if mail["key"] == key]
            (told[address],) = PASSWORD.findall(*texts)
        return told

    def assert_passwords_kept(self, boxes: int) -> None:
        """Mail 2 = the directory = mail 4, for each box; no secret is left, a certificate of each destruction is."""
        told = self.passwords(2)
        assert len(set(told.values())) == len(told) == boxes
        assert all(self.exchange.verify(address, password) for address, password in told.items())
        assert self.passwords(4) == told
        assert json.loads(self.act("secrets")) == {"sealed": 0, "destroyed": boxes}

    def replay(self, first: str = "2024-10-07", last: str = "2025-01-08") -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "manage.py", "replay_campaign", "--from", first, "--to", last, "--json"],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def summary(self, replay: subprocess.Popen) -> dict:
        out, errors = replay.communicate(timeout=PATIENCE * 3)
        assert replay.returncode == 0, errors[-2000:] + out
        return json.loads(out)
