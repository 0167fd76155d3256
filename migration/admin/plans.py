"""The plan of a campaign: what follows from its settings, what cannot hold, what it changes, and its acceptance."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst

from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.templatetags.french import sans_semaine
from migration import plan_changes, plan_findings, plan_settings, planning
from migration.admin import composing
from migration.admin.campaign_form import PLANNED_FROM, WhatIfForm
from migration.models import Campaign
from migration.plan_changes import Difference
from migration.planning import Plan

KINDS = {"po": "PO", "ec": "établissements"}
NAMED = 20  # addresses that the page shows of those that come or go
DECISIONS = 20


def may_plan(request: HttpRequest) -> bool:
    return request.user.has_perm("migration.plan_campaign")  # type: ignore[union-attr]


def urls(page: ModelAdmin) -> list[URLPattern]:
    view = page.admin_site.admin_view
    return [
        path(
            "<path:object_id>/plan/",
            view(lambda request, object_id: plan_page(page, request, object_id)),
            name="migration_campaign_plan",
        ),
        *composing.urls(page),
    ]


class AcceptForm(forms.Form):
    """What a person signs: the plan that they read, and why it is accepted although something cannot hold."""

    fingerprint = forms.CharField(widget=forms.HiddenInput, max_length=64)
    note = forms.CharField(
        label="Décision signée",
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 80, "aria-describedby": "id_note_helptext"}),
    )

    def __init__(self, *args: Any, plan: Plan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        note = self.fields["note"]
        if plan.findings:
            note.required = True
            note.help_text = (
                "Dites pourquoi ce plan est accepté bien que des règles ne tiennent pas. Reste au dossier."
            )
            note.error_messages["required"] = "Signez votre décision : dites pourquoi ce plan est accepté tel quel."
        else:
            note.help_text = "Facultatif : rien ne s’oppose à ce plan."


def plan_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """The proposal of the settings in force, or of others that one tries; by POST, its acceptance."""
    if not page.has_view_permission(request) or (request.method == "POST" and not may_plan(request)):
        raise PermissionDenied
    campaign = page.get_object(request, object_id)
    if campaign is None:
        raise Http404
    if request.method == "POST":
        return _accept(page, request, campaign)
    asked = any(name in request.GET for name in PLANNED_FROM)
    tried = WhatIfForm(_with_current(campaign, request.GET), instance=_copy(campaign)) if asked else None
    if tried is not None and not tried.is_valid():
        return _show(page, request, campaign, what_if=tried)
    return _show(page, request, campaign, what_if=tried, settings_of=tried.instance if tried else campaign)


def _copy(campaign: Campaign) -> Campaign:
    values = {field.attname: getattr(campaign, field.attname) for field in Campaign._meta.concrete_fields}
    return Campaign(**values)


def _with_current(campaign: Campaign, given: Any) -> dict[str, Any]:
    """What is typed; a setting that is left out keeps its value, one that is emptied is empty."""
    now = {name: getattr(campaign, name) for name in PLANNED_FROM}
    return {name: given.get(name, "" if value is None else str(value)) for name, value in now.items()}


def _accept(page: ModelAdmin, request: HttpRequest, campaign: Campaign) -> HttpResponse:
    at, by = request.at, request.user.get_username()  # type: ignore[attr-defined]
    fingerprint, note = request.POST.get("fingerprint", "")[:64], request.POST.get("note", "")
    try:
        form = AcceptForm(request.POST, plan=planning.propose(campaign, at=at))
        if form.is_valid():
            with audit.refusals("plan.accepted", about=campaign, by=by, at=at):
                plan_changes.accept(campaign, by=by, at=at, fingerprint=fingerprint, note=form.cleaned_data["note"])
            messages.success(request, "Le plan est accepté. Voici ses lots : chacun attend d’être approuvé.")
            return redirect(f"{reverse('admin:migration_batch_changelist')}?campaign__id__exact={campaign.pk}")
        refused = ""
    except Refusal as refusal:
        refused = str(refusal)
    return _show(page, request, campaign, settings_of=campaign, typed=note, refused=refused, answered=True)


def _show(
    page: ModelAdmin,
    request: HttpRequest,
    campaign: Campaign,
    *,
    what_if: WhatIfForm | None = None,
    settings_of: Campaign | None = None,
    typed: str = "",
    refused: str = "",
    answered: bool = False,
) -> HttpResponse:
    """The page; without `settings_of` (settings that make no sense) there is no proposal to show."""
    at = request.at  # type: ignore[attr-defined]
    plan: Plan | None = None
    changes: Difference | None = None
    accept: AcceptForm | None = None
    impossible = ""
    if settings_of is not None:
        try:
            plan = planning.propose(campaign, at=at, settings=plan_settings.from_campaign(settings_of))
            changes = plan_changes.difference(campaign, plan, at=at)
        except Refusal as refusal:
            impossible = str(refusal)
    if plan is not None and what_if is None and may_plan(request):
        accept = _accept_form(plan, typed, refused, answered)
    context = {
        **page.admin_site.each_context(request),
        "title": f"Plan : {campaign}",
        "subtitle": None,
        "opts": page.opts,
        "campaign": campaign,
        "may_plan": may_plan(request),
        "may_change": page.has_change_permission(request, campaign),
        "settings": list(_in_force(campaign)),
        "what_if": what_if or WhatIfForm(instance=_copy(campaign)),
        "tried": what_if is not None,
        "save_tried": urlencode(_changed(what_if)) if what_if is not None and plan is not None else "",
        "plan": plan,
        "batches": [(KINDS[batch.kind], batch) for batch in plan.batches] if plan else [],
        "findings": [(plan_findings.label(finding.rule), finding) for finding in plan.findings] if plan else [],
        "impossible": impossible,
        "changes": changes,
        "redated": [(KINDS[group.kind], group) for group in changes.redated] if changes else [],
        "added": _addresses(changes.added) if changes else [],
        "removed": _addresses(changes.removed) if changes else [],
        "form": accept,
        "decisions": list(campaign.decisions.all()[:DECISIONS]),
    }
    return TemplateResponse(request, "admin/migration/campaign/plan.html", context)


def _accept_form(plan: Plan, typed: str, refused: str, answered: bool) -> AcceptForm:
    """The form about the plan that the page shows; what was typed about another one is kept."""
    facts = {"fingerprint": plan.fingerprint(), "note": typed}
    form = AcceptForm(facts if answered else None, initial=facts, plan=plan)
    if answered:
        form.is_valid()
    if refused:
        form.add_error(None if form.errors else "note", refused)
    return form


def _in_force(campaign: Campaign) -> Iterable[tuple[str, str, str]]:
    """Each setting that a plan follows from: its name, its value, and the document that gives it."""
    for name in PLANNED_FROM:
        field: Any = Campaign._meta.get_field(name)
        value = getattr(campaign, name)
        if value is None:
            yield capfirst(field.verbose_name), "pas de limite", ""
        else:
            text = sans_semaine(value) if isinstance(value, date) else str(value)
            yield capfirst(field.verbose_name), text, field.help_text


def _changed(form: WhatIfForm) -> dict[str, str]:
    """What was tried and differs from the campaign, as its page takes it."""
    now = Campaign.objects.get(pk=form.instance.pk)
    tried = {name: getattr(form.instance, name) for name in PLANNED_FROM}
    return {name: "" if value is None else str(value) for name, value in tried.items() if value != getattr(now, name)}


def _addresses(pks: list[int]) -> list[str]:
    if not pks:
        return []
    return list(Mailbox.objects.filter(pk__in=pks[:NAMED]).order_by("address").values_list("address", flat=True))
