from celery import shared_task

from accounts import credentials, sessions
from bma_portal import bells, clock


def ring() -> None:
    """After the commit: passwords wait to be set in the directory."""
    bells.ring(set_passwords)


@shared_task(name="accounts.set_passwords")
def set_passwords() -> None:
    if credentials.pending().exists():
        credentials.set_passwords(at=clock.now())


@shared_task(name="accounts.forget_dead_sessions")
def forget_dead_sessions() -> None:
    sessions.forget_dead_sessions()
