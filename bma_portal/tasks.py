from celery import shared_task

from bma_portal import limits


@shared_task(name="bma_portal.forget_old_counts")
def forget_old_counts() -> None:
    limits.forget_old_counts()
