"""A checker of plans that knows nothing of the planner: its own arithmetic, day by day, from the `holidays` library.

It is given rows (one a mailbox) and settings, and tells every rule that a row breaks. A replay holds it against the
plan, then against what was really delivered.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import holidays

BELGIUM = holidays.country_holidays("BE", years=range(2000, 2103))


@dataclass(frozen=True)
class Row:
    """A mailbox and its four dates; None for a mail that is not sent to it, or not yet."""

    address: str
    kind: str
    mail_1: date | None
    mail_2: date | None
    mail_3: date | None
    night: date | None


@dataclass(frozen=True, order=True)
class Violation:
    rule: str
    address: str
    text: str


def worked(day: date) -> bool:
    """The Service Desk is there: Monday to Friday, not on a Belgian public holiday (S0 §7)."""
    return day.isoweekday() in (1, 2, 3, 4, 5) and day not in BELGIUM


def rows_of(plan: Any, addresses: dict[int, str]) -> list[Row]:
    """The rows of a plan: anything with `batches` that have a kind, four dates and mailboxes."""
    return [
        Row(addresses[pk], batch.kind, batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on)
        for batch in plan.batches
        for pk in batch.mailbox_ids
    ]


def check(rows: Iterable[Row], settings: Any, *, windows: bool = True) -> list[Violation]:
    """Every rule that a row breaks. `settings` has the names of `plan_settings.Settings`.

    Without `windows` the announced windows are left out: a plan that says that they cannot hold is held to the rest.
    """
    rows = list(rows)
    found: list[Violation] = []
    by_dates: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for row in rows:
        by_dates[row.kind, row.mail_1, row.mail_2, row.mail_3, row.night].append(row.address)
    for dates, addresses in by_dates.items():
        broken = list(_one(Row("", *dates), settings, windows))
        found += [Violation(rule, address, text) for address in addresses for rule, text in broken]
    found += _duplicates(rows)
    found += _capacity(rows, settings)
    found += _order(rows)
    return sorted(found)


def _one(row: Row, settings: Any, windows: bool) -> Iterable[tuple[str, str]]:
    yield from _spacing(row, settings)
    for name, day in (("mail 1", row.mail_1), ("mail 2", row.mail_2), ("mail 3", row.mail_3), ("nuit", row.night)):
        if day is not None and not worked(day):
            yield "working_day", f"{name} le {day}, qui n’est pas ouvré"
    if row.night is not None and not worked(row.night + timedelta(days=1)):
        yield "working_day", f"nuit du {row.night} : le lendemain n’est pas ouvré"
    for period in settings.avoided:
        if period.kind not in ("", row.kind):
            continue
        for name, day in (("mail 1", row.mail_1), ("nuit", row.night)):
            if day is not None and period.first <= day <= period.last:
                yield "avoided", f"{name} le {day}, à éviter ({period.name or period.reason})"
    if windows:
        yield from _windows(row, settings)


def _spacing(row: Row, settings: Any) -> Iterable[tuple[str, str]]:
    if row.mail_1 is not None and row.mail_2 is not None:
        due = row.mail_1 + timedelta(days=settings.mail2_after_days)
        while not worked(due):
            due += timedelta(days=1)
        if row.mail_2 != due:
            yield "spacing", f"mail 2 le {row.mail_2} au lieu du {due}"
    if row.mail_2 is not None and row.mail_3 is not None:
        gap = (row.mail_3 - row.mail_2).days
        if gap < settings.mail3_after_days_min or gap > settings.mail3_after_days_max:
            yield "spacing", f"mail 3 {gap} jours après le mail 2"
    if row.mail_3 is not None and row.night is not None and (row.night - row.mail_3).days < settings.night_after_days:
        yield "spacing", f"nuit du {row.night}, {(row.night - row.mail_3).days} jours après le mail 3"


def _windows(row: Row, settings: Any) -> Iterable[tuple[str, str]]:
    first, last = getattr(settings, f"{row.kind}_first_mail_from"), getattr(settings, f"{row.kind}_first_mail_to")
    if row.mail_1 is not None and not first <= row.mail_1 <= last:
        yield "window", f"mail 1 le {row.mail_1}, hors de la période"
    opens, until = getattr(settings, f"{row.kind}_moves_from"), getattr(settings, f"{row.kind}_moves_until")
    if row.night is None:
        return
    if (opens is not None and row.night < opens) or (until is not None and row.night > until):
        yield "window", f"nuit du {row.night}, hors de la période"
    if row.night >= settings.old_server_closes_on:
        yield "closing", f"nuit du {row.night}, après la fermeture de l’ancien serveur"


def _duplicates(rows: list[Row]) -> Iterable[Violation]:
    times = Counter(row.address for row in rows)
    return [Violation("duplicate", address, f"{n} fois dans le plan") for address, n in times.items() if n > 1]


def _capacity(rows: list[Row], settings: Any) -> Iterable[Violation]:
    """Of each ISO week. What the desk can take: a hundred mailboxes bring so many tickets (S1 §4)."""
    weeks = Counter(row.night.isocalendar()[:2] for row in rows if row.night is not None)
    for (year, week), boxes in sorted(weeks.items()):
        if settings.weekly_mailboxes is not None and boxes > settings.weekly_mailboxes:
            yield Violation(
                "capacity", "", f"semaine {week} de {year} : {boxes} boîtes, {settings.weekly_mailboxes} au plus"
            )
        if (
            settings.weekly_tickets is not None
            and boxes * settings.tickets_per_hundred > settings.weekly_tickets * 100
        ):
            yield Violation("capacity", "", f"semaine {week} de {year} : {boxes} boîtes, trop de demandes d’aide")


def _order(rows: list[Row]) -> Iterable[Violation]:
    pos = [row.night for row in rows if row.kind == "po" and row.night is not None]
    establishments = [row.night for row in rows if row.kind == "ec" and row.night is not None]
    if pos and establishments and max(pos) >= min(establishments):
        text = f"la dernière nuit des PO ({max(pos)}) n’est pas avant la première des établissements"
        yield Violation("order", "", f"{text} ({min(establishments)})")
