"""The days that a plan avoids, school year by school year, with the public holidays beside them (B4, B5)."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Any

import holidays
from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html

from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.readonly import GuardedAdmin
from migration.calendar import DAY, school_year
from migration.models import AvoidedPeriod, Campaign

LONGEST = timedelta(days=120)
YEARS = (2000, 2100)
MOST_YEARS = 5  # of one campaign: a slip in a date is no reason to name a century
Reason = AvoidedPeriod.Reason


def bounds(year: str) -> tuple[date, date]:
    """The first and the last day of a school year, as `calendar.school_year` counts them."""
    first = int(year[:4])
    middle = date(first, 7, 1), date(first + 1, 7, 1)
    begins, ends = (next(d for d in _from(day) if school_year(d + DAY) != school_year(d)) for day in middle)
    return begins + DAY, ends


def _from(day: date) -> Iterator[date]:
    while True:
        yield day
        day += DAY


def public_holidays(year: str) -> list[tuple[date, str]]:
    """Belgium's legal holidays of that school year, in French."""
    first, last = bounds(year)
    found = holidays.country_holidays("BE", years=[first.year, last.year], language="fr")
    return sorted((day, name.replace("'", "’")) for day, name in found.items() if first <= day <= last)


def years_to_encode(today: date) -> list[str]:
    """The school years that a campaign touches, and the one under way."""
    years = {school_year(today)}
    campaigns = Campaign.objects.values_list("po_first_mail_from", "ec_first_mail_from", "old_server_closes_on")
    for po_from, ec_from, closes in campaigns:
        first, last = int(school_year(min(po_from, ec_from))[:4]), int(school_year(closes)[:4])
        years |= {f"{start}-{start + 1}" for start in range(first, min(last, first + MOST_YEARS) + 1)}
    return sorted(years)


def without_calendar(years: Iterable[str]) -> list[str]:
    """Those of which no school holiday has been entered: a plan would not avoid them."""
    holidays_entered = AvoidedPeriod.objects.filter(reason=Reason.SCHOOL)
    entered = {school_year(first) for first in holidays_entered.values_list("first", flat=True)}
    return [year for year in years if year not in entered]


class SchoolYearFilter(admin.SimpleListFilter):
    title = "année scolaire"
    parameter_name = "annee"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        years = {school_year(first) for first in AvoidedPeriod.objects.values_list("first", flat=True)}
        return [(year, year) for year in sorted(years, reverse=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in dict(self.lookup_choices):
            return queryset
        first, last = bounds(str(self.value()))
        return queryset.filter(first__range=(first, last))


class AvoidedPeriodForm(forms.ModelForm):
    class Meta:
        model = AvoidedPeriod
        fields = ("reason", "name", "first", "last", "kind", "source")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        first, last = data.get("first"), data.get("last")
        for name, day in (("first", first), ("last", last)):
            if day and not YEARS[0] <= day.year <= YEARS[1]:
                self.add_error(name, f"L’année {day.year} n’est pas celle d’une campagne : vérifiez la date.")
        if not self.errors and first and last:
            if first > last:
                self.add_error("last", f"« au » ({last:%d/%m/%Y}) vient avant « du » ({first:%d/%m/%Y}).")
            elif last - first > LONGEST:
                self.add_error("last", "Cette période dépasse quatre mois : vérifiez les dates.")
            elif other := overlapping(self.instance, data).filter(reason=data["reason"]).first():
                self.add_error("first", f"Ces jours recouvrent « {other} », de même motif : modifiez-la plutôt.")
        return data


def overlapping(period: AvoidedPeriod, data: dict[str, Any]) -> QuerySet[AvoidedPeriod]:
    """The other periods that share a day with it, for the same mailboxes or some of them."""
    kinds = Q() if not data.get("kind") else Q(kind="") | Q(kind=data["kind"])
    return AvoidedPeriod.objects.filter(kinds, first__lte=data["last"], last__gte=data["first"]).exclude(pk=period.pk)


@admin.register(AvoidedPeriod)
class AvoidedPeriodAdmin(GuardedAdmin):
    """What staff enter; plans made from then on avoid these days. A batch that has begun keeps its dates."""

    form = AvoidedPeriodForm
    change_list_template = "admin/migration/avoidedperiod/change_list.html"
    list_display = ["name", "year", "first", "last", "reason", "concerns", "source"]
    list_filter = [SchoolYearFilter, "reason", "kind"]
    search_fields = ["name", "source"]
    search_help_text = "Mot du nom ou de la source."
    fields = [("reason", "name"), ("first", "last"), "kind", "source"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    @admin.display(description="année scolaire", ordering="first")
    def year(self, period: AvoidedPeriod) -> str:
        return school_year(period.first)

    @admin.display(description="vaut pour", ordering="kind")
    def concerns(self, period: AvoidedPeriod) -> str:
        return period.get_kind_display() or "les PO et les établissements"

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        today = brussels_date(request.at)  # type: ignore[attr-defined]
        asked = request.GET.get("annee", "")
        entered = {school_year(first) for first in AvoidedPeriod.objects.values_list("first", flat=True)}
        year = asked if asked in entered else school_year(today)
        context = {
            "school_year": year,
            "public_holidays": public_holidays(year),
            "without_calendar": without_calendar(years_to_encode(today)),
        }
        return super().changelist_view(request, {**(extra_context or {}), **context})

    def save_model(self, request: HttpRequest, obj: AvoidedPeriod, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.changed_data:
            for other in overlapping(obj, form.cleaned_data).exclude(reason=obj.reason)[:3]:
                messages.warning(request, f"Une partie de ces jours est déjà évitée par « {other} ».")
            self._tell_the_plans(request)
            self._audit(request, "avoided.changed" if change else "avoided.added", obj)

    def delete_model(self, request: HttpRequest, obj: AvoidedPeriod) -> None:
        thing = audit.Thing(obj._meta.label_lower, str(obj.pk), str(obj))
        details = self._facts(obj)
        super().delete_model(request, obj)
        self._tell_the_plans(request)
        audit.record("avoided.deleted", about=thing, by=request.user, at=request.at, details=details)  # type: ignore[attr-defined]

    def _audit(self, request: HttpRequest, action: str, obj: AvoidedPeriod) -> None:
        at = request.at  # type: ignore[attr-defined]
        audit.record(action, about=obj, by=request.user, at=at, details=self._facts(obj))

    def _facts(self, obj: AvoidedPeriod) -> dict[str, str]:
        return {name: str(getattr(obj, name)) for name in AvoidedPeriodForm.Meta.fields}

    def _tell_the_plans(self, request: HttpRequest) -> None:
        if campaign := Campaign.objects.order_by("-pk").first():
            url = reverse("admin:migration_campaign_plan", args=[campaign.pk])
            messages.info(
                request,
                format_html(
                    'Un plan accepté ne change pas tout seul : <a href="{}">voyez ce que ces jours y changent</a>.',
                    url,
                ),
            )
