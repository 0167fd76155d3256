"""Who answers (E2–E5): one table of dated, cited rules; the first one that fits wins, and says why.

A pure function of need, facts, answers and moment: no clock and no request. The same ones give the same route for
ever, since a rule is never edited (E4).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from accounts.models import Contact
from accounts.words import fold
from bma_portal import kept
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from support import reasons
from support.conditions import answers_match, checked, facts_match, last_covered_day
from support.contacts import contacts_on
from support.facts import Facts, facts_for, facts_from, facts_of
from support.models.routing import Outcome, RoutingRule, Stage
from support.needs import NEEDS

__all__ = ["Facts", "Outcome", "Route", "Stage"]
__all__ += ["facts_for", "facts_from", "facts_of", "last_covered_day", "route", "rules_on"]


@dataclass(frozen=True)
class Route:
    """What the holder gets, from whom, and why."""

    need: str
    outcome: Outcome
    team: Contact.Team | None
    reason: str  # one French sentence, with the facts
    source: str
    rule: int | None  # pk of the RoutingRule
    contacts: tuple[Contact, ...]  # those of that moment: the team's first


def rules_on(at: datetime) -> list[RoutingRule]:
    """The rules in force on that day, in the order in which they are tried. One statement."""
    day, rows = brussels_date(at), kept.rows(RoutingRule)
    if rows is not None:
        in_force = [rule for rule in rows if rule.in_force(day)]
        return sorted(in_force, key=lambda rule: (rule.need, rule.position, rule.pk))
    return list(RoutingRule.objects.on(day).order_by("need", "position", "pk"))


def route(
    need: str,
    facts: Facts,
    answers: Mapping[str, str],
    *,
    at: datetime,
    rules: Sequence[RoutingRule] | None = None,
    contacts: Mapping[str, Contact | None] | None = None,
) -> Route:
    """The one route. Raises Refusal if the need or an answer is not known, or if no rule answers.

    Rules and contacts are read from the database unless they are given.
    """
    if need not in NEEDS:
        shown = "".join(char if char.isprintable() else "?" for char in need[:40])
        raise Refusal(f"Le besoin « {shown} » n’est pas connu. Besoins connus : {', '.join(NEEDS)}.")
    day = brussels_date(at)
    given = checked(NEEDS[need], answers, day)
    rule = first_match(rules_on(at) if rules is None else rules, need, facts, given, day)
    if rule is None:
        raise Refusal(f"Aucune règle ne répond à « {NEEDS[need].label} » dans cette situation, à cette date.")
    reached = contacts_on(at) if contacts is None else contacts
    named = dict.fromkeys([rule.team, *rule.also])
    return Route(
        need=need,
        outcome=Outcome(rule.outcome),
        team=Contact.Team(rule.team) if rule.team else None,
        reason=reasons.told(rule.reason, facts, given, day=day, team=rule.team),
        source=rule.source,
        rule=rule.pk,
        contacts=tuple(contact for team in named if team and (contact := reached.get(team))),
    )


def first_match(
    rules: Iterable[RoutingRule], need: str, facts: Facts, answers: Mapping[str, str], day: date
) -> RoutingRule | None:
    """The rule of that need in force that day, of the lowest position, that fits."""
    found = (rule for rule in rules if rule.need == need and rule.in_force(day) and fits(rule, facts, answers, day))
    return min(found, key=lambda rule: rule.position, default=None)


def fits(rule: RoutingRule, facts: Facts, answers: Mapping[str, str], day: date) -> bool:
    types = {fold(name) for name in facts.unit_types}
    return (
        (not rule.stages or facts.stage in rule.stages)
        and (not rule.verdicts or facts.perimeter.verdict in rule.verdicts)
        and (not rule.kind or facts.kind == rule.kind)
        and (not rule.unit_types or any(fold(name) in types for name in rule.unit_types))
        and facts_match(rule.facts, facts)
        and answers_match(rule.answers, answers, day)
    )
