from celery import shared_task

from bma_portal import clock
from migration import sequence


@shared_task(name="migration.tick")
def tick() -> None:
    """Beat's bell: what is due now."""
    sequence.advance(at=clock.now())
