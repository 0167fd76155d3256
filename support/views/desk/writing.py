"""Writing on the page of a ticket: the answer, read again before it leaves if one wishes; the note; the draft."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django_htmx.http import HttpResponseClientRedirect

from bma_portal.errors import Refusal
from bma_portal.templatetags.french import insecable
from support import canned, tickets
from support.forms_desk_ticket import BIGGEST, LONGEST, THEN, AnswerForm, NoteForm, kept, number, seen
from support.models import CannedAnswer, Message, Ticket, TicketChange
from support.tickets import Stale
from support.views.desk.ticket import AT_THE_END, address_of, came_from, going_on, list_of, news_since, read, show

INVALID, CONFLICT = 422, 409
MAY_BE_RECALLED = "« Rappeler » la reprend tant qu’elle n’est pas partie."
RECALLED = (
    "Votre réponse est rappelée : rien n’est parti, la demande est comme avant. Le texte est dans votre brouillon."
)
SAID = {
    Ticket.Status.WAITING: "Votre réponse part. La parole est au demandeur, l’horloge est arrêtée.",
    Ticket.Status.OPEN: "Votre réponse part. La demande reste en cours.",
    Ticket.Status.SOLVED: "Votre réponse part, et la demande est résolue.",
}


def answer(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    typed = kept(request.POST)
    if "inserer" in typed:
        return _with_canned(request, ticket, typed)
    if "modifier" in typed:
        return _written(request, ticket, answer=AnswerForm(initial={"text": typed["text"], "then": typed.get("then")}))
    form = AnswerForm(typed, request.FILES)
    if not form.is_valid():
        return _written(request, ticket, answer=form, status=INVALID)
    text, then = form.cleaned_data["text"], form.cleaned_data["then"]
    goes_on = "suivante" in typed
    beside = going_on(request, ticket.reference, 1) if goes_on else ""  # before this one may leave that list
    try:
        if "apercu" in typed:
            canned.refuse_unresolved(text)
            return _preview(request, ticket, form)
        tickets.answer(
            ticket,
            text=text,
            by=request.user,  # type: ignore[arg-type]
            version=number(typed.get("version", "")),
            then=then,
            files=form.cleaned_data["pieces"],
            recall_seconds=settings.RECALL_SECONDS,
            at=request.at,  # type: ignore[attr-defined]
        )
    except Stale as refusal:
        form.add_error(None, insecable(str(refusal)))
        return _too_old(request, ticket, answer=form)
    except Refusal as refusal:
        form.add_error(None, insecable(str(refusal)))
        return _written(request, ticket, answer=form, status=INVALID)
    said = SAID[Ticket.Status(then)]
    if goes_on:
        return _onward(request, ticket, said, beside)
    return _done(request, ticket, f"{said} {MAY_BE_RECALLED}" if settings.RECALL_SECONDS else said)


def recall(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    """Take one's answer back, into the form. What was being written meanwhile goes after it, or stays a draft."""
    typed = kept(request.POST).get("text", "")[:LONGEST]
    by: Any = request.user
    at = request.at  # type: ignore[attr-defined]
    try:
        files = tickets.recall(ticket, message=number(request.POST.get("reponse", "")), by=by, typed=typed, at=at)
    except Refusal as refusal:
        if typed.strip():
            tickets.save_draft(ticket, text=typed, by=by, at=at)
        messages.warning(request, insecable(str(refusal)))
        return redirect("desk_ticket", reference=ticket.reference)
    messages.success(request, insecable(RECALLED))
    there = reverse("desk_ticket", args=[ticket.reference])
    return redirect(f"{there}{'?pieces' if files else ''}#reponse")


