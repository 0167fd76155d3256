"""Pages under a key of their own, itself sealed by the vault: how proofs and attachments are kept (SEC-E5, SEC-E8)."""

import base64
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bma_portal import vault
from bma_portal.secret import Secret
from support.models.sealed import SealedPages
from support.reading import Page


def seal(row: SealedPages, pages: list[Page]) -> None:
    """Put the pages in the row, unsaved. Call it where nothing is left of an exception."""
    key, nonce = AESGCM.generate_key(256), os.urandom(12)
    joined = b"".join(struct.pack("!I", len(page)) + page for page in pages)
    row.content = nonce + AESGCM(key).encrypt(nonce, joined, row.bound_to.encode())
    row.key = vault.seal(Secret(base64.b64encode(key).decode()), bound_to=row.bound_to)


def open_row(row: SealedPages) -> list[Page]:
    """Its pages. Raises VaultError if the row was altered, or its key is away."""
    key = base64.b64decode(vault.unseal(row.key, bound_to=row.bound_to).reveal())
    content = bytes(row.content)
    try:
        joined = AESGCM(key).decrypt(content[:12], content[12:], row.bound_to.encode())
    except (InvalidTag, ValueError):
        raise vault.VaultError("Cette copie ne s'ouvre pas : la ligne a été modifiée.") from None
    pages, at = [], 0
    while at < len(joined):
        (length,) = struct.unpack_from("!I", joined, at)
        pages.append(Page(joined[at + 4 : at + 4 + length]))
        at += 4 + length
    return pages
