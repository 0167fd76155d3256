"""What an agent writes on the page of one ticket. What is wrong is said in French, and nothing typed is lost."""

from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from accounts.models import User
from bma_portal.errors import Refusal
from bma_portal.identity import refuse_national_number
from support.attachments import AttachmentsField
from support.desk import TEAMS
from support.forms_contact import OneLineField
from support.forms_desk import NEED_CHOICES, DeskForm, Line, Text
from support.models import Incident, Ticket
from support.tickets import by_reference
from support.tickets.opening import refuse_wrong_team

LONGEST = 20_000  # of an answer, a note, a draft
LONGEST_KEPT = 25_000  # what is typed is shown again, but not 100 kB of it
UNREADABLE = "\N{REPLACEMENT CHARACTER}"
BIGGEST = 2**31 - 1
_EMAIL = EmailValidator("Cette adresse n’est pas complète. Exemple : prenom.nom@exemple.be.")

THEN = (
    (Ticket.Status.WAITING, "attendre la réponse du demandeur"),
    (Ticket.Status.OPEN, "la garder en cours"),
    (Ticket.Status.SOLVED, "la marquer résolue"),
)


def kept(typed: QueryDict) -> MultiValueDict:
    """What was typed, to be shown again: a NUL as what it is, an unreadable sign."""
    return MultiValueDict(
        {
            name: [str(v).replace("\0", UNREADABLE)[:LONGEST_KEPT] for v in values[:40]]
            for name, values in typed.lists()
        }
    )


def number(text: str) -> int:
    """A whole number that PostgreSQL can hold; -1 for anything else."""
    digits = text if text.isascii() and text.isdigit() and len(text) <= 10 else "-1"
    return int(digits) if int(digits) <= BIGGEST else -1


def seen(typed: Any) -> tuple[int, int]:
    """The last message and change that were on the page: « 12.30 »; the beginning of everything if it says nothing."""
    first, _, second = str(typed.get("vu", ""))[:30].partition(".")
    return max(number(first), 0), max(number(second), 0)


# Writing


class AnswerForm(DeskForm):
    text = Text(
        label="Votre réponse",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 7, "id": "reponse"}),
        error_messages={
            "required": "Écrivez votre réponse.",
            "max_length": "Une réponse compte 20 000 signes au plus.",
        },
    )
    then = forms.ChoiceField(
        label="Ensuite",
        choices=THEN,
        initial=Ticket.Status.WAITING,
        widget=forms.RadioSelect,
        error_messages={
            "required": "Dites ce que devient la demande après cette réponse.",
            "invalid_choice": "Dites ce que devient la demande après cette réponse.",
        },
    )
    pieces = AttachmentsField(
        label="Joindre des fichiers (facultatif)",
        required=False,
        help_text="Photos ou PDF, 8 Mo au plus chacun, trois au plus.",
    )

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        refuse_national_number(text)
        return text


class NoteForm(DeskForm):
    note = Text(
        label="Note interne",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 4, "id": "note"}),
        error_messages={"required": "Écrivez votre note.", "max_length": "Une note compte 20 000 signes au plus."},
    )

    def clean_note(self) -> str:
        text: str = self.cleaned_data["note"]
        refuse_national_number(text)
        return text


# Deeds


