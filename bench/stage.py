"""The scene of the measures: a PostgreSQL and an Exchange stand-in of their own, and processes that start together.

Every measure works in a copy of a prepared database, so that no repetition inherits the dead rows of the one before.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bma_portal.embedded.servers import Servers
from demo.exchange.control import StandIn

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300  # seconds for one act; beyond it something is stuck


class Broken(Exception):
    """An act failed: there is no figure. The message ends with what it said last."""


@dataclass
class Act:
    """One process that has prepared itself and waits for its signal."""

    process: subprocess.Popen
    journal: Path
    killed: bool = False
    said: str = ""

    def wait_until_ready(self) -> None:
        if self.process.stdout.readline() != "ready\n":  # type: ignore[union-attr]
            raise Broken(self.last_words())

    def go(self) -> None:
        self.process.stdin.write("go\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]

    def kill(self) -> None:
        """-9: it leaves its claims, and gives no figure."""
        self.killed = True
        self.process.kill()

    def one_turn(self) -> bool:
        """Let it work for one turn. False once it has finished, and `result` has its figures."""
        self.go()
        self.said = self.process.stdout.readline()  # type: ignore[union-attr]
        return self.said == "turn\n"

    def result(self) -> dict[str, Any]:
        try:
            out, _ = self.process.communicate(timeout=PATIENCE)
            out = self.said + out
        except subprocess.TimeoutExpired:
            self.end()
            raise Broken(f"rien après {PATIENCE} s. {self.last_words()}") from None
        if self.killed and self.process.returncode == -signal.SIGKILL:
            return {}
        if self.process.returncode:
            raise Broken(self.last_words())
        return json.loads(out)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def last_words(self) -> str:
        return self.journal.read_text(errors="replace")[-1500:]


@dataclass
class Stage:
    servers: Servers
    exchange: StandIn
    folder: Path
    prepared: dict[tuple[str, ...], str] = field(default_factory=dict)
    copies: int = 0
    lease: int = 0  # seconds; 0: the portal's own

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, *, durable: bool = True) -> Iterator[Self]:
        """Servers in `folder`, at rest and migrated. `durable` as in production: each commit reaches the disk."""
        with Servers(folder / "servers", durable=durable) as servers, StandIn.start() as exchange:
            stage = cls(servers, exchange, folder)
            stage.manage(stage.servers.database_url, "migrate", "--no-input", "-v", "0")
            yield stage

    def environment(self, database_url: str) -> dict[str, str]:
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bma_portal.settings.test",
            "BMA_EMBEDDED": "no",
            "DATABASE_URL": database_url,
            "REDIS_URL": self.servers.redis_url,
            "EXCHANGE_URL": self.exchange.ews,
            **({"MAIL_LEASE_SECONDS": str(self.lease)} if self.lease else {}),
            "BMA_VAR": str(self.folder / "var"),
        }

    def manage(self, database_url: str, *arguments: str) -> None:
        with self.journal.open("ab") as journal:
            command = [sys.executable, "manage.py", *arguments]
            subprocess.run(
                command, cwd=ROOT, env=self.environment(database_url), stdout=journal, stderr=journal, check=True
            )

    @property
    def journal(self) -> Path:
        return self.folder / "acts.log"

    def last_words(self) -> str:
        return self.journal.read_text(errors="replace")[-1500:]

    # Databases

    def _copy(self, source: str) -> str:
        self.copies += 1
        name = f"copy{self.copies}"
        self.servers.postgres.execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        return name

    def template(self, *act: str) -> str:
        """The database that this act fills, made once."""
        if act not in self.prepared:
            name = self._copy("bma")
            self.run(name, *act)
            self.servers.postgres.execute("VACUUM ANALYZE", name=name)
            self.prepared[act] = name
        return self.prepared[act]

    @contextlib.contextmanager
    def database(self, *act: str) -> Iterator[str]:
        """A fresh copy of the migrated database, or of what an act fills, for the time of one measure."""
        name = self._copy(self.template(*act) if act else "bma")
        # What the copy left to be written must not fall into the measure.
        self.servers.postgres.execute("CHECKPOINT")
        try:
            yield name
        finally:
            self.servers.postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    # Processes

    def start(self, database: str, *act: str) -> Act:
        with self.journal.open("ab") as journal:
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.acts", *act], cwd=ROOT,
                env=self.environment(self.servers.postgres.url(database)),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=journal, text=True,
            )  # fmt: skip
        return Act(process, self.journal)

    def run(self, database: str, *act: str) -> dict[str, Any]:
        return self.together(database, [act])[0]

    def together(self, database: str, acts: list[tuple[str, ...]], *, kill_after: float = 0) -> list[dict[str, Any]]:
        """Start them, wait until all are ready, let them go at once. `kill_after` seconds the first one is killed."""
        started = [self.start(database, *act) for act in acts]
        try:
            for act in started:
                act.wait_until_ready()
            for act in started:
                act.go()
            if kill_after:
                time.sleep(kill_after)
                started[0].kill()
            return [act.result() for act in started]
        finally:
            for act in started:
                act.end()

    def in_turns(self, acts: list[tuple[str, tuple[str, ...]]]) -> list[dict[str, Any]]:
        """Each act works in its own database, one at a time, turn by turn: what slows the machine slows them alike."""
        started = [self.start(database, *act) for database, act in acts]
        try:
            for act in started:
                act.wait_until_ready()
            working = list(started)
            while working:
                working = [act for act in working if act.one_turn()]
            return [act.result() for act in started]
        finally:
            for act in started:
                act.end()
