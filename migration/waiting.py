"""Mailboxes that wait for their holder: a mail of theirs came back, so that no night may begin for them (B18).

They are listed with the age of the wait, told each night in the report, and never migrated in silence: mail 4 asks for
a mail 2 that was delivered and stayed (`sequence.ready`), and so does the result of a night (`cutover.record`). One
whose correction of the date came back is listed too, for its holder expects another night; it stops no mail 4.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import attrgetter

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce

from bma_portal.clock import brussels_date, is_working_day
from bma_portal.mail.models import OutgoingMail
from migration import corrections
from migration.models import Batch, Mailing, Move

LIVE = [*Batch.MOVING, Batch.Status.PAUSED]
OLD_AFTER = 3  # working days: from then on somebody telephones


@dataclass(frozen=True)
class Wait:
    """One mailbox: which mail did not arrive, since when, what the server said, for how many working days."""

    move: Move
    step: int | None  # none: a correction of the date
    since: datetime
    code: str
    words: str
    working_days: int

    @classmethod
    def of(cls, move: Move, step: int | None, mail: OutgoingMail, *, at: datetime) -> "Wait":
        since = mail.bounced_at or mail.queued_at
        return cls(move, step, since, mail.delivery_code, mail.delivery_text or mail.last_error, _age(since, at))

    @property
    def mail(self) -> str:
        return "correction de la date" if self.step is None else f"{self.step}"

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


def uncorrected(*, at: datetime) -> QuerySet[OutgoingMail]:
    """Corrections of the date that came back or that Exchange refused, by `at`, of mailboxes still to move."""
    lost = Q(bounced_at__lte=at) | Q(status=OutgoingMail.Status.FAILED, queued_at__lte=at)
    live = Move.objects.live().filter(batch__status__in=LIVE)
    return corrections.unread().filter(lost, object_id__in=live.values("pk"))


def waits(*, at: datetime, batches: Collection[int] | None = None, limit: int = 500) -> list[Wait]:
    """The oldest first, one line a mailbox, in three statements; of these batches, or of all."""
    mailings, lost = _of(batches, at=at)
    rows = (
        mailings.annotate(since=Coalesce(F("mail__bounced_at"), F("mail__queued_at")))
        .select_related("move__mailbox__organisation", "move__batch", "mail")
        .defer("mail__text", "mail__html")
        .order_by("since", "pk")[:limit]
    )
    every = [Wait.of(row.move, row.step, row.mail, at=at) for row in rows if row.mail]
    mails = list(lost.defer("text", "html").order_by(Coalesce(F("bounced_at"), F("queued_at")), "pk")[:limit])
    moves = Move.objects.select_related("mailbox__organisation", "batch").in_bulk([mail.object_id for mail in mails])
    every += [Wait.of(moves[mail.object_id or 0], None, mail, at=at) for mail in mails]
    found: dict[int, Wait] = {}
    for wait in sorted(every, key=attrgetter("since")):
        found.setdefault(wait.move.mailbox_id, wait)
    return list(found.values())[:limit]


def count(*, at: datetime, batches: Collection[int] | None = None) -> int:
    """How many mailboxes wait."""
    mailings, lost = _of(batches, at=at)
    of_corrections = Move.objects.filter(pk__in=lost.values("object_id")).values_list("mailbox")
    return mailings.values_list("move__mailbox").order_by().union(of_corrections.order_by()).count()


def _of(batches: Collection[int] | None, *, at: datetime) -> tuple[QuerySet[Mailing], QuerySet[OutgoingMail]]:
    mailings, lost = undelivered(at=at), uncorrected(at=at)
    if batches is None:
        return mailings, lost
    of_batches = Move.objects.filter(batch__in=batches)
    return mailings.filter(move__batch__in=batches), lost.filter(object_id__in=of_batches.values("pk"))


def _age(since: datetime, at: datetime) -> int:
    """Working days that began after the day of the return, to today's included."""
    day, today = brussels_date(since), brussels_date(at)
    return sum(is_working_day(day + timedelta(days=n)) for n in range(1, _days(day, today) + 1))


def _days(first: date, last: date) -> int:
    return max(0, min((last - first).days, 366))
