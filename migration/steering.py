"""One mailbox at a time, or those of a batch that failed: suspended, postponed, tried again (B12, B13, B14)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Count, Max, QuerySet

from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.journal import told
from bma_portal.states import StateChange
from migration import corrections, plan_settings, sequence, withdrawal
from migration.calendar import Calendar
from migration.locks import lock_batch, lock_move, lock_plans
from migration.models import Batch, Campaign, Mailing, Move
from migration.withdrawal import TakenBack

Step = Mailing.Step
TARGETS = [Batch.Status.DRAFT, *Batch.MOVING]
LIVE_BATCH = {*TARGETS, Batch.Status.PAUSED}
TRIED = [Move.Status.FAILED, Move.Status.ROLLED_BACK]
DAY = timedelta(days=1)


# One mailbox


@transaction.atomic
def pause_move(move: Move, *, by: str, at: datetime, why: str) -> TakenBack:
    """Nothing more leaves for that mailbox; what is queued for it is taken back. The others of its batch go on."""
    _reason(why, "suspendue")
    lock_move(move)
    if move.paused_at:
        raise Refusal(f"Cette boîte est déjà suspendue, {told(move.paused_by, move.paused_at)}. Rien n’a changé.")
    _refuse_unless_planned(move, "suspendue")
    move.paused_at, move.paused_by, move.paused_why = at, by, why.strip()[:200]
    move.save(update_fields=["paused_at", "paused_by", "paused_why"])
    taken = withdrawal.take_back([move])
    _log(move, "planned", "suspended", by=by, at=at, note=why.strip())
    _record(move, "suspendre", by=by, at=at, why=why.strip(), repris=taken.undone, confiés=taken.entrusted)
    return taken


@transaction.atomic
def resume_move(move: Move, *, by: str, at: datetime) -> int:
    """Its mails are due again; those that became late wait for a decision. Returns how many."""
    lock_move(move)
    if move.paused_at is None:
        last = _changes(move).filter(new="resumed").last()
        who = f" : elle a été reprise {told(last.by, last.at)}" if last else ""
        raise Refusal(f"Cette boîte n’est pas suspendue{who}.")
    _refuse_unless_planned(move, "reprise")
    move.paused_at, move.paused_by, move.paused_why = None, "", ""
    move.save(update_fields=["paused_at", "paused_by", "paused_why"])
    withdrawal.free(Move.objects.filter(pk=move.pk))
    held = sequence.hold_what_is_too_late(move.batch.campaign, at=at, of=move)
    corrections.correct([move], at=at)
    _log(move, "suspended", "resumed", by=by, at=at)
    _record(move, "reprendre", by=by, at=at, retard=held)
    return held


@dataclass(frozen=True)
class Postponed:
    """Where the mailbox went, whether its holder is told of another night, and the draft that it left empty."""

    move: Move
    corrected: bool
    is_new: bool
    emptied: Batch | None = None


@transaction.atomic
def postpone(move: Move, *, to: Batch | None = None, by: str, at: datetime, why: str) -> Postponed:
    """The mailbox leaves its batch and enters a later one of its kind, with the steps that remain to it.

    Mails 1 and 2 are not repeated once delivered; 3 and 4 belong to the new night. Without `to`: the next batch that
    has begun none of these steps, else a new draft. A draft that its last mailbox leaves is cancelled: nothing of it
    would ever be approved. Raises Refusal if a mail of it is leaving at this moment.
    """
    _reason(why, "reportée")
    lock_plans()
    lock_move(move, to)
    if move.status == Move.Status.POSTPONED:
        last = _changes(move).filter(new=Move.Status.POSTPONED).last()
        raise Refusal(f"Cette boîte est déjà reportée{', ' + told(last.by, last.at) if last else ''}.")
    _refuse_unless_planned(move, "reportée")
    corrections.remember(move.batch)
    taken = withdrawal.take_back([move])
    if taken.entrusted:
        raise Refusal("Un mail de cette boîte est en train de partir : recommencez dans une minute.")
    left = remaining([move.mailbox_id])[move.mailbox_id]
    is_new = False
    if to is None:
        to = _next_free(move.batch, left, at=at)
        if to is None:
            to, is_new = _new_batch(move.batch, [left], by=by, at=at), True
    elif why_not := objection(to, move.batch, left, at=at):
        raise Refusal(f"Cette boîte ne peut pas entrer dans le {to} : {why_not}")
    move.refresh_from_db()
    move.move_to(Move.Status.POSTPONED, by=by, at=at, note=why.strip(), paused_at=None, paused_by="", paused_why="")
    position = to.moves.aggregate(last=Max("position"))["last"] or 0
    new = Move.objects.create(
        batch=to, mailbox_id=move.mailbox_id, position=position + 1, announced_night=move.announced_night
    )
    Mailing.objects.bulk_create(_mailings(new, left.steps))
    _log(new, "postponed", "planned", by=by, at=at, note=f"Reportée du {move.batch}. {why.strip()}")
    corrected = corrections.correct([move, new], at=at)
    emptied = None
    if move.batch.status == Batch.Status.DRAFT and not move.batch.moves.live().exists():
        emptied, note = move.batch, "Toutes ses boîtes sont passées dans d’autres lots."
        emptied.move_to(Batch.Status.CANCELLED, by=by, at=at, note=note)
    _record(
        move,
        "reporter",
        by=by,
        at=at,
        why=why.strip(),
        vers=to.number,
        corrections=corrected,
        vidé=emptied.number if emptied else 0,
    )
    return Postponed(new, bool(corrected), is_new, emptied)


def targets(move: Move, *, at: datetime) -> list[Batch]:
    """The batches that this mailbox may enter now, the next one first."""
    left = remaining([move.mailbox_id])[move.mailbox_id]
    return [batch for batch in _later(move.batch) if not objection(batch, move.batch, left, at=at)]


# What remains to a mailbox, and where it fits


@dataclass
class Remaining:
    """The steps still to come, and when mails 1 and 2 were delivered."""

    steps: set[int] = field(default_factory=lambda: set(Step.values))
    delivered: dict[int, datetime] = field(default_factory=dict)


def remaining(mailboxes: Collection[int]) -> dict[int, Remaining]:
    """By mailbox: mails 1 and 2 not once they were delivered (S1 §5: one password), 3 and 4 always."""
    found = {pk: Remaining() for pk in mailboxes}
    delivered = Mailing.objects.filter(
        move__mailbox__in=found,
        step__in=[Step.ANNOUNCEMENT, Step.CREDENTIALS],
        mail__sent_at__isnull=False,
        mail__bounced_at=None,
    )
    for mailbox, step, sent_at in delivered.values_list("move__mailbox_id", "step", "mail__sent_at"):
        left = found[mailbox]
        left.steps -= {step} if step == Step.ANNOUNCEMENT else {Step.ANNOUNCEMENT, step}
        if sent_at:
            left.delivered[step] = max(sent_at, left.delivered.get(step, sent_at))
    return found


def _later(batch: Batch) -> QuerySet[Batch]:
    of_kind = batch.campaign.batches.filter(kind=batch.kind, status__in=TARGETS, pilot=False)
    return of_kind.filter(night_on__gt=batch.night_on).exclude(pk=batch.pk).order_by("night_on", "number")


def _next_free(source: Batch, left: Remaining, *, at: datetime) -> Batch | None:
    """The next batch that such a mailbox may enter, locked."""
    for batch in _later(source):
        if not objection(batch, source, left, at=at):
            lock_batch(batch)  # a beat may have begun it meanwhile
            if not objection(batch, source, left, at=at):
                return batch
    return None


def objection(batch: Batch, source: Batch, left: Remaining, *, at: datetime) -> str:
    """Why a mailbox of `source` that has these steps before it cannot enter that batch; « » if it can."""
    campaign = batch.campaign
    if batch.campaign_id != source.campaign_id or batch.kind != source.kind:
        return f"il n’est pas de la même campagne ou du même genre que le {source}."
    if batch.status not in TARGETS:
        return f"il est « {batch.get_status_display()} »."
    if batch.night_on <= source.night_on:
        return "sa nuit ne vient pas après celle de son lot actuel."
    first = min(left.steps)
    if corrections.due(campaign, first, corrections.dates(batch)[first]) <= at:
        return f"son mail {first} est déjà prévu avant maintenant."
    if Mailing.objects.filter(move__batch=batch, step__in=left.steps, mail__isnull=False).exists():
        return "une des étapes qui restent à cette boîte y a déjà commencé."
    if first == Step.CREDENTIALS and batch.mail2_on < _spaced(left, Step.ANNOUNCEMENT, campaign):
        return f"son mail 2 part moins de {campaign.mail2_after_days} jours après le mail 1 de cette boîte."
    if first == Step.CONFIRMATION and batch.mail3_on < _spaced(left, Step.CREDENTIALS, campaign):
        return f"son mail 3 part moins de {campaign.mail3_after_days_min} jours après le mail 2 de cette boîte."
    return ""


def _spaced(left: Remaining, step: int, campaign: Campaign) -> date:
    """The first day for the mail after that step, which was delivered."""
    days = campaign.mail2_after_days if step == Step.ANNOUNCEMENT else campaign.mail3_after_days_min
    return brussels_date(left.delivered[step]) + timedelta(days=days) if step in left.delivered else date.min


def _new_batch(
    source: Batch, left: Sequence[Remaining], *, by: str, at: datetime, again: Batch | None = None
) -> Batch:
    """A draft for these mailboxes, on the first dates that the spacings and the calendar allow (planning's rules).

    The days of the steps that none of them repeats are those of the batch that they leave. Raises Refusal if the old
    server is closed by then.
    """
    campaign = source.campaign
    calendar = Calendar(plan_settings.from_campaign(campaign).avoided)
    steps = set().union(*(one.steps for one in left))
    soonest = calendar.working_day(brussels_date(at) + DAY)
    one, two = source.mail1_on, source.mail2_on
    if Step.ANNOUNCEMENT in steps:
        one = calendar.announcement(soonest, source.kind)
    if Step.CREDENTIALS in steps:
        own = one + timedelta(days=campaign.mail2_after_days) if Step.ANNOUNCEMENT in steps else soonest
        two = calendar.working_day(max(own, soonest, *(_spaced(each, Step.ANNOUNCEMENT, campaign) for each in left)))
    own = two + timedelta(days=campaign.mail3_after_days_min) if Step.CREDENTIALS in steps else soonest
    three = calendar.working_day(max(own, soonest, *(_spaced(each, Step.CREDENTIALS, campaign) for each in left)))
    two = two if Step.CREDENTIALS in steps else min(two, three - DAY)
    one = one if Step.ANNOUNCEMENT in steps else min(one, two - DAY)
    night = calendar.night(three + timedelta(days=campaign.night_after_days), source.kind)
    corrections.refuse_after_closing(campaign, night)
    number = campaign.batches.aggregate(last=Max("number"))["last"] or 0
    return Batch.objects.create(
        campaign=campaign, number=number + 1, kind=source.kind, planned_by=by, again=again, by_hand=True,
        mail1_on=one, mail2_on=two, mail3_on=three, night_on=night,
    )  # fmt: skip


def _mailings(move: Move, steps: Collection[int]) -> list[Mailing]:
    days = corrections.dates(move.batch)
    campaign = move.batch.campaign
    return [
        Mailing(move=move, step=step, due_at=corrections.due(campaign, step, days[step])) for step in sorted(steps)
    ]


# The failures of a batch


@transaction.atomic
def retry_failed(batch: Batch, *, by: str, at: datetime) -> Batch:
    """« Échecs du lot N »: a draft with the mailboxes that failed, on the next possible dates (B14).

    Mail 2 is not repeated. Twice at once makes one: the second is told which.
    """
    lock_plans()
    lock_batch(batch)
    taken = Move.objects.filter(status__in=[Move.Status.PLANNED, Move.Status.MIGRATED]).values("mailbox")
    failed = list(batch.moves.filter(status=Move.Status.FAILED).exclude(mailbox__in=taken).order_by("position"))
    if not failed:
        raise Refusal(_nothing_to_retry(batch))
    left = remaining([move.mailbox_id for move in failed])
    again = _new_batch(batch, list(left.values()), by=by, at=at, again=batch)
    moves = [Move(batch=again, mailbox_id=move.mailbox_id, position=n) for n, move in enumerate(failed, start=1)]
    Move.objects.bulk_create(moves, batch_size=1000)
    mailings = [mailing for move in moves for mailing in _mailings(move, left[move.mailbox_id].steps)]
    Mailing.objects.bulk_create(mailings, batch_size=2000)
    StateChange.objects.create(
        object_type=Batch._meta.label_lower, object_id=again.pk, old="", new=Batch.Status.DRAFT, by=by, at=at,
        note=f"Échecs du {batch} : {len(moves)} boîtes.",
    )  # fmt: skip
    details = {"décision": "reprendre les échecs", "lot": again.number, "boîtes": len(moves)}
    audit.record("batch.decided", about=batch, by=by, at=at, details=details)
    return again


def _nothing_to_retry(batch: Batch) -> str:
    again = batch.retries.exclude(status=Batch.Status.CANCELLED).order_by("pk").last()
    if again is None and batch.moves.filter(status=Move.Status.FAILED).exists():
        return f"Les boîtes en échec du {batch} sont déjà dans un autre lot, ou ont migré depuis."
    if again is None:
        return f"Aucune boîte du {batch} n’est en échec : il n’y a rien à reprendre."
    made = StateChange.objects.filter(object_type=Batch._meta.label_lower, object_id=again.pk).order_by("pk").first()
    who = f", créé {told(made.by, made.at)}" if made else ""
    return f"Les échecs du {batch} sont déjà repris dans le {again}{who}. Rien n’a changé."


def attempts(mailboxes: Collection[int]) -> dict[int, int]:
    """By mailbox, how many nights did not succeed; those that had none are not there."""
    tried = Move.objects.filter(mailbox__in=mailboxes, status__in=TRIED).order_by()
    return dict(tried.values("mailbox_id").annotate(count=Count("pk")).values_list("mailbox_id", "count"))


# What they have in common


def _reason(why: str, done: str) -> None:
    if not why.strip():
        raise Refusal(f"Dites pourquoi cette boîte est {done} : le motif reste au journal.")


def _refuse_unless_planned(move: Move, done: str) -> None:
    if move.status != Move.Status.PLANNED:
        raise Refusal(f"Cette boîte est « {move.get_status_display()} » : elle ne peut pas être {done}.")
    if move.batch.status not in LIVE_BATCH:
        raise Refusal(f"Le {move.batch} est « {move.batch.get_status_display()} » : rien n’y change plus.")


def _changes(move: Move) -> QuerySet[StateChange]:
    return StateChange.objects.filter(object_type=Move._meta.label_lower, object_id=move.pk).order_by("pk")


def _log(move: Move, old: str, new: str, *, by: str, at: datetime, note: str = "") -> None:
    StateChange.objects.create(
        object_type=Move._meta.label_lower, object_id=move.pk, old=old, new=new, by=by, at=at, note=note
    )


def _record(move: Move, decision: str, *, by: str, at: datetime, why: str = "", **counts: int) -> None:
    details = {"décision": decision, **{name: count for name, count in counts.items() if count}}
    audit.record("move.steered", about=move, by=by, at=at, why=why, details=details)
