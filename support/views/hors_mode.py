"""The hors-MODE form, in four pages: which mailbox, the form, check the answers, the code. No sign-in.

What these pages say depends on public facts only (existence, type, phase): never on a request under way, a holder
nor a permission (D7). The session keeps the public identifier of the draft and whether it is whole, nothing else.
"""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts.addresses import Parsed
from accounts.models import Mailbox
from bma_portal.errors import Refusal
from bma_portal.limits import Limit, exceeded, exceeded_by
from bma_portal.secret import leaving_no_trace
from bma_portal.templatetags.french import insecable
from bma_portal.views import too_many
from support import resets
from support.door import Door, door_for
from support.forms import MailboxForm
from support.forms_contact import opened_now, still_sealed
from support.forms_hors_mode import CodeForm, HorsModeForm
from support.lookup import find
from support.models import PasswordReset
from support.views.holder import LOOKUP_LIMITS

# Of this form alone: whoever floods it stops nobody from using the MODE form (SEC-A7).
PER_PLACE = (Limit("hors-mode-minute", 10, 60), Limit("hors-mode-heure", 30, 3600))
PER_NUMBER = Limit("hors-mode-fase", 15, 3600)
IN_ALL = Limit("hors-mode-tous", 300, 3600)
CODES_PER_PLACE = (Limit("hors-mode-code", 20, 3600),)

SESSION_KEY = "hors_mode"  # the public identifier of the draft
SESSION_WHOLE = "hors_mode_whole"  # whether the form was right as a whole when it was last sent
SESSION_AT = "hors_mode_at"  # when the person last sent something, in seconds
LEFT_ALONE_SECONDS = 3600  # on a shared computer, a form left alone is nobody's after an hour
TYPED = ("last_name", "first_name", "email", "phone")

page = require_http_methods(["GET", "HEAD", "POST"])


@login_not_required
@never_cache
@sensitive_post_parameters()
@page
def ask(request: HttpRequest) -> HttpResponse:
    """Which mailbox; then the form, if this mailbox's door is this one."""
    if request.method == "POST":
        return _receive(request)
    which = MailboxForm.of(request.GET)
    draft = _draft(request) if "modifier" in request.GET else None
    if not which.is_valid():
        return _which(request, which, going_on=draft is not None)
    if seconds := exceeded(request, *LOOKUP_LIMITS):
        return too_many(request, seconds)
    found = _mailbox(request, which, going_on=draft is not None)
    if isinstance(found, HttpResponse):
        return found
    mailbox, door = found
    typed: dict[str, Any] = {name: getattr(draft, name) for name in TYPED} if draft else {}
    typed["consequences"] = draft is not None and request.session.get(SESSION_WHOLE, False)
    form = HorsModeForm(initial=typed, at=request.at, kept=_has_proof(draft))  # type: ignore[attr-defined]
    return _form(request, form, mailbox, door, draft=draft)


def _receive(request: HttpRequest) -> HttpResponse:
    which = MailboxForm.of(request.POST)
    # One after the other: what a place is refused does not use up what everybody shares.
    if seconds := exceeded(request, *PER_PLACE) or exceeded_by("tous", IN_ALL):
        return too_many(request, seconds)
    draft = _draft(request) if "suite" in request.POST else None
    if not which.is_valid():
        return _which(request, which, going_on=draft is not None)
    if seconds := exceeded_by(str(which.cleaned_data["numero"].fase), PER_NUMBER):  # unknown numbers count as well
        return too_many(request, seconds)
    found = _mailbox(request, which, going_on=draft is not None)
    if isinstance(found, HttpResponse):
        return found
    mailbox, door = found
    form = HorsModeForm.posted(request, kept=_has_proof(draft))
    valid = form.is_valid()
    if valid or (form.cleaned_data.get("proof") and not form.cleaned_data.get("site_web")):
        # A copy that was accepted is kept with what is right of the rest: it must not be chosen again.
        try:
            draft = _keep(request, form, mailbox, draft)
        except Refusal as refusal:
            form.add_error(None, str(refusal))
            valid = False
    if not valid:
        form.keep_proof(_has_proof(draft))
        return _form(request, form, mailbox, door, draft=draft)
    request.session[SESSION_WHOLE] = True
    return redirect("reset_hors_mode_check")


def _keep(request: HttpRequest, form: HorsModeForm, mailbox: Mailbox, draft: PasswordReset | None) -> PasswordReset:
    typed: dict[str, Any] = {name: form.cleaned_data.get(name, getattr(draft, name, "")) for name in TYPED}
    proof = form.cleaned_data.get("proof")
    request.session[SESSION_WHOLE] = False
    request.session[SESSION_AT] = request.at.timestamp()  # type: ignore[attr-defined]
    if draft is None:
        if proof is None:
            raise Refusal("Choisissez la copie masquée de la carte d’identité.")
        draft = resets.draft_hors_mode(mailbox, **typed, proof=proof, at=request.at)  # type: ignore[attr-defined]
        request.session[SESSION_KEY] = str(draft.public)
    else:
        resets.amend_draft(draft, mailbox=mailbox, **typed, proof=proof, at=request.at)  # type: ignore[attr-defined]
    return _draft(request) or draft


@login_not_required
@never_cache
@page
def check(request: HttpRequest) -> HttpResponse:
    """The answers, each with its « Modifier »; then the code is sent."""
    draft = _draft(request)
    if draft is None:
        return _gone(request)
    if not (_has_proof(draft) and request.session.get(SESSION_WHOLE)):
        return redirect(_back_to_form(draft))
    problem, status = "", 200
    if request.method == "POST":
        if seconds := exceeded(request, *CODES_PER_PLACE):
            return too_many(request, seconds)
        try:
            resets.send_code(draft, at=request.at)  # type: ignore[attr-defined]
            return redirect("reset_hors_mode_code")
        except resets.TooMany as refusal:
            problem, status = str(refusal), 429
        except Refusal as refusal:
            problem = str(refusal)
    context = {"draft": draft, "change": _back_to_form(draft), "problem": problem}
    return render(request, "support/reset/hors_mode/check.html", context, status=status)


