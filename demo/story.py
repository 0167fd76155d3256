"""The campaign replayed: the days are walked through the code that production runs.

The replay sets the clock for every process, calls what beat calls, and waits until the workers have drained the
outbox before the next moment. It plays ETNIC's tools in the night: each mailbox that had its four mails moves. The
plan, then what was really delivered, are held against a checker that knows nothing of the planner.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Max, Min, Q

from accounts import credentials
from accounts import tasks as accounts_tasks
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import outbox
from bma_portal.mail import tasks as mail_tasks
from bma_portal.mail.models import OutgoingMail, SenderState
from demo import plan_checker
from demo.exchange.control import StandIn
from migration import cutover, plan_settings, planning, sequence
from migration.campaigns import AUTUMN_2024
from migration.cutover import Result
from migration.models import Batch, Campaign, Mailing, Move, Step

BY = "rejeu"
PUBLISHED = Path(__file__).resolve().parent / "campaign_2024_published.json"
TOLD = 20  # broken rules that a summary spells out; the others are counted
STUCK_SECONDS = 120  # without one mail leaving, somebody must look; but first what a dead worker held is freed
MORNING_AFTER = 2  # hour of the night when ETNIC's results come back


@dataclass
class Summary:
    """What a replay did, and whether every promise held. `mails_per_second` is over the sending part only."""

    mailboxes: int = 0
    mails: int = 0
    delivered: int = 0
    lost: int = 0
    twice: int = 0
    out_of_order: int = 0
    plan_broken: int = 0
    spacing_broken: int = 0
    rules_broken: int = 0
    migrated: int = 0
    pos_before_establishments: bool = False
    held: int = 0
    days: int = 0
    seconds: float = 0.0
    sending_seconds: float = 0.0
    mails_per_second: float = 0.0
    warnings: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    published: list[dict[str, str]] = field(default_factory=list)  # what the plan of the documents cannot keep

    @property
    def kept(self) -> bool:
        rules = self.plan_broken or self.spacing_broken or self.rules_broken
        return not (self.lost or self.twice or self.out_of_order or rules or self.held) and (
            self.delivered == self.mails == 4 * self.migrated
        )

    def as_dict(self) -> dict:
        return asdict(self) | {"kept": self.kept}


Progress = Callable[[date, int, int], None]


def campaign_to_play(*, at: datetime) -> Campaign:
    """The campaign that still has something to send; else a new one, with the dates of 2024."""
    unfinished = Q(batches=None) | Q(batches__status__in=["draft", "approved", "running", "paused"])
    campaign = Campaign.objects.filter(unfinished).order_by("pk").first()
    if campaign:
        return campaign
    played = Campaign.objects.count()
    facts = AUTUMN_2024 | ({"name": f"{AUTUMN_2024['name']} (rejeu {played + 1})"} if played else {})
    return Campaign.objects.create(slug=f"2024-{played + 1}" if played else "2024", **facts)


def replay(
    first: date, last: date, *, stand_in: StandIn | None, progress: Progress = lambda day, sent, total: None
) -> Summary:
    """Walk from `first` to `last` (Brussels days, both included). Workers must be running.

    The clock is given back whatever happens. Raises Refusal if the mails stop leaving.
    """
    started = time.monotonic()
    summary = Summary()
    opening = brussels(first, 0)
    campaign = campaign_to_play(at=opening)
    walk = _Walk(campaign, stand_in, summary)
    try:
        clock.set_for_every_process(opening)
        published = planning.lay_out(plan_settings.read(PUBLISHED), planning.plannable(campaign, at=opening))
        summary.published = [finding.as_dict() for finding in published.findings]
        summary.warnings = planning.apply(campaign, at=opening, by=BY).warnings
        _check_the_plan(campaign, summary)
        for batch in campaign.batches.filter(status__in=[Batch.Status.DRAFT, Batch.Status.PAUSED]):
            sequence.approve(batch, by=BY, at=opening)
            sequence.release(batch, by=BY, at=opening)
        # A replay that was interrupted left mails that the real date made late: the replay decides to send them.
        waiting = Mailing.objects.filter(move__batch__campaign=campaign, mail=None)
        waiting.update(held_at=None, held_why="")
        total = Mailing.objects.filter(move__batch__campaign=campaign).count()
        nights = set(campaign.batches.values_list("night_on", flat=True))
        day = first
        while day <= last:
            walk.moment(brussels(day, campaign.mails_hour))
            if day in nights:
                walk.moment(brussels(day, campaign.night_from_hour))
                walk.cut_over(brussels(day + timedelta(days=1), MORNING_AFTER), night=day)
            summary.days += 1
            progress(day, walk.sent(), total)
            day += timedelta(days=1)
    finally:
        clock.release()
        if stand_in:
            stand_in.clock(None)
    _count(campaign, stand_in, summary)
    summary.seconds = round(time.monotonic() - started, 1)
    summary.sending_seconds = round(walk.sending_seconds, 1)
    if walk.sending_seconds:
        summary.mails_per_second = round(summary.delivered / walk.sending_seconds, 1)
    return summary


class _Walk:
    """One replay under way."""

    def __init__(self, campaign: Campaign, stand_in: StandIn | None, summary: Summary) -> None:
        self.campaign, self.stand_in, self.summary = campaign, stand_in, summary
        self.sending_seconds = 0.0

    def sent(self) -> int:
        return OutgoingMail.objects.filter(
            mailing__move__batch__campaign=self.campaign, status=OutgoingMail.Status.SENT
        ).count()

    def moment(self, at: datetime) -> None:
        """Set the clock, then do what beat does until nothing more is due and nothing waits."""
        clock.set_for_every_process(at)
        if self.stand_in:
            self.stand_in.clock(at)
        latest = time.monotonic() + STUCK_SECONDS
        while True:
            queued = sequence.advance(at=at)
            waiting = self._drained(at)
            if not queued and not waiting and not self._in_hand(at):
                return
            if queued or waiting:
                latest = time.monotonic() + STUCK_SECONDS
            elif time.monotonic() > latest:
                raise Refusal("Des courriels sont dus et rien ne les met en file.")
            else:
                time.sleep(0.02)

    def _in_hand(self, at: datetime) -> bool:
        """Whether mails are due that nobody has queued: beat's own tick, in a worker, has them locked and goes on."""
        return any(sequence.ready(self.campaign, step, at=at).exists() for step in Step.values)

    def _drained(self, at: datetime) -> bool:
        """Wait until the outbox and the passwords are done. True if there was something to wait for."""
        waited = False
        started = last_change = rung = time.monotonic()
        mails_waited = False
        before = None
        while True:
            mails = OutgoingMail.objects.filter(status__in=["queued", "sending"]).count()
            passwords = credentials.pending().count()
            now = time.monotonic()
            if not mails and not passwords:
                if mails_waited:
                    self.sending_seconds += now - started
                return waited
            mails_waited = mails_waited or bool(mails)
            waited = True
            if (mails, passwords) != before:
                before, last_change = (mails, passwords), now
            if now - last_change > max(STUCK_SECONDS, 30 + settings.MAIL_LEASE_SECONDS):
                raise Refusal(self._why_stuck(mails, passwords))
            if now - rung > 5:  # a bell may have been lost: beat would ring again
                rung = now
                clock.set_for_every_process(at)
                for sender in outbox.senders_with_work():
                    mail_tasks.ring(sender)
                if passwords:
                    accounts_tasks.ring()
            time.sleep(0.02)

    def _why_stuck(self, mails: int, passwords: int) -> str:
        paused = SenderState.objects.filter(paused_at__isnull=False).first()
        if paused:
            return f"L'envoi de {paused} est arrêté : {paused.reason}"
        reasons = OutgoingMail.objects.filter(status__in=["queued", "sending"]).exclude(last_error="")
        why = reasons.values_list("last_error", flat=True).first() or "aucun ouvrier ne semble travailler"
        return f"Plus rien ne part : {mails} courriels et {passwords} mots de passe attendent ({why})."

    def cut_over(self, at: datetime, *, night: date) -> None:
        """What ETNIC's tools do: move the mailboxes of this night, then say so."""
        clock.set_for_every_process(at)
        moves = Move.objects.live().filter(batch__campaign=self.campaign, batch__night_on=night)
        closed = moves.filter(
            mailings__step=Mailing.Step.CLOSING, mailings__mail__status=OutgoingMail.Status.SENT
        ).values_list("mailbox__address", flat=True)
        addresses = list(closed)
        if self.stand_in and addresses:
            self.stand_in.move(addresses, at)
        report = cutover.record([Result(address, moved=True) for address in addresses], by=BY, at=at)
        if report.refused:
            raise Refusal(f"Des résultats ont été refusés : {report.refused[0]}")
        sequence.advance(at=at)


