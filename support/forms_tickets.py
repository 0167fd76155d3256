"""What the holder's ticket forms ask (E11, F11). What is wrong is said beside its field; nothing typed is lost."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.datastructures import MultiValueDict

from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.identity import refuse_national_number
from bma_portal.templatetags.french import insecable
from support import conditions, proofs
from support.attachments import AttachmentsField
from support.forms_assistant import DayField
from support.forms_contact import ContactForm, OneLineField, shortened
from support.needs import NEEDS, Answer, Need

LONGEST_TEXT = 5000
_UNREADABLE = re.compile("[\N{REPLACEMENT CHARACTER}\ud800-\udfff]")


class TextField(forms.CharField):
    """Several lines, in one form of Unicode, without signs that hide or move what is around them."""

    def __init__(self, *, longest: int = LONGEST_TEXT, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 8}))
        super().__init__(max_length=longest, **kwargs)
        self.error_messages["max_length"] = f"Votre message compte {longest} signes au plus. Raccourcissez-le."

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        if _UNREADABLE.search(text):
            raise ValidationError("Ce texte contient un caractère illisible : retapez-le.")
        refuse_national_number(text)
        plain = unicodedata.normalize("NFC", text)
        return "".join(sign for sign in plain if sign in "\n\t" or unicodedata.category(sign) not in {"Cc", "Cf"})


# The personal document that a request asks for: what it is, and what to hide in it.
DOCUMENTS = {
    "vol": (
        "La copie du procès-verbal",
        "Masquez ce qui ne concerne pas le matériel : noms de témoins, numéros nationaux.",
    ),
    "ancien-mot-de-passe": (
        "La copie de la carte d’identité du ou de la titulaire",
        "Le recto seulement. Masquez le numéro national, le numéro de la carte, la photo et la signature ; laissez "
        "lisibles le nom et le prénom.",
    ),
}


class WithFiles:
    """For forms with `files`: what was typed is shown again, at most a little more than is allowed."""

    def ask_document(self, need: str, *, later: str = "", at: datetime) -> None:
        """What is joined is personal: which document, what to hide in it, what becomes of it."""
        label, advice = DOCUMENTS.get(need, ("Un document, si l’équipe vous l’a demandé", ""))
        kept = "Photo ou PDF, 8 Mo au plus : chiffré, vu par la seule équipe qui traite la demande, détruit ensuite."
        field = self.fields["files"]  # type: ignore[attr-defined]
        field.label = f"{label} (facultatif)"
        field.help_text = insecable(" ".join(filter(None, [advice, kept, later])))
        field.caption = proofs.caption("demande d’aide", at=at)

    @classmethod
    def posted(cls, request: HttpRequest, *, with_files: bool = True, **kwargs: Any) -> Any:
        """`with_files`: none is looked at without it, which costs little whatever was sent."""
        typed = shortened(request.POST)
        typed["text"] = request.POST.get("text", "").replace("\0", "\N{REPLACEMENT CHARACTER}")[: LONGEST_TEXT + 100]
        files = MultiValueDict({"files": request.FILES.getlist("files")} if with_files else {})
        return cls(typed, files, **kwargs)  # type: ignore[call-arg]


class TicketForm(WithFiles, ContactForm):
    """A ticket: what, then who; the questions that the rules look at, where they were not answered before."""

    subject = OneLineField(
        label="En quelques mots",
        help_text="Par exemple : Outlook n’envoie plus depuis lundi.",
        max_length=120,
        error_messages={
            "required": "Dites en quelques mots de quoi il s’agit.",
            "max_length": "Ce titre est trop long : 120 signes au plus.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    text = TextField(
        label="Votre message",
        help_text="Ce que vous faisiez, ce qui s’affiche, depuis quand. N’écrivez jamais un mot de passe.",
        error_messages={"required": "Écrivez votre message."},
    )
    files = AttachmentsField(label="Pièces jointes", required=False)

    field_order = ["subject", "text", "files", "last_name", "first_name", "email", "phone"]

    def __init__(self, *args: Any, need: Need, given: Mapping[str, str], at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.need, self.day = need, brussels_date(at)
        self.refused = {key: value for key, value in given.items() if self._refusal(key, value)}
        self.given = {key: value for key, value in given.items() if key not in self.refused}  # the others: asked again
        self.fields["email"].help_text = "Nous y envoyons la réponse, et de quoi suivre votre demande."
        self.fields["email"].error_messages["required"] = "Indiquez l’adresse où vous répondre."
        self.fields["phone"].required = False
        self.fields["phone"].label = "Téléphone (facultatif)"
        self.fields["phone"].help_text = "Si l’équipe doit vous appeler. Par exemple 0470 12 34 56."
        self.fields["files"].help_text = "Facultatif : trois photos, captures d’écran ou PDF au plus, 8 Mo chacun."
        if need.sensitive:
            self.ask_document(
                need.slug, at=at, later="Pas encore en main ? Vous pourrez l’envoyer en suivant votre demande."
            )
        self.asked = [answer for answer in need.answers if answer.key not in self.given]
        for answer in self.asked:
            self.fields[f"r_{answer.key}"] = _question(answer)
        self.order_fields([f"r_{answer.key}" for answer in self.asked] + self.field_order)

    def clean_phone(self) -> str:
        return super().clean_phone() if self.cleaned_data["phone"] else ""

    def clean(self) -> dict[str, Any]:
        """What the rules would refuse once all is sent is said here, beside its question (E11)."""
        for answer in self.asked:
            name = f"r_{answer.key}"
            value = self.answers.get(answer.key) or ("" if name in self.data else self.refused.get(answer.key, ""))
            if name not in self.errors and (why := self._refusal(answer.key, value)):
                self.add_error(name, why)
        return super().clean()

    def _refusal(self, key: str, value: str) -> str:
        """Why the rules refuse an answer, without the question: it is read beside it."""
        try:
            conditions.checked(self.need, {key: value}, self.day)
        except Refusal as refusal:
            answer = self.need.answer(key)
            why = str(refusal).removeprefix(f"« {answer.label} » : " if answer else "")
            return why[:1].upper() + why[1:]
        return ""

    @property
    def answers(self) -> dict[str, str]:
        """What was answered before and here: what the rules look at."""
        found = {}
        for answer in self.asked:
            value = self.cleaned_data.get(f"r_{answer.key}")
            if value:
                found[answer.key] = value.isoformat() if isinstance(value, date) else str(value)
        return self.given | found

    @property
    def questions(self) -> list[forms.BoundField]:
        return [self[f"r_{answer.key}"] for answer in self.asked]


def _question(answer: Answer) -> forms.Field:
    if answer.choices:
        return forms.ChoiceField(
            label=answer.label,
            help_text=answer.hint,
            choices=[(choice.value, choice.label) for choice in answer.choices],
            widget=forms.RadioSelect,
            error_messages={"required": "Choisissez une réponse.", "invalid_choice": "Choisissez une des réponses."},
        )
    if answer.date:
        return DayField(
            label=answer.label, help_text=answer.hint or "Par exemple 12/05/2023.", max_length=40, required=False
        )
    return OneLineField(label=answer.label, help_text=answer.hint, max_length=120, required=False)


class ReferenceForm(forms.Form):
    """Which ticket, however its reference is typed."""

    use_required_attribute = False

    reference = OneLineField(
        label="Référence de votre demande",
        help_text="Par exemple D-BCDF-2345. Elle se trouve dans l’objet de nos mails.",
        max_length=40,
        error_messages={
            "required": "Indiquez la référence de votre demande.",
            "max_length": "Cette référence est trop longue.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )

    @classmethod
    def of(cls, query: QueryDict) -> "ReferenceForm":
        return cls({"reference": query.get("reference", "").replace("\0", "\N{REPLACEMENT CHARACTER}")[:60]})


class ReplyForm(WithFiles, forms.Form):
    """What the holder adds to a ticket."""

    use_required_attribute = False

    text = TextField(label="Votre message", error_messages={"required": "Écrivez votre message."})
    files = AttachmentsField(
        label="Pièces jointes",
        help_text="Facultatif : trois photos, captures d’écran ou PDF au plus, 8 Mo chacun.",
        required=False,
    )

    def __init__(self, *args: Any, need: str, settled: bool = False, at: datetime, **kwargs: Any) -> None:
        """`settled`: whoever says so has no more to write."""
        super().__init__(*args, **kwargs)
        self.fields["text"].required = not settled
        if need in NEEDS and NEEDS[need].sensitive:
            self.ask_document(need, at=at)


class OpinionForm(forms.Form):
    """One click, and a word if one likes (F16). No button stands for « Enter »: an opinion is given once."""

    use_required_attribute = False

    comment = TextField(
        label="Un mot, si vous le souhaitez",
        longest=300,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    avis = forms.ChoiceField(
        choices=[("oui", "Oui, satisfait"), ("non", "Non, pas vraiment")],
        widget=forms.RadioSelect,  # two buttons on the page, which send the form
        error_messages={
            "required": "Choisissez oui ou non : votre mot est gardé.",
            "invalid_choice": "Choisissez oui ou non : votre mot est gardé.",
        },
    )
