"""The audit: who saw or did what, when, why, from where (D19, SEC-I1 to I7).

One line a deed, append-only, each line bound to the one before it by a keyed digest: an altered, added or missing
line is found by `verify()`. A line is written in the transaction of the deed, and before what it tells of leaves.
A deed that was refused left no transaction: its line is written after it, by `refusals()`.
"""

import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Model

from bma_portal.chain import START, Checked, Mark, digest, verify
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from bma_portal.origin import Origin, coming_from, current

__all__ = ["START", "Checked", "Mark", "Origin", "Thing", "Unavailable"]
__all__ += ["coming_from", "digest", "record", "refusals", "verify"]

log = logging.getLogger(__name__)
anchor = logging.getLogger("bma.audit")  # goes to the machine's journal: what the chain is compared with (docs)

PORTAL = "portail"  # who acts when no person does
VISITOR = "visiteur"  # a person who did not sign in
REFUSED = "refused"
# A transaction that forgot to end keeps the head: pages that write a line then say 503, the others go on.
WAIT = "5s"

# Openings of what is personal: that many by one person within an hour is told once (SEC-I7).
READINGS = ("sheet.viewed", "mail.viewed", "proof.viewed", "reset.viewed", "attachment.viewed")
UNUSUAL = 100
WITHIN = "1 hour"
ALARM, PERSON = "reading.unusual", "accounts.user"


class Unavailable(OperationalError):
    """The line cannot be written: the deed must not happen, nor what it would show be shown. Gives the 503 page."""


@dataclass(frozen=True)
class Thing:
    """What a line is about when there is no row to name it by any more, or not yet."""

    kind: str
    id: str
    text: str = ""


def record(
    action: str,
    *,
    at: datetime,
    about: Model | Thing | None = None,
    by: Any = None,
    why: str = "",
    result: str = "ok",
    details: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write one line in the caller's transaction. `action` is a dotted word such as `reset.shown`.

    `by` is a User, a name, or None for the person of the request under way, else the portal itself. `details` holds
    ids and outcomes, never a secret nor a proof. Whoever writes a line waits for the line before it to be committed:
    call it last in a transaction. Raises Unavailable: then the deed must not happen.
    """
    origin = current()
    actor = _actor(by)
    thing = _thing(about)
    entry = AuditEntry(
        at=at.astimezone(UTC),
        actor=_text(_name(actor), 150),
        actor_id=getattr(actor, "pk", None),
        action=_text(action, 60),
        object_type=_text(thing.kind, 80),
        object_id=_text(thing.id, 64),
        about=_text(thing.text, 200),
        why=_text(why, 1000),
        result=_text(result, 40),
        address=_text(origin.address, 64),
        request_id=_text(origin.request_id, 64),
        details=_plain(details or {}),
    )
    try:
        with transaction.atomic():
            unusual = action in READINGS and _is_unusual(entry)
            _append(entry)
            if unusual:
                _alarm(entry)
    except DatabaseError as error:
        log.error("ligne d’audit impossible", extra={"objet": action, "code": type(error).__name__})
        raise Unavailable("Le journal d’audit ne répond pas : rien n’a été fait.") from error
    return entry


@contextmanager
def refusals(
    action: str,
    *,
    at: datetime,
    about: Model | Thing | None = None,
    by: Any = None,
    details: dict[str, Any] | None = None,
) -> Iterator[None]:
    """A Refusal that passes through leaves a line, `refused`, with its sentence: what was tried and came to nothing.

    Stands at the edge, around the use case and its transaction, which is rolled back by then: RuntimeError at once if
    it stands inside one, for the line would go with it. A double click refused twice is two lines.
    """
    with transaction.atomic(durable=True):
        pass  # says now, and not on the day of the first refusal, that this is inside a transaction; sends nothing
    try:
        yield
    except Refusal as refusal:
        record(action, at=at, about=about, by=by, why=str(refusal), result=REFUSED, details=details)
        raise


def _append(entry: AuditEntry) -> None:
    """Bind the line to the last one and write it; the database moves the head along, and refuses any other order.

    The head stays locked until the transaction ends. Whoever waits reads it again once it is free, so that under
    READ COMMITTED each line follows the last one committed, and a line rolled back leaves no gap.
    """
    with connection.cursor() as cursor:
        # From here to its end the transaction waits no longer than that for any lock.
        cursor.execute(
            """SET LOCAL lock_timeout = %s;
               WITH head AS MATERIALIZED (SELECT seq, hash FROM bma_portal_audithead WHERE id = 1 FOR UPDATE)
               SELECT seq, hash, clock_timestamp() FROM head""",
            [WAIT],
        )
        row = cursor.fetchone()
    if row is None:
        raise DatabaseError("the audit has no head")
    seq, entry.previous, entry.recorded_at = row
    entry.seq = seq + 1
    entry.hash = digest(entry, settings.SECRET_KEY)
    entry.save(force_insert=True)
    seen = {"id": entry.seq, "empreinte": entry.hash}
    transaction.on_commit(lambda: anchor.info("ligne d’audit", extra=seen), robust=True)


def _is_unusual(entry: AuditEntry) -> bool:
    """Whether this opening is one too many, and nobody was told within the hour."""
    if entry.actor_id is None:
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH hour AS (SELECT clock_timestamp() - %(within)s::interval AS start)
               SELECT coalesce((SELECT recorded_at FROM bma_portal_auditentry
                                WHERE actor_id = %(who)s AND action = ANY(%(readings)s)
                                ORDER BY seq DESC OFFSET %(before)s LIMIT 1) > start, false)
                      AND NOT EXISTS (SELECT FROM bma_portal_auditentry
                                      WHERE object_type = %(kind)s AND object_id = %(who)s::text
                                        AND action = %(alarm)s AND recorded_at > start)
               FROM hour""",
            {
                "within": WITHIN,
                "who": entry.actor_id,
                "readings": list(READINGS),
                "before": UNUSUAL - 2,
                "kind": PERSON,
                "alarm": ALARM,
            },
        )
        return cursor.fetchone()[0]


