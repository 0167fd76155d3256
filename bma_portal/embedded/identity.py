"""Under which identity the servers run: PostgreSQL refuses root.

In this order: an ordinary user stays as they are; in a folder that an ordinary user owns, root runs the servers as
that user; in a folder of its own, root gives PostgreSQL a user namespace in which it is not root (on disk the files
stay root's: nothing is created, given away or opened to others); where namespaces are refused (containers), the
servers drop to ``postgres`` or ``nobody``, provided these can reach the folder and the programs.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedError


@dataclass(frozen=True)
class Identity:
    """``uid`` is None when the servers keep ours; ``namespace`` is what comes before PostgreSQL's commands."""

    uid: int | None = None
    gid: int | None = None
    namespace: tuple[str, ...] = ()

    @property
    def on_disk(self) -> int:
        """The owner that this identity's files show."""
        return os.geteuid() if self.uid is None else self.uid


def _account(key: int | str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(key) if isinstance(key, int) else pwd.getpwnam(key)
    except KeyError:
        return None


def may_reach(path: Path, account: pwd.struct_passwd) -> bool:
    """Whether an account may pass through every folder down to this one."""
    for folder in (path, *path.parents):
        found = folder.stat()
        if found.st_uid == account.pw_uid:
            bit = 0o100
        elif found.st_gid == account.pw_gid:
            bit = 0o010
        else:
            bit = 0o001
        if not found.st_mode & bit:
            return False
    return True


def _namespace(program: Path, account: pwd.struct_passwd) -> tuple[str, ...]:
    if not shutil.which("unshare"):
        return ()
    prefix = ("unshare", "--user", f"--map-user={account.pw_uid}", f"--map-group={account.pw_gid}")
    tried = subprocess.run([*prefix, program, "--version"], capture_output=True, check=False)
    return prefix if tried.returncode == 0 else ()


def owner_or_us(home: Path, program: Path) -> Identity:
    """Root follows the ordinary user who owns the folder, so that this user can come back without root (sudo)."""
    owner = _account(home.stat().st_uid) if os.geteuid() == 0 else None
    if owner and owner.pw_uid and may_reach(home, owner) and may_reach(program, owner):
        return Identity(owner.pw_uid, owner.pw_gid)
    return Identity()


def choose(home: Path, programs: Path) -> Identity:
    """The identity for the servers of this data folder, or a refusal that says what to do."""
    root = os.geteuid() == 0
    if not root and _account(os.geteuid()):
        return Identity()
    owner = owner_or_us(home, programs)
    if owner.uid is not None:
        return owner
    others = [account for name in ("postgres", "nobody") if (account := _account(name))]
    for account in others:
        # Also for an ordinary user without an entry in /etc/passwd (docker run --user 1234), whom initdb refuses.
        if prefix := _namespace(programs / "postgres", account):
            return Identity(namespace=prefix)
    for account in others:
        if root and may_reach(home, account) and may_reach(programs, account):
            return Identity(account.pw_uid, account.pw_gid)
    raise EmbeddedError(
        f"PostgreSQL refuse de tourner en root, et aucun autre compte ne peut lire {home} et {programs}. "
        "Recommencez sans root, ou donnez DATABASE_URL."
    )
