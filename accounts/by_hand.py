"""DIRECTORY=manual: an ETNIC agent sets the passwords in the directory, and certifies it.

The one written exception to « an agent never sees the secret » (D16; docs/decisions.md): one agent, by name, sees one
password, once, and the audit says so before the page does. Whoever verified a request does not set its password:
`password_by_hand` lets the app that knows refuse.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts import credentials
from accounts.directory import by_hand
from accounts.models import Credential
from accounts.signals import password_by_hand
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.secret import Secret, leaving_no_trace
from bma_portal.vault import VaultError

PERMISSION = "accounts.set_password_by_hand"


def waiting() -> QuerySet[Credential]:
    """What is to be set by hand, the oldest first."""
    return credentials.pending().select_related("mailbox__organisation", "taken_by").order_by("issued_at", "pk")


def take(credential: Credential, *, by: Any, at: datetime) -> Secret:
    """The clear text, for that agent alone and once. Raises Refusal, VaultError."""
    with _deed(credential, "password.taken_by_hand", by=by, at=at) as row:
        if row.taken_by_id == by.pk:
            raise Refusal(
                "Vous avez déjà pris ce mot de passe : il ne s’affiche qu’une fois. Rendez-le s’il est perdu."
            )
        if row.taken_by_id:
            raise Refusal("Une autre personne a pris ce mot de passe : c’est elle qui le pose.")
        Credential.objects.filter(pk=row.pk).update(taken_by=by, taken_at=at)
        with leaving_no_trace():
            return credentials.reveal(row)


def certify(credential: Credential, *, by: Any, at: datetime) -> None:
    """That agent says that it is in force in the directory: it may be announced, or shown. Raises Refusal."""
    with _deed(credential, "password.certified", by=by, at=at) as row:
        if row.taken_by_id != by.pk:
            raise Refusal("Seule la personne qui a pris ce mot de passe certifie l’avoir posé.")
        Credential.objects.filter(pk=row.pk).update(certified_at=at)
        credentials.record_applied([row.pk], at=at)


def give_back(credential: Credential, *, by: Any, at: datetime) -> None:
    """It was not set, or was lost: another is made in its place, which nobody has seen. Raises Refusal."""
    with _deed(credential, "password.given_back", by=by, at=at) as row:
        if not row.taken_by_id:
            raise Refusal("Personne n’a pris ce mot de passe.")
        credentials.make_again(row, at=at)


@contextmanager
def _deed(credential: Credential, action: str, *, by: Any, at: datetime) -> Iterator[Credential]:
    """The row, locked, once nobody objects; the audit is written last, in the same transaction. A refusal is too."""
    about = {"about": credential.mailbox, "by": by, "at": at}
    details = {"credential": credential.pk, "purpose": credential.purpose}
    try:
        with transaction.atomic():
            row = Credential.objects.select_for_update(of=("self",)).select_related("mailbox").get(pk=credential.pk)
            _may(row, by=by, at=at)
            yield row
            audit.record(action, details=details, **about)
    except (Refusal, VaultError) as refusal:
        audit.record(action, details=details, result="refused", why=str(refusal), **about)
        raise


def _may(row: Credential, *, by: Any, at: datetime) -> None:
    if not by_hand():
        raise Refusal("Le portail pose lui-même les mots de passe : rien n’est à faire à la main.")
    if not by.has_perm(PERMISSION):
        raise Refusal("Vous n’avez pas la permission de poser un mot de passe à la main.")
    if row.superseded_at or row.destroyed_at:
        raise Refusal("Ce mot de passe a été remplacé ou détruit : reprenez la liste.")
    if row.applied_at:
        raise Refusal("Ce mot de passe est déjà posé et certifié.")
    password_by_hand.send(Credential, credential=row, by=by, at=at)
