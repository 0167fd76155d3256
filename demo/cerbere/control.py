"""The Cerbère stand-in from Python.

with Cerbere.start() as cerbere:
    settings.CERBERE_ISSUER = cerbere.url
    cerbere.tamper("none")
"""

import os
import subprocess
import sys
from typing import Self
from urllib.parse import urlsplit

import requests

from demo.launch import end, launch
from demo.people import STRONG


class Cerbere:
    def __init__(self, url: str, process: subprocess.Popen | None = None):
        self.url = url.rstrip("/")
        self.process = process
        self.session = requests.Session()
        self.session.trust_env = False  # a proxy has no business on the loopback

    @classmethod
    def start(cls, port: int = 0, *, timeout: float = 20) -> Self:
        """Start one in its own process and wait until it listens. It dies with the process that started it."""
        command = [sys.executable, "-m", "demo.cerbere", "--port", str(port), "--parent", str(os.getpid())]
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

    def tamper(self, lie: str) -> None:
        """From now on it lies in that way (see `lies.LIES`); `""` makes it honest again."""
        answer = self.session.post(f"{self.url}/_demo/tamper", json={"lie": lie}, timeout=10)
        if not answer.ok:
            raise ValueError(lie)

    def state(self) -> dict:
        return self.session.get(f"{self.url}/_demo/state", timeout=10).json()

    def choose(self, address: str, subject: str, *, acr: str = STRONG) -> str:
        """Be somebody, as the button of its page would; the address that the browser is sent back to."""
        force = "renforcee" if acr == STRONG else "simple"
        form = {"demande": urlsplit(address).query, "choix": f"{subject}|{force}"}
        answer = self.session.post(f"{self.url}/authorize", data=form, allow_redirects=False, timeout=10)
        return answer.headers["Location"]
