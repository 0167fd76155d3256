"""Working time: how far a deadline is, on the calendar of a team (F3, F4, E8). Pure: no row, no clock.

A minute counts while the team is open: working days (`bma_portal.clock`), from its opening to its closing, Brussels
time. Friday 16:30 + 2 h = Monday 9:30; 11 November is skipped (S0 §7).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bma_portal.clock import brussels, brussels_date, working_day_from


@dataclass(frozen=True)
class Hours:
    """When a team is there, on working days, Brussels time."""

    opens: time = time(8)
    closes: time = time(17)

    def of(self, day: date) -> tuple[datetime, datetime]:
        """Opening and closing of that day, in UTC."""
        return (
            brussels(day, self.opens.hour, self.opens.minute),
            brussels(day, self.closes.hour, self.closes.minute),
        )


def _spans(hours: Hours, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The times of opening from `start` on, without end; the first is cut at `start`."""
    day = working_day_from(brussels_date(start))
    while True:
        opens, closes = hours.of(day)
        if closes > start:
            yield max(opens, start), closes
        day = working_day_from(day + timedelta(days=1))


def add(start: datetime, minutes: int, hours: Hours) -> datetime:
    """The moment when that many minutes of opening have passed since `start`, in UTC.

    Zero minutes after closing is the next opening: nobody could have answered before.
    """
    left = timedelta(minutes=minutes)
    for opens, closes in _spans(hours, start):
        if opens + left <= closes:
            return opens + left
        left -= closes - opens
    raise AssertionError("unreachable")


def between(start: datetime, end: datetime, hours: Hours) -> int:
    """Whole minutes of opening from `start` to `end`; 0 if it is not after."""
    total = timedelta()
    for opens, closes in _spans(hours, start):
        if opens >= end:
            break
        total += min(closes, end) - opens
    return int(total.total_seconds() // 60)


@dataclass(frozen=True)
class Targets:
    """What a team promises, in minutes of opening."""

    first: int
    next: int
    solve: int
    warn: int
    hours: Hours


@dataclass(frozen=True)
class Clock:
    """The moments of a ticket that its deadlines follow from, and the minutes it stood still since each."""

    opened_at: datetime
    team_since: datetime
    asked_at: datetime | None  # since when the requester waits for an answer; None: it is their turn
    first_answered: bool
    held: int = 0
    held_team: int = 0
    held_asked: int = 0
    urgent: bool = False


@dataclass(frozen=True)
class Deadline:
    """The nearest target that runs. `kind`: first, team (first answer of a team it was handed to), next, solve."""

    kind: str
    at: datetime
    warn_at: datetime


def deadlines(clock: Clock, targets: Targets) -> list[Deadline]:
    """Each target that runs, the nearest first.

    An urgent ticket has half the time. The first answer is never overruled by a next one; a team that was handed the
    ticket has its own first answer to give, from that moment, instead of what the former one owed, while the solution
    counts from the opening (E9). Minutes held are added, so that a stop of three hours moves a deadline by three hours
    of opening, whatever was changed meanwhile.
    """
    running: list[tuple[str, datetime, int]] = [("solve", clock.opened_at, targets.solve)]
    held = {"solve": clock.held, "first": clock.held, "team": clock.held_team, "next": clock.held_asked}
    handed, asked = clock.team_since > clock.opened_at, clock.asked_at
    first = ("team", clock.team_since, targets.first) if handed else ("first", clock.opened_at, targets.first)
    if not clock.first_answered:
        running.append(first)
    elif asked is not None:
        running.append(first if handed and clock.team_since >= asked else ("next", asked, targets.next))
    found = []
    for kind, start, minutes in running:
        granted = (minutes // 2 if clock.urgent else minutes) + held[kind]
        due = add(start, granted, targets.hours)
        found.append(Deadline(kind, due, add(start, max(granted - targets.warn, 0), targets.hours)))
    return sorted(found, key=lambda deadline: (deadline.at, deadline.kind))


def nearest(clock: Clock, targets: Targets) -> Deadline:
    return deadlines(clock, targets)[0]
