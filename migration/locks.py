"""Who waits for whom: plans first, then batches by their number, then moves, then mails."""

from django.db import connection

from bma_portal.errors import Refusal
from migration.models import Batch, Move
from migration.planning import PLAN_LOCK


def lock_plans() -> None:
    """Who changes who migrates when waits for whoever is doing so, a new plan too. To the end of the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PLAN_LOCK])


def lock_batch(batch: Batch) -> None:
    """Whoever decides about a batch waits for whoever is doing so, then sees it as it is now.

    Inside a transaction. Raises Refusal if a new plan has replaced it.
    """
    try:
        batch.refresh_from_db(from_queryset=Batch.objects.select_for_update(of=("self",)))
    except Batch.DoesNotExist:
        raise Refusal("Ce lot n’existe plus : un nouveau plan l’a remplacé.") from None


def lock_move(move: Move, other: Batch | None = None) -> None:
    """Its batch (and the other one), then the move: as they are now. Raises Refusal if a new plan replaced them."""
    fresh = Move.objects.filter(pk=move.pk).select_related("batch__campaign").first()
    if fresh is None:
        raise Refusal("Cette boîte n’est plus dans ce lot : un nouveau plan l’a remplacé.")
    for batch in [fresh.batch] if other is None else [fresh.batch, other]:
        lock_batch(batch)
    try:
        move.refresh_from_db(from_queryset=Move.objects.select_for_update(of=("self",)).select_related("batch"))
    except Move.DoesNotExist:
        raise Refusal("Cette boîte n’est plus dans ce lot : un nouveau plan l’a remplacé.") from None
