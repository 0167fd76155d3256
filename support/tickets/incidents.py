"""One fault, many mailboxes: an update reaches all, and all are solved together (F14)."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from accounts.models import User
from bma_portal.errors import Refusal
from support import canned, ticket_mails
from support.models import Incident, Message, Ticket
from support.tickets.common import Kind, Status, hold, index, locked, locked_rows, log, resume, save
from support.tickets.ending import open_items, solve_locked


def declare(*, team: str, title: str, text: str, need: str, by: User, at: datetime) -> Incident:
    if not title.strip() or not text.strip():
        raise Refusal("Donnez un titre et dites ce qui se passe : les personnes concernées le liront.")
    return Incident.objects.create(
        team=team, title=title.strip(), text=text.strip(), need=need, opened_by=by, opened_at=at
    )


def open_incidents(team: str) -> list[Incident]:
    """Those that a new report may belong to."""
    return list(Incident.objects.filter(team=team, status=Incident.Status.OPEN))


def join(ticket: Ticket, incident: Incident, *, by: User, version: int | None = None, at: datetime) -> Ticket:
    """This report is of that incident. Raises Refusal for another team's, or one that is solved."""
    with transaction.atomic():
        incident = Incident.objects.select_for_update(of=("self",)).get(pk=incident.pk)
        row = locked(ticket, version=version)
        if not row.is_live:
            raise Refusal("Une demande qui a pris fin ne rejoint plus un incident.")
        if incident.status != Incident.Status.OPEN or incident.team != row.team:
            raise Refusal("Cet incident est résolu, ou suivi par une autre équipe.")
        log(row, "incident", row.incident or "", incident, by=by, at=at)
        row.incident = incident
        save(row, at=at)
    return row


def leave(ticket: Ticket, *, by: User, version: int | None = None, at: datetime) -> Ticket:
    with transaction.atomic():
        row = locked(ticket, version=version)
        log(row, "incident", row.incident or "", "", by=by, at=at)
        row.incident = None
        if row.status == Status.WAITING:
            hold(row, by=by, at=at)  # nothing reminded its requester meanwhile: that begins now
        save(row, at=at)
    return row


def preview(incident: Incident, text: str, *, at: datetime) -> list[tuple[Ticket, str, list[str]]]:
    """What each requester would read: the ticket, the text with its variables filled, and those that are not."""
    found = []
    for ticket in _children(incident):
        filled = canned.fill(text, ticket, at=at)
        found.append((ticket, filled.text, filled.unresolved))
    return found


def update(incident: Incident, *, text: str, by: User, at: datetime) -> int:
    """Answer every ticket of the incident at once: all or none. Returns how many.

    The incident goes on: each is answered, in progress, and its requester owes nothing.
    Raises Refusal if a variable has no value for one of them.
    """
    if not text.strip():
        raise Refusal("Écrivez votre message.")
    with transaction.atomic():
        row = Incident.objects.select_for_update(of=("self",)).get(pk=incident.pk)
        if row.status != Incident.Status.OPEN:
            raise Refusal("Cet incident est déjà résolu.")
        tickets = _locked_children(row)
        for ticket in tickets:
            _say(ticket, text, by=by, at=at)
            _go_on(ticket, by=by, at=at)
            save(ticket, at=at)
    return len(tickets)


def solve_incident(incident: Incident, *, text: str, by: User, at: datetime) -> int:
    """Solve it and its tickets with a last word to each. One whose checklist is not done stops all."""
    if not text.strip():
        raise Refusal("Écrivez le dernier message aux personnes concernées.")
    with transaction.atomic():
        row = Incident.objects.select_for_update(of=("self",)).get(pk=incident.pk)
        if row.status != Incident.Status.OPEN:
            raise Refusal("Cet incident est déjà résolu.")
        tickets = _locked_children(row)
        if waiting := [ticket.reference for ticket in tickets if open_items(ticket)]:
            raise Refusal(f"Complétez d’abord la liste de ces demandes : {', '.join(waiting[:10])}.")
        for ticket in tickets:
            _say(ticket, text, by=by, at=at)
            solve_locked(ticket, by=by, at=at)
            save(ticket, at=at)
        row.move_to(Incident.Status.SOLVED, by=by.get_username(), at=at, solved_at=at)
    return len(tickets)


def _say(ticket: Ticket, text: str, *, by: User, at: datetime) -> None:
    filled = canned.fill(text, ticket, at=at)
    canned.refuse_unresolved(filled.text)
    message = Message.objects.create(
        ticket=ticket,
        kind=Kind.ANSWER,
        author=by,
        author_name=by.get_full_name() or by.get_username(),
        written_at=at,
        text=filled.text,
    )
    index(ticket, filled.text)
    ticket.first_answered_at = ticket.first_answered_at or at
    ticket.asked_at, ticket.held_minutes_asked = None, 0
    ticket_mails.tell_answer(ticket, message, at=at)


def _go_on(ticket: Ticket, *, by: User, at: datetime) -> None:
    """In progress, with whoever follows it; with whoever wrote, if nobody does."""
    if ticket.assignee_id is None:
        ticket.assignee = by
        log(ticket, "suivie par", "", by, by=by, at=at, why="a répondu")
    if ticket.status != Status.OPEN:
        resume(ticket, Status.OPEN, by=by, at=at)
    ticket.acted_at = at  # nobody leaves it aside while its incident is worked at


def _children(incident: Incident) -> Iterable[Ticket]:
    live = Ticket.objects.live().filter(incident=incident, team=incident.team)
    return live.select_related("mailbox__organisation").defer("search")


def _locked_children(incident: Incident) -> list[Ticket]:
    return locked_rows(Ticket.objects.live().filter(incident=incident, team=incident.team))
