from django.contrib import admin
from django.http import HttpRequest

from bma_portal import audit_admin, journal
from bma_portal.readonly import ReadOnlyAdmin
from bma_portal.states import StateChange

__all__ = ["StateChangeAdmin", "audit_admin"]


@admin.register(StateChange)
class StateChangeAdmin(ReadOnlyAdmin):
    """The log of what was decided and what moved; written once, by the moves themselves."""

    list_display = ["at", "about", "before", "after", "by", "note"]
    list_filter = ["object_type", "new"]
    search_fields = ["by", "note"]
    search_help_text = "Nom de la personne ou mot du motif."
    ordering = ["-id"]
    fields = ["about", "before", "after", "by", "at", "note"]

    def get_readonly_fields(self, request: HttpRequest, obj: StateChange | None = None) -> list[str]:
        return list(self.fields)

    @admin.display(description="objet", ordering="object_type")
    def about(self, change: StateChange) -> str:
        return journal.line(change).about

    @admin.display(description="avant")
    def before(self, change: StateChange) -> str:
        return journal.line(change).old

    @admin.display(description="après")
    def after(self, change: StateChange) -> str:
        return journal.line(change).new
