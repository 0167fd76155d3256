"""Laying out a campaign, without a database: weekly batches, POs first, four dates each, sizes level, regions mixed.

Pure and deterministic: the same mailboxes and settings give the same plan, in whatever order they come. Spacings,
worked and avoided days, capacity and order always hold; the announced windows are what gives way, and `plan_findings`
proves it.
"""

import hashlib
from array import array
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from operator import itemgetter
from typing import NamedTuple

from bma_portal.errors import Refusal
from migration.calendar import DAY, PATIENCE, Calendar, week_of
from migration.plan_settings import KINDS, Settings

WEEK = timedelta(days=7)
FIRST = 5  # the boxes of a batch that go before the others (`sequence.FIRST_FIVE`)
MOST_LOTS = 520  # ten years of weeks: beyond it the capacity is a slip


class Box(NamedTuple):
    """A mailbox to plan, known by its address. Zone and network make the strata that each batch has its share of."""

    pk: int
    kind: str
    address: str
    zone: str = ""
    network: str = ""


ADDRESS = Box._fields.index("address")


class Kept(NamedTuple):
    """A batch that a plan leaves alone; `ordered` if POs before establishments is asked of it (not of a pilot)."""

    kind: str
    night_on: date
    mailboxes: int
    ordered: bool = True
    begun: bool = True  # a mail of it has left


@dataclass(frozen=True)
class PlannedBatch:
    """One week: Brussels days, and the mailboxes in their order."""

    kind: str
    mail1_on: date
    mail2_on: date
    mail3_on: date
    night_on: date
    mailbox_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What cannot hold: the rule, who says so, for whom, the first day on which it can be, and one French sentence."""

    rule: str
    source: str
    kind: str
    earliest: date
    text: str

    def as_dict(self) -> dict[str, str]:
        return {
            "rule": self.rule, "source": self.source, "kind": self.kind, "earliest": self.earliest.isoformat(),
            "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True)
class Plan:
    batches: list[PlannedBatch] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    first_number: int = 1  # of its first batch, in the campaign
    unapproves: tuple[int, ...] = ()  # the approved batches that it replaces

    @property
    def mailboxes(self) -> int:
        return sum(len(batch.mailbox_ids) for batch in self.batches)

    @property
    def warnings(self) -> list[str]:
        return [finding.text for finding in self.findings]

    def fingerprint(self) -> str:
        """The same for the same batches, mailboxes, dates, findings and lost approvals; what a person signs."""
        seen = hashlib.sha256()
        for batch in self.batches:
            seen.update(repr(replace(batch, mailbox_ids=())).encode())
            seen.update(array("q", batch.mailbox_ids).tobytes())
        seen.update(repr(self.findings).encode())
        seen.update(repr(self.unapproves).encode() if self.unapproves else b"")
        return seen.hexdigest()


class Slot(NamedTuple):
    """A week's first mail and the earliest that follows from it."""

    mail1: date
    mail2: date
    mail3: date


@dataclass
class Weeks:
    """The batches of one kind, with their sizes, before mailboxes are shared among them."""

    lots: list[tuple[PlannedBatch, int]] = field(default_factory=list)
    late: int = 0  # mailboxes outside a window, or after the closing of the old server

    @property
    def last_night(self) -> date:
        return max(batch.night_on for batch, _ in self.lots)


def slot(settings: Settings, calendar: Calendar, mail1: date) -> Slot | None:
    """Mail 2 a week after mail 1, or the next working day; mail 3 from three to twelve weeks after mail 2 (S1 §5).

    None if no day between the least and the most is worked.
    """
    mail2 = calendar.working_day(mail1 + timedelta(days=settings.mail2_after_days))
    mail3 = calendar.working_day(mail2 + timedelta(days=settings.mail3_after_days_min))
    return Slot(mail1, mail2, mail3) if (mail3 - mail2).days <= settings.mail3_after_days_max else None


def slots(settings: Settings, calendar: Calendar, kind: str, first: date) -> Iterator[Slot]:
    """The first day of each week, from that day on, on which mail 1 may leave and the others can follow."""
    monday, empty = week_of(first), 0
    while empty <= PATIENCE // 7:
        days = (monday + timedelta(days=n) for n in range(7))
        allowed = (day for day in days if day >= first and calendar.may_announce(day, kind))
        found = next(filter(None, (slot(settings, calendar, day) for day in allowed)), None)
        empty = 0 if found else empty + 1
        if found:
            yield found
        monday += WEEK
    raise Refusal(
        f"Aucun jour permis ne suit le {first:%d/%m/%Y} pour le premier mail des {KINDS[kind]}, ou aucun jour ouvré "
        "pour leur mail 3 : revoyez les délais et les périodes à éviter."
    )


def dated(settings: Settings, calendar: Calendar, kind: str, week: Slot, night: date) -> PlannedBatch:
    """The four dates. If the night had to wait, mail 3 comes nearer to it, on a day that is not avoided if it can."""
    mail3 = week.mail3
    if night - mail3 > timedelta(days=settings.night_after_days) + WEEK:
        latest = min(
            night - timedelta(days=settings.night_after_days),
            week.mail2 + timedelta(days=settings.mail3_after_days_max),
        )
        worked = [day for day in _back(latest, mail3) if calendar.works(day)]
        mail3 = next((day for day in worked if not calendar.avoids(day, kind)), worked[0])
    return PlannedBatch(kind, week.mail1, week.mail2, mail3, night)


