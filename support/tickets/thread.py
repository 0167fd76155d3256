"""What is said in a ticket: by the requester, by the desk (`by_mail`: by a team that works by mail)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import Contact, User
from bma_portal.errors import Refusal
from bma_portal.mail import recall as outbox
from support import attachments, canned, ticket_mail_kinds, ticket_mails
from support.models import Draft, Message, Ticket
from support.needs import NEEDS
from support.proofs import Prepared
from support.tickets import recalling
from support.tickets.common import (
    REOPEN_DAYS,
    REQUESTER,
    Actor,
    Kind,
    Status,
    ask,
    expect_live,
    hold,
    index,
    joined_by,
    locked,
    log,
    name_of,
    person,
    reopen_locked,
    resume,
    save,
)
from support.tickets.opening import need_label, open_ticket, refuse_wrong_team
from support.tickets.words import says_settled, says_thanks

THEN = (Status.OPEN, Status.WAITING, Status.SOLVED)  # what an answer leaves behind


def requester_wrote(
    ticket: Ticket,
    *,
    text: str,
    quoted: str = "",
    html: str = "",
    files: Sequence[tuple[str, Prepared]] = (),
    author_name: str = "",
    by_mail: bool = False,
    writer: Mapping[str, Any] | None = None,
    settled: bool = False,
    at: datetime,
) -> Message:
    """Add what the requester writes; the clock goes on, and a solved ticket is reopened.

    A ticket that was closed, or solved for more than ten days, stays as it is: a new one follows it, and the message
    is the first of that one (F21), or goes on in it. A merged one passes it on to the ticket that took its place.

    A message that says « c’est réglé » and no more ends the ticket, or leaves it ended, as thanks alone leave it
    (`support/tickets/words.py`); so does `settled`, the button that says it, whatever is written beside it.

    `writer`: where the requester is not the author, who is, as a ticket names its requester: the one that follows is
    answered to them. Raises Refusal if it would be to somebody who lost access, or whose identity is erased.
    """
    with transaction.atomic():
        row = locked_heir(ticket)
        words: dict[str, Any] = {"text": text, "quoted": quoted, "html": html}
        name = author_name or row.requester_name
        settles = _settles(row, text, writer, name=name, pressed=settled, files=bool(files))
        if _is_over(row, at=at) and not settles:
            mine = row.followed_by.live().filter(email__iexact=(writer or {}).get("email", row.email))
            mine = mine.filter(opened_at__gte=row.solved_at or row.closed_at)  # not one that was split from it
            suite = mine.defer("search").order_by("-pk").first()
            if suite is None:
                words |= {"files": files, "author_name": author_name, "by_mail": by_mail, "writer": writer}
                return _next_one(row, **words, at=at)
            row = locked_heir(suite)
            name = author_name or row.requester_name
        origin = joined_by(row, writer["email"]) if writer else None
        message = write(row, Kind.REQUEST, **words, author=None, name=name, by_mail=by_mail, origin=origin, at=at)
        attach(row, message, files, at=at)
        if settles:
            return _settled(row, message, at=at)
        if row.status == Status.SOLVED:
            reopen_locked(row, by=REQUESTER, at=at, note="le demandeur a écrit")
        elif row.status == Status.WAITING:
            to = Status.OPEN if row.assignee_id else Status.NEW
            resume(row, to, by=REQUESTER, at=at, note="le demandeur a répondu")
        if row.asked_at is None:
            ask(row, at=at)
        save(row, at=at)
        ticket_mails.tell_team(row, message, at=at)
        ticket_mails.tell_watchers(row, message, at=at)
    return message


def _settles(
    row: Ticket, text: str, writer: Mapping[str, Any] | None, *, name: str, pressed: bool, files: bool
) -> bool:
    """Whether these words end it, or ask nothing more of one that ended, as thanks alone do.

    Not those of somebody whose own ticket was joined to it.
    """
    from support.tickets.ending import may_end_by_a_word  # the two call each other

    others = {copy.lower() for copy in row.copies}
    own = (writer or {}).get("email", "").lower() not in others and not row.erased_at
    if not own or (row.revoked_at and writer is None):
        return False
    if not row.is_live and not files and says_thanks(text, f"{name} {row.email.partition('@')[0]}"):
        return True
    return (pressed or says_settled(text, name)) and may_end_by_a_word(row)


def _settled(row: Ticket, message: Message, *, at: datetime) -> Message:
    """The requester says so. Those who work at it are told, unless it was solved already: thanks reopen nothing."""
    from support.tickets.ending import solve_locked

    if row.is_live:
        solve_locked(row, by=REQUESTER, by_a_word=True, at=at)
        ticket_mails.tell_team(row, message, at=at)
        ticket_mails.tell_watchers(row, message, at=at)
    save(row, at=at)
    return message


def locked_heir(ticket: Ticket) -> Ticket:
    """That ticket, or the one that took its place, locked."""
    row = locked(Ticket(pk=ticket.merged_into_id or ticket.pk))
    while row.merged_into_id is not None:
        row = locked(Ticket(pk=row.merged_into_id))
    return row


def _is_over(row: Ticket, *, at: datetime) -> bool:
    too_late = row.solved_at is not None and at > row.solved_at + timedelta(days=REOPEN_DAYS)
    return row.status == Status.CLOSED or (row.status == Status.SOLVED and too_late)


def _next_one(
    former: Ticket,
    *,
    text: str,
    quoted: str,
    html: str,
    files: Sequence[tuple[str, Prepared]],
    author_name: str,
    by_mail: bool,
    writer: Mapping[str, Any] | None,
    at: datetime,
) -> Message:
    if writer is None and (former.revoked_at or former.erased_at):
        raise Refusal("Le demandeur n’a plus accès à cette demande : ouvrez-en une autre.")
    who = writer or {name: getattr(former, name) for name in ("first_name", "last_name", "email", "phone", "user")}
    ticket = open_ticket(
        mailbox=former.mailbox,
        need=former.need,
        answers=former.answers,
        subject=former.subject or need_label(former.need),
        text=text,
        quoted=quoted,
        html=html,
        **who,
        channel=Ticket.Channel.MAIL if by_mail else Ticket.Channel.FORM,
        files=files,
        team=_team_after(former, at=at),
        follows=former,
        at=at,
    )
    log(former, "suite", "", ticket.reference, by=REQUESTER, at=at)
    first = ticket.messages.get()
    if author_name:
        first.author_name = author_name[:160]
        first.save(update_fields=["author_name"])
    return first


def _team_after(former: Ticket, *, at: datetime) -> str:
    """The team that had it, unless its mailbox has since gone where that team does nothing (E3)."""
    try:
        refuse_wrong_team(former.need, former.team, mailbox=former.mailbox, at=at)
    except Refusal:
        return Contact.Team.ETNIC
    return former.team


def answer(
    ticket: Ticket,
    *,
    text: str,
    by: User,
    version: int | None,
    then: str = Status.WAITING,
    files: Sequence[tuple[str, Prepared]] = (),
    recall_seconds: int = 0,
    at: datetime,
) -> Message:
    """Answer the requester; `then` is what the ticket becomes: open, waiting for them, or solved.

    The mail is queued with the message; for `recall_seconds` neither leaves the desk, and it may be recalled
    (`recalling`). Raises Refusal for an empty text or a variable left unresolved (F7), Stale if
    somebody was faster.
    """
    if then not in THEN:
        raise Refusal("Dites ce que devient la demande après cette réponse.")
    clean = clean_text(text)
    canned.refuse_unresolved(clean)
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        before = recalling.before_it(row)
        last_mail = outbox.last() if recall_seconds else 0
        message = answered_locked(row, text=clean, by=by, files=files, at=at)
        Draft.objects.filter(ticket=row, user=by).delete()
        told = [message, *becomes(row, then, by=by, at=at)]
        recall = None
        if recall_seconds:
            mails = outbox.keep_back(ticket_mail_kinds.stream_of(row), after=last_mail, seconds=recall_seconds)
            recall = recalling.may_be_recalled(told, before=before, mails=mails, seconds=recall_seconds)
        save(row, at=at, recall=recall)
    return message


def note(ticket: Ticket, *, text: str, by: Actor, version: int | None = None, at: datetime) -> Message:
    """A note of the desk: never in a mail, an export for the requester or a public page (F6).

    The answer that its author is drafting beside it stays.
    """
    with transaction.atomic():
        row = locked(ticket, version=version)
        message = write(row, Kind.NOTE, text=clean_text(text), author=person(by), name=name_of(by), at=at)
        if isinstance(by, User) and row.assignee_id == by.pk:
            row.acted_at = at
        save(row, at=at)
    return message


def event(ticket: Ticket, text: str, *, by: Actor, at: datetime) -> Message:
    """A step that the requester is told: who has the ticket, that it is solved. In the deed's transaction."""
    return write(ticket, Kind.EVENT, text=text, author=person(by), name=name_of(by), at=at)


