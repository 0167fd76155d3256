"""What a person says of a mail that waits: in which ticket it goes, or for which mailbox it opens one."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.addresses import parse
from accounts.models import Mailbox
from bma_portal.errors import Refusal
from support import tickets
from support.forms_desk import NEED_CHOICES, DeskForm, Line
from support.models import Ticket

LONGEST = 64
_BLANK = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class IntoForm(DeskForm):
    """An existing ticket of one's own teams; another's does not exist."""

    reference = Line(
        label="Référence de la demande",
        help_text="Par exemple D-BCDF-2345.",
        max_length=LONGEST,
        error_messages={
            "required": "Indiquez la référence d’une demande.",
            "max_length": "Une référence s’écrit comme D-BCDF-2345.",
        },
        widget=forms.TextInput(attrs=_BLANK),
    )

    def __init__(self, *args: Any, teams: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.teams = teams

    def clean_reference(self) -> Ticket:
        found = tickets.by_reference(self.cleaned_data["reference"])
        if found is None or found.team not in self.teams:
            raise ValidationError("Votre équipe n’a pas de demande qui porte cette référence.")
        return found


class NewForm(DeskForm):
    """A mailbox, in any spelling, and what it is about."""

    numero = Line(
        label="Numéro FASE ou adresse de la boîte",
        help_text="Avec « ec » ou « po » devant le numéro, par exemple ec001234.",
        max_length=LONGEST,
        error_messages={
            "required": "Indiquez la boîte dont parle ce message.",
            "max_length": "Un numéro FASE compte six chiffres au plus.",
        },
        widget=forms.TextInput(attrs=_BLANK),
    )
    besoin = forms.ChoiceField(
        label="De quoi s’agit-il\N{NO-BREAK SPACE}?",
        choices=[("", "Choisissez"), *NEED_CHOICES],
        error_messages={
            "required": "Choisissez de quoi il s’agit.",
            "invalid_choice": "Choisissez un besoin de la liste.",
        },
    )

    def clean_numero(self) -> Mailbox:
        try:
            number = parse(self.cleaned_data["numero"])
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None
        boxes = Mailbox.objects.select_related("organisation").filter(organisation__fase=number.fase)
        found = list(boxes.filter(organisation__kind=number.kind) if number.kind else boxes)
        if len(found) != 1:
            several = "Ce numéro est celui d’un établissement et d’un pouvoir organisateur : écrivez « ec » ou « po »."
            raise ValidationError(several if found else "Aucune boîte ne porte ce numéro.")
        return found[0]
