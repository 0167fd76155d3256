"""Campaigns, batches and moves, with the facts of each phase: `MoveFactory(confirmed=True)`."""

from datetime import date, datetime, timedelta

import factory

from accounts import credentials
from accounts.models import Credential
from bma_portal.clock import brussels
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import OutgoingMail, Sender
from migration.campaigns import AUTUMN_2024
from migration.models import Batch, Campaign, Mailing, Move
from tests.factories import MailboxFactory

SENDERS = {1: Sender.SGNE, 2: Sender.ETNIC, 3: Sender.SGNE, 4: Sender.ETNIC}


class CampaignFactory(factory.django.DjangoModelFactory):
    """The campaign of autumn 2024, once."""

    class Meta:
        model = Campaign
        django_get_or_create = ("slug",)

    slug = "2024"
    for _name, _value in AUTUMN_2024.items():
        locals()[_name] = _value
    del _name, _value


class BatchFactory(factory.django.DjangoModelFactory):
    """A week of POs, approved and open to all: 7, 14 October, 5 November 2024, night of the 7th to the 8th."""

    class Meta:
        model = Batch

    class Params:
        establishments = factory.Trait(
            kind="ec",
            mail1_on=date(2024, 11, 4),
            mail2_on=date(2024, 11, 12),
            mail3_on=date(2024, 12, 3),
            night_on=date(2024, 12, 5),
        )

    campaign = factory.SubFactory(CampaignFactory)
    number = factory.Sequence(lambda n: n + 1)
    kind = "po"
    status = Batch.Status.APPROVED
    mail1_on = date(2024, 10, 7)
    mail2_on = date(2024, 10, 14)
    mail3_on = date(2024, 11, 5)
    night_on = date(2024, 11, 7)
    approved_by = "sgne"
    approved_at = brussels(date(2024, 9, 30), 9)
    released_by = "sgne"
    released_at = brussels(date(2024, 9, 30), 10)


class MoveFactory(factory.django.DjangoModelFactory):
    """A mailbox in a batch with its four mailings; a trait adds what was delivered and done, on the planned dates."""

    class Meta:
        model = Move

    class Params:
        announced = factory.Trait(sent=1)
        credentials_sent = factory.Trait(sent=2)
        confirmed = factory.Trait(sent=3)
        migrated = factory.Trait(
            sent=4,
            status=Move.Status.MIGRATED,
            migrated_at=factory.LazyAttribute(lambda move: night_result(move.batch)),
        )
        failed = factory.Trait(sent=4, status=Move.Status.FAILED, failure="Boîte verrouillée.")

    batch = factory.SubFactory(BatchFactory)
    mailbox = factory.SubFactory(
        MailboxFactory, po=factory.LazyAttribute(lambda o: o.factory_parent.batch.kind == "po")
    )
    position = factory.Sequence(lambda n: n + 1)

    sent = 0  # how many of the four mails were delivered, in order

    @classmethod
    def _create(cls, model_class, *args, sent, **kwargs):
        move = super()._create(model_class, *args, **kwargs)
        for step, due_at in due_dates(move.batch).items():
            mailing = Mailing.objects.create(move=move, step=step, due_at=due_at)
            if step <= sent:
                deliver(mailing, due_at + timedelta(minutes=5))
        return move


def due_dates(batch: Batch) -> dict[int, datetime]:
    """When each mail of a batch is due, as `planning.apply` writes it."""
    hour, night = batch.campaign.mails_hour, batch.campaign.night_from_hour
    return {
        1: brussels(batch.mail1_on, hour),
        2: brussels(batch.mail2_on, hour),
        3: brussels(batch.mail3_on, hour),
        4: brussels(batch.night_on, night),
    }


def night_result(batch: Batch) -> datetime:
    """When ETNIC says that the night went well: at two in the morning."""
    return brussels(batch.night_on + timedelta(days=1), 2)


def deliver(mailing: Mailing, at: datetime) -> OutgoingMail:
    """The row that the outbox leaves when Exchange accepted this mail at `at`."""
    mail = outgoing(
        key=f"mailing:{mailing.pk}",
        kind="migration.announcement",
        object_id=mailing.pk,
        sender=SENDERS[mailing.step],
        to=[mailing.move.mailbox.address],
        subject="Un mail de la migration",
        queued_at=at,
        status=OutgoingMail.Status.SENT,
        sent_at=at,
        proof=OutgoingMail.Proof.ANSWER,
    )
    mail.save()
    mailing.mail = mail
    mailing.save(update_fields=["mail"])
    return mail


def in_force(*moves: Move) -> None:
    """Their new passwords were made when mail 2 was due, and the directory has them."""
    for move in moves:
        at = due_dates(move.batch)[2]
        credentials.issue([move.mailbox], at=at)
        Credential.objects.filter(mailbox=move.mailbox, applied_at=None).update(applied_at=at)
