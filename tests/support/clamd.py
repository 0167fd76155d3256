"""A stand-in for clamd that speaks its protocol (clamd(8): `nINSTREAM`, lengths of four bytes, one line back)."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass
class Clamd:
    """`bad`: what it calls infected. `mood`: `well`, `full` (size limit), `error`, `mute`, `rude` (hangs up)."""

    address: str
    bad: list[bytes] = field(default_factory=lambda: [EICAR])
    mood: str = "well"
    seen: list[bytes] = field(default_factory=list)

    def answer(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        assert stream.readline() == b"nINSTREAM\n"
        if self.mood == "rude":
            return
        data = b""
        while length := struct.unpack("!L", stream.read(4))[0]:
            data += stream.read(length)
            if self.mood == "full" and len(data) > 2000:
                connection.sendall(b"INSTREAM size limit exceeded. ERROR\n")
                return
        self.seen.append(data)
        if self.mood == "mute":
            time.sleep(3)
        elif self.mood == "error":
            connection.sendall(b"stream: Can't allocate memory ERROR\n")
        elif any(mark in data for mark in self.bad):
            connection.sendall(b"stream: Eicar-Signature FOUND\n")
        else:
            connection.sendall(b"stream: OK\n")


@contextlib.contextmanager
def standing_in(folder: Path | None = None) -> Iterator[Clamd]:
    """On a Unix socket in that folder, else on a port of the loopback."""
    server = socket.socket(socket.AF_UNIX if folder else socket.AF_INET)
    server.bind(str(folder / "clamd.ctl") if folder else ("127.0.0.1", 0))
    server.listen()
    twin = Clamd(f"unix://{folder}/clamd.ctl" if folder else f"tcp://127.0.0.1:{server.getsockname()[1]}")

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError, struct.error):
                twin.answer(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield twin
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=5)
