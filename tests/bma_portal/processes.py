"""What the tests of the embedded servers look at: processes, and the servers' answers."""

import contextlib
import os
import socket
import time
from pathlib import Path

import psycopg2

from bma_portal.embedded import places
from bma_portal.embedded.servers import Servers


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    return False


def wait_until(condition, seconds=30.0, what="the condition"):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, f"waited in vain for {what}"
        time.sleep(0.03)


def processes_of(folder: Path) -> list[int]:
    """The processes whose command line names a data folder or its sockets."""
    marks = [os.fsencode(folder), os.fsencode(places.socket_folder(folder))]
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            command = entry.read_bytes()
            pid = int(entry.parent.name)
            if any(mark in command for mark in marks) and pid != os.getpid() and alive(pid):
                found.append(pid)
    return found


def query(url: str, statement: str):
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def valkey(servers: Servers, command: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(servers.redis_url.removeprefix("redis+socket://"))
        connection.sendall(command.encode() + b"\r\n")
        return connection.recv(4096).decode()
