"""The file of one mailbox: all that happened to it, from its sheet (B22)."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from bma_portal import audit, exports, exports_admin
from bma_portal.clock import BRUSSELS, brussels_date
from migration.timeline import Fact, story_of

HEADINGS = ["Le", "Qui", "Quoi", "Avant", "Après", "Règle ou motif"]


def urls(page: ModelAdmin) -> list[URLPattern]:
    @require_safe
    def view(request: HttpRequest, object_id: str, form: str) -> exports_admin.Answer:
        return evidence_file(page, request, object_id, form)

    guarded = page.admin_site.admin_view(view)
    return [
        path(f"<path:object_id>/preuve.{form}", guarded, {"form": form}, name=f"accounts_mailbox_evidence_{form}")
        for form in (exports.CSV, exports.XLSX)
    ]


def evidence_file(page: ModelAdmin, request: HttpRequest, object_id: str, form: str) -> exports_admin.Answer:
    """For whoever reads the campaign; that it was taken is in the audit before it leaves."""
    may_read = request.user.has_perm("migration.view_move")  # type: ignore[union-attr]
    if not page.has_view_permission(request) or not may_read:
        raise PermissionDenied
    mailbox = page.get_object(request, object_id)
    if mailbox is None:
        raise Http404
    at = request.at  # type: ignore[attr-defined]
    rows = [_row(fact) for fact in story_of(mailbox).facts(at=at)]
    with transaction.atomic():
        details = {"lignes": len(rows), "format": form}
        audit.record("evidence.exported", about=mailbox, by=request.user, at=at, details=details)
    name = mailbox.address.partition("@")[0]
    return exports_admin.sent(form, HEADINGS, rows, title=f"preuve {name}", day=brussels_date(at))


def _row(fact: Fact) -> list[str]:
    moment = f"{fact.at.astimezone(BRUSSELS):%d/%m/%Y %H:%M:%S}"
    return [moment, fact.by, fact.what, fact.old, fact.new, fact.why]