def save_draft(ticket: Ticket, *, text: str, by: User, at: datetime) -> None:
    """Keep what an agent is writing, with the ticket that has it now; empty, nothing is kept."""
    ticket = ticket.merged_into or ticket
    if text.strip():
        Draft.objects.update_or_create(ticket=ticket, user=by, defaults={"text": text[:20_000], "saved_at": at})
    else:
        Draft.objects.filter(ticket=ticket, user=by).delete()


def answered_locked(
    row: Ticket,
    *,
    text: str,
    by: Actor,
    quoted: str = "",
    html: str = "",
    files: Sequence[tuple[str, Prepared]] = (),
    at: datetime,
) -> Message:
    message = write(
        row,
        Kind.ANSWER,
        text=text,
        quoted=quoted,
        html=html,
        author=person(by),
        name=name_of(by),
        by_mail=isinstance(by, str),
        at=at,
    )
    attach(row, message, files, at=at)
    row.first_answered_at = row.first_answered_at or at
    row.asked_at, row.held_minutes_asked = None, 0
    if isinstance(by, User):
        if row.assignee_id is None:
            row.assignee = by
            log(row, "suivie par", "", by, by=by, at=at, why="a répondu")
        if row.assignee_id == by.pk:
            row.acted_at = at
    ticket_mails.tell_answer(row, message, with_files=bool(files), at=at)
    ticket_mails.tell_watchers(row, message, at=at)
    return message


