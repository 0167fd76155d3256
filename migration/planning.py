"""Laying out a campaign: weekly batches, POs first, then establishments, four dates each.

`lay_out` is pure and deterministic: the same mailboxes and settings give the same plan. `apply` writes it without
touching a batch of which anything has left.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts.models import Mailbox, Organisation
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from migration.calendar import mail_day, night_day
from migration.models import Batch, Campaign, Mailing, Move

PLAN_LOCK = 730_001  # advisory, held to the end of the transaction


@dataclass(frozen=True)
class PlannedBatch:
    """One week: Brussels days, and the mailboxes in their order."""

    kind: str
    mail1_on: date
    mail2_on: date
    mail3_on: date
    night_on: date
    mailbox_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    batches: list[PlannedBatch] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def mailboxes(self) -> int:
        return sum(len(batch.mailbox_ids) for batch in self.batches)


def week(campaign: Campaign, kind: str, first_mail: date) -> PlannedBatch:
    """The four dates that follow from the day of the first mail, within the spacings of S1 §5.

    Mail 2 is a week after mail 1, or the next working day; mail 3 at least three weeks after mail 2; the night soon
    after mail 3, before the twelve weeks are over. Raises Refusal if the spacings leave no such day.
    """
    mail1 = mail_day(first_mail)
    mail2 = mail_day(mail1 + timedelta(days=campaign.mail2_after_days))
    mail3 = mail_day(mail2 + timedelta(days=campaign.mail3_after_days_min))
    if mail3 > mail2 + timedelta(days=campaign.mail3_after_days_max):
        raise Refusal(f"Aucun jour ouvré pour le mail 3 du lot commencé le {mail1:%d/%m/%Y} : revoyez les délais.")
    night = night_day(mail3 + timedelta(days=campaign.night_after_days))
    return PlannedBatch(kind, mail1, mail2, mail3, night)


def mondays(first: date, last: date) -> Iterator[date]:
    """The first day, then each Monday after it, to the last day included."""
    day = first
    while day <= last:
        yield day
        day += timedelta(days=7 - day.weekday())


def lay_out(
    campaign: Campaign, mailboxes: Mapping[str, Sequence[int]], *, after: dict[str, date] | None = None
) -> Plan:
    """Share the mailboxes (ids by kind, in order) equally over the weeks of their window, POs first.

    `after` gives, by kind, the first-mail day of the last batch that cannot be touched: only later weeks are used,
    beyond the window if none is left. Capacity and days to avoid will bear on the sizes and the days here.
    """
    windows = {
        "po": (campaign.po_first_mail_from, campaign.po_first_mail_to, campaign.po_moves_until, "PO"),
        "ec": (campaign.ec_first_mail_from, campaign.ec_first_mail_to, campaign.ec_moves_until, "établissements"),
    }
    plan = Plan()
    for kind, (first, last, until, label) in windows.items():
        ids = list(mailboxes.get(kind, ()))
        if not ids:
            continue
        kept = (after or {}).get(kind)
        days = [day for day in mondays(first, last) if kept is None or day > kept]
        if not days:
            assert kept is not None
            days = [kept + timedelta(days=7)]
            plan.warnings.append(f"{label} : la période du premier mail est passée, un lot commence après elle.")
        weeks = [week(campaign, kind, day) for day in days]
        size, rest = divmod(len(ids), len(weeks))
        start = 0
        for n, dates in enumerate(weeks):
            end = start + size + (n < rest)
            if end > start:
                plan.batches.append(
                    PlannedBatch(
                        kind, dates.mail1_on, dates.mail2_on, dates.mail3_on, dates.night_on, tuple(ids[start:end])
                    )
                )
            start = end
        late = [dates.night_on for dates in weeks if dates.night_on > until]
        if late:
            plan.warnings.append(
                f"{label} : {len(late)} nuit(s) après le {until:%d/%m/%Y} annoncé par la circulaire (S4) ; la "
                f"première possible avec les délais de la FAQ (S1 §5) est le {late[0]:%d/%m/%Y}. "
                "Une décision est attendue."
            )
    po_nights = [b.night_on for b in plan.batches if b.kind == "po"]
    ec_nights = [b.night_on for b in plan.batches if b.kind == "ec"]
    if po_nights and ec_nights and max(po_nights) >= min(ec_nights):
        plan.warnings.append("Un lot de PO migre après le premier lot d’établissements.")
    return plan


def touched(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """Batches of which a mail is queued or has left: a new plan leaves them alone."""
    return batches.filter(Exists(Mailing.objects.filter(move__batch=OuterRef("pk"), mail__isnull=False)))


def plannable_ids(campaign: Campaign, *, at: datetime) -> dict[str, list[int]]:
    """By kind, the mailboxes to lay out: open, not migrated, and not in a batch already begun; ordered by FASE."""
    begun = Move.objects.live().filter(batch__in=touched(Batch.objects.all()))
    rows = (
        Mailbox.objects.filter(organisation__in=Organisation.objects.plannable(at))
        .exclude(Exists(begun.filter(mailbox=OuterRef("pk"))))
        .exclude(Exists(Move.objects.filter(mailbox=OuterRef("pk"), status=Move.Status.MIGRATED)))
        .order_by("organisation__fase")
        .values_list("organisation__kind", "pk")
    )
    found: dict[str, list[int]] = {"po": [], "ec": []}
    for kind, pk in rows:
        found[kind].append(pk)
    return found


def propose(campaign: Campaign, *, at: datetime) -> Plan:
    """The plan that `apply` would write. Reads only."""
    kept: dict[str, date] = {}
    if campaign.pk:
        for batch in touched(campaign.batches.all()):
            kept[batch.kind] = max(batch.mail1_on, kept.get(batch.kind, batch.mail1_on))
    return lay_out(campaign, plannable_ids(campaign, at=at), after=kept)


@transaction.atomic
def apply(campaign: Campaign, *, at: datetime) -> Plan:
    """Write the plan: batches of which nothing has left are laid out anew, the others are not touched.

    New batches are drafts, to be approved by a person. Two plans at once wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLAN_LOCK])
    if not campaign.pk:
        campaign.save()
    list(campaign.batches.select_for_update(of=("self",)).order_by("pk"))  # a mail being queued is then seen, or waits
    plan = propose(campaign, at=at)
    untouched = campaign.batches.exclude(pk__in=touched(campaign.batches.all()).values("pk")).exclude(
        status=Batch.Status.CANCELLED
    )
    if _laid_out(untouched) == plan.batches:
        return plan  # nothing to change: approvals already given stay
    untouched.delete()
    number = max(campaign.batches.values_list("number", flat=True), default=0)
    for planned in plan.batches:
        number += 1
        batch = Batch.objects.create(
            campaign=campaign,
            number=number,
            kind=planned.kind,
            mail1_on=planned.mail1_on,
            mail2_on=planned.mail2_on,
            mail3_on=planned.mail3_on,
            night_on=planned.night_on,
        )
        moves = Move.objects.bulk_create(
            [Move(batch=batch, mailbox_id=pk, position=n) for n, pk in enumerate(planned.mailbox_ids, start=1)],
            batch_size=1000,
        )
        Mailing.objects.bulk_create(_mailings(campaign, batch, moves), batch_size=2000)
    return plan


