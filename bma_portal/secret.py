"""A text that does not let itself be written down by accident."""

import hmac
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
