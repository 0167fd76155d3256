"""What is done to a ticket: each deed has its form on a page of its own, and its button on the page of the ticket.

Each is sent with the version that its page was read at. If the ticket changed since, nothing is done: the page comes
back with what is new and with what was typed (F12).
"""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from bma_portal.errors import Refusal
from bma_portal.templatetags.french import insecable
from support import tickets
from support.desk import TEAMS, desk_page, visible_ticket
from support.desk_deeds import DEEDS, Deed
from support.forms_desk_split import SplitForm, SplitPlaceForm
from support.forms_desk_ticket import DeedForm, MergeForm, kept, number, seen
from support.models import Ticket
from support.needs import NEEDS
from support.routing import Outcome, Route
from support.tickets import NoTicket, Stale, need_label
from support.tickets.opening import route_of
from support.tickets.splitting import askers_of, refuse_whole
from support.views.desk import writing
from support.views.desk.ticket import news_since

INVALID, CONFLICT = 422, 409


@sensitive_post_parameters("text", "note")
@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def do(request: HttpRequest, reference: str, deed: str) -> HttpResponse:
    ticket = visible_ticket(request, reference)
    if deed in writing.WRITINGS:
        if request.method != "POST":
            return redirect("desk_ticket", reference=ticket.reference)
        return writing.WRITINGS[deed](request, ticket)
    found = DEEDS.get(deed)
    if found is None:
        raise Http404
    if found.slug == "joindre":
        return _merge(request, ticket, found)
    if found.slug == "separer":
        return _split(request, ticket, found)
    if request.method != "POST":
        return _ask(request, ticket, found, _form(request, ticket, found))
    form = _form(request, ticket, found, kept(request.POST))
    if not form.is_valid():
        return _ask(request, ticket, found, form, status=INVALID)
    return _act(request, ticket, found, form)


def _form(request: HttpRequest, ticket: Ticket, deed: Deed, typed: Any = None) -> DeedForm:
    """Empty, it may be prefilled by the address of the page: a link names the incident that it is about."""
    at, teams = request.at, request.teams  # type: ignore[attr-defined]
    given = {name: request.GET[name][:300] for name in deed.form.base_fields if typed is None and name in request.GET}
    return deed.form(typed, initial=given, ticket=ticket, user=request.user, teams=teams, at=at)  # type: ignore[arg-type]


def _act(request: HttpRequest, ticket: Ticket, deed: Deed, form: DeedForm) -> HttpResponse:
    at = request.at  # type: ignore[attr-defined]
    version = number(request.POST.get("version", ""))
    try:
        deed.act(ticket, by=request.user, version=version, at=at, **form.facts())
    except Stale as refusal:
        form.is_valid()
        form.add_error(None, insecable(str(refusal)))
        return _ask(request, visible_ticket(request, ticket.reference), deed, form, stale=True, status=CONFLICT)
    except Refusal as refusal:
        form.is_valid()
        form.add_error(None, insecable(str(refusal)))
        return _ask(request, ticket, deed, form, status=INVALID)
    return after(request, ticket, deed.done)


def after(request: HttpRequest, ticket: Ticket, said: str) -> HttpResponse:
    """To the page of the ticket that has it now, or to the queue if another team does."""
    messages.success(request, insecable(said))
    now = Ticket.objects.filter(pk=ticket.pk).values_list("merged_into__reference", "team").first()
    goes_to, team = now if now else ("", "")
    mine = team in request.teams  # type: ignore[attr-defined]
    url = reverse("desk_ticket", args=[goes_to or ticket.reference]) if mine else reverse("desk")
    if request.htmx and (goes_to or not mine):  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(url)
    return redirect(url)


