"""What every page shows, whatever it is about."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, Any]:
    """Outside production a banner says that the data is invented."""
    return {"demonstration": not settings.PRODUCTION}
