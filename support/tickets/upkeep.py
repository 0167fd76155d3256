"""What happens to tickets without anybody: warnings, escalations, releases, reminders, closings, erasures.

`tick` may be called twice at once, or never for a while: each step locks its ticket, looks again, and acts once.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from bma_portal.clock import brussels_date, working_days_after
from support import attachments, sla, ticket_mail_kinds, ticket_mails
from support.models import Attachment, Incident, Team, Ticket
from support.tickets.assigning import release_locked
from support.tickets.common import (
    CLOSE_WORKING_DAYS,
    PORTAL,
    REMIND_WORKING_DAYS,
    REOPEN_DAYS,
    Status,
    locked_rows,
    resume,
    save,
    targets_of,
)
from support.tickets.ending import close_locked, open_items
from support.tickets.thread import note

log = logging.getLogger(__name__)
PERSONAL_DAYS = 30  # a police report or a copy of a card, after the end of its ticket (as D14 for proofs)
CHUNK = 200
LIST_IS_OPEN = "Sans réponse du demandeur après deux rappels, et la liste n’est pas complète"


def tick(*, at: datetime) -> None:
    """Everything that is due at that moment; one ticket that fails does not stop the others."""
    warn(at=at)
    escalate(at=at)
    release_forgotten(at=at)
    remind(at=at)
    close_old(at=at)
    attachments.scan_waiting(at=at)
    destroy_personal(at=at)


def _each(tickets: "QuerySet[Ticket]", deed: Callable[[Ticket], None], *, first: str) -> int:
    """Do it to each, in a transaction of its own, locked and as it is by then; whose turn is the oldest comes first.

    So those whose turn has not come yet never keep the others waiting.
    """
    done = 0
    for pk in list(tickets.order_by(first, "pk").values_list("pk", flat=True)[:CHUNK]):
        try:
            with transaction.atomic():
                for row in locked_rows(tickets.filter(pk=pk)):
                    deed(row)
                    done += 1
        except Exception as error:
            log.exception("demande en échec", extra={"objet": "ticket", "id": pk, "code": type(error).__name__})
    return done


def warn(*, at: datetime) -> int:
    """Tell once, for each target, that it comes near (F5): whoever follows the ticket, else the team's lead."""

    def deed(row: Ticket) -> None:
        row.alerts = [*row.alerts, f"warn:{row.due_for}"]
        row.warn_at = None
        row.save(update_fields=["alerts", "warn_at"])
        ticket_mails.tell_alert(ticket_mail_kinds.DueSoon, row, at=at)

    due = Ticket.objects.live().filter(warn_at__lte=at, due_at__gt=at)
    return _each(due.exclude(_told("warn")), deed, first="warn_at")


def escalate(*, at: datetime) -> int:
    """Tell the team's lead once, for each target, that it has passed; nothing in the public thread (F5)."""

    def deed(row: Ticket) -> None:
        row.alerts = [*row.alerts, f"late:{row.due_for}"]
        row.late = True
        row.save(update_fields=["alerts", "late"])
        ticket_mails.tell_alert(ticket_mail_kinds.Overdue, row, at=at)

    return _each(Ticket.objects.late(at).exclude(_told("late")), deed, first="due_at")


def _told(what: str) -> Q:
    kinds = ("first", "team", "next", "solve")
    told = Q()
    for kind in kinds:
        told |= Q(due_for=kind, alerts__contains=[f"{what}:{kind}"])
    return told


def release_forgotten(*, at: datetime) -> int:
    """A ticket that its person left aside for so many hours of opening is anybody's again (F2)."""
    minutes = dict(Team.objects.values_list("code", "release_minutes"))

    def deed(row: Ticket) -> None:
        allowed = minutes[row.team]
        hours = targets_of(row.team, at=at).hours
        if row.acted_at and sla.between(row.acted_at, at, hours) >= allowed:
            release_locked(row, by=PORTAL, why="laissée de côté", at=at)

    held = Ticket.objects.filter(status=Status.OPEN, assignee__isnull=False)
    return sum(
        _each(held.filter(team=team, acted_at__lte=at - timedelta(minutes=allowed)), deed, first="acted_at")
        for team, allowed in minutes.items()
    )


def _waiting() -> "QuerySet[Ticket]":
    """Those whose requester is to answer; while an incident goes on, nobody's silence counts (F14)."""
    return Ticket.objects.filter(status=Status.WAITING).exclude(incident__status=Incident.Status.OPEN)


def remind(*, at: datetime) -> int:
    """Twice, before a ticket that waits for its requester is closed (F21)."""
    today = brussels_date(at)

    def deed(row: Ticket) -> None:
        since = brussels_date(row.held_since or at)
        if today < working_days_after(since, REMIND_WORKING_DAYS[row.reminders]):
            return
        row.reminders += 1
        row.reminded_at = at
        row.save(update_fields=["reminders", "reminded_at"])
        ticket_mails.tell_requester(ticket_mail_kinds.Reminder, row, at=at)

    waiting = _waiting().filter(Q(reminded_at=None) | Q(reminded_at__lte=at - timedelta(days=1)))
    return sum(
        _each(waiting.filter(reminders=number, held_since__lte=at - timedelta(days=days)), deed, first="held_since")
        for number, days in enumerate(REMIND_WORKING_DAYS)
    )


def close_old(*, at: datetime) -> int:
    """Close what its requester left without an answer after two reminders, and what was solved long enough ago.

    What has a mandatory item open is its team's again instead: the list holds back a closing, whoever closes (F20).
    """
    today = brussels_date(at)

    def abandoned(row: Ticket) -> None:
        if today < working_days_after(brussels_date(row.held_since or at), CLOSE_WORKING_DAYS):
            return
        if missing := open_items(row):
            resume(row, Status.OPEN if row.assignee_id else Status.NEW, by=PORTAL, at=at, note=LIST_IS_OPEN)
            save(row, at=at)
            note(row, text=f"{LIST_IS_OPEN}. Reste à cocher : {' ; '.join(missing)}.", by=PORTAL, at=at)
            return
        close_locked(row, why="sans réponse de votre part après deux rappels.", by=PORTAL, at=at)

    def settled(row: Ticket) -> None:
        close_locked(row, why="résolue.", by=PORTAL, tell=False, at=at)

    left = _waiting().filter(
        reminders=len(REMIND_WORKING_DAYS),
        held_since__lte=at - timedelta(days=CLOSE_WORKING_DAYS),
    )
    solved = Ticket.objects.filter(status=Status.SOLVED, solved_at__lte=at - timedelta(days=REOPEN_DAYS))
    return _each(left, abandoned, first="held_since") + _each(solved, settled, first="solved_at")


def destroy_personal(*, at: datetime) -> int:
    """A document that identifies a person, thirty days after the end of its ticket, with its certificate."""
    over = Attachment.objects.filter(
        personal=True, destroyed_at=None, message__ticket__closed_at__lte=at - timedelta(days=PERSONAL_DAYS)
    )
    return attachments.destroy(over.defer("content"), why="trente jours après la fin de la demande", at=at)
