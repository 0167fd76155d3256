"""When the campaign should end, with its range (B17): from what is left, what was seen so far, and the capacity.

Pure: facts and a day in, two days and the reasons out. At best, the plan holds and what failed finds room beside it;
at worst, what is left fails as often as in the worst week seen and moves as slowly as in the slowest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from migration.calendar import night_day, week_of

USUAL_FAILURE = 0.05  # until a night was seen: above it a batch suspends itself (`sequence.BAD_SHARE`)
WORST_FAILURE = 0.5  # one bad night says little of all the others
FEW_WEEKS = 3  # seen; with fewer, the worst is at least the usual
LONGEST_WEEKS = 520


@dataclass(frozen=True)
class Week:
    """What one week's nights gave; `monday` names it."""

    monday: date
    done: int
    failed: int

    @property
    def tried(self) -> int:
        return self.done + self.failed


@dataclass(frozen=True)
class Facts:
    """What the forecast is made of. Boxes, Brussels days."""

    planned: dict[date, int]  # by night, those that still wait for theirs
    to_replan: int  # failed, put back or without a result: their four mails are not all to send again
    unplanned: int  # in no batch: the whole sequence is before them
    seen: Sequence[Week] = ()  # weeks that are over, the oldest first
    capacity: int | None = None  # boxes a week
    lead_days: int = 30  # from mail 1 to the night


@dataclass(frozen=True)
class Forecast:
    """From the earliest to the latest last night; none of them when nothing says when."""

    earliest: date | None = None
    latest: date | None = None
    planned_end: date | None = None
    left: int = 0
    pace: int | None = None  # boxes a week, as planned or as seen
    failure: float | None = None  # the share of failures seen
    weeks_seen: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return self.left == 0


def forecast(facts: Facts, *, today: date) -> Forecast:
    """`reasons` says in French what the range rests on."""
    waiting = sum(facts.planned.values())
    left = waiting + facts.to_replan + facts.unplanned
    seen = [week for week in facts.seen if week.tried]
    tried = sum(week.tried for week in seen)
    failure = sum(week.failed for week in seen) / tried if tried else None
    planned_end = max(facts.planned, default=None)
    if left == 0:
        return Forecast(weeks_seen=len(seen), failure=failure)
    usual, slow = _paces(facts, seen)
    if usual is None or slow is None:
        return Forecast(left=left, reasons=["Aucun lot n’est encore planifié : rien ne permet de dire une date."])
    best, worst = _failures(seen)
    reasons = _reasons(facts, seen, failure, worst, usual, slow)
    earliest = _end(facts, failing=best, pace=usual, today=today, late=False)
    latest = max(earliest, _end(facts, failing=worst, pace=slow, today=today, late=True))
    return Forecast(earliest, latest, planned_end, left, usual, failure, len(seen), reasons)


def _paces(facts: Facts, seen: Sequence[Week]) -> tuple[int | None, int | None]:
    """Boxes a week: the usual one, and the slowest that was seen. What is planned stands in for what was not seen."""
    by_week: dict[date, int] = {}
    for night, boxes in facts.planned.items():
        by_week[week_of(night)] = by_week.get(week_of(night), 0) + boxes
    sizes = sorted([week.tried for week in seen] + [boxes for boxes in by_week.values() if boxes])
    if not sizes:
        return (facts.capacity, facts.capacity) if facts.capacity else (None, None)
    usual = max(1, sizes[len(sizes) // 2])
    if facts.capacity:
        usual = min(usual, facts.capacity)
    slowest = min([week.done for week in seen], default=usual)
    return usual, min(usual, max(slowest, math.ceil(usual * (1 - WORST_FAILURE))))


def _failures(seen: Sequence[Week]) -> tuple[float, float]:
    """The share that fails, at best and at worst."""
    if not seen:
        return 0.0, USUAL_FAILURE
    shares = [week.failed / week.tried for week in seen]
    worst = max(shares)
    if len(seen) < FEW_WEEKS:
        worst = max(worst, USUAL_FAILURE)
    return min(*shares, WORST_FAILURE), min(worst, WORST_FAILURE)


def _end(facts: Facts, *, failing: float, pace: int, today: date, late: bool) -> date:
    """The last night, if that share fails again and again and `pace` boxes a week move."""
    waiting = sum(facts.planned.values())
    end = max([today, *facts.planned])
    # What fails is planned again, and fails again in the same share: the sum of a geometric series.
    again = math.ceil((waiting * failing + facts.to_replan) / (1 - failing))
    fresh = math.ceil(facts.unplanned / (1 - failing))
    extra = again + fresh
    if late:
        end = max(end, _later(today, waiting, pace))
    else:  # beside what is planned, where a week has room
        extra = max(0, extra - max(0, _weeks(today, end) * pace - waiting))
    end = _later(end, extra, pace)
    if fresh:  # their first mail has not left
        ready = today + timedelta(days=facts.lead_days)
        end = max(end, _later(ready, fresh, pace) if late else ready)
    return night_day(end)


def _later(day: date, boxes: int, pace: int) -> date:
    return day + timedelta(weeks=min(LONGEST_WEEKS, math.ceil(boxes / pace)))


def _weeks(start: date, end: date) -> int:
    return max(0, (end - start).days // 7)


def _reasons(
    facts: Facts, seen: Sequence[Week], failure: float | None, worst: float, usual: int, slow: int
) -> list[str]:
    waiting = sum(facts.planned.values())
    said = []
    if waiting:
        said.append(_boxes(waiting, "attend sa nuit", "attendent leur nuit"))
    if facts.to_replan:
        said.append(_boxes(facts.to_replan, "est à reprendre dans un autre lot", "sont à reprendre dans un autre lot"))
    if facts.unplanned:
        said.append(_boxes(facts.unplanned, "n’est dans aucun lot", "ne sont dans aucun lot"))
    if failure is None:
        said.append(f"Aucune semaine de nuits n’est encore passée : au pire, {_percent(worst)} d’échecs sont comptés.")
    else:
        weeks = f"{len(seen)} semaine{'s' if len(seen) > 1 else ''}"
        said.append(f"Échecs en {weeks} : {_percent(failure)} ; au pire, {_percent(worst)} sont comptés.")
    if slow < usual:
        said.append(f"Rythme : {usual} boîtes par semaine ; au pire, d’après la semaine la plus lente, {slow}.")
    else:
        said.append(f"Rythme : {usual} boîte{'s' if usual > 1 else ''} par semaine.")
    return said


def _boxes(count: int, one: str, several: str) -> str:
    return f"{count} boîte{'s' if count > 1 else ''} {several if count > 1 else one}."


def _percent(share: float) -> str:
    return f"{share * 100:.1f}".rstrip("0").rstrip(".").replace(".", ",") + "\N{NO-BREAK SPACE}%"
