"""What a campaign's dashboard shows (B17): counted by the database in a fixed number of statements, whatever the size.

A mailbox counts once, where it now stands: a failure that another batch has taken up counts in that one. A week is
that of the night. Nothing is kept: a figure is true at the moment it is read.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import connection
from django.db.models import Count, Q, QuerySet

from accounts.models import Mailbox, Organisation
from bma_portal.clock import brussels_date, is_public_holiday
from bma_portal.mail.models import Sender, SenderState
from migration import forecast, preflight, waiting
from migration.calendar import week_of
from migration.models import AvoidedPeriod, Batch, Campaign, Mailing, MailText, Move

OLDEST = 20  # mailboxes that wait for their holder, read with their story
NAMED = 5  # batches with failures, each by its name; the others in one line
SOON = 14  # days before mail 1: a draft is then to be approved
OF_TEAM = {Sender.SGNE.value: "du SGNE", Sender.ETNIC.value: "de l’ETNIC"}
LONGEST_WEEKS = 60  # of the calendar that is drawn


@dataclass
class Counts:
    """Mailboxes by where they stand."""

    done: int = 0
    moving: int = 0
    stopped: int = 0
    future: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.done + self.moving + self.stopped + self.future + self.failed

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def waiting(self) -> int:
        """Those that wait for their night."""
        return self.moving + self.stopped + self.future

    @property
    def values(self) -> tuple[int, ...]:
        return self.done, self.moving, self.stopped, self.future, self.failed

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(self.values, other.values, strict=True)))


@dataclass
class BatchFacts:
    batch: Batch
    counts: Counts = field(default_factory=Counts)
    ever_failed: int = 0  # those that another batch took up too
    ever_tried: int = 0
    begun: int = 0  # a mail of theirs is queued


@dataclass
class Night:
    """The next one: how many mailboxes, how many that something stops."""

    day: date
    boxes: int
    red: int
    batches: list[Batch]


@dataclass(frozen=True)
class Todo:
    """What waits for a person: what (`admin/dashboard.py` says it and links to it), how many, whose it is."""

    what: str
    count: int
    team: str = ""  # sgne, etnic; empty: either
    about: int | str | None = None
    name: str = ""


@dataclass
class Dashboard:
    campaign: Campaign
    at: datetime
    batches: list[BatchFacts]
    networks: dict[str, Counts]
    types: dict[str, Counts]
    reached: dict[int, int]  # by step: mailboxes whose mail was delivered and stayed
    unplanned: int
    has_register: bool
    avoided: dict[str, list[AvoidedPeriod]]
    night: Night | None
    waits: list[waiting.Wait]  # the oldest
    all_waits: int
    todo: list[Todo]
    forecast: forecast.Forecast

    @property
    def today(self) -> date:
        return brussels_date(self.at)

    @property
    def total(self) -> Counts:
        return sum((facts.counts for facts in self.batches), Counts())

    @property
    def whole(self) -> int:
        """Every mailbox that is to move, in a batch or not."""
        return self.total.total + self.unplanned

    @property
    def by_kind(self) -> dict[str, Counts]:
        found = {"po": Counts(), "ec": Counts()}
        for facts in self.batches:
            found[facts.batch.kind] += facts.counts
        return {kind: counts for kind, counts in found.items() if counts.total}

    @property
    def by_week(self) -> dict[str, dict[date, Counts]]:
        """By kind, then by the Monday of the night's week."""
        found: dict[str, dict[date, Counts]] = {"po": {}, "ec": {}}
        for facts in sorted(self.batches, key=lambda facts: facts.batch.night_on):
            if facts.counts.total:
                weeks, monday = found[facts.batch.kind], week_of(facts.batch.night_on)
                weeks[monday] = weeks.get(monday, Counts()) + facts.counts
        return found

    @property
    def nights(self) -> dict[date, int]:
        found: dict[date, int] = {}
        for facts in self.batches:
            if facts.counts.total:
                found[facts.batch.night_on] = found.get(facts.batch.night_on, 0) + facts.counts.total
        return found

    @property
    def span(self) -> tuple[date, date]:
        """The first and the last day of the calendar: the nights', else the campaign's own."""
        nights = self.nights
        if not nights:
            return self.campaign.po_first_mail_from, self.campaign.announced_until
        first = min(nights)
        return first, min(max(nights), first + timedelta(weeks=LONGEST_WEEKS))

    @property
    def days_off(self) -> tuple[dict[date, str], dict[date, str]]:
        """Avoided days, and public holidays, of the calendar's weeks."""
        first, last = self.span
        first, last = week_of(first), week_of(last) + timedelta(days=6)
        avoided: dict[date, str] = {}
        for kind, periods in self.avoided.items():
            only = {"po": " (PO)", "ec": " (établissements)"}.get(kind, "")
            for period in periods:
                day = max(first, period.first)
                while day <= min(last, period.last):
                    avoided.setdefault(day, f"{period.name}{only}")
                    day += timedelta(days=1)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return avoided, {day: "jour férié" for day in days if is_public_holiday(day)}


