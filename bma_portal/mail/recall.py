"""Mails that wait a moment before they leave, so that whoever wrote them may take them back."""

from collections.abc import Sequence

from django.db import connection

from bma_portal.errors import Refusal
from bma_portal.mail.models import Attachment, OutgoingMail

LEFT = "Trop tard : votre message est déjà parti."


def last() -> int:
    """The number of the latest mail: what this transaction queues from here on has a greater one."""
    return OutgoingMail.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def keep_back(stream: str, *, after: int, seconds: int) -> list[int]:
    """What this transaction queued in that stream since `after` leaves in so many seconds at the soonest; its ids.

    Seconds of the database's clock. The sweep rings for it when its time has come: no worker sleeps until then.
    Nothing else may be queueing in that stream meanwhile: its object is locked.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE mail_outgoingmail SET not_before = clock_timestamp() + make_interval(secs => %s)
               WHERE stream = %s AND status = 'queued' AND claimed_at IS NULL AND id > %s RETURNING id""",
            [seconds, stream, after],
        )
        return sorted(row[0] for row in cursor.fetchall())


def have_left(mails: Sequence[int]) -> bool:
    """Whether a worker has had one of them in hand."""
    return OutgoingMail.objects.filter(pk__in=mails, claimed_at__isnull=False).exists()


def take_back(mails: Sequence[int]) -> None:
    """They never leave: no worker had them, so Exchange cannot have heard of them; their rows go, with their files.

    One conditional statement decides between this and a worker that claims them. Raises Refusal if one was claimed;
    the caller's transaction ends with it.
    """
    Attachment.objects.filter(mail__in=list(mails)).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM mail_outgoingmail WHERE id = ANY(%s) AND status = 'queued' AND claimed_at IS NULL",
            [list(mails)],
        )
    if have_left(mails):
        raise Refusal(LEFT)
