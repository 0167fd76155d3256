"""From a version to the mail of one mailbox: read once per version, then only the values change.

What a version says is read from `MailText`; what it names comes from the facts of the mail (`mails.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from django.template.loader import get_template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from accounts.models import Contact
from bma_portal.mail import authenticity
from bma_portal.secret import Secret
from bma_portal.templatetags.french import jour, lendemain, nuit
from migration.texts import language
from migration.texts.language import Parts


@dataclass(frozen=True)
class Both:
    """A value that is not the same in the text and in the HTML."""

    text: str
    html: SafeString


Value = str | Both | Secret
Values = Mapping[str, Value]

# What {rappel_mot_de_passe} becomes: the password of mail 2, or what became of it (C10)
RECALLED = (
    "Celui du mail 2, que voici de nouveau :\n\n{mot_de_passe}\n\n"
    "Remplacez-le par un autre, de votre choix, dès votre première connexion. Personne ne vous le demandera jamais, "
    "ni par mail ni par téléphone."
)
CHANGED = (
    "Il a été **modifié le {modifie_le}**, après le mail 2 : c’est ce mot de passe plus récent qui ouvre la nouvelle "
    "interface. Pour votre sécurité, ce mail ne le répète pas."
)
DESTROYED = (
    "Celui du mail 2 ouvre la nouvelle interface : reprenez-le si vous avez conservé ce mail. Nous ne pouvons plus "
    "vous le rappeler : notre copie **a été détruite par sécurité**. Si vous ne le retrouvez pas, contactez l’ETNIC, "
    "qui vous en donnera un autre."
)


def render(subject: str, body: str, values: Values) -> tuple[str, str]:
    """The text and the HTML of that version, for those values; with the code that says that it is ours, if it has one.

    Nothing of the values is kept: they may hold a clear secret.
    """
    text, html = _compiled(subject, body, authenticity.page() if values.get("code") else "")
    return text.filled(lambda name: as_text(values[name])), html.filled(lambda name: as_html(values[name]))


@lru_cache(maxsize=64)
def _compiled(subject: str, body: str, page: str) -> tuple[Parts, Parts]:
    """Both parts, in their frames; signed if a `page` looks codes up. Once proposed, a version does not change."""
    text = language.as_text(body)
    facts = {"title": subject, "body": mark_safe(language.as_html(body)), "code": ""}  # noqa: S308 made by language.py
    if page:
        text += f"\n{authenticity.sentence('{code}')}\n"
        facts |= {"code": "{code}", "authenticity": page}
    return Parts.of(text), Parts.of(get_template("migration/mails/version.html").render(facts))


def as_text(value: Value) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return value.text if isinstance(value, Both) else value


def as_html(value: Value) -> str:
    if isinstance(value, Secret):
        return escape(value.reveal())
    return value.html if isinstance(value, Both) else escape(value)


def of_contact(contact: Contact) -> Both:
    """Its name, its addresses, its hours; the same pieces as in the other mails."""
    facts = {"contact": contact}
    text, html = (get_template(f"migration/mails/_contact.{kind}").render(facts) for kind in ("txt", "html"))
    return Both(text, mark_safe(html))  # noqa: S308 a template's


@lru_cache(maxsize=256)
def of_dates(mail2_on: date, mail3_on: date, night_on: date) -> dict[str, str]:
    """The same for all the mailboxes of a batch."""
    return {
        "nuit": nuit(night_on),
        "lendemain": jour(lendemain(night_on)),
        "date_mail_2": jour(mail2_on),
        "date_mail_3": jour(mail3_on),
    }


def of_recall(password: Secret | str | None, changed_on: date | None) -> Both:
    """Mail 4's recall: the password (or dots), the day when it was changed, or that our copy is no more."""
    source, values = DESTROYED, {}
    if password:
        source, values = RECALLED, {"mot_de_passe": password}
    elif changed_on:
        source, values = CHANGED, {"modifie_le": jour(changed_on)}
    text, html = _recall(source)
    said: dict[str, Any] = values
    return Both(
        text.filled(lambda name: as_text(said[name])).rstrip("\n"),
        mark_safe(html.filled(lambda name: as_html(said[name]))),  # noqa: S308 each value escaped
    )


@lru_cache(maxsize=4)
def _recall(source: str) -> tuple[Parts, Parts]:
    return Parts.of(language.as_text(source)), Parts.of(language.as_html(source))
