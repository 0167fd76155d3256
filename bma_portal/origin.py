"""Where a deed comes from: the request under way, a command, a task. Read by the audit, the log and the outbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from bma_portal import limits


@dataclass(frozen=True)
class Origin:
    address: str = ""
    request_id: str = ""
    actor: Any = None  # a User (perhaps not read yet), the name of a command, or None: the portal itself


_origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  frozen


def current() -> Origin:
    return _origin.get()


@contextmanager
def coming_from(origin: Origin) -> Iterator[None]:
    """Deeds recorded inside come from there, unless they say otherwise.

    Inside a request the number of the request remains, and what this origin does not say.
    """
    outer = current()
    token = _origin.set(
        replace(
            origin,
            address=origin.address or outer.address,
            request_id=outer.request_id or origin.request_id,
            actor=outer.actor if origin.actor is None else origin.actor,
        )
    )
    try:
        yield
    finally:
        _origin.reset(token)


def new_id() -> str:
    return uuid4().hex


class RequestOrigin:
    """Outermost middleware: each request has a number of ours, said in `X-Request-ID`. The visitor's is not read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request_id = new_id()
        # Read when a line is written, not before: most requests write none, and sign-in happens further inside.
        person = SimpleLazyObject(lambda: getattr(request, "user", None))
        with coming_from(Origin(limits.client_address(request), request_id, person)):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response
