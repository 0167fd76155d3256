"""The forms of `/desk/regles/`: a day, a question « and if? », a change of one rule."""

import hashlib
import json
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.addresses import EC, PO, Parsed, parse
from accounts.models import Contact
from bma_portal.clock import BRUSSELS, brussels, brussels_date
from bma_portal.errors import Refusal
from support.conditions import LONGEST_ANSWER
from support.forms_assistant import read_day
from support.models import RoutingRule
from support.models.routing import Outcome, Stage, refuse_forbidden_domain
from support.needs import NEEDS, Need
from support.reasons import refuse_unknown

YEARS = range(2000, 2101)
LONGEST_KEPT = 400  # what is typed is shown again, but not 100 kB of it
PO_TYPE = "po"  # among the types of unit: a PO, which has none of its own
ANSWER = "reponse-"


def refuse_unreadable(text: str) -> None:
    """Signs that no keyboard writes; a NUL was made one by then."""
    if "\N{REPLACEMENT CHARACTER}" in text or any(not char.isprintable() for char in text if char not in "\r\n\t"):
        raise ValidationError("Ce texte contient un signe illisible : effacez-le.", code="unreadable")


class DayField(forms.CharField):
    """A day, as people or machines write it; the value is a date. Not `type="date"`: that loses what is mistyped."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"autocomplete": "off"}), max_length=40, **options)
        self.error_messages["max_length"] = "Cette date ne se lit pas. Exemple : 15/11/2024."

    def clean(self, value: Any) -> Any:
        typed = super().clean(value)
        if not typed:
            return None
        day = read_day(typed)
        if day.year not in YEARS:
            raise ValidationError("Choisissez une année entre 2000 et 2100.")
        return day


class DayForm(forms.Form):
    """On which day are the rules read?"""

    use_required_attribute = False

    date = DayField(label="Règles du", required=False, help_text="Par exemple 15/11/2024.")


class WhatIfForm(forms.Form):
    """A need, a mailbox or an imagined unit, a day, and what the holder would answer. Read only."""

    use_required_attribute = False

    besoin = forms.ChoiceField(
        label="Besoin",
        choices=[("", "Choisissez")] + [(slug, need.label) for slug, need in NEEDS.items()],
        error_messages={"required": "Choisissez un besoin.", "invalid_choice": "Choisissez un besoin de la liste."},
    )
    numero = forms.CharField(
        label="Numéro FASE ou adresse de la boîte",
        required=False,
        help_text="Par exemple ec001234. Laissez vide pour imaginer une unité.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    type = forms.CharField(
        label="Ou type d’unité",
        required=False,
        max_length=80,
        help_text="Comme le registre l’écrit, par exemple CTA ; « po » pour un pouvoir organisateur.",
        validators=[refuse_unreadable],
        error_messages={"max_length": "Ce type est trop long."},
    )
    phase = forms.ChoiceField(
        label="Phase de l’unité imaginée",
        required=False,
        choices=[("", "—")] + [(stage.value, f"{stage.value} – {stage.label}") for stage in Stage],
        error_messages={"invalid_choice": "Choisissez une phase de la liste."},
    )
    date = DayField(label="Date", required=False, help_text="Par exemple 15/11/2024. Vide : aujourd’hui.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.need = NEEDS.get(str(self.data.get("besoin", "")))
        for answer in self.need.answers if self.need else ():
            self.fields[ANSWER + answer.key] = _answer_field(self.need, answer.key)  # type: ignore[arg-type]

    def clean_numero(self) -> Parsed | None:
        typed = self.cleaned_data["numero"]
        try:
            return parse(typed) if typed else None
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if {"numero", "type", "phase"} & set(self.errors):
            return data
        if data.get("numero") and (data.get("type") or data.get("phase")):
            self.add_error("numero", "Donnez un numéro, ou un type et une phase, mais pas les deux.")
        elif not data.get("numero") and not (data.get("type") and data.get("phase")):
            missing = "phase" if data.get("type") else "type" if data.get("phase") else "numero"
            self.add_error(missing, "Donnez un numéro, ou un type et une phase.")
        return data

    @property
    def answers(self) -> dict[str, str]:
        found = {}
        for name, value in self.cleaned_data.items():
            if name.startswith(ANSWER) and value:
                found[name.removeprefix(ANSWER)] = value.isoformat() if isinstance(value, date) else value
        return found

    @property
    def kind(self) -> str:
        return PO if self.cleaned_data["type"].casefold() == PO_TYPE else EC

    @property
    def unit_type(self) -> str:
        return "" if self.kind == PO else self.cleaned_data["type"]

    def moment(self, now: datetime) -> datetime:
        """The same hour of that day, in Brussels."""
        day = self.cleaned_data["date"]
        local = now.astimezone(BRUSSELS)
        return brussels(day, local.hour, local.minute) if day and day != brussels_date(now) else now


def _answer_field(need: Need, key: str) -> forms.Field:
    answer = need.answer(key)
    assert answer is not None
    if answer.date:
        return DayField(label=answer.label, required=False, help_text=answer.hint)
    if answer.choices:
        return forms.ChoiceField(
            label=answer.label,
            required=False,
            choices=[("", "Sans réponse")] + [(choice.value, choice.label) for choice in answer.choices],
            error_messages={"invalid_choice": "Choisissez une réponse de la liste."},
        )
    return forms.CharField(
        label=answer.label, required=False, max_length=LONGEST_ANSWER, validators=[refuse_unreadable]
    )


class RuleForm(forms.Form):
    """One rule as it will be. Its conditions on unit and answers stay: another situation is another rule."""

    use_required_attribute = False

    outcome = forms.ChoiceField(
        label="Suite donnée", choices=Outcome, error_messages={"invalid_choice": "Choisissez une suite de la liste."}
    )
    team = forms.ChoiceField(
        label="Équipe",
        required=False,
        choices=[("", "Aucune"), *Contact.Team.choices],
        error_messages={"invalid_choice": "Choisissez une équipe de la liste."},
    )
    also = forms.MultipleChoiceField(
        label="Contacts nommés en plus",
        required=False,
        choices=Contact.Team.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Choisissez des équipes de la liste."},
    )
    stages = forms.MultipleChoiceField(
        label="Phases",
        required=False,
        choices=[(stage.value, f"{stage.value} – {stage.label}") for stage in Stage],
        widget=forms.CheckboxSelectMultiple,
        help_text="Aucune case cochée : toutes les phases.",
        error_messages={"invalid_choice": "Choisissez des phases de la liste."},
    )
    reason = forms.CharField(
        label="Raison, dite à la personne et à l’équipe",
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        validators=[refuse_unreadable, refuse_forbidden_domain, refuse_unknown],
        error_messages={
            "required": "Écrivez pourquoi, en une phrase.",
            "max_length": "La raison tient en 300 signes.",
        },
    )
    source = forms.CharField(
        label="Source",
        max_length=200,
        help_text="Le document et son paragraphe, ou « notre décision ».",
        validators=[refuse_unreadable, refuse_forbidden_domain],
        error_messages={"required": "Citez la source.", "max_length": "La source tient en 200 signes."},
    )
    starts_on = DayField(
        label="À partir du",
        help_text="Demain au plus tôt.",
        error_messages={"required": "Indiquez le premier jour de la nouvelle règle."},
    )
    why = forms.CharField(
        label="Pourquoi ce changement",
        max_length=300,
        help_text="Conservé avec la règle et dans le journal d’audit.",
        validators=[refuse_unreadable, refuse_forbidden_domain],
        error_messages={"required": "Dites pourquoi la règle change.", "max_length": "Le motif tient en 300 signes."},
    )

    @classmethod
    def of(cls, rule: RoutingRule, at: datetime) -> "RuleForm":
        kept = {name: getattr(rule, name) for name in ("outcome", "team", "also", "stages", "reason", "source")}
        first = max(brussels_date(at), rule.valid_from or date.min) + timedelta(days=1)
        return cls(initial=kept | {"starts_on": f"{first:%d/%m/%Y}"})

    def clean_reason(self) -> str:
        return " ".join(self.cleaned_data["reason"].split())

    def clean_stages(self) -> list[str]:
        chosen = self.cleaned_data["stages"]
        return [stage.value for stage in Stage if stage.value in chosen]

    def clean_also(self) -> list[str]:
        return [team for team in Contact.Team.values if team in self.cleaned_data["also"]]

    def seal(self) -> str:
        """What was seen in the preview: what is confirmed must be the same."""
        text = json.dumps(self.cleaned_data, default=str, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]
