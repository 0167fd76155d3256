"""A person's open sessions, and the time that is left to this one."""

from allauth.usersessions.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import sessions
from accounts.auth import ENTRY
from accounts.views.signing_in import leave
from bma_portal import audit


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def open_sessions(request: HttpRequest) -> HttpResponse:
    """The list; each one can be closed, and all at once."""
    if request.method == "POST":
        return _close(request)
    context = {
        "sessions": [
            {"session": row, "current": row.session_key == request.session.session_key, "device": device(row)}
            for row in sessions.open_sessions(request.user)
        ],
        "minutes": settings.SESSION_IDLE_SECONDS // 60,
        "hours": settings.SESSION_LONGEST_SECONDS // 3600,
    }
    return render(request, "accounts/open_sessions.html", context)


def _close(request: HttpRequest) -> HttpResponse:
    """One of one's own sessions, or all of them: another person's is as if it did not exist."""
    mine = UserSession.objects.filter(user=request.user)
    everywhere = "partout" in request.POST
    if not everywhere:
        chosen = request.POST.get("session", "")
        is_number = chosen.isascii() and chosen.isdigit() and len(chosen) < 18
        mine = mine.filter(pk=int(chosen)) if is_number else mine.none()
    rows = list(mine)
    current = request.session.session_key
    user, by = request.user, (request.session.get(ENTRY) or {}).get("by", "")
    get_adapter().end_sessions([row for row in rows if row.session_key != current])
    leaving = everywhere or any(row.session_key == current for row in rows)
    if leaving:
        sessions.end(request)
    if rows or leaving:
        why = "partout" if everywhere else ""
        audit.record("sign_out", at=request.at, about=user, by=user, why=why, details={"sessions": len(rows)})
    return leave(by) if leaving else redirect("open_sessions")


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def session_state(request: HttpRequest) -> HttpResponse:
    """How long this session still lasts, for the warning. Asking is no activity (GET); saying « still there » is.

    After a new sign-in in another tab, the page that waits takes its token from here and loses nothing typed.
    """
    if not request.user.is_authenticated:
        return JsonResponse({"left": 0})
    if request.method == "POST":
        sessions.extend(request)
    left, extendable = sessions.seconds_left(request)
    person = salted_hmac("session", str(request.user.pk)).hexdigest()[:16]
    return JsonResponse({"left": left, "extendable": extendable, "person": person, "csrf": get_token(request)})


def device(row: UserSession) -> str:
    """« Firefox sous Windows »: enough for somebody to know their own."""
    agent = row.user_agent
    browsers = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
    systems = {"Windows": "Windows", "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Mac OS": "macOS"}
    systems |= {"CrOS": "ChromeOS", "Linux": "Linux"}
    browser = next((name for mark, name in browsers.items() if mark in agent), "Navigateur inconnu")
    system = next((name for mark, name in systems.items() if mark in agent), "")
    return f"{browser} sous {system}" if system else browser
