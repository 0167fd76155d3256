"""What the directory answered moves a request on: at once after the asking, else when the sweep comes by."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet

from accounts import credentials
from bma_portal import audit
from bma_portal.errors import Refusal
from support import mails
from support.models import PasswordReset
from support.resets.common import LINK_HOURS, PORTAL, Path, Status, close

log = logging.getLogger(__name__)


def each(rows: QuerySet[PasswordReset], deed: Callable[[PasswordReset], None]) -> None:
    """Do it to each, locked and looked at again, in a transaction of its own; one that fails stops no other."""
    for pk in list(rows.order_by("pk").values_list("pk", flat=True)):
        try:
            with transaction.atomic():
                reset = (
                    rows.select_for_update(of=("self",), skip_locked=True)  # still one of these, once it is locked
                    .select_related("mailbox__organisation__po", "requester", "credential")
                    .filter(pk=pk)
                    .first()
                )
                if reset is not None:
                    deed(reset)
        except Refusal as refusal:  # somebody moved it first
            log.info("demande déjà changée", extra={"id": pk, "motif": str(refusal)})
        except (DatabaseError, SoftTimeLimitExceeded):
            raise  # the database is away, or the task ran out of time: no request is at fault
        except Exception as error:
            log.exception("demande en panne", extra={"id": pk, "code": type(error).__name__})


def set_password(reset: PasswordReset, *, at: datetime) -> None:
    """After the commit that made its credential: try the directory once, then say what became of it.

    A directory that is away costs time only: the sweep of `accounts` sets the same password, `tick` settles.
    """
    if reset.credential is not None:
        credentials.set_now(reset.credential, at=at)
    settle(at=at, only=reset.pk)


def settle(*, at: datetime, only: int | None = None) -> None:
    """What the directory answered moves the request: in force → ready to be shown; refused → to be executed again.

    A password that another one replaced (an older request was stopped) opens nothing: its request ends, be it ready.
    """
    answered = Q(credential__applied_at__isnull=False) | Q(credential__refused_at__isnull=False)
    gone = Q(credential__superseded_at__isnull=False) | Q(credential__destroyed_at__isnull=False)
    rows = PasswordReset.objects.filter(Q(answered | gone, status=Status.SETTING) | Q(gone, status=Status.READY))
    if only is not None:
        rows = rows.filter(pk=only)

    def deed(reset: PasswordReset) -> None:
        credential = reset.credential
        if credential is None:
            return
        if credential.superseded_at or credential.destroyed_at:
            close(reset, by=PORTAL, why="un autre mot de passe a remplacé celui-ci", at=at)
        elif reset.status != Status.SETTING:
            return
        elif credential.refused_at:
            credentials.destroy([credential], why="refusé par l’annuaire", at=at)
            reset.move_to(Status.ACCEPTED, by=PORTAL, at=at, note=credential.last_error, credential=None)
            audit.record("reset.set", about=reset, by=PORTAL, result="refused", why=credential.last_error, at=at)
        elif credential.applied_at:
            _make_ready(reset, at=at)

    each(rows, deed)


def _make_ready(reset: PasswordReset, *, at: datetime) -> None:
    hors_mode = reset.path == Path.HORS_MODE
    facts: dict[str, Any] = {"ready_at": at, "reminded_at": None}
    if hors_mode:
        facts |= {
            "pickup_serial": reset.pickup_serial + 1,
            "pickup_tries": 0,
            "pickup_expires_at": at + timedelta(hours=LINK_HOURS),
        }
    reset.move_to(Status.READY, by=PORTAL, at=at, **facts)
    if hors_mode:
        mails.tell_requester(mails.PickUpLink, reset, at=at)
    elif at - reset.asked_at > timedelta(minutes=2):  # at once, the person sees it on the screen
        mails.tell_requester(mails.ResetReady, reset, at=at)
    mails.tell_concerned(mails.ResetChanged, reset, at=at)
    audit.record("reset.ready", about=reset, by=PORTAL, at=at)
