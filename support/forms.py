from typing import Any, Self

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict

from accounts.addresses import Parsed, parse
from accounts.models import Mailbox
from bma_portal.errors import Refusal
from bma_portal.mail.authenticity import as_printed

LONGEST_SHOWN = 200  # what is typed is shown again, but not 100 kB of it; `parse` refuses far less than that


class AskedForm(forms.Form):
    """A question that stands in the address: it can be shared, and has nothing to forge."""

    use_required_attribute = False  # the page says what is missing, in its own words

    @classmethod
    def of(cls, query: QueryDict) -> Self:
        """Bound once a field of it was sent, empty before. A NUL is shown as what it is: an unreadable sign."""
        sent = {
            name: query[name].replace("\0", "\N{REPLACEMENT CHARACTER}")[:LONGEST_SHOWN]
            for name in cls.base_fields
            if name in query
        }
        return cls(sent) if sent else cls()

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True
        return helper


class MailboxForm(AskedForm):
    """Which mailbox? One field, any spelling of a FASE number or of an address."""

    numero = forms.CharField(
        label="Numéro FASE ou adresse de la boîte",
        help_text="Par exemple 1234, 00 1234 ou ec001234.",
        error_messages={"required": "Indiquez un numéro FASE ou l’adresse d’une boîte."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )

    def clean_numero(self) -> Parsed:
        try:
            return parse(self.cleaned_data["numero"])
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None


class CodeOfMailForm(AskedForm):
    """The code printed in a mail, however it is typed."""

    code = forms.CharField(
        label="Code imprimé dans le mail",
        help_text="Douze lettres et chiffres, par exemple 7K3M-0QXT-9ZAB. Les tirets et les majuscules importent peu.",
        error_messages={"required": "Recopiez le code qui se trouve à la fin du mail."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )

    def clean_code(self) -> str:
        if not (printed := as_printed(self.cleaned_data["code"])):
            raise ValidationError("Ce code n’est pas complet : il compte douze lettres et chiffres.")
        return printed


class OwnMailboxForm(forms.Form):
    """One of one's own mailboxes, and no other: a number that is not among them is not a choice."""

    use_required_attribute = False

    numero = forms.ChoiceField(
        label="Pour quelle boîte\N{NO-BREAK SPACE}?",
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choisissez une boîte.",
            "invalid_choice": "Cette boîte ne fait pas partie de celles pour lesquelles vous avez la permission.",
        },
    )

    def __init__(self, boxes: list[Mailbox], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["numero"].choices = [
            (box.address.partition("@")[0], f"{box.organisation.name} – {box.address}") for box in boxes
        ]

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        return helper


class ConsequencesForm(forms.Form):
    """What follows from a reset is acknowledged before it is asked for (D6). `cle`: one key for each form shown."""

    use_required_attribute = False

    cle = forms.UUIDField(
        widget=forms.HiddenInput,
        error_messages={
            "required": "Cette page n’est plus valable : rouvrez-la.",
            "invalid": "Cette page n’est plus valable : rouvrez-la.",
        },
    )
    compris = forms.BooleanField(
        label="Je comprends que le mot de passe actuel de la nouvelle interface cessera de fonctionner, partout où il "
        "est enregistré, pour toutes les personnes qui utilisent cette boîte.",
        error_messages={"required": "Cochez la case pour dire que vous avez compris ce qui va changer."},
    )

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        return helper
