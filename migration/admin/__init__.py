"""The pages from which SGNE and ETNIC work. Each reads the request, calls one use case, and shows its refusal."""

from bma_portal.mail.admin import KIND_LABELS
from migration.admin import avoided, batches, campaigns, mailboxes, mailings, moves, texts
from migration.corrections import Correction
from migration.mails import BY_STEP, BatchPaused
from migration.models import Mailing
from migration.reports import NightReport

__all__ = ["avoided", "batches", "campaigns", "mailboxes", "mailings", "moves", "texts"]

KIND_LABELS.update({mail.kind: Mailing.Step(step).label for step, mail in BY_STEP.items()})
KIND_LABELS[BatchPaused.kind] = "alerte : lot suspendu"
KIND_LABELS[NightReport.kind] = "rapport de la nuit"
KIND_LABELS[Correction.kind] = "mail de correction : la nuit change"
