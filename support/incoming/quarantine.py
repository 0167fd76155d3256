"""What a person of SGNE or ETNIC decides of the mails that the portal could not place by itself."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Contact, Mailbox, User
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail, Sender
from support import tickets
from support.incoming import quotes, threading
from support.incoming.files import EMPTY
from support.incoming.receiving import NO_SUBJECT, TEAMS, names_of
from support.incoming.reports import keys_in
from support.models import IncomingMail, Message, Ticket
from support.ticket_mail_kinds import ALERTS, ForTeam, works_by_mail

Decision = IncomingMail.Decision
Kind = Message.Kind
SENDERS = {team: sender for sender, team in TEAMS.items()}  # whose inbox each team reads; the others have none


def waiting_for(team: str) -> "QuerySet[IncomingMail]":
    """What that team has to look at, the latest first; nothing for a team that has no inbox here."""
    sender = SENDERS.get(Contact.Team(team))
    return IncomingMail.objects.waiting().filter(sender=sender) if sender else IncomingMail.objects.none()


def team_of(row: IncomingMail, *, at: datetime) -> str:
    """The team that works by mail whose address it says it comes from; empty if none."""
    return threading.teams_by_address(at=at).get(row.from_address, "")


def may_go_into(row: IncomingMail, ticket: Ticket, *, at: datetime) -> bool:
    """Whether whoever reads the inbox puts it in that ticket of another team, which they do not get to see (F1).

    A team that works by mail has no inbox of its own: what names its ticket, or comes from its address, waits here.
    """
    named = row.ticket is not None and ticket.pk in {row.ticket_id, row.ticket.merged_into_id}
    return works_by_mail(ticket.team) and (named or team_of(row, at=at) == ticket.team)


def usual_kind(row: IncomingMail, ticket: Ticket | None, *, at: datetime) -> str:
    """What a mail most likely is in that ticket: who works at it is not who asked, unless a person says so."""
    ours = OutgoingMail.objects.filter(uuid__in=keys_in(row.in_reply_to)[:1]).values_list("kind", flat=True).first()
    if ours in ALERTS:
        return Kind.NOTE
    team = team_of(row, at=at)
    if ticket is not None and works_by_mail(ticket.team) and (team == ticket.team or ours == ForTeam.kind):
        return Kind.ANSWER
    return Kind.NOTE if team or threading.is_of_a_team(row.from_address, at=at) else Kind.REQUEST


def may_be_answer(row: IncomingMail, ticket: Ticket | None, *, at: datetime) -> bool:
    """Whether it may be the answer of a team that works by mail; the others answer at the desk."""
    return bool(team_of(row, at=at)) or (ticket is not None and works_by_mail(ticket.team))


def accept_into(row: IncomingMail, ticket: Ticket, *, kind: str = "", by: User, at: datetime) -> Ticket:
    """Its text becomes a message of the requester in that ticket, the answer of a team that works by mail, or a note.

    `kind`: which, if a person said so. Returns the ticket that got it. Raises Refusal.
    """
    with audit.refusals("incoming.accepted", at=at, about=row, by=by), transaction.atomic():
        current = _locked(row)
        own, quoted = quotes.split(current.text)
        kind = kind or usual_kind(current, ticket, at=at)
        said: dict[str, Any] = {"text": _with_files(own, current), "quoted": quoted, "html": current.html, "at": at}
        if kind == Kind.ANSWER:  # the person vouches for it
            if not works_by_mail(ticket.team):
                raise Refusal("L’équipe de cette demande répond au bureau : ajoutez ce message comme note interne.")
            name = current.from_name or ticket.get_team_display()
            said |= {"text": own or EMPTY, "refused": _left(current)}
            message = tickets.team_wrote_by_mail(ticket, team=ticket.team, sender_name=name, **said)
        elif kind == Kind.NOTE:
            message = tickets.note_by_mail(ticket, sender_name=_author(current) or "expéditeur illisible", **said)
        else:
            said |= {"author_name": _author(current), "writer": _writer(current, ticket)}
            message = tickets.requester_wrote(ticket, by_mail=True, **said)
        current.message, current.ticket = message, message.ticket
        _decide(current, Decision.ACCEPTED, by=by, at=at)
        said_in = {"demande": message.ticket.reference, "comme": message.get_kind_display()}
        audit.record("incoming.accepted", about=current, by=by, at=at, details=said_in)
    return message.ticket


def accept_as_new(row: IncomingMail, *, mailbox: Mailbox, need: str, by: User, at: datetime) -> Ticket:
    """A ticket of that mailbox, for the team whose inbox it came to. Raises Refusal."""
    with audit.refusals("incoming.accepted", at=at, about=row, by=by), transaction.atomic():
        current = _locked(row)
        if not current.from_address:
            raise Refusal("Ce message n’a pas d’adresse à laquelle répondre : mettez-le dans une demande existante.")
        own, quoted = quotes.split(current.text)
        first, last = names_of(current.from_name)
        ticket = tickets.open_ticket(
            mailbox=mailbox,
            need=need,
            subject=current.subject or NO_SUBJECT,
            text=_with_files(own, current),
            quoted=quoted,
            html=current.html,
            first_name=first,
            last_name=last,
            email=current.from_address,
            channel=Ticket.Channel.MAIL,
            team=TEAMS[Sender(current.sender)],
            at=at,
        )
        current.ticket, current.message = ticket, ticket.messages.order_by("pk").first()
        _decide(current, Decision.ACCEPTED, by=by, at=at)
        audit.record("incoming.accepted", about=current, by=by, at=at, details={"demande": ticket.reference})
    return ticket


def discard(row: IncomingMail, *, by: User, at: datetime) -> None:
    """Not for us. The mail stays in the mailbox where it arrived; its text goes from here."""
    with audit.refusals("incoming.discarded", at=at, about=row, by=by), transaction.atomic():
        current = _locked(row)
        _decide(current, Decision.DISCARDED, by=by, at=at)
        audit.record("incoming.discarded", about=current, by=by, at=at)


def _locked(row: IncomingMail) -> IncomingMail:
    current = IncomingMail.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if current.handled_at is not None or current.verdict not in IncomingMail.FOR_A_PERSON:
        raise Refusal("Quelqu’un d’autre vient de décider de ce message.")
    return current


def _decide(row: IncomingMail, decision: str, *, by: User, at: datetime) -> None:
    row.decision, row.handled_by, row.handled_at = decision, by, at
    row.text, row.html, row.files = "", "", []
    row.save()


def _author(row: IncomingMail) -> str:
    return f"{row.from_name} <{row.from_address}>" if row.from_name and row.from_address else row.from_address


def _writer(row: IncomingMail, ticket: Ticket) -> dict[str, Any] | None:
    """Who is answered, if a new ticket follows: the author of this mail, unless they asked already."""
    if not row.from_address or (row.from_address == ticket.email.lower() and not ticket.revoked_at):
        return None
    first, last = names_of(row.from_name)
    return {"first_name": first, "last_name": last, "email": row.from_address}


def _with_files(text: str, row: IncomingMail) -> str:
    return "\n\n".join(filter(None, [text or EMPTY, "\n".join(_left(row))]))


def _left(row: IncomingMail) -> list[str]:
    """The files of a mail that waited were not kept: they are in the mailbox."""
    names = [name for name in row.files if isinstance(name, str)]
    return [f"Pièce jointe restée dans la boîte {row.get_sender_display()} : {name}" for name in names]
