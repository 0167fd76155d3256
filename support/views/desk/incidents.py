"""One fault that many report: declared once, told to all, solved together (F14)."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Max, Min, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from bma_portal.errors import Refusal
from support import tickets
from support.desk import desk_page
from support.forms_desk import IncidentForm, MessageForm
from support.models import Incident, Message, Ticket
from support.templatetags.desk import besoin

SHOWN = 100  # tickets of one incident on its page
SOLVED_SHOWN = 30
FASTER = "Un message est déjà parti vers ces demandes depuis votre aperçu : relisez, puis envoyez encore s’il le faut."


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def incidents(request: HttpRequest) -> HttpResponse:
    """Those of the team; by POST, one is declared."""
    team = request.team  # type: ignore[attr-defined]
    form = IncidentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        row = tickets.declare(team=team, by=request.user, at=request.at, **form.cleaned_data)  # type: ignore[attr-defined, arg-type]
        messages.success(request, f"L’incident « {row.title} » est ouvert. Rattachez-lui les demandes qui en parlent.")
        return redirect("desk_incident", pk=row.pk)
    live = Count("tickets", filter=Q(tickets__status__in=Ticket.LIVE))
    found = Incident.objects.filter(team=team).annotate(live=live).select_related("opened_by")
    context = {
        "form": form,
        "open": list(found.filter(status=Incident.Status.OPEN)),
        "solved": list(found.filter(status=Incident.Status.SOLVED)[:SOLVED_SHOWN]),
    }
    return render(request, "support/desk/incidents.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def incident(request: HttpRequest, pk: int) -> HttpResponse:
    """One incident: its tickets, what they were told. A message is first shown as each will read it, then sent."""
    row = Incident.objects.filter(pk=pk, team__in=request.teams).select_related("opened_by").first()  # type: ignore[attr-defined]
    if row is None:
        raise Http404
    form = MessageForm(request.POST if request.method == "POST" else None)
    preview: dict[str, Any] | None = None
    refused = ""
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        solve = request.POST.get("ensuite") == "resoudre"
        if "envoyer" in request.POST:
            try:
                return _sent(request, row, text, solve=solve)
            except Refusal as refusal:
                refused = str(refusal)
        preview = _preview(request, row, text, solve=solve)
    children = (
        Ticket.objects.filter(incident=row, team=row.team)
        .select_related("mailbox__organisation", "assignee")
        .defer("search")
    )
    context = {
        "incident": row,
        "need": besoin(row.need) if row.need else "",
        "form": form,
        "preview": preview,
        "refused": refused,
        "rows": list(children.order_by("-id")[:SHOWN]),
        "live": Ticket.objects.live().filter(incident=row, team=row.team).count(),
        "told": _told(row),
        "at": request.at,  # type: ignore[attr-defined]
    }
    return render(request, "support/desk/incident.html", context)


def _sent(request: HttpRequest, row: Incident, text: str, *, solve: bool) -> HttpResponse:
    """Send what was previewed, once: a second press, or a colleague's message meanwhile, is refused."""
    act = tickets.solve_incident if solve else tickets.update
    with transaction.atomic():
        Incident.objects.select_for_update(of=("self",)).get(pk=row.pk)
        if row.status == Incident.Status.OPEN and request.POST.get("vu") != str(_last(row)):
            raise Refusal(FASTER)
        count = act(row, text=text, by=request.user, at=request.at)  # type: ignore[attr-defined, arg-type]
    done = "L’incident est résolu, et avec lui" if solve else "Le message part vers"
    what = f"{count} demande{'s'[: count > 1]}"
    messages.success(request, f"{done} {what}.")
    return redirect("desk_incident", pk=row.pk)


def _last(row: Incident) -> int:
    """The number of the last answer that its tickets got."""
    sent = Message.objects.filter(ticket__incident=row, kind=Message.Kind.ANSWER)
    return sent.aggregate(last=Max("pk"))["last"] or 0


def _preview(request: HttpRequest, row: Incident, text: str, *, solve: bool) -> dict[str, Any]:
    found = tickets.preview(row, text, at=request.at)  # type: ignore[attr-defined]
    unresolved = [(ticket, names) for ticket, _text, names in found if names]
    return {"each": found, "unresolved": unresolved, "solve": solve, "text": text, "seen": _last(row)}


def _told(row: Incident) -> list[dict[str, Any]]:
    """What its tickets were answered since it was opened: one line for what went to several at once."""
    sent = Message.objects.filter(ticket__incident=row, ticket__team=row.team, kind=Message.Kind.ANSWER)
    sent = sent.filter(written_at__gte=row.opened_at)
    grouped = sent.order_by().values("written_at", "author_name").annotate(count=Count("id"), first=Min("id"))
    lines = list(grouped.order_by("-written_at")[:20])
    texts = Message.objects.select_related("ticket").defer("ticket__search").in_bulk([line["first"] for line in lines])
    return [{**line, "message": texts[line["first"]]} for line in lines]
