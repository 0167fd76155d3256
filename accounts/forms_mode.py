"""What is typed on the pages of MODE. The rules are those of `grants.py`; here, only what a field may hold."""

from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError

from accounts import people
from accounts.addresses import parse
from accounts.grants import MESSAGE_MAX, WHY_MAX
from accounts.models import Organisation, User
from accounts.units import unit_of
from bma_portal.errors import Refusal
from bma_portal.identity import refuse_national_number

LONGEST_SHOWN = 200
NO_GUESS = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


def end_of_school_year(day: date) -> date:
    """The 31 August that ends the school year under way; from July on, the one after."""
    return date(day.year + (day.month >= 7), 8, 31)


class ModeForm(forms.Form):
    use_required_attribute = False  # the page says what is missing, in its own words

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        return helper


class DayField(forms.DateField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs["widget"] = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
        super().__init__(error_messages={"invalid": "Écrivez une date, par exemple 31/08/2027."}, **kwargs)

    def to_python(self, value: Any) -> date | None:
        day = super().to_python(value)
        if day is not None and not 2000 <= day.year <= 2100:
            raise ValidationError("Écrivez une date proche, par exemple 31/08/2027.")
        return day


class AskForm(ModeForm):
    """For which unit, and a word to whoever decides."""

    numero = forms.CharField(
        label="Numéro FASE de l’unité, ou adresse de sa boîte",
        help_text="Par exemple 1234, ou ec001234 pour un établissement et po001234 pour un pouvoir organisateur.",
        error_messages={"required": "Indiquez un numéro FASE ou l’adresse d’une boîte."},
        widget=forms.TextInput(attrs=NO_GUESS),
    )
    message = forms.CharField(
        label="Message pour la personne qui décidera (facultatif)",
        help_text="Votre fonction dans l’unité, par exemple. Jamais de mot de passe ni de numéro national.",
        required=False,
        max_length=MESSAGE_MAX,
        validators=[refuse_national_number],
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def clean_numero(self) -> Organisation:
        try:
            return unit_of(parse(self.cleaned_data["numero"]))
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None


class GrantForm(ModeForm):
    """To whom, from when to when. The person is named by Cerbère's identifier, and by nothing that can be guessed."""

    identifiant = forms.CharField(
        label="Identifiant Cerbère de la personne",
        help_text="La personne le lit sur sa page « Mes permissions » de ce portail, une fois connectée.",
        error_messages={"required": "Indiquez l’identifiant Cerbère de la personne."},
        widget=forms.TextInput(attrs=NO_GUESS),
    )
    debut = DayField(label="Dès le")
    fin = DayField(label="Jusqu’au (ce jour compris)", help_text="Trois ans au plus après le début.")

    def clean_identifiant(self) -> User:
        try:
            person = people.person_of(people.subject_of(self.cleaned_data["identifiant"]))
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None
        if person is None:
            raise ValidationError(
                "Le portail ne connaît personne sous cet identifiant. La personne doit s’être connectée une fois."
            )
        return person


class DecideForm(ModeForm):
    """Yes until a day, or no for a reason."""

    ACCEPT, DECLINE = "accorder", "refuser"

    reponse = forms.ChoiceField(
        label="Votre réponse",
        choices=[(ACCEPT, "Accorder la permission"), (DECLINE, "Refuser la demande")],
        widget=forms.RadioSelect,
        error_messages={"required": "Choisissez une réponse."},
    )
    fin = DayField(label="Si vous accordez : jusqu’au (ce jour compris)", required=False)
    motif = forms.CharField(
        label="Si vous refusez : le motif",
        help_text="La personne qui a demandé le lira.",
        required=False,
        max_length=WHY_MAX,
        validators=[refuse_national_number],
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("reponse") == self.ACCEPT and not data.get("fin") and "fin" not in self.errors:
            self.add_error("fin", "Indiquez jusqu’à quand la permission est accordée.")
        if data.get("reponse") == self.DECLINE and not data.get("motif") and "motif" not in self.errors:
            self.add_error("motif", "Indiquez le motif du refus.")
        return data


class RevokeForm(ModeForm):
    motif = forms.CharField(
        label="Motif du retrait",
        help_text="Par exemple : « a quitté l’école ». Il reste dans l’historique.",
        max_length=WHY_MAX,
        validators=[refuse_national_number],
        error_messages={"required": "Indiquez le motif."},
        widget=forms.Textarea(attrs={"rows": 2}),
    )
