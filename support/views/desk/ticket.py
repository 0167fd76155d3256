"""One ticket at the desk: its thread, what may be done, the sheet of its mailbox; what is new; its history."""

import math
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from bma_portal.mail.models import OutgoingMail
from support import canned, queues
from support.desk import REFERENCE, desk_page, visible_ticket
from support.desk_deeds import FIRST, open_deeds
from support.forms_desk_ticket import BIGGEST, THEN, AnswerForm, NoteForm, number, seen
from support.incoming.cleaning import cleaned
from support.models import Message, Ticket, TicketChange
from support.ticket_history import history_of
from support.ticket_page import TicketPage, page_of
from support.tickets import answers_in_words, need_label
from support.tickets.common import PORTAL, REQUESTER
from support.tickets.recalling import ends
from support.views.desk.saved import read as criteria_of

# With each deed goes what its page had read, in its form or in its address
READ_AT = "version={}&amp;vu={}"
READ = '<input type="hidden" name="version" value="{}"><input type="hidden" name="vu" value="{}">'
QUEUED = OutgoingMail.Status.QUEUED
STEPS = {"suivante": 1, "precedente": -1}
AT_THE_END = "Vous êtes au bout de cette liste."
STOP_POLLING = 286  # htmx: take this answer, and ask no more
DUE_FOR = {
    "first": "Première réponse",
    "team": "Première réponse de cette équipe",
    "next": "Réponse suivante",
    "solve": "Solution",
}


@require_safe
@desk_page
def sheet(request: HttpRequest, reference: str) -> HttpResponse:
    """The page of a ticket. A merged one leads to the one that stays; `?vu=`: what came after that is marked.

    `?liste=`: the list it was opened from; `&aller=suivante` or `precedente` goes on in it.
    """
    page = read(request, reference, since=seen(request.GET) if "vu" in request.GET else None)
    goes_to = page.ticket.merged_into
    if goes_to is not None:
        return redirect("desk_ticket", reference=goes_to.reference)
    if request.GET.get("aller") in STEPS:
        beside = going_on(request, page.ticket.reference, STEPS[request.GET["aller"]])
        if not beside:
            messages.info(request, AT_THE_END)
        return redirect(beside or list_of(request))
    return show(request, page)


def came_from(request: HttpRequest) -> str:
    """The query of the list that this ticket was opened from, as `queues` writes it; nothing if it was from none."""
    said = request.POST.get("liste") or request.GET.get("liste") or ""
    return criteria_of(said).query() if said else ""


def going_on(request: HttpRequest, reference: str, step: int) -> str:
    """The address of that ticket's neighbour in the list one came from; nothing where it ends."""
    query = came_from(request)
    team, at = request.team, request.at  # type: ignore[attr-defined]
    found = queues.neighbour(criteria_of(query), reference, step, team=team, user=request.user, at=at)  # type: ignore[arg-type]
    return address_of(found, query) if found else ""


def list_of(request: HttpRequest) -> str:
    return f"{reverse('desk')}?{came_from(request)}"


def address_of(reference: str, query: str) -> str:
    there = reverse("desk_ticket", args=[reference])
    return f"{there}?{urlencode({'liste': query})}" if query else there


def read(request: HttpRequest, reference: str, *, since: tuple[int, int] | None = None) -> TicketPage:
    """That ticket, as this person may see it; 404 for any other, and for one that was joined to another team's."""
    teams: list[str] = request.teams  # type: ignore[attr-defined]
    found = page_of(reference, teams=teams, user=request.user, at=request.at, since=since)  # type: ignore[arg-type, attr-defined]
    if found is None or (found.ticket.merged_into or found.ticket).team not in teams:
        raise Http404
    return found


def show(
    request: HttpRequest,
    page: TicketPage,
    *,
    answer: AnswerForm | None = None,
    note: NoteForm | None = None,
    stale: bool = False,
    news: list[Any] | None = None,
    unresolved: list[str] | None = None,
    inserted: bool = False,
    status: int = 200,
) -> HttpResponse:
    ticket, at = page.ticket, request.at  # type: ignore[attr-defined]
    requests = sum(line.kind == Message.Kind.REQUEST for line in page.thread)
    deeds = open_deeds(ticket, request.user, requests=requests)  # type: ignore[arg-type]
    phase = page.status.phase if page.status else ticket.phase
    liste = came_from(request)
    draft = {"text": page.draft.text} if page.draft else {}
    here = reverse("desk_ticket", args=[ticket.reference])
    context = {
        "page": page,
        "ticket": ticket,
        "unit": ticket.mailbox.organisation,
        "at": at,
        "need": need_label(ticket.need),
        "answers": answers_in_words(ticket),
        "deadline": deadline_of(ticket, at),
        "deeds": sorted((deed for deed in deeds if deed.slug in FIRST), key=lambda deed: FIRST.index(deed.slug)),
        "more": [deed for deed in deeds if deed.slug not in FIRST],
        "canned": canned.suited(page.canned, phase=phase, need=ticket.need),
        "here": here,
        "liste": liste,
        "in_list": f"{here}?{urlencode({'liste': liste})}" if liste else "",
        "beside": here.removesuffix(f"{ticket.reference}/"),  # what the other tickets' addresses begin with
        "read": format_html(READ, ticket.version, page.seen),
        "read_at": format_html(READ_AT, ticket.version, page.seen),
        "then_choices": THEN,
        "then": (answer["then"].value() if answer else None) or THEN[0][0],
        "inserted": inserted,
        "recall": _recall(page, request.user.pk, at),
        "files_lost": "pieces" in request.GET or (answer is not None and answer.is_bound),
        "draft_at": page.draft.saved_at if page.draft else None,
        "answer": answer or AnswerForm(initial=draft),
        "note": note or NoteForm(),
        "stale": stale,
        "news": news or [],
        "unresolved": unresolved or [],
        "failed": bool((answer and answer.errors) or (note and note.errors)),
        "by_htmx": bool(request.htmx),  # type: ignore[attr-defined]
    }
    return render(request, "support/desk/ticket.html", context, status=status)


