"""The plan of a campaign: laid out (pure, `laying_out`), proposed from the database, and written.

`apply` writes it without touching a batch of which anything has left, nor one that a person composed. A plan that
breaks an announced window says so (`Plan.findings`); whoever accepts it signs (`plan_campaign`, `plan_changes`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Exists, F, Max, Min, Model, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, NullIf

from accounts.models import Mailbox, Organisation
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration.calendar import DAY, Calendar, week_of
from migration.laying_out import Box, Finding, Kept, Layout, Plan, PlannedBatch, dated, share, slot
from migration.models import Batch, Campaign, Mailing, Move
from migration.plan_findings import Findings
from migration.plan_settings import Settings, from_campaign

__all__ = ["Box", "Finding", "Kept", "Plan", "PlannedBatch", "Settings"]

PLAN_LOCK = 730_001  # advisory, held to the end of the transaction
SUNDAY = timedelta(days=6)
LEFT = [Move.Status.CANCELLED, Move.Status.POSTPONED]  # such a mailbox takes no room in the week of its batch


def lay_out(
    settings: Settings, boxes: Iterable[Box], *, after: Mapping[str, date] | None = None, kept: Sequence[Kept] = ()
) -> Plan:
    """Share the mailboxes over the weeks of their window, POs first; what does not fit goes to the weeks beyond.

    `after` gives, by kind, the last day that may no longer be one of a first mail. `kept` are batches that stay as
    they are: their nights take their share of the capacity. Raises Refusal if no plan at all can be made.
    """
    by_kind: dict[str, list[Box]] = {"po": [], "ec": []}
    for box in boxes:
        by_kind[box.kind].append(box)
    layout = Layout(settings, kept)
    proofs = Findings(settings, layout)
    plan = Plan()
    for kind, of_kind in by_kind.items():
        if not of_kind:
            continue
        start = settings.first_mails(kind)[0]
        if after and kind in after:
            start = max(start, after[kind] + DAY)
        weeks = layout.best(kind, len(of_kind), start)
        plan.findings.extend(proofs.of_kind(kind, len(of_kind), start, weeks))
        layout.take(kind, weeks)
        shares = share(of_kind, len(weeks.lots))
        plan.batches.extend(
            replace(batch, mailbox_ids=ids) for (batch, _), ids in zip(weeks.lots, shares, strict=True)
        )
    return plan


def week(settings: Settings | Campaign, kind: str, first_mail: date) -> PlannedBatch:
    """The four dates that follow from that day, or from the next one on which mail 1 may leave.

    For a batch that a person composes; capacity and order are theirs to look at. Raises Refusal if the spacings
    leave no such days.
    """
    if isinstance(settings, Campaign):
        settings = from_campaign(settings)
    calendar = Calendar(settings.avoided)
    mail1 = calendar.announcement(first_mail, kind)
    found = slot(settings, calendar, mail1)
    if found is None:
        raise Refusal(f"Aucun jour ouvré pour le mail 3 du lot commencé le {mail1:%d/%m/%Y} : revoyez les délais.")
    return dated(settings, calendar, kind, found, calendar.night(Layout(settings).earliest(kind, found), kind))


def touched(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """Batches of which a mail is queued or has left."""
    return batches.filter(Exists(Mailing.objects.filter(move__batch=OuterRef("pk"), mail__isnull=False)))


def settled(batches: QuerySet[Batch]) -> QuerySet[Batch]:
    """Batches that a new plan leaves alone: begun, suspended or over, composed by a person (pilot, list, second try),
    or of which a person postponed or paused a mailbox: what they decided for it is not undone behind their back.
    """
    begun = Mailing.objects.filter(move__batch=OuterRef("pk"), mail__isnull=False)
    over = [Batch.Status.RUNNING, Batch.Status.PAUSED, Batch.Status.FINISHED, Batch.Status.FINISHED_WITH_ERRORS]
    composed = Q(by_hand=True) | Q(pilot=True) | Q(again__isnull=False)
    received = StateChange.objects.filter(
        object_type=Move._meta.label_lower, old=Move.Status.POSTPONED, new=Move.Status.PLANNED
    )
    decided = Q(status=Move.Status.POSTPONED) | Q(paused_at__isnull=False) | Q(pk__in=received.values("object_id"))
    handled = Move.objects.filter(decided).values("batch")
    return batches.filter(Q(Exists(begun)) | composed | Q(status__in=over) | Q(pk__in=handled))


def replaceable(campaign: Campaign) -> QuerySet[Batch]:
    """Its batches that a new plan replaces."""
    kept = settled(campaign.batches.all()).values("pk")
    return campaign.batches.exclude(pk__in=kept).exclude(status=Batch.Status.CANCELLED)


def plannable(campaign: Campaign, *, at: datetime) -> list[Box]:
    """The mailboxes to lay out: open, not migrated, not in a batch that stays or is another campaign's; two queries.

    A PO has no zone in the register: it has that of its establishments. Written so that PostgreSQL reads the moves
    once, whatever it believes of their number: right after an import its statistics are wrong.
    """
    stay = list(settled(Batch.objects.all()).values_list("pk", flat=True))
    on_their_way = Move.objects.live().filter(Q(batch__in=stay) | ~Q(batch__campaign=campaign.pk))
    migrated = Move.objects.filter(status=Move.Status.MIGRATED)
    of_po = Organisation.objects.filter(po=OuterRef("organisation")).exclude(zone="").order_by().values("po")
    zone = Coalesce(
        NullIf(F("organisation__zone"), Value("")),
        Subquery(of_po.annotate(least=Min("zone")).values("least")),
        Value(""),
    )
    rows = (
        Mailbox.objects.filter(organisation__in=Organisation.objects.plannable(at))
        .exclude(pk__in=on_their_way.values("mailbox"))
        .exclude(pk__in=migrated.values("mailbox"))
        .order_by("address")
        .values_list("pk", "organisation__kind", "address", zone, "organisation__network")
    )
    return [Box(*row) for row in rows]


def propose(campaign: Campaign, *, at: datetime, settings: Settings | None = None) -> Plan:
    """The plan that `apply` would write. Reads only. Raises Refusal if none can be made."""
    settings = settings or from_campaign(campaign)
    plan = lay_out(settings, plannable(campaign, at=at), after=_after(campaign, settings, at=at), kept=_kept(campaign))
    last = None
    if campaign.pk:
        stay = campaign.batches.exclude(pk__in=replaceable(campaign).values("pk"))
        last = stay.aggregate(last=Max("number"))["last"]
    return replace(plan, first_number=(last or 0) + 1, unapproves=_unapproved(campaign, plan))


def _unapproved(campaign: Campaign, plan: Plan) -> tuple[int, ...]:
    """The approved batches that writing that plan replaces; none if it changes nothing."""
    replaced = list(replaceable(campaign).order_by("number")) if campaign.pk else []
    lost = tuple(batch.pk for batch in replaced if batch.status == Batch.Status.APPROVED)
    return lost if lost and _laid_out(replaced) != plan.batches else ()


def _kept(campaign: Campaign) -> list[Kept]:
    """The batches that stay, of every campaign: the desk and the servers are the same for all."""
    begun = Mailing.objects.filter(move__batch=OuterRef("pk"), mail__isnull=False)
    batches = (
        settled(Batch.objects.exclude(status=Batch.Status.CANCELLED))
        .annotate(begun=Exists(begun), boxes=Count("moves", filter=~Q(moves__status__in=LEFT)))
        .order_by("pk")
    )
    return [
        Kept(batch.kind, batch.night_on, batch.boxes, ordered=_ordered(batch, campaign), begun=batch.begun)
        for batch in batches
        if batch.boxes
    ]


def _ordered(batch: Batch, campaign: Campaign) -> bool:
    """POs before establishments is asked of a plan's own batches, not of a pilot, a list or a second try."""
    return batch.campaign_id == campaign.pk and not (batch.by_hand or batch.pilot or batch.again_id)


