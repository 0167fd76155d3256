"""`winmail.dat`: what Outlook locks its formatting and its attachments in, for programs that do not know it."""

import logging
import re
import struct
from dataclasses import dataclass, field

from tnefparse import TNEF
from tnefparse.properties import MAPI_ATTACH_CONTENT_ID, MAPI_ATTACH_LONG_FILENAME

from support.incoming.headers import bytes_to_text, plain

logging.getLogger("tnefparse").setLevel(logging.CRITICAL)  # it would quote what it reads

MOST_FILES = 20


@dataclass(frozen=True)
class Unpacked:
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    files: tuple[tuple[str, bytes, str], ...] = field(default=(), repr=False)  # name, content, Content-ID


def is_tnef(kind: str, name: str) -> bool:
    return kind in {"application/ms-tnef", "application/vnd.ms-tnef"} or name.lower() == "winmail.dat"


def unpack(data: bytes) -> Unpacked | None:
    """What is inside; None if it cannot be read."""
    try:
        tnef = TNEF(data, do_checksum=False)
        files = tuple(_file(attachment) for attachment in tnef.attachments[:MOST_FILES] if attachment.data)
        return Unpacked(_text(tnef.body), _text(tnef.htmlbody), files)
    except (
        ValueError, TypeError, KeyError, IndexError, AttributeError, struct.error, LookupError, OverflowError,
        UnboundLocalError, RecursionError, MemoryError, ArithmeticError, AssertionError,
    ):  # fmt: skip
        return None


def _file(attachment: object) -> tuple[str, bytes, str]:
    properties = {found.name: found.data for found in getattr(attachment, "mapi_attrs", [])}
    name = properties.get(MAPI_ATTACH_LONG_FILENAME) or getattr(attachment, "_name", b"")
    data = getattr(attachment, "data", b"")
    return _text(name), data if isinstance(data, bytes) else b"", _text(properties.get(MAPI_ATTACH_CONTENT_ID))


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        value = value[0] if value else ""
    if isinstance(value, bytes):
        wide = value[1::2].count(0) > len(value) // 4  # UTF-16, of which every other byte is empty
        value = value.decode("utf-16-le", "replace") if wide else bytes_to_text(value)
    return re.sub(r"\x00+$", "", plain(value, lines=True)) if isinstance(value, str) else ""
