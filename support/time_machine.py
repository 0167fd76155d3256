"""« Que voyait ce titulaire ? »: any mailbox, any moment, as its holder was told then; nothing is written (H2).

Facts bear their moments, so that most of it is the same functions asked about another moment. What has a status now
(a batch, a move) is put back as the log of states says it stood then. Dates of a batch are those of today: when they
moved, and from what, stands in that log too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from accounts.models import Contact, Mailbox
from accounts.perimeter import Perimeter
from bma_portal.errors import Refusal
from bma_portal.states import StateChange
from migration.models import Batch, Move
from support.contacts import contacts_on
from support.facts import facts_from
from support.needs import NEEDS, Need
from support.received import Received, received_by
from support.routing import Route, route, rules_on
from support.status import MailboxStatus, status_from


@dataclass(frozen=True)
class Answered:
    """What that holder was answered to one need; `asks`: it depends on answers, `route` is None then."""

    need: Need
    route: Route | None
    asks: str = ""


@dataclass(frozen=True)
class Seen:
    """All that the holder of a mailbox could see of its migration at a moment."""

    at: datetime
    status: MailboxStatus
    perimeter: Perimeter
    mails: list[Received]
    answers: list[Answered]
    contacts: dict[str, Contact | None]


def seen_by(mailbox: Mailbox, *, at: datetime) -> Seen:
    """In a fixed number of statements; `mailbox` comes with its organisation."""
    moves = moves_as_of(mailbox, at=at)
    status = status_from(mailbox, moves, at)
    facts = facts_from(status, at=at)
    rules, contacts = rules_on(at), contacts_on(at)
    answers = []
    for slug, need in NEEDS.items():
        try:
            answers.append(Answered(need, route(slug, facts, {}, at=at, rules=rules, contacts=contacts)))
        except Refusal as refusal:
            answers.append(Answered(need, None, str(refusal)))
    return Seen(at, status, facts.perimeter, received_by([mailbox], held=[], at=at)[mailbox.pk], answers, contacts)


def moves_as_of(mailbox: Mailbox, *, at: datetime) -> list[Move]:
    """Its moves, the latest first, they and their batches with the status of that moment. Never save them."""
    moves = list(Move.objects.filter(mailbox=mailbox).select_related("batch__campaign").order_by("-pk"))
    now = {move.batch_id: move.batch.status for move in moves}
    batches = _as_of(Batch, list(now), at)
    statuses = _as_of(Move, [move.pk for move in moves], at)
    paused = _paused_as_of([move.pk for move in moves], at)
    for move in moves:
        move.paused_at = paused.get(move.pk)
        move.batch.status = batches.get(move.batch_id, now[move.batch_id])
        # Cancelling a batch takes its moves along without a line for each
        swept = move.status == Move.Status.CANCELLED and now[move.batch_id] == Batch.Status.CANCELLED
        swept = swept and move.batch.status != Batch.Status.CANCELLED
        move.status = statuses.get(move.pk, Move.Status.PLANNED if swept else move.status)
    return moves


def _as_of(model: type[Batch] | type[Move], pks: Sequence[int], at: datetime) -> dict[int, str]:
    """By pk, the status that the first change after that moment found; those without a later change are left out."""
    values = list(model.Status.values)
    later = StateChange.objects.filter(
        Q(old__in=values), object_type=model._meta.label_lower, object_id__in=pks, at__gt=at
    )
    return dict(later.order_by("object_id", "at", "id").distinct("object_id").values_list("object_id", "old"))


def _paused_as_of(moves: Sequence[int], at: datetime) -> dict[int, datetime]:
    """By pk, since when each was suspended at that moment; those that were not are left out."""
    until_then = StateChange.objects.filter(
        object_type=Move._meta.label_lower, object_id__in=moves, new__in=["suspended", "resumed"], at__lte=at
    )
    last = until_then.order_by("object_id", "-at", "-id").distinct("object_id").values_list("object_id", "new", "at")
    return {pk: since for pk, new, since in last if new == "suspended"}
