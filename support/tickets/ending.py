"""Waiting, solved, closed, opened again, merged (F4, F8, F20, F21)."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from bma_portal import audit
from bma_portal.errors import Refusal
from support import sla, ticket_mail_kinds, ticket_mails
from support.models import Attachment, Draft, Message, Ticket, TicketCheck, Watcher
from support.needs import NEEDS
from support.tickets.common import (
    REQUESTER,
    Actor,
    Kind,
    Stale,
    Status,
    expect_live,
    hold,
    identity_text,
    index,
    locked,
    locked_rows,
    log,
    reopen_locked,
    resume,
    save,
    targets_of,
)
from support.tickets.moving import checklist
from support.tickets.thread import event


def wait(ticket: Ticket, *, by: User, version: int | None = None, at: datetime) -> Ticket:
    """The holder's turn: the clock stops."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if row.status != Status.WAITING:
            hold(row, by=by, at=at)
        save(row, at=at)
    return row


def go_on(ticket: Ticket, *, by: User, version: int | None = None, at: datetime) -> Ticket:
    """The clock goes on without an answer of the holder."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        if row.status != Status.WAITING:
            raise Refusal("Cette demande n’attend pas son demandeur.")
        resume(row, Status.OPEN if row.assignee_id else Status.NEW, by=by, at=at)
        save(row, at=at)
    return row


def open_items(ticket: Ticket) -> list[str]:
    """The mandatory items of its checklist that nobody ticked, as they read (F20)."""
    done = set(TicketCheck.objects.filter(ticket=ticket).values_list("item", flat=True))
    return [check.label for check in checklist(ticket) if check.mandatory and check.slug not in done]


def solve(ticket: Ticket, *, by: Actor, version: int | None = None, at: datetime) -> Ticket:
    """Raises Refusal while a mandatory item of the checklist is open."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        solve_locked(row, by=by, at=at)
        save(row, at=at)
    return row


def may_end_by_a_word(row: Ticket) -> bool:
    """Whether its requester, or a team by mail, ends it by saying so: not a theft or a password, before its list."""
    return not (row.need in NEEDS and NEEDS[row.need].sensitive and open_items(row))


def lacks_the_report(row: Ticket) -> bool:
    """Whether a theft still waits for its police report: none came with it, and nobody ticked that one came."""
    if row.need != "vol" or not row.is_live:
        return False
    came = Attachment.objects.filter(message__ticket=row, personal=True).exists()
    return not came and not TicketCheck.objects.filter(ticket=row, item="proces-verbal").exists()


def solve_locked(row: Ticket, *, by: Actor, by_a_word: bool = False, at: datetime) -> Message:
    """Returns what the requester is told of it. `by_a_word`: from outside the desk, where no list can be ticked."""
    expect_live(row)
    missing = open_items(row)
    if missing and not (by_a_word and may_end_by_a_word(row)):
        raise Refusal(f"Avant de résoudre cette demande, cochez : {' ; '.join(missing)}.")
    if missing:
        log(row, "liste", "", "", by=by, at=at, why=f"résolue sans cocher : {' ; '.join(missing)}")
    row.solved_at, row.asked_at = at, None
    resume(row, Status.SOLVED, by=by, at=at, due_at=None)
    own_word = by == REQUESTER
    text = "Vous avez dit que c’est réglé : votre demande est résolue." if own_word else "Votre demande est résolue."
    told = event(row, text, by=by, at=at)
    answered = not own_word or Message.objects.filter(ticket=row, kind=Kind.ANSWER).exists()
    # An opinion is asked of an answer: there is none when they settled it before anybody wrote.
    mail = ticket_mail_kinds.Solved if answered else ticket_mail_kinds.SolvedCopy
    ticket_mails.tell_requester(mail, row, about=told, at=at)
    return told


def close(ticket: Ticket, *, why: str, by: Actor, version: int | None = None, at: datetime) -> Ticket:
    """For good, with the reason that the requester reads. The same checklist as for solving."""
    if not why.strip():
        raise Refusal("Dites pourquoi vous fermez cette demande : le demandeur le lira.")
    with transaction.atomic():
        row = locked(ticket, version=version)
        if row.status not in {*Ticket.LIVE, Status.SOLVED}:
            raise Refusal(f"Cette demande est déjà {row.get_status_display()}.")
        if missing := [] if row.status == Status.SOLVED else open_items(row):
            raise Refusal(f"Avant de fermer cette demande, cochez : {' ; '.join(missing)}.")
        close_locked(row, why=why, by=by, at=at)
    return row


def close_locked(row: Ticket, *, why: str, by: Actor, tell: bool = True, at: datetime) -> None:
    row.closed_at, row.asked_at = at, None
    resume(row, Status.CLOSED, by=by, at=at, note=why, due_at=None)
    if tell:
        told = event(row, f"Votre demande est close : {why}", by=by, at=at)
        ticket_mails.tell_requester(ticket_mail_kinds.Closed, row, about=told, at=at)
    save(row, at=at)


