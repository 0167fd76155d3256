"""What the holders' walk puts in the portal: errors on demand, reports that print all, a directory that repeats."""

import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from pkgutil import resolve_name
from typing import Any
from unittest import mock

from django.http import HttpRequest, HttpResponse
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome
from demo.directory import TwinDirectory


class Breakdown:
    """Middleware: `X-Panne: a.dotted.name` makes that function fail once, after its work, with all of it in hand."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = request.headers.get("X-Panne")
        if not name:
            return self.get_response(request)
        with mock.patch(name, failing(resolve_name(name))):
            return self.get_response(request)


def failing(original: Callable) -> Callable:
    def fails(*arguments: Any, **named: Any) -> Any:
        in_hand = original(*arguments, **named)  # noqa: F841  a report prints it
        raise RuntimeError("panne")

    return fails


class Shown(SafeExceptionReporterFilter):
    """As on a developer's machine: nothing that a view marked as sensitive is hidden."""

    def is_active(self, request: HttpRequest | None) -> bool:
        return False


class Reports(logging.FileHandler):
    """Of each error that is logged, what a careless service of error reports would keep."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR and record.exc_info and record.exc_info[1]:
            super().emit(record)

    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(reports(record.exc_info[1], getattr(record, "request", None)))  # type: ignore[index]


def reports(error: BaseException, request: HttpRequest | None = None) -> Iterator[str]:
    """Django's page and text, with the request as it is told in production and with the frames as a developer has
    them; then a traceback with the local variables of every frame."""
    for asked, hides in ((request, SafeExceptionReporterFilter()), (None, Shown())):
        reporter = ExceptionReporter(asked, type(error), error, error.__traceback__)
        reporter.filter = hides
        yield reporter.get_traceback_html()
        yield reporter.get_traceback_text()
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


class ToldDirectory(TwinDirectory):
    """Repeats each password that it is given to the walk, which then knows those that nobody was shown."""

    def set_password(self, address: str, password: Secret) -> Outcome:
        with open(os.environ["TOLD"], "a") as told:
            told.write(json.dumps([address, password.reveal()]) + "\n")
        return super().set_password(address, password)
