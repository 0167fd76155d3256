"""PostgreSQL and Valkey as children of this process, on Unix sockets, gone when this process is.

No port, no password: the closed folder of each socket (0700) is the access control. Start them from the main thread:
on Linux the kernel stops them when the *thread* that started them ends, which is what survives a ``kill -9`` of ours.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from . import orphans, places
from .binaries import postgres_folder, postgres_major, valkey_program
from .errors import EmbeddedError
from .identity import Identity, choose, owner_or_us

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
LOG_LIMIT = 5_000_000  # bytes; a longer journal starts afresh with the next server
STARTS = 4  # a killed server's own children may hold its memory for a moment
READY_SECONDS = 60  # recovery after a kill may take its time
STOP_SECONDS = 20
PG_STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

# What runs before a server, in its process: leave root if asked, die with the supervisor, become the server. A
# separate Python rather than Popen's preexec_fn, which is unsafe, and warns, in a process that has threads.
LAUNCHER = """
import os, sys
uid, gid, parent, *command = sys.argv[1:]
libc = None
if sys.platform == "linux":
    import ctypes, signal  # while we may still read root's own Python
    libc = ctypes.CDLL(None)
if uid != "-":
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if libc:
    libc.prctl(1, signal.SIGINT)  # after the change of user, which forgets it
if os.getppid() != int(parent):
    sys.exit("started too late")
