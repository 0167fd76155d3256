"""The mails of tickets, each kind: to whoever asked, to a team that works by mail, to whoever leads a team.

Their subjects end with the reference between brackets, and each answers the one before it in the thread. An internal
note is in none of them (F6). A document that identifies a person goes with none (SEC-F3).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from accounts.contacts import contact_of, opening_of
from accounts.models import Contact
from bma_portal import kept
from bma_portal.mail.compose import Mail, Withdrawn
from bma_portal.mail.models import OutgoingMail, Sender
from support import tokens
from support.mails import absolute
from support.models import Attachment, Message, Team, Ticket

TEAMS = Contact.Team
# Whose mailbox a team's tickets are written from, and read in (F10)
SENDERS = {
    TEAMS.SGNE: Sender.SGNE,
    TEAMS.ENSEIGNEMENT_BE: Sender.SGNE,
    TEAMS.ETNIC: Sender.ETNIC,
    TEAMS.PRIMINFO: Sender.ETNIC,
}
FOLLOW_CODE_MINUTES = 30
MOST_CARRIED = (
    7_000_000  # bytes of all the files of a mail: with their base64, under the 10 MB that Exchange lets pass
)


def stream_of(ticket: Ticket) -> str:
    return f"ticket:{ticket.pk}"


def works_by_mail(team: str) -> bool:
    rows = kept.rows(Team)
    if rows is None:
        return Team.objects.filter(pk=team, by_mail=True).exists()
    return any(row.by_mail for row in rows if row.pk == team)


@dataclass(frozen=True)
class Files:
    """Of the files that come with what a mail says: those that travel in it, and how many do not, by why."""

    sent: tuple[Attachment, ...] = ()
    personal: int = 0  # they identify a person: never by mail (SEC-F3)
    unscanned: int = 0
    heavy: int = 0

    @classmethod
    def of(cls, rows: Iterable[Attachment]) -> "Files":
        sent: list[Attachment] = []
        personal = unscanned = heavy = size = 0
        for row in rows:
            if row.personal:
                personal += 1
            elif row.destroyed_at:
                continue
            elif row.to_scan:
                unscanned += 1
            elif size + len(row.content) > MOST_CARRIED:
                heavy += 1
            else:
                sent.append(row)
                size += len(row.content)
        return cls(tuple(sent), personal, unscanned, heavy)

    @property
    def kept(self) -> int:
        """How many do not travel, though nothing forbids it."""
        return self.unscanned + self.heavy


class TicketMail(Mail):
    """What they have in common. `about`: the message that this mail carries or announces."""

    event: ClassVar[str]
    title: ClassVar[str]
    template = "support/mails/ticket"
    inside: ClassVar[bool] = False  # for those who work at it, not for those who ask
    first: ClassVar[bool] = False  # nothing was written to the requester before: it answers no mail
    of_message: ClassVar[bool] = False  # whether `object_id` is a message's number, else a ticket's
    for_copies: ClassVar[type["TicketMail"] | None] = None  # what a second requester gets instead
    alert: ClassVar[bool] = False  # an answer to it is a note
    files = Files()

    def __init__(
        self, ticket: Ticket, *, about: Message | None = None, recipient: str = "", role: str = "requester"
    ) -> None:
        self.ticket, self.about, self.recipient, self.role = ticket, about, recipient, role
        self.own = ticket.reference  # a code asked for with that one reaches the recipient

    @property
    def sender(self) -> Sender:  # type: ignore[override]
        return SENDERS[TEAMS(self.ticket.team)]

    def serial(self) -> str:
        """What makes one of several of the same kind: the message that it is about."""
        return f"{self.about.pk}:" if self.about else ""

    def key(self) -> str:
        return f"ticket:{self.ticket.pk}:{self.event}:{self.serial()}{self.role}"

    def object_id(self) -> int:
        return self.about.pk if self.of_message and self.about else self.ticket.pk

    def to(self) -> str:
        return self.recipient or self.ticket.email

    def stream(self) -> str:
        return stream_of(self.ticket)

    def subject(self) -> str:
        return _subject(self.title, self.ticket)

    def context(self, *, at: datetime) -> dict[str, Any]:
        ticket = self.ticket
        contact = contact_of(ticket.team, at)
        return {
            "event": self.event,
            "inside": self.inside,
            "ticket": ticket,
            "message": self.about,
            "contact": contact,
            "opening": opening_of(contact, at),
            "title": self.title,
            "files": self.files,
            "alert": self.alert,
            # To an address that anybody may have typed, nothing that anybody may have typed
            "known": bool(ticket.user_id) or ticket.channel == Ticket.Channel.DESK,
            # A copy is another person's, and an address is nobody's name
            "named": self.role == "requester" and bool(ticket.first_name or ticket.last_name),
            "signature": TEAM_SIGNATURES[TEAMS(ticket.team)],
            "follow": absolute("ticket_follow") + f"?reference={self.own}",
        }

    def row(self, *, at: datetime) -> OutgoingMail:
        row = super().row(at=at)
        if self.first:
            return row
        if before := _last_to(self.ticket, row.to):
            row.headers = {"In-Reply-To": before, "References": before}
        return row

    @classmethod
    def load(cls, object_ids: Iterable[int], *, at: datetime) -> dict[int, Self]:
        found = Ticket.objects.filter(pk__in=list(object_ids)).select_related("mailbox__organisation").defer("search")
        return {ticket.pk: cls(ticket) for ticket in found}


TEAM_SIGNATURES = {
    TEAMS.SGNE: "L’équipe « Migration BMA » du SGNE",
    TEAMS.ETNIC: "Le Service Desk de l’ETNIC",
    TEAMS.PRIMINFO: "Priminfo",
    TEAMS.ENSEIGNEMENT_BE: "Le service Enseignement.be",
}


def _subject(title: str, ticket: Ticket) -> str:
    return f"{title} [{ticket.reference}]"


class Received(TicketMail):
    kind = "ticket.received"
    event = "received"
    title = "Nous avons reçu votre demande"
    first = True


class Answered(TicketMail):
    kind = "ticket.answered"
    event = "answered"
    title = "Réponse à votre demande"
    of_message = True
    carries_files = True


class Moved(TicketMail):
    kind = "ticket.moved"
    event = "moved"
    title = "Une autre équipe suit votre demande"
    of_message = True


class SolvedCopy(TicketMail):
    """To whoever's ticket was joined to it: the one opinion is not theirs to give."""

    kind = "ticket.solved_copy"
    event = "solved"
    title = "Votre demande est résolue"

    def serial(self) -> str:
        return f"{self.ticket.reopened}:"


