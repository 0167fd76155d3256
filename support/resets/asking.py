"""MODE: a person with the permission asks (D3, D9, D10)."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts import credentials, mode
from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.errors import Refusal
from support import mails
from support.door import door_for
from support.models import PasswordReset
from support.resets.common import ASKED_PER_DAY, Path, Status, suspicion_about
from support.resets.settling import set_password


def live_of(mailbox: Mailbox) -> PasswordReset | None:
    """The request under way for that mailbox: one at most (D9)."""
    return PasswordReset.objects.live().filter(mailbox=mailbox).first()


def ask_in_mode(mailbox: Mailbox, *, by: Any, at: datetime) -> PasswordReset:
    """Ask for a new password; it is set at once unless the directory is away or a person must look first.

    The permission is read now, whatever the page showed (A7, SEC-B4). The same person asking twice has one request.
    Raises Refusal, in words for that person: no permission, wrong door, too often, somebody else's request under way.
    """
    with audit.refusals("reset.asked", at=at, about=mailbox, by=by):
        reset, is_new = _ask(mailbox, by=by, at=at)
    if is_new and reset.status == Status.SETTING:
        set_password(reset, at=at)
        reset.refresh_from_db()
    return reset


@transaction.atomic
def _ask(mailbox: Mailbox, *, by: Any, at: datetime) -> tuple[PasswordReset, bool]:
    mailbox = (
        Mailbox.objects.select_for_update(of=("self",), no_key=True)
        .select_related("organisation__po")
        .get(pk=mailbox.pk)
    )
    grant = mode.grant_for(by, mailbox.organisation, at=at, lock=True)
    if grant is None:
        raise Refusal(
            "Vous n’avez pas, aujourd’hui, la permission de réinitialiser le mot de passe de cette boîte. "
            "Le ou la GIA de votre établissement peut vous l’accorder."
        )
    live = live_of(mailbox)
    if live is not None:
        if live.requester_id == by.pk:
            return live, False
        raise Refusal("Une demande est déjà en cours pour cette boîte : elle doit d’abord aboutir.")
    door = door_for(mailbox, at=at)
    if door.kind != "mode":
        raise Refusal(door.sentence)
    _refuse_too_many(mailbox, by=by, at=at)
    reset = PasswordReset(mailbox=mailbox, path=Path.MODE, requester=by, grant=grant, asked_at=at)
    reset.suspicion = suspicion_about(reset, at=at)
    reset.status = Status.RECEIVED if reset.suspicion else Status.SETTING
    if not reset.suspicion:
        reset.credential = credentials.renew(mailbox, at=at)
    reset.save(force_insert=True)
    mails.tell_concerned(mails.ResetAsked, reset, at=at)
    audit.record(
        "reset.asked", about=reset, by=by, at=at, details={"mailbox": mailbox.address, "suspicion": reset.suspicion}
    )
    return reset, True


def _refuse_too_many(mailbox: Mailbox, *, by: Any, at: datetime) -> None:
    recent = PasswordReset.objects.filter(asked_at__gt=at - timedelta(days=1), path=Path.MODE)
    if recent.filter(requester=by).count() >= ASKED_PER_DAY or recent.filter(mailbox=mailbox).count() >= ASKED_PER_DAY:
        raise Refusal(
            "Le mot de passe a déjà été demandé trop de fois en un jour. Attendez demain, ou appelez le Service Desk "
            "de l’ETNIC."
        )
