"""The files of a ticket, page by page: for a team that has the ticket, and kept by no browser (SEC-E7).

A document that identifies a person leaves a line of audit before each of its pages is shown; without it, not one byte.
"""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from bma_portal import vault
from bma_portal.errors import Refusal
from support import attachments
from support.desk import desk_page
from support.models import Attachment
from support.proofs import Quarantined
from support.ticket_page import KNOWS_OF_PASSWORDS
from support.views.showing import sealed


def _attachment(request: HttpRequest, piece: UUID) -> Attachment:
    """Of a ticket of one of this person's teams. A company never gets a document that identifies a person (SEC-F3)."""
    teams = set(request.teams)  # type: ignore[attr-defined]
    rows = Attachment.objects.select_related("message__ticket").defer("content", "key", "message__ticket__search")
    found = rows.filter(uuid=piece, message__ticket__team__in=teams).first()
    if found is None or (found.personal and not KNOWS_OF_PASSWORDS & teams):
        raise Http404
    return found


@require_safe
@desk_page
def piece(request: HttpRequest, piece: UUID) -> HttpResponse:
    """One file: its pages, or why there are none to see."""
    found = _attachment(request, piece)
    can_be_seen = not found.destroyed_at and not found.to_scan
    pages = (
        [reverse("desk_piece_page", args=[found.uuid, n]) for n in range(1, found.pages + 1)] if can_be_seen else []
    )
    context = {"file": found, "ticket": found.message.ticket, "pages": pages}
    return sealed(render(request, "support/desk/ticket_piece.html", context))


@require_safe
@desk_page
def page(request: HttpRequest, piece: UUID, number: int) -> HttpResponse:
    """The image of one page."""
    found = _attachment(request, piece)
    if not 1 <= number <= found.pages:
        raise Http404
    try:
        pages = attachments.open_pages(found, at=request.at)  # type: ignore[attr-defined]
    except (Refusal, Quarantined, vault.VaultError):
        raise Http404 from None
    response = sealed(HttpResponse(bytes(pages[number - 1]), content_type="image/jpeg"))
    response["Content-Disposition"] = f'inline; filename="piece-{number}.jpg"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
