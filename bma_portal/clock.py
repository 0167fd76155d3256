"""The one place that asks what time it is, and what a working day is in Brussels.

Rules take `at`; the edges (a view through `request.at`, a task, a command's `--at`) ask `now()`. A replay may set
the clock for every process; production refuses it. Leases, back-off and rate limits do not use this clock but the
database's own.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

from bma_portal.errors import Refusal

BRUSSELS = ZoneInfo("Europe/Brussels")


def now() -> datetime:
    """The moment, in UTC: the replay's if one is running, else the real one."""
    if settings.CLOCK_CAN_BE_SET:
        with connection.cursor() as cursor:
            cursor.execute("SELECT at FROM bma_portal_replayclock WHERE expires_at > clock_timestamp()")
            row = cursor.fetchone()
        if row:
            return row[0].astimezone(UTC)
    return datetime.now(UTC)


def set_for_every_process(at: datetime, *, seconds: int = 120) -> None:
    """Make `at` the moment for web, workers and beat, for `seconds` of real time unless renewed.

    Raises Refusal in production.
    """
    if not settings.CLOCK_CAN_BE_SET:
        raise Refusal("L'horloge ne se règle pas en production.")
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO bma_portal_replayclock (id, at, expires_at)
               VALUES (1, %s, clock_timestamp() + make_interval(secs => %s))
               ON CONFLICT (id) DO UPDATE SET at = excluded.at, expires_at = excluded.expires_at""",
            [at, seconds],
        )


def release() -> None:
    """Give the real time back to every process."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM bma_portal_replayclock")


@lru_cache(maxsize=4096)
def brussels(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """That hour of that day in Brussels, in UTC. An hour that the clocks skip or repeat is taken once (first fold)."""
    return datetime.combine(day, time(hour, minute), tzinfo=BRUSSELS).astimezone(UTC)


def brussels_date(at: datetime) -> date:
    return at.astimezone(BRUSSELS).date()


@lru_cache(maxsize=32)
def _public_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("BE", years=year))


def is_public_holiday(day: date) -> bool:
    """Belgian legal holidays; the Service Desk is closed on them (S0 §7)."""
    return day in _public_holidays(day.year)


def is_working_day(day: date) -> bool:
    """Monday to Friday, public holidays excepted (S0 §7)."""
    return day.weekday() < 5 and not is_public_holiday(day)


def working_day_from(day: date) -> date:
    """That day if it is worked, else the next one that is."""
    while not is_working_day(day):
        day += timedelta(days=1)
    return day


def working_days_after(day: date, count: int) -> date:
    """The `count`-th working day after that day."""
    for _ in range(count):
        day = working_day_from(day + timedelta(days=1))
    return day


class RequestMoment:
    """Middleware: `request.at`, the moment that every rule behind this request is given."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.at = now()  # type: ignore[attr-defined]
        return self.get_response(request)
