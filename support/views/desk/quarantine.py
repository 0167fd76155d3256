"""The mails that the portal could not place by itself: read, put into a ticket, or discarded by a person."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from support import ticket_mail_kinds
from support.desk import desk_page
from support.forms_quarantine import IntoForm, NewForm
from support.incoming import masking, quarantine
from support.models import InboxState, IncomingMail
from support.tickets import need_label

PAGE = 50


@require_safe
@desk_page
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits in the inbox of this person's team."""
    found = quarantine.waiting_for(request.team).defer("text", "html").select_related("ticket")  # type: ignore[attr-defined]
    page = Paginator(found, PAGE).get_page(request.GET.get("page", "")[:9])
    has_inbox = request.team in quarantine.SENDERS  # type: ignore[attr-defined]
    sender = quarantine.SENDERS.get(request.team)  # type: ignore[attr-defined]
    reader = "" if has_inbox else ticket_mail_kinds.SENDERS[request.team].label  # type: ignore[attr-defined]
    late = InboxState.objects.filter(pk=sender, failures__gt=0).first() if sender else None
    return render(
        request, "support/desk/quarantine.html", {"page": page, "has_inbox": has_inbox, "late": late, "reader": reader}
    )


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def mail(request: HttpRequest, pk: int) -> HttpResponse:
    """One of them, and what to do with it."""
    row = _visible(request, pk)
    teams = request.teams  # type: ignore[attr-defined]
    deed = request.POST.get("geste", "") if request.method == "POST" else ""
    given = request.POST if deed == "ajouter" else None
    into = IntoForm(given, mail=row, teams=teams, at=request.at)  # type: ignore[attr-defined]
    new = NewForm(request.POST if deed == "ouvrir" else None, initial={"numero": _mailbox_named(row)})
    refused = ""
    try:
        if deed and (answer := _done(request, row, deed, into, new)):
            return answer
    except Refusal as refusal:
        refused = str(refusal)
    if request.method != "POST":
        audit.record("incoming.viewed", about=row, by=request.user, at=request.at)  # type: ignore[attr-defined]
    wrong = into if into.errors else new
    context = {
        "mail": row,
        "arrived": brussels_date(row.received_at),
        "known": into.known,
        "may_open": into.known is not None and into.known.team in teams,
        "into": into,
        "new": new,
        "wrong": wrong,
        "refused": refused,
    }
    return render(request, "support/desk/quarantine_mail.html", context)


def _done(request: HttpRequest, row: IncomingMail, deed: str, into: IntoForm, new: NewForm) -> HttpResponse | None:
    who = {"by": request.user, "at": request.at}  # type: ignore[attr-defined]
    if deed == "ajouter" and into.is_valid():
        found, kind = into.cleaned_data["reference"], into.cleaned_data["comme"]
        ticket = quarantine.accept_into(row, found, kind=kind, **who)
        of = "" if ticket.team in request.teams else f", que suit {ticket.get_team_display()}"  # type: ignore[attr-defined]
        messages.success(request, f"Le message est ajouté à la demande {ticket.reference}{of}.")
    elif deed == "ouvrir" and new.is_valid():
        given = new.cleaned_data
        ticket = quarantine.accept_as_new(row, mailbox=given["numero"], need=given["besoin"], **who)
        about = need_label(ticket.need)
        messages.success(request, f"La demande {ticket.reference} est ouverte pour {ticket.mailbox} : {about}.")
    elif deed == "ecarter":
        quarantine.discard(row, **who)
        messages.success(request, "Le message est écarté. Il reste dans la boîte où il est arrivé.")
    else:
        return None
    return redirect("desk_quarantine")


def _visible(request: HttpRequest, pk: int) -> IncomingMail:
    """A mail of one of their inboxes that still waits; any other does not exist."""
    for team in request.teams:  # type: ignore[attr-defined]
        found = quarantine.waiting_for(team).select_related("ticket").filter(pk=pk).first()
        if found is not None:
            return found
    raise Http404


def _mailbox_named(row: IncomingMail) -> str:
    """The one mailbox that the mail names, if it names one that exists."""
    named = masking.mailboxes_in(f"{row.from_address}\n{row.subject}\n{row.text}")
    found = list(Mailbox.objects.filter(address__in=named).values_list("address", flat=True)[:2])
    return found[0].partition("@")[0] if len(found) == 1 else ""