# A mailbox counts in its live or migrated move; in the one that failed while no other took it up. What left is read
# from the index `mail_left` alone. The last line: mailboxes whose mail of each step arrived, in whatever move.
_MOVES = """
    WITH arrived AS (
        SELECT g.move_id, bit_or(1 << g.step) AS steps
        FROM migration_mailing g
        JOIN mail_outgoingmail o ON o.id = g.mail_id AND o.sent_at IS NOT NULL AND o.bounced_at IS NULL
        GROUP BY g.move_id
    ), one AS (
        SELECT m.batch_id, o.network,
               CASE WHEN o.kind = 'po' THEN 'PO'
                    ELSE coalesce(nullif(array_to_string(o.levels, ' + '), ''),
                                  nullif(array_to_string(o.unit_types, ' + '), ''), 'type inconnu') END AS type,
               m.status, m.mailbox_id, coalesce(a.steps, 0) AS steps,
               m.status IN ('failed', 'rolled_back') AS failed,
               m.status = 'migrated' AS done,
               m.announced_night IS NOT NULL OR coalesce(a.steps, 0) > 0 AS begun,
               b.status = 'paused' OR m.paused_at IS NOT NULL AS stopped,
               CASE WHEN m.status IN ('failed', 'rolled_back')
                    THEN NOT EXISTS (SELECT FROM migration_move t WHERE t.mailbox_id = m.mailbox_id
                                                                   AND t.status IN ('planned', 'migrated'))
               END AS to_replan
        FROM migration_move m
        JOIN migration_batch b ON b.id = m.batch_id
        JOIN accounts_mailbox x ON x.id = m.mailbox_id
        JOIN accounts_organisation o ON o.id = x.organisation_id
        LEFT JOIN arrived a ON a.move_id = m.id
        WHERE b.campaign_id = %(campaign)s
    )
    (SELECT grouping(batch_id, network, type), batch_id, network, type,
            count(*) FILTER (WHERE done),
            count(*) FILTER (WHERE NOT done AND NOT failed AND begun AND NOT stopped),
            count(*) FILTER (WHERE NOT done AND NOT failed AND stopped),
            count(*) FILTER (WHERE NOT done AND NOT failed AND NOT begun AND NOT stopped),
            count(*) FILTER (WHERE to_replan),
            count(*) FILTER (WHERE failed), count(*) FILTER (WHERE failed OR done), count(*) FILTER (WHERE begun)
     FROM one WHERE status IN ('planned', 'migrated', 'failed', 'rolled_back')
     GROUP BY GROUPING SETS ((batch_id), (network), (type))
     ORDER BY 1, count(*) DESC, 2, 3, 4)
    UNION ALL
    SELECT 0, NULL, NULL, NULL, count(*) FILTER (WHERE steps & 2 > 0), count(*) FILTER (WHERE steps & 4 > 0),
           count(*) FILTER (WHERE steps & 8 > 0), count(*) FILTER (WHERE steps & 16 > 0), 0, 0, 0, 0
    FROM (SELECT bit_or(steps) AS steps FROM one GROUP BY mailbox_id) AS box
"""
_BATCH, _NETWORK, _TYPE = 0b011, 0b101, 0b110  # of `grouping`: a column that was grouped by is 0
_REACHED = 0


