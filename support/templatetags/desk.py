"""What the pages of the desk share: their navigation, deadlines and ages in words."""

from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, get_script_prefix, reverse

from bma_portal.clock import brussels_date
from bma_portal.templatetags.french import sans_semaine
from support.desk import TEAMS
from support.needs import NEEDS
from support.queues import QUEUES

register = template.Library()

# Beside the queues: the name of the address, the words; those of a room that is not built are not shown
PLACES = (
    ("desk_new", "Nouvelle demande"),
    ("desk_incidents", "Incidents"),
    ("desk_views", "Vues"),
    ("desk_canned", "Réponses types"),
    ("desk_rules", "Règles"),
    ("desk_quarantine", "Quarantaine"),
    ("desk_figures", "Chiffres"),
)


@register.simple_tag(takes_context=True)
def desk_nav(context: template.Context) -> str:
    """The queues and the other rooms. `queue` and `badges`, where the page has them, mark and count the queues."""
    request = context["request"]
    name = request.resolver_match.view_name if request.resolver_match else ""
    room = next((place for place, _ in PLACES if name.startswith(place.removesuffix("s"))), "")
    queue = str(context.get("queue_name", "")) if name == "desk" else ""
    where = (queue, room, tuple(request.teams), request.team, get_script_prefix(), settings.ROOT_URLCONF)
    badges = context.get("badges")
    return _nav(*where, badges=badges) if badges else _nav_without_badges(*where)


def _nav(
    queue: str, room: str, teams: tuple[str, ...], team: str, _prefix: str, _urlconf: Any, *, badges: dict[str, Any]
) -> str:
    desk = reverse("desk")
    queues = [
        {
            "slug": slug,
            "url": f"{desk}?file={slug}",
            "label": label,
            "here": slug == queue,
            "counted": slug in badges,
            "count": badges.get(slug, ""),
        }
        for slug, label in QUEUES.items()
    ]
    places = []
    for place, label in PLACES:
        try:
            places.append({"url": reverse(place), "label": label, "here": place == room})
        except NoReverseMatch:
            continue
    own = [{"code": code, "label": TEAMS(code).label, "here": code == team} for code in teams]
    shown = {"queues": queues, "places": places, "teams": own, "desk": desk}
    return render_to_string("support/desk/_nav.html", shown)


@lru_cache(maxsize=256)
def _nav_without_badges(*where: Any) -> str:
    """Most pages of the desk have the same one: it says where one is and for which teams, and nothing else."""
    return _nav(*where, badges={})


@register.filter
def delai(due: datetime, at: datetime) -> str:
    """« dans 2 h », « dépassée depuis 3 jours »: how far a deadline is, by the clock on the wall."""
    far = _span(abs((due - at).total_seconds()))
    return f"dans {far}" if due > at else f"dépassée depuis {far}"


@register.filter
def depuis(moment: datetime, at: datetime) -> str:
    """« 20 min », « 4 h », « 3 jours », then the day itself: how long ago that was."""
    seconds = (at - moment).total_seconds()
    return f"il y a {_span(seconds)}" if seconds < 30 * 86_400 else f"le {sans_semaine(brussels_date(moment))}"


def _span(seconds: float) -> str:
    minutes = max(int(seconds // 60), 1)
    if minutes < 60:
        return f"{minutes}\N{NO-BREAK SPACE}min"
    if minutes < 48 * 60:
        return f"{minutes // 60}\N{NO-BREAK SPACE}h"
    return f"{minutes // (24 * 60)}\N{NO-BREAK SPACE}jours"


@register.filter
def besoin(slug: str) -> str:
    """A need as its list says it."""
    return NEEDS[slug].label if slug in NEEDS else slug


@register.filter
def etat(status: str) -> str:
    """The state of a ticket, as the desk says it (its label speaks to the requester)."""
    return STATES.get(status, status)


STATES = {
    "new": "à prendre",
    "open": "en cours",
    "waiting": "en attente du demandeur",
    "solved": "résolue",
    "closed": "close",
    "merged": "jointe à une autre",
}
