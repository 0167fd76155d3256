"""What a person decides about a batch on its way, and about the mails that wait for a decision."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction

from accounts import credentials
from bma_portal import audit
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration import sequence
from migration.calendar import desk_is_open, mail_day
from migration.models import Batch, Campaign, Mailing, Move

Step = Mailing.Step
NAMED = 200  # ids of one decision that its line of audit names; the log of states has them all
LIVE_BATCH = {Batch.Status.APPROVED, Batch.Status.PAUSED}


@transaction.atomic
def approve(batch: Batch, *, by: str, at: datetime) -> None:
    """A person starts, or restarts, a batch."""
    sequence.approve(batch, by=by, at=at)
    _record(batch, "approuver", by=by, at=at)


@transaction.atomic
def pause(batch: Batch, *, by: str, at: datetime, note: str) -> None:
    """Nothing more leaves but what a worker has already taken. `approve` starts it again."""
    batch.move_to(Batch.Status.PAUSED, by=by, at=at, note=note)
    sequence.take_back(batch)
    _record(batch, "suspendre", by=by, at=at, why=note)


@transaction.atomic
def open_to_all(batch: Batch, *, by: str, at: datetime) -> None:
    """The first five have been looked at: the others follow. Raises Refusal if it is not running or open already."""
    locked = Batch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
    if locked.status != Batch.Status.APPROVED:
        raise Refusal(f"Le {batch} est « {locked.get_status_display()} » : approuvez-le avant de l’ouvrir à tous.")
    if locked.released_at:
        raise Refusal(f"Le {batch} est déjà ouvert à toutes ses boîtes, par {locked.released_by}.")
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
    sequence.cancel(batch, by=by, at=at, note=note.strip())
    _record(batch, "annuler", by=by, at=at, why=note.strip())


def _record(batch: Batch, decision: str, *, by: str, at: datetime, why: str = "") -> None:
    audit.record("batch.decided", about=batch, by=by, at=at, why=why, details={"décision": decision})


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
    """A mail of the migration is sent again only while its mailbox still moves; mail 4, only in its night."""
    found: dict[int, str] = {}
    mailings = Mailing.objects.filter(mail__in=[mail.pk for mail in mails]).select_related("move__batch__campaign")
    for mailing in mailings:
        move = mailing.move
        starts, ends = move.batch.campaign.night(move.batch.night_on)
        if move.status != Move.Status.PLANNED or move.batch.status not in LIVE_BATCH:
            found[mailing.mail_id] = "sa boîte n’est plus dans un lot en cours."
        elif mailing.step == Step.CLOSING and not starts <= at < ends:
            found[mailing.mail_id] = "le mail 4 ne part que pendant la nuit de la migration."
        elif at >= ends:
            found[mailing.mail_id] = "sa nuit est passée : replanifiez la boîte."
    return found
