"""When PostgreSQL does not answer: a page that says so, made without it."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from bma_portal.views import unavailable

log = logging.getLogger(__name__)


class DatabaseFaults:
    """Outermost middleware: a database that is away gives the French 503 page, never a traceback."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, OperationalError | InterfaceError):
            log.error("base de données injoignable", extra={"code": type(exception).__name__})
            return unavailable(request)
        return None
