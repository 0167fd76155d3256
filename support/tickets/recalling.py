"""An answer taken back before it left (F12).

For some seconds its mails wait, and the ticket keeps what it was before: nothing of it is told to the requester yet.
Whatever is done to the ticket meanwhile, by anybody, ends that: the answer stays and leaves in its time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import User
from bma_portal.errors import Refusal
from bma_portal.mail import recall as outbox
from bma_portal.mail.models import OutgoingMail
from support import attachments
from support.models import Attachment, Draft, Message, Ticket
from support.tickets.common import locked, log, name_of, save

LONGEST = 20_000  # of a draft
WHY = "réponse rappelée"
# What an answer changes of its ticket
FIELDS = (
    "status",
    "assignee_id",
    "acted_at",
    "first_answered_at",
    "asked_at",
    "held_since",
    "held_minutes",
    "held_minutes_team",
    "held_minutes_asked",
    "due_at",
    "due_for",
    "reminders",
    "reminded_at",
    "solved_at",
)
GONE = "Cette réponse est déjà rappelée : son texte est dans le brouillon de son auteur."
OVERTAKEN = "Cette demande a changé depuis votre réponse : elle ne se rappelle plus, et part."
ANOTHERS = "Seule la personne qui a répondu peut rappeler sa réponse."


def before_it(ticket: Ticket) -> dict[str, Any]:
    """A locked ticket as it is, before an answer."""
    values = {name: getattr(ticket, name) for name in FIELDS}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def may_be_recalled(
    messages: Sequence[Message], *, before: dict[str, Any], mails: Sequence[int], seconds: int
) -> dict[str, Any]:
    """What `Ticket.recall` holds. `messages`: the answer, then what else it told the requester."""
    return {
        "until": (messages[0].written_at + timedelta(seconds=seconds)).isoformat(),
        "by": messages[0].author_id,
        "messages": [message.pk for message in messages],
        "mails": list(mails),
        "before": before,
    }


def ends(held: dict[str, Any]) -> datetime:
    """When what `Ticket.recall` holds may not be recalled any more."""
    return datetime.fromisoformat(held["until"])


def recall(ticket: Ticket, *, message: int, by: User, typed: str = "", at: datetime) -> bool:
    """Take that answer back: its mails never leave, its text is its author's draft, the ticket is as it was before.

    `typed`: what its author was writing meanwhile, which goes after it. Returns whether files came with it: they are
    destroyed, and to be chosen again. Raises Refusal if it may have left, if it is another's, or if anything was done
    to the ticket since.
    """
    with transaction.atomic():
        row = locked(ticket)
        held = row.recall
        if not held or held["messages"][0] != message:
            raise Refusal(OVERTAKEN if Message.objects.filter(ticket=row, pk=message).exists() else GONE)
        if held["by"] != by.pk:
            raise Refusal(ANOTHERS)
        if at >= ends(held):
            raise Refusal(outbox.LEFT)
        addresses = sorted({to for found in _mails(held) for to in found})
        outbox.take_back(held["mails"])
        answer = Message.objects.get(pk=message)
        files = _without_files(answer, at=at)
        _back_in_draft(row, answer.text, typed, by=by, at=at)
        Message.objects.filter(pk__in=held["messages"]).delete()
        log(row, "réponse", f"à {', '.join(addresses)}" if addresses else "", "rappelée", by=by, at=at)
        _as_before(row, held["before"], by=by, at=at)
        save(row, at=at)
    return files


def as_told(ticket: Ticket, *, at: datetime) -> frozenset[int]:
    """Make of a ticket that is only read what its requester may know; the messages that they are not told yet."""
    held = ticket.recall
    if not held or at >= ends(held) or outbox.have_left(held["mails"]):
        return frozenset()
    for name, value in _values(held["before"]).items():
        setattr(ticket, name, value)
    return frozenset(held["messages"])


def _mails(held: dict[str, Any]) -> list[list[str]]:
    return list(OutgoingMail.objects.filter(pk__in=held["mails"]).values_list("to", flat=True))


def _values(before: dict[str, Any]) -> dict[str, Any]:
    moments = {name for name in FIELDS if name.endswith(("_at", "_since"))}
    return {name: datetime.fromisoformat(v) if v and name in moments else v for name, v in before.items()}


def _as_before(row: Ticket, before: dict[str, Any], *, by: User, at: datetime) -> None:
    values = _values(before)
    status = values.pop("status")
    if row.status != status:
        waits = {"held_since": values["held_since"], "due_at": None}
        row.move_to(status, by=name_of(by), at=at, note=WHY, **waits)
    if row.assignee_id != values["assignee_id"]:
        log(row, "suivie par", row.assignee, "", by=by, at=at, why=WHY)
    for name, value in values.items():
        setattr(row, name, value)


def _without_files(answer: Message, *, at: datetime) -> bool:
    """The audit keeps the line of each; whether there was one."""
    files = list(Attachment.objects.filter(message=answer).defer("content"))
    attachments.destroy(files, why=WHY, at=at)
    Attachment.objects.filter(message=answer).delete()
    return bool(files)


def _back_in_draft(row: Ticket, text: str, typed: str, *, by: User, at: datetime) -> None:
    kept = Draft.objects.filter(ticket=row, user=by).first()
    since = typed.strip() or (kept.text if kept else "")
    whole = f"{text}\n\n{since}" if since else text
    Draft.objects.update_or_create(ticket=row, user=by, defaults={"text": whole[:LONGEST], "saved_at": at})
