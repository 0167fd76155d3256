"""Who works at the desk, for which team, and what of it they may see (F1)."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache

from accounts.auth import is_strong
from accounts.models import Contact, User
from support.models import Ticket

TEAMS = Contact.Team
REFERENCE = re.compile(r"D-[A-Z0-9]{4}-[A-Z0-9]{4}", re.ASCII)


def teams_of(user: User) -> list[str]:
    """The teams that this person works for, by their permissions; none for whoever is no agent."""
    return [team for team in TEAMS.values if user.has_perm(f"support.work_{team}")]


def desk_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page of the desk, for a strong session of whoever works for a team; gives `request.teams`, `request.team`.

    Somebody of several teams works for one at a time: `?equipe=`, remembered in the session. Never cached.
    """

    @wraps(view)
    @never_cache
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_strong(request):
            raise PermissionDenied
        teams = teams_of(request.user)  # type: ignore[arg-type]
        if not teams:
            raise PermissionDenied
        wanted = request.GET.get("equipe") or request.session.get("equipe")
        team = wanted if wanted in teams else teams[0]
        if "equipe" in request.GET and request.session.get("equipe") != team:
            request.session["equipe"] = team
        request.teams, request.team = teams, team  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return guarded


def visible_ticket(request: HttpRequest, reference: str) -> Ticket:
    """The ticket of one of this person's teams; any other is a 404, as if it did not exist (F1)."""
    if not REFERENCE.fullmatch(reference.upper()):
        raise Http404
    found = (
        Ticket.objects.select_related(
            "mailbox__organisation__po", "assignee", "user", "rule", "incident", "merged_into"
        )
        .defer("search")
        .filter(reference=reference.upper(), team__in=request.teams)  # type: ignore[attr-defined]
        .first()
    )
    if found is None:
        raise Http404
    return found
