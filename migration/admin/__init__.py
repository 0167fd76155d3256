"""The pages from which SGNE and ETNIC work. Each reads the request, calls one use case, and shows its refusal."""

from bma_portal.mail.admin import KIND_LABELS
from migration.admin import batches, campaigns, mailboxes, mailings, moves
from migration.mails import BY_STEP, BatchPaused
from migration.models import Mailing

__all__ = ["batches", "campaigns", "mailboxes", "mailings", "moves"]

KIND_LABELS.update({mail.kind: Mailing.Step(step).label for step, mail in BY_STEP.items()})
KIND_LABELS[BatchPaused.kind] = "alerte : lot suspendu"
