"""What the steps of a request share: how long things last, locking one, setting its password, ending it."""

from datetime import datetime, timedelta
from typing import Any

from accounts import credentials
from accounts.models import Credential
from accounts.words import fold
from bma_portal import audit
from bma_portal.errors import Refusal
from support import mails, proofs
from support.models import PasswordReset, ProofFile

Status = PasswordReset.Status
Path = PasswordReset.Path

PORTAL = "portail"  # who acts when nobody does

REVIEW_HOURS = 24  # a request that follows another one this closely is looked at by a person (D10)
ASKED_PER_DAY = 5  # by one person, and for one mailbox
LINK_HOURS = 24  # a link of pick-up, and how long after the showing a request may still be stopped (D13, SEC-D5)
SHOW_DAYS = 3  # MODE: the password waits that long behind the sign-in
DRAFT_HOURS = 24  # a form whose contact address was never confirmed
CODE_MINUTES = 30
CODE_TRIES, CODES_SENT, SPOKEN_TRIES = 5, 5, 3
REMIND_WORKING_DAYS, CLOSE_WORKING_DAYS = 3, 10  # D20
PROOF_DAYS = 30  # after the decision (D14)
IDENTITY_DAYS = 30  # after the end: who asked is then erased


def locked(reset: PasswordReset) -> PasswordReset:
    """The same request as the database has it now, locked until the transaction ends."""
    return (
        PasswordReset.objects.select_for_update(of=("self",))
        .select_related("mailbox__organisation__po", "requester", "credential")
        .get(pk=reset.pk)
    )


def expect(reset: PasswordReset, *statuses: str) -> None:
    """Raises Refusal if somebody moved it since the page was shown."""
    if reset.status not in statuses:
        raise Refusal(
            f"Cette demande a changé entre-temps : elle est maintenant « {reset.get_status_display()} ». "
            "Rechargez la page."
        )


def suspicion_about(reset: PasswordReset, *, at: datetime) -> str:
    """Why a person must look first (D10): another's recent showing, or a request that was stopped. Empty: nothing."""
    since = at - timedelta(hours=REVIEW_HOURS)
    recent = PasswordReset.objects.filter(mailbox=reset.mailbox_id).exclude(pk=reset.pk)
    if recent.filter(status=Status.STOPPED, ended_at__gt=since).exists():
        return "Une demande pour cette boîte a été arrêtée il y a moins de 24 heures."
    shown = recent.filter(shown_at__gt=since)
    if reset.requester_id is not None:
        shown = shown.exclude(requester=reset.requester_id)  # an answer lost on its way may be asked for again
    if shown.exists():
        return "Le mot de passe de cette boîte a déjà été remplacé il y a moins de 24 heures."
    return ""


def end(reset: PasswordReset, status: str, *, by: str, why: str, at: datetime, **facts: Any) -> None:
    """Move a locked request to an end: its password and its proof are destroyed with it."""
    reset.move_to(status, by=by, at=at, note=why, ended_at=at, ended_why=why[:200], **facts)
    if reset.credential_id:
        credentials.destroy(Credential.objects.filter(pk=reset.credential_id), why=why[:120], at=at)
    proofs.destroy(ProofFile.objects.filter(reset=reset, destroyed_at=None), why=why[:120], at=at)


def close(reset: PasswordReset, *, by: str, why: str, at: datetime) -> None:
    """End a locked request without result, tell the person who asked, in the caller's transaction."""
    end(reset, Status.CLOSED, by=by, why=why, at=at)
    mails.tell_requester(mails.ResetClosed, reset, at=at)
    audit.record("reset.closed", about=reset, by=by, why=why, at=at)


def is_of(reset: PasswordReset, user: Any) -> bool:
    """Whether this request is this person's: signed in, or by the same name in the form, however spelled (A6)."""
    if reset.path == Path.MODE:
        return reset.requester_id == user.pk
    typed, known = (sorted(fold(f"{one.first_name} {one.last_name}").split()) for one in (reset, user))
    return bool(user.last_name) and typed == known
