"""What the assistant asks by typing, besides the mailbox: the day of a delivery."""

import re
from datetime import date
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError

from accounts.words import fold
from bma_portal.french_names import MONTHS

_MONTHS = {fold(name): number for number, name in enumerate(MONTHS) if number}
_EXPECTED = "Écrivez le jour, le mois et l’année, par exemple 12/05/2023."
_NUMBERS = re.compile(r"([0-9]{1,2}) ?[/.\- ] ?([0-9]{1,2}) ?[/.\- ] ?([0-9]{4}|[0-9]{2})", re.ASCII)
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})", re.ASCII)
_WORDS = re.compile(r"([0-9]{1,2})(?:er)? ([a-z]+) ([0-9]{4})", re.ASCII)
_OLDEST = 1990  # nothing was delivered before: the year is a slip


class DayField(forms.CharField):
    """A day, written as people write one; None where it may be left empty and is."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TextInput(attrs={"autocomplete": "off"}))
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        return read_day(text) if (text := super().clean(value)) else None


class DeliveryForm(forms.Form):
    """The day on which a computer was delivered."""

    use_required_attribute = False

    livraison = DayField(
        label="Date de livraison",
        help_text="Par exemple 12/05/2023, ou 12 mai 2023.",
        error_messages={"required": f"Indiquez la date de livraison. {_EXPECTED}"},
    )

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True  # a GET form: nothing to forge
        return helper

    def clean_livraison(self) -> date:
        day: date = self.cleaned_data["livraison"]
        if day > self.today:
            raise ValidationError("Cette date est à venir : indiquez le jour où le matériel a été livré.")
        return day


def read_day(text: str) -> date:
    """« 12/05/2023 », « 12.5.23 », « 2023-05-12 », « 12 mai 2023 », « 1er août 2023 »."""
    text = " ".join(text.split())
    if match := _ISO.fullmatch(text):
        year, month, day = (int(part) for part in match.groups())
    elif match := _NUMBERS.fullmatch(text):
        day, month, year = (int(part) for part in match.groups())
        year += 2000 if year < 100 else 0
    elif (match := _WORDS.fullmatch(fold(text))) and match[2] in _MONTHS:
        day, month, year = int(match[1]), _MONTHS[match[2]], int(match[3])
    else:
        raise ValidationError(f"Cette date ne se lit pas. {_EXPECTED}")
    try:
        found = date(year, month, day)
    except ValueError:
        raise ValidationError(f"Ce jour n’existe pas. {_EXPECTED}") from None
    if found.year < _OLDEST:
        raise ValidationError("Vérifiez l’année.")
    return found
