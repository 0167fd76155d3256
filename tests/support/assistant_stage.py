"""A visitor of /assistant/, and a mailbox at each stage of the migration."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from django.test import Client

from tests.factories_migration import MoveFactory
from tests.support.pages import FULL_ADDRESS, Page

FULL = "/assistant/mails/plus-rien/sans-erreur/"
BROKEN = "/assistant/materiel/panne/"
Ask = Callable[..., Page]


def asker(client: Client) -> Ask:
    """`ask(path, numero="247")`: the page, once what holds on every one of them was looked at."""

    def get(path: str, **query: str) -> Page:
        response = client.get(path, query)
        page = Page(response)
        assert page.status in {200, 404, 429}, page.status
        page.assert_sound()
        assert not FULL_ADDRESS.search(page.text)
        assert "no-store" in response["Cache-Control"]
        return page

    return get


@dataclass(frozen=True)
class Moment:
    day: date
    facts: dict
    others_wait: bool = False


MOMENTS = {
    "P0": Moment(date(2024, 9, 16), {}),
    "P1": Moment(date(2024, 10, 9), {"announced": True}),
    "P2": Moment(date(2024, 10, 20), {"credentials_sent": True}),
    "P3": Moment(date(2024, 11, 6), {"confirmed": True}),
    "P4": Moment(date(2024, 11, 12), {"migrated": True}, others_wait=True),
    "P5": Moment(date(2025, 1, 14), {"migrated": True}),
    "P6": Moment(date(2025, 9, 2), {"migrated": True}),
}


def on_stage(name: str, it_is: Callable[..., None]) -> str:
    """A mailbox at that stage; its number."""
    moment = MOMENTS[name]
    it_is(moment.day)
    move = MoveFactory(**moment.facts)
    if moment.others_wait:
        MoveFactory(batch=move.batch)
    return move.mailbox.address[:8]
