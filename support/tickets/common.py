"""What the deeds about a ticket share: locking it, the trace of a change, its clock, what a search finds it by."""

from datetime import datetime, time
from typing import Any

from django.db import connection
from django.db.models.query import QuerySet

from accounts.contacts import contact_of
from accounts.models import Contact, User
from accounts.words import fold
from bma_portal import kept
from bma_portal.errors import Refusal
from support import sla
from support.models import Message, Team, Ticket, TicketChange

Status = Ticket.Status
Kind = Message.Kind

PORTAL = "portail"
REQUESTER = "demandeur"  # in what is kept for ever; their name is in their messages, which are not
REOPEN_DAYS = (
    10  # a solved ticket that is written to again goes back to whoever followed it; later, a linked one (F21)
)
REMIND_WORKING_DAYS = (3, 6)  # while the holder is waited for
CLOSE_WORKING_DAYS = 10
SEARCHED_SIGNS = 20_000  # of one message
INDEXED_BYTES = 700_000  # of one ticket: PostgreSQL refuses more than a megabyte, and the message with it
CONFIG = "french"  # how words are cut, on both sides; they are folded first, so accents do not count

Actor = User | str  # a person, or a name: the portal, a team that writes by mail


class Stale(Refusal):
    """Somebody changed the ticket since the page was read: nothing was done, nothing typed is lost (F12)."""

    def __init__(self, ticket: Ticket) -> None:
        super().__init__(
            "Cette demande a changé pendant que vous écriviez. Relisez ce qui est nouveau, puis envoyez à nouveau : "
            "votre texte est gardé."
        )
        self.ticket = ticket


def locked(ticket: Ticket, *, version: int | None = None) -> Ticket:
    """The same ticket as the database has it now, locked until the transaction ends. Raises Stale."""
    row = locked_rows(Ticket.objects.filter(pk=ticket.pk))[0]
    if version is not None and row.version != version:
        raise Stale(row)
    return row


def locked_rows(tickets: "QuerySet[Ticket]") -> list[Ticket]:
    """Several, always in the order of their ids."""
    rows = tickets.select_for_update(of=("self",)).select_related(
        "mailbox__organisation", "assignee", "user", "rule", "incident"
    )
    return list(rows.defer("search").order_by("pk"))


def joined_by(ticket: Ticket, address: str) -> Ticket | None:
    """The ticket of that second requester, which was joined to this one; None if they are told of it no more."""
    if address.lower() not in {copy.lower() for copy in ticket.copies}:
        return None
    return Ticket.objects.filter(merged_into=ticket, email__iexact=address).defer("search").order_by("pk").first()


def expect_live(ticket: Ticket) -> None:
    if not ticket.is_live:
        raise Refusal(f"Cette demande est {ticket.get_status_display()} : rien ne s’y ajoute plus.")


def name_of(by: Actor) -> str:
    return by if isinstance(by, str) else (by.get_full_name() or by.get_username())


def person(by: Actor) -> User | None:
    return None if isinstance(by, str) else by


def log(
    ticket: Ticket, field: str, old: Any, new: Any, *, by: Actor, at: datetime, why: str = "", **more: Any
) -> None:
    """One line of the ticket's history (F13)."""
    TicketChange.objects.create(
        ticket=ticket,
        at=at,
        by=person(by),
        by_name=name_of(by),
        field=field,
        old=str(old),
        new=str(new),
        why=why,
        **more,
    )


# The clock


def team_row(team: str) -> Team | None:
    rows = kept.rows(Team)
    if rows is None:
        return Team.objects.filter(pk=team).first()
    return next((row for row in rows if row.pk == team), None)


def targets_of(team: str, *, at: datetime) -> sla.Targets:
    """What that team promises, on its hours of that day (its Contact's, else its own)."""
    row = team_row(team) or Team(code=team)
    opens, closes = row.opens_at, row.closes_at
    try:
        contact = contact_of(team, at)
        if contact.opens_at and contact.closes_at:
            opens, closes = contact.opens_at, contact.closes_at
    except Contact.DoesNotExist:
        pass
    hours = sla.Hours(_time(opens), _time(closes))
    return sla.Targets(row.first_minutes, row.next_minutes, row.solve_minutes, row.warn_minutes, hours)


def _time(value: time | str) -> time:
    return time.fromisoformat(value) if isinstance(value, str) else value


def clock_of(ticket: Ticket) -> sla.Clock:
    return sla.Clock(
        opened_at=ticket.opened_at,
        team_since=ticket.team_since,
        asked_at=ticket.asked_at,
        first_answered=ticket.first_answered_at is not None,
        held=ticket.held_minutes,
        held_team=ticket.held_minutes_team,
        held_asked=ticket.held_minutes_asked,
        urgent=ticket.priority == Ticket.Priority.URGENT,
    )


