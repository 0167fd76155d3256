"""What every page shows of the session under way."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.auth import ENTRY
from accounts.sessions import seconds_left


def session(request: HttpRequest) -> dict[str, Any]:
    """When this session ends, for the warning; nothing for a visitor."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or ENTRY not in request.session:
        return {"session_end": None}
    left, extendable = seconds_left(request)
    return {
        "session_end": {
            "left": str(left),
            "extendable": extendable,
            "warning": str(settings.SESSION_WARNING_SECONDS),
            "minutes": str(settings.SESSION_IDLE_SECONDS // 60),
            "hours": settings.SESSION_LONGEST_SECONDS // 3600,
        }
    }
