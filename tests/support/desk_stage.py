"""A desk at noon on 15 October 2026, and what one reads of its lists."""

import html
import re

from django.test import Client

from tests.sign_in import sign_in
from tests.support.pages import Page

# What no address may choke on (SEC-F9)
HOSTILE = (
    "\0",
    "%00",
    "1" + "0" * 30,
    "-1",
    "\ud800",
    "x" * 100_000,
    "' OR 1=1 --",
    "<script>",
    "é" * 500,
    "٣",
    "9" * 18,
)


class Desk:
    """A person at their desk: `desk()` reads the first list, `desk("file=toutes")` another."""

    def __init__(self, person) -> None:
        self.person, self.client = person, Client()
        sign_in(self.client, person)

    def __call__(self, query: str = "", path: str = "/desk/", **headers: str) -> Page:
        self.answer = self.client.get(f"{path}?{query}" if query else path, headers=headers)
        return Page(self.answer)

    def send(self, path: str, data: dict, *, follow: bool = True) -> Page:
        self.answer = self.client.post(path, data, follow=follow)
        return Page(self.answer)


def subjects(page: Page) -> list[str]:
    """The tickets of a list, in its order."""
    return [html.unescape(found) for found in re.findall(r'class="ticket-subject"[^>]*>([^<]*)<', page.html)]


def ticked(*tickets) -> list[str]:
    return [f"{ticket.reference}:{ticket.version}" for ticket in tickets]