@login_not_required
@never_cache
@sensitive_post_parameters()
@page
def code(request: HttpRequest) -> HttpResponse:
    """The code that was mailed, and another one if it did not come."""
    draft = _draft(request)
    if draft is None:
        return _gone(request)
    if draft.code_sent_at is None or not request.session.get(SESSION_WHOLE):
        return redirect("reset_hors_mode_check")
    form, problem, status = CodeForm(), "", 200
    if request.method == "POST":
        if seconds := exceeded(request, *CODES_PER_PLACE):
            return too_many(request, seconds)
        again = "renvoyer" in request.POST
        form = CodeForm() if again else CodeForm({"code": request.POST.get("code", "").replace("\0", "")[:20]})
        try:
            if again:
                resets.send_code(draft, at=request.at)  # type: ignore[attr-defined]
                return redirect(reverse("reset_hors_mode_code") + "?renvoye")
            if form.is_valid():
                with leaving_no_trace():
                    resets.confirm(draft, code=form.cleaned_data["code"], at=request.at)  # type: ignore[attr-defined]
                return redirect("reset_hors_mode_done")
        except resets.TooMany as refusal:
            problem, status = str(refusal), 429
        except Refusal as refusal:
            form.add_error("code", insecable(str(refusal)))
    context = {"draft": draft, "form": form, "problem": problem, "change": _back_to_form(draft)}
    context |= {"sent_again": "renvoye" in request.GET and not form.is_bound and not problem}
    return render(request, "support/reset/hors_mode/code.html", context, status=status)


@login_not_required
@never_cache
@require_safe
def done(request: HttpRequest) -> HttpResponse:
    """The reference, for whoever just asked; without a name, a mailbox or an address, now and later (D5)."""
    public = request.session.get(SESSION_KEY)
    asked = PasswordReset.objects.filter(public=public, confirmed_at__isnull=False) if public else None
    reference = asked.values_list("reference", flat=True).first() if asked is not None else None
    return render(request, "support/reset/hors_mode/done.html", {"reference": reference})


# What the pages share


def _draft(request: HttpRequest) -> PasswordReset | None:
    """The draft of this browser, until its contact address is confirmed or it was left alone for an hour."""
    public, since = request.session.get(SESSION_KEY), request.session.get(SESSION_AT, 0)
    if public is None or request.at.timestamp() - since > LEFT_ALONE_SECONDS:  # type: ignore[attr-defined]
        return None
    if request.method == "POST":
        request.session[SESSION_AT] = request.at.timestamp()  # type: ignore[attr-defined]
    drafts = PasswordReset.objects.filter(
        public=public, path=PasswordReset.Path.HORS_MODE, status=PasswordReset.Status.UNCONFIRMED, confirmed_at=None
    )
    return drafts.select_related("mailbox__organisation__po", "proof").defer("proof__content", "proof__key").first()


def _has_proof(draft: PasswordReset | None) -> bool:
    proof = getattr(draft, "proof", None)
    return proof is not None and proof.destroyed_at is None


def _mailbox(request: HttpRequest, which: MailboxForm, *, going_on: bool) -> tuple[Mailbox, Door] | HttpResponse:
    """The mailbox that may be asked for here, or the page that says what else to do."""
    number: Parsed = which.cleaned_data["numero"]
    try:
        found = find(number)
    except Refusal as refusal:
        which.add_error("numero", insecable(str(refusal)))
        return _which(request, which, going_on=going_on)
    if len(found.organisations) != 1:
        context = {"units": found.organisations or found.site_of, "is_site": not found.organisations}
        context |= {"number": number, "going_on": going_on}
        return render(request, "support/reset/hors_mode/choice.html", context)
    organisation = found.organisations[0]
    if not hasattr(organisation, "mailbox"):
        which.add_error("numero", "Le registre ne connaît pas de boîte administrative pour cette unité.")
        return _which(request, which, going_on=going_on)
    mailbox = organisation.mailbox
    mailbox.organisation = organisation  # with its PO, already read
    door = door_for(mailbox, at=request.at)  # type: ignore[attr-defined]
    if door.kind in {"hors_mode", "person"}:
        return mailbox, door
    return render(request, "support/reset/hors_mode/elsewhere.html", {"organisation": organisation, "door": door})


def _which(request: HttpRequest, form: MailboxForm, *, going_on: bool) -> HttpResponse:
    return render(request, "support/reset/hors_mode/mailbox.html", {"form": form, "going_on": going_on})


def _form(
    request: HttpRequest, form: HorsModeForm, mailbox: Mailbox, door: Door, *, draft: PasswordReset | None
) -> HttpResponse:
    context = {
        "form": form,
        "organisation": mailbox.organisation,
        "number": _number_of(mailbox),
        "door": door,
        "going_on": draft is not None,
        "opened": still_sealed(request.POST.get("ouvert", "")) or opened_now(),
    }
    return render(request, "support/reset/hors_mode/form.html", context)


def _number_of(mailbox: Mailbox) -> str:
    return str(Parsed(mailbox.organisation.kind, mailbox.organisation.fase))


def _back_to_form(draft: PasswordReset) -> str:
    return f"{reverse('reset_hors_mode')}?numero={_number_of(draft.mailbox)}&modifier=1"


def _gone(request: HttpRequest) -> HttpResponse:
    return render(request, "support/reset/hors_mode/gone.html")
