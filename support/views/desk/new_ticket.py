"""A ticket that an agent writes for somebody on the phone (F9, E9, E11): which mailbox, what need, who, what."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.addresses import Parsed
from accounts.mode import holder_of
from accounts.models import Contact, Mailbox, Organisation
from accounts.words import fold
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.templatetags.french import insecable
from support import tickets
from support.desk import desk_page
from support.forms import MailboxForm
from support.forms_desk import NEED_CHOICES
from support.forms_desk_new import CallerForm, may_be_unread
from support.forms_desk_ticket import kept
from support.lookup import find, heir, is_gone
from support.models import Incident, Ticket
from support.needs import NEEDS
from support.ticket_page import KNOWS_THE_HOLDER
from support.tickets import NoTicket
from support.tickets.opening import refuse_wrong_team, route_of

INVALID = 422


UNITS_SHOWN = 12


class WhichForm(MailboxForm):
    """Which mailbox, and what for. Its cleaned number is the words of a name, where callers say that."""

    numero = forms.CharField(
        label="Numéro FASE, adresse de la boîte ou nom de l’unité",
        help_text="Par exemple 1234, ec001234, ou le nom et la commune tels que la personne les dit.",
        error_messages={"required": "Indiquez un numéro FASE, une adresse ou un nom."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )
    besoin = forms.ChoiceField(
        label="De quoi s’agit-il ?",
        choices=[("", "Choisissez un besoin"), *NEED_CHOICES],
        error_messages={"required": "Choisissez un besoin.", "invalid_choice": "Choisissez un besoin de la liste."},
    )

    def clean_numero(self) -> Parsed | str:  # type: ignore[override]
        try:
            return super().clean_numero()
        except ValidationError:
            words: str = self.cleaned_data["numero"]
            if "@" in words or not any(word.isalpha() and len(word) > 2 for word in fold(words).split()):
                raise
            return words


@require_http_methods(["GET", "HEAD", "POST"])
@desk_page
def write(request: HttpRequest) -> HttpResponse:
    typed = kept(request.POST if request.method == "POST" else request.GET)
    if "numero" not in typed:
        return _which(request, WhichForm(initial={"numero": typed.get("changer", "")[:200]}))
    which = WhichForm({"numero": typed["numero"][:200], "besoin": typed.get("besoin", "")})
    if not which.is_valid():
        return _which(request, which)
    said = which.cleaned_data["numero"]
    if isinstance(said, str):
        return _choice(request, which, said)
    try:
        mailbox = _mailbox(said, request)
    except Refusal as refusal:
        which.add_error("numero", insecable(str(refusal)))
        return _which(request, which)
    need = which.cleaned_data["besoin"]
    asks: dict[str, Any] = {"questions": NEEDS[need].answers, "incidents": _incidents(request, need)}
    if request.method != "POST":
        return _form(request, mailbox, need, CallerForm(initial=_known(request, mailbox, need), **asks))
    form = CallerForm(typed, **asks)
    if form.is_valid():
        try:
            return _told(request, _open(request, mailbox, need, form))
        except NoTicket as refusal:
            form.refuse(refusal)
        except Refusal as refusal:
            form.add_error(None, insecable(str(refusal)))
    return _form(request, mailbox, need, form, status=INVALID)


def _mailbox(number: Parsed, request: HttpRequest) -> Mailbox:
    """The one mailbox of that number. Raises Refusal, with what to do: an unknown one is refused (E11)."""
    found = find(number).organisations
    if not found:
        raise Refusal(
            "Ce numéro est celui d’une implantation, qui n’a pas de boîte : demandez celui de l’établissement."
        )
    if len(found) > 1:
        both = " ou ".join(f"{unit.kind}{unit.fase:06d}" for unit in found)
        raise Refusal(f"Un établissement et un pouvoir organisateur portent ce numéro : précisez {both}.")
    unit = found[0]
    if is_gone(unit, brussels_date(request.at)):  # type: ignore[attr-defined]
        after = heir(unit, request.at)  # type: ignore[attr-defined]
        if after is None:
            raise Refusal("Cette unité est fermée, et le registre n’indique pas qui l’a reprise.")
        raise Refusal(
            "Cette unité est fermée ou reprise par une autre. "
            f"C’est désormais {after.name} : {after.kind}{after.fase:06d}."
        )
    if not hasattr(unit, "mailbox"):
        raise Refusal("Le registre ne connaît pas de boîte administrative pour cette unité.")
    mailbox: Mailbox = unit.mailbox
    mailbox.organisation = unit
    return mailbox


def _choice(request: HttpRequest, which: WhichForm, words: str) -> HttpResponse:
    """The units of those words, with a mailbox, to choose from: names are not unique, so none is taken by itself."""
    found = Organisation.objects.matching(words).filter(mailbox__isnull=False)
    units = list(found[: UNITS_SHOWN + 1])
    if not units:
        which.add_error("numero", "Aucune unité ne porte ces mots : essayez-en moins, ou le numéro FASE.")
    return _which(request, which, units[:UNITS_SHOWN], more=len(units) > UNITS_SHOWN)


def _known(request: HttpRequest, mailbox: Mailbox, need: str) -> dict[str, str]:
    """What the caller need not spell: the titulaire, told to who may know them, and the mailbox if it can be read."""
    at, teams = request.at, request.teams  # type: ignore[attr-defined]
    known = {"email": "" if may_be_unread(need) else mailbox.address}
    if KNOWS_THE_HOLDER & set(teams) and (holder := holder_of(mailbox.organisation, at)):
        known |= {"first_name": holder.user.first_name, "last_name": holder.user.last_name}
    return known


def _incidents(request: HttpRequest, need: str) -> list[Incident]:
    """Those of this person's teams that a report of that need may belong to (F14)."""
    teams: list[str] = request.teams  # type: ignore[attr-defined]
    return [row for team in teams for row in tickets.open_incidents(team) if row.need in {"", need}]


