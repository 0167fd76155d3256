"""From a FASE number to the address of its mailbox, and from what a person types to a number (S3 §1, K10).

An address follows from the number; it does not prove that the mailbox exists.
"""

import re
from typing import NamedTuple

from bma_portal.errors import Refusal

DOMAIN = "adm.cfwb.be"
EC, PO = KINDS = ("ec", "po")
# The same rule for Python (`re.fullmatch`) and for PostgreSQL's `~`.
ADDRESS_PATTERN = r"^(ec|po)(?!000000)[0-9]{6}@adm\.cfwb\.be$"

# Longer than anything that makes sense; 100 kB is refused before it is looked at.
_LONGEST = 64
_TYPED = re.compile(r"(?:(ec|po)-?)?([0-9]{1,6})(?:@adm\.cfwb\.be)?", re.ASCII | re.IGNORECASE)
_AROUND = "<>()[]‹›«»“”‘’\"'.,;:!"
_MAILTO = re.compile(r"\Amailto:", re.IGNORECASE)
_BEFORE = re.compile(r"\A(?:num[ée]ro|n[°ºo]|fase|[.:])+", re.IGNORECASE)
_EXPECTED = "Indiquez le numéro FASE, de 1 à 6 chiffres (par exemple 1234), ou l’adresse complète de la boîte."


class Parsed(NamedTuple):
    """What was typed. Without a prefix the kind is unknown: the same digits may be an establishment and a PO."""

    kind: str | None
    fase: int

    def __str__(self) -> str:
        return f"{self.kind or ''}{self.fase:06d}"


def address_of(kind: str, fase: int) -> str:
    """`ec` or `po`, six digits, the domain. It never changes, migrated or not."""
    if kind not in (EC, PO) or not 1 <= fase <= 999_999:
        raise ValueError(f"no address for {kind!r} {fase!r}")
    return f"{kind}{fase:06d}@{DOMAIN}"


def masked(address: str) -> str:
    """`ec001234@adm.cfwb.be` → `ec00••••@adm.cfwb.be`: enough to recognise one's own, too little to collect."""
    return f"{address[:4]}••••{address[8:]}"


def unwrapped(text: str) -> str:
    """Without what a sentence or a mail program puts around an address: « <…>. », « mailto: »."""
    return _MAILTO.sub("", text.strip(_AROUND))


def parse(text: str) -> Parsed:
    """Read a number or an address as people write them: `1234`, `00 1234`, `ec001234`, `EC001234@adm.cfwb.be`; with
    what was copied around it: `FASE 1234`, `n° 1234`, `<ec001234@adm.cfwb.be>.`

    Refuses anything but ASCII digits (`١٢٣` and `０１２` would be a second spelling of one mailbox), a line break,
    a control character, 0 and more than six digits.
    """
    if len(text) > _LONGEST:
        raise Refusal(f"Cette saisie est trop longue. {_EXPECTED}")
    compact = text.replace(" ", "").replace("\N{NO-BREAK SPACE}", "").replace("\N{NARROW NO-BREAK SPACE}", "")
    compact = _BEFORE.sub("", unwrapped(compact))
    if not compact:
        raise Refusal(_EXPECTED)
    match = _TYPED.fullmatch(compact)
    if match is None or ("@" in compact and match[1] is None):
        raise Refusal(f"{_why_not(compact)} {_EXPECTED}")
    if int(match[2]) == 0:
        raise Refusal(f"Le numéro FASE ne peut pas être 0. {_EXPECTED}")
    return Parsed(match[1].lower() if match[1] else None, int(match[2]))


def _why_not(compact: str) -> str:
    if any(char.isdigit() and not char.isascii() for char in compact):
        return "Ce numéro contient des chiffres d’une autre écriture."
    if not compact.isprintable():
        return "Cette saisie contient un saut de ligne ou un caractère invisible."
    if re.fullmatch(r"(ec|po)?[0-9]{7,}", compact, re.ASCII | re.IGNORECASE):
        return "Un numéro FASE compte six chiffres au plus."
    return "Ceci n’est pas un numéro FASE."
