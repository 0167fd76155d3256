"""Sessions: short on shared computers, ended on the server, and at once for whoever loses a role (SEC-B11, SEC-G2).

Time here is the real one, not the replay's: a session is a matter of persons at keyboards.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import Resolver404, resolve
from django.utils.http import urlencode

from accounts.auth import BREAK_GLASS, ENTRY, is_strong, needs_strength, roles_of
from accounts.models import User
from bma_portal import audit

STEP = 60  # activity is written once a minute at most: a session idle for 14 to 15 minutes ends
# What a break-glass account may open before its second factor is enrolled.
ENROLMENT = {"mfa_activate_totp", "sign_out", "session_state"}
NOT_ACTIVITY = {"session_state", "desk_news", "desk_list"}  # what a page asks by itself

IDLE, LONG, CLOSED, WEAK = "inactivite", "duree", "fermee", "faible"


def open_session(request: HttpRequest, *, by: str, acr: str = "", second_factor: bool = False) -> None:
    """Note in a session that was just opened how it was: nothing else makes a session good."""
    now = int(time.time())
    request.session[ENTRY] = {
        "user": request.user.pk,
        "by": by,
        "acr": acr,
        "second_factor": second_factor,
        "opened": now,
        "seen": now,
        "roles": sorted(roles_of(request.user)),  # type: ignore[arg-type]
    }


def second_factor_shown(request: HttpRequest) -> None:
    """The person of a break-glass session has just enrolled the second factor, and proved it."""
    request.session[ENTRY] = {**request.session[ENTRY], "second_factor": True}


def seconds_left(request: HttpRequest) -> tuple[int, bool]:
    """Until this session ends if nothing is done, and whether doing something would make that later."""
    entry = request.session[ENTRY]
    now = time.time()
    idle = entry["seen"] + settings.SESSION_IDLE_SECONDS - now
    longest = entry["opened"] + settings.SESSION_LONGEST_SECONDS - now
    return max(int(min(idle, longest)), 0), longest > settings.SESSION_IDLE_SECONDS


def extend(request: HttpRequest) -> None:
    """The person is still there."""
    request.session[ENTRY] = {**request.session[ENTRY], "seen": int(time.time())}
    moment = datetime.fromtimestamp(time.time(), UTC)
    UserSession.objects.filter(session_key=request.session.session_key).update(last_seen_at=moment)


def open_sessions(user: User) -> QuerySet[UserSession]:
    """Those that still open something, the latest seen first."""
    now = datetime.fromtimestamp(time.time(), UTC)
    alive = Session.objects.filter(expire_date__gt=now).values("session_key")
    return UserSession.objects.filter(
        user=user,
        session_key__in=alive,
        last_seen_at__gt=now - timedelta(seconds=settings.SESSION_IDLE_SECONDS),
        created_at__gt=now - timedelta(seconds=settings.SESSION_LONGEST_SECONDS),
    ).order_by("-last_seen_at")


def end(request: HttpRequest) -> None:
    """Kill this session on the server; the cookie that is left opens nothing."""
    UserSession.objects.filter(session_key=request.session.session_key).delete()
    logout(request)


class LoginRequired(LoginRequiredMiddleware):
    """Django's own, which also says why one must sign in again."""

    def handle_no_permission(self, request: HttpRequest, view_func: Callable) -> HttpResponseRedirect:
        # What was posted is not kept anywhere: the page that sent it is where one comes back to, if it can be read.
        query = {"next": request.get_full_path()}
        reason = getattr(request, "session_ended", "") or (CLOSED if request.method == "POST" else "")
        if reason:
            query |= {"fin": reason}
        if request.method == "POST":
            query |= {"perdu": "1"}
        return HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{urlencode(query)}")


class SessionRules:
    """Middleware: ends the sessions that must end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.session_ended = self._end_if_over(request)  # type: ignore[attr-defined]
        response = self._enrol_first(request) or self.get_response(request)
        allow_forms_to_cerbere(response)
        return response

    def _end_if_over(self, request: HttpRequest) -> str:
        """Why the session of this request was ended, if it was."""
        user, session = request.user, request.session
        if not user.is_authenticated:
            if session.get(SESSION_KEY):  # disabled since
                self._turn_out(request, "compte désactivé")
                return CLOSED
            return ""
        entry: dict[str, Any] = session.get(ENTRY) or {}
        if entry.get("user") != user.pk:  # not opened by one of our two doors
            end(request)
            return CLOSED
        now = time.time()
        if now - entry["opened"] > settings.SESSION_LONGEST_SECONDS:
            end(request)
            return LONG
        if now - entry["seen"] > settings.SESSION_IDLE_SECONDS:
            end(request)
            return IDLE
        if set(entry["roles"]) - roles_of(user):
            self._turn_out(request, "rôle retiré")
            return CLOSED
        if entry["by"] != BREAK_GLASS and needs_strength(user) and not is_strong(request):
            end(request)  # given a role since
            return WEAK
        if now - entry["seen"] > STEP and name_of(request) not in NOT_ACTIVITY:
            extend(request)
        return ""

    def _turn_out(self, request: HttpRequest, why: str) -> None:
        who = User.objects.filter(pk=request.session.get(SESSION_KEY, 0)).first()
        end(request)
        audit.record("sign_out", at=request.at, about=who, by=who, why=why)  # type: ignore[attr-defined]

    def _enrol_first(self, request: HttpRequest) -> HttpResponse | None:
        """A break-glass session without second factor leads to the enrolment and nowhere else."""
        entry = request.session.get(ENTRY) or {} if request.user.is_authenticated else {}
        if entry.get("by") != BREAK_GLASS or is_strong(request) or name_of(request) in ENROLMENT:
            return None
        return HttpResponseRedirect(resolve_url("mfa_activate_totp"))


def name_of(request: HttpRequest) -> str:
    try:
        return resolve(request.path_info).view_name
    except Resolver404:
        return ""


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def allow_forms_to_cerbere(response: HttpResponse) -> None:
    """Chromium holds a redirect that follows a form against `form-action`: signing in and out go through Cerbère."""
    cerbere = origin_of(settings.CERBERE_ISSUER)
    if cerbere:
        update = getattr(response, "_csp_update", None) or {}
        forms = [*update.get("form-action", []), cerbere]
        response._csp_update = {**update, "form-action": forms}  # type: ignore[attr-defined]
