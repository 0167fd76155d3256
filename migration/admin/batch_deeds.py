"""What may be decided about a batch: each deed with its question, what it will do in figures, and its form."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django import forms
from django.utils.formats import date_format

from bma_portal.mail.models import OutgoingMail
from migration import corrections, decisions, sequence, steering, withdrawal
from migration.models import Batch, Mailing, Move

Status = Batch.Status


class DeedForm(forms.Form):
    """Nothing to fill in: one button."""

    def __init__(self, batch: Batch, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


def why_field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label="Motif",
        max_length=500,
        required=required,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        error_messages={"required": "Dites pourquoi : le motif reste au journal."},
    )


class WhyForm(DeedForm):
    note = why_field(required=False)


class ReasonForm(DeedForm):
    note = why_field(required=True)


def _day(label: str, *, required: bool = False) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": "Choisissez la nuit.", "invalid": "Écrivez une date, par exemple 12/11/2024."},
    )


class NightForm(DeedForm):
    night_on = _day("Nouvelle nuit, le soir du", required=True)
    mail3_on = _day("Mail 3, le")
    mail2_on = _day("Mail 2, le")
    note = why_field(required=True)

    def __init__(self, batch: Batch, *args: Any, **kwargs: Any) -> None:
        super().__init__(batch, *args, **kwargs)
        self.fields["night_on"].initial = batch.night_on
        for name in ("mail3_on", "mail2_on"):
            self.fields[name].help_text = "Vide : calculé d’après les délais, ou inchangé s’il est déjà parti."


@dataclass(frozen=True)
class Deed:
    """A button of the batch's page and the question behind it. `act` returns what is said once it is done."""

    label: str
    question: str
    statuses: frozenset[str]
    act: Callable[[Batch, dict[str, Any], str, datetime], str]
    figures: Callable[[Batch, datetime], list[str]]
    form: type[DeedForm] = DeedForm
    stands: Callable[[Batch], bool] = lambda batch: True
    grave: bool = False


def count(number: int, one: str, many: str) -> str:
    """« 0 mail », « 1 mail », « 3 mails »."""
    return f"{number} {many if number > 1 else one}"


def of_day(day: date) -> str:
    return date_format(day, "j F Y")


# What each will do


def _approving(batch: Batch, at: datetime) -> list[str]:
    boxes, least = batch.moves.live().count(), batch.campaign.second_person_from
    first = Mailing.objects.filter(move__batch=batch, mail=None).order_by("due_at").first()
    found = [f"{count(boxes, 'boîte', 'boîtes')} à migrer la nuit du {of_day(batch.night_on)}."]
    if first:
        found.append(f"Premier départ : mail {first.step}, le {date_format(first.due_at, 'j F Y à H:i')}.")
    if boxes >= least and batch.planned_by:
        found.append(
            f"Lot planifié par {batch.planned_by} : à partir de {least} boîtes, une autre personne l’approuve."
        )
    return found


def _opening(batch: Batch, at: datetime) -> list[str]:
    others = batch.moves.live().filter(position__gt=sequence.FIRST_FIVE).count()
    return [f"{count(others, 'autre boîte suivra', 'autres boîtes suivront')}."]


def _on_their_way(batch: Batch) -> dict[str, int]:
    pks = list(batch.moves.live().values_list("pk", flat=True))
    mails = withdrawal.mails_of(pks)
    return {
        status: sum(found.filter(status=status).count() for found in mails)
        for status in (OutgoingMail.Status.QUEUED, OutgoingMail.Status.SENDING)
    }


def _pausing(batch: Batch, at: datetime) -> list[str]:
    waiting, entrusted = _on_their_way(batch).values()
    return [
        f"{count(waiting, 'mail en file repris', 'mails en file repris')} : rien d’autre ne partira de ce lot.",
        f"{count(entrusted, 'mail déjà confié', 'mails déjà confiés')} à Exchange en ce moment.",
    ]


def _resuming(batch: Batch, at: datetime) -> list[str]:
    late, soon = sequence.late_and_due(batch, at=at)
    told = batch.moves.live().filter(announced_night__isnull=False, paused_at=None)
    wrong = told.exclude(announced_night=batch.night_on).count()
    return [
        f"{count(late, 'mail trop en retard attendra', 'mails trop en retard attendront')} votre décision.",
        f"{count(soon, 'mail dû partira', 'mails dus partiront')} dès que ses conditions sont réunies.",
        f"{count(wrong, 'correction de date partira', 'corrections de date partiront')} aussitôt.",
    ]


def _cancelling(batch: Batch, at: datetime) -> list[str]:
    waiting, entrusted = _on_their_way(batch).values()
    told = batch.moves.live().filter(announced_night__isnull=False).count()
    return [
        f"{count(batch.moves.live().count(), 'boîte quitte', 'boîtes quittent')} ce lot.",
        f"{count(waiting, 'mail en file annulé', 'mails en file annulés')} ; "
        f"{count(entrusted, 'mail déjà confié', 'mails déjà confiés')} à Exchange.",
        f"{count(told, 'titulaire a déjà lu', 'titulaires ont déjà lu')} la date : prévenez-les.",
    ]


def _moving(batch: Batch, at: datetime) -> list[str]:
    live = batch.moves.live()
    unsent = Mailing.objects.filter(move__in=live, mail=None).count()
    told = live.filter(corrections.has_read()).count()
    found = [
        f"{count(unsent, 'mail pas encore parti suit', 'mails pas encore partis suivent')} la nouvelle nuit ; "
        "ceux qui sont partis restent ce qu’ils sont.",
        f"{count(told, 'titulaire a lu', 'titulaires ont lu')} la nuit du {of_day(batch.night_on)} : un mail la "
        "corrige, un seul par boîte, en réponse au dernier qui la disait.",
    ]
    if batch.status == Status.PAUSED:
        found.append("Ce lot est suspendu : les corrections partiront à sa reprise.")
    return found


