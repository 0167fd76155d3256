"""Whom to turn to today, by team."""

from datetime import date, datetime

from accounts.models import Contact
from bma_portal.clock import brussels_date


def contacts_on(at: datetime) -> dict[str, Contact | None]:
    """By team, how to reach it that day, in one query; where two entries overlap, the one that began last.

    A team that cannot be reached that day has None.
    """
    valid = Contact.objects.valid_on(brussels_date(at))
    known = {contact.team: contact for contact in sorted(valid, key=lambda c: c.valid_from or date.min)}
    return {team: known.get(team) for team in Contact.Team.values}