def _alarm(entry: AuditEntry) -> None:
    alarm = AuditEntry(
        at=entry.at,
        actor=PORTAL,
        action=ALARM,
        object_type=PERSON,
        object_id=str(entry.actor_id),
        about=entry.actor,
        why=f"{UNUSUAL} ouvertures de fiches ou de preuves en une heure.",
        address=entry.address,
        request_id=entry.request_id,
    )
    _append(alarm)
    seen = {"id": entry.actor_id, "nombre": UNUSUAL}
    transaction.on_commit(lambda: log.error("lecture inhabituelle", extra=seen), robust=True)


# What is written of whom and of what


def _actor(by: Any) -> Any:
    here = current().actor
    if by is None:
        return here
    if isinstance(by, str) and here is not None:
        if isinstance(here, str):
            return f"{by} ({here})"  # whom a command was told that it acts for
        if hasattr(here, "get_username") and here.get_username() == by:
            return here
    return by


def _name(actor: Any) -> str:
    if isinstance(actor, str):
        return actor
    if hasattr(actor, "get_username"):
        return actor.get_username() or VISITOR
    return PORTAL


def _thing(about: Model | Thing | None) -> Thing:
    if about is None:
        return Thing("", "")
    if isinstance(about, Thing):
        return about
    return Thing(about._meta.label_lower, str(about.pk), str(about))


def _text(value: Any, longest: int) -> str:
    """As PostgreSQL keeps it and as an auditor can read it: no sign that hides, moves or breaks what is around it."""
    hidden = {"Cc", "Cf", "Cs"}
    text = str(value)[:longest]
    kept = (sign if sign in "\n\t" or unicodedata.category(sign) not in hidden else "�" for sign in text)
    return "".join(kept)


def _plain(value: Any) -> Any:
    """As it comes back from the database, to the letter: else the digest of the line would not. A Secret refuses."""
    if isinstance(value, dict):
        return {_text(key, 60): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return _text(value, 1000)
