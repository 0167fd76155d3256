"""A batch that a person composes: the pilot (B9), or a list of mailboxes (B8). A new plan leaves it as it is."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import Max, Prefetch

from accounts.models import Mailbox
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from migration import planning
from migration.corrections import refuse_after_closing
from migration.locks import lock_plans
from migration.models import Batch, Campaign, Move

TAKES = [Move.Status.PLANNED, Move.Status.MIGRATED]  # one mailbox has at most one such passage


def with_places(mailboxes: Iterable[Mailbox]) -> "Iterable[Mailbox]":
    """Each with its unit and, in `places`, the passages that take it; two more statements, however many they are."""
    places = Move.objects.filter(status__in=TAKES).select_related("batch")
    return mailboxes.select_related("organisation").prefetch_related(  # type: ignore[attr-defined]
        Prefetch("moves", places, "places")
    )


def why_not(mailbox: Mailbox, *, at: datetime) -> str:
    """Why a person may not put that mailbox in a batch, in French, or « ». Read with `with_places`."""
    unit = mailbox.organisation
    if unit.closed_on and unit.closed_on <= brussels_date(at):
        return f"cette unité est fermée depuis le {unit.closed_on:%d/%m/%Y}."
    if unit.successor_id:
        return "cette unité est reprise par une autre : elle ne se planifie plus."
    for move in mailbox.places:  # type: ignore[attr-defined]
        if move.status == Move.Status.MIGRATED:
            return "cette boîte a déjà migré."
        return f"cette boîte est déjà dans le {move.batch}."
    return ""


def dates(campaign: Campaign, kind: str, first_mail: date, *, at: datetime) -> planning.PlannedBatch:
    """The four dates that follow from that first day, by the rules of the plan.

    Raises Refusal on a day gone by, or if the old server is closed on that night.
    """
    if first_mail < brussels_date(at):
        raise Refusal(f"Le {first_mail:%d/%m/%Y} est passé : choisissez un jour à venir pour le premier mail.")
    found = planning.week(campaign, kind, first_mail)
    refuse_after_closing(campaign, found.night_on)
    return found


@transaction.atomic
def compose(
    campaign: Campaign, planned: planning.PlannedBatch, mailboxes: Sequence[int], *, by: str, pilot: bool = False
) -> Batch:
    """Write a draft with these mailboxes, in this order. Raises Refusal if one of them was taken meanwhile."""
    lock_plans()
    number = (campaign.batches.aggregate(last=Max("number"))["last"] or 0) + 1
    batch = Batch.objects.create(
        campaign=campaign, number=number, kind=planned.kind, mail1_on=planned.mail1_on, mail2_on=planned.mail2_on,
        mail3_on=planned.mail3_on, night_on=planned.night_on, pilot=pilot, by_hand=True, planned_by=by,
    )  # fmt: skip
    try:
        with transaction.atomic():
            planning.fill(campaign, batch, mailboxes)
    except IntegrityError:
        raise Refusal("Une de ces boîtes vient d’entrer dans un autre lot. Recommencez la vérification.") from None
    return batch
