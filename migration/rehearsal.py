"""The dry run of a batch (B11): each mail and each change of state with its moment, as `sequence` will do it.

Reads only. It supposes what no portal can know: the batch is approved and opened to all by its first mail, each mail
is accepted as it leaves, each night goes well and its results are recorded as it ends. Under these, what `sequence`
then does is this list (a test walks both).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bma_portal.clock import brussels, brussels_date, working_day_from
from bma_portal.mail.models import OutgoingMail
from migration import preflight
from migration.calendar import OPENS, desk_is_open
from migration.models import Batch, Campaign, Mailing, Move

Step = Mailing.Step
ON_ITS_WAY = [OutgoingMail.Status.QUEUED, OutgoingMail.Status.SENDING]
GOES_ON = [Batch.Status.DRAFT, *Batch.MOVING, Batch.Status.PAUSED]


@dataclass(frozen=True, order=True)
class Event:
    """One fact to come: a mail leaves (`step`), a mail stops and waits for a person (`held`), a state changes."""

    at: datetime
    what: str  # "mail", "held", "batch" or "move"
    step: int = 0
    old: str = ""
    new: str = ""
    address: str = ""


@dataclass
class Moment:
    """The same event of many mailboxes, for a reader."""

    at: datetime
    label: str
    addresses: list[str] = field(default_factory=list)


def events(batch: Batch, *, at: datetime) -> list[Event]:
    """All that would follow from `at` on, in order. What has already happened is not in it."""
    if batch.status not in GOES_ON:
        return []
    moves = list(
        batch.moves.filter(status=Move.Status.PLANNED)
        .select_related("mailbox__organisation")
        .prefetch_related("mailings__mail")
        .order_by("position")
    )
    earlier = _sent_before(batch, moves, at=at)
    found: list[Event] = []
    for move in moves:
        if move.paused_at is None:
            found.extend(_of_move(batch.campaign, batch, move, earlier.get(move.mailbox_id, {}), at=at))
    begun = any(mailing.mail_id for move in moves for mailing in move.mailings.all())
    mails = [event.at for event in found if event.what == "mail"]
    if mails and not begun:
        found.append(Event(min(mails), "batch", old=Batch.Status.APPROVED, new=Batch.Status.RUNNING))
    nights = [event.at for event in found if event.what == "move"]
    if len(nights) == len(moves) and (nights or batch.moves.exists()) and (begun or mails):
        wrong = batch.moves.filter(status__in=[Move.Status.FAILED, Move.Status.ROLLED_BACK]).exists()
        over = Batch.Status.FINISHED_WITH_ERRORS if wrong else Batch.Status.FINISHED
        found.append(Event(max(nights, default=at), "batch", old=Batch.Status.RUNNING, new=over))
    return sorted(found)


def _of_move(
    campaign: Campaign, batch: Batch, move: Move, left: dict[int, datetime], *, at: datetime
) -> Iterator[Event]:
    """The chain of one mailbox: a mail leaves once it is due and the one before it left long enough ago."""
    address = move.mailbox.address
    night_from, night_to = campaign.night(batch.night_on)
    for mailing in sorted(move.mailings.all(), key=lambda mailing: mailing.step):
        step = mailing.step
        if mailing.mail is not None:
            if mailing.mail.status in ON_ITS_WAY:
                left.setdefault(step, at)
            continue
        if mailing.held_at:
            continue  # it waits already
        moment = _leaves(campaign, step, max(mailing.due_at, at), left)
        last = night_to if step == Step.CLOSING else mailing.due_at + timedelta(days=campaign.days_before_decision)
        if moment is None or moment >= last or (step == Step.CLOSING and _is_red(move, batch)):
            yield Event(max(last, at), "held", step=step, address=address)
        else:
            left[step] = moment
            yield Event(moment, "mail", step=step, address=address)
    if Step.CLOSING in left and left[Step.CLOSING] >= night_from:
        yield Event(max(night_to, at), "move", old=Move.Status.PLANNED, new=Move.Status.MIGRATED, address=address)


def _is_red(move: Move, batch: Batch) -> bool:
    """What is known already and would stop its mail 4 (`preflight`), whatever the mails before it do."""
    unit = move.mailbox.organisation
    closes = unit.closed_on is not None and unit.closed_on <= batch.night_on
    too_large = move.size_mb is not None and move.size_mb > preflight.NEW_SERVER_MB
    absent = move.on_old_server is False or move.on_new_server is False
    return unit.successor_id is not None or closes or too_large or absent


def _leaves(campaign: Campaign, step: int, earliest: datetime, left: dict[int, datetime]) -> datetime | None:
    """When that mail leaves at the earliest; None if the one that it waits for never does."""
    before, days = {
        Step.CREDENTIALS: (Step.ANNOUNCEMENT, campaign.mail2_after_days),
        Step.CONFIRMATION: (Step.CREDENTIALS, campaign.mail3_after_days_min),
        Step.CLOSING: (Step.CONFIRMATION, 0),
    }.get(Step(step), (None, 0))
    if before is not None:
        if before not in left:
            return None
        spaced = brussels(brussels_date(left[before]) + timedelta(days=days))
        earliest = max(earliest, spaced if days else left[before])
    if step == Step.CLOSING:
        return earliest
    if desk_is_open(earliest):
        return earliest
    today = brussels_date(earliest)
    morning = brussels(working_day_from(today), OPENS)
    return morning if morning >= earliest else brussels(working_day_from(today + timedelta(days=1)), OPENS)


def _sent_before(batch: Batch, moves: list[Move], *, at: datetime) -> dict[int, dict[int, datetime]]:
    """By mailbox and step, when a mail was accepted and stayed: this batch's own, else an earlier one's."""
    found: dict[int, dict[int, datetime]] = {}
    own = {move.pk for move in moves}
    rows = Mailing.objects.filter(
        move__mailbox__in=[move.mailbox_id for move in moves], mail__sent_at__lte=at, mail__bounced_at=None
    ).values_list("move", "move__mailbox", "step", "mail__sent_at")
    repeated = {(move.mailbox_id, mailing.step) for move in moves for mailing in move.mailings.all()}
    for move, mailbox, step, sent_at in rows:
        if sent_at and (move in own or (mailbox, step) not in repeated):
            found.setdefault(mailbox, {})[step] = sent_at
    return found


LABELS = {
    ("batch", Batch.Status.RUNNING): "le lot passe à « en cours »",
    ("batch", Batch.Status.FINISHED): "le lot passe à « terminé »",
    ("batch", Batch.Status.FINISHED_WITH_ERRORS): "le lot passe à « terminé avec des erreurs »",
    ("move", Move.Status.MIGRATED): "les boîtes passent à « migrée », si ETNIC le confirme",
}


def label(event: Event) -> str:
    if event.what == "mail":
        return f"{Step(event.step).label} part"
    if event.what == "held":
        return f"{Step(event.step).label} ne part pas et attend une décision"
    return LABELS[event.what, event.new]  # type: ignore[index]


def grouped(listed: Iterable[Event]) -> list[Moment]:
    """In order, one line for the same thing at the same moment; the batch begins before its mails, and ends last."""
    found: dict[tuple[datetime, str], Moment] = {}
    for event in sorted(listed, key=lambda event: (event.at, _rank(event))):
        moment = found.setdefault((event.at, label(event)), Moment(event.at, label(event)))
        if event.address:
            moment.addresses.append(event.address)
    return list(found.values())


def _rank(event: Event) -> int:
    if event.what == "batch":
        return 0 if event.new == Batch.Status.RUNNING else 4
    return {"mail": 1, "held": 2, "move": 3}[event.what]