os.execvp(command[0], command)
"""


def _launched(command: list[str | Path], identity: Identity) -> list[str]:
    uid = ["-", "-"] if identity.uid is None else [str(identity.uid), str(identity.gid)]
    return [sys.executable, "-I", "-S", "-c", LAUNCHER, *uid, str(os.getpid()), *map(str, command)]


class Server:
    """One server process and its folders."""

    label = ""
    journal = ""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / self.journal
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> tuple[list[str | Path], Path]:
        """What to execute, and in which folder."""
        raise NotImplementedError

    def prepare(self) -> Identity:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        if self.running:
            return
        identity = self.prepare()
        for attempt in range(1, STARTS + 1):
            if self._try_to_start(identity):
                return
            if attempt < STARTS:
                time.sleep(0.3)
        raise EmbeddedError(f"{self.label} ne démarre pas (journal : {self.log}).", self._last_words())

    def _try_to_start(self, identity: Identity) -> bool:
        command, folder = self.command()
        mode = "wb" if self.log.exists() and self.log.stat().st_size > LOG_LIMIT else "ab"
        with self.log.open(mode) as log:
            self.process = subprocess.Popen(
                _launched(command, identity),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=ENVIRONMENT,
                start_new_session=True,  # Ctrl-C reaches the commands, not what they stand on
            )
        places.give_to_owner(self.log, self.home)
        limit = time.monotonic() + READY_SECONDS
        while time.monotonic() < limit:
            if self.process.poll() is not None:
                return False
            if self.answers():
                return True
            time.sleep(0.02)
        self.kill()
        raise EmbeddedError(f"{self.label} ne répond pas (journal : {self.log}).", self._last_words())

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
        return ""

    def ask(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self) -> None:
        """Until it has stopped; what does not stop when asked is killed."""
        if self.process is None:
            return
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _signal(self, number: signal.Signals) -> None:
        self.ask(number)
        self.wait()

    def stop(self) -> None:
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """``kill -9``: for the fault tests."""
        self._signal(signal.SIGKILL)


class Postgres(Server):
    label = "PostgreSQL"
    journal = "postgres.log"

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        super().__init__(home)
        self.durable = durable
        self.data = home / "pgdata"
        self.sockets = places.socket_folder(home) / "pg"
        self.identity = Identity()
        self.programs = Path()

    def url(self, name: str = places.DATABASE) -> str:
        return places.database_url(self.home, name)

    def prepare(self) -> Identity:
        self.programs = postgres_folder()
        self.identity = identity = choose(self.home, self.programs)
        self._closed_folder(self.sockets)
        if not self.data.exists():
            self._initialise()
        self._refuse_foreign_data()
        orphans.stop(self.data / "postmaster.pid", [b"postgres", os.fsencode(self.data)], signal.SIGINT)
        return identity

    def _closed_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.identity.uid is not None:
            os.chown(folder, self.identity.uid, self.identity.gid or 0)

    def _initialise(self) -> None:
        # Under another name until it is complete: an interrupted initdb is never taken for a database.
        draft = self.data.with_name("pgdata.new")
        shutil.rmtree(draft, ignore_errors=True)
        self._closed_folder(draft)
        command: list[str | Path] = [
            *self.identity.namespace,
            self.programs / "initdb",
            "-D",
            draft,
            "-U",
            "postgres",
            "-A",
            "trust",
        ]
        command += ["-E", "UTF8", "--locale=C.UTF-8", *([] if self.durable else ["--no-sync"])]
        done = subprocess.run(
            _launched(command, self.identity), capture_output=True, text=True, cwd="/", env=ENVIRONMENT, check=False
        )
        if done.returncode:
            raise EmbeddedError(f"PostgreSQL n’a pas pu créer sa base dans {self.data}.", done.stderr)
        draft.rename(self.data)

    def _refuse_foreign_data(self) -> None:
        owner = self.data.stat().st_uid
        if owner != self.identity.on_disk:
            raise EmbeddedError(
                f"Le dossier {self.data} a été créé par un autre utilisateur (n° {owner}) : reprenez sous ce compte, "
                f"ou supprimez {self.home} (il ne contient que des données de démonstration)."
            )
        theirs = "inconnue"
        with contextlib.suppress(OSError):
            theirs = (self.data / "PG_VERSION").read_text().strip()
        ours = postgres_major(self.programs)
        if theirs != ours:
            raise EmbeddedError(
                f"Le dossier {self.home} vient d’une autre version de PostgreSQL ({theirs} ; ici {ours}). Supprimez "
                f"{self.home} (données de démonstration, refaites au prochain démarrage), ou indiquez par PG_BINDIR "
                f"les programmes de PostgreSQL {theirs}."
            )

    def command(self) -> tuple[list[str | Path], Path]:
        options = ["listen_addresses=", f"unix_socket_directories={self.sockets}", "max_connections=100"]
        if not self.durable:  # tests: what a power cut would lose is thrown away anyway
            options += ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        pairs = [word for option in options for word in ("-c", option)]
        return [*self.identity.namespace, self.programs / "postgres", "-D", self.data, *pairs], Path("/")

    def _connect(self, name: str = "postgres"):
        import psycopg2

        connection = psycopg2.connect(host=str(self.sockets), user="postgres", dbname=name, connect_timeout=5)
        connection.autocommit = True
        return connection

    def answers(self) -> bool:
        import psycopg2

        with contextlib.suppress(psycopg2.OperationalError):
            self._connect().close()
            return True
        return False

    def execute(self, statement: str, values: tuple = (), *, name: str = "postgres") -> list[tuple]:
        with contextlib.closing(self._connect(name)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def ensure_database(self, name: str = places.DATABASE) -> None:
        if not self.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)):
            self.execute(f'CREATE DATABASE "{name}"')

    def stop(self, mode: str = "fast") -> None:
        self._signal(PG_STOPS[mode])

    def restart(self, mode: str = "fast") -> None:
        self.stop(mode)
        self.start()


class Valkey(Server):
    label = "Valkey"
    journal = "valkey.log"

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        super().__init__(home)
        self.durable = durable
        self.data = home / "valkey"
        self.socket = places.socket_folder(home) / "vk" / "valkey.sock"

    @property
    def url(self) -> str:
        return places.redis_url(self.home)

    def prepare(self) -> Identity:
        program = valkey_program()
        identity = owner_or_us(self.home, program)
        for folder in (self.data, self.socket.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
            places.give_to_owner(folder, self.home)
        orphans.stop(self.data / "valkey.pid", [b"-server", os.fsencode(self.socket)], signal.SIGTERM)
        self.socket.unlink(missing_ok=True)
        return identity

    def command(self) -> tuple[list[str | Path], Path]:
        options: dict[str, str | Path] = {
            "--port": "0",
            "--unixsocket": self.socket,
            "--unixsocketperm": "700",
            "--dir": ".",  # its command line would misread an odd path: it stands in the folder instead
            "--pidfile": "valkey.pid",
            "--save": "",
            "--appendonly": "yes",
            "--appendfsync": "everysec" if self.durable else "no",
            "--maxmemory-policy": "noeviction",
        }
        return [valkey_program(), *(word for pair in options.items() for word in pair)], self.data

    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(self.socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")  # « -LOADING » while it reads its file again
        return False

    def stop(self) -> None:
        self._signal(signal.SIGTERM)

    def restart(self) -> None:
        self.stop()
        self.start()


class Servers:
    """Both servers in one data folder, for as long as the ``with`` lasts; for tests and for the supervisor.

    ``with Servers(folder, durable=False) as servers: servers.database_url, servers.redis_url``
    """

    def __init__(self, home: Path | str, *, durable: bool = True, postgres: bool = True, valkey: bool = True) -> None:
        self.home = Path(home).absolute().resolve()
        self.wanted = [name for name, wanted in (("postgres", postgres), ("valkey", valkey)) if wanted]
        places.make_data_folder(self.home)
        self.lock = places.FolderLock(self.home)
        self.postgres = Postgres(self.home, durable=durable)
        self.valkey = Valkey(self.home, durable=durable)

    @property
    def database_url(self) -> str:
        return self.postgres.url()

    @property
    def redis_url(self) -> str:
        return self.valkey.url

    def open(self) -> bool:
        """Take the data folder for us alone; False when another process has it."""
        if not self.lock.acquire():
            return False
        places.sweep()
        places.make_socket_folder(self.home)
        return True

    def start_postgres(self) -> None:
        self.postgres.start()
        self.postgres.ensure_database()

    def start_valkey(self) -> None:
        self.valkey.start()

    def restart_postgres(self, mode: str = "immediate") -> None:
        self.postgres.restart(mode)

    def restart_valkey(self) -> None:
        self.valkey.restart()

    def kill(self, *names: str) -> None:
        """``kill -9`` of "postgres", of "valkey", or of both when none is named."""
        for name in names or ("postgres", "valkey"):
            {"postgres": self.postgres, "valkey": self.valkey}[name].kill()

    def close(self) -> None:
        try:
            self.valkey.ask(signal.SIGTERM)
            self.postgres.stop()
            self.valkey.wait()
        finally:
            places.remove_socket_folder(self.home)
            self.lock.release()

    def __enter__(self) -> Self:
        if not self.open():
            raise EmbeddedError(f"Le dossier {self.home} sert déjà à un autre processus.")
        try:
            if "postgres" in self.wanted:
                self.start_postgres()
            if "valkey" in self.wanted:
                self.start_valkey()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
