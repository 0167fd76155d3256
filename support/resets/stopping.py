"""« Ce n'est pas moi »: the link that each person concerned receives (D13)."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from accounts import credentials
from accounts import tasks as accounts_tasks
from accounts.models import Credential
from bma_portal import audit
from bma_portal.errors import Refusal
from support import mails, tokens
from support.models import PasswordReset
from support.resets.common import LINK_HOURS, Status, end, locked


def may_be_stopped(reset: PasswordReset, *, at: datetime) -> bool:
    """While it is under way, and for a day after the password was shown."""
    if reset.status == Status.SHOWN:
        return reset.shown_at is not None and at < reset.shown_at + timedelta(hours=LINK_HOURS)
    return reset.status in PasswordReset.LIVE


def find_stop(token: str, *, at: datetime) -> PasswordReset | None:
    """The request that this link stops, or None: unknown, over, too late."""
    reset = tokens.find("stop", token)
    return reset if reset is not None and may_be_stopped(reset, at=at) else None


def stop(token: str, *, at: datetime) -> None:
    """Stop a request. A password that was shown is replaced by one that nobody knows; the teams are told.

    Raises Refusal if the link stops nothing (any more). Twice is once.
    """
    found = tokens.find("stop", token)
    with transaction.atomic():
        reset = locked(found) if found else None
        if reset is None or not may_be_stopped(reset, at=at):
            raise Refusal("Ce lien n’arrête aucune demande, ou il est trop tard : appelez le Service Desk de l’ETNIC.")
        was_shown = reset.status == Status.SHOWN
        end(reset, Status.STOPPED, by="lien d’arrêt", why="arrêtée par une personne prévenue", at=at)
        if was_shown:
            credentials.renew(reset.mailbox, at=at, purpose=Credential.Purpose.LOCK)
            accounts_tasks.ring()
        mails.tell_concerned(mails.ResetStopped, reset, at=at)
        mails.tell(mails.ResetStopped(reset, recipient=settings.EXCHANGE_ETNIC_ADDRESS, role="team"), at=at)
        mails.tell_requester(mails.ResetClosed, reset, at=at)
        audit.record("reset.stopped", about=reset, by="lien d’arrêt", at=at, details={"shown": was_shown})