class Solved(SolvedCopy):
    """With the link to the one opinion: it opens nothing else, and says nothing of the ticket but its reference."""

    kind = "ticket.solved"
    sensitive = True  # it carries that link
    for_copies = SolvedCopy

    def context(self, *, at: datetime) -> dict[str, Any]:
        token = tokens.opinion_token(self.ticket).reveal()
        return super().context(at=at) | {"opinion": absolute("ticket_opinion", token)}


class Closed(TicketMail):
    kind = "ticket.closed"
    event = "closed"
    title = "Votre demande est close"
    of_message = True


class Reminder(TicketMail):
    kind = "ticket.reminder"
    event = "reminder"
    title = "Nous attendons votre réponse"

    def serial(self) -> str:
        return f"{self.ticket.held_since:%Y%m%d%H%M%S}:{self.ticket.reminders}:"

    def context(self, *, at: datetime) -> dict[str, Any]:
        from support.tickets.ending import open_items

        return super().context(at=at) | {"will_close": not open_items(self.ticket)}


class FollowCode(TicketMail):
    """Proves that the address of the ticket is read."""

    kind = "ticket.code"
    event = "code"
    title = "Votre code pour suivre votre demande"
    sensitive = True

    def serial(self) -> str:
        return f"{self.ticket.code_serial}:"

    def context(self, *, at: datetime) -> dict[str, Any]:
        sent = self.ticket.code_sent_at
        if sent is None or at >= sent + timedelta(minutes=FOLLOW_CODE_MINUTES):
            raise Withdrawn("Ce code n’est plus valable.")
        return super().context(at=at) | {"secret_code": tokens.follow_code(self.ticket)}


