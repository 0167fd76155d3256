"""What a person wrote, apart from what their mail program quotes under it.

The whole is never lost: whoever asks gets both parts, and where the cut is in doubt everything is the person's own.
"""

import re

from mailparser_reply.parser import EmailMessage

LOOKED_AT = 60_000  # signs of a text in which a quotation is looked for
_LINE = 300  # of a line: the patterns below must not wander

# What introduces a quotation, at the start of a line. Those of French Outlook and Exchange, Gmail, Apple, Thunderbird
# and Yahoo; of the same programs in English and Dutch, which schools have too.
_DAY = r"(?:lun|mar|mer|jeu|ven|sam|dim|mon|tue|wed|thu|fri|sat|sun|\d)"
_SAID = (
    rf"(?:Le|On|Op) {_DAY}[^\n]{{2,250}}(?:\n[^\n]{{0,160}})?(?:a\s+(?:écrit|ecrit)|wrote|schreef)[^\n]{{0,80}}[:：]",
    r"[^\n]{3,120}<[^<>\n]{3,120}> (?:a\s+écrit|wrote|schreef)\s?:",
)
_FIELDS = (
    r"\*?(?:De|From|Van)\s?\*?\s?:[^\n]{1,250}\n(?:[^\n]{0,250}\n){0,3}?"
    r"[> ]*\*?(?:Envoyé|Date|Sent|Verzonden|À|A|To|Aan)[^:\n]{0,12}:"
)
_RULES = (
    r"-{2,}\s?(?:Message d[’']origine|Message original|Message transféré|Message joint|Original Message|"
    r"Forwarded message)[^\n]{0,40}",
    r"(?:Début du message (?:réexpédié|transféré)|Begin forwarded message)\s?:",
    r"_{25,}\s*\n[> ]*\*?(?:De|From|Van)\s?\*?\s?:",
)
_START = re.compile(rf"^[> ]*(?:{'|'.join((*_SAID, _FIELDS, *_RULES))})", re.MULTILINE | re.IGNORECASE)
_LIBRARY = EmailMessage(text="", languages=["fr"]).HEADER_REGEX  # others that it knows
_FORWARDED = re.compile(r"transféré|réexpédié|forwarded|Message joint", re.IGNORECASE)
_PHONE = re.compile(
    r"^(?:Envoyé (?:de|depuis) (?:mon|ma|Outlook|l’app|l'app|Yahoo|Proximus)|Sent from (?:my|Outlook|Yahoo)|"
    r"Télécharger Outlook|Obtenir Outlook|Get Outlook|Verzonden vanaf mijn)[^\n]{0,80}$",
    re.IGNORECASE,
)
_HOUSE = re.compile(r"[ \t]*-- ?$")


def split(text: str) -> tuple[str, str]:
    """(what the person wrote, what is quoted); the second is empty where there is no quotation, or in doubt."""
    text = text.strip("\n")
    start = _start_of_quotation(text)
    own, quoted = (text[:start], text[start:]) if start is not None else (text, "")
    if start is not None and _is_forward(quoted) and not _words(own):
        return text.strip(), ""  # what is forwarded is what the person wants to say
    if quoted and _answers_inside(quoted):
        return text.strip(), ""
    own, more = _trailing_quotation(own)
    own = _without_phone_line(own).strip()
    if not _words(own):
        return text.strip(), ""
    return own, (more + quoted).strip()


def _start_of_quotation(text: str) -> int | None:
    """Where the first quotation is introduced; line by line cut short, so that no text takes more than its length."""
    seen = text[:LOOKED_AT]
    places = []
    if found := _START.search(seen):
        places.append(found.start())
    lines = seen.split("\n")
    if max(map(len, lines)) <= _LINE and (found := _LIBRARY.search(seen)):
        places.append(found.start())
    return min(places) if places else None


def _is_forward(quoted: str) -> bool:
    return bool(_FORWARDED.search(quoted[:80]))


def _answers_inside(quoted: str) -> bool:
    """Whether somebody wrote between or under the lines marked `>`: which words are whose cannot be told then."""
    lines = [line for line in quoted.split("\n")[1:] if line.strip()]
    marked = [line.lstrip().startswith(">") for line in lines]
    if sum(marked) < 2 or not any(marked):
        return False  # a quotation without marks, as Outlook makes them
    first = marked.index(True)
    after = [
        line for line, is_marked in zip(lines[first:], marked[first:], strict=True)
        if not is_marked and not _PHONE.match(line.strip()) and not _HOUSE.match(line)
    ]  # fmt: skip
    return bool(after)


def _trailing_quotation(own: str) -> tuple[str, str]:
    """Marked lines at the end, introduced by nothing. Marked lines elsewhere are answered: they stay."""
    lines = own.rstrip().split("\n")
    n = len(lines)
    while n and (not lines[n - 1].strip() or lines[n - 1].lstrip().startswith(">")):
        n -= 1
    if n == 0 or any(line.lstrip().startswith(">") for line in lines[:n]):
        return own, ""
    tail = "\n".join(lines[n:])
    return ("\n".join(lines[:n]), tail + "\n") if tail.strip() else (own, "")


def _without_phone_line(own: str) -> str:
    lines = own.rstrip().split("\n")
    while lines and (not lines[-1].strip() or _PHONE.match(lines[-1].strip()) or re.fullmatch(r"[_\- ]+", lines[-1])):
        lines.pop()
    return "\n".join(lines)


def _words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)
