"""« Pré-vol »: what must hold for a mailbox before its night (B10, B18). One red item, and its mail 4 does not leave.

The same rule is written twice, item by item for people (`lines`) and as a filter for `sequence` (`clear`); a test
holds the two together. What ETNIC's tools have not said is amber: it blocks nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from accounts.models import Credential
from bma_portal import audit
from bma_portal.badges import BAD, GOOD, WAITING
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.models import OutgoingMail
from bma_portal.templatetags.french import jour
from migration import corrections
from migration.arrivals import arrived
from migration.mails import RECALLED
from migration.models import Batch, Mailing, Move, Step
from migration.results_file import Fault, Finding

OLD_SERVER_MB, NEW_SERVER_MB = 80, 2000  # S3 §3: 80 MB, then twenty-five times that
BEFORE_NIGHT = (Step.ANNOUNCEMENT, Step.CREDENTIALS, Step.CONFIRMATION)
SGNE, ETNIC, HOLDER = "SGNE", "ETNIC", "titulaire"
STOPPED = {OutgoingMail.Status.FAILED, OutgoingMail.Status.CANCELLED}
READ = [
    "step", "due_at", "held_at", "held_why", "move__batch", "move__mailbox",
    "mail__status", "mail__sent_at", "mail__bounced_at", "mail__last_error",
]  # fmt: skip
ORDER = {BAD: 0, WAITING: 1, GOOD: 2}


@dataclass(frozen=True)
class Item:
    """One thing that was looked at: its tone, a sentence, and who acts if it is not good."""

    name: str
    tone: str
    sentence: str
    who: str = ""


@dataclass(frozen=True)
class Line:
    """One mailbox of the night, and all that was looked at."""

    move: Move
    items: list[Item]

    @property
    def tone(self) -> str:
        return min((item.tone for item in self.items), key=ORDER.__getitem__)

    @property
    def is_red(self) -> bool:
        return self.tone == BAD

    @property
    def to_see(self) -> list[Item]:
        return sorted((item for item in self.items if item.tone != GOOD), key=lambda item: ORDER[item.tone])


def lines(batch: Batch, *, at: datetime) -> list[Line]:
    """The mailboxes that this night would move, red first; in a fixed number of statements."""
    moves = list(
        batch.moves.filter(status=Move.Status.PLANNED).select_related("mailbox__organisation").order_by("position")
    )
    boxes = [move.mailbox_id for move in moves]
    own: dict[tuple[int, int], Mailing] = {}
    earlier: set[tuple[int, int]] = set()  # mailbox, step: arrived, be it for a former night
    rows = Mailing.objects.filter(move__mailbox__in=boxes).select_related("mail", "move")
    for mailing in rows.only(*READ):
        if mailing.move.batch_id == batch.pk:
            own[mailing.move_id, mailing.step] = mailing
        if mailing.mail and _arrived(mailing.mail):
            earlier.add((mailing.move.mailbox_id, mailing.step))
    passwords = Credential.objects.filter(mailbox__in=boxes, superseded_at=None).defer("sealed")
    current = {credential.mailbox_id: credential for credential in passwords}
    unread = set(corrections.unread().filter(object_id__in=[m.pk for m in moves]).values_list("object_id", flat=True))
    night = batch.campaign.night(batch.night_on)[0]
    found = []
    for move in moves:
        mails = {
            step: _mail(step, own.get((move.pk, step)), (move.mailbox_id, step) in earlier, at=at, night=night)
            for step in BEFORE_NIGHT
        }
        mail_2, was_told = own.get((move.pk, Step.CREDENTIALS)), mails[Step.CREDENTIALS].tone == GOOD
        items = [
            *mails.values(),
            _password(current.get(move.mailbox_id), mail_2, was_told=was_told, at=at, night=night),
            _going_on(move, own.get((move.pk, Step.CLOSING))),
            _unit(move, batch),
            _announced(move, batch, unread=move.pk in unread),
            *_servers(move),
        ]
        found.append(Line(move, items))
    return sorted(found, key=lambda line: ORDER[line.tone])


def clear() -> Q:
    """Of mailings: on the night, nothing is red. The twin of `lines`."""
    held = Q(held_at=None, move__status=Move.Status.PLANNED, move__paused_at=None)
    for step in BEFORE_NIGHT:
        held &= arrived(step)
    in_force = Credential.objects.filter(
        mailbox=OuterRef("move__mailbox"), superseded_at=None, applied_at__isnull=False
    )
    unit = Q(move__mailbox__organisation__successor=None) & (
        Q(move__mailbox__organisation__closed_on=None)
        | Q(move__mailbox__organisation__closed_on__gt=F("move__batch__night_on"))
    )
    servers = ~Q(move__on_old_server=False) & ~Q(move__on_new_server=False) & ~Q(move__size_mb__gt=NEW_SERVER_MB)
    return held & Exists(in_force) & unit & servers


@requeue.objection
def not_clear(mails: Sequence[OutgoingMail], at: datetime) -> dict[int, str]:
    """Mail 4 of a mailbox that is red is not sent again by hand either."""
    closing = Mailing.objects.filter(mail__in=[mail.pk for mail in mails], step=Step.CLOSING)
    ready = set(closing.filter(clear()).values_list("mail", flat=True))
    why = "le pré-vol de sa boîte n’est pas clair ; voyez la page du lot."
    return {pk: why for pk in closing.values_list("mail", flat=True) if pk not in ready}


def _day(moment: datetime) -> str:
    return jour(brussels_date(moment))


def _arrived(mail: OutgoingMail) -> bool:
    return mail.sent_at is not None and mail.bounced_at is None


def _mail(step: int, mailing: Mailing | None, earlier: bool, *, at: datetime, night: datetime) -> Item:
    """Delivered: accepted and not come back. One that is still to come, or on its way, is red on the night only."""
    name = f"mail {step}"
    if mailing is None:
        if earlier:
            return Item(name, GOOD, "Arrivé lors d’un lot précédent.")
        return Item(name, BAD, "Il n’est prévu dans aucun lot.", SGNE)
    mail = mailing.mail
    if mail is not None:
        if mail.bounced_at:
            return Item(name, BAD, f"Revenu le {_day(mail.bounced_at)} : la boîte attend son titulaire.", SGNE)
        if mail.sent_at:
            return Item(name, GOOD, f"Arrivé le {_day(mail.sent_at)}.")
        if mail.status in STOPPED:
            why = f" : {mail.last_error}" if mail.last_error else "."
            return Item(name, BAD, f"Il n’a pas pu partir{why}", SGNE if step != Step.CREDENTIALS else ETNIC)
    elif mailing.held_at:
        return Item(name, BAD, f"Il attend une décision : {mailing.held_why}", SGNE)
    if at < min(night, mailing.due_at + timedelta(days=1)):
        return Item(name, WAITING, "En route." if mail else f"Prévu le {_day(mailing.due_at)}.")
    return Item(name, BAD, "Il n’est pas encore parti.", SGNE)


def _password(
    credential: Credential | None, mail_2: Mailing | None, *, was_told: bool, at: datetime, night: datetime
) -> Item:
    """In force in the directory, and known to its holder: by mail 2, or by a reset since. It is made for mail 2.

    That the portal kept no copy of it (a batch cancelled after mail 2) takes nothing from either; mail 4 says so.
    """
    name = "mot de passe"
    ours = credential is not None and credential.purpose == Credential.Purpose.MIGRATION
    if credential is None or (ours and credential.destroyed_at and not was_told):
        if mail_2 is not None and mail_2.mail is None and at < min(night, mail_2.due_at + timedelta(days=1)):
            return Item(name, WAITING, "Il sera fait pour le mail 2.")
        if credential is None:
            return Item(name, BAD, "Aucun mot de passe n’a été fait pour cette boîte.", ETNIC)
        words = f"Détruit ({credential.destroyed_why}) avant que le mail 2 arrive : un autre se fera avec ce mail."
        return Item(name, BAD, words, SGNE)
    if credential.refused_at:
        return Item(name, BAD, f"L’annuaire l’a refusé. {credential.last_error}".strip(), ETNIC)
    if credential.applied_at is None:
        return Item(name, BAD, "L’annuaire ne l’a pas encore.", ETNIC)
    if credential.purpose == Credential.Purpose.LOCK:
        return Item(name, WAITING, "Une demande arrêtée l’a mis hors service : personne ne le connaît.", HOLDER)
    if credential.purpose != Credential.Purpose.MIGRATION:
        return Item(name, GOOD, f"Changé depuis, le {_day(credential.issued_at)}, à la demande de la boîte.")
    if credential.destroyed_at is None:
        return Item(name, GOOD, "En vigueur dans l’annuaire ; le mail 4 le rappellera.")
    if credential.destroyed_why == RECALLED:
        return Item(name, GOOD, "En vigueur dans l’annuaire ; déjà rappelé par un mail 4.")
    words = (
        f"En vigueur et annoncé par le mail 2, mais le portail n’en a plus la copie ({credential.destroyed_why}) : le "
        "mail 4 renverra au mail 2. Qui l’a perdu en demande un autre."
    )
    return Item(name, WAITING, words, HOLDER)


def _going_on(move: Move, closing: Mailing | None) -> Item:
    name = "suspension"
    if move.paused_at:
        return Item(name, BAD, f"Suspendue par {move.paused_by} : {move.paused_why}", SGNE)
    if closing is not None and closing.held_at:
        return Item(name, BAD, f"Le mail 4 attend une décision : {closing.held_why}", SGNE)
    return Item(name, GOOD, "Ni suspendue, ni reportée.")


def _unit(move: Move, batch: Batch) -> Item:
    """Neither closed nor replaced by another (A10)."""
    unit = move.mailbox.organisation
    if unit.successor_id is not None:
        return Item("unité", BAD, "Une autre unité la remplace : sa boîte ne migre plus.", SGNE)
    if unit.closed_on is not None and unit.closed_on <= batch.night_on:
        return Item("unité", BAD, f"Fermée le {jour(unit.closed_on)} : sa boîte ne migre plus.", SGNE)
    return Item("unité", GOOD, "Ouverte.")


def _announced(move: Move, batch: Batch, *, unread: bool) -> Item:
    if unread:
        words = "La correction de la date n’est pas arrivée : le titulaire attend une autre nuit. Renvoyez-la."
        return Item("nuit annoncée", WAITING, words, SGNE)
    if move.announced_night is not None and move.announced_night != batch.night_on:
        told = jour(move.announced_night)
        return Item("nuit annoncée", WAITING, f"Le titulaire a lu une autre date, le {told}.", SGNE)
    return Item("nuit annoncée", GOOD, "Celle de ce lot.")


def _servers(move: Move) -> Iterable[Item]:
    """What ETNIC's tools found; what they have not said is known by one line."""
    if (move.on_old_server, move.on_new_server, move.size_mb) == (None, None, None):
        yield Item("contrôle", WAITING, "Ses outils n’ont encore rien dit de cette boîte.", ETNIC)
        return
    for name, found in (("ancien serveur", move.on_old_server), ("nouveau serveur", move.on_new_server)):
        if found is None:
            yield Item(name, WAITING, "Pas encore contrôlé.", ETNIC)
        elif found:
            yield Item(name, GOOD, "La boîte s’y trouve.")
        else:
            yield Item(name, BAD, "La boîte ne s’y trouve pas.", ETNIC)
    yield _size(move.size_mb)


