"""Looking for a clear secret, however it is written down."""

import base64
import re

NEWLINES = re.compile(rb"=?\r?\n|\\r|\\n")


def forms(secret: str) -> dict[str, bytes]:
    """The ways in which a text may stand somewhere: whatever comes before and after it."""
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
        text = secret.encode(encoding)
        for shift in range(3):
            # Of what surrounds it, only the signs at the edges depend: they are left out.
            encoded = base64.b64encode(bytes(shift) + text)
            found[f"base64 {encoding} {shift}"] = encoded[-(-shift * 8 // 6) : (shift + len(text)) * 8 // 6]
    return found


def traces(secret: str, haystack: bytes) -> list[str]:
    """Under which forms this secret stands there, over line ends too."""
    joined = NEWLINES.sub(b"", haystack)
    return [name for name, needle in forms(secret).items() if needle in haystack or needle in joined]