def reopen(ticket: Ticket, *, by: Actor, version: int | None = None, at: datetime) -> Ticket:
    """A solved ticket goes on, with whoever followed it; if nobody did, it is to be taken."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        if row.status != Status.SOLVED:
            raise Refusal("Seule une demande résolue se rouvre ; une demande close est suivie d’une nouvelle.")
        reopen_locked(row, by=by, at=at, note="rouverte")
        save(row, at=at)
    return row


def merge(ticket: Ticket, *, into: Ticket, by: User, version: int | None = None, at: datetime) -> Ticket:
    """Join two tickets of one mailbox: nothing is lost (F8).

    Messages keep their date and what they were written in, files go with them; drafts and watchers are kept; the
    other requester stays informed. The old reference leads to the ticket that stays, on the portal as in mails.
    Raises Refusal for tickets of two mailboxes (that is an incident), two teams, or one that ended.
    """
    if ticket.pk == into.pk:
        raise Refusal("Une demande ne se joint pas à elle-même.")
    with transaction.atomic():
        rows = {row.pk: row for row in locked_rows(Ticket.objects.filter(pk__in=[ticket.pk, into.pk]))}
        goes, stays = rows[ticket.pk], rows[into.pk]
        if version is not None and goes.version != version:
            raise Stale(goes)
        if goes.mailbox_id != stays.mailbox_id:
            raise Refusal("Ces demandes sont de deux boîtes : ouvrez plutôt un incident, qui les réunit.")
        if goes.team != stays.team:
            raise Refusal("Ces demandes sont de deux équipes : confiez d’abord l’une à l’équipe de l’autre.")
        if goes.status in {Status.CLOSED, Status.MERGED} or not stays.is_live:
            raise Refusal("Une demande qui a pris fin ne se joint plus.")
        Message.objects.filter(ticket=goes).exclude(origin__merged_into=goes).update(origin=goes)
        Message.objects.filter(ticket=goes).update(ticket=stays)
        _join_drafts(goes, stays)
        watchers = set(Watcher.objects.filter(ticket=goes).values_list("user_id", flat=True))
        if goes.assignee_id and goes.assignee_id != stays.assignee_id:
            watchers.add(goes.assignee_id)
        for user_id in watchers:
            Watcher.objects.get_or_create(ticket=stays, user_id=user_id)
        for check in TicketCheck.objects.filter(ticket=goes):
            TicketCheck.objects.get_or_create(ticket=stays, item=check.item, defaults={"by": check.by, "at": check.at})
        Ticket.objects.filter(merged_into=goes).update(merged_into=stays)
        known = {stays.email.lower(), *(address.lower() for address in stays.copies)}
        informed = [] if goes.revoked_at else [goes.email, *goes.copies]
        stays.copies += [address for address in informed if address.lower() not in known]
        stays.incident = stays.incident or goes.incident
        is_older = goes.opened_at < stays.opened_at
        if goes.status in {Status.NEW, Status.OPEN} and goes.asked_at and stays.status == Status.WAITING:
            # nobody has answered what the other one asks
            resume(stays, Status.OPEN if stays.assignee_id else Status.NEW, by=by, at=at)
        stays.asked_at = min((at_ for at_ in (stays.asked_at, goes.asked_at) if at_), default=None)
        index(stays, f"{identity_text(goes)} " + " ".join(m.text for m in stays.messages.filter(origin=goes)))
        log(goes, "jointe à", "", stays.reference, by=by, at=at)
        log(stays, "a reçu", "", goes.reference, by=by, at=at)
        goes.asked_at = None
        goes.merged_into = stays
        resume(goes, Status.MERGED, by=by, at=at, merged_into=stays, due_at=None)
        if is_older:
            _count_from(goes, stays, at=at)
        save(goes, at=at)
        save(stays, at=at)
        audit.record("ticket.merged", about=goes, by=by, at=at, details={"into": stays.reference})
    return stays


def _count_from(goes: Ticket, stays: Ticket, *, at: datetime) -> None:
    """The older one's moments and what its clock stood still: joining two tickets of a team is no handover (E9)."""
    if goes.solved_at is not None:  # nobody asked anything from then until the other one was opened
        hours = targets_of(stays.team, at=at).hours
        rest = sla.between(goes.solved_at, stays.opened_at, hours)
        goes.held_minutes, goes.held_minutes_team = goes.held_minutes + rest, goes.held_minutes_team + rest
    stays.held_minutes = max(stays.held_minutes, goes.held_minutes)
    if goes.team_since < stays.team_since:
        stays.held_minutes_team = max(stays.held_minutes_team, goes.held_minutes_team)
    stays.opened_at, stays.team_since = goes.opened_at, min(stays.team_since, goes.team_since)
    stays.first_answered_at = stays.first_answered_at or goes.first_answered_at


def _join_drafts(goes: Ticket, stays: Ticket) -> None:
    for draft in Draft.objects.filter(ticket=goes):
        kept, new = Draft.objects.get_or_create(
            ticket=stays, user=draft.user, defaults={"text": draft.text, "saved_at": draft.saved_at}
        )
        if not new:
            kept.text = f"{kept.text}\n\n{draft.text}"[:20_000]
            kept.save(update_fields=["text"])
    Draft.objects.filter(ticket=goes).delete()


def thread_of(ticket: Ticket, *, with_notes: bool) -> list[Message]:
    """The messages in order, with their files; the notes for the desk only (F6)."""
    kinds = [*Message.PUBLIC, Kind.NOTE] if with_notes else list(Message.PUBLIC)
    found = Message.objects.filter(ticket=ticket, kind__in=kinds).select_related("origin")
    return list(found.prefetch_related("attachments"))
