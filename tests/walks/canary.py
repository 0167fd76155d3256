"""Looking for a clear secret, however it is written down."""

import base64
import re

NEWLINES = re.compile(rb"=?\r?\n|\\r|\\n")


def forms(secret: str | bytes) -> dict[str, bytes]:
    """The ways in which a text, or bytes, may stand somewhere: whatever comes before and after."""
    if isinstance(secret, bytes):
        return forms_of_bytes(secret)
    raw = secret.encode()
    found = {
        "clair": raw,
        "sans tirets": secret.replace("-", "").encode(),
        "hexadécimal": raw.hex().encode(),
        "HEXADÉCIMAL": raw.hex().upper().encode(),
        "URL": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "url": "".join(f"%{byte:02x}" for byte in raw).encode(),
        "UTF-16LE": secret.encode("utf-16-le"),
        "UTF-16BE": secret.encode("utf-16-be"),
    }
    for encoding in ("utf-8", "utf-16-le"):
        found |= {f"base64 {encoding} {n}": form for n, form in enumerate(in_base64(secret.encode(encoding)))}
    return found


def forms_of_bytes(raw: bytes) -> dict[str, bytes]:
    """As they are, in hexadecimal (PostgreSQL), in base64, as Python prints them, in JSON or not."""
    printed = repr(raw)[2:-1].encode()
    found = {"clair": raw, "hexadécimal": raw.hex().encode(), "HEXADÉCIMAL": raw.hex().upper().encode()}
    found |= {"imprimé": printed, "imprimé en JSON": printed.replace(b"\\", b"\\\\")}
    return found | {f"base64 {n}": form for n, form in enumerate(in_base64(raw))}


def in_base64(text: bytes) -> list[bytes]:
    """By its place in the groups of three. Of what surrounds it, only the signs at the edges depend: left out."""
    encoded = [base64.b64encode(bytes(shift) + text) for shift in range(3)]
    return [found[-(-n * 8 // 6) : (n + len(text)) * 8 // 6] for n, found in enumerate(encoded)]


def traces(secret: str | bytes, haystack: bytes) -> list[str]:
    """Under which forms this secret stands there, over line ends too."""
    joined = NEWLINES.sub(b"", haystack)
    return [name for name, needle in forms(secret).items() if needle in haystack or needle in joined]
