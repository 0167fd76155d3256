"""The stand-in from Python: start one, or talk to a running one.

    with StandIn.start() as exchange:
        exchange.faults([{"op": "SendItem", "action": "drop_after", "times": 3}])
        …
        assert exchange.counts()["by_key_max"] == 1

A started one dies with the process that started it (on Linux, with the *thread* that did: start it from one that
lasts). `StandIn.at(url)` does not own what it talks to and never stops it.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import quote

import requests

from demo.launch import ROOT, NotStarted, end, launch

__all__ = ["ROOT", "NotStarted", "StandIn"]


class StandIn:
    def __init__(self, url: str, process: subprocess.Popen | None = None):
        self.url = url.rstrip("/")
        self.ews = f"{self.url}/EWS/Exchange.asmx"
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy has no business on the loopback

    @classmethod
    def at(cls, url: str) -> Self:
        return cls(url)

    @classmethod
    def start(
        cls,
        port: int = 0,
        data: Path | str | None = None,
        *,
        users: Iterable[tuple[str, str]] = (),
        senders: Iterable[str] = (),
        timeout: float = 20,
    ) -> Self:
        """Start one in its own process and wait until it listens."""
        command = [sys.executable, "-m", "demo.exchange", "--port", str(port), "--parent", str(os.getpid())]
        if data is not None:
            command += ["--data", str(Path(data).absolute())]
        for name, password in users:
            command += ["--user", f"{name}:{password}"]
        for address in senders:
            command += ["--sender", address]
        said, process = launch(command, timeout=timeout)
        return cls(said["url"], process)

    def stop(self) -> None:
        self.session.close()
        if self.process is not None:
            end(self.process)
            self.process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error) -> None:
        self.stop()

    def _call(self, method: str, path: str, data: object = None, **arguments) -> requests.Response:
        payload = {} if method == "GET" else {"json": data}
        return self.session.request(method, f"{self.url}/_demo/{path}", params=arguments, timeout=(5, 60), **payload)

    def _ask(self, method: str, path: str, data: object = None, **arguments):
        response = self._call(method, path, data, **arguments)
        if response.status_code >= 400:
            raise ValueError(response.json().get("message", response.status_code))
        return response.json()

    def health(self) -> dict:
        return self._ask("GET", "health")

    def counts(self) -> dict:
        return self._ask("GET", "counts")

    def deliveries(self, after: int = 0, limit: int | None = None) -> list[dict]:
        """The log after a number; all of it, page by page, unless limited."""
        rows: list[dict] = []
        while limit is None or len(rows) < limit:
            size = 2000 if limit is None else min(limit - len(rows), 2000)
            page = self._ask("GET", "deliveries", after=after, limit=size)["deliveries"]
            rows += page
            if len(page) < size:
                break
            after = page[-1]["seq"]
        return rows

    def mailbox(self, address: str) -> dict:
        return self._ask("GET", f"mailboxes/{quote(address)}")

    def faults(self, rules: list[dict] | None = None) -> list[dict]:
        """Replace the rules, or with nothing given, see how often each fired."""
        return self._ask("GET", "faults") if rules is None else self._ask("POST", "faults", rules)

    def arrive(self, address: str, mime: bytes, *, size: int | None = None) -> str:
        """A mail from outside lies in a sender's inbox. Returns its item's id."""
        response = self.session.post(
            f"{self.url}/_demo/inboxes/{quote(address)}",
            params={} if size is None else {"size": size},
            data=mime,
            timeout=(5, 60),
        )
        if response.status_code >= 400:
            raise ValueError(response.json().get("message", response.status_code))
        return response.json()["id"]

    def latency(self, ms: float) -> None:
        self._ask("POST", "latency", {"ms": ms})

    def set_password(self, address: str, password: str) -> requests.Response:
        """The answer as it came (204, 422, 503…): its verdict is the caller's business."""
        return self._call("PUT", f"directory/{quote(address)}", {"password": password})

    def verify(self, address: str, password: str) -> bool:
        return self._call("POST", f"directory/{quote(address)}/verify", {"password": password}).status_code == 200

    def move(self, addresses: Iterable[str], at: datetime | str | None = None) -> dict:
        return self._ask("POST", "moves", {"addresses": list(addresses), "at": _iso(at)})

    def clock(self, at: datetime | str | None) -> None:
        self._ask("POST", "clock", {"at": _iso(at)})

    def reset(self) -> None:
        self._ask("POST", "reset", {})


def _iso(at: datetime | str | None) -> str | None:
    return at.isoformat() if isinstance(at, datetime) else at
