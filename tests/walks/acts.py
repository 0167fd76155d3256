"""What a walk does inside the portal, in a process of its own: `python -m tests.walks.acts NAME ARG…`.

The walks' own process never opens the database through Django, so that the servers under it can be killed.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

import django


def queue(boxes: str, mails: str, name: str = "walk") -> None:
    """For each mailbox, mails that must leave in their order, signed by SGNE and ETNIC in turn."""
    from bma_portal.mail.compose import outgoing
    from bma_portal.mail.models import OutgoingMail, Sender
    from bma_portal.mail.tasks import ring

    at = datetime(2024, 10, 7, 8, tzinfo=UTC)
    rows = [
        outgoing(
            key=f"{name}:{box}:{n}",
            kind="plain",
            stream=f"{name}:{box}",
            sender=Sender.SGNE if n % 2 else Sender.ETNIC,
            to=[f"ec{box:06d}@adm.cfwb.be"],
            subject=f"{n}",
            text=f"Courriel {n} de la boîte {box}.",
            queued_at=at,
        )
        for n in range(1, int(mails) + 1)
        for box in range(1, int(boxes) + 1)
    ]
    OutgoingMail.objects.bulk_create(rows)
    for sender in Sender.values:
        ring(sender)


def resume() -> None:
    from bma_portal.mail.claims import resume_sender
    from bma_portal.mail.models import Sender, Throttle

    for sender in Sender.values:
        resume_sender(sender)
    Throttle.objects.update(blocked_until=None)


def tidy() -> None:
    from bma_portal.mail import outbox
    from bma_portal.mail.models import Sender

    for sender in Sender.values:
        outbox.tidy_drafts(sender)


def register(establishments: str, pos: str) -> None:
    """An invented register, small enough for a walk."""
    from accounts.models import Mailbox, Organisation

    for kind, count in (("po", int(pos)), ("ec", int(establishments))):
        for fase in range(1, count + 1):
            unit = Organisation.objects.create(kind=kind, fase=fase, name=f"Unité fictive {kind} {fase}")
            Mailbox.objects.create(organisation=unit, address=f"{kind}{fase:06d}@adm.cfwb.be")


def campaign(po_weeks: str = "1", ec_weeks: str = "2") -> None:
    """The campaign of 2024 in fewer batches: a replay of it has fewer moments."""
    from migration.campaigns import AUTUMN_2024
    from migration.models import Campaign

    facts = dict(AUTUMN_2024)
    for kind, weeks in (("po", po_weeks), ("ec", ec_weeks)):
        facts[f"{kind}_first_mail_to"] = facts[f"{kind}_first_mail_from"] + timedelta(weeks=int(weeks) - 1)
    Campaign.objects.create(slug="2024", **facts)


def secrets() -> None:
    """How many passwords are still sealed, and how many certificates of destruction there are."""
    from accounts.models import Credential

    destroyed = Credential.objects.filter(destroyed_at__isnull=False).count()
    json.dump({"sealed": Credential.objects.live().count(), "destroyed": destroyed}, sys.stdout)


def directory_agrees() -> None:
    """How many mailboxes open with the password that is sealed for them."""
    from urllib.parse import urlsplit

    from django.conf import settings

    from accounts import credentials
    from accounts.models import Credential
    from demo.exchange.control import StandIn

    address = urlsplit(settings.EXCHANGE_URL)
    directory = StandIn.at(f"{address.scheme}://{address.netloc}")
    rows = Credential.objects.live().select_related("mailbox")
    sys.stdout.write(str(sum(directory.verify(row.mailbox.address, credentials.reveal(row).reveal()) for row in rows)))


if __name__ == "__main__":
    django.setup()
    globals()[sys.argv[1]](*sys.argv[2:])
