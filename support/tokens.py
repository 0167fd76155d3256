"""The addresses and codes sent by mail: drawn from the key of the portal and the request, written down nowhere.

A mail that carries one is sensitive: rendered when it leaves, stored nowhere. A newer serial makes older ones void.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import uuid

from django.conf import settings

from bma_portal.secret import Secret
from support.models import PasswordReset, Ticket

SIGNS = "BCDFGHJKMNPQRSTVWXZ23456789"  # said on the phone: no vowel, none that sounds or looks like another
SPOKEN_LENGTH = 8
MAC_BYTES = 20


def _mac(purpose: str, reset: PasswordReset | Ticket, serial: int) -> bytes:
    message = f"{purpose}|{reset.public}|{serial}".encode()
    return hmac.new(b"bma-token|" + settings.SECRET_KEY.encode(), message, hashlib.sha256).digest()


def _address_part(purpose: str, reset: PasswordReset | Ticket, serial: int) -> Secret:
    raw = reset.public.bytes + _mac(purpose, reset, serial)[:MAC_BYTES]
    return Secret(base64.urlsafe_b64encode(raw).decode().rstrip("="))


def stop_token(reset: PasswordReset) -> Secret:
    """The end of the address that stops a request (160 bits)."""
    return _address_part("stop", reset, 0)


def pick_up_token(reset: PasswordReset) -> Secret:
    """The end of the address where the password is picked up (160 bits), void once a newer one was sent."""
    return _address_part("pickup", reset, reset.pickup_serial)


def _raw(token: str) -> bytes | None:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == 16 + MAC_BYTES else None


def find(purpose: str, token: str) -> PasswordReset | None:
    """The request that this token is of, or None. `purpose` is `stop` or `pickup`."""
    raw = _raw(token)
    if raw is None:
        return None
    reset = PasswordReset.objects.filter(public=uuid.UUID(bytes=raw[:16])).first()
    if reset is None:
        return None
    serial = reset.pickup_serial if purpose == "pickup" else 0
    return reset if hmac.compare_digest(raw[16:], _mac(purpose, reset, serial)[:MAC_BYTES]) else None


def opinion_token(ticket: Ticket) -> Secret:
    """The end of the address where an opinion is given, once (160 bits)."""
    return _address_part("opinion", ticket, 0)


def find_ticket(purpose: str, token: str) -> Ticket | None:
    """The ticket that this token is of, or None."""
    raw = _raw(token)
    ticket = Ticket.objects.filter(public=uuid.UUID(bytes=raw[:16])).defer("search").first() if raw else None
    if raw is None or ticket is None:
        return None
    return ticket if hmac.compare_digest(raw[16:], _mac(purpose, ticket, 0)[:MAC_BYTES]) else None


def contact_code(reset: PasswordReset) -> Secret:
    """Six digits that prove that the contact address is read; of the last mail only."""
    return _six_digits("contact", reset)


def follow_code(ticket: Ticket) -> Secret:
    """Six digits that open the follow-up of a ticket to whoever reads its address; of the last mail only."""
    return _six_digits("follow", ticket)


def _six_digits(purpose: str, about: PasswordReset | Ticket) -> Secret:
    number = int.from_bytes(_mac(purpose, about, about.code_serial)[:8], "big") % 1_000_000
    return Secret(f"{number:06d}")


def new_spoken_code() -> Secret:
    """Eight signs, said on the phone to the person who asks: 38 bits, three tries."""
    return Secret("".join(secrets.choice(SIGNS) for _ in range(SPOKEN_LENGTH)))


def spoken_digest(reset: PasswordReset, code: Secret) -> str:
    """What is kept of a spoken code: a keyed digest, bound to the request. Spaces, dashes and case do not count."""
    said = "".join(sign for sign in code.reveal().upper() if sign.isalnum())
    key = b"bma-spoken|" + settings.SECRET_KEY.encode()
    return hmac.new(key, f"{reset.public}|{said}".encode(), hashlib.sha256).hexdigest()
