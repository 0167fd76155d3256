"""From one organisation to another, and what else the desk changes of a ticket, each with its trace."""

from datetime import datetime

from django.db import transaction

from accounts.models import Contact, User
from bma_portal.errors import Refusal
from support import attachments, ticket_mail_kinds, ticket_mails
from support.models import Ticket, TicketChange, TicketCheck
from support.needs import NEEDS
from support.tickets.common import Actor, Status, expect_live, index, locked, log, name_of, resume, save
from support.tickets.opening import need_label, refuse_wrong_team
from support.tickets.thread import event

TEAMS = Contact.Team
TRIAGE = TEAMS.ETNIC  # who sorts what nobody claims
OTHER_TRIAGE = TEAMS.SGNE


def transfer(
    ticket: Ticket, *, to: str, why: str, by: Actor, version: int | None = None, returned: bool = False, at: datetime
) -> Ticket:
    """Hand it over: its own clock for the receiver, the total stays, the requester is told who has it (E9).

    `returned`: it came to the wrong team; the rule that sent it there, if one did, is listed for review (E10). Raises
    Refusal for a team that may never have it, or without a reason.
    """
    if to not in TEAMS.values:
        raise Refusal("Choisissez l’équipe qui reçoit la demande.")
    if not why.strip():
        raise Refusal("Dites pourquoi : l’autre équipe le lira.")
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if row.team == to:
            raise Refusal("Cette équipe a déjà la demande.")
        refuse_wrong_team(row, to, mailbox=row.mailbox, at=at)
        # What a person handed to this team, no rule sent there
        faulty = row.rule if returned and row.rule is not None and row.rule.team == row.team else None
        log(row, "équipe", row.team, to, by=by, at=at, why=why, returned_rule=faulty)
        if row.assignee_id:
            log(row, "suivie par", row.assignee, "", by=by, at=at, why="changement d’équipe")
        if row.status == Status.WAITING:
            resume(row, Status.NEW, by=by, at=at, note=why)
        elif row.status == Status.OPEN:
            row.move_to(Status.NEW, by=name_of(by), at=at, note=why)
        ticket_mails.cancel_for_team(row, at=at)
        row.team, row.team_since, row.held_minutes_team = to, at, 0
        row.assignee, row.acted_at = None, None
        if row.incident is not None:
            log(row, "incident", row.incident, "", by=by, at=at, why="changement d’équipe")
            row.incident = None
        row.alerts = [alert for alert in row.alerts if not alert.endswith(":team")]
        if faulty is not None:
            row.rule = None
        row.reason, row.source = f"Confiée à cette équipe : {why}"[:400], ""  # between teams: no source cites it
        row.asked_at = row.asked_at or at  # whoever hands over leaves something to answer
        save(row, at=at)
        told = event(row, f"Votre demande est maintenant suivie par {_named(to)}.", by=by, at=at)
        ticket_mails.tell_requester(ticket_mail_kinds.Moved, row, about=told, at=at)
        ticket_mails.tell_team(row, told, at=at)
    return row


def give_back(ticket: Ticket, *, why: str, by: Actor, version: int | None = None, at: datetime) -> Ticket:
    """« Pas pour nous »: to the team that had it before, else to the one that sorts (E10)."""
    former = TicketChange.objects.filter(ticket=ticket, field="équipe").order_by("-pk").values_list("old", flat=True)
    before = former.first()
    to = before if before and before != ticket.team else TRIAGE if ticket.team != TRIAGE else OTHER_TRIAGE
    return transfer(ticket, to=to, why=why, by=by, version=version, returned=True, at=at)


def _named(team: str) -> str:
    """« l’ETNIC », as one says it."""
    return {
        TEAMS.ETNIC: "l’ETNIC",
        TEAMS.SGNE: "le SGNE",
        TEAMS.PRIMINFO: "Priminfo",
        TEAMS.ENSEIGNEMENT_BE: "le service Enseignement.be",
    }[TEAMS(team)]


def set_priority(ticket: Ticket, *, priority: str, by: User, version: int | None = None, at: datetime) -> Ticket:
    """Urgent has half the time, counted from the same moments: what was held stays held (F4)."""
    if priority not in Ticket.Priority.values:
        raise Refusal("Choisissez une priorité.")
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if row.priority != priority:
            log(row, "priorité", row.get_priority_display(), Ticket.Priority(priority).label, by=by, at=at)
            row.priority = priority
        save(row, at=at)
    return row


def set_need(ticket: Ticket, *, need: str, by: User, version: int | None = None, at: datetime) -> Ticket:
    """Sort it otherwise. The team stays; what was ticked stays ticked where the new need has the same item."""
    if need not in NEEDS:
        raise Refusal("Ce besoin n’existe pas.")
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        refuse_wrong_team(need, row.team, mailbox=row.mailbox, at=at)
        if row.need != need:
            log(row, "besoin", need_label(row.need), need_label(need), by=by, at=at)
            row.need = need
            if NEEDS[need].sensitive:
                attachments.make_personal(row)
        save(row, at=at)
    return row


def change_requester(
    ticket: Ticket,
    *,
    first_name: str,
    last_name: str,
    email: str,
    phone: str,
    by: User,
    version: int | None = None,
    at: datetime,
) -> Ticket:
    """Somebody else is answered from now on: mails that wait for the former address do not leave (F12)."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if row.email.lower() != email.lower():
            log(row, "adresse", row.email, email, by=by, at=at)
            row.email_confirmed_at, row.user, row.code_sent_at = None, None, None
            ticket_mails.cancel_waiting(row, row.email, why="Le demandeur a changé.")
            row.revoked_at = None  # that was the former one's
        if row.requester_name != f"{first_name} {last_name}".strip():
            log(row, "demandeur", row.requester_name, f"{first_name} {last_name}", by=by, at=at)
        row.first_name, row.last_name, row.email, row.phone = first_name, last_name, email, phone
        save(row, at=at)
        index(row, f"{first_name} {last_name} {email}")
    return row


def check_item(ticket: Ticket, *, item: str, done: bool, by: User, version: int | None = None, at: datetime) -> None:
    """Tick or untick one item of the need's checklist (F20). Raises Refusal for an item that is not in it."""
    with transaction.atomic():
        row = locked(ticket, version=version)
        expect_live(row)
        if item not in {check.slug for check in checklist(row)}:
            raise Refusal("Ce point ne fait pas partie de la liste.")
        if done:
            _check, new = TicketCheck.objects.get_or_create(ticket=row, item=item, defaults={"by": by, "at": at})
        else:
            new = bool(TicketCheck.objects.filter(ticket=row, item=item).delete()[0])
        if new:
            log(row, "liste", "" if done else item, item if done else "", by=by, at=at)
            if row.assignee_id == by.pk:
                row.acted_at = at
            save(row, at=at)


def checklist(ticket: Ticket) -> tuple:
    """The `needs.Check` of its need."""
    return NEEDS[ticket.need].checklist if ticket.need in NEEDS else ()
