"""Error pages and health. They touch neither the form that was posted nor, for the worst of them, the database."""

import math
import sys
import time
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from bma_portal import clock

CONTACT = {  # S0 §7: said even when the database is away
    "email": "support@etnic.be",
    "phone": "+32 2 800 10 10",
    "hours": "Du lundi au vendredi de 8 h à 17 h, sauf les jours fériés",
}


def _page(request: HttpRequest, status: int, template: str, **context: Any) -> HttpResponse:
    html = render_to_string(f"errors/{template}.html", {"contact": CONTACT, **context})
    response = HttpResponse(html, status=status)
    response["Cache-Control"] = "no-store"
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _page(request, 413, "413")  # Django has one way out for all that is suspicious; this one has its own
    return _page(request, 400, "400")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 403, "403")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _page(request, 403, "403_csrf")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(request, 404, "404")


def server_error(request: HttpRequest) -> HttpResponse:
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return unavailable(request)  # the database went away in a middleware, where no view's fault is caught
    return _page(request, 500, "500")


def unavailable(request: HttpRequest) -> HttpResponse:
    """503: the database does not answer."""
    response = _page(request, 503, "503")
    response["Retry-After"] = "60"
    return response


def too_many(request: HttpRequest, seconds: int) -> HttpResponse:
    """429: this visitor asked too often; says when to come back."""
    minutes = math.ceil(seconds / 60)
    response = _page(request, 429, "429", minutes=minutes)
    response["Retry-After"] = str(seconds)
    return response


def slow_down(request: HttpRequest) -> HttpResponse:
    """429 of somebody else's limits, which do not say when to come back."""
    return too_many(request, 60)


@login_not_required
def health(request: HttpRequest) -> JsonResponse:
    """What works: the database, the broker, the age of the oldest mail that waits. 503 if the portal cannot serve.

    Says nothing that a visitor should not know.
    """
    state: dict[str, Any] = {}
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*), min(queued_at) FROM mail_outgoingmail WHERE status IN ('queued', 'sending')"
            )
            waiting, oldest = cursor.fetchone()
        age = round((clock.now() - oldest).total_seconds()) if oldest else 0
        state |= {"base": "ok", "courriels_en_attente": waiting, "attente_la_plus_longue_s": max(age, 0)}
    except (DatabaseError, InterfaceError):
        state["base"] = "injoignable"
    try:
        url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://", 1)
        redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2).ping()
        state["courtier"] = "ok"
    except (redis.RedisError, OSError):
        state["courtier"] = "injoignable"  # mails wait, the sweep sends them later: the portal still serves
    state["duree_ms"] = round((time.monotonic() - started) * 1000)
    return JsonResponse(state, status=200 if state["base"] == "ok" else 503)
