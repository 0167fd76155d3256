"""The process that owns a checkout's servers: ``python -m bma_portal.embedded serve FOLDER``.

It is detached from the command that started it and has one lock (so there is one of it), one control socket, and one
connection per client. A client says once what it wants, as a line of JSON; it gets one line back, and then says
nothing more: its connection, open for its life, is its lease. Two seconds after the last one closed, the servers stop.

    → {"postgres": true, "valkey": true, "migrate": true, "settings": "…", "redis_url": null}
    ← {"database_url": "…", "redis_url": "…"}        or        {"error": "…", "detail": "…"}

Everything happens in one thread: starting and migrating make later clients wait, which is what they want.
"""

import hashlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path

from . import places
from .errors import EmbeddedError
from .servers import Servers

LINGER = 2.0  # seconds without a client before leaving
ROUND = 1.0  # seconds between two looks at the servers' health
TAKEN = 3  # exit status: another supervisor has the folder

logger = logging.getLogger("bma_portal.embedded")


def control_socket(home: Path) -> Path:
    return places.socket_folder(home) / "control.sock"


def migrations_digest(root: Path = places.ROOT) -> str:
    """Changes when ``migrate`` may have something to do: migrations, settings (installed apps), libraries."""
    files = [root / "requirements.txt"]
    for package in root.glob("*/__init__.py"):
        files += package.parent.rglob("migrations/*.py")
        files += package.parent.glob("settings/*.py")
    digest = hashlib.sha256()
    for file in sorted(files):
        if file.is_file():
            digest.update(os.fsencode(file.relative_to(root)) + b"\0")
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


class Supervisor:
    def __init__(self, servers: Servers, listener: socket.socket, *, linger: float = LINGER) -> None:
        self.servers = servers
        self.linger = linger
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, None)
        self.clients = 0
        self.started: set[str] = set()

    def run(self) -> None:
        """Serve until the last client has left."""
        while True:
            events = self.selector.select(ROUND if self.clients else self.linger)
            if not events and not self.clients:
                return
            for key, _ in events:
                if key.fileobj is self.listener:
                    self._welcome()
                else:
                    self._hear(key.fileobj)  # type: ignore[arg-type]
            if self.clients and not events:
                self._look_after()

    def _welcome(self) -> None:
        connection, _ = self.listener.accept()
        connection.settimeout(5)
        self.selector.register(connection, selectors.EVENT_READ, None)
        self.clients += 1

    def _hear(self, connection: socket.socket) -> None:
        try:
            line = connection.recv(65536)
            if line:
                connection.sendall(json.dumps(self._answer(line)).encode() + b"\n")
                return
        except OSError as error:
            logger.info("client lost: %s", error)
        self.selector.unregister(connection)
        connection.close()
        self.clients -= 1

    def _answer(self, line: bytes) -> dict[str, str]:
        try:
            wish = json.loads(line)
            if wish.get("postgres"):
                self.servers.start_postgres()
                self.started.add("postgres")
            if wish.get("valkey"):
                self.servers.start_valkey()
                self.started.add("valkey")
            if wish.get("postgres") and wish.get("migrate"):
                self._migrate(wish)
        except EmbeddedError as error:
            logger.warning("%s", error)
            return {"error": str(error), "detail": error.detail}
        except (OSError, ValueError) as error:
            logger.exception("wish not granted")
            return {"error": f"Les serveurs embarqués ont échoué : {error}", "detail": ""}
        return {"database_url": self.servers.database_url, "redis_url": self.servers.redis_url}

    def _migrate(self, wish: dict) -> None:
        """Bring the schema up to the code. What was applied is written on the database itself, and goes with it."""
        digest = migrations_digest()
        postgres = self.servers.postgres
        [[written]] = postgres.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (places.DATABASE,)
        )
        if written == digest:
            return
        done = subprocess.run(
            [sys.executable, places.ROOT / "manage.py", "migrate", "--no-input", "--verbosity", "1"],
            cwd=places.ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            env=os.environ
            | {
                "BMA_EMBEDDED": "no",
                "DATABASE_URL": self.servers.database_url,
                "REDIS_URL": wish.get("redis_url") or self.servers.redis_url,
                "DJANGO_SETTINGS_MODULE": wish.get("settings") or "bma_portal.settings.development",
            },
        )
        logger.info("migrate: exit status %s\n%s", done.returncode, done.stdout)
        if done.returncode:
            raise EmbeddedError(
                "La base de données n’a pas pu être mise à jour : une migration a échoué.",
                "\n".join(done.stdout.splitlines()[-30:]),
            )
        postgres.execute(f'COMMENT ON DATABASE "{places.DATABASE}" IS %s', (digest,))

    def _look_after(self) -> None:
        """Start again a server that died under its clients."""
        for name in self.started:
            server = getattr(self.servers, name)
            if not server.running:
                logger.warning("%s stopped by itself: starting it again", name)
                try:
                    server.start()
                except EmbeddedError as error:
                    logger.warning("%s %s", error, error.detail)


def _listen(home: Path) -> socket.socket:
    path = control_socket(home)
    path.unlink(missing_ok=True)  # ours alone: we hold the folder's lock
    listener = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    places.give_to_owner(path, home)
    listener.listen(64)
    return listener


def _detach(log: Path) -> None:
    """Leave the terminal and the command that started us; the parent returns once we can be reached."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    journal = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(null, 0)
    os.dup2(journal, 1)
    os.dup2(journal, 2)
    os.close(null)
    os.close(journal)


def _leave_on_signal(number: int, frame: object) -> None:
    raise SystemExit(0)


def serve(home: Path) -> int:
    """Become the supervisor of a data folder, in the background. Returns at once when there is one already."""
    servers = Servers(home)
    if not servers.open():
        return TAKEN
    home = servers.home
    listener = _listen(home)
    log = home / "supervisor.log"
    _detach(log)
    places.give_to_owner(log, home)
    servers.lock.sign()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave_on_signal)
    try:
        Supervisor(servers, listener, linger=float(os.environ.get("BMA_LINGER") or LINGER)).run()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        # First nobody can reach us; whoever tries waits for the lock, which goes last.
        control_socket(home).unlink(missing_ok=True)
        listener.close()
        servers.close()
        logger.info("left")
    return 0
