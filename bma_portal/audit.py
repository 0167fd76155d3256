"""The audit: who saw or did what, when, why, from where (D19, SEC-I1 to I7).

One line a deed, append-only, each line bound to the one before it by a keyed digest: an altered, added or missing
line is found by `verify()`. A line is written in the transaction of the deed, and before what it tells of leaves.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model

from bma_portal.models import AuditEntry, AuditHead

START = "0" * 64  # what the first line is bound to
PORTAL = "portail"  # who acts when no person does


@dataclass(frozen=True)
class Origin:
    """Where a deed comes from: the request under way, or a command."""

    address: str = ""
    request_id: str = ""
    actor: Any = None  # a User, or None


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  frozen


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Deeds recorded inside come from there, unless they say otherwise."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def record(
    action: str,
    *,
    at: datetime,
    about: Model | None = None,
    by: Any = None,
    why: str = "",
    result: str = "ok",
    details: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write one line in the caller's transaction. `action` is a dotted word such as `reset.shown`.

    `by` is a User, a name, or None for the person of the request under way, else the portal itself. `details` holds
    ids and outcomes, never a secret nor a proof. Whoever writes a line waits for the line before it to be committed:
    call it last in a transaction. Raises what the database raises: then the deed must not happen.
    """
    origin = _origin.get()
    actor = by if by is not None else origin.actor
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE bma_portal_audithead SET seq = seq + 1 WHERE id = 1 RETURNING seq, hash")
        seq, previous = cursor.fetchone()
        entry = AuditEntry(
            seq=seq,
            at=at.astimezone(UTC),
            actor=_name(actor),
            actor_id=getattr(actor, "pk", None),
            action=action,
            object_type=about._meta.label_lower if about is not None else "",
            object_id=str(about.pk) if about is not None else "",
            about=str(about)[:200] if about is not None else "",
            why=why[:1000],
            result=result,
            address=origin.address[:64],
            request_id=origin.request_id[:64],
            details=details or {},
            previous=previous,
        )
        cursor.execute("SELECT clock_timestamp()")
        entry.recorded_at = cursor.fetchone()[0]
        entry.hash = digest(entry, settings.SECRET_KEY)
        entry.save(force_insert=True)
        AuditHead.objects.filter(pk=1).update(hash=entry.hash)
    return entry


def _name(actor: Any) -> str:
    if actor is None:
        return PORTAL
    if isinstance(actor, str):
        return actor[:150]
    return actor.get_username()[:150]


def digest(entry: AuditEntry, key: str) -> str:
    """The keyed digest of a line, the line before it included."""
    facts = [
        entry.seq,
        entry.recorded_at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.actor,
        entry.actor_id,
        entry.action,
        entry.object_type,
        entry.object_id,
        entry.about,
        entry.why,
        entry.result,
        entry.address,
        entry.request_id,
        json.dumps(entry.details, sort_keys=True, ensure_ascii=False),
        entry.previous,
    ]
    message = json.dumps(facts, ensure_ascii=False).encode()
    return hmac.new(b"bma-audit|" + key.encode(), message, hashlib.sha256).hexdigest()
