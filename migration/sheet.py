"""All that the portal knows of one mailbox's migration, read in a fixed number of statements for the staff's sheet.

Identity, phase and what comes next, passages and their mails, notes, and one timeline of facts with who and when (A8,
B22). No secret is read for it, and no text of a mail: each is asked for on its own page.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from accounts.models import Credential, Mailbox
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING
from bma_portal.mail.models import OutgoingMail
from migration.mails import BY_STEP, SecretMail
from migration.models import Batch, MailboxNote, Mailing, Move
from migration.phases import SENTENCES, Facts, Phase, facts_of, phase
from migration.timeline import Fact, story_of

_TONES = {
    OutgoingMail.Status.QUEUED: WAITING,
    OutgoingMail.Status.SENDING: WAITING,
    OutgoingMail.Status.SENT: GOOD,
    OutgoingMail.Status.FAILED: BAD,
    OutgoingMail.Status.CANCELLED: BAD,
}
MOST_NOTES = 200


@dataclass(frozen=True)
class MailLine:
    """One of the four mails, with one word for where it stands."""

    mailing: Mailing
    word: str
    tone: str
    resend: str = ""  # the address of « Renvoyer », for whoever may

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
    """One passage in a batch, with its four mails in order, and the corrections of its date."""

    move: Move
    mails: list[MailLine]
    corrections: list[OutgoingMail] = field(default_factory=list)
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
    story = story_of(box)
    mails: dict[int, list[MailLine]] = {move.pk: [] for move in story.moves}
    for mailing in story.mailings:
        mails[mailing.move_id].append(MailLine.of(mailing))
    known = [_known(box, mailing) for mailing in story.mailings]
    facts = facts_of([box], at, moves=story.moves, mailings=known)[box.pk]
    current = phase(facts)
    return Sheet(
        mailbox=box,
        phase=current,
        sentence=SENTENCES[current],
        next=_next(current, facts, story.moves, story.mailings),
        moves=[MoveLine(move, mails[move.pk], story.corrections_of(move)) for move in story.moves],
        credentials=story.credentials,
        notes=list(MailboxNote.objects.filter(mailbox=box)[:MOST_NOTES]),
        timeline=story.facts(at=at)[::-1],  # of one moment, what is told last comes first
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
