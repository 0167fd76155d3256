"""The batches and the four decisions about one: approve, pause, open to all, cancel."""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bma_portal import journal
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.readonly import ReadOnlyAdmin
from bma_portal.states import StateChange
from migration import decisions, progress, sequence
from migration.models import Batch, Mailing, Move

Status = Batch.Status
TONES = {
    Status.DRAFT: NEUTRAL,
    Status.APPROVED: WAITING,
    Status.PAUSED: BAD,
    Status.FINISHED: GOOD,
    Status.CANCELLED: NEUTRAL,
}


@dataclass(frozen=True)
class Decision:
    """A button of the batch's page and the question behind it."""

    label: str
    question: str
    done: str
    act: Callable[..., None]
    statuses: frozenset[str]
    asks_why: bool = False
    why_required: bool = False
    grave: bool = False


DECISIONS = {
    "approuver": Decision(
        label="Approuver",
        question="Les mails de ce lot partiront à leur date : d’abord ceux de ses cinq premières boîtes, les autres "
        "quand vous l’aurez ouvert à tous.",
        done="Le {batch} est approuvé.",
        act=decisions.approve,
        statuses=frozenset({Status.DRAFT, Status.PAUSED}),
    ),
    "ouvrir": Decision(
        label="Ouvrir à tous",
        question="Vous avez vu ce qu’il advient des cinq premières boîtes : les autres suivront sans attendre.",
        done="Le {batch} est ouvert à toutes ses boîtes.",
        act=decisions.open_to_all,
        statuses=frozenset({Status.APPROVED}),
    ),
    "suspendre": Decision(
        label="Suspendre",
        question="Les mails de ce lot qui attendent leur tour ne partiront pas. Ceux qui sont déjà en route "
        "arriveront. Vous pourrez l’approuver de nouveau.",
        done="Le {batch} est suspendu.",
        act=decisions.pause,
        statuses=frozenset({Status.APPROVED}),
        asks_why=True,
    ),
    "annuler": Decision(
        label="Annuler le lot",
        question="Plus aucun mail de ce lot ne partira et les mots de passe de ses boîtes seront détruits. Une "
        "annulation ne se défait pas : il faudra replanifier ces boîtes.",
        done="Le {batch} est annulé.",
        act=decisions.cancel,
        statuses=frozenset({Status.DRAFT, Status.APPROVED, Status.PAUSED}),
        asks_why=True,
        why_required=True,
        grave=True,
    ),
}


