"""Secrets at rest: AES-256-GCM under keys that live outside the database.

`BMA_VAULT_KEYS` is `id:key,id:key…`, each key 32 bytes in base64; the first one seals, all of them open. A sealed
text names its key and is bound to its row (`bound_to` is authenticated): moved to another row, it does not open.
"""

import base64
import binascii
import os
import re
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from bma_portal.secret import Secret

KEY_ID = re.compile(r"[a-z0-9-]{1,20}", re.ASCII)


class VaultError(Exception):
    """A key is missing or wrong, or the sealed text was altered. The message is French and holds no secret."""


class KeyMissing(VaultError):
    """The sealed text names a key that BMA_VAULT_KEYS does not hold."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"Le coffre n'a pas la clé « {key_id[:20]} » : vérifiez BMA_VAULT_KEYS.")
        self.key_id = key_id


def parse_keys(text: str) -> dict[str, AESGCM]:
    """Keys by id, the sealing one first. Raises VaultError, without quoting what it read."""
    keys: dict[str, AESGCM] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key_id, _, encoded = part.partition(":")
        if not KEY_ID.fullmatch(key_id) or key_id in keys:
            raise VaultError("BMA_VAULT_KEYS : chaque clé s'écrit identifiant:clé, chaque identifiant une seule fois.")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise VaultError(f"BMA_VAULT_KEYS : la clé « {key_id} » n'est pas du base64.") from None
        if len(raw) != 32:
            raise VaultError(f"BMA_VAULT_KEYS : la clé « {key_id} » doit faire 32 octets.")
        keys[key_id] = AESGCM(raw)
    if not keys:
        raise VaultError("BMA_VAULT_KEYS est vide : le coffre n'a pas de clé.")
    return keys


@lru_cache(maxsize=4)
def _keys(text: str) -> dict[str, AESGCM]:
    return parse_keys(text)


CANARY = "coffre"


def verify(*, after: VaultError | None = None) -> None:
    """Check every key against what it sealed the first time it was seen. Raises VaultError if one is not the same.

    `after` is what a row answered: raised again if it asks for a key that we had once and have no more. If nothing
    is raised, that row alone is at fault.
    """
    from bma_portal.models import VaultKey

    known = dict(VaultKey.objects.values_list("key_id", "canary"))
    if isinstance(after, KeyMissing) and after.key_id in known:
        raise after
    for key_id in _keys(settings.BMA_VAULT_KEYS):
        if key_id not in known:
            VaultKey.objects.get_or_create(key_id=key_id, defaults={"canary": _seal(key_id, Secret(CANARY), "canary")})
        elif unseal(known[key_id], bound_to="canary").reveal() != CANARY:
            raise VaultError(f"La clé « {key_id} » n'est pas la bonne.")


def current_key_id() -> str:
    """The id of the key that seals today."""
    return next(iter(_keys(settings.BMA_VAULT_KEYS)))


def seal(clear: Secret, *, bound_to: str) -> str:
    """Encrypt with the first key, for one row only."""
    return _seal(current_key_id(), clear, bound_to)


def _seal(key_id: str, clear: Secret, bound_to: str) -> str:
    nonce = os.urandom(12)
    associated = f"{key_id}|{bound_to}".encode()
    sealed = _keys(settings.BMA_VAULT_KEYS)[key_id].encrypt(nonce, clear.reveal().encode(), associated)
    return f"{key_id}.{base64.b64encode(nonce + sealed).decode()}"


def unseal(sealed: str, *, bound_to: str) -> Secret:
    """Raises VaultError if the key is unknown or wrong, or if the text was sealed for another row."""
    key_id, _, encoded = sealed.partition(".")
    key = _keys(settings.BMA_VAULT_KEYS).get(key_id)
    if key is None:
        raise KeyMissing(key_id)
    try:
        raw = base64.b64decode(encoded, validate=True)
        clear = key.decrypt(raw[:12], raw[12:], f"{key_id}|{bound_to}".encode())
    except (InvalidTag, binascii.Error, ValueError):
        raise VaultError(
            f"Un secret scellé par la clé « {key_id} » ne s'ouvre pas : la clé n'est pas la bonne, "
            "ou la ligne a été modifiée."
        ) from None
    return Secret(clear.decode())
