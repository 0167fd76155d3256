"""The nights when the clocks change, driven by the real beat schedule: each job rings as on any other night (H9, K5).

Beat's own clock is moved by hand; what it rings is written down instead of being put on the broker. Two beats at once
are two rings: what they set off is done once (`test_sequence`, `test_reports`), since a date of Brussels is its key.
"""

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from celery.beat import Scheduler
from celery.schedules import schedule

from bma_portal.celery import app
from bma_portal.clock import BRUSSELS, brussels
from bma_portal.settings.base import CELERY_BEAT_SCHEDULE

AUTUMN, SPRING = date(2024, 10, 26), date(2025, 3, 29)  # the evening before the clocks change
ORDINARY = date(2024, 11, 16)
FROM, TO = 23, 5  # hours of Brussels
HOURS = {AUTUMN: 7, SPRING: 5, ORDINARY: 6}


class Written(Scheduler):
    """Beat as production runs it, but for the broker: it writes down what it rings, and when."""

    rung: list[tuple[str, datetime]]
    producer = None  # else it would wait for a broker

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self.rung.append((entry.name, entry.default_now()))


@pytest.fixture
def hand(monkeypatch) -> list[datetime]:
    """What beat believes the moment to be: the only item of this list."""
    moment = [datetime(2024, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(app, "now", lambda: moment[0].astimezone(app.timezone))
    return moment


def night_of(evening: date, hand: list[datetime], *, stopped: tuple[datetime, datetime] | None = None) -> Written:
    """Beat from that evening to the next morning; `stopped`: it is away in between, and starts anew."""
    hand[0] = brussels(evening, FROM)
    end = brussels(evening + timedelta(days=1), TO)
    beat = _started()
    while hand[0] < end:
        before = len(beat.rung)
        wait = beat.tick()
        if len(beat.rung) == before:  # it rings one job a tick, then looks again at once
            hand[0] += timedelta(seconds=max(wait, 0.25))
        if stopped and stopped[0] <= hand[0] < stopped[1]:
            hand[0], again = stopped[1], _started()
            again.rung, beat = beat.rung, again
    return beat


def _started() -> Written:
    beat = Written(app=app, lazy=True)
    beat.rung = []
    beat.merge_inplace(CELERY_BEAT_SCHEDULE)
    return beat


@pytest.mark.parametrize("evening", [AUTUMN, SPRING, ORDINARY])
def test_each_job_rings_at_its_own_pace_through_the_night(hand, evening):
    rung = night_of(evening, hand).rung
    seconds = HOURS[evening] * 3600
    assert brussels(evening + timedelta(days=1), TO) - brussels(evening, FROM) == timedelta(seconds=seconds)
    for name, entry in CELERY_BEAT_SCHEDULE.items():
        period = entry["schedule"].run_every.total_seconds()
        moments = [moment for job, moment in rung if job == name]
        assert seconds / (period + 1.5) - 1 <= len(moments) <= seconds / period + 1, name
        gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(moments)]
        assert all(period - 0.5 <= gap <= period + 1.5 for gap in gaps), (name, max(gaps))


def test_the_repeated_hour_is_two_hours_for_beat(hand):
    """Between 2:00 and 3:00 that night the campaign is looked at twice as often as the wall clock tells."""
    moments = [moment.astimezone(BRUSSELS) for job, moment in night_of(AUTUMN, hand).rung if job == "campagne"]
    at_two = [moment for moment in moments if moment.hour == 2]
    assert {moment.fold for moment in at_two} == {0, 1}
    assert 228 <= len(at_two) <= 242
    spring = [moment.astimezone(BRUSSELS).hour for job, moment in night_of(SPRING, hand).rung if job == "campagne"]
    assert 2 not in spring
    assert {1, 3} <= set(spring)


@pytest.mark.parametrize("evening", [AUTUMN, SPRING])
def test_a_beat_that_was_away_at_two_rings_as_soon_as_it_is_back(hand, evening):
    back = brussels(evening + timedelta(days=1), 4)
    rung = night_of(evening, hand, stopped=(brussels(evening + timedelta(days=1), 1), back)).rung
    after = [moment for job, moment in rung if job == "campagne" and moment >= back]
    assert after[0] - back <= timedelta(seconds=31)


def test_no_job_is_told_by_the_wall_clock():
    """A crontab in local time skips or repeats a job when the clocks change: there is none."""
    assert {type(entry["schedule"]) for entry in CELERY_BEAT_SCHEDULE.values()} == {schedule}
