"""What happened to one mailbox, fact by fact: when, what, who, why. Made from rows that are already read.

A person's deed is told by the log of states, which names her; a fact that the log does not tell has its own date.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from accounts.models import Credential, OrganisationChange
from bma_portal.journal import Line
from bma_portal.mail.models import OutgoingMail
from migration.models import Batch, Mailing, Move

PORTAL, DIRECTORY, EXCHANGE = "portail", "annuaire", "Exchange"
LONGEST = 120


@dataclass(frozen=True)
class Fact:
    at: datetime
    what: str
    who: str = ""
    why: str = ""


def told(
    moves: Sequence[Move],
    mailings: Sequence[Mailing],
    corrections: Sequence[OutgoingMail],
    credentials: Sequence[Credential],
    changes: Sequence[Line],
    of_unit: Sequence[OrganisationChange],
) -> list[Fact]:
    """The latest first."""
    named, kind = _names(moves, mailings), Move._meta.label_lower
    of_moves = [line.change for line in changes if line.change.object_type == kind]
    logged = {(change.object_id, change.at) for change in of_moves}
    facts = [
        *(fact for move in moves for fact in _of_move(move) if (move.pk, fact.at) not in logged),
        *(fact for mailing in mailings for fact in _of_mailing(mailing)),
        *(fact for mail in corrections for fact in _of_mail(mail, "correction de la date", "")),
        *(fact for credential in credentials for fact in _of_password(credential)),
        *(_of_change(line, named) for line in changes),
        *(_of_unit(change) for change in of_unit),
    ]
    return sorted(facts, key=lambda fact: fact.at)[::-1]  # of one moment, what is told last comes first


def _dated(rows: Iterable[tuple[datetime | None, str, str, str]]) -> Iterator[Fact]:
    return (Fact(at, what, who, why) for at, what, who, why in rows if at)


def _of_move(move: Move) -> Iterator[Fact]:
    where = f"{move.batch}"
    accepted = f"{move.skipped_items} éléments non repris : admis ({where})"
    return _dated(
        [
            (move.migrated_at, f"boîte déplacée sur le nouveau serveur ({where})", "ETNIC", move.signed_by),
            (move.rolled_back_at, f"boîte remise sur l’ancien serveur ({where})", "", ""),
            (move.paused_at, f"passage suspendu ({where})", move.paused_by, move.paused_why),
            (move.checked_at, f"boîte contrôlée avant la nuit ({where})", "ETNIC", _checked(move)),
            (move.skipped_at, accepted, move.skipped_by, move.skipped_note),
        ]
    )


def _checked(move: Move) -> str:
    said = {True: "oui", False: "non", None: "non dit"}
    size = "" if move.size_mb is None else f", {move.size_mb} Mo"
    return f"ancien serveur : {said[move.on_old_server]}, nouveau serveur : {said[move.on_new_server]}{size}"


def _of_mailing(mailing: Mailing) -> Iterator[Fact]:
    name, mail = mailing.get_step_display(), mailing.mail
    yield from _dated([(mailing.held_at, f"{name} : attend une décision", PORTAL, mailing.held_why)])
    if mail is None:
        return
    yield from _of_mail(mail, name, f"texte version {mailing.text.version}" if mailing.text else "")


def _of_mail(mail: OutgoingMail, name: str, version: str) -> Iterator[Fact]:
    return _dated(
        [
            (mail.queued_at, f"{name} : mis en file", PORTAL, version),
            (mail.sent_at, f"{name} : parti", mail.get_sender_display(), mail.get_proof_display()),
            (mail.delayed_at, f"{name} : retardé en chemin", EXCHANGE, ""),
            (mail.delivered_at, f"{name} : remis", EXCHANGE, ""),
            (mail.bounced_at, f"{name} : revenu", EXCHANGE, f"{mail.delivery_code} {mail.delivery_text}".strip()),
        ]
    )


def _of_password(credential: Credential) -> Iterator[Fact]:
    name = f"mot de passe, {credential.get_purpose_display()}"
    taken_by = credential.taken_by.get_username() if credential.taken_by else ""
    return _dated(
        [
            (credential.issued_at, f"{name} : créé", PORTAL, ""),
            (credential.taken_at, f"{name} : pris pour être posé à la main", taken_by, ""),
            (credential.applied_at, f"{name} : en vigueur", taken_by or DIRECTORY, ""),
            (credential.refused_at, f"{name} : refusé", DIRECTORY, credential.last_error),
            (credential.superseded_at, f"{name} : remplacé", PORTAL, ""),
            (credential.destroyed_at, f"{name} : secret détruit", PORTAL, credential.destroyed_why),
        ]
    )


def _names(moves: Sequence[Move], mailings: Sequence[Mailing]) -> dict[tuple[str, int], str]:
    """How the objects of the log are called on this page, where a number says nothing."""
    batch, move_, mailing_, mail_ = (m._meta.label_lower for m in (Batch, Move, Mailing, OutgoingMail))
    named = {(batch, move.batch_id): str(move.batch) for move in moves}
    named |= {(move_, move.pk): f"passage dans le {move.batch}" for move in moves}
    named |= {(mailing_, mailing.pk): mailing.get_step_display() for mailing in mailings}
    return named | {(mail_, m.mail_id): m.get_step_display() for m in mailings if m.mail_id}


def _of_change(line: Line, named: dict[tuple[str, int], str]) -> Fact:
    change = line.change
    about = named.get((change.object_type, change.object_id), line.about)
    return Fact(change.at, f"{about} : {line.old} → {line.new}", change.by, change.note)


def _of_unit(change: OrganisationChange) -> Fact:
    who = change.by.get_username() if change.by else "registre FASE"
    return Fact(change.at, f"unité, {change.get_field_display()} : {_short(change.old)} → {_short(change.new)}", who)


def _short(value: str) -> str:
    text = str(value or "—")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
