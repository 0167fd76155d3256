"""Figures, drawn; and the export of a list."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from bma_portal import audit
from bma_portal.clock import brussels_date
from support import exports, queues
from support import figures as numbers
from support.desk import TEAMS, desk_page

SEES_ALL = {TEAMS.SGNE.value, TEAMS.ETNIC.value}  # they drive the migration together; the others see their own work
HEADINGS = {
    "week": "Par semaine",
    "team": "Par équipe",
    "need": "Par besoin",
    "phase": "Par phase de la boîte",
    "batch": "Par lot",
}


@require_safe
@desk_page
def figures(request: HttpRequest) -> HttpResponse:
    team, at = request.team, request.at  # type: ignore[attr-defined]
    teams = list(TEAMS.values) if team in SEES_ALL else [team]
    chosen = request.GET.get("de", "")
    asked = numbers.period(request.GET.get("du", ""), request.GET.get("au", ""), at=at)
    found = numbers.tickets([chosen] if chosen in teams else teams, asked, at=at)
    tables = [
        {"slug": name, "heading": heading, "lines": found.tables[name], "most": _most(found.tables[name])}
        for name, heading in HEADINGS.items()
        if found.tables[name] and (name != "team" or len(found.tables[name]) > 1)
    ]
    sees_resets = request.user.has_perm("support.view_passwordreset")  # type: ignore[union-attr]
    resets = numbers.resets(asked, at=at) if sees_resets else None
    context = {
        "asked": asked,
        "total": found.total,
        "tables": tables,
        "resets": resets,
        "resets_most": max((line.asked for line in resets or []), default=1),
        "teams": [(code, TEAMS(code).label) for code in teams] if len(teams) > 1 else [],
        "chosen": chosen if chosen in teams else "",
        "team_name": TEAMS(team).label,
    }
    return render(request, "support/desk/figures.html", context)


def _most(lines: list[numbers.Line]) -> int:
    return max((line.opened for line in lines), default=1) or 1


@require_safe
@desk_page
def export(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """The tickets of a list, all its pages, as a file. Who took how many is in the audit before the first leaves."""
    team, at = request.team, request.at  # type: ignore[attr-defined]
    criteria = queues.read(request.GET)
    tickets = queues.wanted(criteria, team=team, user=request.user, at=at)  # type: ignore[arg-type]
    with transaction.atomic():
        count = tickets.count()
        audit.record(
            "tickets.exported",
            at=at,
            by=request.user,
            about=audit.Thing("support.team", team, TEAMS(team).label),
            details={"count": count, "criteria": criteria.query()},
        )
    name = f"demandes-{team}-{brussels_date(at):%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(exports.rows(tickets), content_type="text/csv; charset=utf-8", headers=headers)
