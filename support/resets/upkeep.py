"""What happens to requests without anybody: confirmed ones reach the teams, set passwords become ready, old ones end.

`tick` may be called twice at once, or never for a while: each step locks its request, looks again, and moves it.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import credentials
from accounts.grants import name_of
from accounts.models import Credential, Mailbox
from bma_portal import audit
from bma_portal.clock import brussels_date, working_days_after
from bma_portal.errors import Refusal
from bma_portal.vault import VaultError
from support import mails, proofs
from support.models import PasswordReset, ProofFile
from support.resets.common import (
    CLOSE_WORKING_DAYS,
    DRAFT_HOURS,
    IDENTITY_DAYS,
    LINK_HOURS,
    PROOF_DAYS,
    REMIND_WORKING_DAYS,
    SHOW_DAYS,
    Path,
    Status,
    close,
    end,
    of_person,
    suspicion_about,
)

log = logging.getLogger(__name__)
PORTAL = "portail"


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


def _each(rows: QuerySet[PasswordReset], deed: Callable[[PasswordReset], None]) -> None:
    for pk in list(rows.order_by("pk").values_list("pk", flat=True)):
        try:
            with transaction.atomic():
                reset = (
                    PasswordReset.objects.select_for_update(of=("self",), skip_locked=True)
                    .select_related("mailbox__organisation__po", "requester", "credential")
                    .filter(pk=pk)
                    .first()
                )
                if reset is not None:
                    deed(reset)
        except Refusal as refusal:  # somebody moved it first
            log.info("demande déjà changée", extra={"id": pk, "motif": str(refusal)})


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

    _each(waiting, deed)


def settle(*, at: datetime, only: int | None = None) -> None:
    """What the directory answered moves the request: in force → ready to be shown; refused → to be executed again."""
    answered = Q(credential__applied_at__isnull=False) | Q(credential__refused_at__isnull=False)
    gone = Q(credential__superseded_at__isnull=False) | Q(credential__destroyed_at__isnull=False)
    rows = PasswordReset.objects.filter(answered | gone, status=Status.SETTING)
    if only is not None:
        rows = rows.filter(pk=only)

    def deed(reset: PasswordReset) -> None:
        credential = reset.credential
        if reset.status != Status.SETTING or credential is None:
            return
        if credential.superseded_at or credential.destroyed_at:
            close(reset, by=PORTAL, why="un autre mot de passe a remplacé celui-ci", at=at)
        elif credential.refused_at:
            credentials.destroy([credential], why="refusé par l’annuaire", at=at)
            reset.move_to(Status.ACCEPTED, by=PORTAL, at=at, note=credential.last_error, credential=None)
            audit.record("reset.set", about=reset, by=PORTAL, result="refused", why=credential.last_error, at=at)
        elif credential.applied_at:
            _make_ready(reset, at=at)

    _each(rows, deed)


def _make_ready(reset: PasswordReset, *, at: datetime) -> None:
    hors_mode = reset.path == Path.HORS_MODE
    facts: dict[str, Any] = {"ready_at": at}
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


def expire(*, at: datetime) -> None:
    """A password that was not picked up is destroyed: hors MODE another is made, MODE the request ends."""
    links = Q(path=Path.HORS_MODE, pickup_expires_at__lte=at)
    screens = Q(path=Path.MODE, ready_at__lte=at - timedelta(days=SHOW_DAYS))

    def deed(reset: PasswordReset) -> None:
        if reset.status != Status.READY:
            return
        if reset.path == Path.MODE:
            close(reset, by=PORTAL, why="mot de passe non affiché à temps", at=at)
            return
        credentials.destroy([reset.credential] if reset.credential else [], why="lien expiré", at=at)
        mails.tell_requester(mails.PickUpExpired, reset, at=at)
        reset.move_to(Status.ACCEPTED, by=PORTAL, at=at, note="lien de retrait expiré", credential=None)
        audit.record("reset.expired", about=reset, by=PORTAL, at=at)

    _each(PasswordReset.objects.filter(links | screens, status=Status.READY), deed)


def remind(*, at: datetime) -> None:
    """Once, in working days (D20): a password that waits behind the sign-in."""
    waiting = PasswordReset.objects.filter(status=Status.READY, path=Path.MODE, reminded_at=None)

    def deed(reset: PasswordReset) -> None:
        reset.reminded_at = at
        reset.save(update_fields=["reminded_at"])
        mails.tell_requester(mails.ResetReminder, reset, at=at)

    _each(waiting.filter(ready_at__lte=at - timedelta(days=1)), deed)
    _warn_of_delay(at=at)


def _warn_of_delay(*, at: datetime) -> None:
    """Once: a request that no person took for some working days is told to the team, in the log that is watched."""
    late = PasswordReset.objects.filter(status__in=[Status.RECEIVED, Status.ACCEPTED], reminded_at=None)

    def deed(reset: PasswordReset) -> None:
        if working_days_after(brussels_date(reset.asked_at), REMIND_WORKING_DAYS) > brussels_date(at):
            return
        reset.reminded_at = at
        reset.save(update_fields=["reminded_at"])
        log.warning("demande en attente", extra={"id": reset.pk, "motif": reset.get_status_display()})

    _each(late, deed)


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
        unfinished = {Status.UNCONFIRMED, Status.RECEIVED, Status.ACCEPTED}
        over = working_days_after(brussels_date(reset.asked_at), CLOSE_WORKING_DAYS) <= brussels_date(at)
        if over and reset.status in unfinished:
            close(reset, by=PORTAL, why="demande restée sans suite", at=at)

    _each(drafts, drop)
    old = PasswordReset.objects.filter(asked_at__lte=at - timedelta(days=CLOSE_WORKING_DAYS))
    _each(
        old.filter(Q(status__in=[Status.RECEIVED, Status.ACCEPTED]) | Q(confirmed_at__isnull=False), ended_at=None),
        give_up,
    )


def scan_proofs(*, at: datetime) -> None:
    """The antivirus examines what waited for it. A request whose proof it destroys ends, and the person is told."""
    try:
        infected = proofs.scan_waiting(at=at)
    except VaultError:  # one altered row, or a key away: an operator's business, the other steps go on
        log.exception("preuve illisible", extra={"code": "VaultError"})
        return

    def deed(reset: PasswordReset) -> None:
        if reset.status in {Status.UNCONFIRMED, Status.RECEIVED}:
            close(reset, by=PORTAL, why="le fichier envoyé contenait un programme dangereux", at=at)

    _each(PasswordReset.objects.filter(proof__in=infected), deed)


def destroy_old_proofs(*, at: datetime) -> None:
    """Thirty days after the decision at most, whatever became of the request (D14)."""
    old = ProofFile.objects.filter(destroyed_at=None, reset__verified_at__lte=at - timedelta(days=PROOF_DAYS))
    with transaction.atomic():
        proofs.destroy(old, why=f"{PROOF_DAYS} jours après la décision", at=at)


def erase_identities(*, at: datetime) -> None:
    """Some weeks after its end a request no longer says who asked for it."""
    ended = PasswordReset.objects.filter(erased_at=None, ended_at__lte=at - timedelta(days=IDENTITY_DAYS))
    _each(ended, lambda reset: _erase(reset, at=at))


def _erase(reset: PasswordReset, *, at: datetime) -> None:
    reset.first_name = reset.last_name = reset.email = reset.phone = ""
    reset.erased_at = at
    reset.save(update_fields=["first_name", "last_name", "email", "phone", "erased_at"])


def grant_ended(*, grant: Any, by: Any, at: datetime, **_: Any) -> None:
    """A permission was revoked: what it had begun ends with it (A7)."""
    _close_all(PasswordReset.objects.live().filter(grant=grant), by=by, why="la permission a été retirée", at=at)


def holder_left(*, holder: Any, by: Any, at: datetime, **_: Any) -> None:
    """The former head's requests end, whichever way they were made (A6)."""
    waiting = Q(status__in=PasswordReset.LIVE) | Q(status=Status.UNCONFIRMED)
    theirs = PasswordReset.objects.filter(waiting, of_person(holder.user, holder.organisation))
    _close_all(theirs, by=by, why="un ou une autre titulaire a pris la suite", at=at)


def _close_all(resets: QuerySet[PasswordReset], *, by: Any, why: str, at: datetime) -> None:
    """All are locked before the first line of the audit is written: whoever holds one of them never waits for us."""
    pks = list(resets.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    for reset in PasswordReset.objects.filter(pk__in=pks).select_related("mailbox__organisation__po", "requester"):
        close(reset, by=name_of(by), why=why, at=at)