class ForTeam(TicketMail):
    """To a team that works by mail: the whole of it, since it has nothing else to look at (F10)."""

    kind = "ticket.for_team"
    event = "for_team"
    title = "Demande à traiter"
    inside = True
    of_message = True
    carries_files = True

    def subject(self) -> str:
        return _subject(f"{self.ticket.mailbox.organisation.name[:80]} : {self.ticket.subject[:80]}", self.ticket)

    def context(self, *, at: datetime) -> dict[str, Any]:
        from support.tickets.ending import may_end_by_a_word, open_items, thread_of
        from support.tickets.opening import answers_in_words, need_label

        thread = thread_of(self.ticket, with_notes=False)
        return super().context(at=at) | {
            "thread": thread,
            "again": self.about is not None and self.about.kind == Message.Kind.REQUEST and self.about != thread[0],
            "settled": not self.ticket.is_live,
            "by_a_word": may_end_by_a_word(self.ticket),
            "items": [item[:1].lower() + item[1:] for item in open_items(self.ticket)],
            "unit": self.ticket.mailbox.organisation,
            "need": need_label(self.ticket.need),
            "answers": answers_in_words(self.ticket),
            "desk": absolute("desk_ticket", self.ticket.reference),
        }


class FilesRefused(TicketMail):
    """To a team that works by mail: what of its answer was not taken, and why. Its requester reads no reason."""

    kind = "ticket.refused"
    event = "refused"
    title = "Un fichier n’a pas pu être joint"
    inside = True
    of_message = True
    refused: Sequence[str] = ()

    def context(self, *, at: datetime) -> dict[str, Any]:
        return super().context(at=at) | {"refused": self.refused, "settled": not self.ticket.is_live}


class Alert(TicketMail):
    """To whoever follows a ticket, or leads its team: never to the requester, never in the thread (F5).

    An answer to it is for those who work at the ticket: a note, whoever wrote it.
    """

    inside = True
    alert = True

    def serial(self) -> str:
        return f"{self.ticket.due_for}:{self.ticket.due_at:%Y%m%d%H%M}:"

    def subject(self) -> str:
        return _subject(f"{self.title} : {self.ticket.subject[:80]}", self.ticket)

    def context(self, *, at: datetime) -> dict[str, Any]:
        more = {"desk": absolute("desk_ticket", self.ticket.reference), "by_mail": works_by_mail(self.ticket.team)}
        return super().context(at=at) | more


class DueSoon(Alert):
    kind = "ticket.due_soon"
    event = "due_soon"
    title = "Échéance proche"


class Overdue(Alert):
    kind = "ticket.overdue"
    event = "overdue"
    title = "Échéance dépassée"


class News(Alert):
    """To whoever asked to be kept informed of a ticket that another follows: that somebody wrote, not what."""

    kind = "ticket.news"
    event = "news"
    title = "Du nouveau"
    of_message = True

    def serial(self) -> str:
        return TicketMail.serial(self)


def _last_to(ticket: Ticket, to: list[str]) -> str:
    """The Message-ID of the last mail about that ticket to that address; by the index of kind and object."""
    mails = OutgoingMail.objects.filter(to=to).values_list("id", "message_id")
    messages = Message.objects.filter(ticket=ticket).order_by().values("pk")
    of_ticket = mails.filter(kind__in=OF_TICKETS, object_id=ticket.pk)
    last = of_ticket.union(mails.filter(kind__in=OF_MESSAGES, object_id__in=messages), all=True)
    return next((message_id for _pk, message_id in last.order_by("-id")[:1]), "")


OF_MESSAGES = [*(cls.kind for cls in (Answered, Moved, Closed, ForTeam, FilesRefused, News)), "ticket.split"]
OF_TICKETS = [cls.kind for cls in (Received, Solved, SolvedCopy, Reminder, FollowCode, DueSoon, Overdue)]
ALERTS = {cls.kind: cls.title for cls in (DueSoon, Overdue, News)}
