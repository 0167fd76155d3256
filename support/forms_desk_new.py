"""What an agent says of a new ticket: for somebody on the phone, or made of messages that were written already."""

from collections.abc import Sequence
from typing import Any

from django import forms

from bma_portal.identity import refuse_national_number
from bma_portal.templatetags.french import insecable
from support.forms_contact import OneLineField
from support.forms_desk import DeskForm, Line, Text
from support.forms_desk_ticket import LONGEST, PersonFields
from support.models import Incident
from support.needs import MAIL, NEEDS, PASSWORD, Answer
from support.tickets import NoTicket


def may_be_unread(need: str) -> bool:
    """Whether its mailbox may be out of reach of whoever asks that: an answer there would be lost."""
    return NEEDS[need].group in {PASSWORD, MAIL} or need == "internet"


class PlacedForm(DeskForm):
    """What a new ticket is called, what the rules ask of its need, and who has it: they say, or a team keeps it."""

    subject = Line(
        label="Objet",
        max_length=150,
        error_messages={"required": "Donnez un objet.", "max_length": "Un objet compte 150 signes au plus."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    team = forms.ChoiceField(
        label="Qui la suit ?",
        choices=[
            ("regles", "L’équipe que les règles désignent"),
            ("nous", "Mon équipe, même si les règles disent autre chose"),
        ],
        initial="regles",
        widget=forms.RadioSelect,
        error_messages={"required": "Dites qui la suit.", "invalid_choice": "Dites qui la suit."},
    )
    why = Text(
        label="Pourquoi votre équipe ?",
        help_text="Seulement si vous la gardez contre l’avis des règles.",
        required=False,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        error_messages={"max_length": "Un motif compte 300 signes au plus."},
    )

    def __init__(self, *args: Any, questions: tuple[Answer, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.questions = questions
        for answer in questions:
            self.fields[f"q_{answer.key}"] = _question(answer)
        self.order_fields([*(f"q_{answer.key}" for answer in questions), "subject", "team", "why"])

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("team") == "nous" and not self.cleaned_data.get("why"):
            self.add_error("why", "Dites pourquoi votre équipe garde cette demande.")
        return self.cleaned_data

    def refuse(self, refusal: NoTicket) -> None:
        """Where the rules want no ticket, a team may keep it nevertheless."""
        why = f"Les règles ne prévoient pas de demande ici. {refusal} Pour en ouvrir une malgré tout, "
        self.add_error("team", insecable(f"{why}choisissez votre équipe et dites pourquoi."))

    @property
    def answers(self) -> dict[str, str]:
        """What was answered to the questions of the need."""
        found = {answer.key: str(self.cleaned_data.get(f"q_{answer.key}") or "") for answer in self.questions}
        return {key: value for key, value in found.items() if value}


class CallerForm(PersonFields, PlacedForm):
    """Who calls and why, once the mailbox and the need are known; the questions of that need come with them."""

    text = Text(
        label="Ce que la personne demande",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 7}),
        error_messages={
            "required": "Écrivez ce que la personne demande.",
            "max_length": "Ce texte compte 20 000 signes au plus.",
        },
    )

    def __init__(
        self, *args: Any, questions: tuple[Answer, ...], incidents: Sequence[Incident] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, questions=questions, **kwargs)
        if self.initial.get("last_name"):
            self.fields[
                "last_name"
            ].help_text = "Le ou la titulaire, d’après le portail. Une autre personne appelle\u00a0? Changez-le."
        if self.initial.get("email"):
            self.fields["email"].help_text = "Les réponses y partent. C’est la boîte elle-même, si la personne la lit."
        if incidents or self.data.get("incident"):  # one that was solved meanwhile is refused, not forgotten
            self.fields["incident"] = _incident(incidents)
        order = ["incident", "last_name", "first_name", "email", "phone", *(f"q_{answer.key}" for answer in questions)]
        self.order_fields([*order, "subject", "text", "team", "why"])

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        refuse_national_number(text)
        return text


def _incident(incidents: Sequence[Incident]) -> forms.Field:
    return forms.TypedChoiceField(
        label="Est-ce un signalement d’un incident en cours ?",
        help_text="La demande le rejoint : elle en recevra les nouvelles, et sera résolue avec lui.",
        required=False,
        choices=[("", "Non, ou pas encore sûr"), *((str(row.pk), row.title) for row in incidents)],
        coerce={str(row.pk): row for row in incidents}.__getitem__,
        empty_value=None,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choisissez un incident en cours de votre équipe, ou aucun."},
    )


def _question(answer: Answer) -> forms.Field:
    if answer.choices:
        return forms.ChoiceField(
            label=answer.label,
            help_text=answer.hint,
            required=False,
            choices=[("", "Pas encore demandé"), *((choice.value, choice.label) for choice in answer.choices)],
            error_messages={"invalid_choice": "Choisissez une des réponses proposées."},
        )
    if answer.date:
        return forms.DateField(
            label=answer.label,
            help_text=answer.hint,
            required=False,
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            error_messages={"invalid": "Cette date n’est pas lisible. Exemple : 12/05/2025."},
        )
    return OneLineField(
        label=answer.label,
        help_text=answer.hint,
        required=False,
        max_length=200,
        error_messages={"max_length": "Cette réponse compte 200 signes au plus."},
    )
