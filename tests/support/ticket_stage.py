"""A ticket on the desk of ETNIC, on Thursday 14 November 2024 at ten, and its page as Léna Inventée reads it."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from bma_portal import clock
from support import attachments
from support.models import Attachment, Message, Ticket
from support.proofs import Prepared
from support.reading import Page as Image
from tests.sign_in import sign_in
from tests.support.pages import Page
from tests.support.tickets_stage import AT, agent, asked, on

NOW = on(14, 10)
FIELD = re.compile(r'name="(version|vu)" value="([^"]*)"')


@pytest.fixture
def lena(db) -> User:
    clock.set_for_every_process(NOW)
    return agent("etnic", username="lena", first_name="Léna", last_name="Inventée")


@pytest.fixture
def ticket(lena) -> Ticket:
    return asked()


class Sheet:
    """One person at one ticket: `sheet()` reads it, `sheet.do("prendre")` presses a button of what was read."""

    def __init__(self, person: User, ticket: Ticket, *, strong: bool = True) -> None:
        self.client, self.ticket, self.read = Client(), ticket, {}
        sign_in(self.client, person, strong=strong)

    def address(self, end: str = "") -> str:
        return f"/desk/demande/{self.ticket.reference}/{end}"

    def __call__(self, query: str = "", end: str = "") -> Page:
        self.answer = self.client.get(self.address(end) + query)
        page = Page(self.answer)
        self.read = dict(FIELD.findall(page.html)) or self.read
        return page

    def open(self, path: str) -> Page:
        """Another page of the desk."""
        self.answer = self.client.get(path)
        return Page(self.answer)

    def do(self, deed: str, *, reading: bool = True, htmx: bool = False, **typed: Any) -> Page:
        """Read the page if it was not yet, send the form, and follow."""
        if reading and not self.read:
            self()
        headers = {"HX-Request": "true"} if htmx else {}
        self.answer = self.client.post(self.address(f"{deed}/"), {**self.read, **typed}, headers=headers)
        if self.answer.status_code == 302:
            self.answer = self.client.get(self.answer["Location"], headers=headers)
            page = Page(self.answer)
            self.read = dict(FIELD.findall(page.html))
            return page
        return Page(self.answer)


@pytest.fixture
def sheet(lena, ticket) -> Sheet:
    return Sheet(lena, ticket)


def attached(
    message: Message, *, personal: bool = False, to_scan: bool = False, label: str = "Pièce jointe 1"
) -> Attachment:
    prepared = Prepared([Image(b"\xff\xd8page une"), Image(b"\xff\xd8page deux")], to_scan=to_scan)
    return attachments.attach(message, prepared, label=label, personal=personal, at=AT)


def refused(page: Page, words: str) -> None:
    """The form came back: its title says so, its summary too, and nothing is lost."""
    assert page.status in {409, 422}
    assert page.title.startswith("Erreur : ")
    assert "data-error-summary" in page.html
    assert words in page.text
