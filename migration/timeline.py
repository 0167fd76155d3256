"""What happened to one mailbox, told once: when, who, what, before, after, why (A8, B22).

The sheet shows it, the latest first; the file of proof (`admin/evidence.py`) exports it, in the order of time. Facts
only, in a fixed number of statements: never a password, sealed or not, nor a mail's text. What the log of states
tells, it tells alone, for it names who did it; a fact that it does not tell has its own date.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from operator import attrgetter

from django.db.models import Model, Q, QuerySet
from django.utils.formats import date_format

from accounts.models import Credential, Mailbox, OrganisationChange
from bma_portal import journal
from bma_portal.audit import PORTAL
from bma_portal.clock import BRUSSELS
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration.mails import KINDS
from migration.models import Batch, Campaign, Mailing, Move, Step
from migration.withdrawal import CORRECTION

ETNIC, DIRECTORY, SERVER, REGISTER = "ETNIC", "annuaire", "serveur du destinataire", "registre FASE"
LONGEST = 120


@dataclass(frozen=True)
class Fact:
    """One thing that happened: `what` it is about, how it was before and how it is since."""

    at: datetime
    by: str
    what: str
    old: str = ""
    new: str = ""
    why: str = ""

    @property
    def said(self) -> str:
        """In one phrase: « lot 3 (PO) : en cours → suspendu »."""
        change = " → ".join(part for part in (self.old, self.new) if part)
        return f"{self.what} : {change}" if change else self.what


Row = tuple[datetime | None, str, str, str, str, str]  # as `Fact`; what has no moment did not happen


@dataclass
class Story:
    """The rows of one mailbox's migration, each kind read once; `facts` narrates them."""

    moves: list[Move]  # the latest first
    mailings: list[Mailing]
    mails: list[OutgoingMail]  # of the four steps, those that another one replaced too, and the corrections
    credentials: list[Credential]
    changes: list[StateChange]
    of_unit: list[OrganisationChange]

    def facts(self, *, at: datetime) -> list[Fact]:
        """What is known at `at`, in the order of time."""
        told = [*self._dated(), *self._logged(), *map(_of_unit, self.of_unit)]
        return sorted((fact for fact in told if fact.at <= at), key=attrgetter("at"))

    def corrections_of(self, move: Move) -> list[OutgoingMail]:
        return [mail for mail in self.mails if mail.kind == CORRECTION and mail.object_id == move.pk]

    def _dated(self) -> Iterator[Fact]:
        """What the rows themselves date, but for what the log tells of the same row at the same moment."""
        logged = {(change.object_type, change.object_id, change.at) for change in self.changes}
        narrated: Iterator[tuple[Model, Iterator[Row]]] = chain(
            ((batch, _of_batch(batch)) for batch in {move.batch_id: move.batch for move in self.moves}.values()),
            ((move, _of_move(move)) for move in self.moves),
            ((mailing, _of_mailing(mailing)) for mailing in self.mailings),
            ((mail, _of_mail(mail, self._mailing_of(mail), self._name(mail))) for mail in self.mails),
            ((credential, _of_password(credential)) for credential in self.credentials),
        )
        for row, facts in narrated:
            for moment, by, what, old, new, why in facts:
                if moment and (row._meta.label_lower, row.pk, moment) not in logged:
                    yield Fact(moment, by, what, old, new, why)

    def _logged(self) -> Iterator[Fact]:
        """Each line of the log, its object called by its name here rather than by its number."""
        named: dict[tuple[str, int], str] = {}
        for move in self.moves:
            named[Batch._meta.label_lower, move.batch_id] = str(move.batch)
            named[Move._meta.label_lower, move.pk] = f"passage dans le {move.batch}"
        named |= {(Mailing._meta.label_lower, mailing.pk): _name(mailing) for mailing in self.mailings}
        named |= {(OutgoingMail._meta.label_lower, mail.pk): self._name(mail) for mail in self.mails}
        for change in self.changes:
            line = journal.line(change)
            about = named.get((change.object_type, change.object_id), line.about)
            yield Fact(change.at, change.by, about, line.old, line.new, change.note)

    def _mailing_of(self, mail: OutgoingMail) -> Mailing | None:
        """The step that it was made for, be it replaced since; None for a correction."""
        if mail.kind == CORRECTION:
            return None
        return next(mailing for mailing in self.mailings if mail.pk == mailing.mail_id or mail.object_id == mailing.pk)

    def _name(self, mail: OutgoingMail) -> str:
        if mailing := self._mailing_of(mail):
            return _name(mailing)
        return f"correction de la date ({next(move.batch for move in self.moves if move.pk == mail.object_id)})"


def story_of(mailbox: Mailbox) -> Story:
    """Read in six statements."""
    moves = list(Move.objects.filter(mailbox=mailbox).select_related("batch__campaign").order_by("-pk"))
    by_pk = {move.pk: move for move in moves}
    rows = Mailing.objects.filter(move__in=by_pk).select_related("mail", "text").order_by("move", "step")
    mailings = list(rows.defer("mail__text", "mail__html", "text__body"))
    for mailing in mailings:
        mailing.move = by_pk[mailing.move_id]
    of_steps = Q(kind__in=KINDS, object_id__in=[mailing.pk for mailing in mailings])
    mails = OutgoingMail.objects.filter(of_steps | Q(kind=CORRECTION, object_id__in=by_pk)).defer("text", "html")
    passwords = Credential.objects.filter(mailbox=mailbox).select_related("taken_by").defer("sealed")
    of_unit = OrganisationChange.objects.filter(organisation=mailbox.organisation_id).select_related("by")
    story = Story(moves, mailings, list(mails.order_by("pk")), list(passwords.order_by("-pk")), [], list(of_unit))
    story.changes = list(_changes(story))
    return story


