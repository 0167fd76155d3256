"""Mails that a person stops: what no worker ever took is undone, what one holds is refused when it asks (B12).

Once a pause is acknowledged nothing more is claimed: what waits in the queue is taken back in the same transaction,
and a worker that holds a mail asks here (`objections`) just before it sends. What Exchange already has goes on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, Exists, F, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat

from bma_portal.mail.models import OutgoingMail
from migration.models import Batch, Campaign, Mailing, Move

CORRECTION = "migration.correction"  # the kind of the mails of `corrections.py`, about a move
SUSPENDED = "Envoi suspendu : ce mail repartira à la reprise, s’il est encore temps."
OVER = "Cette boîte n'est plus dans un lot en cours."
CANCELLED = "Lot annulé."
ASIDE = ":retiré:"  # in the natural key of a mail that gave its place to another
NO_FAILURE = [SUSPENDED, OVER, CANCELLED]  # withdrawn by what a person or a night decided: nothing went wrong
TELL_THE_NIGHT = {1, 2, 3}  # the mails that name the night; mail 4 leaves in it
Mail = OutgoingMail.Status


@dataclass(frozen=True)
class TakenBack:
    """How many mails left the queue, and how many a worker had already given to Exchange, or was giving."""

    undone: int = 0
    entrusted: int = 0


def mails_of(moves: Sequence[int]) -> list[QuerySet[OutgoingMail]]:
    """The mails of the four steps of these moves, and their corrections."""
    return [
        OutgoingMail.objects.filter(mailing__move__in=moves),
        OutgoingMail.objects.filter(kind=CORRECTION, object_id__in=moves),
    ]


def unsent_corrections() -> QuerySet[OutgoingMail]:
    return OutgoingMail.objects.filter(kind=CORRECTION, status__in=[Mail.QUEUED, Mail.SENDING])


def take_back(moves: Iterable[Move]) -> TakenBack:
    """What is queued is due again, as if it had not been queued. Inside the transaction of the deed that stops it.

    A claim under way is waited for: it is then in a worker's hands, and counted as such. What a worker once took and
    gave back keeps its row, cancelled, for its draft may still be in Exchange; another mail will be made.
    """
    pks = [move.pk for move in moves]
    queued: list[OutgoingMail] = []
    for mails in mails_of(pks):
        locked = mails.select_for_update(of=("self",)).filter(status=Mail.QUEUED).order_by("pk")
        queued += locked.only("pk", "claimed_at")
    untaken = [mail.pk for mail in queued if mail.claimed_at is None]
    known = [mail.pk for mail in queued if mail.claimed_at is not None]
    Mailing.objects.filter(mail__in=untaken).update(mail=None)
    OutgoingMail.objects.filter(pk__in=untaken).delete()
    OutgoingMail.objects.filter(pk__in=known).update(status=Mail.CANCELLED, not_before=None, last_error=SUSPENDED)
    replace(known, pks)
    return TakenBack(len(queued), sum(mails.filter(status=Mail.SENDING).count() for mails in mails_of(pks)))


def free(moves: QuerySet[Move]) -> int:
    """What a worker refused to send because its batch or mailbox was suspended is due again. How many mails."""
    refused = OutgoingMail.objects.filter(mailing__move__in=moves, status=Mail.CANCELLED, last_error=SUSPENDED)
    pks = list(refused.values_list("pk", flat=True))
    if pks:
        replace(pks, list(moves.values_list("pk", flat=True)))
    return len(pks)


def replace(mails: Sequence[int], moves: Sequence[int]) -> None:
    """These mails, of these moves, give their place to others: what they were made for is due again, in its order.

    A night that they alone told was told to nobody. Inside the transaction of the deed.
    """
    _put_aside(mails)
    _forget_what_nobody_read(moves)


def free_what_moves(campaign: Campaign) -> int:
    """The same for all that is not suspended any more: a worker may have refused just before it started again."""
    return free(Move.objects.live().filter(batch__campaign=campaign, batch__status__in=Batch.MOVING, paused_at=None))


def drop_stale(moves: Iterable[Move], *, at: datetime) -> None:
    """What failed or was withdrawn is due again once the dates move; nothing of it had left.

    Mail 4 belongs to the new night, and mail 2 is written when it leaves. Mails 1 and 3 were written with the old
    dates: a person decides whether another is sent.
    """
    over = Mailing.objects.filter(
        move__in=[move.pk for move in moves],
        step__in=[Mailing.Step.ANNOUNCEMENT, Mailing.Step.CONFIRMATION, Mailing.Step.CLOSING],
        mail__status__in=[Mail.FAILED, Mail.CANCELLED],
    ).exclude(mail__last_error=SUSPENDED)
    stale = {pk: (mail, step) for pk, mail, step in over.values_list("pk", "mail", "step")}
    _put_aside([mail for mail, _ in stale.values()])
    written = [pk for pk, (_, step) in stale.items() if step != Mailing.Step.CLOSING]
    why = "Ce mail n’est pas parti, et les dates ont changé depuis : décidez de l’envoyer."
    Mailing.objects.filter(pk__in=written).update(held_at=at, held_why=why)


def _put_aside(pks: Sequence[int]) -> None:
    """These rows stay as they are, and give their natural key back: the sweep of drafts still knows them."""
    Mailing.objects.filter(mail__in=pks).update(mail=None)
    aside = Concat(F("key"), Value(ASIDE), Cast("pk", CharField()), output_field=CharField())
    OutgoingMail.objects.filter(pk__in=pks).update(key=aside)


def was_replaced(mail: OutgoingMail) -> bool:
    """It was put aside, or is a correction that was withdrawn or that another one followed: not to be sent again."""
    if mail.kind != CORRECTION:
        return ASIDE in mail.key
    later = OutgoingMail.objects.filter(kind=CORRECTION, object_id=mail.object_id, pk__gt=mail.pk)
    return mail.status == Mail.CANCELLED or later.exists()


def _forget_what_nobody_read(moves: Sequence[int]) -> None:
    """A night that only mails taken back told was told to nobody."""
    told = Mailing.objects.filter(
        move__mailbox=OuterRef("mailbox"), step__in=TELL_THE_NIGHT, mail__status__in=[Mail.SENT, Mail.SENDING]
    )
    Move.objects.filter(~Exists(told), pk__in=moves, announced_night__isnull=False).update(announced_night=None)


def objections(mailing_ids: Iterable[int | None]) -> dict[int, str]:
    """Why the mails of these mailings must not leave now: asked just before sending, in one statement."""
    ids = [pk for pk in mailing_ids if pk is not None]
    rows = Mailing.objects.filter(pk__in=ids).values_list(
        "pk", "move__status", "move__batch__status", "move__paused_at"
    )
    known = {pk: _objection(move, batch, paused_at) for pk, move, batch, paused_at in rows}
    return {pk: why for pk in ids if (why := known.get(pk, OVER))}


def objections_to_moves(move_ids: Iterable[int | None]) -> dict[int, str]:
    """The same for mails about a whole move."""
    ids = [pk for pk in move_ids if pk is not None]
    rows = Move.objects.filter(pk__in=ids).values_list("pk", "status", "batch__status", "paused_at")
    known = {pk: _objection(move, batch, paused_at) for pk, move, batch, paused_at in rows}
    return {pk: why for pk in ids if (why := known.get(pk, OVER))}


def _objection(move: str, batch: str, paused_at: object) -> str:
    if move != Move.Status.PLANNED or batch == Batch.Status.CANCELLED:
        return OVER
    return SUSPENDED if batch == Batch.Status.PAUSED or paused_at is not None else ""
