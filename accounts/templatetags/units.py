"""Units in templates."""

from django import template

from accounts import units
from accounts.models import Organisation

register = template.Library()


@register.filter
def numero(unit: Organisation) -> str:
    """`ec001234`: how an address of the portal names it."""
    return units.name_of(unit)
