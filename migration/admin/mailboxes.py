"""The list of mailboxes, the sheet of one (A8), its mails one by one, and the notes of colleagues."""

from dataclasses import replace

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from accounts.admin_search import SEARCHED, of_units
from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.badges import GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.readonly import GuardedAdmin
from migration import notes
from migration.admin import evidence, steering_pages
from migration.admin.moves import DEEDS
from migration.models import Batch, Mailing, Move
from migration.phase_sets import in_phase
from migration.phases import Phase, with_phase
from migration.sheet import MailLine, MoveLine, sheet_of, text_as_sent

TONES = {Phase.NOT_STARTED: NEUTRAL, Phase.MIGRATED: GOOD}
CURRENT = [Move.Status.PLANNED, Move.Status.MIGRATED]
# What the sheet leads to, and to whom: pages of the apps above are known by their address only
READS = {
    "mails": "mail.view_outgoingmail",
    "batches": "migration.view_batch",
    "notes": "migration.view_mailboxnote",
    "writes_notes": "migration.add_mailboxnote",
    "decides": "migration.view_mailing",
}
ELSEWHERE = [
    ("Demandes de mot de passe", "admin:support_passwordreset_changelist", ["support.view_passwordreset"]),
    ("Demandes au Service Desk", "desk", [f"support.work_{team}" for team in ("sgne", "etnic")]),
]


class PhaseFilter(admin.SimpleListFilter):
    title = "phase"
    parameter_name = "phase"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return list(Phase.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in Phase.values:
            return queryset
        return in_phase(queryset, Phase(self.value()), at=request.at)  # type: ignore[attr-defined]


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


class NoteForm(forms.Form):
    text = forms.CharField(
        label="Ajouter une note",
        max_length=notes.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text="Lue par les équipes seulement, jamais par le titulaire. Elle reste, signée de votre nom.",
        error_messages={"required": "Écrivez la note avant de l’ajouter."},
    )


@admin.register(Mailbox)
class MailboxAdmin(GuardedAdmin):
    """The list of mailboxes and the sheet of one: all about its migration on one page (A8)."""

    viewed = "sheet.viewed"
    change_form_template = "admin/accounts/mailbox/change_form.html"
    list_display = ["address", "organisation_name", "municipality", "phase_shown", "batch_shown"]
    list_filter = [PhaseFilter, BatchFilter, "organisation__kind"]
    search_fields = ["address"]  # the search itself is `of_units`
    search_help_text = SEARCHED
    ordering = ["address"]
    list_select_related = ["organisation"]
    fields = ["confirmed_on"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        return [
            path("<path:object_id>/mail/<int:mailing>/", site.admin_view(self.mail), name="accounts_mailbox_mail"),
            *evidence.urls(self),
            path("<path:object_id>/note/", site.admin_view(self.note), name="accounts_mailbox_note"),
            *super().get_urls(),
        ]

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        current = Move.objects.filter(status__in=CURRENT).select_related("batch")
        boxes = super().get_queryset(request).prefetch_related(Prefetch("moves", current, "current_moves"))
        return with_phase(boxes, request.at)  # type: ignore[attr-defined]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return of_units(queryset, search_term, "organisation"), False

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

    # The sheet

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        mailbox = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if mailbox and self.has_view_or_change_permission(request, mailbox):
            context = self.sheet_context(request, mailbox) | context
        return super().change_view(request, object_id, form_url, context)

    def sheet_context(self, request: HttpRequest, mailbox: Mailbox) -> dict:
        at, may = request.at, request.user.has_perm  # type: ignore[attr-defined]
        sheet = sheet_of(mailbox, at=at)
        elsewhere = [
            (label, f"{reverse(name)}?{urlencode({'q': mailbox.address})}")
            for label, name, permissions in ELSEWHERE
            if any(may(permission) for permission in permissions)
        ]
        return {
            "mailbox": sheet.mailbox,
            "sheet": sheet,
            "passages": [self._with_deeds(request, line) for line in sheet.moves],
            "at": at,
            "may": {name: may(permission) for name, permission in READS.items()},
            "may_change": self.has_change_permission(request, mailbox),
            "elsewhere": elsewhere,
            "note_form": NoteForm(),
        }

    def _with_deeds(self, request: HttpRequest, line: MoveLine) -> MoveLine:
        deeds = [(address, deed.label) for address, deed in steering_pages.links(request, line.move)]
        deeds += [
            (reverse("admin:migration_move_deed", args=[line.move.pk, name]), deed.label)
            for name, deed in DEEDS.items()
            if deed.stands(line.move) and any(request.user.has_perm(permission) for permission in deed.permissions)
        ]
        if line.corrections and (address := steering_pages.resend_link(request, line.move, line.corrections[-1])):
            deeds.append((address, "Renvoyer la correction de la date"))
        mails = [
            replace(mail, resend=steering_pages.resend_link(request, line.move, mail.mailing.mail))
            for mail in line.mails
        ]
        return replace(line, mails=mails, deeds=deeds)

    def mail(self, request: HttpRequest, object_id: str, mailing: int) -> HttpResponse:
        """One of the mails as it left. Whoever opens it leaves a line of audit first."""
        if not request.user.has_perm(READS["mails"]) or not self.has_view_permission(request):
            raise PermissionDenied
        mailbox = self._box(request, object_id)
        rows = Mailing.objects.select_related("mail", "text", "move__batch").filter(mail__isnull=False)
        found = rows.filter(pk=mailing, move__mailbox=mailbox).first()
        if found is None or found.mail is None:
            raise Http404
        audit.record("mail.viewed", about=found.mail, at=request.at)  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{found.get_step_display().capitalize()} : {mailbox}",
            "subtitle": None,
            "opts": self.opts,
            "mailbox": mailbox,
            "mailing": found,
            "line": MailLine.of(found),
            "text": text_as_sent(found),
        }
        return TemplateResponse(request, "admin/accounts/mailbox/mail.html", context)

    def note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not request.user.has_perm(READS["writes_notes"]) or not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        mailbox = self._box(request, object_id)
        form = NoteForm(request.POST)
        if form.is_valid():
            by, at = request.user.get_username(), request.at  # type: ignore[attr-defined]
            try:
                notes.add(mailbox, text=form.cleaned_data["text"], by=by, at=at)
            except Refusal as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, "La note est ajoutée.")
        else:
            messages.error(request, form.errors["text"][0])
        return redirect(reverse("admin:accounts_mailbox_change", args=[mailbox.pk]) + "#notes")

    def _box(self, request: HttpRequest, object_id: str) -> Mailbox:
        mailbox = self.get_object(request, object_id)
        if mailbox is None:
            raise Http404
        return mailbox