def _laid_out(batches: QuerySet[Batch]) -> list[PlannedBatch]:
    return [
        PlannedBatch(
            batch.kind,
            batch.mail1_on,
            batch.mail2_on,
            batch.mail3_on,
            batch.night_on,
            tuple(batch.moves.order_by("position").values_list("mailbox_id", flat=True)),
        )
        for batch in batches.order_by("number")
    ]


def _mailings(campaign: Campaign, batch: Batch, moves: list[Move]) -> Iterator[Mailing]:
    """The four mails of each move; one whose mail 2 arrived in an earlier batch is not announced a second time."""
    had_mail_2 = set(
        Mailing.objects.filter(
            step=Mailing.Step.CREDENTIALS,
            mail__sent_at__isnull=False,
            mail__bounced_at=None,
            move__mailbox__in=[move.mailbox_id for move in moves],
        ).values_list("move__mailbox_id", flat=True)
    )
    due = {
        1: brussels(batch.mail1_on, campaign.mails_hour),
        2: brussels(batch.mail2_on, campaign.mails_hour),
        3: brussels(batch.mail3_on, campaign.mails_hour),
        4: brussels(batch.night_on, campaign.night_from_hour),
    }
    for move in moves:
        for step, moment in due.items():
            if step >= Mailing.Step.CONFIRMATION or move.mailbox_id not in had_mail_2:
                yield Mailing(move=move, step=step, due_at=moment)
