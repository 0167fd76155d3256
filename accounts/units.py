"""The one unit that a person names by a number, or what to type instead."""

from accounts.addresses import Parsed
from accounts.models import Organisation
from bma_portal.errors import Refusal


def unit_of(number: Parsed) -> Organisation:
    """Raises Refusal if no unit bears that number, or if two do: which one is never guessed (A1)."""
    found = Organisation.objects.filter(fase=number.fase).select_related("po").order_by("kind")
    units = list(found.filter(kind=number.kind) if number.kind else found)
    if not units:
        raise Refusal(f"Aucune unité ne porte le numéro {number} dans le registre FASE. Vérifiez les chiffres.")
    if len(units) > 1:
        school, po = units
        raise Refusal(
            f"Ce numéro est celui d’un établissement et d’un pouvoir organisateur : écrivez {name_of(school)} pour "
            f"« {school.name} », ou {name_of(po)} pour « {po.name} »."
        )
    return units[0]


def name_of(unit: Organisation) -> str:
    """`ec001234`: how an address of the portal names it."""
    return f"{unit.kind}{unit.fase:06d}"
