"""What happens to requests without anybody: confirmed ones reach the teams, set passwords become ready, old ones end.

`tick` may be called twice at once, or never for a while: each step locks its request, looks again, and moves it.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import credentials, mode
from accounts.grants import name_of
from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.clock import brussels_date, working_days_after
from bma_portal.mail.models import OutgoingMail
from support import mails, proofs
from support.models import PasswordReset, ProofFile
from support.resets.common import (
    CLOSE_WORKING_DAYS,
    DRAFT_HOURS,
    IDENTITY_DAYS,
    PORTAL,
    PROOF_DAYS,
    REMIND_WORKING_DAYS,
    SHOW_DAYS,
    Path,
    Status,
    close,
    end,
    is_of,
    suspicion_about,
)
from support.resets.settling import each, settle

log = logging.getLogger(__name__)
ERASED = "adresse-effacee@exemple.invalid"  # a mail keeps one recipient
WAITING = (Status.RECEIVED, Status.ACCEPTED, Status.SETTING)  # for us, or for the directory


def tick(*, at: datetime) -> None:
    """Everything that is due at that moment; one request that fails does not stop the others."""
    receive(at=at)
    settle(at=at)
    expire(at=at)
    remind(at=at)
    close_abandoned(at=at)
    scan_proofs(at=at)
    destroy_old_proofs(at=at)
    erase_identities(at=at)


def receive(*, at: datetime) -> None:
    """A confirmed request reaches the teams; while another is under way for its mailbox it waits behind (D9)."""
    waiting = PasswordReset.objects.filter(status=Status.UNCONFIRMED, confirmed_at__isnull=False)

    def deed(reset: PasswordReset) -> None:
        Mailbox.objects.select_for_update(of=("self",), no_key=True).get(pk=reset.mailbox_id)
        if reset.status != Status.UNCONFIRMED or PasswordReset.objects.live().filter(mailbox=reset.mailbox).exists():
            return
        if ProofFile.objects.filter(reset=reset, destroyed_at__isnull=False).exists():
            close(reset, by=PORTAL, why="la preuve n’a pas pu être gardée", at=at)  # the antivirus refused it
            return
        reset.move_to(Status.RECEIVED, by=PORTAL, at=at, suspicion=suspicion_about(reset, at=at))
        mails.tell_concerned(mails.ResetAsked, reset, at=at)
        audit.record("reset.received", about=reset, by=PORTAL, at=at, details={"mailbox": reset.mailbox.address})

    each(waiting, deed)


def expire(*, at: datetime) -> None:
    """A password that was not picked up is destroyed: hors MODE another is made, MODE the request ends."""
    links = Q(path=Path.HORS_MODE, pickup_expires_at__lte=at)
    screens = Q(path=Path.MODE, ready_at__lte=at - timedelta(days=SHOW_DAYS))
    ended = Q(path=Path.MODE, grant__ends_on__lt=brussels_date(at))  # nobody else may ask as long as it is open

    def deed(reset: PasswordReset) -> None:
        if reset.status != Status.READY:
            return
        if reset.path == Path.MODE:
            if reset.ready_at and reset.ready_at <= at - timedelta(days=SHOW_DAYS):
                close(reset, by=PORTAL, why="mot de passe non affiché à temps", at=at)
            elif mode.grant_for(reset.requester, reset.mailbox.organisation, at=at) is None:
                close(reset, by=PORTAL, why="la permission est arrivée à sa fin", at=at)
            return
        credentials.destroy([reset.credential] if reset.credential else [], why="lien expiré", at=at)
        mails.tell_requester(mails.PickUpExpired, reset, at=at)
        reset.move_to(Status.ACCEPTED, by=PORTAL, at=at, note="lien de retrait expiré", credential=None)
        audit.record("reset.expired", about=reset, by=PORTAL, at=at)

    each(PasswordReset.objects.filter(links | screens | ended, status=Status.READY), deed)


def remind(*, at: datetime) -> None:
    """Once, in working days (D20): a password that waits behind the sign-in."""
    waiting = PasswordReset.objects.filter(status=Status.READY, path=Path.MODE, reminded_at=None)

    def deed(reset: PasswordReset) -> None:
        reset.reminded_at = at
        reset.save(update_fields=["reminded_at"])
        mails.tell_requester(mails.ResetReminder, reset, at=at)

    each(waiting.filter(ready_at__lte=at - timedelta(days=1)), deed)
    _warn_of_delay(at=at)


def _warn_of_delay(*, at: datetime) -> None:
    """Once: a request that no person took for some working days is told to the team, in the log that is watched."""
    late = PasswordReset.objects.filter(status__in=WAITING, reminded_at=None)

    def deed(reset: PasswordReset) -> None:
        if working_days_after(brussels_date(reset.asked_at), REMIND_WORKING_DAYS) > brussels_date(at):
            return
        reset.reminded_at = at
        reset.save(update_fields=["reminded_at"])
        log.warning("demande en attente", extra={"id": reset.pk, "motif": reset.get_status_display()})

    each(late, deed)


def close_abandoned(*, at: datetime) -> None:
    """Drafts never confirmed end after a day; what nobody brought to its end, after ten working days (D20)."""
    drafts = PasswordReset.objects.filter(
        status=Status.UNCONFIRMED, confirmed_at=None, asked_at__lte=at - timedelta(hours=DRAFT_HOURS)
    )

    def drop(reset: PasswordReset) -> None:
        if reset.status == Status.UNCONFIRMED and reset.confirmed_at is None:
            end(reset, Status.CLOSED, by=PORTAL, why="adresse jamais confirmée", at=at)
            _erase(reset, at=at)
            audit.record("reset.closed", about=reset, by=PORTAL, why="adresse jamais confirmée", at=at)

    def give_up(reset: PasswordReset) -> None:
        over = working_days_after(brussels_date(reset.asked_at), CLOSE_WORKING_DAYS) <= brussels_date(at)
        if over:
            close(reset, by=PORTAL, why="demande restée sans suite", at=at)

    each(drafts, drop)
    old = PasswordReset.objects.filter(asked_at__lte=at - timedelta(days=CLOSE_WORKING_DAYS))
    each(
        old.filter(Q(status__in=WAITING) | Q(status=Status.UNCONFIRMED, confirmed_at__isnull=False)),
        give_up,
    )


def scan_proofs(*, at: datetime) -> None:
    """The antivirus examines what waited for it. A request whose proof it destroys ends, and the person is told."""
    infected = proofs.scan_waiting(at=at)

    def deed(reset: PasswordReset) -> None:
        if reset.status in {Status.UNCONFIRMED, Status.RECEIVED}:
            close(reset, by=PORTAL, why="le fichier envoyé contenait un programme dangereux", at=at)

    each(PasswordReset.objects.filter(proof__in=infected), deed)


def destroy_old_proofs(*, at: datetime) -> None:
    """Thirty days after the decision at most, whatever became of the request (D14)."""
    old = ProofFile.objects.filter(destroyed_at=None, reset__verified_at__lte=at - timedelta(days=PROOF_DAYS))
    with transaction.atomic():
        proofs.destroy(old, why=f"{PROOF_DAYS} jours après la décision", at=at)


def erase_identities(*, at: datetime) -> None:
    """Some weeks after its end a request no longer says who asked for it."""
    ended = PasswordReset.objects.filter(erased_at=None, ended_at__lte=at - timedelta(days=IDENTITY_DAYS))
    each(ended, lambda reset: _erase(reset, at=at))


def _erase(reset: PasswordReset, *, at: datetime) -> None:
    mail = OutgoingMail.objects.filter(kind__startswith="reset.", object_id=reset.pk).exclude(
        status__in=[OutgoingMail.Status.QUEUED, OutgoingMail.Status.SENDING]
    )
    mail.update(text="", html="")
    if reset.email:
        mail.filter(to=[reset.email]).update(to=[ERASED])
    reset.first_name = reset.last_name = reset.email = reset.phone = ""
    reset.erased_at = at
    reset.save(update_fields=["first_name", "last_name", "email", "phone", "erased_at"])


def grant_ended(*, grant: Any, by: Any, at: datetime, **_: Any) -> None:
    """A permission was revoked: what it had begun ends with it (A7)."""
    _close_all(PasswordReset.objects.live().filter(grant=grant), by=by, why="la permission a été retirée", at=at)


def holder_left(*, holder: Any, by: Any, at: datetime, **_: Any) -> None:
    """The former head's requests end, whichever way they were made (A6)."""
    waiting = Q(status__in=PasswordReset.LIVE) | Q(status=Status.UNCONFIRMED)
    of_unit = PasswordReset.objects.filter(waiting, mailbox__organisation=holder.organisation)
    theirs = [reset.pk for reset in of_unit if is_of(reset, holder.user)]
    _close_all(of_unit.filter(pk__in=theirs), by=by, why="un ou une autre titulaire a pris la suite", at=at)


def _close_all(resets: QuerySet[PasswordReset], *, by: Any, why: str, at: datetime) -> None:
    """All are locked before the first line of the audit is written: whoever holds one of them never waits for us."""
    pks = list(resets.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    for reset in PasswordReset.objects.filter(pk__in=pks).select_related("mailbox__organisation__po", "requester"):
        close(reset, by=name_of(by), why=why, at=at)
