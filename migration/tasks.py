from celery import shared_task

from bma_portal import clock
from migration import reports, sequence


@shared_task(name="migration.tick")
def tick() -> None:
    """Beat's bell: what is due now."""
    sequence.advance(at=clock.now())


@shared_task(name="migration.report")
def report() -> None:
    """Beat's bell: each organisation's report of the morning, once."""
    reports.queue(at=clock.now())
