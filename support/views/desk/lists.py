"""The queues of a team, one list for all of them; and the page of the keyboard's shortcuts."""

import re
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

from migration.phases import Phase
from support import bulk, queues
from support.desk import TEAMS, desk_page
from support.desk_rows import in_words
from support.models import Ticket
from support.needs import NEEDS
from support.queues import Criteria

SLUG = re.compile(r"[-a-zA-Z0-9_]{1,70}")


@require_safe
@desk_page
def queue(request: HttpRequest) -> HttpResponse:
    criteria = queues.read(request.GET)
    return exact(request, criteria) or listed(request, criteria, address=reverse("desk"))


def exact(request: HttpRequest, criteria: Criteria) -> HttpResponseRedirect | None:
    """A reference that is searched for leads to its ticket, if it is one of this person's teams'."""
    reference = queues.reference_in(criteria.q)
    teams = request.teams  # type: ignore[attr-defined]
    if reference and Ticket.objects.filter(reference=reference, team__in=teams).exists():
        return redirect("desk_ticket", reference=reference)
    return None


@require_safe
@desk_page
def fresh(request: HttpRequest) -> HttpResponse:
    """A list alone, for the page that shows it already and asks for it every half minute.

    Nobody did anything: `accounts.sessions` does not count it as a sign that the person is still there.
    """
    criteria, slug = queues.read(request.GET), request.GET.get("vue", "")
    address = reverse("desk_view", args=[slug]) if SLUG.fullmatch(slug) else reverse("desk")
    return listed(request, criteria, address=address, template="support/desk/_list.html")


def listed(
    request: HttpRequest, criteria: Criteria, *, address: str, template: str = "support/desk/list.html", **more: Any
) -> HttpResponse:
    """The page of a list. `address`: the one that its pages have, of the desk or of a saved view."""
    team, user, at = request.team, request.user, request.at  # type: ignore[attr-defined]
    tickets = queues.wanted(criteria, team=team, user=user, at=at)
    page = queues.page_of(tickets, criteria)
    around = queues.around(team=team, user=user, at=at)
    is_view = address != reverse("desk")
    query = criteria.query()
    here = f"{address}?" if is_view else f"{address}?{query}&"
    again = f"{query}&page={criteria.page}" + (f"&vue={address.split('/')[-2]}" if is_view else "")
    context = {
        "criteria": criteria,
        "query": query,
        "narrowed": criteria.narrowed,
        "queue_name": criteria.file,
        "queues": queues.QUEUES,
        "heading": queues.QUEUES[criteria.file],
        "team_name": TEAMS(team).label,
        "page": page,
        "rows": in_words(page.rows, at, query=query),
        "around": around,
        "badges": around.badges,
        "previous": f"{here}page={criteria.page - 1}" if criteria.page > 1 else "",
        "following": f"{here}page={criteria.page + 1}" if page.following else "",
        "again": f"{reverse('desk_list')}?{again}",
        "most": queues.COUNTED,
        "sorts": queues.SORTS if criteria.file in queues.LIVE_QUEUES else {},
        "filters": _filters(criteria, around),
        "deeds": bulk.DEEDS,
        "limit": bulk.LIMIT,
        "at": at,
        "saved": None,
        **more,
    }
    return render(request, template, context)


def _filters(criteria: Criteria, around: queues.Around) -> list[dict[str, Any]]:
    """The lists to choose from, each with what is chosen."""
    choices: list[tuple[str, str, list[tuple[str, str]]]] = [
        ("besoin", "Besoin", [(slug, need.label) for slug, need in NEEDS.items()]),
        ("phase", "Phase à l’ouverture", list(Phase.choices)),
        ("priorite", "Priorité", list(Ticket.Priority.choices)),
        ("suivie", "Suivie par", [(queues.NOBODY, "Personne"), *around.people]),
        ("lot", "Lot", around.batches),
        ("incident", "Incident", around.incidents),
    ]
    return [
        {"name": name, "label": label, "options": _options(tuple(found), getattr(criteria, name))}
        for name, label, found in choices
    ]


@lru_cache(maxsize=256)
def _options(choices: tuple[tuple[str, str], ...], chosen: str) -> SafeString:
    """The same hundred choices stand on each page of the desk: they are written once, not every half minute."""
    marked = ((value, mark_safe(" selected") if value == chosen else "", label) for value, label in choices)
    return format_html_join("", '<option value="{}"{}>{}</option>', marked)


@require_safe
@desk_page
def keys(request: HttpRequest) -> HttpResponse:
    return render(request, "support/desk/keys.html")
