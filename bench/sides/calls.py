"""Calling a WSGI application as a server's worker does, and doing as one is told. Standard library only: the other
side runs it too, in an environment where nothing of ours is installed."""

import io
import json
import os
import sys
import time
from collections.abc import Callable
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

CSRF = "b" * 32


class Caller:
    """One visitor: their cookies, and an address that changes with each form, as if it were another's."""

    def __init__(self, application: Any, *, csrf_cookie: str) -> None:
        self.application = application
        self.cookies = {csrf_cookie: CSRF}

    def get(self, address: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self._call("GET", address, b"", headers)

    def post(self, address: str, fields: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        body = urlencode({**fields, "csrfmiddlewaretoken": CSRF}).encode()
        headers = {"CONTENT_TYPE": "application/x-www-form-urlencoded", "HTTP_ORIGIN": "http://testserver"}
        return self._call("POST", address, body, {**headers, "REMOTE_ADDR": "10.{}.{}.{}".format(*os.urandom(3))})

    def _call(self, method: str, address: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict, bytes]:
        path, _, query = address.partition("?")
        answered: dict[str, Any] = {}

        def start(status: str, got: list[tuple[str, str]], error: Any = None) -> None:
            answered.update(status=int(status[:3]), headers=dict(got))

        environ = {
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
            "SERVER_NAME": "testserver", "SERVER_PORT": "80", "HTTP_HOST": "testserver", "REMOTE_ADDR": "10.0.0.1",
            "SERVER_PROTOCOL": "HTTP/1.1", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr, "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.multithread": False,
            "wsgi.multiprocess": True, "wsgi.run_once": False,
            "HTTP_COOKIE": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers,
        }  # fmt: skip
        answer = self.application(environ, start)
        try:
            page = b"".join(answer)
        finally:
            answer.close()
        return answered["status"], answered["headers"], page

    def keep_session(self, headers: dict[str, str]) -> None:
        for name, morsel in SimpleCookie(headers.get("Set-Cookie", "")).items():
            self.cookies[name] = morsel.value


def expect(answer: tuple[int, dict[str, str], bytes], status: int, *says: bytes) -> None:
    """A measure of a page that is not the one we think of would be worth nothing."""
    if answer[0] != status or any(word not in answer[2] for word in says):
        raise SystemExit(f"réponse {answer[0]} au lieu de {status}, ou sans {says} : {answer[2][:2000]!r}")


def obey(acts: dict[str, Callable[[], None]], counted: Callable[[Callable[[], None]], int]) -> None:
    """Print « ready »; then for each line read, an act and how many times, print its seconds, and its statements.

    The statements are those of one more time, which is not timed.
    """
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        act = acts[asked["act"]]
        seconds = []
        for _ in range(asked["times"]):
            started = time.perf_counter()
            act()
            seconds.append(time.perf_counter() - started)
        statements = counted(act) if asked.get("count") else 0
        print(json.dumps({"seconds": seconds, "statements": statements}), flush=True)


def counter(connection: Any) -> Callable[[Callable[[], None]], int]:
    """How many statements an act sends, whoever sends them."""

    def counted(act: Callable[[], None]) -> int:
        sent = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            sent.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            act()
        return len(sent)

    return counted


TEXT = (
    "Bonjour,\n\nDepuis ce matin, l’interface web affiche une page blanche sur l’ordinateur du secrétariat. J’ai "
    "redémarré le poste et essayé deux navigateurs, sans résultat. Faut-il recommencer la configuration ?\n\nMerci."
)
