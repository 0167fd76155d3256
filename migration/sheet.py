"""All that the portal knows of one mailbox's migration, read in a fixed number of statements for the staff's sheet."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from accounts.models import Credential, Mailbox
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration.models import Batch, Mailing, Move
from migration.phases import SENTENCES, Phase, facts_at, phase


@dataclass(frozen=True)
class MoveLine:
    """One passage in a batch, with its four mails in order."""

    move: Move
    mailings: list[Mailing]


@dataclass(frozen=True)
class Sheet:
    phase: Phase
    sentence: str
    moves: list[MoveLine]
    credentials: list[Credential]
    changes: list[StateChange]


def sheet_of(mailbox: Mailbox, *, at: datetime) -> Sheet:
    """The phase is that of `at`; the sealed texts of the credentials are not even read."""
    moves = list(Move.objects.filter(mailbox=mailbox).select_related("batch__campaign").order_by("-pk"))
    mailings: dict[int, list[Mailing]] = {move.pk: [] for move in moves}
    rows = Mailing.objects.filter(move__mailbox=mailbox).select_related("mail").defer("mail__text", "mail__html")
    for mailing in rows.order_by("step"):
        mailings[mailing.move_id].append(mailing)
    current = phase(facts_at(mailbox, at))
    return Sheet(
        phase=current,
        sentence=SENTENCES[current],
        moves=[MoveLine(move, mailings[move.pk]) for move in moves],
        credentials=list(Credential.objects.filter(mailbox=mailbox).defer("sealed").order_by("-pk")),
        changes=list(_changes(moves, [m for lines in mailings.values() for m in lines])),
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
