from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from accounts.models import Mailbox, Organisation
from bma_portal.badges import GOOD, NEUTRAL, WAITING, badge
from bma_portal.readonly import GuardedAdmin
from migration.models import Batch, Move
from migration.phases import Phase, with_phase
from migration.sheet import sheet_of

TONES = {Phase.NOT_STARTED: NEUTRAL, Phase.MIGRATED: GOOD}
CURRENT = [Move.Status.PLANNED, Move.Status.MIGRATED]


class PhaseFilter(admin.SimpleListFilter):
    title = "phase"
    parameter_name = "phase"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return list(Phase.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(phase=self.value()) if self.value() in Phase.values else queryset


class BatchFilter(admin.SimpleListFilter):
    title = "lot"
    parameter_name = "lot"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        batches = Batch.objects.exclude(status=Batch.Status.CANCELLED).order_by("-campaign", "number")
        return [("none", "aucun"), *((str(batch.pk), str(batch)) for batch in batches)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value() or ""
        if value == "none":
            return queryset.exclude(moves__status__in=CURRENT)
        if value in dict(self.lookup_choices):
            return queryset.filter(pk__in=Move.objects.filter(batch=value, status__in=CURRENT).values("mailbox"))
        return queryset


@admin.register(Mailbox)
class MailboxAdmin(GuardedAdmin):
    """The list of mailboxes and the sheet of one: all about its migration on one page (A8)."""

    viewed = "sheet.viewed"
    change_form_template = "admin/accounts/mailbox/change_form.html"
    list_display = ["address", "organisation_name", "municipality", "phase_shown", "batch_shown"]
    list_filter = [PhaseFilter, BatchFilter, "organisation__kind"]
    search_fields = ["address"]
    search_help_text = "Numéro FASE, adresse, ou mots du nom ou de la commune (avec ou sans accents)."
    ordering = ["address"]
    list_select_related = ["organisation"]
    fields = ["confirmed_on"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        current = Move.objects.filter(status__in=CURRENT).select_related("batch")
        boxes = super().get_queryset(request).prefetch_related(Prefetch("moves", current, "current_moves"))
        return with_phase(boxes, request.at)  # type: ignore[attr-defined]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        found = Organisation.objects.matching(search_term).order_by()
        return queryset.filter(organisation__in=found.values("pk")), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        mailbox = self.get_object(request, object_id)
        at = request.at  # type: ignore[attr-defined]
        context = {"mailbox": mailbox, "sheet": sheet_of(mailbox, at=at), "at": at} if mailbox else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    @admin.display(description="unité", ordering="organisation__search_key")
    def organisation_name(self, mailbox: Mailbox) -> str:
        return mailbox.organisation.name

    @admin.display(description="commune", ordering="organisation__municipality")
    def municipality(self, mailbox: Mailbox) -> str:
        return mailbox.organisation.municipality

    @admin.display(description="phase")
    def phase_shown(self, mailbox: Mailbox) -> SafeString:
        phase = Phase(mailbox.phase)  # type: ignore[attr-defined]
        return badge(phase.label, TONES.get(phase, WAITING))

    @admin.display(description="lot")
    def batch_shown(self, mailbox: Mailbox) -> str:
        return ", ".join(str(move.batch) for move in mailbox.current_moves)  # type: ignore[attr-defined]
