"""Pages for whoever steers or reads the campaign: the time machine (H2), the register of contradictions (H11)."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from support.contradictions import REGISTER
from support.forms_moment import MomentForm
from support.lookup import find, is_gone
from support.time_machine import seen_by

reads_the_campaign = permission_required("migration.view_campaign", raise_exception=True)


@require_safe
@never_cache
@reads_the_campaign
def time_machine(request: HttpRequest) -> HttpResponse:
    """What the holder of a mailbox was told on a day. The address holds the question: it can be shared."""
    form = MomentForm.of(request.GET)
    context: dict[str, object] = {"form": form}
    if form.is_valid():
        at = form.moment()
        try:
            found = find(form.cleaned_data["numero"]).organisations
            if len(found) != 1:
                both = " et ".join(f"{unit.kind}{unit.fase:06d}" for unit in found)
                why = f"Un établissement et un PO portent ce numéro : précisez {both}."
                raise Refusal(why if found else "Ce numéro est celui d’une implantation, qui n’a pas de boîte.")
            [unit] = found
            if not hasattr(unit, "mailbox"):
                raise Refusal("Aucune boîte n’est enregistrée pour cette unité.")
        except Refusal as refusal:
            form.add_error("numero", str(refusal))
        else:
            context |= {"unit": unit, "at": at, "gone": is_gone(unit, brussels_date(at))}
            context |= {"seen": seen_by(unit.mailbox, at=at), "number": f"{unit.kind}{unit.fase:06d}"}
            context["to_come"] = at > request.at  # type: ignore[attr-defined]
    return render(request, "support/staff/time_machine.html", context)


@require_safe
@reads_the_campaign
def contradictions(request: HttpRequest) -> HttpResponse:
    return render(request, "support/staff/contradictions.html", {"register": REGISTER})
