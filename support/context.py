"""What the head and the foot of every page show: banners (G11), contacts."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from support.banners import banners_for
from support.contacts import contacts_on


def contacts(request: HttpRequest) -> dict[str, Any]:
    """The contacts of the day; asked of the database only by the pages that show them."""
    at = getattr(request, "at", None)
    return {"contacts": SimpleLazyObject(lambda: contacts_on(at))} if at else {}


def banners(request: HttpRequest) -> dict[str, Any]:
    """The banners of the moment: one statement, when the first page of a request is made."""
    at = getattr(request, "at", None)
    if at is None:
        return {}
    if not hasattr(request, "_banners"):
        shown = SimpleLazyObject(lambda: banners_for(getattr(request, "user", None), at))
        request._banners = shown  # type: ignore[attr-defined]
    return {"banners": request._banners}  # type: ignore[attr-defined]
