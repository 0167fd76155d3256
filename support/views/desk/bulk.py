"""Several tickets at once: what was ticked, what will happen to it, then what became of each."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from bma_portal.templatetags.french import insecable
from support import bulk, queues
from support.desk import desk_page
from support.forms_desk import deed_form
from support.models import Ticket
from support.tickets import open_incidents
from support.views.desk.saved import read

GONE = "Elle n’est pas, ou plus, parmi les demandes de votre équipe."


@require_POST
@desk_page
def together(request: HttpRequest) -> HttpResponse:
    """One press takes one ticket; anything else is confirmed on a page of its own, with what it needs to know."""
    criteria = read(request.POST.get("criteres", ""))
    back = redirect(f"{reverse('desk')}?{criteria.query()}")
    if "prendre" in request.POST:
        return _done(request, bulk.DEEDS["prendre"], bulk.ticked([request.POST["prendre"]]), bulk.Said(), back)
    deed = bulk.DEEDS.get(request.POST.get("deed", ""))
    ticked = bulk.ticked(request.POST.getlist("refs"))
    if deed is None or not ticked:
        messages.error(request, "Cochez au moins une demande, puis choisissez ce qu’il faut en faire.")
        return back
    if len(ticked) > bulk.LIMIT:
        messages.error(request, f"Pas plus de {bulk.LIMIT} demandes à la fois : décochez-en quelques-unes.")
        return back
    team = request.team  # type: ignore[attr-defined]
    choices = {
        "people": queues.members(team) if "to" in deed.asks else [],
        "incidents": open_incidents(team) if "incident" in deed.asks else [],
    }
    sure = "sure" in request.POST
    form = deed_form(deed, team=team, data=request.POST if sure else None, **choices)
    if sure and form.is_valid():
        return _done(request, deed, ticked, bulk.Said(**form.said()), back)
    rows = _visible(request, ticked)
    context = {
        "deed": deed,
        "form": form,
        "rows": rows,
        "values": [f"{ticket.reference}:{ticked[ticket.reference]}" for ticket in rows],
        "missing": len(ticked) - len(rows),
        "criteria": criteria,
        "back": f"{reverse('desk')}?{criteria.query()}",
    }
    return render(request, "support/desk/bulk.html", context)


def _visible(request: HttpRequest, ticked: dict[str, int]) -> list[Ticket]:
    teams = request.teams  # type: ignore[attr-defined]
    found = Ticket.objects.filter(reference__in=ticked, team__in=teams)
    rows = found.select_related("mailbox__organisation", "assignee").defer("search")
    return sorted(rows, key=lambda ticket: list(ticked).index(ticket.reference))


def _done(
    request: HttpRequest, deed: bulk.Deed, ticked: dict[str, int], said: bulk.Said, back: HttpResponseRedirect
) -> HttpResponse:
    rows = _visible(request, ticked)
    person: Any = request.user
    report = bulk.do(deed, [(ticket, ticked[ticket.reference]) for ticket in rows], said, by=person, at=request.at)  # type: ignore[attr-defined]
    seen = {ticket.reference for ticket in rows}
    report.refused += [(reference, GONE) for reference in ticked if reference not in seen]
    if report.done:
        count = len(report.done)
        names = ", ".join(report.done[:5]) + ("…" if count > 5 else "")
        messages.success(request, f"{deed.label.rstrip('…')} : fait pour {count} demande{'s'[: count > 1]} ({names}).")
    for reference, why in report.refused:
        messages.error(request, insecable(f"{reference} : rien n’est fait. {why}"))
    return back
