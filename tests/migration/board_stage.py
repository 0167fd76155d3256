"""A campaign in the middle of its way, small, for the dashboard and the nightly report: each kind of thing once."""

from dataclasses import dataclass
from datetime import date, timedelta

from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail, Sender, SenderState
from migration.models import AvoidedPeriod, Batch, Campaign, Mailing, MailText, Move
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, MoveFactory

MORNING = brussels(date(2024, 11, 8), 9)  # after the night of the 7th
Status = Batch.Status


@dataclass
class Board:
    campaign: Campaign
    night: Batch  # of the 7th: two migrated, one failed, one without a result
    again: Batch  # takes up the one that failed before
    running: Batch  # establishments: two on their way, one of them set aside, one came back
    paused: Batch
    draft: Batch
    came_back: Move


def stage() -> Board:
    night = BatchFactory(number=1, status=Status.RUNNING)
    MoveFactory(batch=night, migrated=True, mailbox__organisation__network="Libre")
    MoveFactory(batch=night, migrated=True)
    MoveFactory(batch=night, failed=True)
    retried = MoveFactory(batch=night, failed=True)
    MoveFactory(batch=night, confirmed=True)
    again = BatchFactory(
        number=2, status=Status.RUNNING, released_at=None, mail1_on=date(2024, 10, 8), mail2_on=date(2024, 10, 15),
        mail3_on=date(2024, 11, 6), night_on=date(2024, 11, 8),
    )  # fmt: skip
    MoveFactory(batch=again, mailbox=retried.mailbox, confirmed=True)
    running = BatchFactory(number=3, establishments=True, status=Status.RUNNING)
    MoveFactory(batch=running, announced=True)
    MoveFactory(batch=running, announced=True, paused_at=MORNING, paused_by="sgne", paused_why="Travaux.")
    came_back = MoveFactory(batch=running, announced=True, announced_night=running.night_on)
    OutgoingMail.objects.filter(mailing__move=came_back, mailing__step=1).update(
        bounced_at=MORNING - timedelta(days=3), delivery_text="Boîte inconnue."
    )
    paused = BatchFactory(number=4, establishments=True, status=Status.PAUSED, night_on=date(2024, 12, 10))
    MoveFactory(batch=paused)
    draft = BatchFactory(
        number=5, establishments=True, status=Status.DRAFT, mail1_on=date(2024, 11, 18), mail2_on=date(2024, 11, 25),
        mail3_on=date(2024, 12, 16), night_on=date(2024, 12, 18),
    )  # fmt: skip
    MoveFactory(batch=draft)
    MailboxFactory()
    Mailing.objects.filter(move__batch=running, step=2).update(held_at=MORNING, held_why="En retard.")
    SenderState.objects.create(sender=Sender.ETNIC, refusals=3, paused_at=MORNING, reason="Mot de passe expiré.")
    AvoidedPeriod.objects.get_or_create(
        reason="count", name="Comptage", first=date(2024, 12, 9), last=date(2024, 12, 10), kind="ec", source="essai"
    )
    text = MailText.objects.filter(step=1).order_by("-version").first()
    MailText.objects.create(
        step=1, version=text.version + 1 if text else 1, subject="Annonce", body="Texte", written_by="sgne",
        written_at=MORNING, status=MailText.Status.PROPOSED,
    )  # fmt: skip
    return Board(night.campaign, night, again, running, paused, draft, came_back)