def _size(megabytes: int | None) -> Item:
    if megabytes is None:
        return Item("taille", WAITING, "Pas encore contrôlée.", ETNIC)
    if megabytes > NEW_SERVER_MB:
        return Item("taille", BAD, f"{megabytes} Mo : la nouvelle boîte n’en contient que {NEW_SERVER_MB}.", ETNIC)
    if megabytes > OLD_SERVER_MB:
        words = f"{megabytes} Mo : plus que les {OLD_SERVER_MB} Mo de l’ancien serveur. Ce chiffre est-il juste ?"
        return Item("taille", WAITING, words, ETNIC)
    return Item("taille", GOOD, f"{megabytes} Mo.")


@dataclass(frozen=True)
class Noted:
    """What one line of ETNIC's file changes; a fault, and nothing of the file is recorded."""

    number: int
    address: str
    words: str
    is_fault: bool = False


@transaction.atomic
def note_findings(
    findings: Iterable[Finding],
    batch: Batch,
    *,
    by: str,
    at: datetime,
    faults: Iterable[Fault] = (),
    write: bool = True,
) -> list[Noted]:
    """Record what ETNIC's tools found of the mailboxes of that night, all of it or nothing. Raises Refusal.

    What the file does not say stays as it was; the same file twice changes nothing.
    """
    noted = [Noted(fault.line, fault.address, fault.why, is_fault=True) for fault in faults]
    rows = batch.moves.filter(status=Move.Status.PLANNED).select_related("mailbox").order_by("pk")
    if write:
        rows = rows.select_for_update(of=("self",))
    moves = {move.mailbox.address: move for move in rows}
    changed = []
    for finding in findings:
        move = moves.get(finding.address)
        if move is None:
            words = f"aucune boîte de cette adresse n’est à migrer dans le {batch}."
            noted.append(Noted(finding.line, finding.address, words, is_fault=True))
            continue
        noted.append(Noted(finding.line, finding.address, _words(finding)))
        for name in ("on_old_server", "on_new_server", "size_mb"):
            if (said := getattr(finding, name)) is not None:
                setattr(move, name, said)
        move.checked_at = at
        changed.append(move)
    noted.sort(key=attrgetter("number"))
    if write:
        if wrong := sum(line.is_fault for line in noted):
            raise Refusal(f"{wrong} lignes à corriger : rien n’est enregistré.")
        Move.objects.bulk_update(changed, ["on_old_server", "on_new_server", "size_mb", "checked_at"], batch_size=500)
        audit.record("preflight.recorded", about=batch, by=by, at=at, details={"boîtes": len(changed)})
    return noted


def _words(finding: Finding) -> str:
    said = {True: "oui", False: "non", None: "?"}
    size = "?" if finding.size_mb is None else f"{finding.size_mb} Mo"
    return (
        f"ancien serveur : {said[finding.on_old_server]} ; nouveau : {said[finding.on_new_server]} ; taille : {size}."
    )
