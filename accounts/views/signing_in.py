"""In by Cerbère, and out."""

from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from requests import RequestException

from accounts import adapters, cerbere, refusals, sessions
from accounts.auth import CERBERE, ENTRY, is_own_path
from accounts.provider import CerbereOAuth2Adapter, CerbereProvider, app
from bma_portal import audit
from bma_portal.limits import Limit, exceeded
from bma_portal.secret import leaving_no_trace
from bma_portal.views import too_many

# A whole school may stand behind one address; none signs in that often.
START_LIMITS = (Limit("connexion-depart", 60, 300),)
RETURN_LIMITS = (Limit("connexion-retour", 60, 300),)

REASONS = {
    sessions.IDLE: "Votre session a pris fin après {minutes} minutes sans activité.",
    sessions.LONG: "Votre session a pris fin : elle dure {hours} heures au plus.",
    sessions.CLOSED: "Votre session n’est plus ouverte.",
    sessions.WEAK: "Votre rôle demande une connexion renforcée : connectez-vous de nouveau.",
}


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The door. Only the button leaves for Cerbère: a link from elsewhere does not sign anybody in."""
    wanted = (request.POST if request.method == "POST" else request.GET).get("next", "")
    next_url = wanted if is_own_path(wanted) else ""
    if request.method == "POST":
        return _leave_for_cerbere(request, next_url)
    if request.user.is_authenticated:
        home = reverse("admin:index") if request.user.is_staff else settings.LOGIN_REDIRECT_URL
        return HttpResponseRedirect(next_url or home)
    reason = REASONS.get(request.GET.get("fin", ""), "").format(
        minutes=settings.SESSION_IDLE_SECONDS // 60, hours=settings.SESSION_LONGEST_SECONDS // 3600
    )
    context = {"next": next_url, "reason": reason, "lost": "perdu" in request.GET and bool(reason)}
    return render(request, "accounts/sign_in.html", context)


def _leave_for_cerbere(request: HttpRequest, next_url: str) -> HttpResponse:
    if seconds := exceeded(request, *START_LIMITS):
        return too_many(request, seconds)
    asked = {}
    if "renforcee" in request.POST:
        asked = {"acr_values": " ".join(settings.CERBERE_STAFF_ACR), "prompt": "login"}
    try:
        return CerbereProvider(request, app=app()).redirect(
            request, process="login", next_url=next_url or None, auth_params=asked
        )
    except (OAuth2Error, RequestException) as error:
        return adapters.failure(request, error)


@login_not_required
@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Back from Cerbère. Whatever is wrong, nobody is signed in and a line of the audit says so."""
    if seconds := exceeded(request, *RETURN_LIMITS):
        return too_many(request, seconds)
    if request.GET.get("iss", settings.CERBERE_ISSUER) != settings.CERBERE_ISSUER:
        return refusals.refuse(request, refusals.UNREADABLE, why="autre émetteur")
    try:
        one_way = CerbereOAuth2Adapter(request, settings.CERBERE_ISSUER)
        with leaving_no_trace():  # tokens pass through allauth's hands and ours
            return OAuth2CallbackView.adapter_view(one_way)(request)
    except (OAuth2Error, RequestException) as error:
        return adapters.failure(request, error)
    except IntegrityError:
        return refusals.refuse(request, refusals.UNREADABLE, why="deux premières connexions à la fois")


@login_not_required
@never_cache
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Kill the session here, then the one at Cerbère."""
    by = (request.session.get(ENTRY) or {}).get("by") if request.user.is_authenticated else ""
    if request.user.is_authenticated:
        user = request.user
        sessions.end(request)
        audit.record("sign_out", at=request.at, about=user, by=user)
    return leave(by)


def leave(by: str) -> HttpResponse:
    """The answer that sends a signed-out person away. Cookies are not named to Clear-Site-Data: browsers would
    forget those of the whole domain, Cerbère's and the other services' among them."""
    response = HttpResponseRedirect(_end_at_cerbere() if by == CERBERE else reverse("signed_out"))
    response["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _end_at_cerbere() -> str:
    """Where Cerbère ends its own session; our page if it does not answer: here, the person is out all the same."""
    try:
        endpoint = cerbere.discover().get("end_session_endpoint")
    except (OAuth2Error, RequestException):
        endpoint = None
    if not endpoint:
        return reverse("signed_out")
    back = settings.PORTAL_URL + reverse("signed_out")
    query = urlencode({"client_id": settings.CERBERE_CLIENT_ID, "post_logout_redirect_uri": back})
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"


@login_not_required
@never_cache
@require_safe
def signed_out(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("open_sessions")
    return render(request, "accounts/signed_out.html")
