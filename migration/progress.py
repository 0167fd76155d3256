"""How far each batch is: the figures of the batch list, in a fixed number of statements. Counted, never kept."""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import Count, Q

from bma_portal.mail.models import OutgoingMail
from migration.models import Mailing, Move
from migration.sequence import went_wrong


@dataclass
class Tally:
    """Of one batch: its boxes, how many have their result, mails sent by step, boxes that went wrong, mails held."""

    boxes: int = 0
    migrated: int = 0
    failed: int = 0
    bad: int = 0
    held: int = 0
    sent: dict[int, int] = field(default_factory=lambda: dict.fromkeys(Mailing.Step.values, 0))


def tallies(batch_ids: Collection[int]) -> dict[int, Tally]:
    """By batch; `bad` by the rule that suspends it."""
    found = {pk: Tally() for pk in batch_ids}
    moves = (
        Move.objects.filter(batch__in=found)
        .annotate(is_bad=went_wrong())
        .order_by()
        .values("batch")
        .annotate(
            boxes=Count("pk"),
            migrated=Count("pk", filter=Q(status=Move.Status.MIGRATED)),
            failed=Count("pk", filter=Q(status=Move.Status.FAILED)),
            bad=Count("pk", filter=Q(is_bad=True)),
        )
    )
    for row in moves:
        tally = found[row.pop("batch")]
        for name, count in row.items():
            setattr(tally, name, count)
    mailings = (
        Mailing.objects.filter(move__batch__in=found)
        .order_by()
        .values("move__batch", "step")
        .annotate(
            sent=Count("pk", filter=Q(mail__status=OutgoingMail.Status.SENT)),
            waiting=Count("pk", filter=Q(held_at__isnull=False)),
        )
    )
    for row in mailings:
        tally = found[row["move__batch"]]
        tally.sent[row["step"]] = row["sent"]
        tally.held += row["waiting"]
    return found