def becomes(row: Ticket, then: str, *, by: Actor, at: datetime) -> list[Message]:
    """Move on after an answer; what else the requester is told."""
    if then == Status.WAITING:
        hold(row, by=by, at=at)
    elif then == Status.OPEN and row.status != Status.OPEN:
        resume(row, Status.OPEN, by=by, at=at)
    elif then == Status.SOLVED:
        from support.tickets.ending import solve_locked  # the two call each other

        return [solve_locked(row, by=by, at=at)]
    return []


def write(
    row: Ticket,
    kind: str,
    *,
    text: str,
    author: User | None,
    name: str,
    quoted: str = "",
    html: str = "",
    by_mail: bool = False,
    origin: Ticket | None = None,
    at: datetime,
) -> Message:
    message = Message.objects.create(
        ticket=row,
        origin=origin,
        kind=kind,
        author=author,
        author_name=name[:160],
        written_at=at,
        text=text,
        quoted=quoted,
        html=html,
        by_mail=by_mail,
    )
    index(row, text)
    return message


def attach(row: Ticket, message: Message, files: Sequence[tuple[str, Prepared]], *, at: datetime) -> None:
    personal = row.need in NEEDS and NEEDS[row.need].sensitive
    for label, prepared in files:
        attachments.attach(message, prepared, label=label, personal=personal, at=at)


def clean_text(text: str) -> str:
    clean = text.replace("\0", "").strip()
    if not clean:
        raise Refusal("Écrivez votre message.")
    return clean
