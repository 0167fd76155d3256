"""The pages of MODE: a GIA sees, grants, withdraws and decides for the units that he manages; anybody may ask.

Whatever lies outside a GIA's units answers as if it did not exist (SEC-B5, SEC-B6). What a page offers was read when
it was shown; what is sent is judged anew (A7).
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import mode, people
from accounts.addresses import parse
from accounts.forms_mode import AskForm, DecideForm, GrantForm, RevokeForm, end_of_school_year
from accounts.grants import OutOfScope
from accounts.models import GrantRequest, Organisation, ResetGrant, User
from accounts.units import name_of
from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.limits import Limit, exceeded_by
from bma_portal.views import too_many

PER_PAGE = 25
HISTORY = 100
ASK_LIMITS = (Limit("mode-demande", 20, 3600),)
PERSON_LIMITS = (Limit("mode-personne", 30, 3600),)  # whoever tries identifiers one after the other
Status = GrantRequest.Status


@require_safe
@never_cache
def units(request: HttpRequest) -> HttpResponse:
    """A GIA's units, with who may reset and who asks; for anybody else, their own permissions."""
    overseen = mode.overseen_by(request.user, request.at)
    if not overseen.exists():
        return _own(request, AskForm())
    search = request.GET.get("q", "").replace("\0", "")[:100]
    found = overseen.matching(search) if search.strip() else overseen
    in_force = ResetGrant.objects.in_force(request.at).select_related("user").order_by("user__last_name", "pk")
    asked = GrantRequest.objects.filter(status=Status.ASKED).select_related("user").order_by("asked_at")
    listed = found.prefetch_related(
        Prefetch("grants", in_force, to_attr="in_force"), Prefetch("grant_requests", asked, to_attr="asked")
    )
    waiting = asked.filter(organisation__in=overseen).select_related("organisation")
    context = {
        "page": Paginator(listed, PER_PAGE).get_page(request.GET.get("page")),
        "search": search,
        "waiting": waiting[:HISTORY],
    }
    return render(request, "accounts/mode/units.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def ask(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _own(request, AskForm({"numero": numero[:20]} if (numero := request.GET.get("numero")) else None))
    form = AskForm(request.POST)
    if seconds := exceeded_by(f"person:{request.user.pk}", *ASK_LIMITS):
        return too_many(request, seconds)
    if form.is_valid():
        unit, message = form.cleaned_data["numero"], form.cleaned_data["message"]
        if _tried(form, lambda: mode.ask(unit, user=request.user, message=message, at=request.at)):
            messages.success(request, f"Votre demande pour {unit.number} est enregistrée.")
            return redirect("mode_ask")
    return _own(request, form)


@require_POST
@never_cache
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    asked = GrantRequest.objects.filter(pk=pk, user=request.user).select_related("organisation").first()
    if asked is None:
        raise Http404
    try:
        mode.withdraw(asked, by=request.user, at=request.at)
        messages.success(request, f"Votre demande pour {asked.organisation.number} est retirée.")
    except Refusal as refusal:
        messages.error(request, str(refusal))
    return redirect("mode_ask")


def _own(request: HttpRequest, form: AskForm) -> HttpResponse:
    """What one has, what one asked for, and, for one's own units only, who manages their permissions."""
    user, at = request.user, request.at
    mine = Q(holders__in=user.holdings.in_force(at)) | Q(grants__in=user.grants.all())
    own = Organisation.objects.filter(mine).select_related("po").distinct()[:PER_PAGE]
    context = {
        "form": form,
        "subject": people.subject_known(user),
        "grants": mode.grants_of(user, at),
        "requests": user.grant_requests.select_related("organisation", "grant").order_by("-asked_at")[:PER_PAGE],
        "managed": [(unit, mode.gias_of(unit, at)) for unit in own],
        "is_gia": mode.overseen_by(user, at).exists(),
    }
    return render(request, "accounts/mode/own.html", context)


# For a GIA


@require_safe
@never_cache
def unit(request: HttpRequest, numero: str) -> HttpResponse:
    """Everything about the permissions of one unit: in force, to come, over; who asked; who decides."""
    shown = _unit(request, numero, "grant.made")
    today = brussels_date(request.at)
    grants = list(shown.grants.select_related("user", "granted_by").order_by("-starts_on", "-pk")[:HISTORY])
    names = _names({grant.revoked_by for grant in grants if grant.revoked_by})
    for grant in grants:
        grant.revoked_by_name = names.get(grant.revoked_by, grant.revoked_by)
    live = [grant for grant in grants if grant.revoked_at is None and grant.ends_on >= today]
    context = {
        "unit": shown,
        "numero": name_of(shown),
        "perimeter": mode.perimeter_of(shown, request.at),
        "is_open": mode.is_open(shown, request.at),
        "asked": shown.grant_requests.filter(status=Status.ASKED).select_related("user").order_by("asked_at"),
        "live": sorted(live, key=lambda grant: (grant.starts_on, grant.pk)),
        "today": today,
        "over": [grant for grant in grants if grant not in live],
        "declined": shown.grant_requests.filter(status=Status.DECLINED).select_related("user", "decided_by")[:HISTORY],
        "gias": mode.gias_of(shown, request.at),
        "holder": mode.holder_of(shown, request.at),
    }
    return render(request, "accounts/mode/unit.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def grant(request: HttpRequest, numero: str) -> HttpResponse:
    """To whom and until when; then the person's name is shown, and confirmed."""
    shown = _unit(request, numero, "grant.made")
    today = brussels_date(request.at)
    context = {"unit": shown, "numero": name_of(shown)}
    if request.method != "POST":
        form = GrantForm(initial={"debut": today, "fin": end_of_school_year(today)})
        return render(request, "accounts/mode/grant.html", context | {"form": form})
    if seconds := exceeded_by(f"person:{request.user.pk}", *PERSON_LIMITS):
        return too_many(request, seconds)
    form = GrantForm(request.POST)
    if form.is_valid() and "modifier" not in request.POST:
        to, facts = form.cleaned_data["identifiant"], _period(form)
        if request.POST.get("confirme") != "oui":
            return render(request, "accounts/mode/grant_check.html", context | {"form": form, "to": to, **facts})
        if _tried(form, lambda: mode.grant(shown, to=to, by=request.user, at=request.at, **facts)):
            messages.success(request, f"La permission est accordée à {to}.")
            return redirect("mode_unit", numero=name_of(shown))
    return render(request, "accounts/mode/grant.html", context | {"form": form})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    found = ResetGrant.objects.filter(pk=pk).select_related("organisation__po", "user").first()
    shown = _within(request, found, "grant.revoked")
    form = RevokeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        why = form.cleaned_data["motif"]
        if _tried(form, lambda: mode.revoke(shown, by=request.user, why=why, at=request.at)):
            messages.success(request, f"La permission de {shown.user} est retirée.")
            return redirect("mode_unit", numero=name_of(shown.organisation))
        shown.refresh_from_db()
    over = shown.revoked_at is not None or shown.ends_on < brussels_date(request.at)
    context = {"grant": shown, "unit": shown.organisation, "numero": name_of(shown.organisation), "form": form}
    return render(request, "accounts/mode/revoke.html", context | {"over": over})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    asked = GrantRequest.objects.filter(pk=pk).select_related("organisation__po", "user", "decided_by").first()
    shown = _within(request, asked, "grant.made")
    today = brussels_date(request.at)
    form = DecideForm(request.POST or None, initial={"fin": end_of_school_year(today)})
    if form.is_valid():
        accept = form.cleaned_data["reponse"] == DecideForm.ACCEPT
        facts = {"accept": accept, "ends_on": form.cleaned_data["fin"], "why": form.cleaned_data["motif"]}
        if _tried(form, lambda: mode.decide(shown, by=request.user, at=request.at, **facts)):
            done = "La permission est accordée à" if accept else "La demande est refusée à"
            messages.success(request, f"{done} {shown.user}.")
            return redirect("mode_unit", numero=name_of(shown.organisation))
        shown.refresh_from_db()
    context = {"asked": shown, "unit": shown.organisation, "numero": name_of(shown.organisation), "form": form}
    context |= {"subject": people.subject_known(shown.user), "waiting": shown.status == Status.ASKED}
    return render(request, "accounts/mode/decide.html", context)


def _unit(request: HttpRequest, numero: str, action: str) -> Organisation:
    """The unit that an address of the portal names, if this GIA manages it."""
    try:
        parsed = parse(numero)
    except Refusal:
        raise Http404 from None
    if parsed.kind is None or numero != str(parsed):
        raise Http404
    found = Organisation.objects.filter(kind=parsed.kind, fase=parsed.fase).select_related("po").first()
    return _within(request, found, action)


def _within(request: HttpRequest, found: Any, action: str) -> Any:
    """It, if this GIA manages its unit; else 404 as for what does not exist, and a line if it was an attempt."""
    if found is None:
        raise Http404
    concerned = found if isinstance(found, Organisation) else found.organisation
    if not mode.overseen_by(request.user, request.at).filter(pk=concerned.pk).exists():
        if request.method == "POST":
            why = "hors de son périmètre"
            audit.record(action, at=request.at, about=found, by=request.user, why=why, result="refused")
        raise Http404
    return found


def _tried(form: Any, act: Callable[[], Any]) -> bool:
    """Done, or the reason stands on the form and nothing typed is lost."""
    try:
        act()
    except OutOfScope:  # it was in scope when the page was shown
        raise Http404 from None
    except Refusal as refusal:
        form.add_error(None, ValidationError(str(refusal)))
        return False
    return True


def _period(form: GrantForm) -> dict[str, Any]:
    return {"starts_on": form.cleaned_data["debut"], "ends_on": form.cleaned_data["fin"]}


def _names(usernames: set[str]) -> dict[str, str]:
    return {user.get_username(): str(user) for user in User.objects.filter(username__in=usernames)}
