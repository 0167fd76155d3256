"""`/desk/regles/`: the whole matrix of any day, « and if? », and the change of a rule by SGNE (E2, E4, E10, H2)."""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Contact
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from migration.campaigns import default_campaign
from support.desk import desk_page
from support.forms_rules import LONGEST_KEPT, DayForm, RuleForm, WhatIfForm
from support.lookup import find, is_gone
from support.matrix import matrix
from support.models import RoutingRule
from support.needs import NEEDS
from support.reasons import PLACEHOLDERS
from support.routing import Facts, Stage, facts_for, facts_of, route, rules_on
from support.rule_changes import change, preview, replacement, returned_by_rule

BIGGEST_KEY = 2**63 - 1
UNREADABLE = "\N{REPLACEMENT CHARACTER}"


def kept(typed: QueryDict) -> MultiValueDict:
    """What was typed, to be shown again: not 100 kB of it, and a NUL as what it is, an unreadable sign."""
    return MultiValueDict(
        {
            name: [str(v).replace("\0", UNREADABLE)[:LONGEST_KEPT] for v in values[:40]]
            for name, values in typed.lists()
        }
    )


def may_change(request: HttpRequest) -> bool:
    return Contact.Team.SGNE in request.teams  # type: ignore[attr-defined]


@require_safe
@desk_page
def rules_page(request: HttpRequest) -> HttpResponse:
    """The matrix of a day: today unless asked otherwise."""
    at = request.at  # type: ignore[attr-defined]
    form = DayForm(kept(request.GET)) if "date" in request.GET else DayForm()
    today = brussels_date(at)
    day = (form.cleaned_data["date"] if form.is_valid() else None) or today
    if not form.is_bound:
        form.initial["date"] = f"{today:%d/%m/%Y}"
    campaign, rules = default_campaign(), rules_on(at if day == today else brussels(day, 12))
    context = {
        "form": form,
        "day": day,
        "another_day": day != today,
        "tables": matrix(rules, day, campaign),
        "stages": list(Stage),
        "closed": day >= campaign.old_server_closes_on,
        "campaign": campaign,
        "returned": returned_by_rule(today),
        "to_come": RoutingRule.objects.filter(valid_from__gt=today).order_by("valid_from", "need", "position"),
        "may_change": may_change(request),
        "changeable": _changeable(rules, today) if may_change(request) else set(),
    }
    return render(request, "support/rules/matrix.html", context)


def _changeable(rules: list[RoutingRule], today: date) -> set[int]:
    """Those that still have a day to come."""
    return {rule.pk for rule in rules if rule.valid_to is None or rule.valid_to > today + timedelta(days=1)}


@require_safe
@desk_page
def what_if(request: HttpRequest) -> HttpResponse:
    """« And if? »: the route of a need for a mailbox, real or imagined, on a day. Writes nothing."""
    form = WhatIfForm(kept(request.GET)) if request.GET.keys() - {"equipe"} else WhatIfForm()
    context: dict[str, Any] = {"form": form, "day": brussels_date(request.at)}  # type: ignore[attr-defined]
    if form.is_valid():
        at = form.moment(request.at)  # type: ignore[attr-defined]
        context["day"] = brussels_date(at)
        try:
            facts, unit = _facts(form, at)
            found = route(form.cleaned_data["besoin"], facts, form.answers, at=at)
        except Refusal as refusal:
            form.add_error("numero" if form.cleaned_data["numero"] else None, str(refusal))
        else:
            context |= {"facts": facts, "unit": unit, "route": found, "need": form.need}
            context["stage"] = Stage(facts.stage)
    return render(request, "support/rules/what_if.html", context)


def _facts(form: WhatIfForm, at: Any) -> tuple[Facts, Any]:
    """The facts asked about, and the unit if it is a real one. Raises Refusal, with what to do."""
    number = form.cleaned_data["numero"]
    if number is None:
        return facts_of(unit_type=form.unit_type, kind=form.kind, stage=form.cleaned_data["phase"], at=at), None
    found = find(number).organisations
    if len(found) != 1:
        both = " et ".join(f"{unit.kind}{unit.fase:06d}" for unit in found)
        if not found:
            raise Refusal("Ce numéro est celui d’une implantation, qui n’a pas de boîte.")
        raise Refusal(f"Un établissement et un PO portent ce numéro : précisez {both}.")
    unit = found[0]
    if not hasattr(unit, "mailbox"):
        raise Refusal("Aucune boîte n’est enregistrée pour cette unité.")
    if is_gone(unit, brussels_date(at)):
        raise Refusal("Cette unité est fermée ce jour-là : sa boîte n’a plus de route.")
    return facts_for(unit.mailbox, at=at), unit


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def modify(request: HttpRequest, pk: int) -> HttpResponse:
    """SGNE changes a rule: first what would change, then the same again, confirmed."""
    if not may_change(request):
        raise PermissionDenied
    rule = RoutingRule.objects.filter(pk=pk).first() if pk <= BIGGEST_KEY else None
    if rule is None or rule.need not in NEEDS:
        raise Http404
    at = request.at  # type: ignore[attr-defined]
    context: dict[str, Any] = {
        "rule": rule,
        "need": NEEDS[rule.need],
        "history": _history(rule),
        "later": RoutingRule.objects.filter(replaces=rule).first(),
        "returned": rule.returns.count(),
        "over": rule.valid_to is not None and rule.valid_to <= brussels_date(at) + timedelta(days=1),
        "placeholders": [(name, example) for name, (_, example) in PLACEHOLDERS.items()],
    }
    form = RuleForm.of(rule, at) if request.method != "POST" else RuleForm(kept(request.POST))
    if request.method == "POST" and form.is_valid():
        try:
            values, stays = form.cleaned_data, "relue" in request.POST
            new = replacement(rule, values, by=request.user, why=values["why"], stays=stays, at=at)  # type: ignore[arg-type]
            if stays:
                change(rule, new, by=request.user, cells=0, at=at)  # type: ignore[arg-type]
                messages.success(request, "La règle est relue : elle reste.")
                return redirect("desk_rules")
            cells = preview(rule, new, rules_on(brussels(new.valid_from, 12)), default_campaign())  # type: ignore[arg-type]
            if request.POST.get("vu") == form.seal():
                change(rule, new, by=request.user, cells=len(cells), at=at)  # type: ignore[arg-type]
                messages.success(request, "La règle est changée.")
                return redirect(f"{reverse('desk_rules')}?date={new.valid_from}")
            context |= {"cells": cells, "new": new, "seal": form.seal()}
        except ValidationError as error:
            _tell(form, error)
        except Refusal as refusal:
            form.add_error(None, str(refusal))
    return render(request, "support/rules/modify.html", context | {"form": form})


def _tell(form: RuleForm, error: ValidationError) -> None:
    if hasattr(error, "error_dict"):
        for name, errors in error.error_dict.items():
            form.add_error(name if name in form.fields else None, errors)
    else:
        form.add_error(None, error)


def _history(rule: RoutingRule) -> list[RoutingRule]:
    """This rule and those that it replaced, the latest first; and what stood in its place before, by citation."""
    places = RoutingRule.objects.filter(need=rule.need, position=rule.position)
    return sorted(places, key=lambda row: (row.valid_from is not None, row.valid_from or row.pk), reverse=True)
