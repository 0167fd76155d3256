"""What the staff says when it decides about a request for a password."""

from typing import Any

from django import forms

from accounts.models import Organisation
from bma_portal.identity import refuse_national_number

# Each says what to correct: the person reads it as it stands (D15).
REASONS = {
    "illisible": "La copie n’est pas lisible. Refaites la photo de près, à la lumière, sans reflet, puis recommencez.",
    "nom": "Le nom et le prénom ne se lisent pas sur la copie. Laissez-les visibles, et masquez le reste.",
    "document": "Ce document n’est pas le recto d’une carte d’identité. Recommencez avec le recto de la vôtre.",
    "masquer": "La copie montre ce qu’il fallait masquer (numéro national, photo, verso). Masquez-le et recommencez.",
    "titulaire": "Le nom n’est pas celui du ou de la titulaire que nous connaissons. Demandez-lui de la faire, "
    "ou à votre pouvoir organisateur de nous signaler le changement.",
    "rappel": "Nous vous avons cherché au numéro de l’unité, sans succès. Recommencez en disant quand vous y êtes.",
    "autre": "",
}


class ConfirmForm(forms.Form):
    """Nothing to say: the button is enough."""

    def __init__(self, *args: Any, unit: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.unit = unit

    def facts(self) -> dict[str, Any]:
        return {}


class AcceptForm(ConfirmForm):
    number = forms.CharField(widget=forms.HiddenInput, required=False)
    called = forms.BooleanField(
        label="J’ai rappelé ce numéro, et la personne m’y a confirmé sa demande",
        error_messages={"required": "Cochez la case une fois que vous avez rappelé."},
    )

    def __init__(self, *args: Any, unit: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, unit=unit, **kwargs)
        self.fields["number"].initial = unit.phone

    def facts(self) -> dict[str, Any]:
        """The number that the page showed: if the unit has another one by now, it is not the one that was called."""
        return {"number": self.cleaned_data["number"]}


class RefuseForm(ConfirmForm):
    reason = forms.ChoiceField(
        label="Ce qui ne va pas",
        choices=[("", "Choisissez"), *((key, text or "Autre chose, dit ci-dessous") for key, text in REASONS.items())],
        error_messages={"required": "Choisissez ce qui ne va pas."},
    )
    detail = forms.CharField(
        label="Ce qu’il faut corriger, en vos mots",
        max_length=500,
        required=False,
        validators=[refuse_national_number],
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="La personne lit ce texte. N’y écrivez ni numéro national, ni jugement.",
    )

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("reason") == "autre" and not self.cleaned_data.get("detail") and not self.errors:
            self.add_error("detail", "Dites ce qu’il faut corriger.")
        return self.cleaned_data

    def facts(self) -> dict[str, Any]:
        said = [REASONS[self.cleaned_data["reason"]], self.cleaned_data["detail"]]
        return {"why": " ".join(text for text in said if text)}
