"""The passage of each mailbox in its batch: the results of a night, what was left behind, a return, the closing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from accounts.admin_search import SEARCHED, of_units
from accounts.models import Mailbox
from bma_portal import confirmation
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.readonly import ReadOnlyAdmin
from migration import closing_countdown, cutover
from migration.admin import nights, steering_pages
from migration.campaigns import default_campaign
from migration.models import Move

TONES = {
    Move.Status.PLANNED: WAITING,
    Move.Status.MIGRATED: GOOD,
    Move.Status.FAILED: BAD,
    Move.Status.CANCELLED: NEUTRAL,
    Move.Status.POSTPONED: NEUTRAL,
    Move.Status.ROLLED_BACK: BAD,
}


@dataclass(frozen=True)
class Deed:
    """A button of a move's page and the question behind it; a reason is always asked."""

    label: str
    question: str
    why: str  # the label of the field
    done: str
    permissions: tuple[str, ...]  # any of them
    stands: Callable[[Move], bool]
    act: Callable[[Move, str, str, datetime], object]  # (move, reason, by, at)
    grave: bool = False


DEEDS = {
    "elements": Deed(
        label="Admettre les éléments non repris",
        question="Les outils de l’ETNIC n’ont pas repris tous les éléments de cette boîte. Tant que personne ne "
        "l’admet, son lot ne se termine pas. Dites pourquoi c’est admis : par exemple, ce que le titulaire en sait.",
        why="Pourquoi c’est admis",
        done="Les éléments non repris de {box} sont admis.",
        permissions=("migration.steer_move",),
        stands=lambda move: move.skipped_items > 0 and move.skipped_at is None,
        act=lambda move, why, by, at: cutover.accept_skipped([move.pk], note=why, by=by, at=at),
    ),
    "remise": Deed(
        label="Remettre sur l’ancien serveur",
        question="Cette boîte se lira de nouveau sur l’ancien serveur, et le portail le dira au titulaire. Aucun mail "
        "ne part ; le mot de passe du mail 2 reste valable pour la prochaine nuit. Il faudra la mettre dans un "
        "autre lot.",
        why="Motif",
        done="{box} est remise sur l’ancien serveur.",
        permissions=("migration.record_cutover", "migration.steer_move"),
        stands=lambda move: move.status == Move.Status.MIGRATED,
        act=lambda move, why, by, at: cutover.roll_back(move, by=by, at=at, why=why),
        grave=True,
    ),
}


