"""From a number to the unit that bears it. Establishments, POs and sites are three overlapping spaces of numbers."""

from dataclasses import dataclass, field
from datetime import date, datetime

from accounts.addresses import EC, PO, Parsed
from accounts.models import Organisation, Site
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.prepared import Prepared


@dataclass(frozen=True)
class Found:
    """Who bears the number: an establishment, a PO, or both. A site has no mailbox, so it never hides them."""

    organisations: list[Organisation]
    site: Site | None = None
    site_of: list[Organisation] = field(default_factory=list)


_bearers = Prepared(
    lambda fase: Organisation.objects.filter(fase=fase).select_related("mailbox", "po").order_by("kind")
)


def find(number: Parsed) -> Found:
    """Everything that bears this number. Raises Refusal, with what to do, if nothing does."""
    bearers = _bearers(fase=number.fase)
    if number.kind:
        named = [unit for unit in bearers if unit.kind == number.kind]
        if not named:
            raise Refusal(_unknown(number, bearers))
        return Found(named)
    site = Site.objects.filter(fase=number.fase).prefetch_related("establishments__successor").first()
    others = [unit for unit in site.establishments.all() if unit.fase != number.fase] if site else []
    if not bearers and site is None:
        raise Refusal(_unknown(number, bearers))
    return Found(bearers, site if others or not bearers else None, others)


def _unknown(number: Parsed, others: list[Organisation]) -> str:
    who = {EC: "Aucun établissement ne porte", PO: "Aucun pouvoir organisateur ne porte"}.get(
        number.kind or "", "Aucun établissement ni pouvoir organisateur ne porte"
    )
    hint = "Vérifiez les chiffres."
    if others:
        other = others[0]
        name = "un établissement" if other.kind == EC else "un pouvoir organisateur"
        hint = f"En revanche, {name} porte ce numéro : cherchez {other.kind}{other.fase:06d}."
    return f"{who} le numéro {number.fase:06d} dans le registre FASE. {hint}"


def is_gone(organisation: Organisation, day: date) -> bool:
    """Closed by that day, or taken over by another unit and not said to be open any longer (A10)."""
    if organisation.closed_on:
        return organisation.closed_on <= day
    return organisation.successor_id is not None


def heir(organisation: Organisation, at: datetime) -> Organisation | None:
    """The unit that lives on after this one: the first of its line that is not gone, else the last."""
    line = organisation.line_of_succession()[1:]
    return next((unit for unit in line if not is_gone(unit, brussels_date(at))), line[-1] if line else None)
