"""A rule is changed: by a new row from a day to come, with a reason, once its effects were seen (E2, E10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Count, Max
from django.forms.models import model_to_dict

from accounts.models import User
from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.templatetags.french import sans_semaine
from migration.models import Campaign
from support.matrix import Difference, differences
from support.models import RoutingRule
from support.models.routing import Stage

EDITABLE = ("stages", "outcome", "team", "also", "reason", "source")
NOT_THE_LAST = "Cette règle a déjà été remplacée : reprenez la dernière."


@dataclass(frozen=True)
class Returned:
    """A rule whose tickets were given back as meant for another team, and how often."""

    rule: RoutingRule
    count: int
    last_at: datetime


def returned_by_rule(day: date) -> list[Returned]:
    """The rules in question, the one most given back first; one that was replaced since, or ends, is no longer."""
    found = (
        RoutingRule.objects.filter(returns__isnull=False, replaced_by=None)
        .exclude(valid_to__lte=day + timedelta(days=1))
        .annotate(times=Count("returns"), last_at=Max("returns__at"))
        .order_by("-times", "-last_at")
    )
    return [Returned(rule, rule.times, rule.last_at) for rule in found]


def replacement(
    rule: RoutingRule, values: Mapping[str, Any], *, by: User, why: str, stays: bool = False, at: datetime
) -> RoutingRule:
    """The row that would replace this one: not saved. `values` holds `starts_on` and any of EDITABLE.

    `stays`: it was in question and is right; the new row says the same, who read it again and why (E10).

    It starts tomorrow at the earliest: what was answered today stays what the rules say of today (E4). It ends when
    this one was to end. Raises Refusal, or ValidationError by field.
    """
    if RoutingRule.objects.filter(replaces=rule.pk).exists():
        raise Refusal(NOT_THE_LAST)
    starts_on, tomorrow = values["starts_on"], brussels_date(at) + timedelta(days=1)
    if starts_on < tomorrow:
        day = sans_semaine(tomorrow)
        raise ValidationError({"starts_on": f"Le changement commence demain au plus tôt : le {day} ou après."})
    if rule.valid_from and starts_on <= rule.valid_from:
        day = sans_semaine(rule.valid_from)
        raise ValidationError({"starts_on": f"Cette règle ne commence elle-même que le {day} : choisissez après."})
    if rule.valid_to and starts_on >= rule.valid_to:
        day = sans_semaine(rule.valid_to)
        raise ValidationError({"starts_on": f"Cette règle prend fin le {day} : choisissez un jour d’avant."})
    kept = model_to_dict(rule, exclude=["id", "replaces"])
    new = RoutingRule(**kept | {name: values[name] for name in EDITABLE if name in values})
    same = all(getattr(new, name) == getattr(rule, name) for name in EDITABLE)
    if same and not stays:
        raise Refusal("Rien n’a changé : la nouvelle règle dirait la même chose.")
    if stays and not same:
        raise Refusal("Vous avez modifié la règle : voyez d’abord ce qui changerait.")
    new.valid_from, new.replaces = starts_on, rule
    new.changed_by, new.changed_at, new.change_reason = by.get_username(), at, why
    new.clean_fields()
    new.clean()
    # Until the change is made the former row still holds the place: those two constraints are the database's to judge.
    for constraint in RoutingRule._meta.constraints:
        if not constraint.name.startswith("rule_place_once"):
            constraint.validate(RoutingRule, new)
    return new


def preview(rule: RoutingRule, new: RoutingRule, rules: Sequence[RoutingRule], campaign: Campaign) -> list[Difference]:
    """The cells that answer otherwise from its first day on. Raises Refusal if one is left without an answer.

    `rules` are those in force on that day. The invented mailboxes of the matrix are asked, not the real ones.
    """
    assert new.valid_from is not None
    others = [other for other in rules if other.pk != rule.pk]
    found = differences(rule.need, [*others, rule], [*others, new], new.valid_from, campaign)
    if gaps := [difference for difference in found if difference.after.rule is None]:
        stages = ", ".join(Stage(stage).value for stage in gaps[0].stages)
        raise Refusal(f"Plus aucune règle ne répondrait à ce besoin en {stages} ({gaps[0].label}).")
    return found


@transaction.atomic
def change(rule: RoutingRule, new: RoutingRule, *, by: User, cells: int, at: datetime) -> RoutingRule:
    """End the one, begin the other, and write it in the audit: all or nothing. Raises Refusal if someone was first."""
    assert new.valid_from is not None
    if not rule.end(new.valid_from):
        raise Refusal(NOT_THE_LAST)
    new.save(force_insert=True)
    moved = {name: [getattr(rule, name), getattr(new, name)] for name in EDITABLE}
    details = {"remplace": rule.pk, "cellules": cells, "besoin": rule.need, "dès": new.valid_from.isoformat()}
    details |= {name: pair for name, pair in moved.items() if pair[0] != pair[1]}
    audit.record("rule.changed", about=new, by=by, why=new.change_reason, at=at, details=details)
    return new
