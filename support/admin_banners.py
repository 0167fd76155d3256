"""The banners, written by SGNE and ETNIC. They end, they are not deleted: what was said stays on record."""

from typing import Any

from django.contrib import admin
from django.db.models import DateTimeField, QuerySet, Value
from django.http import HttpRequest
from django.utils.safestring import SafeString

from bma_portal.badges import GOOD, NEUTRAL, WAITING, badge
from bma_portal.readonly import GuardedAdmin
from support.models import Banner


class ShownFilter(admin.SimpleListFilter):
    title = "affichage"
    parameter_name = "affichage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("maintenant", "affichés maintenant"), ("ensuite", "à venir"), ("avant", "finis")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        at = request.at  # type: ignore[attr-defined]
        match self.value():
            case "maintenant":
                return queryset.filter(starts_at__lte=at, ends_at__gt=at)
            case "ensuite":
                return queryset.filter(starts_at__gt=at)
            case "avant":
                return queryset.filter(ends_at__lte=at)
        return queryset


@admin.register(Banner)
class BannerAdmin(GuardedAdmin):
    list_display = ["text", "shown_now", "kind", "audience", "starts_at", "ends_at", "by"]
    list_filter = [ShownFilter, "kind", "audience"]
    search_fields = ["text"]
    search_help_text = "Mot du texte"
    fields = ["kind", "text", "audience", "starts_at", "ends_at", "source", "by"]
    readonly_fields = ["by"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        moment = Value(request.at, DateTimeField())  # type: ignore[attr-defined]
        return super().get_queryset(request).annotate(moment=moment)

    @admin.display(description="affiché")
    def shown_now(self, banner: Any) -> SafeString:
        if banner.ends_at <= banner.moment:
            return badge("fini", NEUTRAL)
        return badge("affiché", GOOD) if banner.starts_at <= banner.moment else badge("à venir", WAITING)

    def save_model(self, request: HttpRequest, obj: Banner, form: Any, change: bool) -> None:
        obj.by = request.user.get_full_name() or request.user.get_username()
        super().save_model(request, obj, form, change)
