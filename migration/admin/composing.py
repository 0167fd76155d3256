"""Two ways to compose a batch by hand, from the page of a campaign: a list of mailboxes (B8), a pilot (B9)."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from bma_portal import audit
from bma_portal.errors import Refusal
from migration import batch_import, by_hand, pilot
from migration.models import Campaign

SHOWN = 200  # lines at fault that the page names
LARGEST_PILOT = 500


def urls(page: ModelAdmin) -> list[URLPattern]:
    view = page.admin_site.admin_view
    return [
        path(
            "<path:object_id>/importer/",
            view(lambda request, object_id: import_page(page, request, object_id)),
            name="migration_campaign_import",
        ),
        path(
            "<path:object_id>/pilote/",
            view(lambda request, object_id: pilot_page(page, request, object_id)),
            name="migration_campaign_pilot",
        ),
    ]


def _campaign(page: ModelAdmin, request: HttpRequest, object_id: str) -> Campaign:
    if not request.user.has_perm("migration.plan_campaign"):  # type: ignore[union-attr]
        raise PermissionDenied
    campaign = page.get_object(request, object_id)
    if campaign is None:
        raise Http404
    return campaign


def _context(page: ModelAdmin, request: HttpRequest, campaign: Campaign, title: str) -> dict[str, Any]:
    return {
        **page.admin_site.each_context(request),
        "title": title,
        "subtitle": None,
        "opts": page.opts,
        "campaign": campaign,
    }


def _day() -> forms.DateField:
    return forms.DateField(
        label="Mail 1 le",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Les trois autres dates suivent, selon les délais de la campagne et les jours à éviter.",
        error_messages={"required": "Choisissez le jour du premier mail.", "invalid": "Ceci n’est pas une date."},
    )


# A list


class ImportForm(forms.Form):
    kind = forms.ChoiceField(label="Genre du lot", choices=[("ec", "établissements"), ("po", "PO")])
    first_mail = _day()
    addresses = forms.FileField(
        label="Liste des boîtes",
        help_text="CSV en UTF-8, virgule ou point-virgule, avec une colonne « adresse » (par exemple "
        "ec001234@adm.cfwb.be, ou ec1234).",
        error_messages={"required": "Choisissez le fichier de la liste.", "empty": "Ce fichier est vide."},
    )
    ignore_others = forms.BooleanField(label="Laisser de côté les autres colonnes du fichier", required=False)

    def clean_addresses(self) -> UploadedFile:
        upload = self.cleaned_data["addresses"]
        if upload.size > batch_import.LARGEST:
            raise forms.ValidationError(
                f"Ce fichier dépasse {batch_import.LARGEST // 1000} ko : ce n’est pas la liste d’un lot."
            )
        return upload


def _signer(request: HttpRequest, campaign: Campaign) -> signing.Signer:
    """What was checked comes back from the page of the same person, about the same campaign, to the letter."""
    return signing.Signer(salt=f"batch_import:{campaign.pk}:{request.user.pk}")


def import_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """First the check of a list, which writes nothing; then, confirmed, the same list is checked again and written."""
    campaign = _campaign(page, request, object_id)
    if request.method == "POST" and "checked" in request.POST:
        return _confirmed(page, request, campaign)
    form = ImportForm(request.POST or None, request.FILES or None)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        asked = {
            "kind": data["kind"],
            "first_mail": data["first_mail"].isoformat(),
            "ignore_others": data["ignore_others"],
        }
        try:
            context = _checked(request, campaign, data["addresses"].read(), asked)
        except Refusal as refusal:
            form.add_error(None, str(refusal))
    return _import(page, request, campaign, form, context)


def _checked(request: HttpRequest, campaign: Campaign, content: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """What the page says of a list. Raises Refusal if it is none, or if the first day will not do."""
    at = request.at  # type: ignore[attr-defined]
    first_mail = forms.DateField().to_python(asked["first_mail"])
    found = batch_import.check(asked["kind"], content, at=at, ignore_others=asked["ignore_others"])
    sealed = ""
    if found.sound:
        sealed = _signer(request, campaign).sign_object({**asked, "content": content.decode()}, compress=True)
    return {
        "check": found,
        "faults": found.faults[:SHOWN],
        "more": max(0, len(found.faults) - SHOWN),
        "planned": by_hand.dates(campaign, asked["kind"], first_mail, at=at),
        "kind_label": batch_import.KINDS[asked["kind"]],
        "sealed": sealed,
    }


def _confirmed(page: ModelAdmin, request: HttpRequest, campaign: Campaign) -> HttpResponse:
    at, by = request.at, request.user.get_username()  # type: ignore[attr-defined]
    form, context = ImportForm(), {}
    try:
        asked = _signer(request, campaign).unsign_object(request.POST["checked"])
        content = asked.pop("content").encode()
    except (signing.BadSignature, ValueError, KeyError):
        messages.error(request, "Cette confirmation n’est plus valable : choisissez de nouveau le fichier.")
        return redirect("admin:migration_campaign_import", campaign.pk)
    try:
        with audit.refusals("batch.imported", about=campaign, by=by, at=at):
            batch = batch_import.write(
                campaign,
                asked["kind"],
                content,
                first_mail=forms.DateField().to_python(asked["first_mail"]),
                by=by,
                at=at,
                ignore_others=asked["ignore_others"],
            )
    except Refusal as refusal:
        messages.error(request, str(refusal))
        try:
            context = _checked(request, campaign, content, asked)
        except Refusal:
            context = {}
        return _import(page, request, campaign, form, context)
    messages.success(request, f"Le {batch} est enregistré, à approuver.")
    return redirect("admin:migration_batch_change", batch.pk)


def _import(
    page: ModelAdmin, request: HttpRequest, campaign: Campaign, form: ImportForm, context: dict[str, Any]
) -> HttpResponse:
    shown = {"check": None, "faults": [], "more": 0, "planned": None, "kind_label": "", "sealed": "", "form": form}
    whole = {**_context(page, request, campaign, "Lot à partir d’une liste"), **shown, **context}
    return TemplateResponse(request, "admin/migration/campaign/import.html", whole)


# A pilot


class PilotForm(forms.Form):
    size = forms.IntegerField(
        label="Boîtes de l’échantillon",
        min_value=1,
        max_value=LARGEST_PILOT,
        initial=50,
        help_text="Au moins une par groupe ; un groupe est un réseau et un type d’unité.",
        error_messages={
            "required": "Dites combien de boîtes.",
            "invalid": f"Donnez un nombre de 1 à {LARGEST_PILOT}.",
            "min_value": f"Donnez un nombre de 1 à {LARGEST_PILOT}.",
            "max_value": f"Donnez un nombre de 1 à {LARGEST_PILOT}.",
        },
    )
    first_mail = _day()


def pilot_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """By GET, the sample that is asked for; by POST, the draft batches of it."""
    campaign = _campaign(page, request, object_id)
    asked = request.POST if request.method == "POST" else request.GET
    form = PilotForm(asked if "size" in asked else None)
    strata: list[pilot.Stratum] = []
    planned = []
    if form.is_bound and form.is_valid():
        at, by, data = request.at, request.user.get_username(), form.cleaned_data  # type: ignore[attr-defined]
        try:
            if request.method == "POST":
                with audit.refusals("pilot.composed", about=campaign, by=by, at=at):
                    made = pilot.make(campaign, data["size"], first_mail=data["first_mail"], by=by, at=at)
                names = " et ".join(f"le {batch}" for batch in made)
                messages.success(
                    request,
                    f"Lot pilote composé : {names}, à approuver. Voici ce que devient le plan des autres boîtes.",
                )
                return redirect("admin:migration_campaign_plan", campaign.pk)
            strata = pilot.sample(campaign, data["size"], at=at)
            kinds = sorted({stratum.kind for stratum in strata}, reverse=True)
            planned = [
                (batch_import.KINDS[kind], by_hand.dates(campaign, kind, data["first_mail"], at=at)) for kind in kinds
            ]
        except Refusal as refusal:
            form.add_error(None, str(refusal))
            strata = []
    context = {
        **_context(page, request, campaign, "Lot pilote"),
        "form": form,
        "strata": strata,
        "planned": planned,
        "total": sum(len(stratum.chosen) for stratum in strata),
    }
    return TemplateResponse(request, "admin/migration/campaign/pilot.html", context)
