"""« Quel mot de passe ? »: one question, then one page by answer, each with an address of its own (D1, D2).

Anyone may open them: they look at public facts only, and each number looked up is counted (A5).
"""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Organisation
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.limits import exceeded
from bma_portal.views import too_many
from migration.campaigns import default_campaign
from migration.phases import Programme
from support.door import door_for, old_door_for
from support.forms import LONGEST_SHOWN, MailboxForm
from support.lookup import find, heir, is_gone
from support.status import programme_on, status_of
from support.views.holder import LOOKUP_LIMITS

CERBERE = "http://www.am.cfwb.be"  # S0 §6.1
PAGES = {
    "cerbere-perso": "support/door/cerbere_personal.html",
    "cerbere-bma": "support/door/cerbere_bma.html",
    "ancien": "support/door/old.html",
    "nouveau": "support/door/new.html",
    "inconnu": "support/door/unknown.html",
}
ABOUT_A_MAILBOX = {"ancien", "nouveau"}


@login_not_required
@require_safe
@never_cache
def password_door(request: HttpRequest) -> HttpResponse:
    which = request.GET.get("lequel", "")
    form = MailboxForm.of(request.GET)
    programme = programme_on(request.at)
    context: dict[str, Any] = {
        "lequel": which,
        "form": form,
        "number": str(form.cleaned_data["numero"]) if form.is_valid() else "",
        "cerbere": CERBERE,
        "campaign": default_campaign(),
        "old_server_closed": programme == Programme.CLOSED,
        "all_migrated": programme != Programme.RUNNING,
    }
    if which not in PAGES:
        return render(request, "support/door/question.html", context)
    if which not in ABOUT_A_MAILBOX or (which == "ancien" and context["old_server_closed"]) or not form.is_valid():
        return render(request, PAGES[which], context)
    if seconds := exceeded(request, *LOOKUP_LIMITS):
        return too_many(request, seconds)
    try:
        found = find(form.cleaned_data["numero"])
    except Refusal as refusal:
        form.add_error("numero", str(refusal))
        return render(request, PAGES[which], context)
    if len(found.organisations) != 1:
        return render(request, "support/door/choice.html", context | {"found": found})
    return _one(request, found.organisations[0], context)


def _one(request: HttpRequest, organisation: Organisation, context: dict[str, Any]) -> HttpResponse:
    """The answer for one unit: its form, or why there is none."""
    context |= {"organisation": organisation, "number": f"{organisation.kind}{organisation.fase:06d}"}
    if is_gone(organisation, brussels_date(request.at)):
        return render(request, "support/status_gone.html", context | {"heir": heir(organisation, request.at)})
    if not hasattr(organisation, "mailbox"):
        return render(request, "support/status_none.html", context)
    status = status_of(organisation.mailbox, request.at)
    context |= {"mailbox": organisation.mailbox, "status": status}
    if context["lequel"] == "ancien":
        return render(request, "support/door/old_answer.html", context | {"old": old_door_for(status, at=request.at)})
    door = door_for(organisation.mailbox, at=request.at)
    return render(request, "support/door/new_answer.html", context | {"door": door})


@login_not_required
@require_safe
@never_cache
def legacy(request: HttpRequest, form: str) -> HttpResponse:
    """The addresses of the former forms, printed in the circulars, lead to ours with the number they carried."""
    return HttpResponseRedirect(with_number(form, request.GET.get("numero", "")))


def with_number(name: str, number: str) -> str:
    """The address of a page, the number typed elsewhere carried over."""
    number = number.replace("\0", "")[:LONGEST_SHOWN].encode(errors="replace").decode()
    return reverse(name) + (f"?{urlencode({'numero': number})}" if number else "")
