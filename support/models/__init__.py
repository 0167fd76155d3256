from support.models.articles import Article, ArticleVersion, ArticleVote, ArticleWord
from support.models.banners import Banner
from support.models.incoming import InboxState, IncomingMail
from support.models.messages import Attachment, Message
from support.models.proofs import ProofFile
from support.models.resets import PasswordReset
from support.models.routing import RoutingRule
from support.models.teams import CannedAnswer, SavedView, Team
from support.models.tickets import Draft, Incident, Ticket, TicketChange, TicketCheck, Watcher

__all__ = [
    "Article",
    "ArticleVersion",
    "ArticleVote",
    "ArticleWord",
    "Attachment",
    "Banner",
    "CannedAnswer",
    "Draft",
    "InboxState",
    "Incident",
    "IncomingMail",
    "Message",
    "PasswordReset",
    "ProofFile",
    "RoutingRule",
    "SavedView",
    "Team",
    "Ticket",
    "TicketChange",
    "TicketCheck",
    "Watcher",
]
