"""Lists of the admin that stay quick when they are long: few columns are read to find a page, then its rows alone.

Django reads every joined row and computes every annotation down to the page that is asked. Here the numbers of the
page's rows are found first, by the filters, the search and the order; what the columns need is then read for those.
Beyond `MOST` rows nobody counts: the page says « plus de », and no deed may be asked of all of them at once.
"""

from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

MOST = 200_000
# That many at most are found by a filter or a search: all their numbers are read and sorted at once, which counts
# them too. Asked for a page alone, the database walks the whole table in the order of the list, in the hope of
# meeting enough of the few that are wanted.
FEW = 20_000


class CappedPaginator(Paginator):
    """Counts no further than `MOST`."""

    @cached_property
    def few(self) -> list[Any] | None:
        """The numbers of all the rows, in order, where a filter or a search leaves few; else None."""
        rows = self.object_list
        if not isinstance(rows, QuerySet) or not rows.query.where:
            return None
        found = list(rows.values_list("pk", flat=True)[: FEW + 1])
        return found if len(found) <= FEW else None

    @cached_property
    def counted(self) -> int:
        if self.few is not None:
            return len(self.few)
        rows = self.object_list
        return rows.order_by()[: MOST + 1].count() if isinstance(rows, QuerySet) else len(rows)

    @cached_property
    def count(self) -> int:
        return min(self.counted, MOST)


class LargeChangeList(ChangeList):
    """A page in two statements: its numbers, then its rows, in the same order."""

    capped = False
    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        paginator: Any = self.paginator
        self.capped = paginator.counted > paginator.count
        if paginator.few is None:
            pks = list(self.result_list.values_list("pk", flat=True))
        elif self.multi_page and not (self.show_all and self.can_show_all):
            start = (self.page_num - 1) * self.list_per_page
            pks = paginator.few[start : start + self.list_per_page]
        else:
            pks = paginator.few
        self.result_list = self.rows_of(pks)

    def rows_of(self, pks: list[Any]) -> list[Any]:
        """A row that left between the two statements is not shown."""
        rows = self.root_queryset.filter(pk__in=pks).order_by()
        if not rows.query.select_related:
            rows = self.apply_select_related(rows)
        found = {row.pk: row for row in rows} if pks else {}
        return [found[pk] for pk in pks if pk in found]


class LargeLists:
    """For a ModelAdmin whose list may be long."""

    paginator = CappedPaginator
    show_full_result_count = False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LargeChangeList
