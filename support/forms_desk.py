"""What the desk writes down: views, incidents, canned answers. What is wrong is said beside its field; all is kept."""

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError

from accounts.models import User
from migration.phases import Phase
from support import canned
from support.bulk import Deed
from support.desk import TEAMS
from support.models import CannedAnswer, Incident, Ticket
from support.needs import NEEDS
from support.queues import clean

NEED_CHOICES = [(need.slug, need.label) for need in NEEDS.values()]


class Line(forms.CharField):
    """One line of text: no control sign, no lone half of a sign."""

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        return clean(text) if text and len(text) <= 200 else text


class Text(forms.CharField):
    """Several lines, as PostgreSQL can keep them."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> str:
        text = super().to_python(value)
        readable = "".join(
            sign if sign.isprintable() or sign in "\n\t" else " " for sign in text.replace("\r\n", "\n")
        )
        return readable.strip()


class DeskForm(forms.Form):
    use_required_attribute = False  # the page says what is missing, in its own words

    @property
    def helper(self) -> FormHelper:
        helper = FormHelper()
        helper.form_tag = False
        helper.disable_csrf = True
        return helper


class ViewForm(DeskForm):
    name = Line(
        label="Nom de la vue",
        max_length=60,
        error_messages={
            "required": "Donnez un nom à cette vue.",
            "max_length": "Un nom de vue compte 60 caractères au plus.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    shared = forms.BooleanField(label="La partager avec l’équipe", required=False)


class IncidentForm(DeskForm):
    title = Line(
        label="Titre",
        help_text="Par exemple « Interface web inaccessible ». Vos collègues le verront dans la liste des incidents.",
        max_length=120,
        error_messages={
            "required": "Donnez un titre à l’incident.",
            "max_length": "Un titre compte 120 caractères au plus.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    need = forms.ChoiceField(
        label="Besoin concerné",
        required=False,
        choices=[("", "Tous"), *NEED_CHOICES],
        error_messages={"invalid_choice": "Choisissez un besoin de la liste."},
    )
    text = Text(
        label="Ce qui se passe",
        max_length=3000,
        error_messages={
            "required": "Dites ce qui se passe.",
            "max_length": "Ce texte compte 3000 caractères au plus.",
        },
    )


class MessageForm(DeskForm):
    text = Text(
        label="Message à chaque personne concernée",
        max_length=5000,
        error_messages={
            "required": "Écrivez le message à envoyer.",
            "max_length": "Un message compte 5000 caractères au plus.",
        },
    )


class CannedForm(DeskForm):
    """`canned.unknown` has the last word on what stands between braces (SEC-F5)."""

    title = Line(
        label="Titre",
        max_length=80,
        error_messages={
            "required": "Donnez un titre à cette réponse.",
            "max_length": "Un titre compte 80 caractères au plus.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    text = Text(
        label="Texte",
        max_length=5000,
        error_messages={
            "required": "Écrivez le texte de la réponse.",
            "max_length": "Une réponse type compte 5000 caractères au plus.",
        },
    )
    phases = forms.MultipleChoiceField(
        label="Proposée dans ces phases (aucune\N{NO-BREAK SPACE}: dans toutes)",
        required=False,
        choices=Phase.choices,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Choisissez des phases de la liste."},
    )
    needs = forms.MultipleChoiceField(
        label="Proposée pour ces besoins (aucun\N{NO-BREAK SPACE}: pour tous)",
        required=False,
        choices=NEED_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "Choisissez des besoins de la liste."},
    )
    active = forms.BooleanField(label="Proposée aux agents", required=False, initial=True)

    def __init__(self, *args: Any, team: str, row: CannedAnswer | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team, self.row = team, row

    def clean_title(self) -> str:
        title = self.cleaned_data["title"]
        same = CannedAnswer.objects.filter(team=self.team, title=title)
        if same.exclude(pk=self.row.pk if self.row else None).exists():
            raise ValidationError("Votre équipe a déjà une réponse type de ce titre.")
        return title

    def clean_text(self) -> str:
        text = self.cleaned_data["text"]
        if wrong := canned.unknown(text):
            raise ValidationError(f"Ces variables n’existent pas : {', '.join(f'{{{name}}}' for name in wrong)}.")
        if any(sign in text for sign in ("{{", "}}", "{%", "%}")):
            raise ValidationError("Une variable s’écrit entre deux accolades simples, par exemple {prénom}.")
        return text


class DeedForm(DeskForm):
    """What a deed on several tickets asks; `said()` is what it was told."""

    def said(self) -> dict[str, Any]:
        return dict(self.cleaned_data)


def deed_form(deed: Deed, *, team: str, people: list[User], incidents: list[Incident], data: Any = None) -> DeedForm:
    """The fields of that deed, and no other."""
    known = {
        "to": Chosen("Personne qui suivra ces demandes", {str(user.pk): user for user in people}, "une personne"),
        "incident": Chosen("Incident", {str(row.pk): row for row in incidents}, "un incident"),
        "team": Chosen(
            "Équipe", {code: code for code in TEAMS.values if code != team}, "une équipe", dict(TEAMS.choices)
        ),
        "priority": Chosen(
            "Priorité", dict.fromkeys(Ticket.Priority.values), "une priorité", dict(Ticket.Priority.choices)
        ),
        "why": Text(
            label="Motif",
            help_text=f"Une ou deux phrases. {'L’autre équipe' if 'team' in deed.asks else 'Le demandeur'} les lira.",
            max_length=500,
            widget=forms.Textarea(attrs={"rows": 3}),
            error_messages={"required": "Dites pourquoi.", "max_length": "Un motif compte 500 caractères au plus."},
        ),
    }
    form = DeedForm(data)
    form.fields |= {name: known[name] for name in deed.asks}
    return form


class Chosen(forms.ChoiceField):
    """One thing of a short list; what it stands for is what the form gives."""

    def __init__(self, label: str, things: dict[str, Any], one: str, words: dict[str, str] | None = None) -> None:
        self.things = things
        choices = [
            ("", "Choisissez…"),
            *((key, (words or {}).get(key) or _named(thing)) for key, thing in things.items()),
        ]
        errors = {"required": f"Choisissez {one}.", "invalid_choice": f"Choisissez {one} de la liste."}
        super().__init__(label=label, choices=choices, error_messages=errors)

    def clean(self, value: Any) -> Any:
        key = super().clean(value)
        return self.things[key] or key


def _named(thing: Any) -> str:
    return thing.get_full_name() or thing.get_username() if isinstance(thing, User) else str(thing)
