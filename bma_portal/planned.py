"""Statements that PostgreSQL plans once a session, and then runs with other values.

It takes three to five times as long to read and plan a wide statement as to answer it. A pooler may lend another
session than the one that was asked to prepare: the statement is then prepared there too. Within a transaction nothing
is tried, since a refusal would end it: there the whole text goes, with its values.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from django.db import DEFAULT_DB_ALIAS, Error, connections
from psycopg2 import errorcodes

T = TypeVar("T")
TYPES = {
    "int": "bigint",
    "numbers": "int[]",
    "str": "unknown",  # what it is compared with says which kind of text
    "text": "text",
    "texts": "text[]",
    "datetime": "timestamptz",
    "date": "date",
}
REFUSALS = {
    errorcodes.INVALID_SQL_STATEMENT_NAME,  # this session does not know it
    errorcodes.DUPLICATE_PREPARED_STATEMENT,  # it knows it already
    errorcodes.FEATURE_NOT_SUPPORTED,  # it knows it from before a column changed
}

_known: "WeakKeyDictionary[Any, set[str]]" = WeakKeyDictionary()  # by connection, the statements it had prepared


class Place:
    """The place, among what stands at the marks of a statement, of the value of that number (from 0 on)."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __conform__(self, _protocol: Any) -> "Place":
        return self

    def getquoted(self) -> bytes:
        return b"$%d" % (self.number + 1)


class Plan:
    """A statement with marks (`%s`, `%(name)s`), what stands at each, and of which of `TYPES` each value is.

    What stands at a mark is a `Place`, a list with some, or something that is always the same.
    """

    def __init__(self, sql: str, params: Any, types: Sequence[str]) -> None:
        self.sql, self.params = sql, params
        self.types = ", ".join(TYPES[name] for name in types)
        self.marks = ", ".join(["%s"] * len(types))
        self.name = ""

    def run(self, values: Sequence[Any], do: Callable[[str, Any], T]) -> T:
        """`do(sql, params)`, which sends it and reads what comes back."""
        connection = connections[DEFAULT_DB_ALIAS]
        if not connection.in_atomic_block:
            for sql in self._ways(connection):
                try:
                    return do(sql, values)
                except Error as error:
                    if getattr(error.__cause__, "pgcode", "") not in REFUSALS:
                        raise
        return do(self.sql, _filled(self.params, values))

    def fetch(self, values: Sequence[Any]) -> list[tuple]:
        """The rows that it finds, or that it returns."""
        return self.run(values, _fetched)

    def _ways(self, connection: Any) -> Iterator[str]:
        """Under its name where this session should know it, else preparing it; the other way round; then anew."""
        connection.ensure_connection()
        known = _known.setdefault(connection.connection, set())
        self._name(connection)
        execute = f"EXECUTE {self.name} ({self.marks})" if self.marks else f"EXECUTE {self.name}"
        ways = [execute, f"{self.prepare}; {execute}"]
        if self.name not in known:
            known.add(self.name)
            ways.reverse()
        yield from [*ways, f"DEALLOCATE {self.name}; {self.prepare}; {execute}"]

    def _name(self, connection: Any) -> None:
        """Of its very words: a portal of another version that shares the pooler has other ones."""
        if self.name:
            return
        with connection.cursor() as cursor:
            text = cursor.mogrify(self.sql, self.params).decode()
        types = f" ({self.types})" if self.types else ""
        name = f"bma_{hashlib.sha256((types + text).encode()).hexdigest()[:24]}"
        self.prepare = f"PREPARE {name}{types} AS {text}".replace("%", "%%")
        self.name = name  # last: whoever sees it, in another thread, finds the rest


def _fetched(sql: str, params: Any) -> list[tuple]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def _filled(part: Any, values: Sequence[Any]) -> Any:
    if isinstance(part, Place):
        return values[part.number]
    if isinstance(part, dict):
        return {name: _filled(one, values) for name, one in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(_filled(one, values) for one in part)
    return part
