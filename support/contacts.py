"""Whom to turn to today: how each team is reached, and which one answers for a mailbox (S1 §3, §6, §7).

`support/routing.py` routes a question; here is the one team that a mailbox's own page names before any is asked. A
test holds the two together.
"""

from dataclasses import dataclass
from datetime import date, datetime

from accounts.contacts import opening_of
from accounts.models import Contact
from bma_portal import kept
from bma_portal.clock import brussels_date
from bma_portal.prepared import twin
from support.status import MailboxStatus, Progress, Where


@dataclass(frozen=True)
class Turn:
    """The team to turn to, and for what."""

    team: Contact.Team
    about: str


def contacts_on(at: datetime) -> dict[str, Contact | None]:
    """By team, how to reach it that day, in one query; where two entries overlap, the one that began last.

    A team that cannot be reached that day has None. Those whose hours are known say whether they are open.
    """
    day, rows = brussels_date(at), kept.rows(Contact)
    valid = Contact.objects.valid_on(day) if rows is None else [twin(row) for row in rows if row.valid_on(day)]
    known = {contact.team: contact for contact in sorted(valid, key=lambda c: c.valid_from or date.min)}
    for contact in known.values():
        contact.opening = opening_of(contact, at)
    return {team: known.get(team) for team in Contact.Team.values}


def contact_for(status: MailboxStatus, at: datetime) -> Turn:
    """The team that answers first for this mailbox at that moment.

    Enseignement.be until mail 2 is delivered (K5), and never once the old server is closed (E3); SGNE while a date of
    the migration is what is in question; ETNIC from mail 2 on, and for every mailbox that migrated.
    """
    over = brussels_date(at) >= status.campaign.old_server_closes_on
    if status.where == Where.NEW or over:
        return Turn(Contact.Team.ETNIC, "Le mot de passe ou un souci technique")
    if _dates_are_in_question(status):
        return Turn(Contact.Team.SGNE, "La date de la migration")
    if status.has_new_password:
        return Turn(Contact.Team.ETNIC, "Le nouveau mot de passe ou un souci technique")
    return Turn(Contact.Team.ENSEIGNEMENT_BE, "Le mot de passe actuel de cette boîte")


def _dates_are_in_question(status: MailboxStatus) -> bool:
    if status.failed or status.suspended or status.where in {Where.NIGHT, Where.UNSURE}:
        return True
    late = status.next_stage is not None and status.next_stage.progress == Progress.LATE
    unannounced = (
        status.waits_for_first_mail and status.window_over and not (status.next_stage and status.next_stage.on)
    )
    return late or unannounced