def note(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    typed = kept(request.POST)
    form = NoteForm(typed)
    if not form.is_valid():
        return _written(request, ticket, note=form, status=INVALID)
    try:
        version = number(typed.get("version", ""))
        at = request.at  # type: ignore[attr-defined]
        tickets.note(ticket, text=form.cleaned_data["note"], by=request.user, version=version, at=at)  # type: ignore[arg-type]
    except Stale as refusal:
        form.add_error(None, insecable(str(refusal)))
        return _too_old(request, ticket, note=form)
    except Refusal as refusal:
        form.add_error(None, insecable(str(refusal)))
        return _written(request, ticket, note=form, status=INVALID)
    return _done(request, ticket, "Votre note est gardée. Elle ne part nulle part.")


def draft(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    """Keep what is being written, whatever became of the ticket. By itself (htmx), or at the press of a button."""
    text = kept(request.POST).get("text", "")[:LONGEST]
    at = request.at  # type: ignore[attr-defined]
    tickets.save_draft(ticket, text=text, by=request.user, at=at)  # type: ignore[arg-type]
    if request.htmx:  # type: ignore[attr-defined]
        context = {"here": reverse("desk_ticket", args=[ticket.reference]), "at": at if text.strip() else None}
        return render(request, "support/desk/ticket_draft.html", context)
    messages.success(request, "Votre brouillon est gardé." if text.strip() else "Il n’y a plus de brouillon.")
    return redirect("desk_ticket", reference=ticket.reference)


WRITINGS: dict[str, Callable[[HttpRequest, Ticket], HttpResponse]] = {
    "repondre": answer,
    "rappeler": recall,
    "noter": note,
    "brouillon": draft,
}


def seen_now(ticket: Ticket) -> str:
    """What `TicketPage.seen` says, asked anew."""
    message = Message.objects.filter(ticket=ticket).aggregate(last=Max("pk"))["last"] or 0
    change = TicketChange.objects.filter(ticket=ticket).aggregate(last=Max("pk"))["last"] or 0
    return f"{message}.{change}"


def _written(request: HttpRequest, ticket: Ticket, *, status: int = 200, **forms: Any) -> HttpResponse:
    """The page again, with what was typed; what came since its reading is marked."""
    page = read(request, ticket.reference, since=seen(request.POST))
    return show(request, page, status=status, **forms)


def _too_old(request: HttpRequest, ticket: Ticket, **forms: Any) -> HttpResponse:
    news = news_since(ticket, seen(request.POST))
    return _written(request, ticket, status=CONFLICT, stale=True, news=news, **forms)


def _done(request: HttpRequest, ticket: Ticket, said: str) -> HttpResponse:
    messages.success(request, insecable(said))
    return redirect(address_of(ticket.reference, came_from(request)))


def _onward(request: HttpRequest, ticket: Ticket, said: str, beside: str) -> HttpResponse:
    """To the next ticket, or to the list after its last; the answer is recalled where it was given, a press away."""
    there = address_of(ticket.reference, came_from(request))
    back = format_html(' <a href="{}#rappel">{}</a>', there, f"Revenir à {ticket.reference} pour la rappeler")
    messages.success(request, format_html("{}{}", insecable(said), back if settings.RECALL_SECONDS else ""))
    if not beside:
        messages.info(request, AT_THE_END)
    address = beside or list_of(request)
    return HttpResponseClientRedirect(address) if request.htmx else redirect(address)  # type: ignore[attr-defined]


def _with_canned(request: HttpRequest, ticket: Ticket, typed: Any) -> HttpResponse:
    """The text of a canned answer, filled for this ticket, after what is written already. Nothing is sent nor kept."""
    chosen = number(typed.get("modele", ""))
    row = CannedAnswer.objects.filter(pk=chosen, team=ticket.team, active=True).first() if chosen <= BIGGEST else None
    text = typed.get("text", "").rstrip()
    initial = {"text": text, "then": typed.get("then") or THEN[0][0]}
    if row is None:
        form = AnswerForm({**initial})
        form.is_valid()
        form.errors.clear()
        form.add_error(None, "Choisissez une réponse type dans la liste.")
        return _written(request, ticket, answer=form, status=INVALID)
    filled = canned.fill(row.text, ticket, at=request.at)  # type: ignore[attr-defined]
    initial["text"] = f"{text}\n\n{filled.text}" if text else filled.text
    form = AnswerForm(initial=initial)
    return _written(request, ticket, answer=form, unresolved=filled.unresolved, inserted=True)


def _preview(request: HttpRequest, ticket: Ticket, form: AnswerForm) -> HttpResponse:
    then = form.cleaned_data["then"]
    context = {
        "ticket": ticket,
        "text": form.cleaned_data["text"],
        "then": then,
        "then_label": dict(THEN)[then],
        "had_files": bool(form.cleaned_data["pieces"]),
        "version": request.POST.get("version", "")[:12],
        "vu": request.POST.get("vu", "")[:30],
        "liste": came_from(request),
    }
    return render(request, "support/desk/ticket_preview.html", context)
