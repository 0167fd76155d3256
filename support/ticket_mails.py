"""Who is told what of a ticket by mail, queued once, with the deed; `ticket_mail_kinds` says what each is."""

import re
from collections.abc import Sequence
from datetime import datetime

from accounts.contacts import contact_of
from accounts.models import User
from bma_portal.mail import tasks
from bma_portal.mail.models import Attachment as MailAttachment
from bma_portal.mail.models import OutgoingMail
from bma_portal.prepared import insert
from bma_portal.secret import leaving_no_trace
from support.models import Attachment, Message, Team, Ticket, Watcher
from support.sealed import open_row
from support.ticket_mail_kinds import (
    OF_MESSAGES,
    Alert,
    Answered,
    DueSoon,
    Files,
    FilesRefused,
    ForTeam,
    News,
    TicketMail,
    stream_of,
    works_by_mail,
)

NO_FILES = Files()
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")


def _queue(mail: TicketMail, *, at: datetime) -> OutgoingMail:
    row = mail.row(at=at)
    insert(row, ignore_conflicts=True)
    if row.pk:  # else it was queued already, with them
        for file in mail.files.sent:
            _attach(row, file)
    tasks.ring(row.sender, mails=1)
    return row


def tell_requester(
    mail_class: type[TicketMail],
    ticket: Ticket,
    *,
    about: Message | None = None,
    files: Files = NO_FILES,
    at: datetime,
) -> OutgoingMail | None:
    """Queue it for the requester, and for those whose ticket was joined to this one; in the caller's transaction.

    A code goes to the requester's address alone, and so does the link to the opinion. Nobody, once the requester lost
    access (A6).
    """
    if ticket.revoked_at or ticket.erased_at:
        return None
    mail = mail_class(ticket, about=about)
    mail.files = files
    first = _queue(mail, at=at)
    copied = mail_class.for_copies or mail_class
    if ticket.copies and not copied.sensitive:
        own = {email.lower(): reference for email, reference in ticket.merged.values_list("email", "reference")}
        for number, address in enumerate(ticket.copies):
            copy = copied(ticket, about=about, recipient=address, role=f"copie{number}")
            copy.own, copy.files = own.get(address.lower(), copy.own), files
            _queue(copy, at=at)
    return first


def cancel_waiting(ticket: Ticket, address: str, *, why: str) -> int:
    """What waits for that address does not leave, tried already or not: of a queued mail nothing ever left."""
    queued = OutgoingMail.Status.QUEUED
    waiting = OutgoingMail.objects.filter(status=queued, stream=stream_of(ticket), to=[address])
    return waiting.update(status=OutgoingMail.Status.CANCELLED, last_error=why)


def tell_answer(ticket: Ticket, message: Message, *, with_files: bool = False, at: datetime) -> None:
    """With its files, unless they identify a person, wait for the antivirus, or are too heavy: the mail says so."""
    files = Files.of(Attachment.objects.filter(message=message)) if with_files else NO_FILES
    row = tell_requester(Answered, ticket, about=message, files=files, at=at)
    if row is not None:
        message.mail = OutgoingMail.objects.only("pk").get(key=row.key)
        message.save(update_fields=["mail"])


def tell_team(ticket: Ticket, message: Message, *, at: datetime) -> None:
    """A team that works by mail gets the ticket as a mail, with its files unless they identify a person."""
    if not works_by_mail(ticket.team):
        return
    mail = ForTeam(ticket, about=message, recipient=contact_of(ticket.team, at).email, role=ticket.team)
    mail.files = Files.of(Attachment.objects.filter(message__ticket=ticket, message__kind__in=Message.PUBLIC))
    _queue(mail, at=at)


def tell_refused(ticket: Ticket, message: Message, refused: Sequence[str], *, at: datetime) -> None:
    """The team that answered by mail learns which files were not taken, at the address where it is reached."""
    mail = FilesRefused(ticket, about=message, recipient=contact_of(ticket.team, at).email, role=ticket.team)
    mail.refused = refused
    _queue(mail, at=at)


def _attach(row: OutgoingMail, file: Attachment) -> None:
    """Its pages, as the images that we made of them."""
    with leaving_no_trace():
        pages = open_row(file)
    name = _EXTENSION.sub("", file.label)
    for number, page in enumerate(pages, start=1):
        of_page = f"{name}, page {number}" if len(pages) > 1 else name
        MailAttachment.objects.create(mail=row, name=f"{of_page}.jpg", mimetype="image/jpeg", content=bytes(page))


def cancel_for_team(ticket: Ticket, *, at: datetime) -> None:
    """A team that no longer has the ticket does not get what has not left yet."""
    cancel_waiting(ticket, contact_of(ticket.team, at).email, why="La demande a changé d’équipe.")


def tell_watchers(ticket: Ticket, message: Message, *, at: datetime) -> None:
    """Those who may still see it, except whoever wrote."""
    for watcher in Watcher.objects.filter(ticket=ticket).exclude(user=message.author_id).select_related("user"):
        if address := _address_of(watcher.user, ticket):
            _queue(News(ticket, about=message, recipient=address, role=f"attentif{watcher.user_id}"), at=at)


def tell_alert(mail_class: type[Alert], ticket: Ticket, *, at: datetime) -> None:
    """To the person who follows it when it is only near; else to the team's lead, else to the team's address."""
    team = Team.objects.select_related("lead").filter(pk=ticket.team).first()
    own = _address_of(ticket.assignee, ticket) if mail_class is DueSoon else ""
    lead = _address_of(team.lead if team else None, ticket)
    _queue(mail_class(ticket, recipient=own or lead or contact_of(ticket.team, at).email, role="equipe"), at=at)


def _address_of(user: User | None, ticket: Ticket) -> str:
    """Of somebody who still works for the team that has the ticket; nothing else."""
    works = user is not None and user.is_active and user.has_perm(f"support.work_{ticket.team}")
    return user.email if user is not None and works else ""


def message_of(mail: OutgoingMail) -> Message | None:
    """The message that a mail sent by us carries or announces."""
    return Message.objects.filter(pk=mail.object_id or 0).first() if mail.kind in OF_MESSAGES else None


def ticket_of(mail: OutgoingMail) -> Ticket | None:
    """The ticket that a mail sent by us is about, or the one it was joined to: how replies are threaded (F10)."""
    if not mail.kind.startswith("ticket."):
        return None
    if mail.kind in OF_MESSAGES:
        message = Message.objects.select_related("ticket__merged_into").filter(pk=mail.object_id or 0).first()
        found = message.ticket if message else None
    else:
        found = Ticket.objects.select_related("merged_into").filter(pk=mail.object_id or 0).first()
    return found.merged_into if found and found.merged_into else found
