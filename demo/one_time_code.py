"""The code that a telephone would show (RFC 6238), for the demo's published secret and for the tests."""

import base64
import hashlib
import hmac
import struct


def at(secret: str, moment: float) -> str:
    """Six digits, for thirty seconds."""
    key = base64.b32decode(secret, casefold=True)
    digest = hmac.new(key, struct.pack(">Q", int(moment) // 30), hashlib.sha1).digest()
    offset = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[offset : offset + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"
