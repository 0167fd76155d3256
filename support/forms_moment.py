"""One mailbox and one moment, as the time machine asks for them."""

from datetime import datetime, time

from django import forms

from bma_portal.clock import brussels
from support.forms import MailboxForm

FIRST_YEAR, LAST_YEAR = 2000, 2100


class MomentForm(MailboxForm):
    """The day may be written 15/11/2024 or 2024-11-15; without an hour it is noon. Brussels time."""

    date = forms.DateField(
        label="Jour",
        input_formats=["%Y-%m-%d", "%d/%m/%Y"],
        help_text="Par exemple 15/11/2024, passé ou à venir.",
        error_messages={
            "required": "Indiquez le jour.",
            "invalid": "Écrivez le jour comme 15/11/2024.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "numeric"}),
    )
    heure = forms.TimeField(
        label="Heure",
        required=False,
        input_formats=["%H:%M", "%Hh%M", "%H h %M", "%H"],
        help_text="Facultative, par exemple 9:30. Sans elle : midi.",
        error_messages={"invalid": "Écrivez l’heure comme 9:30."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_date(self) -> object:
        day = self.cleaned_data["date"]
        if not FIRST_YEAR <= day.year < LAST_YEAR:
            raise forms.ValidationError(f"Donnez une année entre {FIRST_YEAR} et {LAST_YEAR - 1}.")
        return day

    def moment(self) -> datetime:
        """In UTC."""
        hour = self.cleaned_data["heure"] or time(12)
        return brussels(self.cleaned_data["date"], hour.hour, hour.minute)
