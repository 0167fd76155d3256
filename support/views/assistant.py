"""« Vous avez un problème ? »: one question per page, then an answer (E1). GET only; look-ups are counted."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import Mailbox, Organisation
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.limits import exceeded
from bma_portal.templatetags.french import sans_semaine
from bma_portal.views import too_many
from migration.campaigns import default_campaign
from migration.phases import Programme
from support import assistant, waits
from support.assistant import Kept, Told
from support.contacts import contacts_on
from support.forms import MailboxForm
from support.forms_assistant import DeliveryForm
from support.lookup import find, heir, is_gone
from support.questions import way_along
from support.questions.ways import Door, Leaf, Question, Typed, Way, most_after
from support.status import Where, programme_on, status_of
from support.views.door import CERBERE
from support.views.holder import LOOKUP_LIMITS


@login_not_required
@require_safe
@never_cache
def step(request: HttpRequest, steps: str = "") -> HttpResponse:
    way = way_along(steps)
    if way is None:
        raise Http404
    kept = Kept.of(request.GET)
    match way.node:
        case Door():
            return HttpResponseRedirect(assistant.door_address(way.node, kept))
        case Question():
            return _question(request, way, way.node, kept)
        case Leaf():
            if request.GET.get("resolu") == "oui":
                context = {"leaf": way.node, "here": assistant.address(way.path, kept)}
                return render(request, "support/assistant/solved.html", context)
            return _leaf(request, way, way.node, kept)


def _question(request: HttpRequest, way: Way, question: Question, kept: Kept) -> HttpResponse:
    former = request.GET.get("depuis", "")
    context = _context(way, kept) | {
        "question": question,
        "offered": assistant.offered(way, question, kept, former, at=request.at),  # type: ignore[attr-defined]
    }
    return render(request, "support/assistant/question.html", context)


def _context(way: Way, kept: Kept) -> dict[str, Any]:
    """What every page on the way shows: how far it is, what was answered, the question before."""
    number = len(way.given) + 1
    back = assistant.address(way.given[-1].before, kept, depuis=way.path) if way.given else ""
    most = len(way.given) + most_after(way.node)
    return {"way": way, "kept": kept, "number": number, "most": most, "back": back, "told": assistant.told(way, kept)}


def _leaf(request: HttpRequest, way: Way, leaf: Leaf, kept: Kept) -> HttpResponse:
    programme = programme_on(request.at)  # type: ignore[attr-defined]
    context = _context(way, kept) | {
        "leaf": leaf,
        "programme": programme,
        "old_server_closed": programme == Programme.CLOSED,
        "campaign": default_campaign(),
        "cerbere": CERBERE,
    }
    match assistant.asked(leaf, programme):
        case Typed.MAILBOX:
            return _with_mailbox(request, way, leaf, kept, context)
        case Typed.DELIVERY:
            return _with_delivery(request, way, leaf, kept, context)
    return _answer(request, way, leaf, kept, context)


def _changing(request: HttpRequest, field: Typed) -> bool:
    """The person came back to change what they had typed: it is shown, nothing is looked up."""
    return request.GET.get("modifier") == field.value


def _with_delivery(request: HttpRequest, way: Way, leaf: Leaf, kept: Kept, context: dict[str, Any]) -> HttpResponse:
    today = brussels_date(request.at)  # type: ignore[attr-defined]
    given = {"livraison": kept.livraison} if "livraison" in request.GET else None
    changing = _changing(request, Typed.DELIVERY)
    form = DeliveryForm(None if changing else given, initial=given, today=today)
    if changing or not form.is_valid():
        context["unknown_url"] = assistant.ticket_address(way, leaf, Kept(kept.numero))  # whoever has no such day
        return render(request, "support/assistant/delivery.html", context | {"form": form})
    day = form.cleaned_data["livraison"]
    kept = assistant.with_delivery(kept, day)
    change = assistant.address(way.path, kept, modifier=Typed.DELIVERY.value)
    context["told"] = [*context["told"], Told("Livré le", sans_semaine(day), change)]
    context |= {"back": change, "delivered_on": day}
    return _answer(request, way, leaf, kept, context, typed={"livraison": day.isoformat()})


def _with_mailbox(request: HttpRequest, way: Way, leaf: Leaf, kept: Kept, context: dict[str, Any]) -> HttpResponse:
    """The answer for one mailbox, or what there is to say of the number that was typed."""
    if _changing(request, Typed.MAILBOX):
        return _ask_mailbox(request, MailboxForm(initial={"numero": kept.numero}), context)
    form = MailboxForm.of(request.GET)
    if not form.is_valid():
        return _ask_mailbox(request, form, context)
    if seconds := exceeded(request, *LOOKUP_LIMITS):
        return too_many(request, seconds)
    try:
        found = find(form.cleaned_data["numero"])
    except Refusal as refusal:
        form.add_error("numero", str(refusal))
        return _ask_mailbox(request, form, context)
    context["ask_again"] = assistant.address(way.path, kept, modifier=Typed.MAILBOX.value)
    if len(found.organisations) != 1:
        context |= {"found": found, "units": [_unit(way, kept, unit) for unit in found.organisations]}
        context["sites"] = [_unit(way, kept, unit) for unit in found.site_of]
        return render(request, "support/assistant/unit.html", context)
    unit = found.organisations[0]
    if is_gone(unit, brussels_date(request.at)):  # type: ignore[attr-defined]
        after = heir(unit, request.at)  # type: ignore[attr-defined]
        context |= {"organisation": unit, "heirs": [_unit(way, kept, after)] if after else []}
        return render(request, "support/assistant/gone.html", context)
    if not hasattr(unit, "mailbox"):
        return render(request, "support/assistant/no_mailbox.html", context | {"organisation": unit})
    return _answer(request, way, leaf, _with(kept, unit), context, mailbox=unit.mailbox)


def _ask_mailbox(request: HttpRequest, form: MailboxForm, context: dict[str, Any]) -> HttpResponse:
    return render(request, "support/assistant/mailbox.html", context | {"form": form})


def _with(kept: Kept, unit: Organisation) -> Kept:
    return Kept(f"{unit.kind}{unit.fase:06d}", kept.livraison)


def _unit(way: Way, kept: Kept, unit: Organisation) -> tuple[Organisation, str]:
    """A unit, and the address of this very answer for its mailbox."""
    return unit, assistant.address(way.path, _with(kept, unit))


def _answer(
    request: HttpRequest,
    way: Way,
    leaf: Leaf,
    kept: Kept,
    context: dict[str, Any],
    *,
    mailbox: Mailbox | None = None,
    typed: dict[str, str] | None = None,
) -> HttpResponse:
    at = request.at  # type: ignore[attr-defined]
    status = status_of(mailbox, at) if mailbox else None
    contacts = contacts_on(at)
    found = None
    if mailbox or not leaf.door:  # a password without its mailbox is routed by its own door, which asks for it
        found = assistant.routed(leaf, status, typed or {}, programme=context["programme"], contacts=contacts, at=at)
    if mailbox:
        change = assistant.address(way.path, kept, modifier=Typed.MAILBOX.value)
        context["told"] = [*context["told"], assistant.told_mailbox(way, kept, mailbox)]
        context |= {"mailbox": mailbox, "back": change}
    team = found.team if found else None
    next_ = assistant.next_step(way, leaf, kept, found)
    context |= {
        "status": status,
        "on_old_server": status is not None and status.where not in {Where.NEW, Where.NOWHERE},
        "carried": f"?numero={kept.number}" if kept.number else "",
        "route": found,
        "contacts": contacts,
        "contact": contacts[team] if team else None,
        "answer_by": waits.in_words(waits.answer_by(team, at=at), at=at) if team and next_.is_request else "",
        "here": assistant.address(way.path, kept),
        "solved_url": assistant.address(way.path, kept, resolu="oui"),
        "next": next_,
        "source": assistant.source_on(leaf, brussels_date(at)),
        "articles": assistant.suggested(leaf, found, at=at, phase=status.phase if status else None),
    }
    if request.GET.get("resolu") == "non":
        return render(request, "support/assistant/unsolved.html", context)
    return render(request, "support/assistant/answer.html", context)