def dashboard(campaign: Campaign, *, at: datetime) -> Dashboard:
    """Everything, in eleven statements at most."""
    today = brussels_date(at)
    batches = {
        batch.pk: BatchFacts(batch)
        for batch in campaign.batches.exclude(status=Batch.Status.CANCELLED).order_by("night_on", "number")
    }
    found: dict[int, dict[str, Counts]] = {_NETWORK: {}, _TYPE: {}}
    reached: dict[int, int] = {}
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, {"campaign": campaign.pk})
        for grouping, batch, network, kind, *numbers in cursor.fetchall():
            counts = Counts(*numbers[:5])
            if grouping == _REACHED:
                reached = dict(zip(Mailing.Step.values, numbers[:4], strict=True))
            elif grouping == _BATCH:
                if batch in batches:
                    facts = batches[batch]
                    facts.counts, (facts.ever_failed, facts.ever_tried, facts.begun) = counts, numbers[5:]
            else:
                label = (network or "réseau inconnu") if grouping == _NETWORK else kind
                found[grouping][label] = counts
    held = _by_step(
        Mailing.objects.filter(
            move__batch__campaign=campaign, move__status=Move.Status.PLANNED, mail=None, held_at__isnull=False
        )
    )
    unplanned, plannable = _unplanned(at=at)
    night = _night(campaign, batches, at=at)
    avoided: dict[str, list[AvoidedPeriod]] = {"": [], "po": [], "ec": []}
    for period in AvoidedPeriod.objects.all():
        avoided[period.kind].append(period)
    facts_of = list(batches.values())
    waits = waiting.waits(at=at, batches=list(batches), limit=OLDEST)
    all_waits = waiting.count(at=at, batches=list(batches)) if waits else 0
    return Dashboard(
        campaign=campaign,
        at=at,
        batches=facts_of,
        networks=found[_NETWORK],
        types=found[_TYPE],
        reached=reached,
        unplanned=unplanned,
        has_register=bool(plannable),
        avoided=avoided,
        night=night,
        waits=waits,
        all_waits=all_waits,
        todo=_todo(facts_of, held, all_waits, unplanned, night, at=at),
        forecast=forecast.forecast(_forecast_facts(campaign, facts_of, unplanned, today), today=today),
    )


def _unplanned(*, at: datetime) -> tuple[int, int]:
    """Open units' mailboxes in no batch, neither migrated nor to be taken up again; and all of open units."""
    mine = Move.objects.exclude(status__in=[Move.Status.CANCELLED, Move.Status.POSTPONED])
    placed = Q(pk__in=mine.exclude(batch__status=Batch.Status.CANCELLED).values("mailbox"))
    row = Mailbox.objects.filter(organisation__in=Organisation.objects.plannable(at).order_by()).aggregate(
        every=Count("pk"), unplanned=Count("pk", filter=~placed)
    )
    return row["unplanned"], row["every"]


def _night(campaign: Campaign, batches: dict[int, BatchFacts], *, at: datetime) -> Night | None:
    """The one under way, else tonight's or tomorrow's: that is when something red can still be seen to."""
    today = brussels_date(at)
    yesterday = today - timedelta(days=1)
    first = yesterday if at < campaign.night(yesterday)[1] else today
    soon = [
        facts
        for facts in batches.values()
        if facts.batch.status in Batch.MOVING
        and facts.counts.waiting
        and first <= facts.batch.night_on <= first + timedelta(days=1)
    ]
    if not soon:
        return None
    day = min(facts.batch.night_on for facts in soon)
    of_night = [facts for facts in soon if facts.batch.night_on == day]
    closing = Mailing.objects.filter(
        step=Mailing.Step.CLOSING,
        move__batch__in=[facts.batch.pk for facts in of_night],
        move__status=Move.Status.PLANNED,
    )
    row = closing.aggregate(boxes=Count("pk"), clear=Count("pk", filter=preflight.clear()))
    return Night(day, row["boxes"], row["boxes"] - row["clear"], [facts.batch for facts in of_night])


