"""The campaign of 2024, as the documents give it."""

from datetime import date
from typing import Any

from migration.models import Campaign

# Where the documents disagree the choice is a setting that staff can change; the sources stand beside each field.
AUTUMN_2024: dict[str, Any] = {
    "name": "Migration des BMA, automne 2024",
    "po_first_mail_from": date(2024, 10, 7),  # S1 §8 (S1 §5 says « from 4 October »: K11)
    "po_first_mail_to": date(2024, 10, 31),  # S1 §8
    "ec_first_mail_from": date(2024, 11, 4),  # S1 §8
    "ec_first_mail_to": date(2024, 11, 30),  # S1 §8
    "announced_until": date(2024, 11, 30),  # S1, S4 (S3 §3: end of December, K6)
    "old_server_closes_on": date(2025, 4, 25),  # S3 §3
}


def default_campaign() -> Campaign:
    """The latest campaign; if there is none, that of 2024, not saved."""
    return Campaign.objects.order_by("-pk").first() or Campaign(slug="2024", **AUTUMN_2024)


def saved_campaign() -> Campaign:
    """The same one, saved: two people who ask at once get one campaign."""
    return (
        Campaign.objects.order_by("-pk").first()
        or (Campaign.objects.get_or_create(slug="2024", defaults=AUTUMN_2024)[0])
    )
