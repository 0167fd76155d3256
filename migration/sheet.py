"""All that the portal knows of one mailbox's migration, read in a fixed number of statements for the staff's sheet.

Identity, phase and what comes next, passages and their mails, notes, and one timeline of facts with who and when (A8,
B22). No secret is read for it, and no text of a mail: each is asked for on its own page.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Q, QuerySet

from accounts.models import Credential, Mailbox, OrganisationChange
from bma_portal import journal
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration.mails import BY_STEP, SecretMail
from migration.models import Batch, MailboxNote, Mailing, Move
from migration.phases import SENTENCES, Facts, Phase, facts_of, phase
from migration.timeline import Fact, told
from migration.withdrawal import CORRECTION

_TONES = {
    OutgoingMail.Status.QUEUED: WAITING,
    OutgoingMail.Status.SENDING: WAITING,
    OutgoingMail.Status.SENT: GOOD,
    OutgoingMail.Status.FAILED: BAD,
    OutgoingMail.Status.CANCELLED: BAD,
}
MOST_CHANGES = 200


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
    deeds: list[tuple[str, str]] = field(default_factory=list)  # address and name, for whoever may


@dataclass(frozen=True)
class Next:
    """What comes next for the mailbox, and when."""

    text: str
    at: datetime | None = None
    night_on: date | None = None


@dataclass(frozen=True)
class Sheet:
    mailbox: Mailbox
    phase: Phase
    sentence: str
    next: Next
    moves: list[MoveLine]
    credentials: list[Credential]
    notes: list[MailboxNote]
    timeline: list[Fact]


def sheet_of(mailbox: Mailbox, *, at: datetime) -> Sheet:
    """The phase is that of `at`; the sealed texts of the credentials are not even read."""
    box = Mailbox.objects.select_related("organisation__po", "organisation__successor").get(pk=mailbox.pk)
    moves = list(Move.objects.filter(mailbox=box).select_related("batch__campaign").order_by("-pk"))
    mailings: dict[int, list[Mailing]] = {move.pk: [] for move in moves}
    by_pk = {move.pk: move for move in moves}
    rows = Mailing.objects.filter(move__mailbox=box).select_related("mail", "text")
    for mailing in rows.defer("mail__text", "mail__html", "text__body").order_by("step"):
        mailing.move = by_pk[mailing.move_id]
        mailings[mailing.move_id].append(mailing)
    every = [mailing for of_move in mailings.values() for mailing in of_move]
    known = [_known(box, mailing) for mailing in every]
    facts = facts_of([box], at, moves=moves, mailings=known)[box.pk]
    passwords = Credential.objects.filter(mailbox=box).select_related("taken_by").defer("sealed").order_by("-pk")
    credentials = list(passwords)
    of_moves = OutgoingMail.objects.filter(kind=CORRECTION, object_id__in=[move.pk for move in moves])
    corrections = list(of_moves.defer("text", "html"))
    current = phase(facts)
    changes = [journal.line(change) for change in _changes(moves, every)]
    return Sheet(
        mailbox=box,
        phase=current,
        sentence=SENTENCES[current],
        next=_next(current, facts, moves, every),
        moves=[MoveLine(move, [MailLine.of(m) for m in mailings[move.pk]]) for move in moves],
        credentials=credentials,
        notes=list(MailboxNote.objects.filter(mailbox=box)[:MOST_CHANGES]),
        timeline=told(moves, every, corrections, credentials, changes, _changes_of_unit(box)),
    )


def _known(box: Mailbox, mailing: Mailing) -> tuple:
    """As `facts_of` wants a mailing that was already read."""
    mail = mailing.mail
    left = (mail.sent_at, mail.bounced_at) if mail else (None, None)
    return (box.pk, mailing.step, mailing.due_at, mailing.move.status, *left)


def _next(current: Phase, facts: Facts, moves: list[Move], mailings: list[Mailing]) -> Next:
    """Of the passage that is under way; one that nobody has approved promises nothing."""
    live = next((move for move in moves if move.status == Move.Status.PLANNED), None)
    if live is None:
        if current == Phase.MIGRATED:
            return Next("Rien : cette boîte a migré.")
        return Next("Aucun lot ne la tient : à planifier.")
    batch = live.batch
    waiting = [m for m in mailings if m.move_id == live.pk and m.step not in facts.delivered]
    step = min(waiting, key=lambda mailing: mailing.step, default=None)
    held = next((m for m in waiting if m.held_at and m.mail_id is None), None)
    if live.paused_at:
        return Next(f"Suspendue par {live.paused_by} : {live.paused_why}", live.paused_at, batch.night_on)
    if batch.status == Batch.Status.DRAFT:
        return Next(f"Le {batch} attend d’être approuvé.", step.due_at if step else None, batch.night_on)
    if batch.status == Batch.Status.PAUSED:
        return Next(f"Le {batch} est suspendu.", None, batch.night_on)
    if held:
        return Next(f"{held.get_step_display().capitalize()} attend une décision.", held.held_at, batch.night_on)
    if step is None:
        return Next("Le résultat de la nuit, que l’ETNIC enregistre.", None, batch.night_on)
    return Next(step.get_step_display().capitalize(), step.due_at, batch.night_on)


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
    return StateChange.objects.filter(about).order_by("-id")[:MOST_CHANGES]


def _changes_of_unit(box: Mailbox) -> list[OrganisationChange]:
    rows = OrganisationChange.objects.filter(organisation=box.organisation_id).select_related("by")
    return list(rows.order_by("-pk")[:MOST_CHANGES])


def text_as_sent(mailing: Mailing) -> str:
    """What that mail said: as it is kept or, if it carried a secret, made again with dots in its place.

    Empty if it is kept no longer. No secret is opened for it.
    """
    mail = mailing.mail
    if mail is None:
        return ""
    if not mail.sensitive:
        return mail.text
    sent_at = mail.sent_at or mail.queued_at
    again = BY_STEP[mailing.step].load([mailing.pk], at=sent_at).get(mailing.pk)
    return again.masked(sent_at=sent_at) if isinstance(again, SecretMail) else ""
