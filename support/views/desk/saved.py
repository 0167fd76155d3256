"""Lists under a name: one's own, or shared with the team; their address can be given to a colleague (F15)."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe

from bma_portal.prepared import Prepared
from support import queues
from support.desk import desk_page
from support.forms_desk import ViewForm
from support.models import SavedView
from support.views.desk.lists import listed

MOST = 50  # of one person in one team
_named = Prepared(
    lambda slug, teams, user: SavedView.objects.filter(Q(shared=True) | Q(owner=user), team__in=teams, slug=slug)
)


def read(query: str) -> queues.Criteria:
    return queues.read(QueryDict(query[:500]).dict())


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def views(request: HttpRequest) -> HttpResponse:
    """Those of the team and one's own; by POST, the list of that query gets a name."""
    team, user = request.team, request.user  # type: ignore[attr-defined]
    criteria = read(request.POST.get("query", ""))
    form = ViewForm(request.POST) if request.method == "POST" else None
    if form is not None and form.is_valid():
        made = _made(request, form, criteria)
        if made is not None:
            messages.success(request, f"La vue « {made.name} » est enregistrée.")
            return redirect("desk_view", slug=made.slug)
    found = SavedView.objects.filter(Q(shared=True) | Q(owner=user), team=team).select_related("owner")
    context = {"form": form, "views": found, "criteria": criteria, "queues": queues.QUEUES}
    return render(request, "support/desk/views.html", context)


def _made(request: HttpRequest, form: ViewForm, criteria: queues.Criteria) -> SavedView | None:
    name, team = form.cleaned_data["name"], request.team  # type: ignore[attr-defined]
    slug = slugify(name)
    query = criteria.query()
    if not slug:
        form.add_error("name", "Ce nom doit contenir des lettres ou des chiffres.")
    elif len(query) > 500:
        form.add_error(None, "Cette liste a trop de critères pour être enregistrée : raccourcissez la recherche.")
    elif SavedView.objects.filter(team=team, owner=request.user).count() >= MOST:
        form.add_error(None, f"Vous avez déjà {MOST} vues : supprimez-en une d’abord.")
    else:
        row = SavedView(team=team, owner=request.user, name=name, slug=slug, query=query)
        row.shared, row.created_at = form.cleaned_data["shared"], request.at  # type: ignore[attr-defined]
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            form.add_error("name", "Votre équipe a déjà une vue de ce nom : choisissez-en un autre.")
        else:
            return row
    return None


@require_safe
@desk_page
def view(request: HttpRequest, slug: str) -> HttpResponse:
    """The list as it was saved. Another team's, or a colleague's own, is a 404."""
    teams = request.teams  # type: ignore[attr-defined]
    found = _named(slug=slug, teams=teams, user=request.user.pk)
    rows = sorted(found, key=lambda row: row.team != request.team)  # type: ignore[attr-defined]
    if not rows:
        raise Http404
    saved = rows[0]
    if saved.team != request.team:  # type: ignore[attr-defined]
        return redirect(f"{reverse('desk_view', args=[slug])}?equipe={saved.team}")  # one works for one at a time
    page = request.GET.get("page", "")
    criteria = queues.read({**QueryDict(saved.query).dict(), "page": page})
    return listed(request, criteria, address=reverse("desk_view", args=[saved.slug]), saved=saved)


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def change(request: HttpRequest, slug: str) -> HttpResponse:
    """One's own view gets another name, is shared or not, or goes. Its address stays what it was."""
    teams = request.teams  # type: ignore[attr-defined]
    mine = SavedView.objects.filter(team__in=teams, owner=request.user, slug=slug)
    saved = next(iter(sorted(mine, key=lambda row: row.team != request.team)), None)  # type: ignore[attr-defined]
    if saved is None:
        raise Http404
    if request.method == "POST" and "supprimer" in request.POST:
        saved.delete()
        messages.success(request, f"La vue « {saved.name} » est supprimée.")
        return redirect("desk_views")
    if request.method != "POST":
        form = ViewForm(initial={"name": saved.name, "shared": saved.shared})
    else:
        form = ViewForm(request.POST)
        if form.is_valid():
            saved.name, saved.shared = form.cleaned_data["name"], form.cleaned_data["shared"]
            saved.save(update_fields=["name", "shared"])
            messages.success(request, f"La vue « {saved.name} » est enregistrée.")
            return redirect("desk_views")
    return render(request, "support/desk/view_change.html", {"form": form, "saved": saved})
