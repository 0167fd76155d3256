"""Small tables that change rarely, kept by each process until the database says that they changed.

Inside `with kept.glance():` the rows of those tables are as they were when it began, whatever is asked of them; one
statement looks whether they are still those that this process has. Outside, `rows` gives None: ask the database.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TypeVar

from django.db.models import Model

from bma_portal.planned import Plan

M = TypeVar("M", bound=Model)

_tables: list[type[Model]] = []
_known: dict[type[Model], tuple[Any, list[Any]]] = {}  # what told them apart, and the rows
_glance: ContextVar["dict[type[Model], Any] | None"] = ContextVar("glance", default=None)


def keep(model: type[M]) -> type[M]:
    """Decorates the model of such a table: tens of rows, read on every other request."""
    _tables.append(model)
    return model


@contextlib.contextmanager
def glance() -> Iterator[None]:
    """For as long as a request needs them. A change that another commits meanwhile is seen by the next one."""
    if _glance.get() is not None:
        yield
        return
    token = _glance.set(_marks())
    try:
        yield
    finally:
        _glance.reset(token)


def rows(model: type[M]) -> list[M] | None:
    """All of them, by their key, for reading only: they belong to the whole process. None outside a glance."""
    marks = _glance.get()
    if marks is None:
        return None
    mark, found = _known.get(model, (None, []))
    if mark is None or mark != marks[model]:
        found = list(model._default_manager.order_by("pk"))
        _known[model] = (marks[model], found)
    return found


def _marks() -> dict[type[Model], Any]:
    """What changes with any change of a row: which transaction wrote it last, at which step, and where it lies.

    One's own changes count too, before they are committed, and no longer once they are rolled back.
    """
    if not _tables:
        return {}
    return {_tables[number]: (count, total) for number, count, total in _looked(len(_tables)).fetch([])}


@lru_cache(maxsize=4)
def _looked(count: int) -> Plan:
    """What tells these tables apart from what they were."""
    parts = [
        f"SELECT {number}, count(*), sum(hashtextextended(xmin::text || '.' || cmin::text || ctid::text, 0)) "  # noqa: S608
        f'FROM "{model._meta.db_table}"'
        for number, model in enumerate(_tables[:count])
    ]
    return Plan(" UNION ALL ".join(parts), (), ())