class WhyForm(forms.Form):
    note = forms.CharField(
        label="Motif", max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 3, "cols": 60})
    )

    def __init__(self, decision: Decision, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not decision.asks_why:
            del self.fields["note"]
        elif decision.why_required:
            self.fields["note"].required = True
            self.fields["note"].error_messages["required"] = "Dites pourquoi : le motif reste au journal."


class TalliedList(ChangeList):
    """The list of batches, each with its figures, in two statements for the whole page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        figures = progress.tallies([batch.pk for batch in self.result_list])
        for batch in self.result_list:
            batch.tally = figures[batch.pk]


def _mail_column(step: int, field: str, title: str) -> Callable[[admin.ModelAdmin, Batch], SafeString]:
    """One column of the list: the day of that mail, and how many have left."""

    @admin.display(description=title, ordering=field)
    def column(page: admin.ModelAdmin, batch: Batch) -> SafeString:
        sent = batch.tally.sent[step]  # type: ignore[attr-defined]
        day = date_format(getattr(batch, field), "d/m/Y")
        return format_html(
            '<span class="day">{}</span><br><span class="quiet">{} envoyé{}</span>', day, sent, "s" if sent > 1 else ""
        )

    return column


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    change_form_template = "admin/migration/batch/change_form.html"
    list_display = [
        "number", "kind", "status_shown", "boxes", "mail_1", "mail_2", "mail_3", "mail_4", "migrated", "bad", "held",
    ]  # fmt: skip
    list_filter = ["status", "kind", "campaign"]
    fields = [
        "campaign", "number", "kind", "status_shown", "mail1_on", "mail2_on", "mail3_on", "night_on",
        "approved_by", "approved_at", "released_by", "released_at",
    ]  # fmt: skip
    readonly_fields = fields
    mail_1 = _mail_column(1, "mail1_on", "mail 1")
    mail_2 = _mail_column(2, "mail2_on", "mail 2")
    mail_3 = _mail_column(3, "mail3_on", "mail 3")
    mail_4 = _mail_column(4, "night_on", "nuit et mail 4")

    def get_changelist(self, request: HttpRequest, **kwargs) -> type[ChangeList]:
        return TalliedList

    @admin.display(description="état", ordering="status")
    def status_shown(self, batch: Batch) -> SafeString:
        shown = badge(batch.get_status_display(), TONES[Status(batch.status)])
        if batch.status == Status.APPROVED and batch.released_at is None:
            return format_html('{}<br><span class="quiet">cinq premières boîtes</span>', shown)
        return shown

    @admin.display(description="boîtes")
    def boxes(self, batch: Batch) -> int:
        return batch.tally.boxes  # type: ignore[attr-defined]

    @admin.display(description="migrées")
    def migrated(self, batch: Batch) -> int:
        return batch.tally.migrated  # type: ignore[attr-defined]

    @admin.display(description="en échec")
    def bad(self, batch: Batch) -> int | SafeString:
        count = batch.tally.bad  # type: ignore[attr-defined]
        return badge(str(count), BAD) if count else 0

    @admin.display(description="à décider")
    def held(self, batch: Batch) -> int | SafeString:
        count = batch.tally.held  # type: ignore[attr-defined]
        return badge(str(count), BAD) if count else 0

    def get_urls(self) -> list[URLPattern]:
        decide = self.admin_site.admin_view(self.decide)
        ours = [path("<path:object_id>/decision/<slug:name>/", decide, name="migration_batch_decide")]
        return ours + super().get_urls()

    def may_decide(self, request: HttpRequest) -> bool:
        return request.user.has_perm("migration.decide_batch")

    def open_decisions(self, request: HttpRequest, batch: Batch) -> dict[str, Decision]:
        """By name, what this person may decide about this batch as it stands."""
        if not self.may_decide(request):
            return {}
        return {
            name: decision
            for name, decision in DECISIONS.items()
            if batch.status in decision.statuses and not (name == "ouvrir" and batch.released_at)
        }

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        batch = self.get_object(request, object_id)
        context = {}
        if batch:
            tally = progress.tallies([batch.pk])[batch.pk]
            context = {
                "batch": batch,
                "tally": tally,
                "steps": [(Mailing.Step(step).label, sent) for step, sent in tally.sent.items()],
                "decisions": [
                    (reverse("admin:migration_batch_decide", args=[batch.pk, name]), decision)
                    for name, decision in self.open_decisions(request, batch).items()
                ],
                "changes": [
                    journal.line(change)
                    for change in StateChange.objects.filter(
                        object_type=Batch._meta.label_lower, object_id=batch.pk
                    ).order_by("-id")[:50]
                ],
            }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def decide(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask, then do. What is refused is said on the batch's page."""
        if not self.may_decide(request):
            raise PermissionDenied
        batch = self.get_object(request, object_id)
        decision = DECISIONS.get(name)
        if batch is None or decision is None:
            raise Http404
        form = WhyForm(decision, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            why = {"note": form.cleaned_data["note"]} if decision.asks_why else {}
            try:
                decision.act(batch, by=request.user.get_username(), at=request.at, **why)  # type: ignore[attr-defined]
            except Refusal as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, decision.done.format(batch=batch))
            return redirect("admin:migration_batch_change", batch.pk)
        first_five = Move.objects.filter(batch=batch, position__lte=sequence.FIRST_FIVE)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{decision.label} : {batch}",
            "subtitle": None,
            "opts": self.opts,
            "batch": batch,
            "decision": decision,
            "form": form,
            "tally": progress.tallies([batch.pk])[batch.pk],
            "first_five": first_five.select_related("mailbox").prefetch_related("mailings__mail")
            if name == "ouvrir"
            else [],
        }
        return TemplateResponse(request, "admin/migration/batch/decision.html", context)
