"""Hors MODE, and what looks odd in MODE: one person verifies, another executes, neither sees the password (D15).

Nobody at the office holds both ways in (SEC-B7): the link goes to the address of the form that the verifier believed;
the code is told to the executor, who says it at the number that the verifier called.
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import credentials
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.secret import Secret
from support import mails, tokens
from support.door import door_for
from support.models import PasswordReset
from support.resets.common import Path, Status, end, expect, locked
from support.resets.settling import set_password

VERIFY, EXECUTE = "support.verify_passwordreset", "support.execute_passwordreset"


def accept(reset: PasswordReset, *, by: Any, number: str, at: datetime) -> None:
    """The verifier called the unit back at `number` and recognised the person.

    The number is the one that staff recorded for the unit, never the form's (D18); it is kept, for whoever executes.
    Raises Refusal.
    """
    with audit.refusals("reset.accepted", at=at, about=reset, by=by), transaction.atomic():
        current = locked(reset)
        _may_verify(current, by)
        _is_the_recorded_number(current, by=by, number=number)
        current.move_to(
            Status.ACCEPTED,
            by=by.get_username(),
            at=at,
            note="identité vérifiée, rappel fait",
            verified_by=by,
            verified_at=at,
            callback_number=current.mailbox.organisation.phone,
        )
        audit.record("reset.accepted", about=current, by=by, at=at)


def refuse(reset: PasswordReset, *, by: Any, why: str, at: datetime) -> None:
    """Refuse, with what the person must correct: it is mailed as written. The proof is destroyed now."""
    with audit.refusals("reset.refused", at=at, about=reset, by=by), transaction.atomic():
        if not why.strip():
            raise Refusal("Dites à la personne ce qui ne va pas et ce qu’elle doit corriger.")
        current = locked(reset)
        _may_verify(current, by)
        end(current, Status.REFUSED, by=by.get_username(), why="refusée", at=at, refusal=why.strip()[:2000],
            verified_by=by, verified_at=at)  # fmt: skip
        mails.tell_requester(mails.ResetRefused, current, at=at)
        audit.record("reset.refused", about=current, by=by, why=why, at=at)


def execute(reset: PasswordReset, *, by: Any, at: datetime) -> Secret | None:
    """Another person than the verifier has a password made and set. Nobody at the office sees it. Raises Refusal.

    Hors MODE: returns the code to say at `callback_number`, told this once and kept as a digest. Each execution makes
    another; a directory that is away leaves it good for when the password is set. None in MODE, and if the directory
    refused the password: the request is then to be executed again.
    """
    with audit.refusals("reset.executed", at=at, about=reset, by=by), transaction.atomic():
        current = locked(reset)
        if not by.has_perm(EXECUTE):
            raise Refusal("Votre rôle ne permet pas d’exécuter une réinitialisation.")
        expect(current, Status.ACCEPTED)
        if by.pk in {current.verified_by_id, current.requester_id}:
            raise Refusal("La personne qui a vérifié une demande, ou qui l’a faite, ne l’exécute pas.")
        door = door_for(current.mailbox, at=at)
        if door.kind in {"not_issued", "closed"}:
            raise Refusal(door.sentence)
        code = None
        facts: dict[str, Any] = {}
        if current.path == Path.HORS_MODE:
            code = tokens.new_spoken_code()
            facts = {"pickup_code": tokens.spoken_digest(current, code), "pickup_tries": 0}
        facts |= {"credential": credentials.renew(current.mailbox, at=at), "executed_by": by, "executed_at": at}
        current.move_to(Status.SETTING, by=by.get_username(), at=at, **facts)
        audit.record("reset.executed", about=current, by=by, at=at)
    set_password(current, at=at)
    current.refresh_from_db(fields=["status"])
    return code if current.status in {Status.SETTING, Status.READY} else None


def password_by_hand(*, credential: Any, by: Any, **_: Any) -> None:
    """DIRECTORY=manual: whoever verified a request, or made it, never has its password in hand. Raises Refusal."""
    involved = PasswordReset.objects.filter(credential=credential).values_list("verified_by", "requester").first()
    if involved and by.pk in involved:
        raise Refusal("La personne qui a vérifié une demande, ou qui l’a faite, ne pose pas son mot de passe.")


def _may_verify(reset: PasswordReset, by: Any) -> None:
    if not by.has_perm(VERIFY):
        raise Refusal("Votre rôle ne permet pas de vérifier une demande.")
    expect(reset, Status.RECEIVED)
    if reset.taken_by_id not in {None, by.pk}:
        raise Refusal("Une autre personne a pris cette demande en charge.")
    if by.pk == reset.requester_id:
        raise Refusal("Vous ne pouvez pas vérifier votre propre demande.")


def _is_the_recorded_number(reset: PasswordReset, *, by: Any, number: str) -> None:
    unit = reset.mailbox.organisation
    recorded = _digits(unit.phone)
    if not recorded:
        raise Refusal(
            "Aucun numéro de téléphone n’est enregistré pour cette unité. Faites-le ajouter à sa fiche, d’après une "
            "source sûre, par une autre personne."
        )
    if _digits(number) != recorded:
        raise Refusal("Le numéro rappelé n’est pas celui qui est enregistré pour cette unité.")
    if unit.phone_recorded_by == by.get_username():
        raise Refusal("Vous avez vous-même enregistré ce numéro : cette demande, une autre personne doit la vérifier.")


def _digits(phone: str) -> str:
    """`+32 2 413 30 90`, `0032 2…` and `02 413 30 90` are one number."""
    digits = "".join(sign for sign in phone if sign in "0123456789")
    for prefix in ("0032", "32") if phone.strip().startswith(("+", "00")) else ():
        if digits.startswith(prefix):
            return "0" + digits.removeprefix(prefix).removeprefix("0")
    return digits
