"""What a person says of a mail that waits: in which ticket it goes, or for which mailbox it opens one."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.addresses import parse
from accounts.models import Mailbox
from bma_portal.errors import Refusal
from support import tickets
from support.forms_desk import NEED_CHOICES, DeskForm, Line
from support.incoming import quarantine
from support.models import IncomingMail, Message, Ticket

LONGEST = 64
Kind = Message.Kind
_BLANK = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class IntoForm(DeskForm):
    """An existing ticket of one's own teams, or of a team that works by mail and to which the message belongs.

    Another's does not exist.
    """

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
    comme = forms.ChoiceField(
        label="Ce message est",
        required=False,
        choices=[
            (Kind.REQUEST, "un message du demandeur : il le lit sur sa page"),
            (Kind.ANSWER, "la réponse de l’équipe qui suit la demande : elle part au demandeur"),
            (Kind.NOTE, "une note interne : le demandeur ne la lit pas"),
        ],
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choisissez ce qu’est ce message."},
    )

    def __init__(self, *args: Any, mail: IncomingMail, teams: list[str], at: datetime, **kwargs: Any) -> None:
        known = mail.ticket if mail.ticket and self.accepts(mail, mail.ticket, teams, at=at) else None
        kind = quarantine.usual_kind(mail, known, at=at)
        super().__init__(*args, initial={"reference": known.reference if known else "", "comme": kind}, **kwargs)
        self.mail, self.teams, self.at, self.known = mail, teams, at, known
        if kind != Kind.ANSWER and not quarantine.may_be_answer(mail, known, at=at):
            comme = self.fields["comme"]
            comme.choices = [choice for choice in comme.choices if choice[0] != Kind.ANSWER]  # type: ignore[attr-defined]

    @staticmethod
    def accepts(mail: IncomingMail, ticket: Ticket, teams: list[str], *, at: datetime) -> bool:
        return ticket.team in teams or quarantine.may_go_into(mail, ticket, at=at)

    def clean_reference(self) -> Ticket:
        found = tickets.by_reference(self.cleaned_data["reference"])
        if found is None or not self.accepts(self.mail, found, self.teams, at=self.at):
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
