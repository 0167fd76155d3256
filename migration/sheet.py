"""All that the portal knows of one mailbox's migration, read in a fixed number of statements for the staff's sheet."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import Credential, Mailbox
from bma_portal import journal
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration.models import Batch, Mailing, Move
from migration.phases import SENTENCES, Phase, facts_at, phase

_TONES = {
    OutgoingMail.Status.QUEUED: WAITING,
    OutgoingMail.Status.SENDING: WAITING,
    OutgoingMail.Status.SENT: GOOD,
    OutgoingMail.Status.FAILED: BAD,
    OutgoingMail.Status.CANCELLED: BAD,
}


@dataclass(frozen=True)
class MailLine:
    """One of the four mails, with one word for where it stands."""

    mailing: Mailing
    word: str
    tone: str

    @classmethod
    def of(cls, mailing: Mailing) -> "MailLine":
        mail = mailing.mail
        if mail is None:
            if mailing.held_at:
                return cls(mailing, "en attente de décision", BAD)
            live = mailing.move.status == Move.Status.PLANNED
            return cls(mailing, "prévu" if live else "sans objet", NEUTRAL)
        if mail.bounced_at:
            return cls(mailing, "revenu", BAD)
        return cls(mailing, mail.get_status_display(), _TONES[OutgoingMail.Status(mail.status)])


@dataclass(frozen=True)
class MoveLine:
    """One passage in a batch, with its four mails in order."""

    move: Move
    mails: list[MailLine]


@dataclass(frozen=True)
class Sheet:
    phase: Phase
    sentence: str
    moves: list[MoveLine]
    credentials: list[Credential]
    changes: list[journal.Line]


def sheet_of(mailbox: Mailbox, *, at: datetime) -> Sheet:
    """The phase is that of `at`; the sealed texts of the credentials are not even read."""
    moves = list(Move.objects.filter(mailbox=mailbox).select_related("batch__campaign").order_by("-pk"))
    mailings: dict[int, list[Mailing]] = {move.pk: [] for move in moves}
    by_pk = {move.pk: move for move in moves}
    rows = Mailing.objects.filter(move__in=moves).select_related("mail").defer("mail__text", "mail__html")
    for mailing in rows.order_by("step"):
        mailing.move = by_pk[mailing.move_id]
        mailings[mailing.move_id].append(mailing)
    current = phase(facts_at(mailbox, at))
    return Sheet(
        phase=current,
        sentence=SENTENCES[current],
        moves=[MoveLine(move, [MailLine.of(m) for m in mailings[move.pk]]) for move in moves],
        credentials=list(Credential.objects.filter(mailbox=mailbox).defer("sealed").order_by("-pk")),
        changes=[journal.line(c) for c in _changes(moves, [m for lines in mailings.values() for m in lines])],
    )


def _changes(moves: list[Move], mailings: list[Mailing]) -> QuerySet[StateChange]:
    about = Q(pk__in=[])
    objects = [
        (Move, [move.pk for move in moves]),
        (Batch, [move.batch_id for move in moves]),
        (Mailing, [mailing.pk for mailing in mailings]),
        (OutgoingMail, [mailing.mail_id for mailing in mailings if mailing.mail_id]),
    ]
    for model, pks in objects:
        about |= Q(object_type=model._meta.label_lower, object_id__in=pks)
    return StateChange.objects.filter(about).order_by("-id")[:100]
