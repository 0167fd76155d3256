from celery import shared_task

from accounts import credentials
from bma_portal import bells, clock


def ring() -> None:
    """After the commit: passwords wait to be set in the directory."""
    bells.ring(set_passwords)


@shared_task(name="accounts.set_passwords")
def set_passwords() -> None:
    if credentials.pending().exists():
        credentials.set_passwords(at=clock.now())
