"""The history of a ticket: what changed, in which state it was, and who received which mail (F13)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Contact
from bma_portal.clock import BRUSSELS
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from bma_portal.templatetags.french import sans_semaine
from support import ticket_mail_kinds
from support.models import Message, Ticket, TicketChange
from support.needs import NEEDS
from support.templatetags.desk import STATES
from support.tickets import splitting

Sent = OutgoingMail.Status
MAILS = {
    "ticket.received": "accusé de réception",
    "ticket.answered": "réponse",
    "ticket.moved": "changement d’équipe",
    "ticket.split": "demande séparée d’une autre",
    "ticket.solved": "demande résolue, avis demandé",
    "ticket.solved_copy": "demande résolue",
    "ticket.closed": "demande close",
    "ticket.reminder": "rappel",
    "ticket.code": "code de suivi",
    "ticket.for_team": "demande à traiter, pour l’équipe",
    "ticket.refused": "fichier refusé, pour l’équipe",
    "ticket.news": "du nouveau, pour une personne attentive",
    "ticket.due_soon": "échéance proche, pour l’équipe",
    "ticket.overdue": "échéance dépassée, pour l’équipe",
}
OF_MESSAGES = tuple(
    cls.kind
    for cls in (
        ticket_mail_kinds.Answered,
        ticket_mail_kinds.Moved,
        splitting.Split,
        ticket_mail_kinds.Closed,
        ticket_mail_kinds.ForTeam,
        ticket_mail_kinds.FilesRefused,
        ticket_mail_kinds.News,
    )
)


@dataclass(frozen=True)
class Line:
    """One thing that happened. `of`: the reference it happened to, when that ticket was joined to this one later."""

    at: datetime
    kind: str  # change, state, message, mail
    who: str
    what: str
    old: str = ""
    new: str = ""
    why: str = ""
    to: tuple[str, ...] = ()
    tone: str = ""
    of: str = ""
    message: int | None = None
    rule: int | None = None  # whose return it was (E10)


def history_of(ticket: Ticket, *, at: datetime) -> list[Line]:
    """From the first to the last, with what happened to the tickets that were joined to it."""
    tickets = {ticket.pk: "", **dict(Ticket.objects.filter(merged_into=ticket).values_list("pk", "reference"))}
    lines = [*_changes(tickets), *_states(tickets), *_messages(ticket), *_mails(ticket, tickets, at)]
    return sorted(lines, key=lambda line: line.at)


def _changes(tickets: dict[int, str]) -> list[Line]:
    rows = TicketChange.objects.filter(ticket__in=tickets).order_by("pk")
    return [
        Line(
            row.at,
            "change",
            row.by_name,
            row.field,
            old=_said(row, row.old),
            new=_said(row, row.new),
            why=row.why,
            of=tickets[row.ticket_id],
            rule=row.returned_rule_id,
        )
        for row in rows
    ]


def _said(row: TicketChange, value: str) -> str:
    if row.field == "équipe" and value in Contact.Team.values:
        return str(Contact.Team(value).label)
    if row.field == "liste":
        return next((c.label for need in NEEDS.values() for c in need.checklist if c.slug == value), value)
    return value


def _states(tickets: dict[int, str]) -> list[Line]:
    rows = StateChange.objects.filter(object_type=Ticket._meta.label_lower, object_id__in=tickets).order_by("pk")
    return [
        Line(
            row.at,
            "state",
            row.by,
            "état",
            old=STATES.get(row.old, row.old),
            new=STATES.get(row.new, row.new),
            why=row.note,
            of=tickets[row.object_id],
        )
        for row in rows
    ]


def _messages(ticket: Ticket) -> list[Line]:
    rows = Message.objects.filter(ticket=ticket).select_related("origin").defer("text", "quoted", "html")
    return [
        Line(
            row.written_at,
            "message",
            row.author_name,
            row.get_kind_display(),
            message=row.pk,
            of=row.origin.reference if row.origin else "",
        )
        for row in rows
    ]


def _mails(ticket: Ticket, tickets: dict[int, str], at: datetime) -> list[Line]:
    messages = list(Message.objects.filter(ticket=ticket).values_list("pk", flat=True))
    rows: list[Any] = list(
        OutgoingMail.objects.filter(kind__in=OF_MESSAGES, object_id__in=messages).defer("text", "html")
    )
    of_tickets = [kind for kind in MAILS if kind not in OF_MESSAGES]
    rows += OutgoingMail.objects.filter(kind__in=of_tickets, object_id__in=tickets).defer("text", "html")
    lines = []
    for row in rows:
        word, tone = delivery(row.status, row.sent_at, row.bounced_at, at)
        about = row.object_id if row.kind in OF_MESSAGES else None
        of = "" if about else tickets[row.object_id]
        what = MAILS.get(row.kind, row.kind)
        lines.append(
            Line(row.queued_at, "mail", "portail", what, new=word, to=tuple(row.to), tone=tone, of=of, message=about)
        )
    return lines


def delivery(status: str, sent_at: datetime | None, bounced_at: datetime | None, at: datetime) -> tuple[str, str]:
    """How far a mail is, in words, and the tone of its badge."""
    if sent_at and sent_at <= at:
        if bounced_at and bounced_at <= at:
            return f"revenu à l’expéditeur le {moment(bounced_at)}", "late"
        return f"remis le {moment(sent_at)}", "done"
    match status:
        case Sent.CANCELLED:
            return "annulé avant de partir", "later"
        case Sent.FAILED:
            return "en échec : pas parti", "late"
    return "en cours d’envoi", "next"


def moment(at: datetime) -> str:
    local = at.astimezone(BRUSSELS)
    return f"{sans_semaine(local)} à {local.hour}\N{NO-BREAK SPACE}h\N{NO-BREAK SPACE}{local.minute:02d}"