def _count(campaign: Campaign, stand_in: StandIn | None, summary: Summary) -> None:
    """Hold what was recorded, and what the stand-in delivered, against what was promised."""
    mailings = Mailing.objects.filter(move__batch__campaign=campaign)
    moves = Move.objects.filter(batch__campaign=campaign)
    summary.mailboxes = moves.values("mailbox").distinct().count()
    summary.mails = mailings.filter(mail__isnull=False).count()
    summary.held = mailings.filter(held_at__isnull=False).count()
    summary.migrated = moves.filter(status=Move.Status.MIGRATED).count()
    keys = {str(key): step for key, step in mailings.filter(mail__isnull=False).values_list("mail__uuid", "step")}
    if stand_in:
        received: dict[str, int] = {}
        last_step: dict[str, int] = {}
        for delivery in stand_in.deliveries():
            step = keys.get(delivery["key"])
            if step is None:
                continue
            received[delivery["key"]] = received.get(delivery["key"], 0) + 1
            summary.out_of_order += step < last_step.get(delivery["to"], 0)
            last_step[delivery["to"]] = step
        summary.delivered = len(received)
        summary.twice = sum(n > 1 for n in received.values())
    else:
        summary.delivered = mailings.filter(mail__status=OutgoingMail.Status.SENT).count()
    summary.lost = summary.mails - summary.delivered
    _check_what_was_delivered(campaign, summary)
    spans = {
        row["batch__kind"]: row
        for row in moves.filter(migrated_at__isnull=False)
        .values("batch__kind")
        .annotate(first=Min("migrated_at"), last=Max("migrated_at"))
    }
    summary.pos_before_establishments = (
        "po" not in spans or "ec" not in spans or spans["po"]["last"] < spans["ec"]["first"]
    )


