from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern

from bma_portal import audit
from bma_portal.readonly import GuardedAdmin
from migration.admin import dashboard, plans
from migration.admin.campaign_form import PLANNED_FROM, CampaignForm
from migration.campaigns import AUTUMN_2024
from migration.models import Campaign


@admin.register(Campaign)
class CampaignAdmin(GuardedAdmin):
    """Dates and spacings, each with the document it comes from. A new value bears on plans made from then on."""

    form = CampaignForm
    change_form_template = "admin/migration/campaign/change_form.html"
    list_display = ["name", "po_first_mail_from", "ec_first_mail_from", "announced_until", "old_server_closes_on"]
    fieldsets = [
        (None, {"fields": ["name", "slug"]}),
        (
            "Périodes",
            {
                "fields": [
                    ("po_first_mail_from", "po_first_mail_to"),
                    ("ec_first_mail_from", "ec_first_mail_to"),
                    ("po_moves_from", "po_moves_until"),
                    ("ec_moves_from", "ec_moves_until"),
                    "announced_until",
                    "old_server_closes_on",
                ],
                "description": "Jours de Bruxelles. Une nouvelle date vaut pour les lots planifiés ensuite ; un lot "
                "dont un mail est parti garde les siennes. Les nuits sont celles de la migration : laissées vides, "
                "elles suivent les mails ; remplies, le plan dit ce qui ne tient pas.",
            },
        ),
        (
            "Délais entre les mails",
            {
                "fields": [
                    "mail2_after_days",
                    ("mail3_after_days_min", "mail3_after_days_max"),
                    "night_after_days",
                    "days_before_decision",
                    "secret_days_max",
                ]
            },
        ),
        (
            "Capacité",
            {
                "fields": ["weekly_mailboxes", ("tickets_per_hundred", "weekly_tickets"), "second_person_from"],
                "description": "Ce que les serveurs et le Service Desk supportent en une semaine (S1 §4). La plus "
                "basse des deux limites borne la taille des lots.",
            },
        ),
        ("Heures", {"fields": ["mails_hour", ("night_from_hour", "night_to_hour")]}),
        ("Adresses données dans les mails", {"fields": ["new_webmail", "old_webmail", "help_page"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        return ["slug"] if obj else []

    def get_urls(self) -> list[URLPattern]:
        return [*dashboard.urls(self), *plans.urls(self), *super().get_urls()]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new campaign begins with the dates of S1: whoever opens the page changes what differs."""
        dates = {name: value for name, value in AUTUMN_2024.items() if name != "name"}
        return {**dates, **super().get_changeform_initial_data(request)}

    def get_form(self, request: HttpRequest, obj: Campaign | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is None or request.method != "GET":
            return form
        tried = {name: request.GET[name] for name in PLANNED_FROM if name in request.GET}
        return type("TriedForm", (form,), {"proposed": tried}) if tried else form

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        tried = request.method == "GET" and any(name in request.GET for name in PLANNED_FROM)
        if tried and self.has_change_permission(request):
            messages.info(
                request,
                "Voici les réglages que vous avez essayés. Rien n’est enregistré tant que vous n’enregistrez pas.",
            )
        context = {"may_plan": plans.may_plan(request), "campaign_id": object_id}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def save_model(self, request: HttpRequest, obj: Campaign, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and not form.changed_data:
            return
        names = form.changed_data if change else PLANNED_FROM
        details = {name: str(value) if (value := getattr(obj, name)) is not None else "" for name in names}
        action = "campaign.changed" if change else "campaign.added"
        audit.record(action, about=obj, by=request.user, at=request.at, details=details)  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Campaign, post_url_continue: str | None = None) -> HttpResponse:
        """What comes after a campaign is its plan."""
        if plans.may_plan(request) and not {"_continue", "_addanother"} & set(request.POST):
            messages.success(request, f"La campagne « {obj} » est enregistrée. Voici le plan qui en découle.")
            return redirect("admin:migration_campaign_plan", obj.pk)
        return super().response_add(request, obj, post_url_continue)
