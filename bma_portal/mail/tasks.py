"""Bells of the outbox. Each names a sender, calls one function and holds no rule."""

from celery import shared_task
from django.conf import settings

from bma_portal import bells
from bma_portal.mail import outbox
from bma_portal.mail.models import Sender


def ring(sender: str, *, mails: int = 0) -> None:
    """After the commit, tell the workers that this sender has mail: each of them, or no more than there are mails."""
    bells.ring(drain, sender, times=min(mails or settings.MAIL_WORKERS, settings.MAIL_WORKERS))


@shared_task(name="mail.drain")
def drain(sender: str) -> None:
    if outbox.drain(sender):
        # What is left for want of time, or was waiting for these mails to leave first.
        for waiting in outbox.senders_with_work():
            bells.ring(drain, waiting)


@shared_task(name="mail.sweep")
def sweep() -> None:
    """Ring for the senders that have something due: mails nobody rang for, claims of dead workers."""
    for sender in outbox.senders_with_work():
        ring(sender)


@shared_task(name="mail.tidy_drafts")
def tidy_drafts() -> None:
    for sender in Sender.values:
        outbox.tidy_drafts(sender)
