"""A plan is a proposal: what it would change, and its acceptance in one transaction (B3 to B7, K4, C4).

Mails that have left are never moved: a batch that has begun keeps its dates, and whoever wants others goes through
`corrections.move_dates`, which sends each holder one corrective mail.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import transaction
from django.db.models import Count, Q

from bma_portal import audit
from bma_portal.clock import brussels_date, is_working_day
from bma_portal.errors import Refusal
from bma_portal.states import StateChange
from migration import planning
from migration.calendar import night_day
from migration.locks import lock_plans
from migration.models import AvoidedPeriod, Batch, Campaign, Mailing, Move, PlanDecision
from migration.planning import Plan, PlannedBatch

Step = Mailing.Step
WORDS = 5  # a signed decision says why
Dates = tuple[date, date, date, date]


def dates_of(batch: Batch | PlannedBatch) -> Dates:
    return batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on


@dataclass(frozen=True)
class Redated:
    """Mailboxes that a plan takes from some dates to others."""

    kind: str
    before: Dates
    after: Dates
    mailboxes: tuple[int, ...]


@dataclass(frozen=True)
class Changed:
    """A batch that stays, with other mailboxes (or in another order)."""

    batch: Batch
    came: tuple[int, ...]
    went: tuple[int, ...]


@dataclass(frozen=True)
class OnAvoidedDay:
    """Mails of a batch that has begun which are due on a day that the rules now avoid."""

    batch: Batch
    step: int
    day: date
    mails: int
    why: str

    @property
    def label(self) -> str:
        return str(Step(self.step).label)


@dataclass
class Difference:
    """Between the plan that is written and a proposal. `begun`: left alone, whatever the proposal says."""

    new: list[PlannedBatch] = field(default_factory=list)
    gone: list[Batch] = field(default_factory=list)
    same: list[Batch] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    added: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    redated: list[Redated] = field(default_factory=list)
    unchanged: int = 0
    begun: list[Batch] = field(default_factory=list)
    on_avoided_days: list[OnAvoidedDay] = field(default_factory=list)
    approvals_lost: list[Batch] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.new or self.gone or self.changed)

    def counts(self) -> dict[str, int]:
        return {
            "lots nouveaux": len(self.new),
            "lots retirés": len(self.gone),
            "lots dont les boîtes changent": len(self.changed),
            "lots inchangés": len(self.same),
            "lots commencés, laissés": len(self.begun),
            "boîtes ajoutées": len(self.added),
            "boîtes retirées": len(self.removed),
            "boîtes dont les dates changent": sum(len(group.mailboxes) for group in self.redated),
            "boîtes inchangées": self.unchanged,
        }


def difference(campaign: Campaign, plan: Plan, *, at: datetime) -> Difference:
    """What `planning.apply` would change, in a fixed number of statements. Reads only."""
    found = Difference()
    if not campaign.pk:
        found.new = list(plan.batches)
        found.added = [pk for planned in plan.batches for pk in planned.mailbox_ids]
        return found
    replaced = list(planning.replaceable(campaign).order_by("number"))
    boxes: dict[int, list[int]] = {batch.pk: [] for batch in replaced}
    rows = Move.objects.filter(batch__in=boxes).order_by("batch", "position").values_list("batch", "mailbox")
    for batch, mailbox in rows:
        boxes[batch].append(mailbox)
    _batches(found, replaced, boxes, plan.batches)
    _mailboxes(found, replaced, boxes, plan.batches)
    if not found.empty:
        found.approvals_lost = [batch for batch in replaced if batch.status != Batch.Status.DRAFT]
    live = Q(status__in=[*Batch.MOVING, Batch.Status.DRAFT, Batch.Status.PAUSED])
    found.begun = list(campaign.batches.filter(live).exclude(pk__in=boxes).order_by("number"))
    found.on_avoided_days = list(_on_avoided_days(found.begun, at=at))
    return found


def _batches(
    found: Difference, replaced: list[Batch], boxes: dict[int, list[int]], proposed: Iterable[PlannedBatch]
) -> None:
    """A batch is the same one if its kind and its four dates are."""
    coming: dict[tuple[str, Dates], list[PlannedBatch]] = {}
    for planned in proposed:
        coming.setdefault((planned.kind, dates_of(planned)), []).append(planned)
    for batch in replaced:
        twins = coming.get((batch.kind, dates_of(batch)))
        if not twins:
            found.gone.append(batch)
            continue
        planned, now = twins.pop(0), boxes[batch.pk]
        if list(planned.mailbox_ids) == now:
            found.same.append(batch)
        else:
            before, after = set(now), set(planned.mailbox_ids)
            found.changed.append(
                Changed(
                    batch,
                    tuple(pk for pk in planned.mailbox_ids if pk not in before),
                    tuple(pk for pk in now if pk not in after),
                )
            )
    found.new = [planned for twins in coming.values() for planned in twins]


def _mailboxes(
    found: Difference, replaced: list[Batch], boxes: dict[int, list[int]], proposed: Iterable[PlannedBatch]
) -> None:
    before = {mailbox: (batch.kind, dates_of(batch)) for batch in replaced for mailbox in boxes[batch.pk]}
    after = {mailbox: (planned.kind, dates_of(planned)) for planned in proposed for mailbox in planned.mailbox_ids}
    groups: dict[tuple[str, Dates, Dates], list[int]] = {}
    for mailbox, (kind, dates) in after.items():
        if mailbox not in before:
            found.added.append(mailbox)
        elif before[mailbox] == (kind, dates):
            found.unchanged += 1
        else:
            groups.setdefault((kind, before[mailbox][1], dates), []).append(mailbox)
    found.removed = [mailbox for mailbox in before if mailbox not in after]
    found.redated = [Redated(*key, tuple(mailboxes)) for key, mailboxes in sorted(groups.items())]


def _on_avoided_days(begun: list[Batch], *, at: datetime) -> Iterable[OnAvoidedDay]:
    """Their unsent mails to come, by the day on which they are due; said once for the batch, not for each mailbox."""
    today, by_pk = brussels_date(at), {batch.pk: batch for batch in begun}
    unsent = Mailing.objects.filter(move__batch__in=by_pk, move__status=Move.Status.PLANNED, mail=None, held_at=None)
    rows = unsent.order_by("move__batch__number", "step", "due_at").values_list("move__batch", "step", "due_at")
    periods = list(AvoidedPeriod.objects.filter(last__gte=today))
    for pk, step, due_at, mails in rows.annotate(mails=Count("pk")):
        day = brussels_date(due_at)
        if day >= today and (why := why_avoided(day, step, by_pk[pk].kind, periods)):
            yield OnAvoidedDay(by_pk[pk], step, day, mails, why)


def why_avoided(day: date, step: int, kind: str, periods: Iterable[AvoidedPeriod]) -> str:
    """Why no such mail should leave on that day: the desk is closed, or (mail 1 and nights, S4) staff avoid it."""
    if step == Step.CLOSING and night_day(day) != day:
        return "ni ce soir ni son lendemain ne peut être férié ou de fin de semaine (S0 §7)"
    if step != Step.CLOSING and not is_working_day(day):
        return "le Service Desk est fermé ce jour-là (S0 §7)"
    if step in {Step.ANNOUNCEMENT, Step.CLOSING}:
        for period in periods:
            if period.first <= day <= period.last and period.kind in {"", kind}:
                return f"{period.get_reason_display()} : {period.name} ({period.source})"
    return ""


@transaction.atomic
def accept(campaign: Campaign, *, by: str, at: datetime, fingerprint: str, note: str = "") -> PlanDecision:
    """Write the plan that a person has read, and what they decided about what it says cannot hold (K4).

    Raises Refusal if the plan is no longer that one, if it was accepted by someone else, or if findings are not
    answered by a note that says why.
    """
    lock_plans()
    list(campaign.batches.select_for_update(of=("self",)).order_by("pk"))  # a mail being queued is then seen, or waits
    plan, note = planning.propose(campaign, at=at), note.strip()
    changes = difference(campaign, plan, at=at)
    last = campaign.decisions.first()
    if changes.empty and last is not None and last.fingerprint in {plan.fingerprint(), fingerprint}:
        raise Refusal(f"Ce plan est déjà accepté, par {last.by} : il n’y a rien à changer.")
    if plan.fingerprint() != fingerprint:
        raise Refusal("Le plan a changé entre-temps : relisez-le avant de l’accepter.")
    if not plan.batches and changes.empty:
        raise Refusal("Ce plan ne contient aucun lot : il n’y a rien à accepter.")
    if plan.findings and len(note.split()) < WORDS:
        raise Refusal("Ce plan contient des règles qui ne tiennent pas : signez votre décision, en disant pourquoi.")
    planning.apply(campaign, at=at, by=by)
    decision = PlanDecision.objects.create(
        campaign=campaign, at=at, by=by, fingerprint=fingerprint, note=note,
        findings=[finding.as_dict() for finding in plan.findings], counts=changes.counts(),
    )  # fmt: skip
    StateChange.objects.create(
        object_type=Campaign._meta.label_lower, object_id=campaign.pk, old="plan proposé", new="plan accepté",
        by=by, at=at, note=note,
    )  # fmt: skip
    details = {name: count for name, count in changes.counts().items() if count}
    audit.record("plan.accepted", about=campaign, by=by, at=at, why=note, details=details | {"décision": decision.pk})
    return decision
