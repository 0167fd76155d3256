"""What the hors-MODE form asks (D4). What is wrong is said in French beside its field, and nothing typed is lost."""

import re
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.addresses import DOMAIN
from support import proofs
from support.forms_contact import ContactForm, shortened
from support.proofs import ProofField


class HorsModeForm(ContactForm):
    proof = ProofField(
        label="Copie masquée du recto de la carte d’identité du ou de la titulaire",
        help_text="Photo ou PDF, 8 Mo au plus.",
        error_messages={"required": "Choisissez la copie masquée du recto de la carte d’identité."},
    )
    consequences = forms.BooleanField(
        label=(
            "J’ai compris : le mot de passe actuel cessera de fonctionner, partout où il est enregistré, dès que le "
            "nouveau sera fait."
        ),
        error_messages={"required": "Cochez la case pour dire que vous avez compris les conséquences."},
    )

    def __init__(self, *args: Any, at: datetime, kept: bool = False, **kwargs: Any) -> None:
        """`kept`: a copy was already accepted, so none needs to be chosen."""
        super().__init__(*args, **kwargs)
        self.fields["proof"].caption = proofs.caption("nouveau mot de passe d’une boîte", at=at)  # type: ignore[attr-defined]
        self.keep_proof(kept)

    def keep_proof(self, kept: bool) -> None:
        self.kept = kept
        if kept:
            self.fields["proof"].required = False
            self.fields["proof"].label = "Remplacer la copie (facultatif)"

    @classmethod
    def posted(cls, request: HttpRequest, *, kept: bool) -> "HorsModeForm":
        at = request.at  # type: ignore[attr-defined]
        return cls(shortened(request.POST), request.FILES, at=at, kept=kept)

    def clean_email(self) -> str:
        address = super().clean_email()
        domain = address.rpartition("@")[2].lower().rstrip(".")
        if domain == DOMAIN or domain.endswith(f".{DOMAIN}"):
            raise ValidationError(
                f"Cette adresse finit par @{DOMAIN} : c’est une boîte administrative, et aucune ne convient ici, même "
                "celle d’un PO. Donnez une autre adresse que vous lisez."
            )
        return address


class CodeForm(forms.Form):
    """The six digits that were mailed to the contact address."""

    use_required_attribute = False

    code = forms.CharField(
        label="Code à six chiffres",
        help_text="Il est valable 30 minutes.",
        error_messages={"required": "Indiquez le code à six chiffres reçu par mail."},
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false", "class": "code"}
        ),
    )

    def clean_code(self) -> str:
        code = re.sub(r"[\s.\-]", "", self.cleaned_data["code"])
        if not re.fullmatch(r"[0-9]{6}", code, re.ASCII):
            raise ValidationError("Le code compte six chiffres, par exemple 012345.")
        return code


class SpokenCodeForm(forms.Form):
    """The code that the verifier said on the phone."""

    use_required_attribute = False

    code = forms.CharField(
        label="Code donné par téléphone",
        help_text="Huit signes, par exemple BCDF 2345. Majuscules, espaces et tirets ne comptent pas.",
        error_messages={"required": "Indiquez le code que l’on vous a donné par téléphone."},
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false", "class": "code"}
        ),
    )