def _changes(story: Story) -> QuerySet[StateChange]:
    about = Q(pk__in=[])
    batches = {move.batch for move in story.moves}
    for rows in (batches, story.moves, story.mailings, story.mails):
        for kind in {row._meta.label_lower for row in rows}:
            about |= Q(object_type=kind, object_id__in=[row.pk for row in rows])
    return StateChange.objects.filter(about).order_by("pk")


def _name(mailing: Mailing) -> str:
    return f"mail {mailing.step} du {mailing.move.batch}"


# What each kind of row dates


def _of_batch(batch: Batch) -> Iterator[Row]:
    yield batch.approved_at, batch.approved_by, f"{batch} approuvé, dernière fois", "", "", ""
    yield batch.released_at, batch.released_by, f"{batch} ouvert à toutes ses boîtes", "", "", ""


def _of_move(move: Move) -> Iterator[Row]:
    where = f"boîte dans le {move.batch}"
    skipped = f"{move.skipped_items} éléments non repris, admis"
    yield move.migrated_at, ETNIC, where, "", "déplacée sur le nouveau serveur", move.signed_by
    yield move.rolled_back_at, "", where, "", "remise sur l’ancien serveur", ""
    yield move.paused_at, move.paused_by, where, "", "suspendue", move.paused_why
    yield move.checked_at, ETNIC, where, "", "contrôlée avant la nuit", _checked(move)
    yield move.skipped_at, move.skipped_by, where, "", skipped, move.skipped_note


def _checked(move: Move) -> str:
    said = {True: "oui", False: "non", None: "non dit"}
    size = "" if move.size_mb is None else f", {move.size_mb} Mo"
    return f"ancien serveur : {said[move.on_old_server]}, nouveau serveur : {said[move.on_new_server]}{size}"


def _of_mailing(mailing: Mailing) -> Iterator[Row]:
    yield mailing.held_at, PORTAL, _name(mailing), "", "en attente de décision", mailing.held_why


def _of_mail(mail: OutgoingMail, mailing: Mailing | None, name: str) -> Iterator[Row]:
    """What became of it, and by which rule a step's was queued."""
    queued, due, rule = "mis en file", "", ""
    if mailing is not None:
        rule = _rule(mailing.step, mailing.move.batch.campaign)
        if mailing.mail_id == mail.pk:  # the date and the text of one that was replaced are no more
            due = f"prévu le {date_format(mailing.due_at.astimezone(BRUSSELS), 'j F Y')}"
            queued += f", texte version {mailing.text.version}" if mailing.text else ""
    proof = mail.get_proof_display() if mail.proof else ""
    said = f"{mail.delivery_code} {mail.delivery_text}".strip()
    yield mail.queued_at, PORTAL, name, due, queued, rule
    yield mail.sent_at, mail.get_sender_display(), name, "mis en file", "envoyé à " + ", ".join(mail.to), proof
    yield mail.delayed_at, SERVER, name, "envoyé", "retardé", said
    yield mail.delivered_at, SERVER, name, "envoyé", "remis", said
    yield mail.bounced_at, SERVER, name, "envoyé", "revenu", said


def _rule(step: int, campaign: Campaign) -> str:
    """What decides when a mail may leave, with its source."""
    return {
        Step.ANNOUNCEMENT: "jour ouvrable du lot (S1 §5, S0 §7)",
        Step.CREDENTIALS: f"mail 1 + {campaign.mail2_after_days} jours au moins, mot de passe en vigueur (S1 §5)",
        Step.CONFIRMATION: f"mail 2 + {campaign.mail3_after_days_min} à {campaign.mail3_after_days_max} jours (S1 §5)",
        Step.CLOSING: "la nuit de la migration, mails 2 et 3 arrivés (S1 §5, S4)",
    }[Step(step)]


def _of_password(credential: Credential) -> Iterator[Row]:
    name = f"mot de passe {credential.pk}, {credential.get_purpose_display()}"
    agent = credential.taken_by.get_username() if credential.taken_by else ""
    yield credential.issued_at, PORTAL, name, "", "créé, scellé", "un nouveau pour chaque boîte (S4)"
    yield credential.refused_at, DIRECTORY, name, "créé", "refusé", credential.last_error
    yield credential.taken_at, agent, name, "créé", "pris pour être placé à la main", ""
    yield credential.applied_at, agent or DIRECTORY, name, "créé", "en vigueur dans l’annuaire", ""
    yield credential.certified_at, agent, name, "pris", "certifié", ""
    yield credential.superseded_at, PORTAL, name, "", "remplacé par un plus récent", ""
    yield credential.destroyed_at, PORTAL, name, "scellé", "détruit", credential.destroyed_why


def _of_unit(change: OrganisationChange) -> Fact:
    by = change.by.get_username() if change.by else REGISTER
    return Fact(change.at, by, f"unité, {change.get_field_display()}", _short(change.old), _short(change.new))


def _short(value: str) -> str:
    text = str(value or "—")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
