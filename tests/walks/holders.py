"""The stage of the holders' walk: the portal served by gunicorn, its worker and its beat, Cerbère, Exchange."""

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
import threading
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from urllib.parse import parse_qsl

import requests

from demo.cerbere import site as cerbere
from demo.exchange.control import StandIn
from demo.exchange.http import Connection, Reply, Request
from tests.walks.browsers import Browser, words_of
from tests.walks.theatre import Theatre

LINK = re.compile(r"/mot-de-passe/(arret|retrait)/([\w-]+)")


class ListeningCerbere(cerbere.Site):
    """The demo's Cerbère; the walk hears what the portal and it tell each other."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanged: list[dict[str, str]] = []  # code, code_verifier, client_secret, access_token, id_token

    def handle(self, request: Request) -> Reply:
        reply = super().handle(request)
        if request.path == "/token":
            told = json.loads(reply.body)
            self.exchanged.append({**dict(parse_qsl(request.body.decode())), **told})
        return reply


@contextlib.contextmanager
def listening_cerbere(client_secret: str) -> Iterator[ListeningCerbere]:
    """In a thread of the walk."""
    site, loop, alive = ListeningCerbere(), asyncio.new_event_loop(), set[Connection]()
    former, cerbere.CLIENT_SECRET = cerbere.CLIENT_SECRET, client_secret
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> asyncio.Server:
        return await loop.create_server(lambda: Connection(site.handle, alive), "127.0.0.1", 0)

    async def end() -> None:
        server.close()
        for connection in list(alive):
            connection.transport.close()

    server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    host, port = server.sockets[0].getsockname()
    site.issuer = f"http://{host}:{port}"
    try:
        yield site
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        cerbere.CLIENT_SECRET = former


class Holders(Theatre):
    """`outside` is what is not the portal's: what the directory was told, what Exchange holds."""

    def __init__(self, servers, exchange: StandIn, folder: Path, outside: Path, site: ListeningCerbere) -> None:
        super().__init__(servers, exchange, folder)
        self.outside, self.cerbere = outside, site
        self.pages: list[bytes] = []
        self.shown: list[requests.Response] = []  # the answers that are to show a secret
        self.browsers: list[Browser] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.portal = f"http://127.0.0.1:{probe.getsockname()[1]}"
        (folder / "tmp").mkdir()
        self.env |= {
            "DJANGO_SETTINGS_MODULE": "tests.walks.settings_holders",
            "DIRECTORY_BACKEND": "tests.walks.holders_faults.ToldDirectory",
            "LOG_LEVEL": "DEBUG",
            "PORTAL_URL": self.portal,
            "CERBERE_ISSUER": site.issuer,
            "CERBERE_CLIENT_SECRET": cerbere.CLIENT_SECRET,
            "TOLD": str(outside / "annuaire.jsonl"),
            "REPORTS": str(outside / "rapports.txt"),
            "TMPDIR": str(folder / "tmp"),
        }

    def web(self) -> None:
        bind = self.portal.removeprefix("http://")
        options = ["--workers", "2", "--log-level", "debug", "--access-logfile", "-", "--no-control-socket"]
        self.start("gunicorn", "bma_portal.wsgi", "--bind", bind, *options)
        self.wait(self._answers, "portail servi")

    def _answers(self) -> bool:
        with contextlib.suppress(requests.ConnectionError), requests.Session() as session:
            session.trust_env = False
            return session.get(f"{self.portal}/sante/", timeout=10).ok
        return False

    def prepare(self, password: str) -> dict[str, str]:
        return self.told_by("tests.walks.holders_stage", password)

    def told_by(self, module: str, *arguments: str) -> dict[str, str]:
        """What that program says in its line of JSON."""
        return json.loads(self.run("-m", module, *arguments).stdout)

    def browser(self) -> Browser:
        self.browsers.append(Browser(self.portal, self.keep))
        return self.browsers[-1]

    @property
    def faults(self) -> list[tuple[str, str]]:
        """What failed on demand, and the page that was asked then."""
        return [fault for browser in self.browsers for fault in browser.faults]

    def keep(self, response: requests.Response, reveals: bool) -> None:
        """The answer, without the cookies that it sets, and what is read on it; apart, if it is to show a secret."""
        if reveals:
            self.shown.append(response)
            return
        head = [f"{name}: {value}" for name, value in response.headers.items() if name != "Set-Cookie"]
        self.pages.append("\n".join([str(response.status_code), *head, "", ""]).encode() + response.content)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            self.pages.append(words_of(response.text).encode())

    # What was said outside the portal

    def told(self) -> list[tuple[str, str]]:
        """The passwords that were set, by address, in their order."""
        with open(self.env["TOLD"]) as lines:
            return [tuple(json.loads(line)) for line in lines]

    def mails(self, folder: str = "inbox", *, to: str = "") -> list[str]:
        """The mails of that folder, of that mailbox or of all: their heads and texts, the last one first."""
        archive = sqlite3.connect(f"file:{self.outside / 'exchange' / 'exchange.sqlite3'}?mode=ro", uri=True)
        with contextlib.closing(archive):
            rows = archive.execute(
                """SELECT head, body, mime FROM places JOIN mails ON mails.ref = places.mail
                   WHERE folder = ? AND (mailbox = ? OR ? = '') ORDER BY seq DESC""",
                [folder, to, to],
            ).fetchall()
        return [f"{head}\n{body}\n{_decoded(mime)}" for head, body, mime in rows]

    def mail(self, to: str, words: str) -> str:
        """The last mail to that person with these words, once it is there."""
        found: list[str] = []

        def came() -> bool:
            found[:] = [mail for mail in self.mails(to=to) if words in mail]
            return bool(found)

        self.wait(came, f"courriel à {to} : {words}")
        return found[0]

    def links(self) -> dict[str, set[str]]:
        """The ends of the addresses that were mailed: those that stop, those that open."""
        found: dict[str, set[str]] = {"arret": set(), "retrait": set()}
        for mail in self.mails():
            for kind, token in LINK.findall(mail):
                found[kind].add(token)
        return found


def _decoded(mime: bytes | None) -> str:
    if not mime:
        return ""
    parts = message_from_bytes(mime, policy=policy.default).walk()
    return "\n".join(part.get_content() for part in parts if part.get_content_type() in {"text/plain", "text/html"})
