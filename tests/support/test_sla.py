"""Working time (F3, F4): to the minute, on the calendar of a team."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bma_portal.clock import brussels
from support import sla
from support.sla import Clock, Hours, Targets

DAY = Hours(time(8), time(17))
TARGETS = Targets(first=4 * 60, next=8 * 60, solve=45 * 60, warn=60, hours=DAY)


def at(day: int, hour: int, minute: int = 0, month: int = 11, year: int = 2024) -> datetime:
    return brussels(date(year, month, day), hour, minute)


@pytest.mark.parametrize(
    ("start", "minutes", "end"),
    [
        (at(15, 16, 30), 120, at(18, 9, 30)),  # Friday 16:30 + 2 h = Monday 9:30
        (at(8, 16, 30), 120, at(12, 9, 30)),  # … but Monday 11 November is a holiday
        (at(14, 8), 540, at(14, 17)),  # a whole day ends on its evening
        (at(14, 8), 541, at(15, 8, 1)),
        (at(16, 10), 30, at(18, 8, 30)),  # asked on a Saturday
        (at(14, 7, 59), 1, at(14, 8, 1)),  # before the opening
        (at(14, 17), 1, at(15, 8, 1)),  # at the closing
        (at(14, 20), 0, at(15, 8)),  # nobody could have answered before
        (at(25, 16, 0, month=10), 120, at(28, 9, 0, month=10)),  # the clocks change on the night of the 27th
        (at(31, 16, 0, month=12), 120, at(2, 9, 0, month=1, year=2025)),  # New Year
    ],
)
def test_minutes_pass_while_the_team_is_there(start, minutes, end):
    assert sla.add(start, minutes, DAY) == end


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60 * 24 * 90), st.integers(0, 6000))
def test_what_is_added_is_what_has_passed(offset, minutes):
    start = at(1, 0) + timedelta(minutes=offset)
    end = sla.add(start, minutes, DAY)
    assert sla.between(start, end, DAY) == minutes


def test_nothing_passes_backwards_nor_at_night():
    assert sla.between(at(14, 12), at(14, 11), DAY) == 0
    assert sla.between(at(14, 17), at(15, 8), DAY) == 0
    assert sla.between(at(15, 16), at(18, 9), DAY) == 120


def clock(**facts) -> Clock:
    given = {"opened_at": at(14, 9), "team_since": at(14, 9), "asked_at": at(14, 9), "first_answered": False}
    return Clock(**(given | facts))


def test_the_first_answer_is_due_first_and_a_next_one_never_overrules_it():
    kinds = [deadline.kind for deadline in sla.deadlines(clock(), TARGETS)]
    assert kinds == ["first", "solve"]
    assert sla.nearest(clock(), TARGETS).at == at(14, 13)
    again = clock(asked_at=at(14, 10))  # the holder wrote again before any answer
    assert sla.nearest(again, TARGETS) == sla.nearest(clock(), TARGETS)


def test_after_the_first_answer_the_next_question_has_its_own_target():
    later = clock(first_answered=True, asked_at=at(15, 9))
    found = [(deadline.kind, deadline.at) for deadline in sla.deadlines(later, TARGETS)]
    assert found == [("next", at(15, 17)), ("solve", at(21, 9))]


def test_nobody_asks_only_the_solution_runs():
    assert [d.kind for d in sla.deadlines(clock(first_answered=True, asked_at=None), TARGETS)] == ["solve"]


def test_a_hold_of_three_hours_moves_each_deadline_by_three_hours():
    held = clock(held=180, held_team=180, held_asked=180)
    before, after = sla.deadlines(clock(), TARGETS), sla.deadlines(held, TARGETS)
    assert [sla.between(a.at, b.at, DAY) for a, b in zip(before, after, strict=True)] == [180, 180]


def test_what_was_held_is_kept_when_the_priority_changes():
    urgent = sla.nearest(clock(urgent=True, held=180), TARGETS)
    assert sla.between(at(14, 9), urgent.at, DAY) == 4 * 60 // 2 + 180


@pytest.mark.parametrize(
    ("first_answered", "asked_at"), [(True, at(20, 9)), (True, at(19, 9)), (False, at(14, 9)), (False, at(21, 9))]
)
def test_a_team_that_is_handed_a_ticket_has_its_own_clock_and_the_total_stays(first_answered, asked_at):
    handed = clock(team_since=at(20, 9), asked_at=asked_at, first_answered=first_answered)
    found = {deadline.kind: deadline.at for deadline in sla.deadlines(handed, TARGETS)}
    assert found == {"team": at(20, 13), "solve": sla.add(at(14, 9), 45 * 60, DAY)}


def test_what_is_asked_after_the_receiver_answered_is_a_next_question():
    later = clock(team_since=at(20, 9), asked_at=at(21, 9), first_answered=True)
    assert {deadline.kind for deadline in sla.deadlines(later, TARGETS)} == {"next", "solve"}


def test_one_is_warned_before_the_deadline_and_not_before_the_start():
    assert sla.nearest(clock(), TARGETS).warn_at == at(14, 12)
    short = Targets(first=30, next=30, solve=30, warn=60, hours=DAY)
    assert sla.nearest(clock(), short).warn_at == at(14, 9)
