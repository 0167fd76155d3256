"""To which ticket a mail belongs, and who writes: by its headers, the reference in its subject, else its author.

What a mail says of its author proves nothing. Answering a mail of ours, whose Message-ID nobody guesses, shows that
one received it; a reference alone shows nothing, and counts only for an address that has to do with the ticket.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q

from accounts.contacts import contact_of
from accounts.models import Contact, Mailbox, User
from bma_portal.mail.models import OutgoingMail
from support import ticket_mails
from support.incoming.parsing import Incoming
from support.incoming.reports import keys_in
from support.models import IncomingMail, Team, Ticket
from support.models.resets import REFERENCE_SIGNS
from support.ticket_mail_kinds import ALERTS
from support.tickets import by_reference

_REFERENCE = re.compile(rf"\[\s?D-([{REFERENCE_SIGNS}]{{4}})-([{REFERENCE_SIGNS}]{{4}})\s?\]", re.IGNORECASE)


class Who(StrEnum):
    REQUESTER = "requester"
    MAILBOX = "mailbox"
    COPY = "copy"  # kept informed: their own ticket was joined to this one
    TEAM = "team"  # one that works by mail
    STRANGER = "stranger"


class How(StrEnum):
    HEADER = "header"
    REFERENCE = "reference"
    AUTHOR = "author"


@dataclass(frozen=True)
class Thread:
    ticket: Ticket
    how: How
    who: Who
    team: str = ""  # of a team that works by mail; to an alert, of the one whose ticket it is
    answers: str = ""  # the kind of the mail of ours that it answers, as far as one can tell

    @property
    def is_inside(self) -> bool:
        """Whether it answers an alert: it is for those who work at the ticket, not for who asked."""
        return self.answers in ALERTS


def teams_by_address(*, at: datetime) -> dict[str, str]:
    """The teams that work by mail, by the address at which they are reached that day."""
    codes = Team.objects.filter(by_mail=True).values_list("pk", flat=True)
    return {address: code for code in codes if (address := address_of(code, at=at))}


def is_of_a_team(address: str, *teams: str, at: datetime) -> bool:
    """Whether it is the address of one of these teams, of any if none is named, or of somebody who works for it."""
    among = teams or Contact.Team.values
    if not address or address in {address_of(team, at=at) for team in among}:
        return bool(address)
    people = User.objects.filter(email__iexact=address, is_active=True)
    return any(user.has_perm(f"support.work_{team}") for user in people for team in among)


def address_of(team: str, *, at: datetime) -> str:
    """Where that team is reached that day; empty if nowhere."""
    try:
        return contact_of(team, at).email.lower()
    except Contact.DoesNotExist:
        return ""


def thread_of(mail: Incoming, *, at: datetime) -> Thread | None:
    """The ticket it belongs to; None if it belongs to none."""
    teams = teams_by_address(at=at)
    answered = _by_headers(mail)
    if answered is not None:
        ticket, ours = answered
        colleagues = _colleagues(mail.from_address, ours, teams)
        if ours is not None and ours.kind in ALERTS:
            return Thread(ticket, How.HEADER, *_who_inside(mail.from_address, ticket, colleagues, at=at), ours.kind)
        who, team = _who(mail.from_address, ticket, teams | colleagues)
        return Thread(ticket, How.HEADER, who, team, ours.kind if ours else "")
    named = _by_reference(mail.subject)
    if named is not None:
        who, team = _who(mail.from_address, named, teams)
        return Thread(named, How.REFERENCE, who, team, _alert_in(mail.subject) if who is Who.TEAM else "")
    alone = _by_author(mail.from_address)
    if alone is not None:
        who, team = _who(mail.from_address, alone, {})
        return Thread(alone, How.AUTHOR, who, team)
    return None


def _colleagues(address: str, ours: OutgoingMail | None, teams: dict[str, str]) -> dict[str, str]:
    """A technician answers from an address of their own: what was sent to the team was read there."""
    domain = address.rpartition("@")[2]
    for recipient in ours.to if ours is not None else ():
        if recipient.lower() in teams and recipient.lower().rpartition("@")[2] == domain:
            return {address: teams[recipient.lower()]}
    return {}


def _who_inside(address: str, ticket: Ticket, colleagues: dict[str, str], *, at: datetime) -> tuple[Who, str]:
    """Of an answer to an alert: somebody who works at the ticket, or a stranger, even if they asked it themselves."""
    if colleagues.get(address) == ticket.team or is_of_a_team(address, ticket.team, at=at):
        return Who.TEAM, ticket.team
    return Who.STRANGER, ""


def _alert_in(subject: str) -> str:
    """The kind of the alert that this subject answers, if it does."""
    return next((kind for kind, title in ALERTS.items() if f"{title} :" in subject), "")


def _by_headers(mail: Incoming) -> tuple[Ticket, OutgoingMail | None] | None:
    """The nearest of what it answers that we know: a mail of ours (given too), or one that we received."""
    for answered in mail.answers:
        ours = None
        if keys := keys_in(answered):
            ours = OutgoingMail.objects.filter(uuid=keys[0]).defer("text", "html").first()
            ticket = ticket_mails.ticket_of(ours) if ours else None
        else:
            theirs = IncomingMail.objects.filter(internet_id=answered[:250], ticket__isnull=False)
            last = theirs.exclude(verdict__in=IncomingMail.FOR_A_PERSON).order_by("-pk").first()
            ticket = last.ticket if last else None
        if ticket is not None:
            return ticket.merged_into or ticket, ours
    return None


def _by_reference(subject: str) -> Ticket | None:
    found = [by_reference("".join(signs)) for signs in _REFERENCE.findall(subject)[-3:]]
    known = {ticket.pk: ticket for ticket in found if ticket is not None}
    return next(iter(known.values())) if len(known) == 1 else None  # of two different ones, none


def _by_author(address: str) -> Ticket | None:
    """Their one live ticket: of several, which one cannot be told."""
    if not address:
        return None
    mine = Ticket.objects.live().filter(Q(email__iexact=address) | Q(mailbox__address=address), revoked_at=None)
    found = list(mine.select_related("mailbox").defer("search")[:2])
    return found[0] if len(found) == 1 else None


def _who(address: str, ticket: Ticket, teams: dict[str, str]) -> tuple[Who, str]:
    if not address:
        return Who.STRANGER, ""
    if address == ticket.mailbox.address:
        return Who.MAILBOX, ""
    if address == ticket.email.lower() and not ticket.revoked_at:
        return Who.REQUESTER, ""
    if address in {copy.lower() for copy in ticket.copies} and not ticket.revoked_at:
        return Who.COPY, ""
    if address in teams:
        return Who.TEAM, teams[address]
    return Who.STRANGER, ""


def mailbox_of(address: str) -> Mailbox | None:
    """The mailbox that a new mail is about: the one it comes from, or the only one that its author wrote about."""
    if not address:
        return None
    boxes = Mailbox.objects.select_related("organisation")
    if own := boxes.filter(address=address).first():
        return own
    asked = Ticket.objects.filter(email__iexact=address, revoked_at=None, erased_at=None)
    known = list(asked.order_by("mailbox").values_list("mailbox", flat=True).distinct()[:2])
    return boxes.get(pk=known[0]) if len(known) == 1 else None
