"""Mailboxes that wait for their holder: a mail of theirs came back, so that no night may begin for them (B18).

They are listed with the age of the wait, told each night in the report, and never migrated in silence: mail 4 asks for
a mail 2 that was delivered and stayed (`sequence.ready`), and so does the result of a night (`cutover.record`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from bma_portal.clock import brussels_date, is_working_day
from bma_portal.mail.models import OutgoingMail
from migration.models import Batch, Mailing, Move

LIVE = [*Batch.MOVING, Batch.Status.PAUSED]
OLD_AFTER = 3  # working days: from then on somebody telephones


@dataclass(frozen=True)
class Wait:
    """One mailbox: which mail did not arrive, since when, what the server said, for how many working days."""

    move: Move
    step: int
    since: datetime
    code: str
    words: str
    working_days: int

    @property
    def is_old(self) -> bool:
        return self.working_days >= OLD_AFTER


def undelivered(*, at: datetime) -> QuerySet[Mailing]:
    """Mails 1 to 3 of mailboxes still to move that came back, or that Exchange refused, by `at`.

    Those of an earlier batch too, if the mailbox was postponed or is tried again and no other mail replaces that one.
    """
    came_back = Q(mail__bounced_at__lte=at)
    refused = Q(mail__status=OutgoingMail.Status.FAILED, mail__queued_at__lte=at)
    elsewhere = Move.objects.live().filter(mailbox=OuterRef("move__mailbox"), batch__status__in=LIVE)
    same = Mailing.objects.filter(step=OuterRef("step"), move__mailbox=OuterRef("move__mailbox"))
    made_up_for = same.filter(Q(move__status=Move.Status.PLANNED) | Q(mail__sent_at__lte=at, mail__bounced_at=None))
    return Mailing.objects.filter(
        came_back | refused,
        Q(move__status=Move.Status.PLANNED, move__batch__status__in=LIVE)
        | ~Q(move__status=Move.Status.PLANNED) & Q(Exists(elsewhere)) & ~Q(Exists(made_up_for)),
        step__lt=Mailing.Step.CLOSING,
    )


def waits(*, at: datetime, batches: Collection[int] | None = None, limit: int = 500) -> list[Wait]:
    """The oldest first, one line a mailbox, in one statement; of these batches, or of all."""
    mailings = undelivered(at=at)
    if batches is not None:
        mailings = mailings.filter(move__batch__in=batches)
    rows = (
        mailings.annotate(since=Coalesce(F("mail__bounced_at"), F("mail__queued_at")))
        .select_related("move__mailbox__organisation", "move__batch", "mail")
        .defer("mail__text", "mail__html")
        .order_by("since", "pk")[:limit]
    )
    found: dict[int, Wait] = {}
    for row in rows:
        since: datetime = row.since
        mail = row.mail
        assert mail is not None
        wait = Wait(
            row.move, row.step, since, mail.delivery_code, mail.delivery_text or mail.last_error, _age(since, at)
        )
        found.setdefault(row.move.mailbox_id, wait)
    return list(found.values())


def count(*, at: datetime, batches: Collection[int] | None = None) -> int:
    """How many mailboxes wait."""
    mailings = undelivered(at=at)
    if batches is not None:
        mailings = mailings.filter(move__batch__in=batches)
    return mailings.values("move__mailbox").distinct().count()


def _age(since: datetime, at: datetime) -> int:
    """Working days that began after the day of the return, to today's included."""
    day, today = brussels_date(since), brussels_date(at)
    return sum(is_working_day(day + timedelta(days=n)) for n in range(1, _days(day, today) + 1))


def _days(first: date, last: date) -> int:
    return max(0, min((last - first).days, 366))
