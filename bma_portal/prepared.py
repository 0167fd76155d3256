"""Statements whose SQL is made once by Django, and sent again with other values.

Making the SQL of a wide query takes Django longer than PostgreSQL takes to answer it: its text is kept by process, and
its plan by PostgreSQL (`planned`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import (
    BigIntegerField,
    BooleanField,
    CharField,
    EmailField,
    ForeignKey,
    IntegerField,
    Model,
    PositiveIntegerField,
    PositiveSmallIntegerField,
    QuerySet,
    SmallIntegerField,
    TextField,
    UUIDField,
)

from bma_portal.planned import Place, Plan

T = TypeVar("T")
_SIGN = "\N{SECTION SIGN}"
_FAR = datetime(9000, 1, 1, tzinfo=UTC)
_MARKS = 2_087_654_300  # numbers from here on, which fit a column of four bytes
NOT_AS_IT_IS = "a value does not reach the statement as it is"


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


def twin(thing: T) -> T:
    """A shallow copy, in a tenth of what `copy.copy` takes: to change some attributes of what others use too."""
    found = object.__new__(type(thing))
    found.__dict__.update(thing.__dict__)
    return found


class _Statement:
    """What Django made of a queryset, whose values come from elsewhere."""

    def __init__(self, queryset: QuerySet, compiler: Any, plan: Plan) -> None:
        self.queryset, self.compiler, self.plan = queryset, compiler, plan
        self.converters: dict[int, Any] | None = None  # what makes Python values of columns: the same each time

    def rows(self, values: dict[str, Any]) -> list[Any]:
        return self.plan.run(list(_flat(values.values())), self._read)

    def _read(self, sql: str, params: Any) -> list[Any]:
        compiler = twin(self.compiler)
        compiler.connection = connections[DEFAULT_DB_ALIAS]
        compiler.as_sql = lambda *args, **kwargs: (sql, params)
        compiler.setup_query = lambda *args, **kwargs: None
        compiler.get_converters = self._converters
        query = twin(self.queryset.query)
        query.get_compiler = lambda *args, **kwargs: compiler  # type: ignore[method-assign]
        asked = SimpleNamespace(db=DEFAULT_DB_ALIAS, model=self.queryset.model, query=query, _known_related_objects={})
        rows: Any = self.queryset._iterable_class
        return list(rows(asked))

    def _converters(self, expressions: Iterable[Any]) -> dict[int, Any]:
        if self.converters is None:
            self.converters = self.compiler.get_converters(expressions)
        return self.converters


def _statement(make: Callable[..., QuerySet], values: dict[str, Any]) -> "_Statement | None":
    """None where no row can be found whatever the values are."""
    marks: dict[Any, Place] = {}
    marked = {name: _marked(value, marks) for name, value in values.items()}
    queryset = make(**marked)
    compiler = queryset.query.get_compiler(DEFAULT_DB_ALIAS)
    try:
        sql, params = compiler.as_sql()
    except EmptyResultSet:
        return None
    parts = [_part(param, marks) for param in params]
    if {place.number for part in parts for place in _places(part)} != set(range(len(marks))):
        raise TypeError(NOT_AS_IT_IS)
    return _Statement(queryset, compiler, Plan(sql, parts, [_kind(value) for value in _flat(values.values())]))


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """The values one after the other, as they are numbered."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from _flat(value)
        elif value is not None and not isinstance(value, bool):
            yield str(value.value) if isinstance(value, str) and hasattr(value, "value") else value


def _marked(value: Any, marks: dict[Any, Place]) -> Any:
    """The same shape, of values that nothing else has: where they come back in the statement, the true ones go."""
    if isinstance(value, list | tuple):
        return [_marked(part, marks) for part in value]
    if value is None or isinstance(value, bool):
        return value
    number = len(marks)
    mark = {
        "str": f"{_SIGN}{number}{_SIGN}",
        "int": _MARKS + number,
        "datetime": _FAR + timedelta(days=number),
        "date": (_FAR + timedelta(days=number)).date(),
    }[_kind(value)]
    marks[mark] = Place(number)
    return mark


def _comes_from_a_mark(value: Any) -> bool:
    """Something was made of a mark: kept, it would stand for every value."""
    if isinstance(value, str):
        return _SIGN in value
    if isinstance(value, date):
        return value.year >= _FAR.year - 1
    return isinstance(value, int) and value >= _MARKS - 1000


def _part(value: Any, marks: dict[Any, Place]) -> Any:
    if isinstance(value, list):
        return [_part(one, marks) for one in value]
    if isinstance(value, str | int | date) and not isinstance(value, bool) and value in marks:
        return marks[value]
    if _comes_from_a_mark(value):
        raise TypeError(NOT_AS_IT_IS)
    return value


def _places(part: Any) -> Iterator[Place]:
    if isinstance(part, list):
        for one in part:
            yield from _places(one)
    elif isinstance(part, Place):
        yield part


_inserts: dict[tuple, str] = {}
_AS_IT_IS: dict[type, type] = {
    CharField: str, EmailField: str, TextField: str, BooleanField: bool, ForeignKey: int, SmallIntegerField: int,
    PositiveSmallIntegerField: int, IntegerField: int, PositiveIntegerField: int, BigIntegerField: int,
    UUIDField: UUID,
}  # fmt: skip


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
            continue
        value = field.pre_save(instance, add=True)
        # Most columns take what Python has: asking their field costs more than the rest of this.
        if value is not None and not isinstance(value, _AS_IT_IS.get(type(field), ())):
            value = field.get_db_prep_save(value, connection)
        values.append(value)
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
