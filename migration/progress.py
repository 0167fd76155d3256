"""How far each batch is: the figures of the batch list, in a fixed number of statements. Counted, never kept."""

from collections.abc import Collection
from dataclasses import dataclass, field

from django.db.models import Count, Q

from migration.models import Mailing, Move
from migration.sequence import went_wrong


@dataclass
class Tally:
    """Of one batch: its boxes, how many migrated, failed or were put back, mails sent by step, went wrong, held."""

    boxes: int = 0
    migrated: int = 0
    failed: int = 0
    rolled_back: int = 0
    bad: int = 0
    held: int = 0
    sent: dict[int, int] = field(default_factory=lambda: dict.fromkeys(Mailing.Step.values, 0))


def tallies(batch_ids: Collection[int]) -> dict[int, Tally]:
    """By batch; `bad` by the rule that suspends it."""
    found = {pk: Tally() for pk in batch_ids}
    moves = (
        Move.objects.filter(batch__in=found)
        .order_by()
        .values("batch")
        .annotate(
            boxes=Count("pk"),
            migrated=Count("pk", filter=Q(status=Move.Status.MIGRATED)),
            failed=Count("pk", filter=Q(status=Move.Status.FAILED)),
            rolled_back=Count("pk", filter=Q(status=Move.Status.ROLLED_BACK)),
        )
    )
    for row in moves:
        tally = found[row.pop("batch")]
        for name, count in row.items():
            setattr(tally, name, count)
    of_these = Move.objects.filter(batch__in=found).order_by().values("batch")
    for row in of_these.filter(went_wrong()).annotate(bad=Count("pk")):  # few, found by what went wrong
        found[row["batch"]].bad = row["bad"]
    mailings = Mailing.objects.filter(move__batch__in=found).order_by().values("move__batch")
    for row in mailings.filter(mail__sent_at__isnull=False).values("move__batch", "step").annotate(sent=Count("pk")):
        found[row["move__batch"]].sent[row["step"]] = row["sent"]
    for row in mailings.filter(held_at__isnull=False).annotate(held=Count("pk")):
        found[row["move__batch"]].held = row["held"]
    return found
