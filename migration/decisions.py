"""What a person decides about a batch on its way, and about the mails that wait for a decision."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from accounts import credentials
from bma_portal import audit
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from bma_portal.journal import told
from bma_portal.mail import requeue
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration import corrections, pilot, sequence, texts, withdrawal
from migration.calendar import desk_is_open, mail_day
from migration.locks import lock_batch
from migration.models import Batch, Campaign, Mailing, Move
from migration.withdrawal import TakenBack

Step = Mailing.Step
NAMED = 200  # ids of one decision that its line of audit names; the log of states has them all
LIVE_BATCH = {*Batch.MOVING, Batch.Status.PAUSED}


@dataclass(frozen=True)
class Resumed:
    """What a batch that starts again does at once: late mails that wait for a person, corrections that leave."""

    held: int = 0
    corrected: int = 0


@transaction.atomic
def approve(batch: Batch, *, by: str, at: datetime) -> None:
    """A person starts a batch, or restarts it. Raises Refusal if it is not theirs to start, or not ready (SEC-B7)."""
    lock_batch(batch)
    if batch.status == Batch.Status.PAUSED:
        resume(batch, by=by, at=at)
        return
    _refuse_if_done(batch, Batch.Status.APPROVED, Batch.Status.RUNNING)
    _ask_for_a_second_person(batch, by=by)
    pilot.wait_for_evaluation(batch)
    if missing := texts.missing(batch, at=at):
        raise Refusal(f"Le {batch} ne peut pas encore être approuvé. {' '.join(missing)}")
    sequence.approve(batch, by=by, at=at)
    corrections.correct(batch.moves.all(), at=at)
    _record(batch, "approuver", by=by, at=at)


def _ask_for_a_second_person(batch: Batch, *, by: str) -> None:
    """A large batch is approved by someone other than who planned it (SEC-B7)."""
    boxes, least = batch.moves.count(), batch.campaign.second_person_from
    if boxes >= least and batch.planned_by == by:
        raise Refusal(
            f"Vous avez planifié le {batch}, qui compte {boxes} boîtes. À partir de {least} boîtes, une seconde "
            "personne l’approuve : demandez-le à un collègue du SGNE."
        )


@transaction.atomic
def pause(batch: Batch, *, by: str, at: datetime, note: str) -> TakenBack:
    """Nothing more leaves; what Exchange already has goes on, and is counted. `resume` starts it again."""
    lock_batch(batch)
    _refuse_if_done(batch, Batch.Status.PAUSED)
    batch.move_to(Batch.Status.PAUSED, by=by, at=at, note=note)
    taken = withdrawal.take_back(batch.moves.all())
    _record(batch, "suspendre", by=by, at=at, why=note, repris=taken.undone, confiés=taken.entrusted)
    return taken


@transaction.atomic
def resume(batch: Batch, *, by: str, at: datetime) -> Resumed:
    """A suspended batch starts again: mails that became late meanwhile wait for a decision (C14)."""
    lock_batch(batch)
    _refuse_if_done(batch, Batch.Status.APPROVED, Batch.Status.RUNNING)
    if batch.status != Batch.Status.PAUSED:
        raise Refusal(f"Le {batch} est « {batch.get_status_display()} » : il n’y a rien à reprendre.")
    sequence.approve(batch, by=by, at=at)
    held = sequence.hold_what_is_too_late(batch.campaign, at=at, of=batch)
    corrected = corrections.correct(batch.moves.all(), at=at)
    _record(batch, "reprendre", by=by, at=at, attendent=held, corrections=corrected)
    return Resumed(held, corrected)


@transaction.atomic
def open_to_all(batch: Batch, *, by: str, at: datetime) -> None:
    """The first five have been looked at: the others follow. Raises Refusal if it is not running or open already."""
    lock_batch(batch)
    if batch.status not in Batch.MOVING:
        raise Refusal(f"Le {batch} est « {batch.get_status_display()} » : approuvez-le avant de l’ouvrir à tous.")
    if batch.released_at:
        raise Refusal(f"Le {batch} est déjà ouvert à toutes ses boîtes, {told(batch.released_by, batch.released_at)}.")
    sequence.release(batch, by=by, at=at)
    StateChange.objects.create(
        object_type=Batch._meta.label_lower, object_id=batch.pk, old="first_five", new="released", by=by, at=at
    )
    batch.refresh_from_db()
    _record(batch, "ouvrir", by=by, at=at)


@transaction.atomic
def cancel(batch: Batch, *, by: str, at: datetime, note: str) -> None:
    """Nothing more leaves, and sealed passwords are destroyed. Raises Refusal without a reason."""
    if not note.strip():
        raise Refusal("Dites pourquoi ce lot est annulé : le motif reste au journal.")
    lock_batch(batch)
    _refuse_if_done(batch, Batch.Status.CANCELLED)
    sequence.cancel(batch, by=by, at=at, note=note.strip())
    _record(batch, "annuler", by=by, at=at, why=note.strip())


def _refuse_if_done(batch: Batch, *wanted: str) -> None:
    """The second of two people who do the same is told who was first, and when. Of a locked batch."""
    if batch.status not in wanted:
        return
    changes = StateChange.objects.filter(object_type=Batch._meta.label_lower, object_id=batch.pk, new__in=wanted)
    last = changes.exclude(by=audit.PORTAL, new=Batch.Status.RUNNING).order_by("-pk").first()
    who = f", {told(last.by, last.at)}" if last else ""
    raise Refusal(f"Le {batch} est déjà « {batch.get_status_display()} »{who}. Rien n’a changé.")


def _record(batch: Batch, decision: str, *, by: str, at: datetime, why: str = "", **counts: int) -> None:
    details = {"décision": decision, **{name: count for name, count in counts.items() if count}}
    audit.record("batch.decided", about=batch, by=by, at=at, why=why, details=details)


@dataclass
class Sent:
    """How many mails will leave after all, and why the others still wait."""

    done: int = 0
    refused: list[str] = field(default_factory=list)


def next_moment(campaign: Campaign, at: datetime) -> datetime:
    """The first moment from `at` on when mails 1 to 3 may leave: now if the desk is open, else its next morning."""
    if desk_is_open(at):
        return at
    today = brussels_date(at)
    morning = brussels(mail_day(today), campaign.mails_hour)
    return morning if morning > at else brussels(mail_day(today + timedelta(days=1)), campaign.mails_hour)


@transaction.atomic
def send_despite_delay(mailing_ids: Sequence[int], *, by: str, at: datetime) -> Sent:
    """Let mails that wait for a decision leave at the next allowed moment.

    Not mail 4, which belongs to its night, nor those of a mailbox that no longer moves. Twice at once is once.
    """
    held = (
        Mailing.objects.select_for_update(of=("self",))
        .filter(pk__in=mailing_ids, mail=None, held_at__isnull=False)
        .select_related("move__batch__campaign", "move__mailbox")
        .order_by("pk")
    )
    result = Sent()
    sent: list[int] = []
    for mailing in held:
        move = mailing.move
        if mailing.step == Step.CLOSING:
            why = "le mail 4 ne part que pendant la nuit de la migration ; replanifiez cette boîte."
        elif move.status != Move.Status.PLANNED or move.batch.status not in LIVE_BATCH:
            why = "cette boîte n’est plus dans un lot en cours."
        else:
            if mailing.step == Step.CREDENTIALS:
                credentials.give_up_refused(move.mailbox, at=at)  # else it would wait for ever: another will be made
            due_at = next_moment(move.batch.campaign, at)
            Mailing.objects.filter(pk=mailing.pk).update(held_at=None, held_why="", due_at=due_at)
            StateChange.objects.create(
                object_type=Mailing._meta.label_lower,
                object_id=mailing.pk,
                old="held",
                new="due",
                by=by,
                at=at,
                note=f"Envoi malgré le retard. {mailing.held_why}",
            )
            sent.append(mailing.pk)
            continue
        result.refused.append(f"{move.mailbox} : {why}")
    result.done = len(sent)
    if sent or result.refused:
        details = {"décision": "envoyer malgré le retard", "mails": sent[:NAMED], "faits": len(sent)}
        audit.record(
            "mailing.decided",
            by=by,
            at=at,
            result="ok" if sent else audit.REFUSED,
            details={**details, "refusés": len(result.refused)},
        )
    return result


@requeue.objection
def no_longer_announced(mails: Sequence[OutgoingMail], at: datetime) -> dict[int, str]:
    """A mail of the migration is sent again only while its mailbox still moves; mail 4, only in its night.

    One that was put aside (`withdrawal`) is due again as another; a correction that another followed is out of date.
    """
    found = {mail.pk: "un autre courriel prend sa place." for mail in mails if withdrawal.was_replaced(mail)}
    mailings = Mailing.objects.filter(mail__in=[mail.pk for mail in mails]).select_related("move__batch__campaign")
    for mailing in mailings:
        if why := why_not_now(mailing.move, mailing.step, at=at):
            found[mailing.mail_id or 0] = why
    return found


def why_not_now(move: Move, step: int | None, *, at: datetime) -> str:
    """Why that mail (or, without a step, a correction) may not leave once more at this moment; « » if it may."""
    starts, ends = move.batch.campaign.night(move.batch.night_on)
    if move.status != Move.Status.PLANNED or move.batch.status not in LIVE_BATCH:
        return "sa boîte n’est plus dans un lot en cours."
    if move.batch.status == Batch.Status.PAUSED or move.paused_at:
        return "son lot ou sa boîte est suspendu : reprenez-le d’abord."
    if step == Step.CLOSING and not starts <= at < ends:
        return "le mail 4 ne part que pendant la nuit de la migration."
    return "sa nuit est passée : replanifiez la boîte." if at >= ends else ""
