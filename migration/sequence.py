"""What is due, and on which conditions: the beat of a campaign.

`advance` is what beat, a command and a replay call; it may be called twice at once, or never for a while. A step is
queued once the one before it was delivered, so that a mailbox's mails cannot overtake each other.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from accounts import credentials
from accounts import tasks as accounts_tasks
from accounts.models import Credential, Mailbox
from bma_portal.clock import brussels, brussels_date
from bma_portal.mail import tasks as mail_tasks
from bma_portal.mail.models import OutgoingMail
from migration.calendar import desk_is_open
from migration.mails import BY_STEP, BatchPaused
from migration.models import Batch, Campaign, Mailing, Move

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
    for campaign in Campaign.objects.filter(batches__status=Batch.Status.APPROVED).distinct():
        hold_what_is_too_late(campaign, at=at)
        pause_bad_batches(campaign, at=at)
        issue_passwords(campaign, at=at)
        for step in Step.values:
            queued += queue_step(campaign, step, at=at)
        finish_batches(campaign, at=at)
    if credentials.pending().exists():
        accounts_tasks.ring()
    return queued


def open_mailings(campaign: Campaign, step: int, *, at: datetime) -> QuerySet[Mailing]:
    """Due, not queued, not held, of a live move in an approved batch; beyond the first five, in a released one."""
    return Mailing.objects.filter(
        Q(move__batch__released_at__isnull=False) | Q(move__position__lte=FIRST_FIVE),
        move__batch__campaign=campaign,
        move__batch__status=Batch.Status.APPROVED,
        move__status=Move.Status.PLANNED,
        step=step,
        due_at__lte=at,
        mail=None,
        held_at=None,
    )


def delivered_before(step: int, *, at: datetime, latest: datetime | None = None) -> Q:
    """Mail `step` was accepted (by `latest`) and stayed: this batch's own or, where it has none, an earlier one's."""
    accepted = OutgoingMail.objects.filter(mailing__step=step, sent_at__lte=latest or at, bounced_at=None)
    own = Exists(accepted.filter(mailing__move=OuterRef("move")))
    earlier = Exists(accepted.filter(mailing__move__mailbox=OuterRef("move__mailbox")))
    repeated = Exists(Mailing.objects.filter(move=OuterRef("move"), step=step))
    return Q(own) | (~Q(repeated) & Q(earlier))


def ready(campaign: Campaign, step: int, *, at: datetime) -> QuerySet[Mailing]:
    """The mailings of one step that may be queued now."""
    mailings = open_mailings(campaign, step, at=at)
    if step == Step.CLOSING:
        if not _is_night(campaign, at):
            return mailings.none()
        return mailings.filter(delivered_before(Step.CREDENTIALS, at=at), delivered_before(Step.CONFIRMATION, at=at))
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

    Their batches are locked too: whoever suspends, cancels or plans anew at the same time waits, and sees them queued.
    """
    queued = 0
    mail_class = BY_STEP[step]
    while True:
        with transaction.atomic():
            mailings = list(
                ready(campaign, step, at=at)
                .select_for_update(of=("self", "move__batch"), skip_locked=True, no_key=True)
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
            mail_tasks.ring(mail_class.sender)
        queued += len(mailings)


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


def hold_what_is_too_late(campaign: Campaign, *, at: datetime) -> None:
    """A mail whose time is over waits for a person: after a pause nothing floods out, and no night happens by day."""
    late = open_mailings(campaign, Step.CLOSING, at=at)
    over = [pk for pk, night in late.values_list("pk", "move__batch__night_on") if at >= campaign.night(night)[1]]
    _hold(over, "La nuit prévue est passée sans ce mail : choisissez une autre nuit.", at=at)
    limit = at - timedelta(days=campaign.days_before_decision)
    for step in (Step.ANNOUNCEMENT, Step.CREDENTIALS, Step.CONFIRMATION):
        overdue = open_mailings(campaign, step, at=at).filter(due_at__lt=limit)
        why = f"En retard de plus de {campaign.days_before_decision} jours : décidez de l'envoyer ou de replanifier."
        _hold(overdue.values_list("pk", flat=True), why, at=at)


def _hold(pks: Iterable[int], why: str, *, at: datetime) -> None:
    held = Mailing.objects.filter(pk__in=list(pks), mail=None, held_at=None).update(held_at=at, held_why=why)
    if held:
        log.warning("mails en attente de décision", extra={"nombre": held, "motif": why})


def went_wrong() -> Q:
    """Of moves: a mail failed or came back, or the directory refused the password."""
    mails = OutgoingMail.objects.filter(mailing__move=OuterRef("pk")).filter(
        Q(status__in=[OutgoingMail.Status.FAILED, OutgoingMail.Status.CANCELLED]) | Q(bounced_at__isnull=False)
    )
    refused = Credential.objects.filter(mailbox=OuterRef("mailbox"), refused_at__isnull=False, superseded_at=None)
    return Q(Exists(mails)) | Q(Exists(refused))


def bad_moves(batch: Batch) -> QuerySet[Move]:
    return batch.moves.filter(went_wrong())


def take_back(batch: Batch) -> int:
    """What is queued and no worker ever took is due again, as if it had not been queued. Returns how many mails.

    Inside the transaction that suspends the batch. When it starts again they leave if they are still in time, and
    wait for a decision if not. Those that a worker once took go on: Exchange may have them.
    """
    untaken = list(
        OutgoingMail.objects.select_for_update(of=("self",), skip_locked=True)
        .filter(mailing__move__batch=batch, status=OutgoingMail.Status.QUEUED, claimed_at=None)
        .values_list("pk", flat=True)
    )
    Mailing.objects.filter(mail__in=untaken).update(mail=None)
    OutgoingMail.objects.filter(pk__in=untaken).delete()
    return len(untaken)


def pause_bad_batches(campaign: Campaign, *, at: datetime) -> None:
    """A batch of which more than one box in twenty goes wrong suspends itself and calls the SGNE team."""
    for batch in campaign.batches.filter(status=Batch.Status.APPROVED).annotate(total=Count("moves")):
        bad = bad_moves(batch).count()
        if bad <= batch.total * BAD_SHARE or bad <= batch.excused:
            continue
        with transaction.atomic():
            if not _still_approved(batch):
                continue
            batch.move_to(Batch.Status.PAUSED, by="portail", at=at, note=f"{bad} boîtes en échec sur {batch.total}")
            take_back(batch)
            mail = BatchPaused(batch, bad=bad, total=batch.total, recipient=settings.EXCHANGE_SGNE_ADDRESS, at=at)
            mail.row(at=at).save(force_insert=True)
            mail_tasks.ring(mail.sender)


def finish_batches(campaign: Campaign, *, at: datetime) -> None:
    """A batch is over once each of its boxes has its result."""
    open_moves = Move.objects.live().filter(batch=OuterRef("pk"))
    for batch in campaign.batches.filter(status=Batch.Status.APPROVED).filter(~Exists(open_moves)):
        with transaction.atomic():
            if batch.moves.exists() and _still_approved(batch):
                batch.move_to(Batch.Status.FINISHED, by="portail", at=at)


def _still_approved(batch: Batch) -> bool:
    """Lock that batch. False if a second beat (or a person) has just moved it: there is nothing more to do then."""
    locked = Batch.objects.select_for_update(of=("self",), skip_locked=True).filter(
        pk=batch.pk, status=Batch.Status.APPROVED
    )
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
    batch.move_to(Batch.Status.APPROVED, by=by, at=at)
    excused = bad_moves(batch).count()
    Batch.objects.filter(pk=batch.pk).update(approved_by=by, approved_at=at, excused=excused)


@transaction.atomic
def release(batch: Batch, *, by: str, at: datetime) -> None:
    """A person has seen the first five boxes and lets the others follow."""
    Batch.objects.filter(pk=batch.pk, released_at=None).update(released_by=by, released_at=at)


@transaction.atomic
def cancel(batch: Batch, *, by: str, at: datetime, note: str) -> None:
    """Nothing more leaves; what is queued is withdrawn, what was to be announced is destroyed (a reset's is not)."""
    batch.move_to(Batch.Status.CANCELLED, by=by, at=at, note=note)
    moves = batch.moves.filter(status=Move.Status.PLANNED)
    unsent = OutgoingMail.objects.filter(mailing__move__in=moves, status=OutgoingMail.Status.QUEUED)
    unsent.update(status=OutgoingMail.Status.CANCELLED, not_before=None, last_error="Lot annulé.")
    sealed = Credential.objects.filter(
        mailbox__in=moves.values("mailbox"), destroyed_at=None, purpose=Credential.Purpose.MIGRATION
    )
    credentials.destroy(sealed, why="lot annulé", at=at)
    moves.update(status=Move.Status.CANCELLED)
