"""A text that does not let itself be written down by accident."""

import contextlib
import hmac
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn


class Secret:
    """Holds a clear text; only `reveal()` gives it back.

    repr, str, format, JSON and pickle all refuse or mask, so that a traceback, a log line, a task argument or an
    error report cannot carry it. Comparison is by value, in constant time.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def __repr__(self) -> str:
        return "Secret(••••)"

    def __str__(self) -> NoReturn:
        raise TypeError("un secret ne s'écrit pas : reveal()")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("un secret ne s'écrit pas : reveal()")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("un secret ne se sérialise pas")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__text.encode(), other.__text.encode())

    def __hash__(self) -> NoReturn:
        raise TypeError("un secret n'est pas une clé")


@contextlib.contextmanager
def leaving_no_trace() -> Iterator[None]:
    """Whatever is raised inside leaves without the local variables of the calls that it came through.

    What a template or a library had in hand (a mail's body, a request) then cannot reach a report that prints
    locals. The frame of the `with` itself still runs and keeps its own: none of them may hold a clear text.
    """
    try:
        yield
    except BaseException as error:
        _forget_locals(error)
        raise


def _forget_locals(error: BaseException) -> None:
    """Of this exception, and of those that it came from."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            waiting += [one.__cause__, one.__context__]
