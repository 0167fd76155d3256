from celery import shared_task

from bma_portal import bells, clock
from support import incoming, resets, tickets
from support.articles import mails


def ring() -> None:
    """After the commit: a request waits for the worker."""
    bells.ring(tick)


@shared_task(name="support.tick")
def tick() -> None:
    at = clock.now()
    resets.tick(at=at)
    tickets.tick(at=at)
    mails.remind(at=at)


@shared_task(name="support.read_inboxes")
def read_inboxes() -> None:
    incoming.tick(at=clock.now())
