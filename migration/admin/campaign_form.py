"""The settings of a campaign as people write them: bounds, and each error in the words of the fields it is about."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator

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
# None of them may be 0: a week without a single mailbox is no plan. Empty says « no limit ».
CAPACITY = {"weekly_mailboxes": (1, 100_000), "tickets_per_hundred": (1, 1000), "weekly_tickets": (1, 100_000)}
BOUNDS = {**HOURS, **DAYS, **CAPACITY, "second_person_from": (1, 100_000)}
MAY_BE_EMPTY = set(CAPACITY)
YEARS = (2000, 2100)
LONGEST = timedelta(days=731)

ORDERED = [
    ("po_first_mail_from", "po_first_mail_to"),
    ("ec_first_mail_from", "ec_first_mail_to"),
    ("po_moves_from", "po_moves_until"),
    ("ec_moves_from", "ec_moves_until"),
    ("mail3_after_days_min", "mail3_after_days_max"),
]
# What a plan follows from: these may be tried without being saved.
WINDOWS = [name for pair in ORDERED[:4] for name in pair]
SPACINGS = ["mail2_after_days", "mail3_after_days_min", "mail3_after_days_max", "night_after_days"]
PLANNED_FROM = [*WINDOWS, *SPACINGS, *CAPACITY]


def shown(value: Any) -> str:
    return f"{value:%d/%m/%Y}" if hasattr(value, "strftime") else str(value)


class CampaignForm(forms.ModelForm):
    """The campaign's page. `proposed`, by field, fills it with values that were tried on the page of the plan."""

    proposed: dict[str, str] = {}

    class Meta:
        model = Campaign
        exclude = ()  # noqa: DJ006  the fieldsets of the page name them all

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in self.proposed.items():
            with suppress(forms.ValidationError):
                self.initial[name] = self.fields[name].to_python(value) if name in self.fields else None
        for name, (least, most) in BOUNDS.items():
            field = self.fields.get(name)
            if field is None:  # shown read-only, or not on this page
                continue
            told = f"Donnez un nombre de {least} à {most}" + (
                ", ou laissez vide : pas de limite." if name in MAY_BE_EMPTY else "."
            )
            # Django's own, of the database's bounds, would say it a second time in other words
            field.validators = [
                v for v in field.validators if not isinstance(v, MinValueValidator | MaxValueValidator)
            ]
            field.validators += [MinValueValidator(least, told), MaxValueValidator(most, told)]
            field.error_messages["invalid"] = told
            field.min_value, field.max_value = least, most  # type: ignore[attr-defined]
            field.widget.attrs |= {"min": least, "max": most}

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for first, last in ORDERED:
            if cleaned.get(first) is not None and cleaned.get(last) is not None and cleaned[first] > cleaned[last]:
                self.add_error(
                    first,
                    f"« {self._label(first)} » ({shown(cleaned[first])}) dépasse "
                    f"« {self._label(last)} » ({shown(cleaned[last])}).",
                )
        for name in [*WINDOWS, "old_server_closes_on", "announced_until"]:
            if cleaned.get(name) and not YEARS[0] <= cleaned[name].year <= YEARS[1]:
                self.add_error(
                    name, f"L’année {cleaned[name].year} n’est pas celle d’une campagne : vérifiez la date."
                )
        for first, last in ORDERED[:2]:
            if cleaned.get(first) and cleaned.get(last) and cleaned[last] - cleaned[first] > LONGEST:
                self.add_error(last, f"De « {self._label(first)} » à cette date, il y a plus de deux ans.")
        expected, handled = cleaned.get("tickets_per_hundred"), cleaned.get("weekly_tickets")
        if not self.errors and (expected is None) != (handled is None):
            missing, given = ("tickets_per_hundred", "weekly_tickets")[:: 1 if expected is None else -1]
            if missing in self.fields:
                self.add_error(
                    missing, f"« {self._label(given)} » ne borne les lots qu’avec « {self._label(missing)} »."
                )
        elif not self.errors and expected and handled * 100 < expected:
            self.add_error("weekly_tickets", "C’est trop peu : aucune boîte ne pourrait migrer de la semaine.")
        for name in ("new_webmail", "old_webmail", "help_page"):
            # `https://www.webmail@adm.cfwb.be` stands in the circulars and opens nothing (K9).
            if "@" in cleaned.get(name, ""):
                self.add_error(name, "Une adresse de page ne contient pas « @ ».")
        return cleaned

    def _label(self, name: str) -> str:
        return str(Campaign._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


class WhatIfForm(CampaignForm):
    """Other windows, spacings and capacity, tried without saving: a proposal follows, and nothing else."""

    class Meta:
        model = Campaign
        fields = PLANNED_FROM
        widgets = {name: forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d") for name in WINDOWS}
