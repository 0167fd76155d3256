"""Statements whose SQL is made once by Django, and sent again with other values.

Making the SQL of a wide query takes Django longer than PostgreSQL takes to answer it. Only the text is kept, by
process: nothing is prepared in the server, so a pooler in transaction mode changes nothing.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Model, QuerySet

T = TypeVar("T")
_SIGN = "\N{SECTION SIGN}"
_FAR = datetime(9000, 1, 1, tzinfo=UTC)
_MARKS = 2_087_654_300  # numbers from here on, which fit a column of four bytes


class Prepared(Generic[T]):
    """`Prepared(make)(name=value)` is the list of `make(name=value)`, in one statement.

    `make` gives a queryset from the values it is named, and from nothing else that changes: no clock, no setting.
    It is called again only for values of another shape: a longer list, None in the place of a number. A value must
    reach the statement as it is given: a text, a number, a moment, a day, a list of those. It cannot be part of a
    pattern, nor be rounded. Nothing is prefetched.
    """

    def __init__(self, make: Callable[..., "QuerySet[Any, T]"]) -> None:
        self.make = make
        self.made: dict[tuple, _Statement | None] = {}

    def __call__(self, **values: Any) -> list[T]:
        shape = tuple((name, _shape(value)) for name, value in values.items())
        if shape not in self.made:
            self.made[shape] = _statement(self.make, values)
        statement = self.made[shape]
        return [] if statement is None else statement.rows(values)

    def first(self, **values: Any) -> T | None:
        """For a queryset that is cut to one row."""
        return next(iter(self(**values)), None)


def _shape(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return (len(value), *map(_shape, value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | int | datetime | date):
        return _kind(value)
    raise TypeError(f"a prepared statement takes no {type(value).__name__}")


def _kind(value: Any) -> str:
    """A moment is a date for Python; a member of an enumeration is its value."""
    return next(kind.__name__ for kind in (str, int, datetime, date) if isinstance(value, kind))


class _Statement:
    def __init__(self, queryset: QuerySet, compiler: Any, sql: str, values: tuple, marks: dict[Any, tuple]) -> None:
        self.queryset, self.compiler, self.sql = queryset, compiler, sql
        self.parts = [_part(value, marks) for value in values]
        used = {place for part in self.parts for place in _places(part)}
        if used != set(marks.values()):
            raise TypeError("a value does not reach the statement as it is")

    def rows(self, values: dict[str, Any]) -> list[Any]:
        compiler = copy.copy(self.compiler)
        compiler.connection = connections[DEFAULT_DB_ALIAS]
        params = tuple(_filled(part, values) for part in self.parts)
        compiler.as_sql = lambda *args, **kwargs: (self.sql, params)
        compiler.setup_query = lambda *args, **kwargs: None
        query = copy.copy(self.queryset.query)
        query.get_compiler = lambda *args, **kwargs: compiler  # type: ignore[method-assign]
        asked = SimpleNamespace(db=DEFAULT_DB_ALIAS, model=self.queryset.model, query=query, _known_related_objects={})
        rows: Any = self.queryset._iterable_class
        return list(rows(asked))


def _statement(make: Callable[..., QuerySet], values: dict[str, Any]) -> "_Statement | None":
    """None where no row can be found whatever the values are."""
    marks: dict[Any, tuple] = {}
    marked = {name: _marked(value, (name,), marks) for name, value in values.items()}
    queryset = make(**marked)
    compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return None
    return _Statement(queryset, compiler, sql, params, marks)


def _marked(value: Any, place: tuple, marks: dict[Any, tuple]) -> Any:
    """The same shape, of values that nothing else has: where they come back in the statement, the true ones go."""
    if isinstance(value, list | tuple):
        return [_marked(part, (*place, number), marks) for number, part in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    number = len(marks)
    mark = {
        "str": f"{_SIGN}{number}{_SIGN}",
        "int": _MARKS + number,
        "datetime": _FAR + timedelta(days=number),
        "date": (_FAR + timedelta(days=number)).date(),
    }[_kind(value)]
    marks[mark] = place
    return mark


def _comes_from_a_mark(value: Any) -> bool:
    """Something was made of a mark: kept, it would stand for every value."""
    if isinstance(value, str):
        return _SIGN in value
    if isinstance(value, date):
        return value.year >= _FAR.year - 1
    return isinstance(value, int) and value >= _MARKS - 1000


class _Place(tuple):
    """Where the value of a parameter stands: its name, then its place in a list."""


def _part(value: Any, marks: dict[Any, tuple]) -> Any:
    if isinstance(value, list):
        return [_part(one, marks) for one in value]
    if isinstance(value, str | int | date) and not isinstance(value, bool) and value in marks:
        return _Place(marks[value])
    if _comes_from_a_mark(value):
        raise TypeError("a value does not reach the statement as it is")
    return value


def _places(part: Any) -> Iterable[tuple]:
    if isinstance(part, _Place):
        return [tuple(part)]
    return [place for one in part for place in _places(one)] if isinstance(part, list) else []


def _filled(part: Any, values: dict[str, Any]) -> Any:
    if isinstance(part, _Place):
        found: Any = values
        for step in part:
            found = found[step]
        return str(found.value) if isinstance(found, str) and hasattr(found, "value") else found
    return [_filled(one, values) for one in part] if isinstance(part, list) else part


_inserts: dict[tuple, str] = {}


def insert(
    instance: Model,
    *,
    ignore_conflicts: bool = False,
    expressions: Mapping[str, tuple[str, Sequence[Any]]] | None = None,
) -> None:
    """Write a new row, as `save(force_insert=True)` does, without its signals.

    `expressions`: fields that the database computes, each by some SQL and its values. With `ignore_conflicts` nothing
    is written, and the row keeps no number, where one of that key is there already.
    """
    connection, computed = connections[DEFAULT_DB_ALIAS], expressions or {}
    fields = [field for field in instance._meta.local_concrete_fields if not field.primary_key]
    made = (type(instance), ignore_conflicts, *((name, sql) for name, (sql, _) in computed.items()))
    if made not in _inserts:
        _inserts[made] = _insert_sql(instance, fields, computed, connection, ignore_conflicts=ignore_conflicts)
    values: list[Any] = []
    for field in fields:
        if field.name in computed:
            values += computed[field.name][1]
        else:
            values.append(field.get_db_prep_save(field.pre_save(instance, add=True), connection))
    with connection.cursor() as cursor:
        cursor.execute(_inserts[made], values)
        written = cursor.fetchone()
    if written:
        instance.pk = written[0]
        instance._state.adding, instance._state.db = False, DEFAULT_DB_ALIAS


def _insert_sql(
    instance: Model, fields: Sequence[Any], computed: Mapping, connection: Any, *, ignore_conflicts: bool
) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    marks = ", ".join(computed[f.name][0] if f.name in computed else _mark(f, connection) for f in fields)
    conflict = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    table, key = quote(instance._meta.db_table), quote(instance._meta.pk.column)
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}){conflict} RETURNING {key}"  # noqa: S608


def _mark(field: Any, connection: Any) -> str:
    return field.get_placeholder(None, None, connection) if hasattr(field, "get_placeholder") else "%s"
