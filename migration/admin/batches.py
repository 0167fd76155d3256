"""The list of batches, and the page of one: how far it is, each of its mailboxes, what may be decided."""

from collections.abc import Callable
from dataclasses import replace

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
from migration import glance, progress, sequence
from migration.admin import batch_deeds, batch_pages, nights, steering_pages
from migration.models import Batch, Mailing, Move

Status = Batch.Status
TONES = {
    Status.DRAFT: NEUTRAL,
    Status.APPROVED: WAITING,
    Status.RUNNING: WAITING,
    Status.PAUSED: BAD,
    Status.FINISHED: GOOD,
    Status.FINISHED_WITH_ERRORS: BAD,
    Status.CANCELLED: NEUTRAL,
}
SHOWN = 200  # mailboxes of one state on the page of a batch; the list has the others


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
        "again", "planned_by", "approved_by", "approved_at", "released_by", "released_at",
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
        if batch.status in Batch.MOVING and batch.released_at is None:
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
        return [*batch_pages.urls(self), *steering_pages.urls(self), *nights.urls(self), *ours, *super().get_urls()]

    def may_decide(self, request: HttpRequest) -> bool:
        return request.user.has_perm("migration.decide_batch")

    def open_decisions(self, request: HttpRequest, batch: Batch) -> dict[str, batch_deeds.Deed]:
        """By name, what this person may decide about this batch as it stands."""
        return batch_deeds.open_to(batch) if self.may_decide(request) else {}

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
                "glance": glance.groups(batch),
                "retries": batch.retries.order_by("number"),
                "shown": f":{SHOWN}",
                "steps": [(Mailing.Step(step).label, sent) for step, sent in tally.sent.items()],
                "decisions": [
                    (reverse("admin:migration_batch_decide", args=[batch.pk, name]), decision)
                    for name, decision in self.open_decisions(request, batch).items()
                ],
                "changes": [
                    replace(journal.line(change), about=str(batch))
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
        deed = batch_deeds.DEEDS.get(name)
        if batch is None or deed is None:
            raise Http404
        at = request.at  # type: ignore[attr-defined]
        form = deed.form(batch, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                said = deed.act(batch, form.cleaned_data, request.user.get_username(), at)
            except Refusal as refusal:
                if "night_on" not in form.fields:
                    messages.error(request, str(refusal))
                    return redirect("admin:migration_batch_change", batch.pk)
                batch = self.get_object(request, object_id)  # as it is: nothing was changed
                if batch is None:
                    raise Http404 from None
                form.add_error("night_on", str(refusal))
            else:
                messages.success(request, said)
                return redirect("admin:migration_batch_change", batch.pk)
        first_five = Move.objects.filter(batch=batch, position__lte=sequence.FIRST_FIVE)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{deed.label} : {batch}",
            "subtitle": None,
            "opts": self.opts,
            "batch": batch,
            "decision": deed,
            "figures": deed.figures(batch, at),
            "form": form,
            "tally": progress.tallies([batch.pk])[batch.pk],
            "first_five": first_five.select_related("mailbox").prefetch_related("mailings__mail")
            if name == "ouvrir"
            else [],
        }
        return TemplateResponse(request, "admin/migration/batch/decision.html", context)
