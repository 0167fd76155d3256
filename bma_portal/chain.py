"""The chain of the audit: each line bound to the one before it by a keyed digest, and the reading that proves it.

What it proves and does not is told in docs/decisions.md, « Le journal d'audit ».
"""

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from bma_portal.models import AuditEntry, AuditHead

START = "0" * 64  # what the first line is bound to
CHUNK = 2000


class Mark(NamedTuple):
    """A line as somebody noted it elsewhere: its number and its digest."""

    seq: int
    hash: str


@dataclass(frozen=True)
class Checked:
    """What a reading of the chain found. `fault` says in French what is wrong, `line` where; else it is sound."""

    lines: int
    head: Mark
    fault: str = ""
    line: int | None = None

    @property
    def sound(self) -> bool:
        return not self.fault


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
    # A lone surrogate, which nothing of ours writes, must not stop whoever looks for what was altered.
    message = json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hmac.new(b"bma-audit|" + key.encode(), message, hashlib.sha256).hexdigest()


def verify(*, last: int | None = None, since: Mark | None = None, expect: Mark | None = None) -> Checked:
    """Read the chain again, from its first line to its head, and say where it is broken first.

    `last` reads the last so many lines only; `since` starts after a line noted elsewhere, whatever became of those
    before it; `expect` is a line noted elsewhere that must still be there: the end of the journal may have been cut
    off together with its head. Constant memory; lines written meanwhile are left to the next reading.
    """
    head = AuditHead.objects.filter(pk=1).first()
    if head is None:
        return Checked(0, Mark(0, ""), "La tête du journal a disparu.")
    reading = _Reading(Mark(head.seq, head.hash), expect)
    start = since
    if last is not None and head.seq - last > (since.seq if since else 0):
        start = _stored(head.seq - last)
        if start is None:
            return reading.broken(head.seq - last, f"La ligne {head.seq - last} manque.")
    elif since and (stored := _stored(since.seq)) and stored != since:
        return reading.broken(since.seq, f"La ligne {since.seq} n’est plus celle qui avait été notée.")
    if start:
        reading.at = start
    for entry in _lines(after=start.seq if start else None, to=head.seq):
        if fault := reading.next(entry):
            return reading.broken(*fault)
    if fault := reading.end():
        return reading.broken(*fault)
    return Checked(reading.lines, reading.at)


def _stored(seq: int) -> Mark | None:
    found = AuditEntry.objects.filter(seq=seq).values_list("seq", "hash").first()
    return Mark(*found) if found else None


def _lines(*, after: int | None, to: int) -> Iterator[AuditEntry]:
    """In their order, by chunks asked one after the other: a pooler may stand between, which keeps no cursor."""
    lines = AuditEntry.objects.filter(seq__lte=to).order_by("seq")
    while chunk := list((lines if after is None else lines.filter(seq__gt=after))[:CHUNK]):
        yield from chunk
        after = chunk[-1].seq


Fault = tuple[int, str]


class _Reading:
    """One walk along the chain: the line it stands on, and what the next one must be."""

    def __init__(self, head: Mark, expect: Mark | None) -> None:
        self.head = head
        self.expect = expect
        self.at = Mark(0, START)
        self.lines = 0
        self.keys = [str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]

    def broken(self, line: int, fault: str) -> Checked:
        return Checked(self.lines, self.head, fault, line)

    def next(self, entry: AuditEntry) -> Fault | None:
        wanted = self.at.seq + 1
        if entry.seq < wanted:
            return entry.seq, f"La ligne {entry.seq} n’a pas été écrite par le portail."
        if entry.seq > wanted:
            return wanted, f"La ligne {wanted} manque."
        if not any(hmac.compare_digest(entry.hash, digest(entry, key)) for key in self.keys):
            return entry.seq, f"La ligne {entry.seq} a été modifiée, ou n’a pas été écrite avec une clé du portail."
        if entry.previous != self.at.hash:
            return entry.seq, f"La ligne {entry.seq} ne suit pas celle qui la précède."
        if self.expect and entry.seq == self.expect.seq and entry.hash != self.expect.hash:
            return entry.seq, f"La ligne {entry.seq} n’est plus celle qui avait été notée."
        self.at = Mark(entry.seq, entry.hash)
        self.lines += 1
        return None

    def end(self) -> Fault | None:
        noted = max(self.at.seq, self.expect.seq if self.expect else 0)
        if self.at.seq < self.head.seq:
            return self.at.seq + 1, f"La ligne {self.at.seq + 1} manque : le journal va jusqu’à {self.head.seq}."
        if noted > self.head.seq:
            return self.head.seq + 1, (
                f"La fin du journal a été coupée : la ligne {noted} avait été notée, "
                f"il s’arrête à la ligne {self.head.seq}."
            )
        if self.at != self.head:
            return self.head.seq, f"La tête du journal ne correspond pas à sa dernière ligne ({self.head.seq})."
        with connection.cursor() as cursor:  # in one statement: others write meanwhile
            cursor.execute("""SELECT seq, (SELECT max(seq) FROM bma_portal_auditentry)
                              FROM bma_portal_audithead WHERE id = 1""")
            head, highest = cursor.fetchone() or (0, 0)
        if (highest or 0) > head:
            return head + 1, f"La ligne {head + 1} suit la tête du journal : le portail ne l’a pas écrite."
        return None
