"""Where the embedded servers keep their files: a data folder, its sockets, its lock; and the sweeping of remains.

A Unix socket's path holds about a hundred bytes and libpq splits hosts at commas. A checkout in a short, plain path
has its sockets in its own data folder; any other has them in a folder of /tmp named after the data folder.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from .errors import EmbeddedError

ROOT = Path(__file__).resolve().parents[2]
TEMPORARY = Path("/tmp")  # noqa: S108  TMPDIR may be too long for a socket's path
LONGEST = 80  # bytes; what the servers add (« /pg/.s.PGSQL.5432 ») must fit within the 104 of macOS, 108 of Linux
DATABASE = "bma"


def data_folder(environ: Mapping[str, str]) -> Path:
    """``var/`` of the checkout, or the folder that BMA_VAR names."""
    return Path(environ.get("BMA_VAR") or ROOT / "var").absolute().resolve()


def owner_of(folder: Path) -> os.stat_result:
    """Who owns a folder, or the nearest existing folder above one that does not exist yet."""
    while True:
        with contextlib.suppress(OSError):
            return folder.stat()
        folder = folder.parent


def socket_folder(home: Path) -> Path:
    """The folder of the sockets: a function of the data folder alone, so that everybody finds it without asking."""
    near = home / "run"
    if len(os.fsencode(near)) <= LONGEST and re.fullmatch(r"[\w./-]+", str(near), re.ASCII):
        return near
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return TEMPORARY / f"bma-{owner_of(home).st_uid}-{digest}"


def database_url(home: Path, name: str = DATABASE) -> str:
    return f"postgresql://postgres@/{name}?host={socket_folder(home) / 'pg'}"


def redis_url(home: Path) -> str:
    """Kombu's form. redis-py and Django's cache want ``unix://PATH`` for the same socket: the settings convert it."""
    return f"redis+socket://{socket_folder(home) / 'vk' / 'valkey.sock'}"


def make_data_folder(home: Path) -> None:
    owner = owner_of(home)
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(f"Impossible de créer le dossier de données {home} : {error.strerror}.") from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise EmbeddedError(f"Le dossier de données {home} n’est pas à vous : impossible d’y écrire.")
    give(home, owner.st_uid, owner.st_gid)


def give(path: Path, uid: int, gid: int) -> None:
    """What root makes in an ordinary user’s folder is that user’s, who must be able to come back without root."""
    if os.geteuid() == 0 and path.stat().st_uid != uid:
        os.chown(path, uid, gid)


def make_socket_folder(home: Path) -> Path:
    """Make the sockets' folder, or accept the one there if nobody else could have prepared it for us."""
    folder = socket_folder(home)
    owner = home.stat()
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), owner.st_uid}:
        raise EmbeddedError(f"{folder} appartient à quelqu’un d’autre : supprimez-le, puis recommencez.")
    # Others may pass, never list; each server's own folder inside is closed (0700).
    folder.chmod(0o711)
    give_to_owner(folder, home)
    if folder.parent == TEMPORARY:
        (folder / "home").write_bytes(os.fsencode(home))
    return folder


def remove_socket_folder(home: Path) -> None:
    shutil.rmtree(socket_folder(home), ignore_errors=True)


def give_to_owner(path: Path, home: Path) -> None:
    owner = home.stat()
    give(path, owner.st_uid, owner.st_gid)


class FolderLock:
    """One owner of a data folder at a time. The kernel frees the lock with its owner, however that one dies."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "supervisor.lock"
        self._file: int | None = None

    def acquire(self) -> bool:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        give_to_owner(self.path, self.home)
        self._file = descriptor
        return True

    def sign(self) -> None:
        """Write our process number into the lock, for people and for tests: nothing decides on it."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Scratch:
    """A temporary data folder that lasts as long as its process: what a ``kill -9`` leaves, the next one sweeps."""

    def __init__(self, prefix: str) -> None:
        sweep(prefix)
        self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=TEMPORARY))
        self.folder.chmod(0o755)
        self._file = os.open(self.folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._file)


def sweep(prefix: str = "") -> None:
    """Remove from /tmp what dead processes left: scratch folders of this prefix, sockets of vanished checkouts."""
    for folder in TEMPORARY.glob("bma-*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
                continue
            if (folder / "home").is_file():
                if not Path(os.fsdecode((folder / "home").read_bytes())).exists():
                    shutil.rmtree(folder)
            elif prefix and folder.name.startswith(prefix):
                _remove_if_abandoned(folder, found.st_mtime)


def _remove_if_abandoned(folder: Path, made: float) -> None:
    try:
        descriptor = os.open(folder / "owner.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        if time.time() - made > 60:  # younger: its owner is about to lock it
            shutil.rmtree(folder)
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)
