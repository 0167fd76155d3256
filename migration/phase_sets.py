"""Which mailboxes are in a phase, found from the facts that make it: the third way to say the rule of `phases.py`.

`with_phase` answers for the rows of a page. Asked of every mailbox it would look at each one's facts in turn; here the
database reads each kind of fact once. A test holds it and `phase_at` together.
"""

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import Mailbox
from migration.models import Mailing, Move
from migration.phases import Phase

Step = Mailing.Step


def in_phase(mailboxes: QuerySet[Mailbox], phase: Phase, *, at: datetime) -> QuerySet[Mailbox]:
    migrated = _having(Move.objects.migrated(at), "mailbox")
    if phase == Phase.MIGRATED:
        return mailboxes.filter(migrated)
    begun, confirmed = _delivered(Step.CREDENTIALS, at), _delivered(Step.CONFIRMATION, at)
    announced = _delivered(Step.ANNOUNCEMENT, at)
    facts = {
        Phase.CONFIRMED: begun & confirmed,
        Phase.CREDENTIALS_SENT: begun & ~confirmed,
        Phase.ANNOUNCED: announced & ~begun,
        Phase.NOT_STARTED: ~announced & ~begun,
    }
    return mailboxes.filter(facts[phase], ~migrated)


def _delivered(step: int, at: datetime) -> Q:
    """That mail was accepted by then, and had not come back (the index `mail_left` says both).

    Those of a migrated mailbox are not looked at: it is in no other phase.
    """
    stayed = Q(mail__bounced_at=None) | Q(mail__bounced_at__gt=at)
    not_done = Q(move__migrated_at=None) | Q(move__migrated_at__gt=at) | Q(move__rolled_back_at__lte=at)
    return _having(Mailing.objects.filter(stayed, not_done, step=step, mail__sent_at__lte=at), "move__mailbox")


def _having(facts: QuerySet, path: str) -> Q:
    """Joined, or joined against. Said by NOT IN, what no longer fits in memory is read again for each mailbox."""
    return Q(Exists(facts.order_by().filter(**{path: OuterRef("pk")})))
