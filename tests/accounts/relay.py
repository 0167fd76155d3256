"""A relay of TCP that loses what it is told to lose, between the portal and a server that it must not see through."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator


class Relay:
    """Listens on a port of 127.0.0.1 and passes everything on, until `lose_answers` or `cut`."""

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.losing = False
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target)
            except OSError:  # the server is down: the visitor sees it
                client.close()
                continue
            self.pairs.append((client, server))
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pass_on, args=(source, sink, answers), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not (answers and self.losing):
                    sink.sendall(data)

    def lose_answers(self, lost: bool = True) -> None:
        """What is asked arrives and is done; the answer does not come back."""
        self.losing = lost

    def cut(self) -> None:
        """After whatever was asked had the time to be done."""
        time.sleep(0.3)
        for pair in self.pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self.pairs.clear()

    def close(self) -> None:
        self.listener.close()
        self.cut()


@contextlib.contextmanager
def relay(host: str, port: int) -> Iterator[Relay]:
    running = Relay(host, port)
    try:
        yield running
    finally:
        running.close()