def _back(last: date, first: date) -> Iterator[date]:
    while last >= first:
        yield last
        last -= DAY


def share(boxes: Sequence[Box], lots: int) -> list[tuple[int, ...]]:
    """Deal the mailboxes to that many lots, stratum after stratum: each lot has its share of each, within one box.

    Sizes differ by one at most. The first boxes of a lot come from strata far apart: they go before the others.
    """
    strata: dict[tuple[str, str], array[int]] = {}
    for pk, _, _, zone, network in sorted(boxes, key=itemgetter(ADDRESS)):
        stratum = strata.get((zone, network))
        if stratum is None:
            stratum = strata[zone, network] = array("q")
        stratum.append(pk)
    dealt = array("q")  # numbers side by side: a hundred thousand of them are cut without following pointers
    for key in sorted(strata):
        dealt += strata[key]
    return [_far_apart(dealt[lot::lots]) for lot in range(lots)]


def _far_apart(boxes: "array[int]") -> tuple[int, ...]:
    """One box out of each fifth of the list, then the others in their order."""
    step = -(-len(boxes) // FIRST)
    found = boxes[::step]
    for start in range(0, len(boxes), step):
        found += boxes[start + 1 : start + step]
    return tuple(found)


class Layout:
    """The weeks of one plan: what is taken of each, and the night before which establishments may not move."""

    def __init__(self, settings: Settings, kept: Sequence[Kept] = ()) -> None:
        self.settings = settings
        self.calendar = Calendar(settings.avoided)
        self.load: Counter[date] = Counter()
        self.floor: dict[str, date | None] = {"po": None, "ec": None}
        for batch in kept:
            self.load[week_of(batch.night_on)] += batch.mailboxes
        of_establishments = [batch for batch in kept if batch.ordered and batch.kind == "ec"]
        self.first_night_of_establishments = min((batch.night_on for batch in of_establishments), default=None)
        self.in_order = not any(batch.begun for batch in of_establishments)  # once they move, none is left to keep
        nights = [batch.night_on for batch in kept if batch.ordered and batch.kind == "po"]
        if nights and self.in_order:
            self.floor["ec"] = max(nights) + DAY

    def take(self, kind: str, weeks: Weeks) -> None:
        """These weeks are taken; establishments come after the last night of the POs (hard rule)."""
        for batch, size in weeks.lots:
            self.load[week_of(batch.night_on)] += size
        if kind == "po" and self.in_order:
            after = weeks.last_night + DAY
            self.floor["ec"] = max(after, self.floor["ec"] or after)

    def best(self, kind: str, count: int, start: date, *, capacity: bool = True) -> Weeks:
        """One batch for each week of the window; fewer or more if more mailboxes then stay within the windows."""
        limit = self.settings.capacity if capacity else None
        need = -(-count // limit) if limit else 1
        if need > MOST_LOTS:
            raise Refusal(
                f"À {limit} boîtes par semaine, il faudrait {need} semaines pour {count} {KINDS[kind]} : "
                "revoyez la capacité."
            )
        last = self.settings.first_mails(kind)[1]
        available: list[Slot] = []
        stream = slots(self.settings, self.calendar, kind, start)
        for week in stream:
            if week.mail1 > last and len(available) >= need:
                break
            available.append(week)
        found: Weeks | None = None
        for lots in range(min(len(available), count), min(need, count) - 1, -1):
            weeks = self._nights(kind, available[:lots], count, limit)
            if found is None or weeks.late < found.late:
                found = weeks
            if not found.late:
                break
        assert found is not None
        return found

    def _nights(self, kind: str, weeks: Sequence[Slot], count: int, capacity: int | None) -> Weeks:
        """A night for each of these weeks, sizes level; the first night allowed, in a week that has room."""
        settings = self.settings
        load, taken, result = Counter(self.load), set[date](), Weeks()
        size, rest = divmod(count, len(weeks))
        last_mail = settings.first_mails(kind)[1]
        for n, week in enumerate(weeks):
            boxes = size + (n < rest)
            earliest = self.earliest(kind, week)
            room = None if capacity is None else capacity - boxes
            night = self._night(kind, earliest, load, room, taken)
            if self.too_late(kind, night):  # two batches in one week, rather than one outside its window
                shared = self._night(kind, earliest, load, room, ())
                night = night if self.too_late(kind, shared) else shared
            load[week_of(night)] += boxes
            taken.add(week_of(night))
            result.lots.append((dated(settings, self.calendar, kind, week, night), boxes))
            if week.mail1 > last_mail or self.too_late(kind, night):
                result.late += boxes
        return result

    def earliest(self, kind: str, week: Slot) -> date:
        """The first day that may be the night of that week's batch, worked or not."""
        opens, _ = self.settings.nights(kind)
        bounds = (week.mail3 + timedelta(days=self.settings.night_after_days), opens, self.floor[kind])
        return max(bound for bound in bounds if bound is not None)

    def too_late(self, kind: str, night: date) -> bool:
        _, until = self.settings.nights(kind)
        return night >= self.settings.old_server_closes_on or (until is not None and night > until)

    def _night(self, kind: str, day: date, load: Mapping[date, int], room: int | None, taken: Container[date]) -> date:
        while True:
            night = self.calendar.night(day, kind)
            week = week_of(night)
            if week not in taken and (room is None or load.get(week, 0) <= room):
                return night
            day = week + WEEK
