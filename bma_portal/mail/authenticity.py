"""The code printed in each mail, by which anybody may ask whether it is ours (C16).

Sixty random bits: nobody guesses one, and it tells nothing by itself. It proves that a mail of ours left, not that the
mail in one's hands is that one: a copied code is answered with the sender and the day, which the reader compares.
"""

import secrets
import unicodedata
from datetime import datetime

from django.conf import settings

from bma_portal.mail.models import OutgoingMail

SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: none is taken for another
LENGTH, GROUP = 12, 4
_READ_AS = str.maketrans("OIL", "011")


def new_code() -> str:
    """Twelve signs in three groups: « 7K3M-0QXT-9ZAB »."""
    drawn = secrets.randbits(5 * LENGTH)  # five bits a sign
    return _grouped("".join(SIGNS[drawn >> 5 * n & 31] for n in range(LENGTH)))


def as_printed(typed: str) -> str:
    """The code as it is printed, however it was typed: case, spaces, dashes, O for 0. Empty if it cannot be one."""
    wide = unicodedata.normalize("NFKC", typed[:100]).upper()
    signs = "".join(sign for sign in wide if sign.isalnum()).translate(_READ_AS)
    return _grouped(signs) if len(signs) == LENGTH and set(signs) <= set(SIGNS) else ""


def look_up(code: str, *, at: datetime) -> OutgoingMail | None:
    """The mail of that printed code, if it had left by `at`; its sender and its moment, and nothing else of it."""
    sent = OutgoingMail.objects.filter(status=OutgoingMail.Status.SENT, sent_at__lte=at)
    return sent.only("sender", "sent_at").filter(code=code).first() if code else None


def page() -> str:
    """Where a code is looked up."""
    return f"{settings.PORTAL_URL}/authenticite/"


def sentence(code: str) -> str:
    """What the text part of a mail ends with."""
    return f"Ce mail vient-il bien de nous ? Vérifiez-le sur {page()} avec ce code : {code}"


def _grouped(signs: str) -> str:
    return "-".join(signs[start : start + GROUP] for start in range(0, len(signs), GROUP))
