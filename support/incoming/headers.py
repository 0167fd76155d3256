"""The headers of a mail as anybody may have written them: decoded, on one line, bounded, never raising.

`email.policy.default` would parse them for us, but a hostile one costs it a RecursionError or seconds of work; the raw
headers of `compat32` are cut to a length first, then read here.
"""

import re
import unicodedata
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses

LONGEST = 2_000
IDS = 50  # of the References of one mail
_ID = re.compile(r"<[^<>\s]{1,250}>")
_WORD = re.compile(r"=\?[^?\s]{1,40}\?[bBqQ]\?[^?\s]{0,500}\?=")
_ADDRESS = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}")
# What moves, hides or breaks the text around it; a tab and a line break are left to the caller.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str, *, lines: bool = False) -> str:
    """As PostgreSQL keeps it and a person reads it: no NUL, no lone surrogate, no sign that hides the rest."""
    kept = "\n\t" if lines else ""
    text = text.replace("\r\n", "\n").replace("\r", "\n") if lines else text
    text = "".join(
        sign if sign in kept or (sign.isascii() and sign.isprintable()) or unicodedata.category(sign) not in _HIDDEN
        else (" " if sign in "\n\t\r" else "")
        for sign in text
    )  # fmt: skip
    return unicodedata.normalize("NFC", text)


def bytes_to_text(data: bytes, charset: str = "") -> str:
    """Text, whatever the charset claims: the one that is named if it fits, UTF-8, else Windows' own."""
    named = charset.strip().strip("\"'").lower()[:40]
    if named in {"iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii", "utf-7", "unicode-1-1-utf-7"}:
        named = ""  # what says Latin-1 is Windows-1252; UTF-7 hides markup, nobody writes it
    for encoding in (named, "utf-8"):
        if encoding:
            try:
                return data.decode(encoding)
            except (LookupError, UnicodeError, ValueError, AssertionError):
                continue
    return data.decode("cp1252", "replace")


def raw(message: Message, name: str) -> str:
    """The first header of that name, cut, its bytes kept as surrogates; empty if there is none."""
    return next(_all(message, name), "")


def _all(message: Message, name: str) -> Iterator[str]:
    for found, value in message.raw_items():
        if found.lower() == name:
            yield str(value)[:LONGEST]


def count(message: Message, name: str) -> int:
    return sum(1 for _ in _all(message, name))


def decoded(value: str) -> str:
    """A header's text: encoded words (RFC 2047) put together again, bytes outside ASCII understood."""
    if not value.isascii():
        try:
            value = bytes_to_text(value.encode("ascii", "surrogateescape"))
        except UnicodeEncodeError:  # decoded already, as the parameters of a part are
            value = value.encode("utf-8", "replace").decode("utf-8")
    value = re.sub(r"[\r\n\t]+", " ", value)
    if _WORD.search(value):
        try:
            pieces = decode_header(value)
        except (HeaderParseError, ValueError, LookupError):
            pieces = [(value, None)]
        value = "".join(p if isinstance(p, str) else bytes_to_text(p, charset or "") for p, charset in pieces)
    return re.sub(r"\s+", " ", plain(value)).strip()


def text_of(message: Message, name: str) -> str:
    return decoded(raw(message, name))


def ids_of(message: Message, name: str) -> list[str]:
    """The Message-IDs of a header, in their order, without their angle brackets."""
    return [found[1:-1] for found in _ID.findall(raw(message, name))[-IDS:]]


def addresses_of(message: Message, name: str) -> list[tuple[str, str]]:
    """(name, address in lower case) of each. An address that is none is left out.

    Read before the encoded words are decoded: a comma or a `<` inside one is a part of a name and no more.
    """
    try:
        pairs = getaddresses(list(_all(message, name)))
    except (RecursionError, ValueError, IndexError, TypeError):
        return []
    found = []
    for title, address in pairs:
        address = address.strip().lower()
        if len(address) <= 254 and _ADDRESS.fullmatch(address):
            found.append((decoded(title), address))
    return found


def author_of(message: Message) -> tuple[str, str]:
    """(name, address) of the one who says to have written. Two empty texts if several do, or nobody legible."""
    found = addresses_of(message, "from")
    if count(message, "from") != 1 or len({address for _, address in found}) != 1:
        return "", ""
    return found[0]
