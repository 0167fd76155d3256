"""The life of a version: written, proposed, approved by somebody else of the team that sends that mail (C1, C8).

The pages ask whether a person answers for the mail (`senders_of`); what is here holds whoever asks.
"""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from bma_portal import audit
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.models import Sender
from migration.models.mailings import MailText, Step
from migration.texts import contents, language

Status = MailText.Status
SOURCES = Path(__file__).parent / "sources"
FIRST_AT = brussels(date(2024, 9, 2), 9)  # before the first mail of the campaign
FIRST_BY = "portail"
TOLD = 8  # how many faults a refusal names

# Who sends which (S4; S1 §5 says otherwise of mail 3: K2)
SENDERS = {
    Step.ANNOUNCEMENT: Sender.SGNE,
    Step.CREDENTIALS: Sender.ETNIC,
    Step.CONFIRMATION: Sender.SGNE,
    Step.CLOSING: Sender.ETNIC,
}


def install(mail_text: Any) -> None:
    """Write the first version of each text into that model's table, if it has none; it is the portal's, approved."""
    for step in Step.values:
        if not mail_text.objects.filter(step=step).exists():
            subject, body = source_of(step)
            mail_text.objects.bulk_create(
                [
                    mail_text(
                        step=step,
                        version=1,
                        subject=subject,
                        body=body,
                        status="approved",
                        why="Première version, d’après S1 §5 et S4.",
                        written_by=FIRST_BY,
                        written_at=FIRST_AT,
                        approved_by=FIRST_BY,
                        approved_at=FIRST_AT,
                    )
                ]
            )


def source_of(step: int) -> tuple[str, str]:
    """The subject and the body that the portal comes with."""
    head, _, body = (SOURCES / f"mail_{step}.md").read_text(encoding="utf-8").partition("\n")
    return head.removeprefix("Objet : "), language.clean(body)


def current(step: int) -> MailText:
    """The approved version with the highest number. Raises `MailText.DoesNotExist` if none was ever approved."""
    return MailText.objects.filter(step=step, status=Status.APPROVED).latest("version")


def first(step: int) -> MailText:
    """What left before texts had versions."""
    return MailText.objects.get(step=step, version=1)


def of_steps(steps: Iterable[int] = Step.values) -> dict[int, MailText]:
    """The same for several, in one statement; a mail without an approved text is not there."""
    found = MailText.objects.filter(step__in=list(steps), status=Status.APPROVED).order_by("step", "-version")
    return {text.step: text for text in found.distinct("step")}


def before(text: MailText) -> MailText | None:
    """What it replaces: the approved version just below it or, where there is none, the one before by number."""
    lower = MailText.objects.filter(step=text.step, version__lt=text.version).order_by("-version")
    return lower.filter(status=Status.APPROVED).first() or lower.first()


def fingerprint(text: MailText) -> str:
    """What a person has read, so that nothing else is approved in its name."""
    return hashlib.sha256(f"{text.subject}\n{text.body}".encode()).hexdigest()[:32]


@transaction.atomic
def write(step: int, *, subject: str, body: str, why: str, by: str, at: datetime) -> MailText:
    """A new draft, with the next number. Raises Refusal, each fault with its line; then nothing is kept."""
    subject, body = _accepted(step, subject, body, why)
    list(MailText.objects.select_for_update(of=("self",)).filter(step=step, version=1))  # one writer at a time
    last = MailText.objects.filter(step=step).aggregate(last=Max("version"))["last"] or 0
    try:
        with transaction.atomic():
            text = MailText.objects.create(
                step=step, version=last + 1, subject=subject, body=body, why=why.strip(), written_by=by, written_at=at
            )
    except IntegrityError:
        raise Refusal("Quelqu’un vient d’écrire une version de ce mail. Enregistrez encore une fois.") from None
    _record("text.written", text, by=by, at=at)
    return text


