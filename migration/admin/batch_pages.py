"""Two pages of a batch: its dry run (B11), and the evaluation of a pilot (B9)."""

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from bma_portal import audit
from bma_portal.errors import Refusal
from migration import pilot, rehearsal
from migration.models import Batch


def urls(page: ModelAdmin) -> list[URLPattern]:
    view = page.admin_site.admin_view
    return [
        path(
            "<path:object_id>/repetition/",
            view(lambda request, object_id: rehearsal_page(page, request, object_id)),
            name="migration_batch_rehearsal",
        ),
        path(
            "<path:object_id>/evaluation/",
            view(lambda request, object_id: evaluation_page(page, request, object_id)),
            name="migration_batch_evaluation",
        ),
    ]


def rehearsal_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """What the batch will do, moment by moment. Reads only."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    batch = _batch(page, request, object_id)
    listed = rehearsal.events(batch, at=request.at)  # type: ignore[attr-defined]
    context = {
        **page.admin_site.each_context(request),
        "title": f"Répétition du {batch}",
        "subtitle": None,
        "opts": page.opts,
        "batch": batch,
        "at": request.at,  # type: ignore[attr-defined]
        "moments": rehearsal.grouped(listed),
        "mails": sum(event.what == "mail" for event in listed),
        "held": sum(event.what == "held" for event in listed),
    }
    return TemplateResponse(request, "admin/migration/batch/rehearsal.html", context)


class EvaluationForm(forms.Form):
    text = forms.CharField(
        label="Ce que le pilote a appris",
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 8, "cols": 80}),
        help_text="Échecs, questions reçues, ce qui doit changer avant les autres lots. Ce texte reste au dossier.",
        error_messages={"required": "Écrivez ce que le pilote a appris."},
    )


def evaluation_page(page: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
    """Close the evaluation of a pilot: the other batches may be approved from then on."""
    if not request.user.has_perm("migration.decide_batch"):  # type: ignore[union-attr]
        raise PermissionDenied
    batch = _batch(page, request, object_id)
    if not batch.pilot:
        raise Http404
    form = EvaluationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        at, by = request.at, request.user.get_username()  # type: ignore[attr-defined]
        try:
            with audit.refusals("pilot.evaluated", about=batch, by=by, at=at):
                pilot.close_evaluation(batch, by=by, at=at, text=form.cleaned_data["text"])
        except Refusal as refusal:
            form.add_error("text", str(refusal))
        else:
            messages.success(request, f"L’évaluation du {batch} est close : les autres lots peuvent s’approuver.")
            return redirect("admin:migration_batch_change", batch.pk)
    context = {
        **page.admin_site.each_context(request),
        "title": f"Évaluation du {batch}",
        "subtitle": None,
        "opts": page.opts,
        "batch": batch,
        "form": form,
    }
    return TemplateResponse(request, "admin/migration/batch/evaluation.html", context)


def _batch(page: ModelAdmin, request: HttpRequest, object_id: str) -> Batch:
    batch = page.get_object(request, object_id)
    if batch is None:
        raise Http404
    return batch
