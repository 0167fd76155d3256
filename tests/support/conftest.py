from collections.abc import Callable
from datetime import date

import pytest

from bma_portal import clock
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.pages import Page
from tests.support.ticket_stage import lena, sheet, ticket  # noqa: F401  the page of a ticket


@pytest.fixture
def it_is(db) -> Callable[..., None]:
    """`it_is(date(2024, 11, 15))`: the moment that every page is given, at noon in Brussels unless told otherwise."""

    def set_clock(day: date, hour: int = 12, minute: int = 0) -> None:
        clock.set_for_every_process(clock.brussels(day, hour, minute))

    return set_clock


@pytest.fixture
def person():
    return UserFactory(first_name="Dominique", last_name="Exemple", email="dominique@exemple.test")


@pytest.fixture
def my_page(client, person):
    sign_in(client, person)

    def get(path: str = "/ma-boite/") -> Page:
        page = Page(client.get(path))
        page.assert_sound()
        return page

    return get
