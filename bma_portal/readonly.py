"""Admin pages that show and never change: what they show is moved by use cases, or written once."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst

from bma_portal import audit
from bma_portal.large_lists import LargeLists

# Named in a look-up, these would let a list be probed for what it does not show (SEC-B9).
NEVER_LOOKED_UP = {"sealed", "password", "claim", "canary", "ews_id", "ews_changekey", "text", "html", "session_data"}


class WatchedAdmin(admin.ModelAdmin):
    """Whoever opens the page of an object leaves a line of audit first, named `viewed`; without it, no page."""

    viewed = ""  # none

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if self.viewed and obj is not None:
            audit.record(self.viewed, about=obj, at=request.at)  # type: ignore[attr-defined]
        return super().render_change_form(request, context, add, change, form_url, obj)


class GuardedAdmin(LargeLists, WatchedAdmin):
    """No deletion; a list is filtered by what its page offers, and by nothing else."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 100
    list_max_show_all = 400

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        title = {"title": capfirst(self.opts.verbose_name)}
        return super().change_view(request, object_id, form_url, {**title, **(extra_context or {})})

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        parts = set(lookup.split("__"))
        if parts & NEVER_LOOKED_UP:
            return False
        return super().lookup_allowed(lookup, value, request)


class ReadOnlyAdmin(GuardedAdmin):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
