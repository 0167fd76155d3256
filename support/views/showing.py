"""The page that shows a password, whichever way it was obtained: kept by nobody, told to no other site (SEC-D6)."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import Mailbox
from bma_portal.secret import Secret, leaving_no_trace
from bma_portal.templatetags.french import lendemain
from support.models import PasswordReset
from support.status import Where, status_of


def password_page(
    request: HttpRequest, template: str, reset: PasswordReset, password: Secret, **context: Any
) -> HttpResponse:
    """Render `template`, which includes `support/reset/_password.html` and `support/reset/_after.html`.

    Only ever the answer to a POST. An error on the way leaves without the clear text.
    """
    context |= {"reset": reset, "mailbox": reset.mailbox, "password": password, "at": request.at}
    context |= where_it_serves(reset.mailbox, at=request.at)
    with leaving_no_trace():
        return sealed(render(request, template, context))


def where_it_serves(mailbox: Mailbox, *, at: datetime) -> dict[str, Any]:
    """The new interface, and from when it opens for this mailbox: mail 3 comes weeks before the night (K12)."""
    status = status_of(mailbox, at)
    told = status.night_on and not status.suspended
    return {
        "webmail": status.campaign.new_webmail,
        "old_webmail": status.campaign.old_webmail,
        "usable": status.where in {Where.NEW, Where.NOWHERE},
        "opens_on": lendemain(status.night_on) if told else None,
    }


def sealed(response: HttpResponse) -> HttpResponse:
    """No cache keeps it, no proxy transforms (compresses) it, no link that leaves it says where it came from."""
    response["Cache-Control"] = "no-store, no-transform, private"
    response["Pragma"] = "no-cache"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
