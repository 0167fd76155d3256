"""What a person of SGNE or ETNIC decides of the mails that the portal could not place by itself."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from accounts.models import Contact, Mailbox, User
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.mail.models import Sender
from support import tickets
from support.incoming import quotes, threading
from support.incoming.files import EMPTY
from support.incoming.receiving import NO_SUBJECT, TEAMS, names_of
from support.models import IncomingMail, Ticket

Decision = IncomingMail.Decision
SENDERS = {team: sender for sender, team in TEAMS.items()}  # whose inbox each team reads; the others have none


def waiting_for(team: str) -> "QuerySet[IncomingMail]":
    """What that team has to look at, the latest first; nothing for a team that has no inbox here."""
    sender = SENDERS.get(Contact.Team(team))
    return IncomingMail.objects.waiting().filter(sender=sender) if sender else IncomingMail.objects.none()


def accept_into(row: IncomingMail, ticket: Ticket, *, by: User, at: datetime) -> Ticket:
    """Its text becomes a message of the requester in that ticket, or the answer of a team that works by mail.

    Returns the ticket that got it. Raises Refusal.
    """
    with audit.refusals("incoming.accepted", at=at, about=row, by=by), transaction.atomic():
        current = _locked(row)
        own, quoted = quotes.split(current.text)
        said: dict[str, Any] = {"text": _with_files(own, current), "quoted": quoted, "html": current.html, "at": at}
        if threading.teams_by_address(at=at).get(current.from_address) == ticket.team:  # the person vouches for it
            name = current.from_name or ticket.get_team_display()
            message = tickets.team_wrote_by_mail(ticket, team=ticket.team, sender_name=name, **said)
        else:
            said |= {"author_name": _author(current), "writer": _writer(current, ticket)}
            message = tickets.requester_wrote(ticket, by_mail=True, **said)
        current.message, current.ticket = message, message.ticket
        _decide(current, Decision.ACCEPTED, by=by, at=at)
        audit.record("incoming.accepted", about=current, by=by, at=at, details={"demande": message.ticket.reference})
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
    """The files of a mail that waited were not kept: they are in the mailbox."""
    names = [name for name in row.files if isinstance(name, str)]
    lines = [f"Pièce jointe restée dans la boîte {row.get_sender_display()} : {name}" for name in names]
    return "\n\n".join(filter(None, [text or EMPTY, "\n".join(lines)]))
