"""The staff's side of the requests: who works there, the addresses of its pages, how a button is pressed."""

import html
import re

from django.test import Client
from django.urls import reverse

from accounts.models import User
from support.models import PasswordReset
from tests.factories import UserFactory
from tests.factories_holders import PasswordResetFactory
from tests.sign_in import sign_in
from tests.support.resets_stage import AT, PHONE, hors_mode_box, received, staff

Status = PasswordReset.Status
LIST = reverse("admin:support_passwordreset_changelist")
GROUPS = {
    "vérificateur": ("Vérification",),
    "exécutant": ("Exécution",),
    "sgne": ("SGNE",),
    "etnic": ("ETNIC",),
    "auditeur": ("Auditeur",),
    "personnel": (),
}
ACCEPTED = {"number": PHONE, "called": "on"}
REFUSED = {"reason": "illisible"}


def as_(user: User) -> Client:
    return sign_in(Client(), user)


def somebody(role: str) -> User:
    return UserFactory(superuser=True) if role == "secours" else staff(*GROUPS[role])


def sheet(reset: PasswordReset) -> str:
    return reverse("admin:support_passwordreset_change", args=[reset.pk])


def deed(reset: PasswordReset, name: str) -> str:
    return reverse("admin:support_passwordreset_deed", args=[reset.pk, name])


def proof_page(reset: PasswordReset) -> str:
    return reverse("admin:support_passwordreset_proof", args=[reset.pk])


def image(reset: PasswordReset, page: int = 1) -> str:
    return reverse("admin:support_passwordreset_page", args=[reset.pk, page])


def said(response) -> str:
    """The messages on the page; read from it, since the context is not one's own where threads ask at once."""
    found = re.search(r'<ul class="messagelist">(.*?)</ul>', response.content.decode(), re.DOTALL)
    return html.unescape(found[1]) if found else ""


def do(client: Client, reset: PasswordReset, name: str, **posted):
    """Press the button; what the sheet says afterwards, or the page that was answered."""
    return client.post(deed(reset, name), posted, follow=True)


def in_status(status: str) -> PasswordReset:
    mailbox = hors_mode_box()
    match status:
        case Status.RECEIVED:
            return received(mailbox, email=f"camille{PasswordReset.objects.count()}@exemple.test")
        case Status.STOPPED:
            return PasswordResetFactory(mailbox=mailbox, status=status, ended_at=AT)
        case _:
            return PasswordResetFactory(mailbox=mailbox, **{str(status): True})
