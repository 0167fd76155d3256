"""« Où en est ma boîte ? »: what a holder is told, computed from the facts and from a moment.

The phase, the four mails and the night with their dates, the interface to use, and what was lost or put off on the
way. Nothing here writes, and nothing knows of a request.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from django.db.models import Q, QuerySet

from accounts.addresses import PO
from accounts.models import Mailbox, Organisation
from bma_portal.clock import brussels_date
from bma_portal.prepared import Prepared
from migration.campaigns import default_campaign
from migration.models import Batch, Campaign, Mailing, Move
from migration.phases import SENTENCES, Facts, Phase, Programme, facts_of, phase, programme_at

PUT_BACK = (
    "La migration de cette boîte a été défaite : elle se lit de nouveau sur l’ancienne interface. "
    "Une nouvelle date sera annoncée dans la boîte."
)
REDATED = "La date de la migration a changé. Un mail confirmera bientôt la nouvelle."


class Progress(StrEnum):
    """How far one step is."""

    DONE = "done"
    NEXT = "next"
    LATER = "later"
    LATE = "late"  # its date is past and nothing has left
    SKIPPED = "skipped"  # the mailbox migrated without it (a person signed for that)


class Where(StrEnum):
    """Which interface the mail of this mailbox is read on."""

    OLD = "old"
    NIGHT = "night"  # being moved now
    UNSURE = "unsure"  # the night is over, its result is not recorded yet
    NEW = "new"
    NOWHERE = "nowhere"  # the old server is closed and no migration is recorded


@dataclass(frozen=True)
class Stage:
    """One step of the way: mails 1 to 4, then the move itself (5)."""

    number: int
    progress: Progress
    on: date | None = None  # the day it was done or is foreseen; None: no date yet
    at_night: bool = False  # `on` is the evening on which the night begins


@dataclass(frozen=True)
class Plan:
    """The batch that holds the mailbox, if its dates may be told: a draft is not a promise."""

    campaign: Campaign
    batch: Batch | None = None
    failed: bool = False  # the last night did not succeed, or was undone, and no other is planned
    put_back: bool = False  # it was undone: the mailbox is on the old server again (B21)
    paused: bool = False  # this mailbox alone is suspended (B12)
    batch_id: int | None = None  # of the latest move that was not cancelled, a draft's too

    @property
    def suspended(self) -> bool:
        return self.batch is not None and (self.paused or self.batch.status == Batch.Status.PAUSED)


@dataclass(frozen=True)
class MailboxStatus:
    mailbox: Mailbox
    phase: Phase
    sentence: str
    where: Where
    stages: list[Stage]
    campaign: Campaign
    night_on: date | None
    migrated_on: date | None
    failed: bool
    suspended: bool
    window: tuple[date, date]  # first mails of this kind of unit (S1 §8)
    window_over: bool
    old_server_closed: bool
    closes_on: date | None  # when the unit itself closes, if that is known and still ahead
    batch_id: int | None = None  # the batch that holds the mailbox, or held it, whether it may be told or not

    @property
    def next_stage(self) -> Stage | None:
        return next((stage for stage in self.stages if stage.progress in {Progress.NEXT, Progress.LATE}), None)

    @property
    def waits_for_first_mail(self) -> bool:
        return self.phase == Phase.NOT_STARTED and self.where == Where.OLD

    @property
    def has_new_password(self) -> bool:
        return self.phase in {Phase.CREDENTIALS_SENT, Phase.CONFIRMED, Phase.MIGRATED}


def status_of(mailbox: Mailbox, at: datetime, *, mailings: Iterable[tuple] | None = None) -> MailboxStatus:
    """What the holder of this mailbox is told at that moment. `mailings`: as `facts_of` takes them."""
    return statuses_of([mailbox], at, mailings=mailings)[mailbox.pk]


def _moves(which: Q) -> QuerySet[Move]:
    return Move.objects.filter(which).select_related("batch__campaign").order_by("-pk")


_moves_of_one = Prepared(lambda pk: _moves(Q(mailbox=pk)))


def statuses_of(
    mailboxes: Sequence[Mailbox], at: datetime, *, mailings: Iterable[tuple] | None = None
) -> dict[int, MailboxStatus]:
    """The same for several, by pk, in a fixed number of statements."""
    keys = {mailbox.pk for mailbox in mailboxes}
    moves = _moves_of_one(pk=mailboxes[0].pk) if len(keys) == 1 else list(_moves(Q(mailbox__in=keys)))
    facts, plans = facts_of(mailboxes, at, moves=moves, mailings=mailings), _plans(keys, moves, at)
    return {mailbox.pk: _status(mailbox, facts[mailbox.pk], plans[mailbox.pk], at) for mailbox in mailboxes}


def status_from(mailbox: Mailbox, moves: Sequence[Move], at: datetime) -> MailboxStatus:
    """The same, from its moves as the caller has them, the latest first."""
    facts = facts_of([mailbox], at, moves=moves)[mailbox.pk]
    return _status(mailbox, facts, _plans({mailbox.pk}, moves, at)[mailbox.pk], at)


def _status(mailbox: Mailbox, facts: Facts, plan: Plan, at: datetime) -> MailboxStatus:
    now, today = phase(facts), brussels_date(at)
    night_on = plan.batch.night_on if plan.batch else None
    where = _where(now, plan, at)
    stages = _stages(facts, plan, at)
    kind = mailbox.organisation.kind
    window = (
        (plan.campaign.po_first_mail_from, plan.campaign.po_first_mail_to)
        if kind == PO
        else (plan.campaign.ec_first_mail_from, plan.campaign.ec_first_mail_to)
    )
    return MailboxStatus(
        mailbox=mailbox,
        phase=now,
        sentence=_sentence(now, where, plan, facts, at),
        where=where,
        stages=stages,
        campaign=plan.campaign,
        night_on=night_on,
        migrated_on=brussels_date(facts.migrated_at) if facts.migrated_at else None,
        failed=plan.failed and now != Phase.MIGRATED,
        suspended=plan.suspended and now != Phase.MIGRATED,
        window=window,
        window_over=today > window[1],
        old_server_closed=today >= plan.campaign.old_server_closes_on,
        closes_on=_closes_on(mailbox.organisation, today),
        batch_id=plan.batch_id,
    )


def _plans(mailboxes: set[int], latest_first: Sequence[Move], at: datetime) -> dict[int, Plan]:
    moves: dict[int, list[Move]] = {pk: [] for pk in mailboxes}
    for move in latest_first:
        moves[move.mailbox_id].append(move)
    campaign = None if all(moves.values()) else default_campaign()
    return {pk: _plan(of_mailbox, campaign, at) for pk, of_mailbox in moves.items()}


def _plan(moves: list[Move], campaign: Campaign | None, at: datetime) -> Plan:
    """From its moves, the latest first; a mailbox that has none is told the dates of the campaign.

    A night that was undone since stands for whoever asks about a moment before that.
    """
    told = {*Batch.MOVING, Batch.Status.PAUSED, Batch.Status.FINISHED, Batch.Status.FINISHED_WITH_ERRORS}
    batch_id = next((move.batch_id for move in moves if move.status != Move.Status.CANCELLED), None)
    undone = [move for move in moves if move.rolled_back_at and move.rolled_back_at <= at]
    then = [move for move in moves if move.rolled_back_at and move not in undone]
    standing = [move for move in moves if move.status in {Move.Status.PLANNED, Move.Status.MIGRATED}]
    for move in [*then, *standing]:
        if move.batch.status in told:
            paused = move.paused_at is not None and move.paused_at <= at
            return Plan(move.batch.campaign, move.batch, paused=paused, batch_id=batch_id)
    failed = any(move.status == Move.Status.FAILED for move in moves) or bool(undone)
    of_moves = moves[0].batch.campaign if moves else campaign or default_campaign()
    return Plan(of_moves, failed=failed, put_back=bool(undone), batch_id=batch_id)


def _where(now: Phase, plan: Plan, at: datetime) -> Where:
    if now == Phase.MIGRATED:
        return Where.NEW
    if brussels_date(at) >= plan.campaign.old_server_closes_on:
        return Where.NOWHERE
    if plan.batch and now == Phase.CONFIRMED and not plan.suspended:
        starts, ends = plan.campaign.night(plan.batch.night_on)
        if at >= ends:
            return Where.UNSURE
        if at >= starts:
            return Where.NIGHT
    return Where.OLD


def _stages(facts: Facts, plan: Plan, at: datetime) -> list[Stage]:
    migrated = facts.migrated_at is not None
    foreseen = _foreseen(facts, plan)
    stages: list[Stage] = []
    first = True  # the first step that is not done is the next one
    for step, due in foreseen.items():
        at_night = step >= Mailing.Step.CLOSING
        done_at = facts.migrated_at if step > Mailing.Step.CLOSING else facts.delivered.get(step)
        if done_at and not _sent_again(done_at, facts.due.get(step), at):
            stages.append(Stage(step, Progress.DONE, brussels_date(done_at)))
        elif migrated:
            stages.append(Stage(step, Progress.SKIPPED))
        else:
            late = due is not None and _is_past(due, at_night, plan.campaign, at)
            progress = Progress.LATER if not first else Progress.LATE if late else Progress.NEXT
            stages.append(Stage(step, progress, due, at_night))
            first = False
    return stages


def _foreseen(facts: Facts, plan: Plan) -> dict[int, date | None]:
    """The day of each step: as the mailing itself has it, else as its batch has it; None if nothing may be told."""
    days: dict[int, date | None] = dict.fromkeys(range(1, 6))
    if plan.batch:
        batch = plan.batch
        days |= {1: batch.mail1_on, 2: batch.mail2_on, 3: batch.mail3_on, 4: batch.night_on, 5: batch.night_on}
        days |= {step: brussels_date(due) for step, due in facts.due.items() if step < Mailing.Step.CLOSING}
    return days


def _sent_again(delivered: datetime, due: datetime | None, at: datetime) -> bool:
    """A new batch after a failed night sends this step once more, later."""
    return due is not None and delivered < due and at < due


def _is_past(due: date, at_night: bool, campaign: Campaign, at: datetime) -> bool:
    """A mail is late from the day after, a night once it is over."""
    return at >= campaign.night(due)[1] if at_night else brussels_date(at) > due


def _sentence(now: Phase, where: Where, plan: Plan, facts: Facts, at: datetime) -> str:
    if where == Where.NOWHERE:
        return "Aucune migration n’est enregistrée pour cette boîte, et l’ancien serveur est fermé."
    if where == Where.NIGHT:
        return "La migration de cette boîte a lieu cette nuit."
    if where == Where.UNSURE:
        return "La nuit de la migration est passée ; son résultat n’est pas encore enregistré."
    if plan.put_back:
        return PUT_BACK
    if plan.failed:
        return "La migration prévue n’a pas pu se faire. Une nouvelle date sera annoncée dans la boîte."
    if plan.batch is None and now not in {Phase.NOT_STARTED, Phase.MIGRATED}:
        return REDATED  # postponed, or its batch is cancelled: what it was told does not hold, a draft is no promise
    confirmed_at, due = facts.delivered.get(Mailing.Step.CONFIRMATION), facts.due.get(Mailing.Step.CONFIRMATION)
    if now == Phase.CONFIRMED and confirmed_at and _sent_again(confirmed_at, due, at):
        return REDATED
    return SENTENCES[now]


def _closes_on(organisation: Organisation, today: date) -> date | None:
    return organisation.closed_on if organisation.closed_on and organisation.closed_on > today else None


def programme_on(at: datetime) -> Programme:
    """Where the whole migration stands, also before any campaign is planned."""
    campaign = default_campaign()
    if campaign.pk:
        return programme_at(campaign, at)
    closed = brussels_date(at) >= campaign.old_server_closes_on
    return Programme.CLOSED if closed else Programme.RUNNING
