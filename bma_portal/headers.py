"""What every answer says to the browser about itself, an error's and the admin's too (SEC-G4, SEC-G5)."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# Nothing here uses them; a script that slipped in could not either. The copy button writes to the clipboard.
UNUSED = (
    "accelerometer", "autoplay", "camera", "clipboard-read", "display-capture", "encrypted-media", "fullscreen",
    "geolocation", "gyroscope", "hid", "idle-detection", "magnetometer", "microphone", "midi", "payment",
    "picture-in-picture", "publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS = ", ".join([*(f"{feature}=()" for feature in UNUSED), "clipboard-write=(self)"])


class SecurityHeaders:
    """Outermost middleware, so that no answer leaves without them, one made by another middleware included.

    `no-store` on whatever is not a file of ours: every page has a form or belongs to someone signed in, or may as
    well be asked again. Django's own middleware sets most of the rest; an answer made outside it gets them here.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        response.headers["Permissions-Policy"] = PERMISSIONS
        response.headers.setdefault("Referrer-Policy", settings.SECURE_REFERRER_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("X-Frame-Options", settings.X_FRAME_OPTIONS)
        if not is_static(request, response) and "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store"
        return response


def is_static(request: HttpRequest, response: HttpResponse) -> bool:
    """A file of ours that was found; a page that says it was not is a page."""
    return request.path.startswith(settings.STATIC_URL) and response.status_code in {200, 206, 304}
