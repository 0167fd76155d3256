"""The password on the screen of the one person entitled to it, once (D12, SEC-D1 to D6)."""

import hmac
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts import credentials, mode
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.secret import Secret
from support import tokens
from support.models import PasswordReset
from support.resets.common import SPOKEN_TRIES, Path, Status, close, end, expect, locked

WHY = "affiché à la personne qui l’a demandé"


class PickUpRefused(Refusal):
    """One sentence for an address that is unknown, used or too old, and for a wrong code (SEC-D5)."""

    def __init__(self) -> None:
        super().__init__(
            "Ce lien et ce code n’ouvrent rien. Vérifiez le code reçu par téléphone ; si le lien a déjà servi ou date "
            "de plus d’un jour, demandez-en un autre."
        )


def show(reset: PasswordReset, *, by: Any, at: datetime) -> Secret:
    """MODE: to the person who asked, if the permission still holds at this moment. Spent by the commit.

    Raises Refusal. The audit says « affiché », not « lu ».
    """
    with audit.refusals("reset.shown", at=at, about=reset, by=by), transaction.atomic():
        grant = mode.grant_for(by, reset.mailbox.organisation, at=at, lock=True)
        current = locked(reset)
        if current.requester_id != by.pk or current.path != Path.MODE:
            raise Refusal("Cette demande n’est pas la vôtre.")
        expect(current, Status.READY)
        if grant is None:
            raise Refusal("Votre permission a pris fin : le mot de passe ne peut plus vous être affiché.")
        return _reveal(current, by=by, at=at)


def pick_up(token: str, *, code: str, at: datetime) -> Secret:
    """Hors MODE: with the link that was mailed and the code said on the phone. Three wrong codes end the request.

    Raises PickUpRefused, the same for everything that does not open.
    """
    found = tokens.find("pickup", token)
    if found is None:
        raise PickUpRefused
    secret = None
    with transaction.atomic():
        current = locked(found)
        expires_at = current.pickup_expires_at
        live = current.status == Status.READY and expires_at is not None and at < expires_at
        if live and tokens.find("pickup", token):  # a newer link may have been sent while we waited for the lock
            digest = tokens.spoken_digest(current, Secret(code))
            if hmac.compare_digest(digest, current.pickup_code):
                try:
                    secret = _reveal(current, by=f"porteur de {current.reference}", at=at)
                except Refusal:  # replaced since: nothing was written, and `settle` ends the request
                    raise PickUpRefused from None
            else:
                current.pickup_tries += 1
                current.save(update_fields=["pickup_tries"])
                if current.pickup_tries >= SPOKEN_TRIES:
                    close(current, by="portail", why="trois codes de retrait faux", at=at)
                else:
                    audit.record("reset.shown", about=current, by="visiteur", result="refused", why="code faux", at=at)
    if secret is None:  # outside: the try counts
        raise PickUpRefused
    return secret


def _reveal(reset: PasswordReset, *, by: Any, at: datetime) -> Secret:
    """Inside the transaction that holds the request: unseal, destroy, move, and write it down before it leaves."""
    if reset.credential is None:
        raise Refusal("Aucun mot de passe n’attend pour cette demande.")
    secret = credentials.reveal_once(reset.credential, why=WHY, at=at)
    name = by if isinstance(by, str) else by.get_username()
    end(reset, Status.SHOWN, by=name, why=WHY, at=at, shown_at=at)
    audit.record("reset.shown", about=reset, by=by, at=at)
    return secret
