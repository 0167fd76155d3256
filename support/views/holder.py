"""The holder's pages. Anyone may open them, so they show no full address and are counted (A5)."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Organisation
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.limits import Limit, exceeded
from bma_portal.views import too_many
from support.forms import MailboxForm
from support.lookup import Found, find, heir, is_gone
from support.status import programme_on, status_of

# 30 numbers in a row from one place are slowed, then blocked (A5): that is a harvest, not a question.
LOOKUP_LIMITS = (Limit("etat-minute", 10, 60), Limit("etat-heure", 30, 3600))


@login_not_required
@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "support/home.html", {"form": MailboxForm(), "programme": programme_on(request.at)})


@login_not_required
@require_safe
@never_cache
def mailbox_status(request: HttpRequest) -> HttpResponse:
    form = MailboxForm.of(request.GET)
    if not form.is_valid():
        return render(request, "support/status_form.html", {"form": form})
    if seconds := exceeded(request, *LOOKUP_LIMITS):
        return too_many(request, seconds)
    try:
        found = find(form.cleaned_data["numero"])
    except Refusal as refusal:
        form.add_error("numero", str(refusal))
        return render(request, "support/status_form.html", {"form": form})
    if len(found.organisations) == 1:
        return _one(request, found.organisations[0], found)
    return render(request, "support/status_choice.html", {"found": found, "number": form.cleaned_data["numero"]})


def _one(request: HttpRequest, organisation: Organisation, found: Found) -> HttpResponse:
    """The page of one unit: where its mailbox stands, or why there is nothing to say of it."""
    context = {"organisation": organisation, "found": found}
    if is_gone(organisation, brussels_date(request.at)):
        return render(request, "support/status_gone.html", context | {"heir": heir(organisation, request.at)})
    if not hasattr(organisation, "mailbox"):
        return render(request, "support/status_none.html", context)
    context |= {
        "status": status_of(organisation.mailbox, request.at),
        "number": f"{organisation.kind}{organisation.fase:06d}",
    }
    return render(request, "support/status.html", context)
