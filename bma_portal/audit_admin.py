"""The audit, read by auditors only: to read it is a line too. And what the admin does by itself, told to the audit."""

import json
import logging
from contextlib import suppress
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from bma_portal import audit
from bma_portal.badges import BAD, GOOD, WAITING, badge
from bma_portal.models import AuditEntry
from bma_portal.readonly import ReadOnlyAdmin

log = logging.getLogger(__name__)

LAST = 10_000  # the lines that the button reads again; the command reads them all

# The first word of an action: what a reader calls it.
FAMILIES = {
    "admin": "changements dans l’administration",
    "audit": "lectures du journal",
    "batch": "lots",
    "break_glass": "comptes de secours",
    "cutover": "résultats des nuits",
    "evidence": "preuves d’une boîte",
    "export": "exports",
    "gia": "GIA",
    "grant": "droits de réinitialisation",
    "holder": "titulaires",
    "list": "exports de listes",
    "mail": "courriels",
    "mailbox": "notes sur les boîtes",
    "mailing": "mails en attente de décision",
    "password": "mots de passe posés à la main",
    "plan": "planification",
    "proof": "preuves d’identité",
    "reading": "lectures inhabituelles",
    "register": "registre FASE",
    "reset": "demandes de mot de passe",
    "sender": "expéditeurs",
    "sheet": "fiches",
    "sign_in": "connexions",
    "sign_out": "déconnexions",
    "vault": "coffre",
}
RESULTS = {"ok": ("fait", GOOD), audit.REFUSED: ("refusé", WAITING), "broken": ("rompue", BAD)}


class FamilyFilter(admin.SimpleListFilter):
    title = "quoi"
    parameter_name = "quoi"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return sorted(FAMILIES.items(), key=lambda item: item[1].lower())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        family = self.value()
        if family not in FAMILIES:
            return queryset
        return queryset.filter(Q(action=family) | Q(action__startswith=f"{family}."))


class ActorFilter(admin.SimpleListFilter):
    """By sort; one person is chosen by her name in the list."""

    title = "qui"
    parameter_name = "qui"
    sorts = {
        "personne": ("des personnes connectées", Q(actor_id__isnull=False)),
        "visiteur": ("des visiteurs", Q(actor=audit.VISITOR)),
        "commande": ("des commandes", Q(actor_id=None, actor__contains="commande ")),
        "portail": ("le portail lui-même", Q(actor=audit.PORTAL)),
    }

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in self.sorts.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(self.sorts[self.value()][1]) if self.value() in self.sorts else queryset


class ResultFilter(admin.SimpleListFilter):
    title = "résultat"
    parameter_name = "resultat"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in RESULTS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(result=self.value()) if self.value() in RESULTS else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Opened by `view_auditentry`, which no team has but the auditors; a superuser sees it too, and that is a line."""

    viewed = "audit.viewed"
    change_list_template = "admin/bma_portal/auditentry/change_list.html"
    list_display = ["seq", "at", "who", "action", "about", "result_shown", "address"]
    list_filter = [FamilyFilter, ActorFilter, ResultFilter]
    date_hierarchy = "recorded_at"
    search_fields = ["=actor", "about", "=object_id", "=address", "=request_id"]
    search_help_text = "Nom exact d’une personne, mots de l’objet, ou numéro exact d’objet, d’adresse ou de requête."
    ordering = ["-seq"]
    fields = [
        "seq", "at", "recorded_at", "actor", "actor_id", "action", "object_type", "object_id", "about", "why",
        "result_shown", "address", "request_id", "details_shown", "previous", "hash",
    ]  # fmt: skip
    readonly_fields = fields

    @admin.display(description="qui", ordering="actor")
    def who(self, entry: AuditEntry) -> str | SafeString:
        if entry.actor_id is None:
            return entry.actor
        return format_html('<a href="?actor_id__exact={}">{}</a>', entry.actor_id, entry.actor)

    @admin.display(description="résultat", ordering="result")
    def result_shown(self, entry: AuditEntry) -> str | SafeString:
        return badge(*RESULTS[entry.result]) if entry.result in RESULTS else entry.result

    @admin.display(description="détails")
    def details_shown(self, entry: AuditEntry) -> SafeString:
        text = json.dumps(entry.details, ensure_ascii=False, indent=1) if entry.details else "—"
        return format_html('<pre class="mail-text">{}</pre>', text)

    def get_urls(self) -> list[URLPattern]:
        verify = self.admin_site.admin_view(self.verify)
        return [path("verifier/", verify, name="bma_portal_auditentry_verify"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.urlencode()[:500]
        audit.record(self.viewed, at=request.at, details={"recherche": asked} if asked else {})  # type: ignore[attr-defined]
        return super().changelist_view(request, {**(extra_context or {}), "last": LAST})

    def verify(self, request: HttpRequest) -> HttpResponse:
        """Is the chain intact? Reads its last lines again, and says so."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        checked = audit.verify(last=LAST)
        if checked.sound:
            self.message_user(
                request,
                f"La chaîne est intacte : {checked.lines} ligne(s) relues. "
                f"Tête : {checked.head.seq}:{checked.head.hash}",
                messages.SUCCESS,
            )
        else:
            log.error("chaîne d’audit rompue", extra={"id": checked.line})
            self.message_user(request, f"La chaîne est rompue. {checked.fault}", messages.ERROR)
        with suppress(audit.Unavailable):  # what was found is said even when nothing can be written after it
            audit.record(
                "audit.verified",
                at=request.at,  # type: ignore[attr-defined]
                why=checked.fault,
                result="ok" if checked.sound else "broken",
                details={"lignes": checked.lines},
            )
        return redirect("admin:bma_portal_auditentry_changelist")


VERBS = {ADDITION: "admin.add", DELETION: "admin.delete"}


@receiver(post_save, sender=LogEntry)
def tell_the_audit(instance: LogEntry, created: bool, raw: bool, **_: Any) -> None:
    """What the admin writes by itself is written to its own log: one line here too, in the same transaction.

    Which fields changed, never from what to what. Deletions by lists are written in bulk, without this signal: that
    action is taken off the site (`admin_site.py`).
    """
    if raw or not created:
        return
    model = instance.content_type.model_class() if instance.content_type else None
    audit.record(
        VERBS.get(instance.action_flag, "admin.change"),
        at=instance.action_time,
        about=audit.Thing(model._meta.label_lower if model else "", instance.object_id or "", instance.object_repr),
        by=instance.user,
        details={"changements": instance.get_change_message()} if instance.change_message else {},
    )
