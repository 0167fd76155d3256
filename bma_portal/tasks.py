from celery import shared_task

from bma_portal import clock, limits, retention


@shared_task(name="bma_portal.forget_old_counts")
def forget_old_counts() -> None:
    limits.forget_old_counts()


@shared_task(name="bma_portal.apply_retention")
def apply_retention() -> None:
    """Each thing at the end of its stated life; the counts are in the log."""
    retention.apply(at=clock.now())
