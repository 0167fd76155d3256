"""« Ma boîte »: what a signed-in person has, and the mails that their mailboxes were sent. Reading only."""

import uuid

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bma_portal.mail.models import OutgoingMail
from support import received
from support.my_page import page_of, qualities_for


@require_safe
@never_cache
def my_mailboxes(request: HttpRequest) -> HttpResponse:
    page = page_of(request.user, request.at)
    return render(request, "support/mine/page.html", {"page": page, "contacts": page.contacts})


@require_safe
@never_cache
def my_mail(request: HttpRequest, mail: uuid.UUID) -> HttpResponse:
    """One mail, its secret masked. Someone else's answers like one that does not exist."""
    row = OutgoingMail.objects.filter(uuid=mail, sent_at__lte=request.at).defer("html").first()
    mailbox = received.mailbox_of(row) if row else None
    quality = qualities_for(request.user, mailbox.organisation, request.at) if mailbox else None
    if row is None or mailbox is None or quality is None or (row.kind in received.NOTICES and not quality.holder):
        raise Http404
    context = {"mail": row, "mailbox": mailbox, "organisation": quality.organisation, "text": received.text_of(row)}
    return render(request, "support/mine/mail.html", context)
