"""What opens by a link sent by mail: the password picked up, a request stopped.

A mail's links are opened by machines: GET and HEAD look nothing up, so they tell nothing and spend nothing (SEC-D1).
The address is the right to act, and no cookie is read: a forged form could do no more than the link itself, and a page
that sends no Referer sends `Origin: null` with its forms, which the CSRF check refuses. Hence `csrf_exempt`.
"""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from bma_portal.errors import Refusal
from bma_portal.limits import Limit, exceeded
from bma_portal.secret import leaving_no_trace
from bma_portal.templatetags.french import insecable
from bma_portal.views import too_many
from support import resets, tokens
from support.forms_hors_mode import SpokenCodeForm
from support.views.showing import password_page, sealed

TRIES_PER_PLACE = Limit("retrait-heure", 20, 3600)
STOPS_PER_PLACE = Limit("arret-heure", 20, 3600)

page = require_http_methods(["GET", "HEAD", "POST"])


@csrf_exempt
@login_not_required
@sensitive_post_parameters()
@sensitive_variables()
@page
def pick_up(request: HttpRequest, token: str) -> HttpResponse:
    """A form for the code said on the phone; with it, the password, once."""
    form = SpokenCodeForm()
    if request.method == "POST":
        if seconds := exceeded(request, TRIES_PER_PLACE):
            return sealed(too_many(request, seconds))
        form = SpokenCodeForm({"code": request.POST.get("code", "").replace("\0", "")[:60]})
        if form.is_valid():
            try:
                with leaving_no_trace():
                    return _shown(request, token, form.cleaned_data["code"])
            except resets.PickUpRefused as refusal:
                form.add_error("code", insecable(str(refusal)))
    return sealed(render(request, "support/reset/pick_up.html", {"form": form}))


def _shown(request: HttpRequest, token: str, code: str) -> HttpResponse:
    password = resets.pick_up(token, code=code, at=request.at)  # type: ignore[attr-defined]
    reset = tokens.find("pickup", token)
    if reset is None:
        raise resets.PickUpRefused
    return password_page(request, "support/reset/picked_up.html", reset, password)


@csrf_exempt
@login_not_required
@page
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Explains, with one button; the button stops the request."""
    problem = ""
    if request.method == "POST":
        if seconds := exceeded(request, STOPS_PER_PLACE):
            return sealed(too_many(request, seconds))
        try:
            resets.stop(token, at=request.at)  # type: ignore[attr-defined]
            return sealed(render(request, "support/reset/stopped.html"))
        except Refusal as refusal:
            problem = str(refusal)
    return sealed(render(request, "support/reset/stop.html", {"problem": problem}))
