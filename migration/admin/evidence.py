"""The file of one mailbox: all that happened to it, from its sheet (B22)."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe

from bma_portal import audit, exports, exports_admin
from bma_portal.clock import brussels_date
from migration import evidence


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
    rows = [fact.row for fact in evidence.facts(mailbox, at=at)]
    with transaction.atomic():
        details = {"lignes": len(rows), "format": form}
        audit.record("evidence.exported", about=mailbox, by=request.user, at=at, details=details)
    name = mailbox.address.partition("@")[0]
    return exports_admin.sent(form, evidence.HEADINGS, rows, title=f"preuve {name}", day=brussels_date(at))
