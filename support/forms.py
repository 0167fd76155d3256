from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from accounts.addresses import Parsed, parse
from bma_portal.errors import Refusal

LONGEST_SHOWN = 200  # what is typed is shown again, but not 100 kB of it; `parse` refuses far less than that


class MailboxForm(forms.Form):
    """Which mailbox? One field, any spelling of a FASE number or of an address."""

    use_required_attribute = False  # the page says what is missing, in its own words

    numero = forms.CharField(
        label="Numéro FASE ou adresse de la boîte",
        help_text="Par exemple 1234, 00 1234 ou ec001234.",
        error_messages={"required": "Indiquez un numéro FASE ou l’adresse d’une boîte."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )

    @classmethod
    def of(cls, query: QueryDict) -> "MailboxForm":
        """Bound once the field was sent, empty before. A NUL is shown as what it is: an unreadable sign."""
        if "numero" not in query:
            return cls()
        return cls({"numero": query["numero"].replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_SHOWN]})

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True  # a GET form: nothing to forge
        return helper

    def clean_numero(self) -> Parsed:
        try:
            return parse(self.cleaned_data["numero"])
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None
