"""The moment, Brussels' days and nights, working days; a replay's clock (SEC-K5)."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from bma_portal import clock
from bma_portal.errors import Refusal

AUTUMN, SPRING = date(2024, 10, 27), date(2025, 3, 30)  # the clocks change in these two nights
REPLAYED = datetime(2024, 11, 7, 21, 30, tzinfo=UTC)

database = pytest.mark.database


@pytest.mark.parametrize(
    ("day", "hour", "minute", "utc"),
    [
        (date(2024, 7, 1), 9, 0, "2024-07-01T07:00"),
        (date(2024, 12, 2), 9, 0, "2024-12-02T08:00"),
        (AUTUMN, 0, 0, "2024-10-26T22:00"),
        (AUTUMN, 2, 30, "2024-10-27T00:30"),  # it comes twice: the first
        (AUTUMN, 3, 0, "2024-10-27T02:00"),
        (SPRING, 0, 0, "2025-03-29T23:00"),
        (SPRING, 2, 30, "2025-03-30T01:30"),  # it does not come: the same moment as 3:30
        (SPRING, 6, 0, "2025-03-30T04:00"),
    ],
)
def test_an_hour_of_brussels_is_one_moment(day, hour, minute, utc):
    assert clock.brussels(day, hour, minute) == datetime.fromisoformat(f"{utc}+00:00")


@pytest.mark.parametrize(("day", "hours"), [(AUTUMN, 25), (SPRING, 23), (date(2024, 11, 7), 24)])
def test_a_day_of_brussels_has_as_many_hours_as_the_clocks_give_it(day, hours):
    length = clock.brussels(day + timedelta(days=1)) - clock.brussels(day)
    assert length == timedelta(hours=hours)
    minutes = (clock.brussels(day) + timedelta(minutes=n) for n in range(hours * 60))
    assert {clock.brussels_date(at) for at in minutes} == {day}


def test_a_moment_before_midnight_in_utc_may_be_tomorrow_in_brussels():
    assert clock.brussels_date(datetime(2024, 11, 7, 23, 30, tzinfo=UTC)) == date(2024, 11, 8)
    assert clock.brussels_date(datetime(2024, 7, 7, 21, 59, tzinfo=UTC)) == date(2024, 7, 7)


@pytest.mark.parametrize(
    ("day", "worked"),
    [
        (date(2024, 11, 8), True),
        (date(2024, 11, 9), False),
        (date(2024, 11, 10), False),
        (date(2024, 11, 11), False),  # the Armistice, a Monday
        (date(2024, 11, 1), False),
        (date(2024, 12, 25), False),
        (date(2025, 4, 21), False),  # Easter Monday
        (date(2025, 5, 29), False),  # Ascension
        (date(2025, 7, 21), False),
        (date(2024, 9, 27), True),  # the Community's day: a school holiday, no legal one
        (date(2024, 11, 15), True),
    ],
)
def test_working_days_are_those_of_belgian_law(day, worked):
    assert clock.is_working_day(day) is worked


def test_the_next_working_day_passes_over_a_long_weekend():
    assert clock.working_day_from(date(2024, 11, 9)) == date(2024, 11, 12)
    assert clock.working_day_from(date(2024, 11, 8)) == date(2024, 11, 8)


@database
def test_without_a_replay_the_moment_is_the_real_one_in_utc(db):
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert clock.now().tzinfo is UTC


@database
def test_a_replay_sets_the_moment_until_it_gives_it_back(db):
    clock.set_for_every_process(REPLAYED)
    assert clock.now() == REPLAYED
    clock.set_for_every_process(REPLAYED + timedelta(days=1))
    assert clock.now() == REPLAYED + timedelta(days=1)
    clock.release()
    assert clock.now() > REPLAYED + timedelta(days=300)


@database
def test_a_replay_that_dies_gives_the_time_back_by_itself(db):
    clock.set_for_every_process(REPLAYED, seconds=30)
    assert clock.now() == REPLAYED
    with connection.cursor() as cursor:  # the database's own clock counts, and half a minute has gone by on it
        cursor.execute("UPDATE bma_portal_replayclock SET expires_at = expires_at - interval '30 seconds'")
    assert clock.now() > REPLAYED + timedelta(days=300)


@database
def test_there_is_one_replay_clock_at_most(db):
    from django.db import IntegrityError, transaction

    from bma_portal.models import ReplayClock

    clock.set_for_every_process(REPLAYED)
    with pytest.raises(IntegrityError), transaction.atomic():
        ReplayClock.objects.create(id=2, at=REPLAYED, expires_at=REPLAYED)


@database
def test_production_refuses_a_replay_and_does_not_even_look_for_one(db, settings, django_assert_num_queries):
    clock.set_for_every_process(REPLAYED)
    settings.CLOCK_CAN_BE_SET = False
    with pytest.raises(Refusal, match="ne se règle pas en production"):
        clock.set_for_every_process(REPLAYED)
    with django_assert_num_queries(0):
        assert clock.now() > REPLAYED + timedelta(days=300)


@database
def test_every_request_is_given_the_moment(db, rf):
    clock.set_for_every_process(REPLAYED)
    request = rf.get("/")
    clock.RequestMoment(lambda request: request)(request)
    assert request.at == REPLAYED
