"""Who writes, and how to reach them: what the forms that anyone may send have in common. Nothing typed is lost."""

import re
import unicodedata
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.http import QueryDict

from accounts.addresses import unwrapped
from bma_portal.identity import refuse_national_number
from support.forms import LONGEST_SHOWN

# Nobody reads the notice and fills six fields in less; a robot posts at once. Counted by the real clock.
SECONDS_TO_FILL = 3
_OPENED_SALT = "hors-mode.opened"
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"
# A dot ends a word: « J. Dupont », never « exemple.be », which mail programs would make a link of.
_NAME = re.compile(r"[^\W\d_]+(?:(?:[ '’\-]{1,2}|\.[ \-])[^\W\d_]+)*\.?")
_EMAIL = EmailValidator()


def opened_now() -> str:
    """When the form was shown, sealed, for the hidden field."""
    return signing.TimestampSigner(salt=_OPENED_SALT).sign("ouvert")


def still_sealed(opened: str) -> str:
    """The same text if we sealed it, else nothing."""
    try:
        signing.TimestampSigner(salt=_OPENED_SALT).unsign(opened)
    except signing.BadSignature:
        return ""
    return opened


class OneLineField(forms.CharField):
    """Text of one line, in one form of Unicode, without invisible signs nor a national number (SEC-E11)."""

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        if not text.isprintable() or _UNREADABLE in text:
            raise ValidationError("Ce champ contient un saut de ligne ou un caractère illisible : retapez-le.")
        refuse_national_number(text)
        return unicodedata.normalize("NFC", text)


class ContactForm(forms.Form):
    """Name, address, telephone; a trap for robots. Each form says in its own words what it does with them."""

    use_required_attribute = False  # the page says what is missing, in its own words

    last_name = OneLineField(
        label="Nom",
        max_length=80,
        error_messages={"required": "Indiquez votre nom.", "max_length": "Un nom compte 80 caractères au plus."},
        widget=forms.TextInput(attrs={"autocomplete": "family-name", "spellcheck": "false"}),
    )
    first_name = OneLineField(
        label="Prénom",
        max_length=80,
        error_messages={"required": "Indiquez votre prénom.", "max_length": "Un prénom compte 80 caractères au plus."},
        widget=forms.TextInput(attrs={"autocomplete": "given-name", "spellcheck": "false"}),
    )
    email = OneLineField(
        label="Adresse de contact",
        help_text=(
            "Une adresse que vous lisez aujourd’hui : nous y envoyons un code, puis le lien de retrait. Pas une boîte "
            "administrative (@adm.cfwb.be), même celle de votre PO."
        ),
        max_length=254,
        error_messages={
            "required": "Indiquez une adresse de contact que vous lisez aujourd’hui.",
            "max_length": "Cette adresse est trop longue.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false", "autocapitalize": "none"}),
    )
    phone = OneLineField(
        label="Téléphone où vous joindre",
        help_text=(
            "Par exemple 0470 12 34 56. La personne qui vérifie voit ce numéro avec vos réponses. Pour vérifier et "
            "pour dire le code, nous appelons seulement le numéro que nous connaissons déjà de l’école ou du PO."
        ),
        max_length=30,
        error_messages={
            "required": "Indiquez un numéro de téléphone où vous joindre.",
            "max_length": "Ce numéro est trop long.",
        },
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
    )
    # A trap: no person sees it, robots fill whatever they find.
    site_web = forms.CharField(
        label="Laissez ce champ vide",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "tabindex": "-1"}),
    )
    ouvert = forms.CharField(required=False, widget=forms.HiddenInput)

    def clean_last_name(self) -> str:
        return self._name("last_name")

    def clean_first_name(self) -> str:
        return self._name("first_name")

    def _name(self, field: str) -> str:
        name = " ".join(self.cleaned_data[field].split())
        if not _NAME.fullmatch(name):
            raise ValidationError("Écrivez-le en lettres, comme sur la carte d’identité, sans chiffre ni symbole.")
        return name

    def clean_email(self) -> str:
        address = unwrapped(self.cleaned_data["email"])
        try:
            _EMAIL(address)
        except ValidationError:
            raise ValidationError("Cette adresse n’est pas complète. Exemple : prenom.nom@exemple.be.") from None
        if not address.isascii():
            raise ValidationError("Cette adresse contient une lettre accentuée ou étrangère : vérifiez-la.")
        return address

    def clean_phone(self) -> str:
        phone = self.cleaned_data["phone"]
        digits = re.sub(r"[ ./()\-]", "", phone)
        if not re.fullmatch(r"\+?[0-9]{8,15}", digits, re.ASCII):
            raise ValidationError("Ce numéro n’est pas complet. Exemples : 0470 12 34 56, +32 470 12 34 56.")
        return phone

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("site_web"):
            raise ValidationError("Un champ caché de cette page a été rempli. Videz-le, puis envoyez à nouveau.")
        try:
            signing.TimestampSigner(salt=_OPENED_SALT).unsign(
                self.cleaned_data.get("ouvert", ""), max_age=SECONDS_TO_FILL
            )
        except signing.SignatureExpired:
            return self.cleaned_data  # the one good case: it was opened long enough ago
        except signing.BadSignature:
            pass
        raise ValidationError("Ce formulaire est parti trop vite. Relisez-le, puis envoyez-le à nouveau.")


def shortened(posted: QueryDict) -> dict[str, str]:
    """What was typed, to be shown again: not 100 kB of it, and a NUL as what it is, an unreadable sign."""
    return {name: str(posted[name]).replace("\0", _UNREADABLE)[: LONGEST_SHOWN * 2] for name in posted}