class DeedForm(DeskForm):
    """What a deed asks before it is done; nothing, by default."""

    def __init__(self, *args: Any, ticket: Ticket, user: User, teams: list[str], at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ticket, self.user, self.teams, self.at = ticket, user, teams, at
        self.prepare()

    def prepare(self) -> None:
        """What depends on the ticket."""

    def facts(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


def _why(label: str, help_text: str = "", required: str = "Dites pourquoi.") -> Text:
    return Text(
        label=label,
        help_text=help_text,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": required, "max_length": "Un motif compte 300 signes au plus."},
    )


def members_of(team: str) -> "QuerySet[User]":
    """Who may be given a ticket of that team: those who have its desk, not the break-glass accounts."""
    name = f"work_{team}"
    has = Q(groups__permissions__codename=name) | Q(user_permissions__codename=name)
    return User.objects.filter(has, is_active=True).distinct().order_by("last_name", "first_name", "pk")


class AssignForm(DeedForm):
    to = forms.ModelChoiceField(
        User.objects.none(),
        label="À qui ?",
        empty_label="Choisissez une personne",
        error_messages={
            "required": "Choisissez une personne de l’équipe.",
            "invalid_choice": "Choisissez une personne de l’équipe.",
        },
    )
    why = Text(
        label="Pourquoi (facultatif)",
        required=False,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"max_length": "Un motif compte 300 signes au plus."},
    )

    def prepare(self) -> None:
        field: Any = self.fields["to"]
        field.queryset = members_of(self.ticket.team)
        field.label_from_instance = lambda person: person.get_full_name() or person.get_username()


class TransferForm(DeedForm):
    """Each other team; one that may never have the ticket says why, and cannot be chosen."""

    to = forms.ChoiceField(
        label="À quelle équipe ?",
        widget=forms.RadioSelect,
        error_messages={
            "required": "Choisissez l’équipe qui reçoit la demande.",
            "invalid_choice": "Choisissez l’équipe qui reçoit la demande, parmi celles qui le peuvent.",
        },
    )
    why = _why(
        "Pourquoi ?",
        "L’autre équipe le lit. Le demandeur, lui, apprend qui suit maintenant sa demande.",
        "Dites pourquoi : l’autre équipe le lira.",
    )

    def prepare(self) -> None:
        self.impossible: list[tuple[str, str]] = []
        choices = []
        for team in TEAMS:
            if team == self.ticket.team:
                continue
            try:
                refuse_wrong_team(self.ticket, team, mailbox=self.ticket.mailbox, at=self.at)
                choices.append((team.value, team.label))
            except Refusal as refusal:
                self.impossible.append((str(team.label), str(refusal)))
        self.fields["to"].choices = choices  # type: ignore[attr-defined]


class GiveBackForm(DeedForm):
    why = _why(
        "Pourquoi n’est-ce pas pour vous ?", "L’équipe qui la reçoit le lit, et la règle en cause est signalée."
    )


class CloseForm(DeedForm):
    why = _why(
        "Pourquoi la fermer ?",
        "Le demandeur le lit tel quel, après « Votre demande est close : ».",
        "Dites pourquoi vous fermez cette demande : le demandeur le lira.",
    )


class MergeForm(DeedForm):
    """Which ticket stays. Its cleaned value is that ticket, of one of this person's teams."""

    vers = Line(
        label="Référence de la demande qui reste",
        help_text="Par exemple D-BCDF-2345.",
        max_length=40,
        error_messages={
            "required": "Indiquez la référence de la demande qui reste.",
            "max_length": "Une référence compte onze signes.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_vers(self) -> Ticket:
        found = by_reference(self.cleaned_data["vers"])
        if found is None or found.team not in self.teams:
            raise ValidationError("Aucune demande de votre équipe ne porte cette référence.")
        if found.pk == self.ticket.pk:
            raise ValidationError("C’est la référence de cette demande-ci : indiquez celle de l’autre.")
        if found.mailbox_id != self.ticket.mailbox_id:
            raise ValidationError(
                "Cette demande est d’une autre boîte : un incident réunit des demandes de plusieurs boîtes."
            )
        return found

    def facts(self) -> dict[str, Any]:
        return {"into": self.cleaned_data["vers"]}


class JoinForm(DeedForm):
    incident = forms.ModelChoiceField(
        Incident.objects.none(),
        label="Quel incident ?",
        empty_label="Choisissez un incident",
        error_messages={
            "required": "Choisissez un incident en cours.",
            "invalid_choice": "Choisissez un incident en cours de votre équipe.",
        },
    )

    def prepare(self) -> None:
        field: Any = self.fields["incident"]
        field.queryset = Incident.objects.filter(team=self.ticket.team, status=Incident.Status.OPEN)


class DeclareForm(DeedForm):
    title = Line(
        label="Titre",
        help_text="Par exemple « Interface web inaccessible ».",
        max_length=120,
        error_messages={
            "required": "Donnez un titre à l’incident.",
            "max_length": "Un titre compte 120 signes au plus.",
        },
    )
    text = Text(
        label="Ce qui se passe",
        max_length=3000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={
            "required": "Dites ce qui se passe.",
            "max_length": "Ce texte compte 3000 signes au plus.",
        },
    )


class PriorityForm(DeedForm):
    priority = forms.ChoiceField(
        label="Priorité",
        choices=Ticket.Priority.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choisissez une priorité.", "invalid_choice": "Choisissez une priorité."},
    )

    def prepare(self) -> None:
        self.fields["priority"].initial = self.ticket.priority


class NeedForm(DeedForm):
    need = forms.ChoiceField(
        label="Besoin",
        choices=NEED_CHOICES,
        error_messages={"required": "Choisissez un besoin.", "invalid_choice": "Ce besoin n’existe pas."},
    )

    def prepare(self) -> None:
        self.fields["need"].initial = self.ticket.need


class PersonFields(forms.Form):
    """Who asks, and how to reach them."""

    first_name = OneLineField(
        label="Prénom (facultatif)",
        max_length=80,
        required=False,
        error_messages={"max_length": "Un prénom compte 80 signes au plus."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    last_name = OneLineField(
        label="Nom",
        max_length=80,
        error_messages={"required": "Indiquez le nom.", "max_length": "Un nom compte 80 signes au plus."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = OneLineField(
        label="Adresse de contact",
        help_text="Les réponses y partent.",
        max_length=254,
        error_messages={
            "required": "Indiquez l’adresse où répondre.",
            "max_length": "Cette adresse est trop longue.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    phone = OneLineField(
        label="Téléphone (facultatif)",
        max_length=30,
        required=False,
        error_messages={"max_length": "Un numéro compte 30 signes au plus."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
    )

    def clean_email(self) -> str:
        address: str = self.cleaned_data["email"]
        _EMAIL(address)
        if not address.isascii():
            raise ValidationError("Cette adresse contient une lettre accentuée ou étrangère : vérifiez-la.")
        return address


class RequesterForm(PersonFields, DeedForm):
    def prepare(self) -> None:
        for name in ("first_name", "last_name", "email", "phone"):
            self.fields[name].initial = getattr(self.ticket, name)


class CheckForm(DeedForm):
    item = forms.CharField(max_length=40, widget=forms.HiddenInput)
    done = forms.ChoiceField(choices=[("1", "fait"), ("0", "à faire")], widget=forms.HiddenInput)

    def facts(self) -> dict[str, Any]:
        return {"item": self.cleaned_data["item"], "done": self.cleaned_data["done"] == "1"}
