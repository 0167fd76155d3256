"""Every list of the admin as a file: what the list shows, its filters and its search kept, and who took it (SEC-F6).

The numbers of the rows are read first, in the order of the list; the rows then come a thousand at a time, each
thousand in as many statements as one page of the list. So a long file weighs no more than a short one in memory, and
a row that moves meanwhile does not appear twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from html import unescape
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist, PermissionDenied
from django.db import transaction
from django.db.models import Field, ManyToOneRel, Model
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import strip_tags
from django.utils.safestring import SafeString
from django.utils.text import capfirst, slugify
from django.views.decorators.http import require_safe

from bma_portal import audit, exports
from bma_portal.clock import brussels_date
from bma_portal.readonly import NEVER_LOOKED_UP

CHUNK = 1000
NOT_KEPT = ("p", "all", "e", "_facets", "_popup", "_to_field")  # of the list's address
BREAKS = ("<br>", "</p>", "</li>", "</div>")
Answer = HttpResponse | StreamingHttpResponse


class ExportMixin:
    """« Exporter (CSV) » and « Exporter (XLSX) » above a list; every page of the admin has it (`admin_site.py`)."""

    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export_view)
        ours = [
            path(f"export.{form}", view, {"form": form}, name=f"{self._list_name()}_export_{form}")
            for form in (exports.CSV, exports.XLSX)
        ]
        return ours + super().get_urls()  # type: ignore[misc]

    def _list_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        context = {"exports": self.export_links(request), **(extra_context or {})}
        return super().changelist_view(request, context)  # type: ignore[misc]

    def export_links(self, request: HttpRequest) -> list[tuple[str, str]]:
        """The name and the address of each file of the list as it is filtered."""
        asked = request.GET.copy()
        for name in NOT_KEPT:
            asked.pop(name, None)
        query = f"?{asked.urlencode()}" if asked else ""
        name = f"{self.admin_site.name}:{self._list_name()}_export_"
        return [(form.upper(), reverse(f"{name}{form}") + query) for form in (exports.CSV, exports.XLSX)]

    def export_columns(self, request: HttpRequest, shown: Sequence[Any]) -> list[Any]:
        """Those of the list that go into the file, and no secret; a page may leave some out, or add some."""
        kept = [name for name in shown if name != "action_checkbox"]
        return [name for name in kept if not set(str(name).split("__")) & NEVER_LOOKED_UP]

    @method_decorator(require_safe)
    def export_view(self, request: HttpRequest, form: str) -> Answer:
        """Who took how many rows of what is in the audit before the first one leaves."""
        if not self.has_view_or_change_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        try:
            listed = self.get_changelist_instance(request)  # type: ignore[attr-defined]
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse(f"{self.admin_site.name}:{self._list_name()}_changelist") + "?e=1")
        columns = self.export_columns(request, listed.list_display)
        headings = [capfirst(str(label_for_field(name, listed.model, self))) for name in columns]
        pks = list(listed.queryset.values_list("pk", flat=True))
        at = request.at  # type: ignore[attr-defined]
        title = str(self.opts.verbose_name_plural)
        with transaction.atomic():
            audit.record(
                "list.exported",
                at=at,
                by=request.user,
                about=audit.Thing(self.opts.label_lower, "", title),
                details={"lignes": len(pks), "filtre": request.GET.urlencode()[:900], "format": form},
            )
        return sent(form, headings, _rows(self, request, listed, columns, pks), title=title, day=brussels_date(at))


def sent(form: str, headings: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str, day: date) -> Answer:
    """The file itself, named after what it holds and the day it was taken."""
    name = f"{slugify(title)}-{day:%Y-%m-%d}.{form}"
    if form == exports.XLSX:
        file = exports.xlsx_rows(headings, rows, title=capfirst(title))
        return FileResponse(file, as_attachment=True, filename=name, content_type=exports.CONTENT_TYPES[form])
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    lines = exports.csv_rows(headings, rows)
    return StreamingHttpResponse(lines, content_type=exports.CONTENT_TYPES[form], headers=headers)


def _rows(page: Any, request: HttpRequest, listed: ChangeList, columns: list[Any], pks: list[Any]) -> Iterator[list]:
    """The list makes each chunk as it makes a page: what it adds to its rows (figures, phases) is there too."""
    whole, readers = listed.queryset, [_reader(name, page) for name in columns]
    listed.list_per_page, listed.list_max_show_all, listed.page_num = CHUNK, CHUNK, 1
    for start in range(0, len(pks), CHUNK):
        chunk = pks[start : start + CHUNK]
        listed.queryset = whole.order_by("pk").filter(pk__in=chunk)
        listed.get_results(request)
        found = {row.pk: row for row in listed.result_list}
        for pk in chunk:
            if pk in found:  # else it left the list meanwhile
                yield [read(found[pk]) for read in readers]


def _reader(name: Any, page: Any) -> Callable[[Model], Any]:
    """How that column is read: the label of a choice, the other object's name, no markup, nothing for what is not."""
    try:
        field = page.opts.get_field(name) if isinstance(name, str) else None
    except FieldDoesNotExist:
        field = None
    choices = dict(getattr(field, "flatchoices", None) or ())

    def read(row: Model) -> Any:
        if isinstance(field, Field) and isinstance(field.remote_field, ManyToOneRel):
            return plain(getattr(row, field.name))
        try:
            _field, _attribute, value = lookup_field(name, row, page)
        except ObjectDoesNotExist:
            return ""
        return plain(choices.get(value, value) if choices and value is not None else value)

    return read


def plain(value: Any) -> Any:
    """What a page would show, without its markup."""
    if not isinstance(value, SafeString):
        return value
    marked = str(value)
    for mark in BREAKS:
        marked = marked.replace(mark, " ")
    return " ".join(unescape(strip_tags(marked)).split())
