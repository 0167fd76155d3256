"""A campaign, its weekly batches, the move of each mailbox and its four mails. Facts only: phases are computed."""

from migration.models.batches import Batch, MailboxNote, Move, MoveQuerySet
from migration.models.campaigns import AvoidedPeriod, Campaign, PlanDecision
from migration.models.mailings import Mailing, MailText, Step

__all__ = [
    "AvoidedPeriod",
    "Batch",
    "Campaign",
    "MailText",
    "MailboxNote",
    "Mailing",
    "Move",
    "MoveQuerySet",
    "PlanDecision",
    "Step",
]
