"""All that happened to one mailbox, for whoever must prove it (B22): when, who, what, before, after, by which rule.

Facts only, in the order of time, in a fixed number of statements. Never a password, sealed or not, nor a mail's text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from django.db.models import Q
from django.utils.formats import date_format

from accounts.models import Credential, Mailbox
from bma_portal import journal
from bma_portal.audit import PORTAL
from bma_portal.clock import BRUSSELS
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration.models import Batch, Campaign, Mailing, Move, Step
from migration.withdrawal import CORRECTION

HEADINGS = ["Le", "Qui", "Quoi", "Avant", "Après", "Règle ou motif"]


@dataclass(frozen=True)
class Fact:
    """One line. What has no moment did not happen: `facts` leaves it out."""

    at: datetime | None
    by: str
    what: str
    old: str = ""
    new: str = ""
    why: str = ""

    @property
    def row(self) -> list[str]:
        moment = f"{self.at.astimezone(BRUSSELS):%d/%m/%Y %H:%M:%S}" if self.at else ""
        return [moment, self.by, self.what, self.old, self.new, self.why]


def facts(mailbox: Mailbox, *, at: datetime) -> list[Fact]:
    """In five statements, what is known at `at`."""
    moves = list(Move.objects.filter(mailbox=mailbox).select_related("batch__campaign").order_by("pk"))
    rows = Mailing.objects.filter(move__in=moves).select_related("mail", "text").defer("mail__text", "mail__html")
    by_pk, mailings = {move.pk: move for move in moves}, list(rows.order_by("move", "step"))
    found = [fact for move in moves for fact in _move(move)]
    for mailing in mailings:
        found += _mailing(mailing, by_pk[mailing.move_id].batch)
    corrections = OutgoingMail.objects.filter(kind=CORRECTION, object_id__in=by_pk).defer("text", "html")
    for mail in corrections:
        found += _left(mail, f"correction de la date ({by_pk[mail.object_id or 0].batch})")
    for credential in Credential.objects.filter(mailbox=mailbox).select_related("taken_by").defer("sealed"):
        found += _credential(credential)
    found += [_change(change) for change in _changes(moves, mailings)]
    return sorted((fact for fact in found if fact.at and fact.at <= at), key=attrgetter("at"))


def _move(move: Move) -> Iterator[Fact]:
    batch = move.batch
    yield Fact(batch.approved_at, batch.approved_by, f"{batch} approuvé, dernière fois")
    yield Fact(batch.released_at, batch.released_by, f"{batch} ouvert à toutes ses boîtes")
    where = f"boîte dans le {batch}"
    yield Fact(move.paused_at, move.paused_by, where, new="suspendue", why=move.paused_why)
    servers = [
        f"{name} : {'oui' if found else 'non'}"
        for name, found in (("ancien serveur", move.on_old_server), ("nouveau", move.on_new_server))
        if found is not None
    ]
    size = [f"{move.size_mb} Mo"] if move.size_mb is not None else []
    yield Fact(move.checked_at, "ETNIC", where, new="contrôlée", why=", ".join(servers + size))
    if move.skipped_items:
        words = f"{move.skipped_items} éléments non repris, admis"
        yield Fact(move.skipped_at, move.skipped_by, where, new=words, why=move.skipped_note)


def rule(step: int, campaign: Campaign) -> str:
    """What decides when a mail may leave, with its source."""
    return {
        Step.ANNOUNCEMENT: "jour ouvrable du lot (S1 §5, S0 §7)",
        Step.CREDENTIALS: f"mail 1 + {campaign.mail2_after_days} jours au moins, mot de passe en vigueur (S1 §5)",
        Step.CONFIRMATION: f"mail 2 + {campaign.mail3_after_days_min} à {campaign.mail3_after_days_max} jours (S1 §5)",
        Step.CLOSING: "la nuit de la migration, mails 2 et 3 arrivés (S1 §5, S4)",
    }[Step(step)]


def _mailing(mailing: Mailing, batch: Batch) -> Iterator[Fact]:
    step, mail = f"mail {mailing.step} du {batch}", mailing.mail
    yield Fact(mailing.held_at, PORTAL, step, new="en attente de décision", why=mailing.held_why)
    if mail is None:
        return
    due = f"prévu le {date_format(mailing.due_at.astimezone(BRUSSELS), 'j F Y')}"
    text = f", texte version {mailing.text.version}" if mailing.text else ""
    yield Fact(mail.queued_at, PORTAL, step, due, "mis en file" + text, rule(mailing.step, batch.campaign))
    yield from _left(mail, step)


def _left(mail: OutgoingMail, step: str) -> Iterator[Fact]:
    """What became of a mail once it was queued."""
    sender, proof = mail.get_sender_display(), mail.get_proof_display() if mail.proof else ""
    yield Fact(mail.sent_at, sender, step, "mis en file", "envoyé à " + ", ".join(mail.to), proof)
    said = " ".join(part for part in (mail.delivery_code, mail.delivery_text) if part)
    yield Fact(mail.delayed_at, "serveur du destinataire", step, "envoyé", "retardé", said)
    yield Fact(mail.delivered_at, "serveur du destinataire", step, "envoyé", "remis", said)
    yield Fact(mail.bounced_at, "serveur du destinataire", step, "envoyé", "revenu", said)


def _credential(credential: Credential) -> Iterator[Fact]:
    what = f"mot de passe {credential.pk} ({credential.get_purpose_display()})"
    agent = credential.taken_by.get_username() if credential.taken_by else PORTAL
    yield Fact(credential.issued_at, PORTAL, what, new="créé, scellé", why="un nouveau pour chaque boîte (S4)")
    yield Fact(credential.refused_at, "annuaire", what, "créé", "refusé", credential.last_error)
    yield Fact(credential.taken_at, agent, what, "créé", "pris pour être placé à la main")
    yield Fact(credential.applied_at, agent, what, "créé", "en vigueur dans l’annuaire")
    yield Fact(credential.certified_at, agent, what, "pris", "certifié")
    yield Fact(credential.superseded_at, PORTAL, what, new="remplacé par un plus récent")
    yield Fact(credential.destroyed_at, PORTAL, what, "scellé", "détruit", credential.destroyed_why)


def _change(change: StateChange) -> Fact:
    line = journal.line(change)
    return Fact(change.at, change.by, line.about, line.old, line.new, change.note)


def _changes(moves: list[Move], mailings: list[Mailing]) -> Iterator[StateChange]:
    about = Q(pk__in=[])
    objects = [
        (Move, [move.pk for move in moves]),
        (Batch, [move.batch_id for move in moves]),
        (Mailing, [mailing.pk for mailing in mailings]),
        (OutgoingMail, [mailing.mail_id for mailing in mailings if mailing.mail_id]),
    ]
    for model, pks in objects:
        about |= Q(object_type=model._meta.label_lower, object_id__in=pks)
    yield from StateChange.objects.filter(about).order_by("id")
