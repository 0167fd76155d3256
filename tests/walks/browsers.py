"""A browser without a window, for walks against a served portal: forms are filled and buttons pressed, as they stand.

What the portal answers is kept, so that a walk can look for what should not be there.
"""

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

from tests import markup

TAGS = re.compile(r"<[^>]*>")
LINKS = re.compile(r'href="(/[^"#]*)"')


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: dict[str, tuple[str, str]] = field(default_factory=dict)  # what is read on it → its name and value


class Forms(HTMLParser):
    """The forms of a page, with what a browser would send of them untouched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.button: tuple[str, str] | None = None
        self.area = ""
        self.label = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.found.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif not self.found:
            return
        elif tag == "input":
            self._input(given, self.found[-1])
        elif tag == "button":
            self.button, self.label = (given.get("name", ""), given.get("value", "")), ""
        elif tag == "textarea":
            self.area, self.label = given.get("name", ""), ""
        elif tag == "select":
            self.found[-1].fields.setdefault(given.get("name", ""), "")

    def _input(self, given: dict[str, str], form: Form) -> None:
        kind, name = given.get("type", "text"), given.get("name", "")
        if kind == "submit":
            form.buttons[given.get("value", "")] = (name, given.get("value", ""))
        elif kind in {"checkbox", "radio"}:
            if "checked" in given:
                form.fields[name] = given.get("value", "on")
        elif name and kind != "file":
            form.fields[name] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        self.label += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self.button is not None and self.found:
            self.found[-1].buttons[" ".join(self.label.split())] = self.button
            self.button = None
        elif tag == "textarea" and self.found:
            self.found[-1].fields[self.area] = self.label


class Page:
    def __init__(self, response: requests.Response) -> None:
        self.url, self.status, self.body = response.url, response.status_code, response.content
        is_text = response.headers.get("Content-Type", "").startswith("text/")
        self.html = response.content.decode() if is_text else ""
        if response.headers.get("Content-Type", "").startswith("text/html"):
            markup.assert_valid(self.html, self.url)
        self.forms = Forms(self.html).found

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def words(self) -> str:
        return words_of(self.html)

    @property
    def links(self) -> list[str]:
        return [html.unescape(link) for link in LINKS.findall(self.html)]

    def form(self, button: str) -> Form:
        for form in self.forms:
            if button in form.buttons:
                return form
        raise AssertionError(f"aucun bouton « {button} » à {self.url} ({self.status}) : {self.words[-1500:]}")


def words_of(text: str) -> str:
    """What is read on a page; tags leave nothing behind, not even a space: a secret cut by them is found again."""
    return html.unescape(TAGS.sub("", text))


class Browser:
    """One person's, with its cookies. `keep` is given each answer of the portal; whether it is to show a secret."""

    def __init__(self, portal: str, keep: Callable[[requests.Response, bool], None]) -> None:
        self.portal, self.keep = portal, keep
        self.http = requests.Session()
        self.http.trust_env = False
        self.sessions: set[str] = set()
        self.faults: list[tuple[str, str]] = []

    def ask(self, method: str, url: str, *, status: int = 200, reveals: bool = False, fault: str = "", **sent) -> Page:
        """`reveals`: this answer is the one that shows a secret. `fault`: what fails in the portal on the way."""
        headers = {"X-Panne": fault} if fault else {}
        last = self.http.request(method, urljoin(self.portal, url), headers=headers, timeout=60, **sent)
        for response in (*last.history, last):
            if response.url.startswith(self.portal):
                self.keep(response, reveals and response is last)
            self.sessions |= {cookie.value or "" for cookie in response.cookies if cookie.name == "sessionid"} - {""}
        page = Page(last)
        self.faults += [(fault, page.path)] if fault else []
        assert page.status == status, f"{method} {page.url} : {page.status}, {page.words[-1500:]}"
        return page

    def open(self, url: str, **how) -> Page:
        return self.ask("GET", url, **how)

    def press(self, page: Page, button: str, *, files: dict | None = None, status: int = 200,
              reveals: bool = False, fault: str = "", **typed: str) -> Page:  # fmt: skip
        """Fill the form of this button, send it, and follow where that leads."""
        form = page.form(button)
        name, value = form.buttons[button]
        data = form.fields | typed | ({name: value} if name else {})
        sent = {"params": data} if form.method == "get" else {"data": data, "files": files}
        url = urljoin(page.url, form.action or page.url)
        return self.ask(form.method.upper(), url, status=status, reveals=reveals, fault=fault, **sent)

    def sign_in(self, name: str, path: str, *, fault: str = "", status: int = 200) -> Page:
        """Through Cerbère, to that page; `fault` on the way back."""
        page = self.press(self.open(f"/connexion/?next={path}"), "Se connecter avec Cerbère")
        return self.press(page, name, fault=fault, status=status)

    def crawl(self, starts: Iterable[str], *, within: tuple[str, ...], most: int) -> set[str]:
        """Follow the links there, from near to far, whatever follows a question mark once; what answered."""
        waiting, seen, opened = list(starts), set[tuple[str, str]](), set[str]()
        while waiting and len(seen) < most:
            link = urlsplit(waiting.pop(0))
            mark = (link.path, link.query.partition("=")[0])
            if mark not in seen and link.path.startswith(within):
                seen.add(mark)
                response = self.http.get(urljoin(self.portal, link.geturl()), timeout=60)
                self.keep(response, False)
                assert response.status_code < 500, response.url
                opened |= {link.path} if response.ok else set()
                waiting += Page(response).links
        return opened
