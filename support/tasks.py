from celery import shared_task

from bma_portal import bells, clock
from support import resets


def ring() -> None:
    """After the commit: a request waits for the worker."""
    bells.ring(tick)


@shared_task(name="support.tick")
def tick() -> None:
    resets.tick(at=clock.now())