class WhyForm(forms.Form):
    why = forms.CharField(
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        error_messages={"required": "Dites pourquoi : le motif reste au journal."},
    )

    def __init__(self, label: str, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["why"].label = label


class SkippedFilter(admin.SimpleListFilter):
    title = "éléments non repris"
    parameter_name = "non-repris"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [("a-admettre", "à admettre"), ("admis", "admis")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "a-admettre":
                return queryset.filter(skipped_items__gt=0, skipped_at=None)
            case "admis":
                return queryset.filter(skipped_items__gt=0, skipped_at__isnull=False)
        return queryset


@admin.register(Move)
class MoveAdmin(ReadOnlyAdmin):
    """The passage of each mailbox in its batch; ETNIC records the results of a night from here."""

    change_list_template = "admin/migration/move/change_list.html"
    change_form_template = "admin/migration/move/change_form.html"
    list_display = [
        "mailbox", "batch", "position", "status_shown", "migrated_at", "failure", "skipped_shown", "signed_by",
    ]  # fmt: skip
    list_filter = ["status", SkippedFilter, "batch"]
    list_select_related = ["mailbox", "batch"]
    search_fields = ["mailbox__address"]  # the search itself is `of_units`
    search_help_text = SEARCHED
    fields = [
        "mailbox", "batch", "position", "status_shown", "announced_night", "migrated_at", "failure", "signed_by",
        "rolled_back_at", "paused_at", "paused_by", "paused_why", "on_old_server", "on_new_server", "size_mb",
        "checked_at", "skipped_items", "skipped_note", "skipped_by", "skipped_at",
    ]  # fmt: skip
    readonly_fields = fields
    actions = ["accept_skipped"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return of_units(queryset, search_term, "mailbox__organisation"), False

    @admin.display(description="état", ordering="status")
    def status_shown(self, move: Move) -> SafeString:
        return badge(move.get_status_display(), TONES[Move.Status(move.status)])

    @admin.display(description="non repris", ordering="skipped_items")
    def skipped_shown(self, move: Move) -> SafeString | str:
        if not move.skipped_items:
            return ""
        return badge(f"{move.skipped_items}, admis", GOOD) if move.skipped_at else badge(str(move.skipped_items), BAD)

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("migration.steer_move")

    @admin.action(description="Admettre les éléments non repris", permissions=["steer"])
    def accept_skipped(self, request: HttpRequest, queryset: QuerySet[Move]) -> HttpResponse | None:
        waiting = queryset.filter(skipped_items__gt=0, skipped_at=None)
        if waiting.exists() and not confirmation.is_confirmed(request):
            elements = DEEDS["elements"]
            return confirmation.ask(
                self,
                request,
                Mailbox.objects.filter(moves__in=waiting),
                action="accept_skipped",
                title=elements.label,
                question="Les outils de l’ETNIC n’ont pas tout repris de ces boîtes. Une même raison vaut "
                "pour toutes : sinon, admettez-les une par une, depuis leur page.",
                button="Admettre",
                why=elements.why,
            )
        by, at = request.user.get_username(), request.at  # type: ignore[attr-defined]
        pks = list(waiting.values_list("pk", flat=True))
        try:
            done = cutover.accept_skipped(pks, note=request.POST.get("why", ""), by=by, at=at)
        except Refusal as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, f"Éléments non repris : {done} boîte(s) admise(s).")
        return None

    def may_record(self, request: HttpRequest) -> bool:
        return request.user.has_perm("migration.record_cutover")

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            path("resultats/", site.admin_view(self.record_cutover), name="migration_move_record_cutover"),
            path("fermeture/", site.admin_view(self.closing), name="migration_move_closing"),
            path("<path:object_id>/acte/<slug:name>/", site.admin_view(self.deed), name="migration_move_deed"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "may_record": self.may_record(request)})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        move = self.get_object(request, object_id)
        deeds = [
            (reverse("admin:migration_move_deed", args=[move.pk, name]), deed)
            for name, deed in DEEDS.items()
            if move and deed.stands(move) and self.may(request, deed)
        ]
        deeds += steering_pages.links(request, move)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "deeds": deeds})

    def may(self, request: HttpRequest, deed: Deed) -> bool:
        return any(request.user.has_perm(permission) for permission in deed.permissions)

    def deed(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Ask, then do. What is refused is said on the move's page."""
        deed = DEEDS.get(name)
        if deed is None:
            raise Http404
        if not self.may(request, deed):
            raise PermissionDenied
        move = self.get_object(request, object_id)
        if move is None:
            raise Http404
        form = WhyForm(deed.why, request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            by, at = request.user.get_username(), request.at  # type: ignore[attr-defined]
            try:
                deed.act(move, form.cleaned_data["why"], by, at)
            except Refusal as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, deed.done.format(box=move.mailbox))
            return redirect("admin:migration_move_change", move.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{deed.label} : {move.mailbox}",
            "subtitle": None,
            "opts": self.opts,
            "move": move,
            "status": self.status_shown(move),
            "deed": deed,
            "form": form,
        }
        return TemplateResponse(request, "admin/migration/move/deed.html", context)

    def record_cutover(self, request: HttpRequest) -> HttpResponse:
        """The results of a night: checked first, then recorded."""
        if not self.may_record(request):
            raise PermissionDenied
        back = [("Migrations des boîtes", reverse("admin:migration_move_changelist"))]
        return nights.file_page(self, request, nights.RESULTS, of=None, back=back)

    def closing(self, request: HttpRequest) -> HttpResponse:
        """What is still read on the old server, and for how long it may be."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        campaign, lot = default_campaign(), request.GET.get("lot", "")
        context = {
            **self.admin_site.each_context(request),
            "title": "Fermeture de l’ancien serveur",
            "subtitle": None,
            "opts": self.opts,
            "countdown": closing_countdown.countdown(campaign, at=request.at, lot=lot),  # type: ignore[attr-defined]
            "lot": lot,
            "nowhere": closing_countdown.NOWHERE,
        }
        return TemplateResponse(request, "admin/migration/move/closing.html", context)