def _recall(page: TicketPage, me: int | None, at: datetime) -> dict[str, int]:
    """The answer that whoever looks may still recall, and for how many seconds; from what is read already."""
    held = page.ticket.recall
    if not held or held["by"] != me or at >= ends(held):
        return {}
    waits = any(line.id == held["messages"][0] and line.mail_status in {None, QUEUED} for line in page.thread)
    return {"message": held["messages"][0], "seconds": math.ceil((ends(held) - at).total_seconds())} if waits else {}


def deadline_of(ticket: Ticket, at: datetime) -> dict[str, Any]:
    """Which target comes first, and whether it has passed; nothing while the requester is waited for."""
    if ticket.due_at is None:
        return {}
    return {"what": DUE_FOR.get(ticket.due_for, "Échéance"), "at": ticket.due_at, "late": ticket.due_at <= at}


# What is new


@require_safe
@desk_page
def news(request: HttpRequest, reference: str) -> HttpResponse:
    """For a page that was read at `?depuis=`: who changed the ticket since; 204 if nobody did. Cheap."""
    if not REFERENCE.fullmatch(reference.upper()):
        raise Http404
    here = OuterRef("pk")
    said = Message.objects.filter(ticket=here).order_by("-pk")[:1]
    changes = TicketChange.objects.filter(ticket=here).order_by("-pk")[:1]
    found = (
        Ticket.objects.filter(reference=reference.upper(), team__in=request.teams)  # type: ignore[attr-defined]
        .annotate(
            wrote=ArraySubquery(
                said.values(row=JSONObject(at="written_at", who="author_name", by="author_id", kind="kind"))
            ),
            changed=ArraySubquery(changes.values(row=JSONObject(at="at", who="by_name", by="by_id", kind="field"))),
        )
        .values("version", "reference", "wrote", "changed")
        .first()
    )
    if found is None:
        raise Http404
    if found["version"] <= number(request.GET.get("depuis", "")):
        return HttpResponse(status=204)
    told = max([*found["wrote"], *found["changed"]], key=lambda row: row["at"], default=None)
    context = {"sentence": _sentence(told, request.user.pk), "reference": found["reference"], "vu": seen(request.GET)}
    return render(request, "support/desk/ticket_news.html", context, status=STOP_POLLING)


def _sentence(told: dict[str, Any] | None, me: int | None) -> str:
    if told is None:
        return "Cette demande vient de changer."
    if told["by"] is not None and told["by"] == me:
        return "Vous avez changé cette demande dans une autre fenêtre."
    deeds = {
        "request": "a écrit",
        "answer": "a répondu",
        "note": "a laissé une note interne",
        "event": "a fait avancer la demande",
    }
    what = deeds.get(told["kind"]) or f"a changé la demande ({told['kind']})"
    who = {PORTAL: "Le portail", REQUESTER: "Le demandeur"}.get(told["who"], told["who"])
    return f"{who} {what} à l’instant."


def news_since(ticket: Ticket, since: tuple[int, int]) -> list[Any]:
    """What was said and changed after that, in the order of time: a person whose page is too old reads it first."""
    said: list[Any] = list(Message.objects.filter(ticket=ticket, pk__gt=since[0]).order_by("pk")[:20])
    changed: list[Any] = list(TicketChange.objects.filter(ticket=ticket, pk__gt=since[1]).order_by("pk")[:20])
    lines = [
        {"at": row.written_at, "who": row.author_name, "what": row.get_kind_display(), "text": row.text[:300]}
        for row in said
    ]
    lines += [
        {"at": row.at, "who": row.by_name, "what": row.field, "text": change_in_words(row.old, row.new)}
        for row in changed
    ]
    return sorted(lines, key=lambda line: line["at"])


def change_in_words(old: str, new: str) -> str:
    return f"{old or 'rien'} → {new or 'rien'}"


# One mail as it was laid out; everything that happened


@require_safe
@desk_page
def message(request: HttpRequest, reference: str, pk: int) -> HttpResponse:
    """The HTML of one mail, cleaned when it came in and once more here: alone on its page."""
    ticket = visible_ticket(request, reference)
    found = Message.objects.filter(ticket=ticket, pk=pk).exclude(html="").first() if pk <= BIGGEST * 2**31 else None
    if found is None:
        raise Http404
    context = {"ticket": ticket, "message": found, "html": mark_safe(cleaned(found.html))}  # noqa: S308
    return render(request, "support/desk/ticket_message.html", context)


@require_safe
@desk_page
def history(request: HttpRequest, reference: str) -> HttpResponse:
    """Every change, old and new, who, when, why; and for each mail, where it went and whether it got there (F13)."""
    ticket = visible_ticket(request, reference)
    if ticket.merged_into is not None:
        if ticket.merged_into.team not in request.teams:  # type: ignore[attr-defined]
            raise Http404
        return redirect(reverse("desk_history", args=[ticket.merged_into.reference]))
    context = {"ticket": ticket, "history": history_of(ticket, at=request.at)}  # type: ignore[attr-defined]
    return render(request, "support/desk/ticket_history.html", context)
