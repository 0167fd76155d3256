"""The MODE form: a signed-in person with the permission asks for a new password, and sees it once (D3, D5, D6, D9).

Every page reads the permission anew. A permission says nothing of anybody else: without one, the page is the same
whoever holds the mailbox and whatever is under way (D7).
"""

import re
import uuid
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from accounts.addresses import ADDRESS_PATTERN, DOMAIN
from accounts.mode import grants_of
from accounts.models import Mailbox, ResetGrant
from bma_portal.errors import Refusal
from bma_portal.limits import exceeded
from bma_portal.views import too_many
from support import resets
from support.door import Door, door_for
from support.forms import ConsequencesForm, MailboxForm, OwnMailboxForm
from support.lookup import find
from support.models import PasswordReset
from support.views.holder import LOOKUP_LIMITS
from support.views.showing import password_page, where_it_serves

SENT = "demandes"  # in the session: the key of each form that was sent → the request that it made
KEPT = 10


def own_mailboxes(request: HttpRequest) -> list[Mailbox]:
    """Those for which this person may ask at this moment, by address."""
    grants = grants_of(request.user, request.at)
    boxes = {grant.organisation.mailbox for grant in grants if hasattr(grant.organisation, "mailbox")}
    return sorted(boxes, key=lambda box: box.address)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    """Which of one's own mailboxes? `?numero=` is chosen already, or explained if it is not among them."""
    boxes = own_mailboxes(request)
    if request.method == "POST":
        form = OwnMailboxForm(boxes, request.POST)
        if form.is_valid():
            return redirect("reset_mode_check", form.cleaned_data["numero"])
        return _choice(request, boxes, form, None)
    asked = MailboxForm.of(request.GET)
    typed = asked.cleaned_data["numero"] if asked.is_valid() else None
    mine = [number_of(box) for box in boxes]
    wanted = [number for number in mine if typed and number.endswith(f"{typed.fase:06d}")]
    wanted = [number for number in wanted if typed and typed.kind in {None, number[:2]}]
    other = None
    if typed and not wanted:
        if seconds := exceeded(request, *LOOKUP_LIMITS):
            return too_many(request, seconds)
        other = _elsewhere(request, typed)
    chosen = wanted[0] if len(wanted) == 1 else mine[0] if len(mine) == 1 and not typed else ""
    return _choice(request, boxes, OwnMailboxForm(boxes, initial={"numero": chosen}), other)


def _choice(request: HttpRequest, boxes: list[Mailbox], form: OwnMailboxForm, other: Any) -> HttpResponse:
    return render(request, "support/reset/mode.html", {"form": form, "boxes": boxes, "other": other})


def _elsewhere(request: HttpRequest, typed: Any) -> dict[str, Any]:
    """What may be said of a mailbox that is not among one's own: its number, and its door if only one bears it."""
    try:
        found = find(typed).organisations
    except Refusal as refusal:
        return {"number": str(typed), "sentence": str(refusal), "door": None}
    if len(found) != 1 or not hasattr(found[0], "mailbox"):
        return {"number": str(typed), "sentence": "", "door": None}
    number = number_of(found[0].mailbox)
    return {"number": number, "sentence": "", "door": door_for(found[0].mailbox, at=request.at)}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def check(request: HttpRequest, numero: str) -> HttpResponse:
    """Check what is asked, tick what follows from it, ask."""
    grant = _own_grant(request, numero)
    if grant is None:
        return render(request, "support/reset/no_grant.html", {"number": numero}, status=403)
    mailbox = grant.organisation.mailbox
    if request.method != "POST":
        door = door_for(mailbox, at=request.at)
        if door.kind != "mode":
            return _wrong_door(request, mailbox, door)
        return _check_page(request, mailbox, ConsequencesForm(initial={"cle": uuid.uuid4()}))
    form = ConsequencesForm(request.POST)
    if not form.is_valid():
        return _check_page(request, mailbox, form)
    key = str(form.cleaned_data["cle"])
    sent = request.session.get(SENT, {})
    if key in sent:  # the same form once more: Back and send again, or a second click that came late
        return redirect("reset_request", sent[key])
    try:
        reset = resets.ask_in_mode(mailbox, by=request.user, at=request.at)
    except Refusal as refusal:
        form.add_error(None, str(refusal))
        return _check_page(request, mailbox, form, status=409)
    request.session[SENT] = dict([*sent.items(), (key, str(reset.public))][-KEPT:])
    return redirect("reset_request", reset.public)


def _own_grant(request: HttpRequest, numero: str) -> ResetGrant | None:
    """The permission for the mailbox of that number, read now."""
    if not re.fullmatch(ADDRESS_PATTERN, f"{numero}@{DOMAIN}"):
        raise Http404
    return grants_of(request.user, request.at).filter(organisation__mailbox__address=f"{numero}@{DOMAIN}").first()


def _wrong_door(request: HttpRequest, mailbox: Mailbox, door: Door) -> HttpResponse:
    context = {"mailbox": mailbox, "organisation": mailbox.organisation, "door": door, "number": number_of(mailbox)}
    return render(request, "support/reset/wrong_door.html", context)


def _check_page(request: HttpRequest, mailbox: Mailbox, form: ConsequencesForm, status: int = 200) -> HttpResponse:
    po = mailbox.organisation.po
    context = {
        "form": form,
        "mailbox": mailbox,
        "organisation": mailbox.organisation,
        "number": number_of(mailbox),
        "po": po if po is not None and Mailbox.objects.filter(organisation=po).exists() else None,
    }
    context |= where_it_serves(mailbox, at=request.at)
    return render(request, "support/reset/mode_check.html", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("password")
def one_request(request: HttpRequest, public: UUID) -> HttpResponse:
    """Where a request stands, for the person who made it and nobody else. POST shows the password, once."""
    mine = PasswordReset.objects.filter(path=PasswordReset.Path.MODE, requester=request.user)
    reset = get_object_or_404(mine.select_related("mailbox__organisation"), public=public)
    if request.method != "POST":
        return _state(request, reset)
    try:
        password = resets.show(reset, by=request.user, at=request.at)
    except Refusal as refusal:
        reset.refresh_from_db()
        if reset.status == PasswordReset.Status.SHOWN:  # the page that showed it, sent again: nothing failed
            return redirect("reset_request", reset.public)
        return _state(request, reset, error=str(refusal))
    return password_page(request, "support/reset/shown.html", reset, password, number=number_of(reset.mailbox))


def _state(request: HttpRequest, reset: PasswordReset, error: str = "") -> HttpResponse:
    context = {"reset": reset, "mailbox": reset.mailbox, "number": number_of(reset.mailbox), "error": error}
    return render(request, "support/reset/request.html", context, status=409 if error else 200)


def number_of(mailbox: Mailbox) -> str:
    """`ec000247`: how a mailbox is named in addresses, carried from a form to the next."""
    return mailbox.address.partition("@")[0]
