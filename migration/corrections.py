"""When an announced night moves: unsent steps move with it, and who was told the old one is told once (C4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.contacts import contact_of
from accounts.models import Contact
from bma_portal import audit
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from bma_portal.journal import told
from bma_portal.mail import tasks as mail_tasks
from bma_portal.mail.compose import Mail
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.states import StateChange
from migration import plan_settings, withdrawal
from migration.calendar import Calendar
from migration.locks import lock_batch, lock_plans
from migration.models import Batch, Campaign, Mailing, Move
from migration.withdrawal import CORRECTION, TELL_THE_NIGHT

Step = Mailing.Step
MOVABLE = {Batch.Status.DRAFT, *Batch.MOVING, Batch.Status.PAUSED}
LEFT = [OutgoingMail.Status.SENT, OutgoingMail.Status.SENDING]


class Correction(Mail):
    """The night is another one than the last mail said: an answer to that mail, in the mailbox's own stream."""

    kind = CORRECTION
    sender = Sender.SGNE
    template = "migration/mails/correction"

    def __init__(self, move: Move, *, before: date, answers: str, number: int) -> None:
        self.move, self.before, self.answers, self.number = move, before, answers, number

    def key(self) -> str:
        return f"correction:{self.move.pk}:{self.number}:{self.move.batch.night_on}:{self.before}"

    def object_id(self) -> int:
        return self.move.pk

    def to(self) -> str:
        return self.move.mailbox.address

    def subject(self) -> str:
        return "Nouvelle date pour la migration de votre boîte mail administrative"

    def stream(self) -> str:
        return f"mailbox:{self.move.mailbox_id}"

    def context(self, *, at: datetime) -> dict[str, Any]:
        return {
            "address": self.move.mailbox.address,
            "organisation": self.move.mailbox.organisation,
            "campaign": self.move.batch.campaign,
            "batch": self.move.batch,
            "before": self.before,
            "sgne": contact_of(Contact.Team.SGNE, at),
            "etnic": contact_of(Contact.Team.ETNIC, at),
        }

    def row(self, *, at: datetime) -> OutgoingMail:
        row = super().row(at=at)
        row.headers = {"In-Reply-To": self.answers, "References": self.answers}
        return row

    @classmethod
    def overtaken(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> dict[int, str]:
        """Not once its mailbox is out of its batch or suspended, nor if the night has moved again."""
        ids = [mail.object_id or 0 for mail in mails]
        reasons = withdrawal.objections_to_moves(ids)
        nights = dict(Move.objects.filter(pk__in=ids).values_list("pk", "batch__night_on"))
        found = {}
        for mail in mails:
            if why := reasons.get(mail.object_id or 0):
                found[mail.pk] = why
            elif nights[mail.object_id or 0] != night_told(mail):
                found[mail.pk] = "La date a encore changé : un autre mail la dit."
        return found

    @classmethod
    def accepted(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> None:
        """From now on this is the night that the holder knows."""
        for mail in mails:
            of_mailbox = Move.objects.filter(mailbox__moves=mail.object_id)
            known = of_mailbox.filter(status__in=[Move.Status.PLANNED, Move.Status.POSTPONED])
            known.update(announced_night=night_told(mail))


def night_told(mail: OutgoingMail) -> date:
    """The night that a correction names: its natural key says it."""
    return date.fromisoformat(mail.key.split(":")[3])


def was_not_read(mail: OutgoingMail) -> None:
    """It came back: the night that its mailbox's holder knows is the one from before it, which its key says too."""
    parts = mail.key.split(":")
    if len(parts) < 5:  # made when keys did not say it
        return
    before = date.fromisoformat(parts[4])
    known = Move.objects.filter(mailbox__moves=mail.object_id, announced_night=night_told(mail))
    known.filter(status__in=[Move.Status.PLANNED, Move.Status.POSTPONED]).update(announced_night=before)


def unread() -> QuerySet[OutgoingMail]:
    """Corrections that came back or failed for good, and that no mail which left since makes up for."""
    over = Q(bounced_at__isnull=False) | Q(status=OutgoingMail.Status.FAILED)
    of_move = OutgoingMail.objects.filter(kind=CORRECTION, object_id=OuterRef("object_id"), pk__gt=OuterRef("pk"))
    other = of_move.exclude(status=OutgoingMail.Status.CANCELLED)
    told = Mailing.objects.filter(
        move=OuterRef("object_id"), step__in=TELL_THE_NIGHT, mail__gt=OuterRef("pk"), mail__bounced_at=None
    ).exclude(mail__status__in=[OutgoingMail.Status.FAILED, OutgoingMail.Status.CANCELLED])
    return OutgoingMail.objects.filter(over, ~Exists(other), ~Exists(told), kind=CORRECTION)


def correct(moves: Iterable[Move], *, at: datetime) -> int:
    """Queue one correction for each mailbox whose holder read another night than its batch's. Returns how many.

    A correction that has not left is replaced by that of the last date, or by none if the night came back. Nothing
    for a suspended batch or mailbox: it is asked again when that starts again. Inside the transaction of the deed.
    """
    pks = [move.pk for move in moves]
    waiting = OutgoingMail.objects.filter(kind=CORRECTION, object_id__in=pks, status=OutgoingMail.Status.QUEUED)
    rows = list(waiting.select_for_update(of=("self",)).order_by("pk").only("pk", "claimed_at"))
    OutgoingMail.objects.filter(pk__in=[mail.pk for mail in rows if mail.claimed_at is None]).delete()
    OutgoingMail.objects.filter(pk__in=[mail.pk for mail in rows]).update(
        status=OutgoingMail.Status.CANCELLED, not_before=None, last_error="La date a encore changé."
    )
    live = list(
        Move.objects.live()
        .filter(pk__in=pks, paused_at=None, batch__status__in=[Batch.Status.DRAFT, *Batch.MOVING])
        .select_related("mailbox__organisation", "batch__campaign")
        .order_by("position")
    )
    known = _known(live)
    mails = []
    for move in live:
        facts = known.get(move.mailbox_id)
        if facts and facts.night and facts.night != move.batch.night_on:
            mails.append(Correction(move, before=facts.night, answers=facts.message_id, number=facts.corrections + 1))
    OutgoingMail.objects.bulk_create([mail.row(at=at) for mail in mails], batch_size=500)
    if mails:
        mail_tasks.ring(Correction.sender)
    return len(mails)


def correct_again(campaign: Campaign, *, at: datetime) -> int:
    """A correction that a worker refused to send, because its batch was suspended just then, is due again."""
    moving = Move.objects.live().filter(batch__campaign=campaign, batch__status__in=Batch.MOVING, paused_at=None)
    refused = OutgoingMail.objects.filter(
        kind=CORRECTION, status=OutgoingMail.Status.CANCELLED, last_error=withdrawal.SUSPENDED
    )
    again = moving.filter(pk__in=refused.values("object_id"))
    if not again.exists():
        return 0
    with transaction.atomic():
        batches = Batch.objects.filter(pk__in=again.values("batch")).order_by("pk")
        free = list(batches.select_for_update(of=("self",), skip_locked=True))
        moves = list(again.filter(batch__in=free))
        refused.filter(object_id__in=[move.pk for move in moves]).update(last_error="Envoi suspendu.")
        return correct(moves, at=at)


@dataclass
class _Known:
    """What one holder knows: the last mail that told a night, the night, how many corrections were made."""

    message_id: str
    night: date | None
    corrections: int = 0


def _known(moves: Sequence[Move]) -> dict[int, _Known]:
    """By mailbox; without those whose holder was told nothing yet. Mails on their way count as read."""
    mailboxes = {move.mailbox_id for move in moves}
    nights: dict[int, date] = {}
    mailbox_of: dict[int, int] = {}
    of_mailboxes = Move.objects.filter(mailbox__in=mailboxes).order_by("pk")
    for pk, mailbox, status, night in of_mailboxes.values_list("pk", "mailbox_id", "status", "announced_night"):
        mailbox_of[pk] = mailbox
        if night and status in {Move.Status.PLANNED, Move.Status.POSTPONED}:
            nights[mailbox] = night
    found: dict[int, _Known] = {}
    told_by = Mailing.objects.filter(
        move__in=mailbox_of, step__in=TELL_THE_NIGHT, mail__status__in=LEFT, mail__bounced_at=None
    )
    for mailbox, message_id in told_by.order_by("mail_id").values_list("move__mailbox_id", "mail__message_id"):
        found[mailbox] = _Known(message_id, nights.get(mailbox))
    for mail in OutgoingMail.objects.filter(kind=CORRECTION, object_id__in=mailbox_of).order_by("pk"):
        facts = found.get(mailbox_of[mail.object_id or 0])
        if facts is None:
            continue
        facts.corrections += 1
        if mail.status in LEFT and mail.bounced_at is None:
            facts.message_id = mail.message_id
        if mail.status == OutgoingMail.Status.SENDING:
            facts.night = night_told(mail)
    return found


@transaction.atomic
def move_dates(
    batch: Batch,
    *,
    night_on: date,
    mail2_on: date | None = None,
    mail3_on: date | None = None,
    by: str,
    at: datetime,
    why: str,
) -> int:
    """Another night for a batch: its unsent mails move as much, those that left stay. Returns how many corrections.

    A mail 2 whose mail 1 has left keeps its day, unless another is given. Raises Refusal if a date cannot be.
    """
    if not why.strip():
        raise Refusal("Dites pourquoi la nuit change : le motif reste au journal.")
    lock_plans()
    lock_batch(batch)
    if batch.status not in MOVABLE:
        raise Refusal(f"Le {batch} est « {batch.get_status_display()} » : sa nuit ne change plus.")
    wanted = {Step.CREDENTIALS: mail2_on, Step.CONFIRMATION: mail3_on, Step.CLOSING: night_on}
    now = dates(batch)
    if all(day in (None, now[step]) for step, day in wanted.items()):
        raise Refusal(_nothing_changes(batch))
    live = batch.moves.live()
    remember(batch)
    withdrawal.take_back(live)
    new = _new_dates(batch, now, {step: day for step, day in wanted.items() if day}, at=at)
    withdrawal.drop_stale(live, at=at)
    before = batch.night_on
    batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on = (new[step] for step in Step)
    batch.by_hand = True  # a new plan leaves it on the night that a person chose
    batch.save(update_fields=["mail1_on", "mail2_on", "mail3_on", "night_on", "by_hand"])
    unsent = Mailing.objects.filter(move__in=live, mail=None)
    for step in Step:
        if new[step] != now[step]:
            due_at = due(batch.campaign, step, new[step])
            unsent.filter(step=step).update(due_at=due_at, held_at=None, held_why="")
    StateChange.objects.create(
        object_type=Batch._meta.label_lower,
        object_id=batch.pk,
        old=f"nuit du {before:%d/%m/%Y}",
        new=f"nuit du {night_on:%d/%m/%Y}",
        by=by,
        at=at,
        note=why.strip(),
    )
    corrected = correct(live, at=at)
    details = {"décision": "changer la nuit", "avant": str(before), "après": str(night_on), "corrections": corrected}
    audit.record("batch.decided", about=batch, by=by, at=at, why=why.strip(), details=details)
    return corrected


def refuse_after_closing(campaign: Campaign, night: date) -> None:
    """Raises Refusal for a night on which the old server is closed (S3 §3)."""
    if night >= campaign.old_server_closes_on:
        raise Refusal(
            f"L’ancien serveur ferme le {campaign.old_server_closes_on:%d/%m/%Y} : la nuit du {night:%d/%m/%Y} vient "
            "trop tard."
        )


def due(campaign: Campaign, step: int, day: date) -> datetime:
    """When the mail of that step leaves, if it leaves on that day."""
    return brussels(day, campaign.night_from_hour if step == Step.CLOSING else campaign.mails_hour)


def dates(batch: Batch) -> dict[int, date]:
    """The day of each of its mails; the fourth leaves in the night."""
    return dict(zip(Step, (batch.mail1_on, batch.mail2_on, batch.mail3_on, batch.night_on), strict=True))


def _nothing_changes(batch: Batch) -> str:
    changes = StateChange.objects.filter(object_type=Batch._meta.label_lower, object_id=batch.pk)
    last = changes.filter(new=f"nuit du {batch.night_on:%d/%m/%Y}").order_by("-pk").first()
    who = f", {told(last.by, last.at)}" if last else ""
    return f"Le {batch} migre déjà la nuit du {batch.night_on:%d/%m/%Y}{who}. Rien n’a changé."


def has_read() -> Q:
    """Of moves: its holder was told a night, or is being told."""
    told_by = Mailing.objects.filter(move=OuterRef("pk"), step__in=TELL_THE_NIGHT, mail__status__in=LEFT)
    return Q(announced_night__isnull=False) | Q(Exists(told_by.filter(mail__bounced_at=None)))


def remember(batch: Batch) -> None:
    """Mails that left before the portal noted it told the night that the batch has now."""
    silent = batch.moves.live().filter(has_read(), announced_night=None)
    Move.objects.filter(pk__in=silent.values("pk")).update(announced_night=batch.night_on)


def _new_dates(batch: Batch, old: dict[int, date], wanted: dict[int, date], *, at: datetime) -> dict[int, date]:
    """The four days, within the spacings of S1 §5. Raises Refusal, naming the first possible day."""
    campaign, today = batch.campaign, brussels_date(at)
    settings = plan_settings.from_campaign(campaign)
    calendar = Calendar(settings.avoided)
    begun = set(Mailing.objects.filter(move__batch=batch, mail__isnull=False).values_list("step", flat=True))
    missing = set(Mailing.objects.filter(move__in=batch.moves.live(), mail=None).values_list("step", flat=True))
    night = wanted.get(Step.CLOSING, batch.night_on)
    shift = night - batch.night_on
    new = dict(old) | wanted
    if not begun and Step.ANNOUNCEMENT in missing:
        new[Step.ANNOUNCEMENT] = calendar.announcement(max(old[Step.ANNOUNCEMENT] + shift, today), batch.kind)
    if not begun and Step.CREDENTIALS in missing and Step.CREDENTIALS not in wanted:
        second = new[Step.ANNOUNCEMENT] + timedelta(days=campaign.mail2_after_days)
        new[Step.CREDENTIALS] = calendar.working_day(second)
    if Step.CONFIRMATION in missing and Step.CONFIRMATION not in wanted:
        third = max(old[Step.CONFIRMATION] + shift, today)
        if Step.CREDENTIALS in missing | begun:  # else mail 2 was an earlier batch's
            third = max(third, new[Step.CREDENTIALS] + timedelta(days=campaign.mail3_after_days_min))
        new[Step.CONFIRMATION] = calendar.working_day(third)
    _check(batch, old, new, missing, begun, calendar, at=at)
    return new


def _check(
    batch: Batch,
    old: dict[int, date],
    new: dict[int, date],
    missing: set[int],
    begun: set[int],
    calendar: Calendar,
    *,
    at: datetime,
) -> None:
    campaign = batch.campaign
    one, two, three, night = (new[step] for step in Step)
    for step in (Step.CREDENTIALS, Step.CONFIRMATION):
        if new[step] != old[step]:
            if step not in missing:
                raise Refusal(f"Le mail {step} de ce lot est parti partout : sa date ne change plus.")
            if not calendar.works(new[step]) or new[step] < brussels_date(at):
                raise Refusal(f"Le {new[step]:%d/%m/%Y} est trop tôt ou non ouvré pour le mail {step}.")
    if campaign.night(night)[1] <= at:
        raise Refusal(f"La nuit du {night:%d/%m/%Y} est passée.")
    refuse_after_closing(campaign, night)
    if not calendar.may_move(night, batch.kind):
        other = calendar.night(night, batch.kind)
        raise Refusal(
            f"Le {night:%d/%m/%Y} ne convient pas à une nuit (jour non ouvré, veille de congé ou jour à éviter) ; "
            f"la première possible est le {other:%d/%m/%Y}."
        )
    if three > night:
        first = calendar.night(three, batch.kind)
        raise Refusal(
            f"Le mail 3 ne peut pas partir avant le {three:%d/%m/%Y} : la première nuit possible est le "
            f"{first:%d/%m/%Y}."
        )
    if not one < two < three:
        raise Refusal("Les mails 1, 2 et 3 se suivent : revoyez leurs dates.")
    if Step.CREDENTIALS in missing and (two - one).days < campaign.mail2_after_days:
        raise Refusal(f"Le mail 2 part au moins {campaign.mail2_after_days} jours après le mail 1 (FAQ, S1 §5).")
    least, most = campaign.mail3_after_days_min, campaign.mail3_after_days_max
    own = Step.CREDENTIALS in missing | begun
    if own and Step.CONFIRMATION in missing and not least <= (three - two).days <= most:
        raise Refusal(f"Le mail 3 part de {least} à {most} jours après le mail 2 (FAQ, S1 §5).")
