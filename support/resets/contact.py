"""Hors MODE: the form, and the proof that its contact address is read (D4, D7, D8).

Nothing here looks at requests under way, holders or permissions: whatever they are, the same is done, written and
sent. The worker finds out later (`upkeep.receive`).
"""

import hmac
from datetime import datetime, timedelta

from django.db import transaction

from accounts.models import Mailbox
from bma_portal import audit, limits
from bma_portal.errors import Refusal
from support import mails, proofs, tokens
from support.door import door_for
from support.models import PasswordReset
from support.proofs import Prepared
from support.resets.common import CODE_MINUTES, CODE_TRIES, CODES_SENT, Path, Status, expect, locked

CODES_TO_ONE_ADDRESS = limits.Limit("code-destination", 5, 3600)


class TooMany(Refusal):
    """Asked too often; the message says what to do."""


def draft_hors_mode(
    mailbox: Mailbox, *, first_name: str, last_name: str, email: str, phone: str, proof: Prepared, at: datetime
) -> PasswordReset:
    """Keep what the form carried, unseen by the teams until its contact address is confirmed. Raises Refusal."""
    _refuse_wrong_door(mailbox, at=at)
    with transaction.atomic():
        reset = PasswordReset.objects.create(
            mailbox=mailbox,
            path=Path.HORS_MODE,
            status=Status.UNCONFIRMED,
            asked_at=at,
            first_name=first_name,
            last_name=last_name,
            email=email,
            phone=phone,
        )
        proofs.store(reset, proof, at=at)
        audit.record("reset.drafted", about=reset, at=at, by="visiteur")
    return reset


def amend_draft(
    reset: PasswordReset,
    *,
    mailbox: Mailbox,
    first_name: str,
    last_name: str,
    email: str,
    phone: str,
    proof: Prepared | None,
    at: datetime,
) -> None:
    """Change a draft before its address is confirmed; without `proof` the one already received stays."""
    _refuse_wrong_door(mailbox, at=at)
    with transaction.atomic():
        draft = locked(reset)
        _expect_draft(draft)
        if draft.email != email:
            draft.code_tries = 0
            draft.code_sent_at = None  # what was sent to the other address proves nothing of this one
            draft.code_serial += 1
        draft.mailbox, draft.first_name, draft.last_name = mailbox, first_name, last_name
        draft.email, draft.phone = email, phone
        draft.save(
            update_fields=[
                "mailbox", "first_name", "last_name", "email", "phone", "code_tries", "code_sent_at", "code_serial"
            ]
        )  # fmt: skip
        if proof is not None:
            proofs.store(draft, proof, at=at)


def _refuse_wrong_door(mailbox: Mailbox, *, at: datetime) -> None:
    door = door_for(mailbox, at=at)
    if door.kind not in {"hors_mode", "person"}:
        raise Refusal(door.sentence)


def _expect_draft(draft: PasswordReset) -> None:
    expect(draft, Status.UNCONFIRMED)
    if draft.confirmed_at:
        raise Refusal("Votre adresse est déjà confirmée : la demande est entre les mains d’une personne.")


def send_code(reset: PasswordReset, *, at: datetime) -> None:
    """Mail six digits to the contact address; a new mail makes the former's digits void.

    Raises TooMany when this request, or this address from any request, had its share.
    """
    if limits.exceeded_by(f"code:{_destination(reset.email)}", CODES_TO_ONE_ADDRESS):
        raise TooMany("Trop de codes ont été envoyés à cette adresse. Réessayez dans une heure.")
    with transaction.atomic():
        draft = locked(reset)
        _expect_draft(draft)
        if draft.code_serial >= CODES_SENT:
            raise TooMany("Trop de codes ont été demandés pour cette demande. Recommencez-la, ou appelez l’ETNIC.")
        draft.code_serial += 1
        draft.code_tries = 0
        draft.code_sent_at = at
        draft.save(update_fields=["code_serial", "code_tries", "code_sent_at"])
        mails.tell(mails.ContactCode(draft, recipient=draft.email), at=at)


def _destination(email: str) -> str:
    """Whose mailbox it is, for the limit: `Prenom+mot@exemple.be` is `prenom@exemple.be` (SEC-A5)."""
    name, _, domain = email.lower().rpartition("@")
    name = name.strip('"').partition("+")[0]
    return f"{name}@{domain}"


def confirm(reset: PasswordReset, *, code: str, at: datetime) -> None:
    """Confirm the contact address. What becomes of the request is decided later, by the worker.

    Raises Refusal when the code is wrong, too old, or was tried too often.
    """
    from support import tasks  # which calls this package: each needs the other at work, not at birth

    typed = "".join(sign for sign in code if sign in "0123456789")
    with transaction.atomic():
        draft = locked(reset)
        _expect_draft(draft)
        sent_at = draft.code_sent_at
        if sent_at is None or at >= sent_at + timedelta(minutes=CODE_MINUTES) or draft.code_tries >= CODE_TRIES:
            problem = "Ce code n’est plus valable : demandez-en un autre."
        elif not hmac.compare_digest(typed.encode(), tokens.contact_code(draft).reveal().encode()):
            draft.code_tries += 1
            draft.save(update_fields=["code_tries"])
            problem = "Ce n’est pas le code du dernier message. Vérifiez les six chiffres."
        else:
            problem = ""
            draft.confirmed_at = at
            draft.save(update_fields=["confirmed_at"])
            tasks.ring()
            audit.record("reset.confirmed", about=draft, at=at, by="visiteur")
    if problem:  # outside: the try counts
        raise Refusal(problem)
