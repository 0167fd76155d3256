from collections.abc import Callable
from datetime import date

import pytest

from bma_portal import clock


@pytest.fixture
def it_is(db) -> Callable[..., None]:
    """`it_is(date(2024, 11, 15))`: the moment that every page is given, at noon in Brussels unless told otherwise."""

    def set_clock(day: date, hour: int = 12, minute: int = 0) -> None:
        clock.set_for_every_process(clock.brussels(day, hour, minute))

    return set_clock