def _open(request: HttpRequest, mailbox: Mailbox, need: str, form: CallerForm) -> Ticket:
    """The ticket, in its incident if it is of one; a note of who wrote it down, and why their team keeps it."""
    said, at, team = form.cleaned_data, request.at, None  # type: ignore[attr-defined]
    if said["team"] == "nous":
        team = request.team  # type: ignore[attr-defined]
        refuse_wrong_team(need, team, mailbox=mailbox, at=at)
    with transaction.atomic():
        ticket = tickets.open_ticket(
            mailbox=mailbox,
            need=need,
            answers=form.answers,
            subject=said["subject"],
            text=said["text"],
            first_name=said["first_name"],
            last_name=said["last_name"],
            email=said["email"],
            phone=said["phone"],
            channel=Ticket.Channel.DESK,
            team=team,
            at=at,
        )
        own = Contact.Team(request.team).label  # type: ignore[attr-defined]
        why = f" {own} la garde : {said['why']}" if team else ""
        tickets.note(ticket, text=f"Saisie pour la personne qui a appelé ({own}).{why}", by=request.user, at=at)  # type: ignore[arg-type]
        if incident := said.get("incident"):
            tickets.join(ticket, incident, by=request.user, at=at)  # type: ignore[arg-type]
    return ticket


def _told(request: HttpRequest, ticket: Ticket) -> HttpResponse:
    if ticket.team in request.teams:  # type: ignore[attr-defined]
        messages.success(
            request, f"La demande {ticket.reference} est ouverte. La personne reçoit un accusé de réception."
        )
        return redirect("desk_ticket", reference=ticket.reference)
    messages.success(
        request,
        f"La demande {ticket.reference} est confiée à {Contact.Team(ticket.team).label}. La personne reçoit un accusé "
        "de réception : donnez-lui cette référence.",
    )
    return redirect("desk")


def _of_others(found: list[Ticket], need: str, teams: list[str]) -> list[Ticket]:
    """Those that another team has: that there is one is told, not what it says.

    Not to Priminfo, a company, unless it is a breakdown (F1, SEC-F3).
    """
    if set(teams) == {Contact.Team.PRIMINFO} and need != "panne":
        return []
    return [ticket for ticket in found if ticket.team not in teams]


def _which(
    request: HttpRequest, form: WhichForm, units: Sequence[Organisation] = (), *, more: bool = False
) -> HttpResponse:
    context = {"which": form, "units": units, "more": more, "need": form["besoin"].value()}
    return render(request, "support/desk/ticket_new.html", context, status=INVALID if form.errors else 200)


def _form(request: HttpRequest, mailbox: Mailbox, need: str, form: CallerForm, *, status: int = 200) -> HttpResponse:
    at, teams = request.at, request.teams  # type: ignore[attr-defined]
    found = tickets.similar(mailbox, need, at=at)
    answers = form.answers if form.is_bound and hasattr(form, "cleaned_data") else {}
    context: dict[str, Any] = {
        "which": None,
        "form": form,
        "unit": mailbox.organisation,
        "mailbox": mailbox,
        "number": str(Parsed(mailbox.organisation.kind, mailbox.organisation.fase)),
        "need": need,
        "need_label": NEEDS[need].label,
        "duplicates": [ticket for ticket in found if ticket.team in teams],
        "elsewhere": _of_others(found, need, teams),
        "route": route_of(need, mailbox, answers, at=at),
        "at": at,
    }
    return render(request, "support/desk/ticket_new.html", context, status=status)
