"""Before SMAIL2 closes for good (S3 §3, K6): the mailboxes still read there, by batch, and the days left (B20).

Every open unit counts, also one that no batch has ever held: on the closing day it would lose what it reads.
"""

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Subquery

from accounts.models import Mailbox, Organisation
from bma_portal.clock import brussels_date
from migration.models import Batch, Campaign, Move

SHOWN = 500
NOWHERE = "aucun"  # of the filter: in no batch


@dataclass(frozen=True)
class Group:
    """The mailboxes that wait in one batch, or in none."""

    batch: Batch | None
    count: int
    too_late: bool = False  # its night begins once the old server is closed


@dataclass(frozen=True)
class Countdown:
    closes_on: date
    days_left: int  # 0 on the closing day and after
    total: int
    groups: list[Group]
    mailboxes: list[Mailbox]  # the first of those asked for, each with `batch_id`
    more: int

    @property
    def is_closed(self) -> bool:
        return self.days_left == 0


def countdown(campaign: Campaign, *, at: datetime, lot: str = "") -> Countdown:
    """What is left to do at that moment. `lot` narrows the list to a batch (its pk), or to what is in none."""
    closes_on = campaign.old_server_closes_on
    waiting = still_on_old_server(at).annotate(batch_id=_batch(campaign))
    counts: dict[int | None, int] = dict(waiting.order_by().values_list("batch_id").annotate(Count("pk")))
    batches = Batch.objects.filter(pk__in=[pk for pk in counts if pk]).order_by("night_on", "number")
    groups = [Group(batch, counts[batch.pk], batch.night_on >= closes_on) for batch in batches]
    if None in counts:
        groups.insert(0, Group(None, counts[None]))
    total = sum(counts.values())
    asked, in_list = waiting, total
    if lot == NOWHERE or (lot.isascii() and lot.isdigit() and len(lot) < 10):
        key = None if lot == NOWHERE else int(lot)
        asked, in_list = waiting.filter(batch_id=key), counts.get(key, 0)
    return Countdown(
        closes_on=closes_on,
        days_left=max(0, (closes_on - brussels_date(at)).days),
        total=total,
        groups=groups,
        mailboxes=list(asked.select_related("organisation").order_by("address")[:SHOWN]),
        more=max(0, in_list - SHOWN),
    )


def still_on_old_server(at: datetime) -> QuerySet[Mailbox]:
    """Open at that moment, and not migrated by then (or put back since)."""
    migrated = Move.objects.migrated(at).filter(mailbox=OuterRef("pk"))
    return Mailbox.objects.filter(~Exists(migrated), organisation__in=Organisation.objects.plannable(at))


def _batch(campaign: Campaign) -> Subquery:
    """The batch that holds it, or held it last; a failure or a roll-back waits in the batch where it happened."""
    moves = Move.objects.filter(mailbox=OuterRef("pk"), batch__campaign=campaign.pk)
    latest = moves.exclude(status=Move.Status.CANCELLED).order_by("-pk").values("batch")[:1]
    return Subquery(latest, output_field=IntegerField())
