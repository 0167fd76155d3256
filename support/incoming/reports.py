"""Reports on mails of ours: not delivered, delayed, delivered, read. In any language, and as Exchange writes them."""

import re
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum
from uuid import UUID

from support.incoming import headers
from support.incoming.bodies import bytes_of

OURS = re.compile(
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})@portail\.bma\.cfwb\.be", re.IGNORECASE
)
_KEY = re.compile(r"X-BMA-Key\s*:\s*([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,6}")
_FAILED = re.compile(
    r"^\s*(?:Non remis|Non[- ]distribu|Échec de (?:la )?(?:remise|distribution)|Remise impossible|Message non remis|"
    r"Undeliver|Delivery (?:has )?fail|Mail delivery failed|Returned mail|Delivery Status Notification \(Fail|"
    r"Notification (?:d[’']échec|de non[- ]remise)|Failure notice|Onbestelbaar)",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"^\s*(?:Remise différée|Retardé|Delayed|Delivery delayed|Warning: could not send)", re.IGNORECASE
)
_POSTMASTERS = ("postmaster@", "mailer-daemon@", "microsoftexchange")
_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
LOOKED_AT = 60_000


class Fate(StrEnum):
    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"  # or handed over to another server
    OTHER = "other"  # read, or deleted without being read
    UNKNOWN = "unknown"  # a report that does not say what became of it: a person looks


@dataclass(frozen=True)
class Report:
    """`keys`: which mails of ours it names. `recipients`: for whom; empty where it does not say.

    `code`: the enhanced status code, as 5.2.2; `words`: what the server said. Both may be empty.
    """

    fate: Fate
    keys: tuple[UUID, ...]
    recipients: tuple[str, ...]
    code: str = ""
    words: str = ""


def report_of(message: Message, *, text: str, author: str, subject: str) -> Report | None:
    """None if this mail is no report."""
    kind = message.get_content_type()
    if kind == "multipart/report":
        return _standard(message, text)
    if author.startswith(_POSTMASTERS) or (not author and headers.raw(message, "return-path").strip() == "<>"):
        if _FAILED.search(subject):
            keys, said = keys_in(_everything(message, text)), _recipients_in(text)
            return Report(_by_code(text), keys, said, _code_in(text))
        if _DELAYED.search(subject):
            return Report(Fate.DELAYED, keys_in(_everything(message, text)), (), _code_in(text))
    return None


def keys_in(text: str) -> tuple[UUID, ...]:
    """Our keys as they stand in a text: in our Message-IDs, or after the name of our header."""
    found = [*OURS.findall(text[:LOOKED_AT]), *_KEY.findall(text[:LOOKED_AT])]
    return tuple(dict.fromkeys(UUID(key) for key in found))


def _standard(message: Message, text: str) -> Report:
    """RFC 3464: one block for the mail, then one for each recipient."""
    fates: dict[str, list[str]] = {}
    said: dict[str, tuple[str, str]] = {}
    read = False
    for part in message.walk():
        read = read or part.get_content_type() == "message/disposition-notification"
        if part.get_content_type() in {"message/delivery-status", "message/global-delivery-status"}:
            blocks = part.get_payload()
            for block in blocks if isinstance(blocks, list) else []:
                if not isinstance(block, Message):
                    continue
                action = headers.text_of(block, "action").lower()
                status = headers.text_of(block, "status")
                if not action and not status:
                    continue
                names = [_after(headers.text_of(block, n)) for n in ("final-recipient", "original-recipient")]
                fate = _fate(action, status)
                fates.setdefault(fate, []).extend(name for name in names if name)
                words = _after(headers.text_of(block, "diagnostic-code"))
                said.setdefault(fate, (_code_in(status) or _code_in(words), " ".join(words.split())[:300]))
    keys = keys_in(_everything(message, text))
    for fate in (Fate.FAILED, Fate.DELAYED, Fate.DELIVERED):
        if fate in fates:
            return Report(fate, keys, tuple(dict.fromkeys(fates[fate])), *said[fate])
    return Report(Fate.OTHER if read else Fate.UNKNOWN, keys, ())


def _fate(action: str, status: str) -> Fate:
    if action == "failed" or (not action and status.startswith("5")):
        return Fate.FAILED
    if action == "delayed" or (not action and status.startswith("4")):
        return Fate.DELAYED
    if action in {"delivered", "relayed", "expanded"} or (not action and status.startswith("2")):
        return Fate.DELIVERED
    return Fate.UNKNOWN


def _code_in(text: str) -> str:
    """The enhanced status code (RFC 3463), such as 5.2.2."""
    found = _CODE.search(text[:LOOKED_AT])
    return found[0] if found else ""


def _after(field: str) -> str:
    """`rfc822;someone@example.org` → the address."""
    return field.rpartition(";")[2].strip().strip("<>").lower()


def _by_code(text: str) -> Fate:
    """Of a report without its standard part: what it quotes of the server's answer."""
    seen = text[:LOOKED_AT]
    if re.search(r"\b5\.\d{1,3}\.\d{1,3}\b|\b55\d\b", seen):
        return Fate.FAILED
    return Fate.DELAYED if re.search(r"\b4\.\d{1,3}\.\d{1,3}\b", seen) else Fate.FAILED


def _recipients_in(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.lower() for found in _ADDRESS.findall(text[:LOOKED_AT])))


def _everything(message: Message, text: str) -> str:
    """Where the names of the original may stand: its headers or itself, then the words of the report."""
    pieces = [headers.raw(message, name) for name in ("in-reply-to", "references", "x-bma-key")]
    key = headers.raw(message, "x-bma-key")
    pieces.append(f"X-BMA-Key: {key}" if key else "")
    for n, part in enumerate(message.walk()):
        if n > 50:
            break
        if part.get_content_type() in {"text/rfc822-headers", "message/rfc822", "text/rfc822-header"}:
            inner = part.get_payload()
            for block in inner if isinstance(inner, list) else []:
                if isinstance(block, Message):
                    pieces += [f"{name}: {value}"[:500] for name, value in block.raw_items()]
            if not isinstance(inner, list):
                pieces.append(headers.bytes_to_text(bytes_of(part)[:LOOKED_AT]))
    return "\n".join([*pieces, text])
