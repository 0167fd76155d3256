"""Whom to turn to today, by team."""

from datetime import date, datetime

from accounts.models import Contact
from bma_portal.clock import brussels_date


def contacts_on(at: datetime) -> dict[str, Contact]:
    """By team, how to reach it that day, in one query; where two entries overlap, the one that began last."""
    valid = Contact.objects.valid_on(brussels_date(at))
    return {contact.team: contact for contact in sorted(valid, key=lambda c: c.valid_from or date.min)}
