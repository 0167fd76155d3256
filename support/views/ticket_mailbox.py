"""Of which mailbox a holder's ticket is: one of one's own, a number, the unit that took it over (A5, A10, E11)."""

import math
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import Mailbox
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.limits import Limit, client_address, exceeded_among
from bma_portal.templatetags.french import insecable
from bma_portal.views import too_many
from support.forms import MailboxForm
from support.forms_contact import opened_now, still_sealed
from support.forms_tickets import TicketForm
from support.lookup import find, heir, is_gone
from support.my_page import own_units
from support.views.holder import LOOKUP_LIMITS

PER_PLACE = (Limit("demande-minute", 5, 60), Limit("demande-heure", 20, 3600))
TOO_MANY = (
    "Trop d’envois viennent d’arriver : le vôtre n’est pas parti. Envoyez-le à nouveau dans "
    "{}\N{NO-BREAK SPACE}minute{}, ou téléphonez ; ce que vous avez écrit reste ci-dessous."
)


def opened_from(request: HttpRequest) -> str:
    """When the form was first shown, sealed."""
    return still_sealed(request.POST.get("ouvert", "")) or opened_now()


def too_soon(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return insecable(TOO_MANY.format(minutes, "s"[: minutes > 1]))


def mailbox_asked(request: HttpRequest, form: MailboxForm, context: dict[str, Any]) -> Mailbox | HttpResponse:
    """The mailbox, or the page that asks which one; each number looked up is counted, and each form sent (A5, E11)."""
    place, readable = client_address(request), form.is_valid()
    uses = [(place, limit) for limit in LOOKUP_LIMITS] if readable else []
    uses += [(place, limit) for limit in PER_PLACE] if request.method == "POST" else []
    if uses and (seconds := exceeded_among(*uses)):
        return _not_now(request, form, seconds, context) if readable else too_many(request, seconds)
    if not readable:
        return _which(request, form, context)
    number = form.cleaned_data["numero"]
    try:
        found = find(number)
    except Refusal as refusal:
        form.add_error("numero", insecable(str(refusal)))
        return _which(request, form, context)
    if len(found.organisations) != 1:
        context |= {"units": found.organisations or found.site_of, "why": "both" if found.organisations else "site"}
        return render(request, "support/tickets/choice.html", context | {"number": number})
    unit = found.organisations[0]
    if is_gone(unit, brussels_date(request.at)):  # type: ignore[attr-defined]
        after = heir(unit, request.at)  # type: ignore[attr-defined]
        context |= {"organisation": unit, "units": [after] if after else [], "why": "gone"}
        return render(request, "support/tickets/choice.html", context)
    if not hasattr(unit, "mailbox"):
        context |= {"organisation": unit, "units": [], "why": "none"}
        return render(request, "support/tickets/choice.html", context)
    unit.mailbox.organisation = unit  # with its PO, already read
    context |= {"organisation": unit, "number": f"{unit.kind}{unit.fase:06d}"}
    return unit.mailbox


def _not_now(request: HttpRequest, form: MailboxForm, seconds: int, context: dict[str, Any]) -> HttpResponse:
    """429, with what was typed if anything was: no number is looked up nor file looked at, so nothing is told."""
    if "envoyer" not in request.POST:
        return too_many(request, seconds)
    at, need = request.at, context["need"]  # type: ignore[attr-defined]
    written = TicketForm.posted(request, need=need, given=context["given"], at=at, with_files=False)
    written.add_error(None, too_soon(seconds))
    context |= {"form": written, "number": form.cleaned_data["numero"], "opened": opened_from(request)}
    context |= {"organisation": None, "similar": [], "articles": [], "phase": "", "files_lost": bool(request.FILES)}
    response = render(request, "support/tickets/form.html", context, status=429)
    response["Retry-After"] = str(seconds)
    return response


def _which(request: HttpRequest, form: MailboxForm, context: dict[str, Any]) -> HttpResponse:
    """The page that asks for a number; whoever is signed in presses one of theirs instead (E11)."""
    user = request.user
    own = own_units(user, request.at) if user.is_authenticated else []  # type: ignore[arg-type,attr-defined]
    return render(request, "support/tickets/mailbox.html", context | {"form": form, "own": own})