def _check_the_plan(campaign: Campaign, summary: Summary) -> None:
    """What the plan claims, mailbox by mailbox, as it stands in the database."""
    due: dict[int, dict[int, date]] = {}
    who: dict[int, tuple[str, str]] = {}
    rows = Mailing.objects.filter(move__batch__campaign=campaign).exclude(move__status__in=planning.LEFT)
    for move, address, kind, step, moment in rows.values_list(
        "move", "move__mailbox__address", "move__batch__kind", "step", "due_at"
    ):
        who[move] = (address, kind)
        due.setdefault(move, {})[step] = clock.brussels_date(moment)
    found = _violations(campaign, summary, [(*who[move], days) for move, days in due.items()])
    summary.plan_broken = len(found)


def _check_what_was_delivered(campaign: Campaign, summary: Summary) -> None:
    """The same rules, on the days when the mails were sent; of a mailbox in two batches, the last of each mail."""
    sent: dict[str, dict[int, date]] = {}
    kinds: dict[str, str] = {}
    rows = Mailing.objects.filter(move__batch__campaign=campaign, mail__sent_at__isnull=False)
    for address, kind, step, moment in rows.order_by("mail__sent_at").values_list(
        "move__mailbox__address", "move__batch__kind", "step", "mail__sent_at"
    ):
        kinds[address] = kind
        sent.setdefault(address, {})[step] = clock.brussels_date(moment)
    found = _violations(campaign, summary, [(address, kinds[address], days) for address, days in sent.items()])
    summary.spacing_broken = sum(violation.rule == "spacing" for violation in found)
    summary.rules_broken = len(found) - summary.spacing_broken


def _violations(
    campaign: Campaign, summary: Summary, passages: list[tuple[str, str, dict[int, date]]]
) -> list[plan_checker.Violation]:
    """What the checker says. Windows are asked of a plan that did not say that they cannot hold."""
    rows = [
        plan_checker.Row(address, kind, days.get(1), days.get(2), days.get(3), days.get(4))
        for address, kind, days in passages
    ]
    found = plan_checker.check(rows, plan_settings.from_campaign(campaign), windows=not summary.warnings)
    told = [f"{violation.address or 'le plan'} : {violation.text}" for violation in found]
    summary.broken += told[: TOLD - len(summary.broken)]
    return found
