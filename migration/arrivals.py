"""Which mails of the way arrived, of this batch or of an earlier one; which came back (B18). Filters of mailings."""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from bma_portal.mail.models import OutgoingMail
from migration.models import Mailing, Step

# A mail is queued once these arrived, and does not leave if one of them came back meanwhile
AFTER: dict[int, tuple[int, ...]] = {
    Step.ANNOUNCEMENT: (),
    Step.CREDENTIALS: (Step.ANNOUNCEMENT,),
    Step.CONFIRMATION: (Step.CREDENTIALS,),
    Step.CLOSING: (Step.CREDENTIALS, Step.CONFIRMATION),
}


def arrived(step: int, *, by: datetime | None = None) -> Q:
    """Mail `step` was accepted (`by` then) and stayed: this batch's own or, where it has none, an earlier one's."""
    when = {"sent_at__isnull": False} if by is None else {"sent_at__lte": by}
    accepted = OutgoingMail.objects.filter(mailing__step=step, bounced_at=None, **when)
    own = Exists(accepted.filter(mailing__move=OuterRef("move")))
    earlier = Exists(accepted.filter(mailing__move__mailbox=OuterRef("move__mailbox")))
    repeated = Exists(Mailing.objects.filter(move=OuterRef("move"), step=step))
    return Q(own) | (~Q(repeated) & Q(earlier))


def came_back(step: int) -> Q:
    """Mail `step` came back to its sender, and none stayed since."""
    returned = OutgoingMail.objects.filter(
        mailing__step=step, bounced_at__isnull=False, mailing__move__mailbox=OuterRef("move__mailbox")
    )
    return Q(Exists(returned)) & ~arrived(step)
