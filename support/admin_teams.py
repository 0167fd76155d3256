"""The four desks: who leads each, what it promises, whether it works by mail. Changed by SGNE, with a line of audit.

What a team promises counts for a ticket from the next deed on: no deadline that was told moves by itself.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from bma_portal import audit
from bma_portal.readonly import GuardedAdmin
from support.forms_desk_ticket import members_of
from support.models import Team

LONGEST_MINUTES = 120 * 9 * 60  # half a year of opening days: nobody promises later than that
MINUTES = ("first_minutes", "next_minutes", "solve_minutes", "warn_minutes", "release_minutes")


class TeamForm(forms.ModelForm):
    class Meta:
        model = Team
        fields = ["lead", "by_mail", *MINUTES, "opens_at", "closes_at"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        lead: Any = self.fields.get("lead")
        if lead is not None:
            lead.queryset = members_of(self.instance.code)
            lead.error_messages["invalid_choice"] = "Choisissez une personne de cette équipe."

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in MINUTES:
            if (cleaned.get(name) or 0) > LONGEST_MINUTES:
                self.add_error(name, f"Au plus {LONGEST_MINUTES} minutes, soit 120 jours ouvrés.")
        first, warn = cleaned.get("first_minutes"), cleaned.get("warn_minutes")
        if first and warn and warn >= first:
            self.add_error("warn_minutes", "L’avertissement vient avant l’échéance de la première réponse.")
        return cleaned


@admin.register(Team)
class TeamAdmin(GuardedAdmin):
    form = TeamForm
    list_display = ["__str__", "lead", "by_mail", "first_minutes", "next_minutes", "solve_minutes"]
    list_select_related = ["lead"]
    ordering = ["code"]
    fieldsets = [
        (None, {"fields": ["lead", "by_mail"]}),
        (
            "Délais",
            {
                "fields": list(MINUTES),
                "description": "En minutes des heures d’ouverture : 540 font un jour ouvré de neuf heures. Une "
                "demande urgente a la moitié du temps. Un délai changé vaut pour chaque demande dès le geste suivant.",
            },
        ),
        ("Horaire, si celui de la fiche de contact manque", {"fields": ["opens_at", "closes_at"]}),
    ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # there are four

    def save_model(self, request: HttpRequest, obj: Team, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.changed_data:
            details = {name: str(getattr(obj, name)) for name in form.changed_data if name != "lead"}
            if "lead" in form.changed_data:
                details["lead"] = str(obj.lead_id or "")
            at = request.at  # type: ignore[attr-defined]
            audit.record("team.changed", about=obj, by=request.user, at=at, details=details)
