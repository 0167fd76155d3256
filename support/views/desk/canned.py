"""The texts that a team keeps for its answers (F7): only its own, and only with the variables that exist (SEC-F5)."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from migration.phases import Phase
from support import canned
from support.desk import desk_page
from support.forms_desk import CannedForm
from support.models import CannedAnswer, Ticket
from support.needs import NEEDS


@require_safe
@desk_page
def answers(request: HttpRequest) -> HttpResponse:
    rows = CannedAnswer.objects.filter(team=request.team).order_by("-active", "title")  # type: ignore[attr-defined]
    found = [
        {
            "row": row,
            "needs": [NEEDS[need].label for need in row.needs if need in NEEDS],
            "phases": [Phase(phase).label for phase in row.phases if phase in Phase.values],
        }
        for row in rows
    ]
    return render(request, "support/desk/canned.html", {"answers": found})


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def write(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Write a new one or change one; « Voir » shows it as a ticket of the team would get it, and keeps nothing."""
    team = request.team  # type: ignore[attr-defined]
    row = None
    if pk is not None:
        row = CannedAnswer.objects.filter(pk=pk, team__in=request.teams).first()  # type: ignore[attr-defined]
        if row is None:
            raise Http404
        team = row.team
    preview: dict[str, Any] | None = None
    if request.method == "POST":
        form = CannedForm(request.POST, team=team, row=row)
        if form.is_valid():
            if "voir" not in request.POST:
                return _kept(request, form, row)
            preview = _preview(request, form.cleaned_data["text"])
    else:
        names = ("title", "text", "phases", "needs", "active")
        said = {name: getattr(row, name) for name in names} if row else None
        form = CannedForm(initial=said, team=team, row=row)
    context = {"form": form, "row": row, "preview": preview, "variables": list(canned.VARIABLES)}
    return render(request, "support/desk/canned_write.html", context)


def _kept(request: HttpRequest, form: CannedForm, row: CannedAnswer | None) -> HttpResponse:
    kept = row or CannedAnswer(team=request.team)  # type: ignore[attr-defined]
    for name in ("title", "text", "phases", "needs", "active"):
        setattr(kept, name, form.cleaned_data[name])
    kept.save()
    messages.success(request, f"La réponse « {kept.title} » est enregistrée.")
    return redirect("desk_canned")


def _preview(request: HttpRequest, text: str) -> dict[str, Any]:
    """For the latest ticket of the team, if it has one."""
    tickets = Ticket.objects.of_team(request.team).select_related("mailbox__organisation").defer("search")  # type: ignore[attr-defined]
    sample = tickets.order_by("-updated_at", "-id").first()
    if sample is None:
        return {"ticket": None, "text": text, "unresolved": []}
    filled = canned.fill(text, sample, at=request.at)  # type: ignore[attr-defined]
    return {"ticket": sample, "text": filled.text, "unresolved": filled.unresolved}
