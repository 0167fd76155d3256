"""What the foot of every public page shows."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from support.contacts import contacts_on


def contacts(request: HttpRequest) -> dict[str, Any]:
    """The contacts of the day; asked of the database only by the pages that show them."""
    at = getattr(request, "at", None)
    return {"contacts": SimpleLazyObject(lambda: contacts_on(at))} if at else {}
