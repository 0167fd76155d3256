"""What the tests of the MODE form are made of: its addresses, and how one walks through it."""

from django.urls import reverse

from accounts.models import User
from support.models import PasswordReset
from tests.factories_migration import BatchFactory, MoveFactory
from tests.sign_in import sign_in
from tests.support.resets_stage import box, granted

CHOOSE = "/mot-de-passe/mode/"
NEEDED = "Il vous faut une permission"


def number(mailbox) -> str:
    return mailbox.address[:8]


def check_url(mailbox) -> str:
    return reverse("reset_mode_check", args=[number(mailbox)])


def page_of(reset) -> str:
    return reverse("reset_request", args=[reset.public])


def in_phase(types=("Primaire ordinaire",), **facts):
    """A school's mailbox in the batch whose mails leave on 4, 12 November and 3 December 2024."""
    mailbox = box(types=types, migrated=False)
    MoveFactory(mailbox=mailbox, batch=BatchFactory(establishments=True), **facts)
    return mailbox


def signed_in(client, mailbox) -> User:
    """Somebody with the permission for that mailbox; a holder needs no more than Cerbère."""
    user = granted(mailbox)
    sign_in(client, user, strong=False)
    return user


def key_of(response) -> str:
    return response.context["form"]["cle"].value()


def ask(client, mailbox, *, key=None, **changes):
    """Open the check page, tick the box, send."""
    key = key or key_of(client.get(check_url(mailbox)))
    return client.post(check_url(mailbox), {"cle": key, "compris": "on"} | changes)


def asked(client, mailbox) -> PasswordReset:
    """A request whose password is ready to be shown."""
    response = ask(client, mailbox)
    assert response.status_code == 302, response.content.decode()
    reset = PasswordReset.objects.get()
    assert reset.status == "ready"
    return reset
