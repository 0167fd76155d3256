"""What is due, and on which conditions: the beat of a campaign.

`advance` is what beat, a command and a replay call; it may be called twice at once, or never for a while. A step is
queued once the one before it was delivered, so that a mailbox's mails cannot overtake each other.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts import credentials
from accounts import tasks as accounts_tasks
from accounts.models import Credential, Mailbox
from bma_portal.clock import brussels, brussels_date
from bma_portal.mail import tasks as mail_tasks
from bma_portal.mail.models import OutgoingMail
from migration import corrections, preflight, withdrawal
from migration.arrivals import AFTER, arrived
from migration.calendar import desk_is_open
from migration.locks import lock_batch
from migration.mails import BY_STEP, BatchPaused
from migration.models import Batch, Campaign, Mailing, Move
from migration.withdrawal import TELL_THE_NIGHT

log = logging.getLogger(__name__)

FIRST_FIVE = 5  # the boxes of a batch that go first; the others wait for a person
BAD_SHARE = 0.05  # above it a batch suspends itself
CHUNK = 500
Step = Mailing.Step


def advance(*, at: datetime) -> int:
    """Queue every mail that is due at `at` and may leave; ring for mails and passwords. Returns how many mails.

    Idempotent: the same moment again queues nothing more.
    """
    queued = 0
    for campaign in Campaign.objects.all():
        destroy_old_secrets(campaign, at=at)
    for campaign in Campaign.objects.filter(batches__status__in=Batch.MOVING).distinct():
        withdrawal.free_what_moves(campaign)
        corrections.correct_again(campaign, at=at)
        hold_what_is_too_late(campaign, at=at)
        pause_bad_batches(campaign, at=at)
        issue_passwords(campaign, at=at)
        for step in Step.values:
            queued += queue_step(campaign, step, at=at)
        finish_batches(campaign, at=at)
    if credentials.pending().exists():
        accounts_tasks.ring()
    return queued


def open_mailings(
    campaign: Campaign, step: int, *, at: datetime, statuses: Iterable[str] = Batch.MOVING
) -> QuerySet[Mailing]:
    """Due, not queued, not held, of a live move, not paused, in an approved batch; beyond the first five, released."""
    return Mailing.objects.filter(
        Q(move__batch__released_at__isnull=False) | Q(move__position__lte=FIRST_FIVE),
        move__batch__campaign=campaign,
        move__batch__status__in=list(statuses),
        move__status=Move.Status.PLANNED,
        move__paused_at=None,
        step=step,
        due_at__lte=at,
        mail=None,
        held_at=None,
    )


def delivered_before(step: int, *, at: datetime, latest: datetime | None = None) -> Q:
    """Mail `step` was accepted (by `latest`) and stayed (`arrived`)."""
    return arrived(step, by=latest or at)


def ready(campaign: Campaign, step: int, *, at: datetime) -> QuerySet[Mailing]:
    """The mailings of one step that may be queued now."""
    mailings = open_mailings(campaign, step, at=at)
    if step == Step.CLOSING:
        if not _is_night(campaign, at):
            return mailings.none()
        return mailings.filter(preflight.clear(), *(delivered_before(before, at=at) for before in AFTER[step]))
    if not desk_is_open(at):
        return mailings.none()
    if step == Step.CREDENTIALS:
        in_force = (
            Credential.objects.live()
            .applied()
            .filter(mailbox=OuterRef("move__mailbox"), purpose=Credential.Purpose.MIGRATION)
        )
        return mailings.filter(
            delivered_before(Step.ANNOUNCEMENT, at=at, latest=_spaced(at, campaign.mail2_after_days)), Exists(in_force)
        )
    if step == Step.CONFIRMATION:
        latest = _spaced(at, campaign.mail3_after_days_min)
        return mailings.filter(delivered_before(Step.CREDENTIALS, at=at, latest=latest))
    return mailings


def _spaced(at: datetime, days: int) -> datetime:
    """The latest moment of the mail before: that many Brussels days earlier, its hour not counting."""
    return brussels(brussels_date(at) - timedelta(days=days - 1)) - timedelta(microseconds=1)


def _is_night(campaign: Campaign, at: datetime) -> bool:
    day = brussels_date(at)
    return any(start <= at < end for start, end in map(campaign.night, (day, day - timedelta(days=1))))


def queue_step(campaign: Campaign, step: int, *, at: datetime) -> int:
    """Queue the mails of one step, by chunks, each in one transaction with the fact that it is queued.

    Their moves and batches are locked too: whoever suspends, cancels, postpones or plans anew at the same time waits,
    and sees them queued; what such a person has just changed is read again before anything is queued.
    """
    queued = 0
    mail_class = BY_STEP[step]
    while True:
        with transaction.atomic():
            mailings = list(
                ready(campaign, step, at=at)
                .select_for_update(of=("self", "move", "move__batch"), skip_locked=True, no_key=True)
                .select_related("move__mailbox__organisation", "move__batch__campaign")
                .order_by("move__batch__number", "move__position")[:CHUNK]
            )
            if not mailings:
                return queued
            mails = [mail_class(mailing) for mailing in mailings]
            mail_class.prepare(mails, at=at)
            rows = OutgoingMail.objects.bulk_create([mail.row(at=at) for mail in mails])
            for mailing, row in zip(mailings, rows, strict=True):
                mailing.mail = row
            Mailing.objects.bulk_update(mailings, ["mail"])
            _announced(mailings, step, at=at)
            mail_tasks.ring(mail_class.sender)
        queued += len(mailings)


def _announced(mailings: list[Mailing], step: int, *, at: datetime) -> None:
    """The batches of these mails are under way; mails 1 to 3 tell a night, which must be corrected if it moves.

    Where a correction waits before them, it is what the holder reads first: it says so itself once it has left.
    """
    for batch in {mailing.move.batch_id: mailing.move.batch for mailing in mailings}.values():
        if batch.status == Batch.Status.APPROVED:
            batch.move_to(Batch.Status.RUNNING, by="portail", at=at)
        if step in TELL_THE_NIGHT:
            of_batch = [mailing.move_id for mailing in mailings if mailing.move.batch_id == batch.pk]
            corrected = withdrawal.unsent_corrections().filter(object_id=OuterRef("pk"))
            Move.objects.filter(~Exists(corrected), pk__in=of_batch).update(announced_night=batch.night_on)


def issue_passwords(campaign: Campaign, *, at: datetime) -> int:
    """Make the passwords of the mails 2 that are due, so that the directory has them before the mail is released."""
    waiting = open_mailings(campaign, Step.CREDENTIALS, at=at).filter(
        delivered_before(Step.ANNOUNCEMENT, at=at, latest=_spaced(at, campaign.mail2_after_days)),
        ~Exists(Credential.objects.live().filter(mailbox=OuterRef("move__mailbox"))),
    )
    made = 0
    while mailboxes := list(
        Mailbox.objects.filter(pk__in=waiting.values("move__mailbox")[:CHUNK]).select_related("organisation")
    ):
        issued = credentials.issue(mailboxes, at=at)
        made += issued
        if not issued:
            break
    return made


def hold_what_is_too_late(campaign: Campaign, *, at: datetime, of: Batch | Move | None = None) -> int:
    """A mail whose time is over waits for a person: after a pause nothing floods out, and no night happens by day.

    Of the whole campaign, of that batch or of that move. Returns how many mails wait that did not.
    """
    held = 0
    for pks, why in _too_late(campaign, at=at, of=of):
        now = Mailing.objects.filter(pk__in=pks, mail=None, held_at=None, due_at__lte=at)
        held += now.update(held_at=at, held_why=why)
    if held:
        log.warning("mails en attente de décision", extra={"nombre": held})
    return held


def late_and_due(batch: Batch, *, at: datetime) -> tuple[int, int]:
    """If that suspended batch started again now: how many mails would wait for a decision, how many would follow."""
    paused = [Batch.Status.PAUSED]
    late = sum(len(pks) for pks, _ in _too_late(batch.campaign, at=at, of=batch, statuses=paused))
    steps = [open_mailings(batch.campaign, step, at=at, statuses=paused).filter(move__batch=batch) for step in Step]
    return late, sum(mailings.count() for mailings in steps) - late


def _too_late(
    campaign: Campaign, *, at: datetime, of: Batch | Move | None, statuses: Iterable[str] = Batch.MOVING
) -> list[tuple[list[int], str]]:
    """The mails whose time is over, and why they must wait."""

    def due(step: int) -> QuerySet[Mailing]:
        mailings = open_mailings(campaign, step, at=at, statuses=statuses)
        if isinstance(of, Move):
            return mailings.filter(move=of)
        return mailings.filter(move__batch=of) if of else mailings

    nights = due(Step.CLOSING).values_list("pk", "move__batch__night_on")
    over = [pk for pk, night in nights if at >= campaign.night(night)[1]]
    found = [(over, "La nuit prévue est passée sans ce mail : choisissez une autre nuit.")]
    limit = at - timedelta(days=campaign.days_before_decision)
    why = f"En retard de plus de {campaign.days_before_decision} jours : décidez de l'envoyer ou de replanifier."
    for step in (Step.ANNOUNCEMENT, Step.CREDENTIALS, Step.CONFIRMATION):
        found.append((list(due(step).filter(due_at__lt=limit).values_list("pk", flat=True)), why))
    return found


def went_wrong() -> Q:
    """Of moves: a mail failed or came back, a correction of the date too, or the directory refused the password."""
    mails = OutgoingMail.objects.filter(mailing__move=OuterRef("pk")).filter(
        Q(status=OutgoingMail.Status.FAILED)
        | Q(status=OutgoingMail.Status.CANCELLED) & ~Q(last_error__in=withdrawal.NO_FAILURE)
        | Q(bounced_at__isnull=False)
    )
    refused = Credential.objects.filter(mailbox=OuterRef("mailbox"), refused_at__isnull=False, superseded_at=None)
    unread = corrections.unread().filter(object_id=OuterRef("pk"))
    return Q(Exists(mails)) | Q(Exists(unread)) | Q(Exists(refused))


def bad_moves(batch: Batch) -> QuerySet[Move]:
    return batch.moves.filter(went_wrong())


def pause_bad_batches(campaign: Campaign, *, at: datetime) -> None:
    """A batch of which more than one box in twenty goes wrong suspends itself and calls the SGNE team."""
    for batch in campaign.batches.filter(status__in=Batch.MOVING).annotate(total=Count("moves")):
        bad = bad_moves(batch).count()
        if bad <= batch.total * BAD_SHARE or bad <= batch.excused:
            continue
        with transaction.atomic():
            if not _still_moving(batch):
                continue
            batch.move_to(Batch.Status.PAUSED, by="portail", at=at, note=f"{bad} boîtes en échec sur {batch.total}")
            withdrawal.take_back(batch.moves.all())
            mail = BatchPaused(batch, bad=bad, total=batch.total, recipient=settings.EXCHANGE_SGNE_ADDRESS, at=at)
            mail.row(at=at).save(force_insert=True)
            mail_tasks.ring(mail.sender)


def finish_batches(campaign: Campaign, *, at: datetime) -> None:
    """A batch is over once none of its boxes waits for a night, and what was not carried over is accepted (B15).

    One that all its boxes left (postponed) before its first mail is over too: nothing will ever begin it.
    """
    open_moves = Move.objects.live().filter(batch=OuterRef("pk"))
    waiting = Move.objects.filter(batch=OuterRef("pk"), skipped_items__gt=0, skipped_at=None)
    for batch in campaign.batches.filter(~Exists(open_moves), ~Exists(waiting), status__in=Batch.MOVING):
        with transaction.atomic():
            if batch.moves.exists() and _still_moving(batch) and not batch.moves.live().exists():
                wrong = batch.moves.filter(status__in=[Move.Status.FAILED, Move.Status.ROLLED_BACK]).exists()
                over = Batch.Status.FINISHED_WITH_ERRORS if wrong else Batch.Status.FINISHED
                batch.move_to(over, by="portail", at=at)


def _still_moving(batch: Batch) -> bool:
    """Lock that batch. False if a second beat (or a person) has just moved it: there is nothing more to do then."""
    locked = Batch.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=batch.pk, status=batch.status)
    return locked.first() is not None


def destroy_old_secrets(campaign: Campaign, *, at: datetime) -> int:
    """No sealed password outlives the delay that the campaign sets."""
    old = (
        Credential.objects.live()
        .filter(issued_at__lt=at - timedelta(days=campaign.secret_days_max), mailbox__moves__batch__campaign=campaign)
        .exclude(purpose=Credential.Purpose.LOCK)  # it goes once it is set, and it must be set
    )
    return credentials.destroy(old.distinct(), why="délai dépassé", at=at)


@transaction.atomic
def approve(batch: Batch, *, by: str, at: datetime) -> None:
    """A person starts (or restarts) a batch; the boxes that had failed by then no longer count against it."""
    lock_batch(batch)
    facts: dict[str, Any] = {"approved_by": by, "approved_at": at} if batch.status == Batch.Status.DRAFT else {}
    withdrawal.free(batch.moves.live())
    begun = batch.moves.filter(mailings__mail__isnull=False).exists()
    excused = bad_moves(batch).count()
    batch.move_to(Batch.Status.RUNNING if begun else Batch.Status.APPROVED, by=by, at=at, excused=excused, **facts)


@transaction.atomic
def release(batch: Batch, *, by: str, at: datetime) -> None:
    """A person has seen the first five boxes and lets the others follow."""
    Batch.objects.filter(pk=batch.pk, released_at=None).update(released_by=by, released_at=at)


@transaction.atomic
def cancel(batch: Batch, *, by: str, at: datetime, note: str) -> None:
    """Nothing more leaves; what is queued is withdrawn, what was to be announced is destroyed (a reset's is not)."""
    lock_batch(batch)
    batch.move_to(Batch.Status.CANCELLED, by=by, at=at, note=note)
    moves = batch.moves.live()
    pks = list(moves.values_list("pk", flat=True))
    for mails in withdrawal.mails_of(pks):
        unsent = mails.filter(status=OutgoingMail.Status.QUEUED)
        unsent.update(status=OutgoingMail.Status.CANCELLED, not_before=None, last_error=withdrawal.CANCELLED)
    sealed = Credential.objects.filter(
        mailbox__in=moves.values("mailbox"), destroyed_at=None, purpose=Credential.Purpose.MIGRATION
    )
    credentials.destroy(sealed, why="lot annulé", at=at)
    moves.update(status=Move.Status.CANCELLED)