def _retrying(batch: Batch, at: datetime) -> list[str]:
    failed = batch.moves.filter(status=Move.Status.FAILED).exclude(mailbox__moves__status=Move.Status.PLANNED)
    return [
        f"{count(failed.count(), 'boîte en échec', 'boîtes en échec')} à reprendre.",
        "Un nouveau lot à approuver, aux premières dates possibles. Le mail 2 n’est pas répété : le mot de passe "
        "envoyé reste le bon.",
    ]


# What is said once it is done


def _approve(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    decisions.approve(batch, by=by, at=at)
    return f"Le {batch} est approuvé."


def _resume(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    done = decisions.resume(batch, by=by, at=at)
    said = f"Le {batch} reprend."
    if done.held:
        said += f" {count(done.held, 'mail en retard attend', 'mails en retard attendent')} votre décision."
    if done.corrected:
        said += f" {count(done.corrected, 'correction de date part', 'corrections de date partent')}."
    return said


def _open(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    decisions.open_to_all(batch, by=by, at=at)
    return f"Le {batch} est ouvert à toutes ses boîtes."


def _pause(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    taken = decisions.pause(batch, by=by, at=at, note=data["note"])
    said = f"Le {batch} est suspendu."
    if taken.undone:
        said += f" {count(taken.undone, 'mail en file repris', 'mails en file repris')}."
    if taken.entrusted:
        said += f" {count(taken.entrusted, 'mail déjà confié', 'mails déjà confiés')} à Exchange."
    return said


def _cancel(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    decisions.cancel(batch, by=by, at=at, note=data["note"])
    return f"Le {batch} est annulé."


def _move(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    days = {name: data[name] for name in ("night_on", "mail3_on", "mail2_on")}
    corrected = corrections.move_dates(batch, **days, by=by, at=at, why=data["note"])
    sent = count(corrected, "correction part", "corrections partent")
    return f"Le {batch} migre maintenant la nuit du {of_day(batch.night_on)} ; {sent}."


def _retry(batch: Batch, data: dict[str, Any], by: str, at: datetime) -> str:
    again = steering.retry_failed(batch, by=by, at=at)
    boxes = count(again.moves.count(), "boîte", "boîtes")
    return f"Les échecs du {batch} ({boxes}) sont dans le {again}, à approuver : nuit du {of_day(again.night_on)}."


def retried(batch: Batch) -> bool:
    """Some of its mailboxes failed and are in no other batch."""
    failed = batch.moves.filter(status=Move.Status.FAILED)
    again = Move.objects.filter(status__in=[Move.Status.PLANNED, Move.Status.MIGRATED]).values("mailbox")
    return failed.exclude(mailbox__in=again).exists()


DEEDS: dict[str, Deed] = {
    "approuver": Deed(
        label="Approuver",
        question="Les mails de ce lot partiront à leur date : d’abord ceux de ses cinq premières boîtes, les autres "
        "quand vous l’aurez ouvert à tous.",
        statuses=frozenset({Status.DRAFT}),
        act=_approve,
        figures=_approving,
    ),
    "reprendre": Deed(
        label="Reprendre",
        question="Ce lot repart d’où il s’était arrêté. Ce qui est devenu trop tard attend une décision, mail par "
        "mail ; les boîtes déjà en échec ne le suspendront plus.",
        statuses=frozenset({Status.PAUSED}),
        act=_resume,
        figures=_resuming,
    ),
    "ouvrir": Deed(
        label="Ouvrir à tous",
        question="Vous avez vu ce qu’il advient des cinq premières boîtes : les autres suivront sans attendre.",
        statuses=frozenset(Batch.MOVING),
        act=_open,
        figures=_opening,
        stands=lambda batch: batch.released_at is None,
    ),
    "suspendre": Deed(
        label="Suspendre",
        question="Les mails de ce lot qui attendent leur tour ne partiront pas. Ceux qui sont déjà en route "
        "arriveront. Vous pourrez le reprendre.",
        statuses=frozenset(Batch.MOVING),
        act=_pause,
        figures=_pausing,
        form=WhyForm,
    ),
    "nuit": Deed(
        label="Changer la nuit",
        question="Les mails qui ne sont pas partis suivent la nouvelle nuit. Qui a déjà lu l’ancienne date reçoit une "
        "correction.",
        statuses=frozenset(corrections.MOVABLE),
        act=_move,
        figures=_moving,
        form=NightForm,
    ),
    "echecs": Deed(
        label="Reprendre les échecs",
        question="Les boîtes de ce lot dont la nuit n’a pas réussi, et elles seules, vont dans un nouveau lot.",
        statuses=frozenset({*Batch.MOVING, Status.PAUSED, Status.FINISHED, Status.FINISHED_WITH_ERRORS}),
        act=_retry,
        figures=_retrying,
        stands=retried,
    ),
    "annuler": Deed(
        label="Annuler le lot",
        question="Plus aucun mail de ce lot ne partira et le portail détruira sa copie des mots de passe ; ceux que "
        "le mail 2 a déjà annoncés restent bons. Une annulation ne se défait pas : il faudra replanifier ces boîtes.",
        statuses=frozenset({Status.DRAFT, *Batch.MOVING, Status.PAUSED}),
        act=_cancel,
        figures=_cancelling,
        form=ReasonForm,
        grave=True,
    ),
}


def open_to(batch: Batch) -> dict[str, Deed]:
    """By name, what may be decided about this batch as it stands."""
    return {name: deed for name, deed in DEEDS.items() if batch.status in deed.statuses and deed.stands(batch)}
