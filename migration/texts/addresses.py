"""Which addresses a mail may lead to, and the misspellings of the documents that must reach nobody (K8)."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

PAGES = ("nouvelle_interface", "aide")  # the placeholders that are addresses
HOW = "une adresse est {nouvelle_interface}, {aide}, ou commence par https://, http://, mailto: ou tel:"
_HOST = re.compile(r"(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9.-]{4,253})")
_TEL = re.compile(r"\+?[0-9]{3,15}")

# Somebody else's domain, an address that is none, names that are not so written (domain.md §1)
SLIPS = (
    (re.compile(r"ethnic\.be", re.IGNORECASE), "l’adresse de l’ETNIC finit par « etnic.be », sans h"),
    (re.compile(r"www\.webmail@|webmail@adm\.", re.IGNORECASE), "« webmail@ » n’est pas l’adresse d’une page"),
    (re.compile(r"\bESAR[H]\b"), "« ESAHR » s’écrit ainsi"),
    (re.compile(r"\bSMA[L]2\b"), "« SMAIL2 » s’écrit ainsi"),
)


def fault_of_words(line: str) -> Iterator[str]:
    yield from (what for pattern, what in SLIPS if pattern.search(line))


def fault_of_address(address: str) -> str:
    """Why a link may not lead there; empty if it may."""
    if address.startswith("{"):
        return "" if address[1:-1] in PAGES and address.endswith("}") else f"{address} n’est pas une adresse : {HOW}"
    if re.search(r"[{}\s\\<>\"'`^|]|[^\x20-\x7e]", address):
        return f"l’adresse « {address[:80]} » contient un signe qui n’y va pas"
    scheme, _, rest = address.partition(":")
    match scheme.lower():
        case "http" | "https":
            return _of_page(address)
        case "mailto":
            found = _EMAIL.fullmatch(rest)
            return "" if found and _HOST.fullmatch(found[1].lower()) else f"« {rest[:80]} » n’est pas un courriel"
        case "tel":
            return "" if _TEL.fullmatch(rest) else f"« {rest[:80]} » n’est pas un téléphone (tel:+3228001010)"
    return f"« {address[:80]} » ne convient pas : {HOW}"


def _of_page(address: str) -> str:
    wrong = f"« {address[:80]} » n’est pas l’adresse d’une page"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return wrong
    if not address[len(parts.scheme) :].startswith("://") or "@" in parts.netloc or port == 0:
        return wrong
    return "" if _HOST.fullmatch((parts.hostname or "").lower()) else wrong