def reckon(ticket: Ticket, targets: sla.Targets) -> None:
    """Set the deadline of an unsaved ticket from its moments; none while it waits, nor once it is solved."""
    if ticket.status in {Status.NEW, Status.OPEN}:
        deadline = sla.nearest(clock_of(ticket), targets)
        ticket.due_at, ticket.due_for, ticket.warn_at = deadline.at, deadline.kind, deadline.warn_at
    else:
        ticket.due_at, ticket.due_for, ticket.warn_at = None, "", None


def save(
    ticket: Ticket, *, at: datetime, targets: sla.Targets | None = None, recall: dict[str, Any] | None = None
) -> None:
    """Write a locked ticket after a deed: its version grows, its deadline follows.

    `recall`: how to undo an answer (`recalling`); any other deed ends that of the one before.
    """
    ticket.recall = recall
    reckon(ticket, targets or targets_of(ticket.team, at=at))
    ticket.version += 1
    ticket.updated_at = at
    fields = [f.name for f in Ticket._meta.concrete_fields if f.name not in {"id", "search", "status"}]
    ticket.save(update_fields=fields)


def hold(ticket: Ticket, *, by: Actor, at: datetime) -> None:
    """Stop the clock of a locked ticket: the holder's turn. One that waits already begins to wait anew."""
    if ticket.status == Status.WAITING:
        _add_wait(ticket, at=at)
        ticket.held_since = at
    else:
        ticket.move_to(Status.WAITING, by=name_of(by), at=at, held_since=at, due_at=None)
    ticket.reminders, ticket.reminded_at = 0, None


def resume(ticket: Ticket, status: str, *, by: Actor, at: datetime, note: str = "", **facts: Any) -> None:
    """Move a locked ticket on; the time its clock stood still is added to each of its deadlines (F4)."""
    _add_wait(ticket, at=at)
    ticket.held_since = None
    if status == Status.OPEN:
        facts["assignee_id"] = ticket.assignee_id
        ticket.acted_at = at  # nobody left it aside while there was nothing to do
    ticket.move_to(status, by=name_of(by), at=at, note=note, held_since=None, **facts)


def reopen_locked(ticket: Ticket, *, by: Actor, at: datetime, note: str) -> None:
    """A solved ticket goes on, with whoever followed it, else among those to take; its clock stood still meanwhile."""
    if ticket.solved_at is not None:
        _stood_still(ticket, since=ticket.solved_at, at=at)
    ticket.reopened += 1
    ticket.solved_at = None
    ask(ticket, at=at)
    resume(ticket, Status.OPEN if ticket.assignee_id else Status.NEW, by=by, at=at, note=note)


def ask(ticket: Ticket, *, at: datetime) -> None:
    """The requester waits for an answer from now on: a target of its own, of which nothing was said yet."""
    ticket.asked_at, ticket.held_minutes_asked = at, 0
    ticket.alerts = [alert for alert in ticket.alerts if not alert.endswith(":next")]


def _add_wait(ticket: Ticket, *, at: datetime) -> None:
    if ticket.held_since is not None:
        _stood_still(ticket, since=ticket.held_since, at=at)


def _stood_still(ticket: Ticket, *, since: datetime, at: datetime) -> None:
    waited = sla.between(since, at, targets_of(ticket.team, at=at).hours)
    ticket.held_minutes += waited
    ticket.held_minutes_team += waited
    ticket.held_minutes_asked += waited


# What a search finds it by


def index(ticket: Ticket, text: str) -> None:
    """Add these words to what the ticket is found by, as long as there is room."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE support_ticket SET search = coalesce(search, ''::tsvector) || to_tsvector(%s, %s)
               WHERE id = %s AND pg_column_size(coalesce(search, ''::tsvector) || ''::tsvector) < %s""",
            [CONFIG, fold(text[:SEARCHED_SIGNS]), ticket.pk, INDEXED_BYTES],
        )


def indexed(text: str) -> tuple[str, list[str]]:
    """The same, for a ticket that is written for the first time: what its `search` is to hold, as SQL and values."""
    return "to_tsvector(%s, %s)", [CONFIG, fold(text[:SEARCHED_SIGNS])]


def identity_text(ticket: Ticket) -> str:
    """What names a ticket: reference, person, address, unit."""
    unit = ticket.mailbox.organisation
    parts = (
        ticket.reference.replace("-", ""),
        ticket.reference,
        ticket.subject,
        ticket.first_name,
        ticket.last_name,
        ticket.email,
        ticket.mailbox.address,
        str(unit.fase),
        unit.name,
        unit.municipality,
    )
    return " ".join(parts)
