"""Servers that outlived their supervisor: stopped before new ones start in the same folder.

On Linux the kernel stops the servers when their supervisor dies, which takes them a moment; elsewhere they stay until
the next start. Whoever calls this holds the folder's lock, so a server found at work there belongs to nobody.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from .errors import EmbeddedError

PATIENCE = 15  # seconds for an orderly stop


def _command_of(pid: int) -> bytes:
    """The command line of a process; empty when there is none, or only its zombie."""
    if os.path.isdir("/proc/self"):
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes()
        return b""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, check=False).stdout


def stop(pid_file: Path, marks: list[bytes], number: signal.Signals) -> None:
    """Stop the server that a pid file names, if its command line bears all the marks.

    The marks tell our server from an unrelated process that was given the same number since.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        pid = 0

    def ours() -> bool:
        command = _command_of(pid) if pid > 0 else b""
        return all(mark in command for mark in marks)

    if ours():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)  # once: Valkey takes a second signal for impatience
    limit = time.monotonic() + PATIENCE
    while ours():
        if time.monotonic() > limit:
            raise EmbeddedError(f"Un ancien serveur (processus {pid}) ne s’arrête pas : arrêtez-le, puis recommencez.")
        time.sleep(0.05)
    if _bears_another_process(pid):
        pid_file.unlink(missing_ok=True)


def _bears_another_process(pid: int) -> bool:
    """Whether the number is taken by an unrelated process or a zombie: PostgreSQL would refuse to start on it.

    A number that is free stays written: PostgreSQL reads there which shared memory its predecessor's children may
    still be using.
    """
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