@transaction.atomic
def rewrite(text: MailText, *, subject: str, body: str, why: str, by: str, at: datetime) -> MailText:
    """The same draft, corrected by its author; whoever else has another idea writes another version."""
    locked = _locked(text)
    if locked.written_by != by:
        raise Refusal(f"Seul {locked.written_by} corrige ce brouillon. Écrivez une nouvelle version.")
    if locked.status != Status.DRAFT:
        raise Refusal("Ce texte n’est plus un brouillon : il ne se corrige plus.")
    subject, body = _accepted(locked.step, subject, body, why)
    locked.subject, locked.body, locked.why, locked.written_at = subject, body, why.strip(), at
    locked.save(update_fields=["subject", "body", "why", "written_at"])
    _record("text.written", locked, by=by, at=at)
    return locked


@transaction.atomic
def propose(text: MailText, *, by: str, at: datetime) -> None:
    """Its author asks for an approval; from then on it does not change."""
    locked = _locked(text)
    _mine(locked, by, "propose")
    _accepted(locked.step, locked.subject, locked.body, locked.why)
    locked.move_to(Status.PROPOSED, by=by, at=at)
    _record("text.proposed", locked, by=by, at=at)


@transaction.atomic
def take_back(text: MailText, *, by: str, at: datetime) -> None:
    """Its author takes a proposal back, to correct it."""
    locked = _locked(text)
    _mine(locked, by, "reprend")
    if locked.status != Status.PROPOSED:
        raise Refusal(f"Ce texte est « {locked.get_status_display()} » : il ne se reprend pas.")
    locked.move_to(Status.DRAFT, by=by, at=at)
    _record("text.taken_back", locked, by=by, at=at)


@transaction.atomic
def approve(text: MailText, *, by: str, at: datetime, seen: str) -> None:
    """A second person lets it be sent. `seen`: the fingerprint of what they read.

    The mails queued from now on are made of it; those that wait already keep theirs.
    """
    locked = _locked(text)
    _not_mine(locked, by)
    if seen != fingerprint(locked):
        raise Refusal("Ce texte a changé depuis que vous l’avez lu : relisez-le avant de l’approuver.")
    _accepted(locked.step, locked.subject, locked.body, locked.why)
    newer = MailText.objects.filter(step=locked.step, status=Status.APPROVED, version__gt=locked.version).first()
    if newer:
        raise Refusal(f"La version {newer.version} de ce mail est déjà approuvée : celle-ci ne servirait pas.")
    locked.move_to(Status.APPROVED, by=by, at=at, approved_by=by, approved_at=at)
    _record("text.approved", locked, by=by, at=at)


@transaction.atomic
def refuse(text: MailText, *, by: str, at: datetime, why: str) -> None:
    """A second person says no, and why."""
    why = why.strip()
    if not why:
        raise Refusal("Dites pourquoi : l’auteur doit pouvoir corriger.")
    locked = _locked(text)
    _not_mine(locked, by)
    locked.move_to(Status.REFUSED, by=by, at=at, note=why)
    _record("text.refused", locked, by=by, at=at, why=why)


def _accepted(step: int, subject: str, body: str, why: str) -> tuple[str, str]:
    """The subject and the body as they are kept."""
    subject, body = subject.strip(), language.clean(body)
    found = contents.faults(step, subject, body)
    if not why.strip():
        found.append("Dites en une phrase ce qui change : la personne qui approuve la lira.")
    if found:
        more = [f"Et {len(found) - TOLD} autres."] if len(found) > TOLD else []
        raise Refusal(" ".join(found[:TOLD] + more))
    return subject, body


def _locked(text: MailText) -> MailText:
    return MailText.objects.select_for_update(of=("self",)).get(pk=text.pk)


def _mine(text: MailText, by: str, does: str) -> None:
    if text.written_by != by:
        raise Refusal(f"Seul {text.written_by}, qui l’a écrit, {does} ce texte.")


def _not_mine(text: MailText, by: str) -> None:
    if text.status != Status.PROPOSED:
        raise Refusal(f"Ce texte est « {text.get_status_display()} » : il n’attend pas d’approbation.")
    if text.written_by == by:
        raise Refusal("Vous avez écrit ce texte : une autre personne de votre équipe doit en décider.")


def _record(action: str, text: MailText, *, by: str, at: datetime, why: str = "") -> None:
    details = {"mail": text.step, "version": text.version, "empreinte": fingerprint(text)}
    audit.record(action, about=text, by=by, at=at, why=why, details=details)
