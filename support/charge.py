"""Who is in charge of a request to examine: one verifier at a time, who alone opens its proof (SEC-I3)."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from bma_portal import audit
from bma_portal.errors import Refusal
from support import proofs, resets
from support.models import PasswordReset, ProofFile
from support.resets.common import REVIEW_HOURS, Path, Status, expect, locked
from support.resets.review import EXECUTE, VERIFY


class NotInCharge(Refusal):
    """This person has no right to that proof: the answer is the same as for a proof that does not exist."""

    def __init__(self) -> None:
        super().__init__("Prenez d’abord cette demande en charge.")


def is_in_charge(reset: PasswordReset, user: Any) -> bool:
    return reset.status == Status.RECEIVED and reset.taken_by_id == user.pk and user.has_perm(VERIFY)


def may_take(reset: PasswordReset, user: Any, *, at: datetime) -> bool:
    """Free, or left aside by its verifier for a day. Never one's own request."""
    free = reset.taken_by_id is None or at >= reset.taken_at + timedelta(hours=REVIEW_HOURS)  # type: ignore[operator]
    mine = user.pk in {reset.taken_by_id, reset.requester_id}
    return reset.status == Status.RECEIVED and free and not mine and user.has_perm(VERIFY)


def open_deeds(reset: PasswordReset, user: Any, *, at: datetime) -> list[str]:
    """What this person may do about this request as it stands, by name."""
    found = []
    if may_take(reset, user, at=at):
        found.append("prendre")
    if is_in_charge(reset, user):
        found += ["accepter", "refuser", "rendre"]
    concerned = {reset.verified_by_id, reset.requester_id}
    if reset.status == Status.ACCEPTED and user.has_perm(EXECUTE) and user.pk not in concerned:
        found.append("executer")
    return found


def waiting_behind(reset: PasswordReset) -> int:
    """How many confirmed requests for the same mailbox wait for this one to end: one of them may be the true one."""
    if reset.status not in PasswordReset.LIVE:
        return 0
    others = PasswordReset.objects.filter(mailbox=reset.mailbox_id, status=Status.UNCONFIRMED)
    return others.filter(confirmed_at__isnull=False).count()


def who_is_next(reset: PasswordReset) -> str:
    """Whom this request waits for, in one sentence."""
    match reset.status:
        case Status.RECEIVED if reset.taken_by:
            return f"{reset.taken_by} l’examine."
        case Status.RECEIVED:
            return "Elle attend qu’une personne du groupe « Vérification » la prenne en charge."
        case Status.ACCEPTED:
            return f"Elle attend une personne du groupe « Exécution », autre que {reset.verified_by}."
        case Status.SETTING:
            return f"Le mot de passe attend l’annuaire : {_code_to_say(reset)}."
        case Status.READY:
            return f"Le mot de passe attend la personne qui l’a demandé : {_code_to_say(reset)}."
    return "Elle est terminée : rien à faire."


def _code_to_say(reset: PasswordReset) -> str:
    if reset.path == Path.HORS_MODE and reset.executed_by:
        return f"{reset.executed_by} dit le code à la personne, au numéro rappelé pour la vérification"
    return "rien à faire"


def take(reset: PasswordReset, *, by: Any, at: datetime) -> None:
    """Take charge. Raises Refusal if somebody else did; twice is once."""
    with audit.refusals("reset.taken", at=at, about=reset, by=by), transaction.atomic():
        current = locked(reset)
        expect(current, Status.RECEIVED)
        if current.taken_by_id == by.pk:
            return
        if not may_take(current, by, at=at):
            raise Refusal(
                "Une autre personne vient de prendre cette demande en charge."
                if current.taken_by_id
                else "Vous ne pouvez pas examiner cette demande."
            )
        former = current.taken_by_id
        current.taken_by, current.taken_at = by, at
        current.save(update_fields=["taken_by", "taken_at"])
        audit.record("reset.taken", about=current, by=by, at=at, details={"former": former})


def give_back(reset: PasswordReset, *, by: Any, at: datetime) -> None:
    """Leave it to another verifier. Raises Refusal."""
    with audit.refusals("reset.given_back", at=at, about=reset, by=by), transaction.atomic():
        current = locked(reset)
        if not is_in_charge(current, by):
            raise NotInCharge
        current.taken_by = current.taken_at = None
        current.save(update_fields=["taken_by", "taken_at"])
        audit.record("reset.given_back", about=current, by=by, at=at)


def accept(reset: PasswordReset, *, by: Any, number: str, at: datetime) -> None:
    """`resets.accept`, by the person in charge only."""
    _expect_in_charge(reset, "reset.accepted", by=by, at=at)
    resets.accept(reset, by=by, number=number, at=at)


def refuse(reset: PasswordReset, *, by: Any, why: str, at: datetime) -> None:
    """`resets.refuse`, by the person in charge only."""
    _expect_in_charge(reset, "reset.refused", by=by, at=at)
    resets.refuse(reset, by=by, why=why, at=at)


def _expect_in_charge(reset: PasswordReset, action: str, *, by: Any, at: datetime) -> None:
    """A request changes hands after a day at the soonest: what is read here still holds when the row is locked."""
    with audit.refusals(action, at=at, about=reset, by=by):
        reset.refresh_from_db(fields=["status", "taken_by"])
        expect(reset, Status.RECEIVED)
        if not is_in_charge(reset, by):
            raise NotInCharge


def view_page(reset: PasswordReset, number: int, *, by: Any, at: datetime) -> bytes:
    """One page of the proof, as JPEG. The line of audit is committed before anything is unsealed.

    Raises NotInCharge, Quarantined while the antivirus has not spoken, and what the database raises: then nothing
    must leave.
    """
    with audit.refusals("proof.viewed", at=at, about=reset, by=by), transaction.atomic():
        current = locked(reset)
        proof = ProofFile.objects.filter(reset=current, destroyed_at=None).defer("content", "key").first()
        if proof is None or not 1 <= number <= proof.pages or not is_in_charge(current, by):
            raise NotInCharge
        if proof.to_scan:
            raise proofs.Quarantined("Cette copie attend encore l’antivirus : revenez plus tard.")
        details = {"reset": current.pk, "page": number}
        audit.record("proof.viewed", about=proof, by=by, at=at, details=details)
    return proofs.open_pages(proof)[number - 1]
