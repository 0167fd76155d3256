from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest

from bma_portal.readonly import GuardedAdmin
from migration.models import Campaign

# The hours between which each setting makes sense: outside them a « night » would be a day.
HOURS = {"mails_hour": (8, 16), "night_from_hour": (18, 23), "night_to_hour": (1, 8)}
DAYS = {
    "mail2_after_days": (1, 60),
    "mail3_after_days_min": (1, 180),
    "mail3_after_days_max": (1, 180),
    "night_after_days": (0, 60),
    "days_before_decision": (1, 60),
    "secret_days_max": (30, 365),
}


class CampaignForm(forms.ModelForm):
    class Meta:
        model = Campaign
        exclude = ()  # noqa: DJ006  the fieldsets of the page name them all

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        for name, (least, most) in {**HOURS, **DAYS}.items():
            field = self.fields.get(name)
            if field is None:  # shown read-only
                continue
            field.validators += [
                MinValueValidator(least, f"Donnez un nombre de {least} à {most}."),
                MaxValueValidator(most, f"Donnez un nombre de {least} à {most}."),
            ]
            field.widget.attrs |= {"min": least, "max": most}

    def clean(self) -> dict:
        cleaned = super().clean()
        for name in ("new_webmail", "old_webmail", "help_page"):
            # `https://www.webmail@adm.cfwb.be` stands in the circulars and opens nothing (K9).
            if "@" in cleaned.get(name, ""):
                self.add_error(name, "Une adresse de page ne contient pas « @ ».")
        return cleaned


@admin.register(Campaign)
class CampaignAdmin(GuardedAdmin):
    """Dates and spacings, each with the document it comes from. A new value bears on plans made from then on."""

    form = CampaignForm
    list_display = ["name", "po_first_mail_from", "ec_first_mail_from", "announced_until", "old_server_closes_on"]
    fieldsets = [
        (None, {"fields": ["name", "slug"]}),
        (
            "Périodes",
            {
                "fields": [
                    ("po_first_mail_from", "po_first_mail_to"),
                    ("ec_first_mail_from", "ec_first_mail_to"),
                    "announced_until",
                    "po_moves_until",
                    "ec_moves_until",
                    "old_server_closes_on",
                ],
                "description": "Jours de Bruxelles. Une nouvelle date vaut pour les lots planifiés ensuite ; un lot "
                "dont un mail est parti garde les siennes.",
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
        ("Heures", {"fields": ["mails_hour", ("night_from_hour", "night_to_hour")]}),
        ("Adresses données dans les mails", {"fields": ["new_webmail", "old_webmail", "help_page"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Campaign | None = None) -> list[str]:
        return ["slug"] if obj else []
