"""A holder's tickets: writing one, following it without an account, one opinion (E11, F9, F11, F16, F17)."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from django.contrib.auth.decorators import login_not_required
from django.core.signing import BadSignature, TimestampSigner
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Mailbox
from bma_portal import kept
from bma_portal.errors import Refusal
from bma_portal.limits import Limit, counted, exceeded
from bma_portal.prepared import Prepared
from bma_portal.secret import leaving_no_trace
from bma_portal.templatetags.french import insecable
from bma_portal.views import too_many
from support import assistant, tickets
from support.articles import search
from support.contacts import contacts_on
from support.forms import LONGEST_SHOWN, MailboxForm
from support.forms_hors_mode import CodeForm
from support.forms_tickets import OpinionForm, ReferenceForm, ReplyForm, TicketForm
from support.models import Ticket
from support.needs import NEEDS, Need
from support.questions import way_along, way_to
from support.status import MailboxStatus, status_of
from support.views.ticket_mailbox import mailbox_asked, opened_from, too_soon

PER_NUMBER = Limit("demande-fase", 15, 3600)
IN_ALL = Limit("demande-tous", 1000, 3600)
ACKNOWLEDGED = Limit("demande-accuse", 10, 3600)  # mails to one address that strangers may have typed
SENT_TWICE = timedelta(minutes=10)
CODES_PER_PLACE = (Limit("suivi-code", 20, 3600),)
REPLIES_PER_PLACE = (Limit("suivi-reponse", 10, 600),)

DONE_SECONDS = 600  # how long the page that says one's reference can be opened again
SESSION_ASKED = "suivi_demande"  # the reference that a code was asked for
SESSION_OPEN = "suivi_ouvert"  # references that a code opened → until when, in seconds, and at which address it was
OPEN_SECONDS = 3600

page = require_http_methods(["GET", "HEAD", "POST"])
_DONE = TimestampSigner(salt="demande.recue")


@login_not_required
@never_cache
@page
def ask(request: HttpRequest) -> HttpResponse:
    """Which need, which mailbox, then the form; or, where the rules say so, what answers instead of a ticket."""
    sent = request.POST if request.method == "POST" else request.GET
    need = NEEDS.get(sent.get("besoin", ""))
    if need is None:
        return render(request, "support/tickets/needs.html", {"groups": _groups()})
    given = {answer.key: sent[answer.key][:40] for answer in need.answers if sent.get(answer.key)}
    context: dict[str, Any] = {"need": need, "given": given, "parcours": sent.get("parcours", "")[:LONGEST_SHOWN]}
    kept_on = {"besoin": need.slug} | given | ({"parcours": context["parcours"]} if context["parcours"] else {})
    context["carried"] = urlencode(kept_on)  # what goes on with each link to this form
    found = mailbox_asked(request, MailboxForm.of(sent), context)
    if isinstance(found, HttpResponse):
        return found
    status = status_of(found, request.at)  # type: ignore[attr-defined]
    try:
        with kept.glance():
            return _form(request, found, status, need, given, context)
    except tickets.NoTicket as refusal:
        context |= {"route": refusal.route, "way_url": _way_url(need, context["parcours"], context["number"])}
        return render(request, "support/tickets/elsewhere.html", context)
    except Refusal:  # an address with an answer that does not exist: asked again
        return redirect(f"{reverse('ticket_new')}?besoin={need.slug}&numero={context['number']}")


def _groups() -> list[tuple[str, list[Need]]]:
    found: dict[str, list[Need]] = {}
    for need in NEEDS.values():
        found.setdefault(need.group, []).append(need)
    return list(found.items())


def _way_url(need: Need, path: str, number: str) -> str:
    """The answer of the assistant that one came from, for that mailbox; else its first question on that need."""
    return assistant.address(path if path and way_along(path) else way_to(need.slug), assistant.Kept(number))


def _form(
    request: HttpRequest,
    mailbox: Mailbox,
    status: MailboxStatus,
    need: Need,
    given: dict[str, str],
    context: dict[str, Any],
) -> HttpResponse:
    at = request.at  # type: ignore[attr-defined]
    user = request.user if request.user.is_authenticated else None
    context["similar"] = _own_similar(request, mailbox, need)
    if request.method == "POST" and "envoyer" in request.POST:
        form = TicketForm.posted(request, need=need, given=given, at=at)
        if form.is_valid() and (reference := _opened(request, form, status, context["parcours"])):
            return redirect(f"{reverse('ticket_done')}?suite={quote(_DONE.sign(reference))}")
    else:
        # A form that the rules would refuse is not shown: what answers instead is.
        tickets.expect_a_ticket(mailbox, need.slug, given, status=status, at=at)
        known = {"last_name": user.last_name, "first_name": user.first_name, "email": user.email} if user else {}
        form = TicketForm(need=need, given=given, at=at, initial=known)
    opened = opened_from(request)
    files_lost = form.is_bound and bool(request.FILES)
    articles = search.for_need(need.slug, at=at, phase=status.phase)
    context |= {"form": form, "opened": opened, "files_lost": files_lost, "articles": articles, "phase": status.phase}
    return render(request, "support/tickets/form.html", context)


def _opened(request: HttpRequest, form: TicketForm, status: MailboxStatus, parcours: str) -> str | None:
    """The reference of the ticket; none if the rules refuse it, which the form then says: nothing typed is lost."""
    at, said, mailbox = request.at, form.cleaned_data, status.mailbox  # type: ignore[attr-defined]
    unit, email = mailbox.organisation, said["email"].lower()
    # Counted of forms that would open a ticket, and of places that keep to their own limits: nobody closes it to all.
    uses = counted(("tous", IN_ALL), (str(unit.fase), PER_NUMBER), (email, ACKNOWLEDGED))
    by_them = next(use for use in uses if use.limit is ACKNOWLEDGED)
    first = by_them.number == 1 and by_them.spent > SENT_TWICE.total_seconds()
    if not first and (again := _sent_already(mailbox, form.need, said, at=at)):
        return again
    if seconds := max(use.wait for use in uses if use is not by_them):
        form.add_error(None, too_soon(seconds))
        return None
    try:
        with leaving_no_trace():
            ticket = tickets.open_ticket(
                mailbox=mailbox,
                need=form.need.slug,
                answers=form.answers,
                way=_way(parcours),
                subject=said["subject"],
                text=said["text"],
                first_name=said["first_name"],
                last_name=said["last_name"],
                email=said["email"],
                phone=said["phone"],
                user=request.user if request.user.is_authenticated else None,  # type: ignore[arg-type]
                files=said["files"],
                silent=by_them.wait > 0,
                status=status,
                at=at,
            )
    except tickets.NoTicket:
        raise
    except Refusal as refusal:
        form.add_error(None, insecable(str(refusal)))
        return None
    return ticket.reference


def _sent_already(mailbox: Mailbox, need: Need, said: dict[str, Any], *, at: datetime) -> str | None:
    """The reference that the very same words got a moment ago: a second click, a page sent again (SEC-G6)."""
    words = {name: said[name] for name in ("email", "subject", "text")}
    return _same_words.first(mailbox=mailbox.pk, need=need.slug, after=at - SENT_TWICE, **words)


def _with_words(*, mailbox: int, need: str, after: datetime, email: str, subject: str, text: str) -> QuerySet:
    lately = Ticket.objects.filter(mailbox=mailbox, need=need, opened_at__gt=after)
    same = lately.filter(email=email, subject=subject, messages__text=text)
    return same.order_by("pk").values_list("reference", flat=True)[:1]


_same_words = Prepared(_with_words)


def _own_similar(request: HttpRequest, mailbox: Mailbox, need: Need) -> list[Ticket]:
    """Live tickets of the same matter, for a signed-in person who may follow them; a visitor is told of none (D7)."""
    if not request.user.is_authenticated:
        return []
    at, user = request.at, request.user  # type: ignore[attr-defined]
    found = tickets.similar(mailbox, need.slug, at=at)
    for ticket in found:
        ticket.mailbox = mailbox
        tickets.as_told(ticket, at=at)
    return [ticket for ticket in found if tickets.may_follow(ticket, user, at=at)]  # type: ignore[arg-type]


def _way(path: str) -> list[tuple[str, str]]:
    """The questions of the assistant and their answers, in words (E6)."""
    way = way_along(path) if path else None
    return way.told if way else []


@login_not_required
@never_cache
@require_safe
def done(request: HttpRequest) -> HttpResponse:
    """The reference, for whoever just asked; a bookmark of it shows nothing of anybody (D5)."""
    try:
        reference = _DONE.unsign(request.GET.get("suite", "")[:200], max_age=DONE_SECONDS)
    except BadSignature:
        reference = None
    return render(request, "support/tickets/done.html", {"reference": reference})


# Following


@login_not_required
@never_cache
@page
def follow(request: HttpRequest) -> HttpResponse:
    """The reference; a code leaves for the address of that ticket, whether it exists or not looks the same."""
    if request.method == "POST":
        if seconds := exceeded(request, *CODES_PER_PLACE):
            return too_many(request, seconds)
        form = ReferenceForm.of(request.POST)
        if form.is_valid():
            tickets.send_follow_code(form.cleaned_data["reference"], at=request.at)  # type: ignore[attr-defined]
            request.session[SESSION_ASKED] = form.cleaned_data["reference"]
            return redirect("ticket_follow_code")
    else:
        form = ReferenceForm(initial={"reference": ReferenceForm.of(request.GET).data["reference"]})
    return render(request, "support/tickets/follow.html", {"form": form})


@login_not_required
@never_cache
@sensitive_post_parameters()
@page
def code(request: HttpRequest) -> HttpResponse:
    """The six digits that were mailed."""
    reference = request.session.get(SESSION_ASKED)
    if reference is None:
        return redirect("ticket_follow")
    form = CodeForm()
    if request.method == "POST":
        if seconds := exceeded(request, *CODES_PER_PLACE):
            return too_many(request, seconds)
        form = CodeForm({"code": request.POST.get("code", "").replace("\0", "")[:20]})
        if form.is_valid():
            try:
                with leaving_no_trace():
                    ticket = tickets.ticket_by_code(reference, form.cleaned_data["code"], at=request.at)  # type: ignore[attr-defined]
                request.session.cycle_key()
                until = request.at.timestamp() + OPEN_SECONDS  # type: ignore[attr-defined]
                opens = {(ticket.merged_into or ticket).reference: [until, ticket.email]}
                request.session[SESSION_OPEN] = request.session.get(SESSION_OPEN, {}) | opens
                request.session.pop(SESSION_ASKED, None)
                return redirect("ticket_followed", ticket.reference)
            except Refusal as refusal:
                form.add_error("code", insecable(str(refusal)))
    return render(request, "support/tickets/code.html", {"form": form})


@login_not_required
@never_cache
@page
def followed(request: HttpRequest, reference: str) -> HttpResponse:
    """The thread without the notes, for whoever a code opened it to, or who may follow it signed in."""
    ticket = _followed(request, reference)
    if ticket is None:
        return redirect(f"{reverse('ticket_follow')}?reference={_plain(reference)}")
    at = request.at  # type: ignore[attr-defined]
    copy, form, seconds = _copy(request, ticket), ReplyForm(need=ticket.need, at=at), 0
    if request.method == "POST":
        seconds, settled = exceeded(request, *REPLIES_PER_PLACE), "regle" in request.POST
        form = ReplyForm.posted(request, need=ticket.need, settled=settled, with_files=not seconds, at=at)
        if seconds:
            form.add_error(None, too_soon(seconds))
        elif form.is_valid():
            words = ["C’est réglé."] * settled + [form.cleaned_data["text"]]
            try:
                message = tickets.requester_wrote(
                    ticket,
                    text="\n\n".join(filter(None, words)),
                    files=form.cleaned_data["files"],
                    settled=settled,
                    **_author(request, ticket),
                    at=at,
                )
                opened = request.session.get(SESSION_OPEN, {})
                if message.ticket_id != ticket.pk and ticket.reference in opened:
                    request.session[SESSION_OPEN] = opened | {message.ticket.reference: opened[ticket.reference]}
                there = _plain(reference) if message.ticket_id == ticket.pk else message.ticket.reference
                return redirect(f"{reverse('ticket_followed', args=[there])}?envoye#fil")
            except Refusal as refusal:
                form.add_error(None, insecable(str(refusal)))
    if copy and (own := tickets.joined_by(ticket, copy)):
        ticket.reference, ticket.subject = own.reference, own.subject  # what they know it by
    thread = tickets.thread_as_told(ticket, copy) if copy else tickets.thread_of(ticket, with_notes=False)
    not_yet = tickets.as_told(ticket, at=at)
    late = bool(ticket.due_at and not ticket.first_answered_at and ticket.due_at < at)
    context = {
        "ticket": ticket,
        "organisation": ticket.mailbox.organisation,
        "thread": [message for message in thread if message.pk not in not_yet],
        "themselves": tickets.REQUESTER,  # nobody is told by themselves that it is over
        "need": tickets.need_label(ticket.need),
        "form": form,
        "sent": "envoye" in request.GET and not form.is_bound,
        "files_lost": form.is_bound and bool(request.FILES),
        "may_settle": ticket.is_live and not copy and tickets.may_end_by_a_word(ticket),
        "report_missing": not copy and tickets.lacks_the_report(ticket),
        "late": late,
        "contact": contacts_on(at)[ticket.team] if late else None,
    }
    return render(request, "support/tickets/followed.html", context, status=429 if seconds else 200)


def _followed(request: HttpRequest, reference: str) -> Ticket | None:
    found = tickets.by_reference(_plain(reference))
    if found is None or found.erased_at:
        return None
    ticket = Ticket.objects.select_related("mailbox__organisation__po").defer("search").get(pk=found.pk)
    if _proven(request, ticket):
        return ticket
    user = request.user
    return ticket if user.is_authenticated and tickets.may_follow(ticket, user, at=request.at) else None  # type: ignore[attr-defined,arg-type]


def _proven(request: HttpRequest, ticket: Ticket) -> str:
    """The address at which a code was read less than an hour ago, if this ticket is still told to it (A6, F12)."""
    kept_open = request.session.get(SESSION_OPEN, {}).get(ticket.reference)
    if not isinstance(kept_open, list) or ticket.revoked_at is not None:
        return ""
    until, address = kept_open
    told = {one.lower(): one for one in (*ticket.copies, ticket.email)}
    return told.get(address.lower(), "") if until > request.at.timestamp() else ""  # type: ignore[attr-defined]


def _copy(request: HttpRequest, ticket: Ticket) -> str:
    """The address of a second requester, who reads what they were told and no more; nothing for anybody else."""
    address, user = _proven(request, ticket), request.user
    if address in {"", ticket.email}:
        return ""
    return "" if user.is_authenticated and tickets.may_follow(ticket, user, at=request.at) else address  # type: ignore[attr-defined,arg-type]


def _author(request: HttpRequest, ticket: Ticket) -> dict[str, Any]:
    """Who writes, where it is not the requester: another one, or a titulaire. What follows is theirs."""
    user: Any = request.user
    if copy := _copy(request, ticket):
        return tickets.as_writer(ticket, copy)
    if _proven(request, ticket) == ticket.email or user.pk == ticket.user_id:
        return {}
    named = {"first_name": user.first_name[:80], "last_name": user.last_name[:80]}
    writer = {**named, "email": user.email or ticket.mailbox.address, "user": user}
    return {"author_name": user.get_full_name(), "writer": writer}


def _plain(reference: str) -> str:
    return "".join(sign for sign in reference[:40] if sign.isascii() and (sign.isalnum() or sign == "-"))


# An opinion


@login_not_required
@never_cache
@page
def opinion(request: HttpRequest, token: str) -> HttpResponse:
    """One click, once. Opening the link changes nothing: mail scanners open links too."""
    form, problem = OpinionForm(), ""
    if request.method == "POST":
        typed = request.POST.get("comment", "").replace("\0", "\N{REPLACEMENT CHARACTER}")[:600]
        form = OpinionForm({"comment": typed, "avis": request.POST.get("avis", "")[:20]})
        if form.is_valid():
            try:
                tickets.give_opinion(
                    token,
                    satisfied=form.cleaned_data["avis"] == "oui",
                    comment=form.cleaned_data["comment"],
                    at=request.at,  # type: ignore[attr-defined]
                )
                return render(request, "support/tickets/thanks.html")
            except Refusal as refusal:
                problem = insecable(str(refusal))
    elif not tickets.opinion_is_open(token):
        raise Http404
    return render(request, "support/tickets/opinion.html", {"form": form, "problem": problem})