def _todo(
    batches: list[BatchFacts],
    held: dict[int, int],
    waits: int,
    unplanned: int,
    night: Night | None,
    *,
    at: datetime,
) -> list[Todo]:
    """What is most urgent first."""
    today = brussels_date(at)
    status = Batch.Status
    found = [
        Todo("sender", 1, state.sender, about=state.pk, name=str(state))
        for state in SenderState.objects.filter(paused_at__isnull=False).order_by("sender")
    ]
    if night and night.red:
        found += [Todo("red", night.red, "sgne", about=night.batches[0].pk)]
    for facts in batches:
        batch, ends = facts.batch, facts.batch.campaign.night(facts.batch.night_on)[1]
        name = str(batch)
        if batch.status == status.PAUSED:
            found.append(Todo("paused", facts.counts.waiting, "sgne", batch.pk, name))
        elif batch.status in Batch.MOVING and ends <= at and facts.counts.waiting:
            found.append(Todo("result", facts.counts.waiting, "etnic", batch.pk, name))
        elif batch.status in Batch.MOVING and facts.begun and batch.released_at is None:
            found.append(Todo("release", facts.counts.waiting, "sgne", batch.pk, name))
        elif batch.status == status.DRAFT and batch.mail1_on <= today + timedelta(days=SOON):
            found.append(Todo("approve", facts.counts.total, "sgne", batch.pk, name))
        if (
            batch.pilot
            and batch.evaluated_at is None
            and batch.status in {status.FINISHED, status.FINISHED_WITH_ERRORS}
        ):
            found.append(Todo("evaluate", facts.counts.total, "sgne", batch.pk, name))
    for step, count in held.items():
        found.append(Todo("held", count, "sgne" if step in {1, 3} else "etnic", step))
    mine = [facts.batch.pk for facts in batches]
    found.append(Todo("waiting", waits, "sgne"))
    failing = [facts for facts in batches if facts.counts.failed]
    found += [Todo("failed", f.counts.failed, "sgne", f.batch.pk, str(f.batch)) for f in failing[:NAMED]]
    found.append(Todo("failing", sum(f.counts.failed for f in failing[NAMED:]), "sgne"))
    row = Move.objects.filter(batch__in=mine).aggregate(
        skipped=Count("pk", filter=Q(skipped_items__gt=0, skipped_at=None)),
        aside=Count("pk", filter=Q(paused_at__isnull=False, status=Move.Status.PLANNED)),
    )
    found += [Todo("skipped", row["skipped"], "sgne"), Todo("aside", row["aside"], "sgne")]
    for step, count in _by_step(MailText.objects.filter(status=MailText.Status.PROPOSED)).items():
        found.append(Todo("text", count, "sgne" if step in {1, 3} else "etnic", step))
    if batches and unplanned:
        failed = sum(facts.counts.failed for facts in batches)  # the list that one opens shows them too
        found.append(Todo("unplanned", unplanned + failed, "sgne", failed))
    return [todo for todo in found if todo.count]


def _by_step(rows: QuerySet) -> dict[int, int]:
    return dict(rows.order_by("step").values_list("step").annotate(count=Count("pk")))


def _forecast_facts(campaign: Campaign, batches: list[BatchFacts], unplanned: int, today: date) -> forecast.Facts:
    planned: dict[date, int] = {}
    seen: dict[date, forecast.Week] = {}
    late = 0
    for facts in batches:
        night, counts = facts.batch.night_on, facts.counts
        if counts.waiting and night >= today:
            planned[night] = planned.get(night, 0) + counts.waiting
        else:
            late += counts.waiting  # their night is over, and no result came
        monday = week_of(night)
        if facts.ever_tried and monday < week_of(today):
            week = seen.get(monday, forecast.Week(monday, 0, 0))
            done = facts.ever_tried - facts.ever_failed
            seen[monday] = forecast.Week(monday, week.done + done, week.failed + facts.ever_failed)
    return forecast.Facts(
        planned=planned,
        to_replan=late + sum(facts.counts.failed for facts in batches),
        unplanned=unplanned,
        seen=[seen[monday] for monday in sorted(seen)],
        capacity=campaign.weekly_mailboxes or None,
        lead_days=campaign.mail2_after_days + campaign.mail3_after_days_min + campaign.night_after_days,
    )
