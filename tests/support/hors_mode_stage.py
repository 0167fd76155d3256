"""A visitor who fills the hors-MODE form: its address, its fields, the hidden ones, the way through its pages."""

from unittest import mock

from django.core import signing
from django.test import Client
from django.urls import reverse

from accounts.models import Mailbox
from support.forms_contact import opened_now
from support.models import PasswordReset
from support.tokens import contact_code
from tests.support.resets_stage import card

FORM, CHECK = reverse("reset_hors_mode"), reverse("reset_hors_mode_check")
CODE, DONE = reverse("reset_hors_mode_code"), reverse("reset_hors_mode_done")
TYPED = {
    "last_name": "Fictive",
    "first_name": "Camille",
    "email": "camille@exemple.test",
    "phone": "0470 00 00 00",
    "consequences": "on",
}


def opened_before(seconds: int = 60) -> str:
    """The hidden field of a form shown that long ago. Below 0: it is sent too fast, however slow the machine."""
    now = signing.time.time()
    with mock.patch.object(signing.time, "time", return_value=now - seconds):
        return opened_now()


def number(mailbox: Mailbox) -> str:
    return mailbox.address[:8]


def answers(mailbox: Mailbox, **changes) -> dict:
    """What a person posts; a value of None leaves the field out."""
    posted = {
        **TYPED,
        "numero": number(mailbox),
        "ouvert": opened_before(),
        "site_web": "",
        "proof": card(),
        **changes,
    }
    return {name: value for name, value in posted.items() if value is not None}


def send(client: Client, mailbox: Mailbox, **changes):
    extra = changes.pop("extra", {})
    return client.post(FORM, answers(mailbox, **changes), **extra)


def draft_of(client: Client) -> PasswordReset:
    return PasswordReset.objects.get(public=client.session["hors_mode"])


def walk(client: Client, mailbox: Mailbox, **changes) -> PasswordReset:
    """The whole form, to the page with the reference; the worker has not come yet."""
    assert send(client, mailbox, **changes).url == CHECK
    assert client.post(CHECK).url == CODE
    code = contact_code(draft_of(client)).reveal()
    assert client.post(CODE, {"code": code}).url == DONE
    return draft_of(client)
