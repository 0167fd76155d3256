"""Who works on a ticket, within the team that has it (F2)."""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from bma_portal.errors import Refusal
from support.models import Ticket, Watcher
from support.tickets.common import Actor, Status, expect_live, locked, log, name_of, resume, save


def take(ticket: Ticket, *, by: User, version: int | None = None, at: datetime) -> Ticket:
    """It is mine now. Raises Refusal if it is another's: they release it first, or it is assigned."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if row.assignee_id not in {None, by.pk}:
            raise Refusal(f"{name_of(row.assignee)} suit déjà cette demande.")  # type: ignore[arg-type]
        _give(row, by, by=by, at=at)
    return row


def assign(ticket: Ticket, *, to: User, by: User, version: int | None = None, why: str = "", at: datetime) -> Ticket:
    """Give it to a member of the team. Raises Refusal for somebody who may not see it."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if not to.is_active or not to.has_perm(f"support.work_{row.team}"):
            raise Refusal(f"{name_of(to)} ne fait pas partie de l’équipe {row.get_team_display()}.")
        _give(row, to, by=by, at=at, why=why)
    return row


def _give(row: Ticket, to: User, *, by: User, at: datetime, why: str = "") -> None:
    if row.assignee_id != to.pk:
        log(row, "suivie par", row.assignee or "", to, by=by, at=at, why=why)
    row.assignee, row.acted_at = to, at
    if row.status == Status.NEW:
        row.move_to(Status.OPEN, by=name_of(by), at=at, assignee=to)
    save(row, at=at)


def release(ticket: Ticket, *, by: Actor, version: int | None = None, why: str = "", at: datetime) -> Ticket:
    """Nobody's again; back among the new ones, unless the holder is waited for."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        release_locked(row, by=by, why=why, at=at)
    return row


def release_locked(row: Ticket, *, by: Actor, why: str, at: datetime) -> None:
    expect_live(row)
    if row.assignee_id is None:
        raise Refusal("Personne ne suit cette demande.")
    log(row, "suivie par", row.assignee, "", by=by, at=at, why=why)
    row.assignee, row.acted_at = None, None
    if row.status == Status.OPEN:
        resume(row, Status.NEW, by=by, at=at, note=why)
    save(row, at=at)


def watch(ticket: Ticket, *, by: User) -> None:
    Watcher.objects.get_or_create(ticket=ticket, user=by)


def unwatch(ticket: Ticket, *, by: User) -> None:
    Watcher.objects.filter(ticket=ticket, user=by).delete()