def _after(campaign: Campaign, settings: Settings, *, at: datetime) -> dict[str, date]:
    """By kind, the last day that may no longer be one of a first mail.

    The week of the last batch begun, and, in a campaign under way, the days gone by. A campaign of which nothing has
    begun and whose windows are over is laid out as it was written: that is how one looks at a past plan.
    """
    yesterday = brussels_date(at) - DAY
    found: dict[str, date] = {}
    begun = list(touched(campaign.batches.all())) if campaign.pk else []
    for kind in ("po", "ec"):
        first, last = settings.first_mails(kind)
        if begun or first <= yesterday <= last:
            found[kind] = yesterday
    for batch in begun:
        if _ordered(batch, campaign):
            found[batch.kind] = max(found[batch.kind], week_of(batch.mail1_on) + SUNDAY)
    return found


@transaction.atomic
def apply(campaign: Campaign, *, at: datetime, by: str = "", settings: Settings | None = None) -> Plan:
    """Write the plan: batches that nobody began or composed are laid out anew, the others are not touched.

    New batches are drafts, to be approved by a person. A plan that changes nothing leaves approvals as they are. Two
    plans at once wait for each other.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLAN_LOCK])
    if not campaign.pk:
        campaign.save()
    list(campaign.batches.select_for_update(of=("self",)).order_by("pk"))  # a mail being queued is then seen, or waits
    plan = propose(campaign, at=at, settings=settings)
    replaced = list(replaceable(campaign).order_by("number"))
    if _laid_out(replaced) == plan.batches:
        return plan
    pks = [batch.pk for batch in replaced]
    Mailing.objects.filter(move__batch__in=pks).delete()
    Move.objects.filter(batch__in=pks).delete()
    Batch.objects.filter(pk__in=pks).delete()
    batches = Batch.objects.bulk_create(
        Batch(
            campaign=campaign,
            number=number,
            kind=planned.kind,
            mail1_on=planned.mail1_on,
            mail2_on=planned.mail2_on,
            mail3_on=planned.mail3_on,
            night_on=planned.night_on,
            planned_by=by,
        )
        for number, planned in enumerate(plan.batches, start=plan.first_number)
    )
    _write(campaign, [(batch, planned.mailbox_ids) for batch, planned in zip(batches, plan.batches, strict=True)])
    return plan


def _laid_out(batches: Sequence[Batch]) -> list[PlannedBatch]:
    boxes: dict[int, list[int]] = {batch.pk: [] for batch in batches}
    moves = Move.objects.filter(batch__in=boxes).order_by("batch", "position")
    for batch_id, mailbox_id in moves.values_list("batch_id", "mailbox_id"):
        boxes[batch_id].append(mailbox_id)
    return [PlannedBatch(b.kind, b.mail1_on, b.mail2_on, b.mail3_on, b.night_on, tuple(boxes[b.pk])) for b in batches]


def fill(campaign: Campaign, batch: Batch, mailboxes: Sequence[int]) -> None:
    """Give a new batch its mailboxes (ids, in order), each with its mails."""
    _write(campaign, [(batch, mailboxes)])


def _write(campaign: Campaign, batches: Sequence[tuple[Batch, Sequence[int]]]) -> None:
    """The moves of these new batches and their mails, in two statements, however many there are.

    A mail that was delivered by an earlier batch is not repeated: neither mail 1 or 2, nor mail 1 after a mail 2.
    """
    moves: tuple[list[int], list[int], list[int]] = ([], [], [])
    dues: tuple[list[int], list[int], list[datetime]] = ([], [], [])
    for batch, mailboxes in batches:
        moves[0].extend([batch.pk] * len(mailboxes))
        moves[1].extend(mailboxes)
        moves[2].extend(range(1, len(mailboxes) + 1))
        hour = campaign.mails_hour
        days = [(batch.mail1_on, hour), (batch.mail2_on, hour), (batch.mail3_on, hour)]
        for step, (day, at_hour) in enumerate([*days, (batch.night_on, campaign.night_from_hour)], start=1):
            dues[0].append(batch.pk)
            dues[1].append(step)
            dues[2].append(brussels(day, at_hour))
    move, mailing, mail = (model._meta.db_table for model in (Move, Mailing, OutgoingMail))
    with connection.cursor() as cursor:
        names, marks, values = _defaults(Move(), {"batch", "mailbox", "position"})
        cursor.execute(
            f"""INSERT INTO {move} (batch_id, mailbox_id, position{names})
            SELECT t.*{marks} FROM unnest(%s::bigint[], %s::bigint[], %s::int[]) AS t""",  # noqa: S608
            [*values, *moves],
        )
        names, marks, values = _defaults(Mailing(), {"move", "step", "due_at"})
        cursor.execute(
            f"""WITH had AS (
                SELECT m.mailbox_id, max(g.step) AS step
                FROM {mailing} g JOIN {move} m ON m.id = g.move_id JOIN {mail} o ON o.id = g.mail_id
                WHERE g.step <= %s AND o.sent_at IS NOT NULL AND o.bounced_at IS NULL
                GROUP BY m.mailbox_id
            )
            INSERT INTO {mailing} (move_id, step, due_at{names})
            SELECT m.id, due.step, due.due_at{marks}
            FROM unnest(%s::bigint[], %s::int[], %s::timestamptz[]) AS due (batch_id, step, due_at)
            JOIN {move} m ON m.batch_id = due.batch_id
            LEFT JOIN had ON had.mailbox_id = m.mailbox_id
            WHERE due.step > %s OR had.step IS NULL OR had.step < due.step
            ORDER BY m.batch_id, m.position, due.step""",  # noqa: S608
            [Mailing.Step.CREDENTIALS, *values, *dues, Mailing.Step.CREDENTIALS],
        )


def _defaults(row: Model, given: set[str]) -> tuple[str, str, list[Any]]:
    """The other columns of a new row, their marks, and their values; those that stay empty are left out."""
    found = {
        field.column: field.get_db_prep_save(getattr(row, field.attname), connection)
        for field in row._meta.concrete_fields
        if not field.primary_key and field.name not in given and getattr(row, field.attname) is not None
    }
    return "".join(f", {name}" for name in found), ", %s" * len(found), list(found.values())