def _ask(
    request: HttpRequest,
    ticket: Ticket,
    deed: Deed,
    form: DeedForm,
    *,
    stale: bool = False,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """The page of one deed. It is asked with what the page of the ticket had shown: what came since is told first."""
    asked = request.POST if request.method == "POST" else request.GET
    read_at = number(str(asked.get("version", "")))
    stale = stale or (request.method != "POST" and read_at >= 0 and read_at != ticket.version)
    again = stale or request.method != "POST"  # the page shows how things are now
    context = {
        "ticket": ticket,
        "deed": deed,
        "form": form,
        "version": ticket.version if again else read_at,
        "vu": writing.seen_now(ticket) if again else str(asked.get("vu", ""))[:30],
        "news": news_since(ticket, seen(asked)) if stale else [],
        "need": need_label(ticket.need),
        "others": [],
        "stays": None,
        **more,
    }
    return render(request, "support/desk/ticket_deed.html", context, status=status)


# Joining two tickets: first which one stays, then what will happen, then it is done


def _merge(request: HttpRequest, ticket: Ticket, deed: Deed) -> HttpResponse:
    teams: list[str] = request.teams  # type: ignore[attr-defined]
    others = Ticket.objects.live().filter(mailbox=ticket.mailbox_id, team=ticket.team, team__in=teams)
    more: dict[str, Any] = {"others": list(others.exclude(pk=ticket.pk).defer("search").order_by("-pk")[:10])}
    typed = kept(request.POST if request.method == "POST" else request.GET)
    if "vers" not in typed:
        return _ask(request, ticket, deed, _form(request, ticket, deed), **more)
    form = _form(request, ticket, deed, typed)
    assert isinstance(form, MergeForm)
    if not form.is_valid():
        return _ask(request, ticket, deed, form, status=INVALID, **more)
    if request.method == "POST" and "confirme" in request.POST:
        return _act(request, ticket, deed, form)
    return _ask(request, ticket, deed, form, stays=form.cleaned_data["vers"], **more)


# Making another ticket of some messages: which ones, then where they go and what will happen, then it is done


def _split(request: HttpRequest, ticket: Ticket, deed: Deed) -> HttpResponse:
    typed = kept(request.POST if request.method == "POST" else request.GET)
    pick = _pick(request, ticket, typed if "choisi" in typed or request.method == "POST" else None)
    try:
        refuse_whole(ticket, pick.parts)
    except Refusal as refusal:
        nothing = _refused(_pick(request, ticket, {}), refusal, alone=True)
        return _ask(request, ticket, deed, nothing, status=INVALID, place=None, whole=True)
    if not pick.is_bound or not pick.is_valid():
        return _ask(request, ticket, deed, pick, status=INVALID if pick.errors else 200, place=None, whole=False)
    if request.method != "POST" or "confirme" not in typed:
        return _place(request, ticket, deed, pick, _placing(request, ticket, pick, None))
    place = _placing(request, ticket, pick, typed)
    if not place.is_valid():
        return _place(request, ticket, deed, pick, place, status=INVALID)
    try:
        return _do_split(request, ticket, pick, place)
    except Stale as refusal:
        fresh = visible_ticket(request, ticket.reference)
        pick = _pick(request, fresh, typed)
        if pick.is_valid():
            return _place(request, fresh, deed, pick, _refused(place, refusal), stale=True, status=CONFLICT)
        return _ask(
            request, fresh, deed, _refused(pick, refusal), stale=True, status=CONFLICT, place=None, whole=False
        )
    except NoTicket as refusal:
        place.refuse(refusal)
    except Refusal as refusal:
        _refused(place, refusal)
    return _place(request, ticket, deed, pick, place, status=INVALID)


def _do_split(request: HttpRequest, ticket: Ticket, pick: SplitForm, place: SplitPlaceForm) -> HttpResponse:
    """Raises Refusal where it would go elsewhere than the page had said: that is read first."""
    at, version = request.at, number(request.POST.get("version", ""))  # type: ignore[attr-defined]
    facts = pick.facts() | place.facts()
    goes_to = _goes_to(route_of(facts["need"], ticket.mailbox, place.answers, at=at))
    if facts["team"] is None and goes_to not in {"", request.POST.get("ira")}:
        raise Refusal(f"Ainsi, les règles la confient à {TEAMS(goes_to).label}. Relisez, puis confirmez.")
    with transaction.atomic():
        new = tickets.split(ticket, by=request.user, version=version, at=at, **facts)  # type: ignore[arg-type]
        if facts["team"]:
            why = f"{new.get_team_display()} la garde : {place.cleaned_data['why']}"
            tickets.note(new, text=why, by=request.user, at=at)  # type: ignore[arg-type]
    where = "" if new.team == ticket.team else f", confiée à {new.get_team_display()}"
    return after(request, ticket, f"C’est fait : la nouvelle demande porte la référence {new.reference}{where}.")


def _pick(request: HttpRequest, ticket: Ticket, typed: Any) -> SplitForm:
    """Unbound, it may be prefilled by the address of the page."""
    at, teams = request.at, request.teams  # type: ignore[attr-defined]
    asked = kept(request.GET)
    initial = {"m": asked.getlist("m"), "besoin": asked.get("besoin", "")}
    return SplitForm(typed, initial=initial, ticket=ticket, user=request.user, teams=teams, at=at)  # type: ignore[arg-type]


def _placing(request: HttpRequest, ticket: Ticket, pick: SplitForm, typed: Any) -> SplitPlaceForm:
    """With the questions of that need; what the requester answered to them already is there."""
    at, teams = request.at, request.teams  # type: ignore[attr-defined]
    initial = {f"q_{key}": value for key, value in _answered(ticket, pick).items()}
    more: dict[str, Any] = {"questions": NEEDS[pick.need].answers, "teams": teams, "at": at}
    return SplitPlaceForm(typed, initial=initial, ticket=ticket, user=request.user, **more)  # type: ignore[arg-type]


def _answered(ticket: Ticket, pick: SplitForm) -> dict[str, str]:
    return ticket.answers if pick.need == ticket.need else {}


def _place(
    request: HttpRequest, ticket: Ticket, deed: Deed, pick: SplitForm, place: SplitPlaceForm, **how: Any
) -> HttpResponse:
    answers = place.answers if place.is_bound else _answered(ticket, pick)
    route = route_of(pick.need, ticket.mailbox, answers, at=request.at)  # type: ignore[attr-defined]
    more: dict[str, Any] = {
        "place": place,
        "whole": False,
        "pick": pick,
        "asker": askers_of(ticket, pick.chosen)[0],
        "route": route,
        "goes_to": _goes_to(route),
    }
    return _ask(request, ticket, deed, place, **more, **how)


def _goes_to(route: Route | None) -> str:
    """The team that the rules name; empty where they want no ticket, or wait for an answer."""
    return str(route.team or "") if route is not None and route.outcome == Outcome.TICKET else ""


def _refused(form: Any, refusal: Refusal, *, alone: bool = False) -> Any:
    """The same form, with what was refused above it; `alone`: and nothing else."""
    form.is_valid()
    if alone:
        form.errors.clear()
    form.add_error(None, insecable(str(refusal)))
    return form
