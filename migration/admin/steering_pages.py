"""One mailbox of a batch: « Suspendre », « Reprendre », « Reporter », « Renvoyer ce mail », each behind its question.

B12, B13, B18.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format

from bma_portal.clock import BRUSSELS
from bma_portal.errors import Refusal
from bma_portal.mail.admin import senders_of
from bma_portal.mail.models import OutgoingMail
from migration import resending, steering
from migration.admin.batch_deeds import count, of_day, why_field
from migration.models import Batch, Move


class BoxForm(forms.Form):
    """Nothing to fill in: one button."""

    def __init__(self, move: Move, at: datetime, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class BoxWhyForm(BoxForm):
    why = why_field(required=True)


class TargetField(forms.ModelChoiceField):
    def label_from_instance(self, batch: Batch) -> str:
        return f"{batch}, nuit du {of_day(batch.night_on)}, {batch.get_status_display()}"


class PostponeForm(BoxForm):
    to = TargetField(
        label="Vers",
        queryset=Batch.objects.none(),
        required=False,
        empty_label="le premier possible, sinon un nouveau lot",
        error_messages={"invalid_choice": "Ce lot ne peut plus recevoir cette boîte : choisissez-en un autre."},
    )
    why = why_field(required=True)

    def __init__(self, move: Move, at: datetime, *args: Any, **kwargs: Any) -> None:
        super().__init__(move, at, *args, **kwargs)
        found = [batch.pk for batch in steering.targets(move, at=at)]
        self.fields["to"].queryset = Batch.objects.filter(pk__in=found).order_by("night_on", "number")  # type: ignore[attr-defined]


@dataclass(frozen=True)
class BoxDeed:
    """A button beside a mailbox. `act` returns what is said once it is done."""

    label: str
    question: str
    stands: Callable[[Move], bool]
    act: Callable[[Move, dict[str, Any], str, datetime], str]
    form: type[BoxForm] = BoxWhyForm
    grave: bool = False


def _pause(move: Move, data: dict[str, Any], by: str, at: datetime) -> str:
    taken = steering.pause_move(move, by=by, at=at, why=data["why"])
    said = f"{move.mailbox} est suspendue."
    if taken.undone:
        said += f" {count(taken.undone, 'mail en file repris', 'mails en file repris')}."
    if taken.entrusted:
        said += f" {count(taken.entrusted, 'mail déjà confié', 'mails déjà confiés')} à Exchange."
    return said


def _resume(move: Move, data: dict[str, Any], by: str, at: datetime) -> str:
    held = steering.resume_move(move, by=by, at=at)
    late = f" {count(held, 'mail en retard attend', 'mails en retard attendent')} votre décision." if held else ""
    return f"{move.mailbox} reprend.{late}"


def _postpone(move: Move, data: dict[str, Any], by: str, at: datetime) -> str:
    done = steering.postpone(move, to=data["to"], by=by, at=at, why=data["why"])
    batch = done.move.batch
    said = f"{move.mailbox} est reportée dans le {batch}, nuit du {of_day(batch.night_on)}."
    if done.is_new:
        said += " Ce lot est nouveau : il est à approuver."
    if done.emptied:
        said += f" Le {done.emptied}, qui n’a plus de boîte, est annulé."
    return said + (" Une correction de la date part." if done.corrected else "")


def _is_planned(move: Move) -> bool:
    return move.status == Move.Status.PLANNED and move.batch.status in steering.LIVE_BATCH


DEEDS: dict[str, BoxDeed] = {
    "suspendre": BoxDeed(
        label="Suspendre",
        question="Plus aucun mail ne partira pour cette boîte ; les autres de son lot continuent. Sans mail 4, elle "
        "ne migrera pas.",
        stands=lambda move: _is_planned(move) and move.paused_at is None,
        act=_pause,
    ),
    "reprendre": BoxDeed(
        label="Reprendre",
        question="Les mails de cette boîte repartiront à leur date ; ceux qui sont trop en retard attendront une "
        "décision.",
        stands=lambda move: _is_planned(move) and move.paused_at is not None,
        act=_resume,
        form=BoxForm,
    ),
    "reporter": BoxDeed(
        label="Reporter",
        question="Cette boîte quitte son lot pour un autre, plus tard, avec les étapes qui lui restent. Les mails 1 "
        "et 2 déjà reçus ne sont pas répétés. Si une nuit lui a été annoncée, un mail corrige la date.",
        stands=_is_planned,
        act=_postpone,
        form=PostponeForm,
    ),
}


def _resending(mail: OutgoingMail) -> BoxDeed:
    """The deed about that mail, called by what it is."""
    step = resending.step_of(mail)
    name = f"le mail {step}" if step else "la correction de la date"

    def act(move: Move, data: dict[str, Any], by: str, at: datetime) -> str:
        leaves_at = resending.resend(move, mail, by=by, at=at, why=data["why"])
        day = date_format(leaves_at.astimezone(BRUSSELS), "j F Y à H:i")
        when = "dès maintenant" if leaves_at == at else f"à partir du {day}"
        return f"{name.capitalize()} de {move.mailbox} repart {when}."

    return BoxDeed(
        label=f"Renvoyer {name}",
        question="Ce mail n’est pas arrivé. Refait avec les dates d’aujourd’hui, il repart une fois, à son tour : "
        "jamais après un mail qui le suit. Les mails d’après qui n’ont pas pu partir le suivront. Renvoyez-le quand "
        "la cause est levée : place faite, adresse remise en ordre.",
        stands=lambda move: resending.stands(mail, move),
        act=act,
    )


def urls(page: ModelAdmin) -> list[URLPattern]:
    def steer_view(request: HttpRequest, object_id: str, move_id: int, name: str) -> HttpResponse:
        return steer(page, request, object_id, move_id, name)

    def resend_view(request: HttpRequest, object_id: str, move_id: int, mail_id: int) -> HttpResponse:
        return resend(page, request, object_id, move_id, mail_id)

    where, guarded = "<path:object_id>/boite/<int:move_id>/", page.admin_site.admin_view
    return [
        path(f"{where}renvoyer/<int:mail_id>/", guarded(resend_view), name="migration_batch_resend"),
        path(f"{where}<slug:name>/", guarded(steer_view), name="migration_batch_steer"),
    ]


def links(request: HttpRequest, move: Move | None) -> list[tuple[str, BoxDeed]]:
    """The buttons that this person has beside that mailbox now."""
    if move is None or not request.user.has_perm("migration.steer_move"):  # type: ignore[union-attr]
        return []
    return [
        (reverse("admin:migration_batch_steer", args=[move.batch_id, move.pk, name]), deed)
        for name, deed in DEEDS.items()
        if deed.stands(move)
    ]


def may_resend(request: HttpRequest, mail: OutgoingMail) -> bool:
    """Whoever steers mailboxes, and the team that signs that mail."""
    return request.user.has_perm("migration.steer_move") or mail.sender in senders_of(request.user)  # type: ignore[union-attr]


def resend_link(request: HttpRequest, move: Move, mail: OutgoingMail | None) -> str:
    """The address of « Renvoyer » for that mail, or « » where there is nothing to offer this person."""
    if mail is None or not resending.stands(mail, move) or not may_resend(request, mail):
        return ""
    return reverse("admin:migration_batch_resend", args=[move.batch_id, move.pk, mail.pk])


def steer(page: ModelAdmin, request: HttpRequest, object_id: str, move_id: int, name: str) -> HttpResponse:
    if not request.user.has_perm("migration.steer_move"):  # type: ignore[union-attr]
        raise PermissionDenied
    move, deed = _move(page, request, object_id, move_id), DEEDS.get(name)
    if deed is None:
        raise Http404
    return _ask(page, request, move, deed)


def resend(page: ModelAdmin, request: HttpRequest, object_id: str, move_id: int, mail_id: int) -> HttpResponse:
    if not request.user.has_perm("migration.view_batch"):  # type: ignore[union-attr]
        raise PermissionDenied
    move = _move(page, request, object_id, move_id)
    mail = resending.mails_of(move).defer("text", "html").filter(pk=mail_id).first()
    if mail is None:
        raise Http404
    if not may_resend(request, mail):
        raise PermissionDenied
    return _ask(page, request, move, _resending(mail))


def _move(page: ModelAdmin, request: HttpRequest, object_id: str, move_id: int) -> Move:
    batch = page.get_object(request, object_id)
    move = batch and Move.objects.filter(batch=batch, pk=move_id).select_related("mailbox", "batch__campaign").first()
    if move is None:
        raise Http404
    return move


def _ask(page: ModelAdmin, request: HttpRequest, move: Move, deed: BoxDeed) -> HttpResponse:
    """Ask, then do. What is refused is said on the batch's page."""
    batch, at = move.batch, request.at  # type: ignore[attr-defined]
    form = deed.form(move, at, request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            said = deed.act(move, form.cleaned_data, request.user.get_username(), at)  # type: ignore[union-attr]
        except Refusal as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, said)
        return redirect("admin:migration_batch_change", batch.pk)
    context = {
        **page.admin_site.each_context(request),
        "title": f"{deed.label} : {move.mailbox}",
        "subtitle": None,
        "opts": page.opts,
        "batch": batch,
        "move": move,
        "deed": deed,
        "form": form,
        "steps": move.mailings.select_related("mail").order_by("step"),
    }
    return TemplateResponse(request, "admin/migration/batch/steer.html", context)
