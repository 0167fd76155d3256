"""The MODE perimeter: is a unit known in MODE on that day? Dated data with a source (K7, A4); nothing is written here.

The documents speak of types of unit. What they leave open is decided here, and marked `ours`: a type they do not
list, a unit of several types, a PO, the time before October 2024.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from django.db.models import Q

from accounts.models import ModePeriod, Organisation
from accounts.words import fold
from bma_portal import kept
from bma_portal.clock import brussels_date

Verdict = ModePeriod.Verdict
SILENT = "Aucun document ne le dit"
_folded = lru_cache(maxsize=1024)(fold)  # types of units: some tens


@dataclass(frozen=True)
class Perimeter:
    """What holds for one unit on one day, in a sentence, with what it rests on."""

    verdict: ModePeriod.Verdict
    source: str
    sentence: str
    ours: bool


@dataclass(frozen=True)
class Rule:
    """What the documents say of one type on one day; `said` is false for a type that they do not list."""

    unit_type: str
    verdict: ModePeriod.Verdict
    source: str
    ours: bool
    said: bool = True


class Rules:
    """The rules in force on one day: read once, they answer for any number of units.

    `periods`: those of that day, in the order of their start, if they are already read.
    """

    def __init__(self, day: date, *, periods: Iterable[ModePeriod] | None = None) -> None:
        kept_rows = kept.rows(ModePeriod) if periods is None else None
        if kept_rows is not None:
            in_force_then = [p for p in kept_rows if p.valid_from <= day and (p.valid_to is None or p.valid_to > day)]
            periods = sorted(in_force_then, key=lambda period: (period.valid_from, period.pk))
        if periods is None:
            in_force = ModePeriod.objects.filter(Q(valid_to=None) | Q(valid_to__gt=day), valid_from__lte=day)
            periods = in_force.order_by("valid_from", "pk")
        self._of: dict[str, ModePeriod] = {}
        for period in periods:  # two that overlap: the later one holds
            self._of |= {_folded(name): period for name in period.unit_types}

    def of(self, unit_type: str) -> Rule:
        period = self._of.get(_folded(unit_type))
        if period is None:
            return Rule(unit_type, Verdict.PERSON, SILENT, ours=True, said=False)
        return Rule(unit_type, Verdict(period.verdict), period.source, period.ours)

    def strongest(self, unit_types: Iterable[str]) -> Rule | None:
        """MODE if one type is in it, else a person if one is left open, else outside; None without any type."""
        order = [Verdict.MODE, Verdict.PERSON, Verdict.OUT]
        # A type that the documents name goes before one that they do not, then by name: always the same answer.
        found = [self.of(name) for name in set(unit_types)]
        return min(found, key=lambda rule: (order.index(rule.verdict), not rule.said, rule.unit_type), default=None)

    def alone(self, unit_types: Iterable[str]) -> bool:
        """All these types get one and the same answer: nothing of ours was needed to choose."""
        return len({self.of(name).verdict for name in unit_types}) <= 1


def open_on(day: date) -> Q:
    """Units that live on that day: a stated date of closing decides, else having been taken over does (A10)."""
    return Q(closed_on__gt=day) | Q(closed_on=None, successor=None)


def is_open(organisation: Organisation, at: datetime) -> bool:
    if organisation.closed_on:
        return organisation.closed_on > brussels_date(at)
    return organisation.successor_id is None


def perimeter_of(organisation: Organisation, at: datetime) -> Perimeter:
    """What holds for this unit at that moment.

    An establishment of several types is in MODE if one of them is; a PO follows its open establishments in the same
    way, or its own types if it has no establishment (ours). A type that no document lists goes to a person.
    """
    day = brussels_date(at)
    types = organisation.unit_types
    if organisation.kind == Organisation.Kind.PO:
        of_establishments = organisation.establishments.filter(open_on(day)).order_by()
        types = sorted({name for names in of_establishments.values_list("unit_types", flat=True) for name in names})
        return judge(types or organisation.unit_types, Rules(day), po=bool(types))
    return judge(types, Rules(day))


def judge(types: list[str], rules: Rules, *, po: bool = False) -> Perimeter:
    """The same from the types alone; `po` when they are those of a PO's establishments."""
    rule = rules.strongest(types)
    if rule is None:
        return Perimeter(
            Verdict.PERSON,
            SILENT,
            "Le registre ne donne aucun type à cette unité : une personne décide si elle dépend de MODE.",
            ours=True,
        )
    unit_type = f"« {rule.unit_type} »"
    if rule.verdict == Verdict.PERSON:
        why = f"Les documents ne disent pas si le type {unit_type} est dans MODE : une personne décide."
        return Perimeter(rule.verdict, rule.source, why, ours=True)
    inside = "est" if rule.verdict == Verdict.MODE else "n’est pas"
    who = f"Une unité de type {unit_type}"
    if po:
        who = "Ce pouvoir organisateur suit ses établissements : le type " + unit_type
    sentence = f"{who} {inside} dans MODE."
    return Perimeter(rule.verdict, rule.source, sentence, ours=rule.ours or po or not rules.alone(types))
