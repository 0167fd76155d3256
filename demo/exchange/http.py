"""A small HTTP/1.1 server on asyncio: keep-alive, Content-Length, one request at a time on a connection.

The benchmark sends well over a thousand requests a second through one core, which a general framework would not
leave room for. Chunked requests are refused, as nothing here needs them.
"""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024  # the limit of the EWS virtual directory of a real Exchange

XML = "text/xml; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Request:
    __slots__ = ("body", "headers", "method", "path", "query")

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes):
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.body = body

    def arguments(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.query).items()}

    def form(self) -> dict[str, str]:
        text = self.body.decode("utf-8", "replace")
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}

    def segments(self) -> list[str]:
        return [unquote(part) for part in self.path.split("/") if part]


class Reply:
    """An answer, and what may happen to it on its way: held back (`delay`), never sent, or cut in the middle."""

    __slots__ = ("body", "delay", "fate", "headers", "kind", "status")

    WHOLE, UNSENT, HALF = "whole", "unsent", "half"

    def __init__(self, status: int, body: bytes = b"", kind: str = "", headers: tuple[tuple[str, str], ...] = ()):
        self.status = status
        self.body = body
        self.kind = kind
        self.headers = headers
        self.delay = 0.0
        self.fate = self.WHOLE

    def to_bytes(self, *, head_only: bool = False, close: bool = False) -> bytes:
        lines = [STATUS_LINES[self.status]]
        if self.kind:
            lines.append(f"Content-Type: {self.kind}\r\n")
        if self.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(self.body)}\r\n")
        lines.extend(f"{name}: {value}\r\n" for name, value in self.headers)
        if close:
            lines.append("Connection: close\r\n")
        lines.append("\r\n")
        head = "".join(lines).encode("latin-1")
        return head if head_only else head + self.body


class Malformed(Exception):
    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class Connection(asyncio.Protocol):
    def __init__(self, handle: Callable[[Request], Reply], alive: set["Connection"]):
        self.handle = handle
        self.alive = alive
        self.buffer = bytearray()
        self.head: tuple[str, str, dict[str, str]] | None = None
        self.length = 0
        self.busy = False
        self.transport: asyncio.Transport

    def connection_made(self, transport):
        self.transport = transport
        self.alive.add(self)

    def connection_lost(self, exc):
        self.alive.discard(self)

    def data_received(self, data):
        self.buffer += data
        if not self.busy:
            self._advance()

    def _advance(self):
        """Answer every whole request in the buffer, in order."""
        while not self.busy and not self.transport.is_closing():
            try:
                if self.head is None and not self._read_head():
                    return
            except Malformed as error:
                self.transport.write(Reply(error.status).to_bytes(close=True))
                self.transport.close()
                return
            if len(self.buffer) < self.length:
                return
            body = bytes(self.buffer[: self.length])
            del self.buffer[: self.length]
            request = Request(*self.head, body)
            self.head = None
            reply = self.handle(request)
            if reply.delay > 0:
                self.busy = True
                asyncio.get_running_loop().call_later(reply.delay, self._resume, request, reply)
                return
            self._answer(request, reply)

    def _read_head(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > MAX_HEAD:
                raise Malformed(431)
            return False
        lines = self.buffer[:end].decode("latin-1").split("\r\n")
        del self.buffer[: end + 4]
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise Malformed(400)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if "transfer-encoding" in headers:
            raise Malformed(411)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Malformed(400)
        self.length = int(length)
        if self.length > MAX_BODY:
            raise Malformed(413)
        if headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.head = (words[0], words[1], headers)
        return True

    def _resume(self, request: Request, reply: Reply):
        self.busy = False
        if not self.transport.is_closing():
            self._answer(request, reply)
            self._advance()

    def _answer(self, request: Request, reply: Reply):
        if reply.fate == Reply.UNSENT:
            self.transport.close()
            return
        close = request.headers.get("connection", "").lower() == "close"
        data = reply.to_bytes(head_only=request.method == "HEAD", close=close)
        if reply.fate == Reply.HALF:
            data = data[: len(data) - len(reply.body) // 2 - 1]
            close = True
        elif ("Connection", "close") in reply.headers:
            close = True
        self.transport.write(data)
        if close:
            self.transport.close()
