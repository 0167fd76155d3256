"""Which messages become a ticket of their own, and what that ticket is (F8): first one, then the other."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from bma_portal.errors import Refusal
from bma_portal.templatetags.french import insecable
from support.forms_desk import NEED_CHOICES
from support.forms_desk_new import PlacedForm
from support.forms_desk_ticket import DeedForm
from support.models import Message
from support.ticket_history import moment
from support.tickets.splitting import parts_of, refuse_choice

EXCERPT = 200
MOST = 39  # what was typed is shown again up to forty values


class SplitForm(DeedForm):
    """Which ones, and what they are about. `parts`: what there is to choose from."""

    m = forms.TypedMultipleChoiceField(
        label="Quels messages vont dans l’autre demande ?",
        help_text="Ils y gardent leur date et leurs fichiers. Il en reste au moins un ici.",
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": "Choisissez au moins un message.",
            "invalid_choice": "Un de ces messages n’est plus dans cette demande : choisissez à nouveau.",
        },
    )
    besoin = forms.ChoiceField(
        label="De quoi s’agit-il dans ces messages ?",
        choices=[("", "Choisissez un besoin"), *NEED_CHOICES],
        error_messages={"required": "Choisissez un besoin.", "invalid_choice": "Choisissez un besoin de la liste."},
    )

    def prepare(self) -> None:
        self.parts = parts_of(self.ticket)
        self.fields["m"].choices = [(part.pk, _as_choice(part)) for part in self.parts]  # type: ignore[attr-defined]

    def clean_m(self) -> list[Message]:
        picked: list[int] = self.cleaned_data["m"]
        if len(picked) > MOST:
            raise ValidationError("Séparez trente-neuf messages au plus à la fois.")
        chosen = [part for part in self.parts if part.pk in picked]
        try:
            refuse_choice(self.ticket, self.parts, chosen)
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None
        return chosen

    @property
    def chosen(self) -> list[Message]:
        found: list[Message] = self.cleaned_data["m"]
        return found

    @property
    def need(self) -> str:
        return str(self.cleaned_data["besoin"])

    def told(self) -> list[str]:
        """Those that were chosen, as they were to choose from."""
        return [_as_choice(part) for part in self.chosen]

    def facts(self) -> dict[str, Any]:
        return {"messages": [part.pk for part in self.chosen], "need": self.need}


def _as_choice(part: Message) -> str:
    text = " ".join(part.text.split())
    said = text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"
    files = len(part.attachments.all())
    more = f" ({files} fichier{'s' if files > 1 else ''})" if files else ""
    return insecable(f"{moment(part.written_at)}, {part.author_name} : « {said} »{more}")


class SplitPlaceForm(PlacedForm, DeedForm):
    """What the new ticket is called, and who has it."""

    def facts(self) -> dict[str, Any]:
        team = self.ticket.team if self.cleaned_data["team"] == "nous" else None
        return {"subject": self.cleaned_data["subject"], "answers": self.answers, "team": team}
