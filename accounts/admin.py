"""The directory of units as staff read it. The register is its author: staff add what it lacks, and say what it
does not know (closed, taken over, mailbox confirmed). Nothing is deleted here."""

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db.models import F

from accounts import admin_by_hand, admin_mode, admin_people, register  # noqa: F401  they register their pages
from accounts.admin_search import SEARCHED, of_units
from accounts.models import (
    Contact,
    Mailbox,
    Organisation,
    OrganisationChange,
    RegisterImport,
    Site,
    SitePlacement,
)
from bma_portal import audit
from bma_portal.large_lists import LargeLists


class NeverDeleted:
    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class ReadOnly(NeverDeleted):
    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


class MailboxInline(NeverDeleted, admin.StackedInline):
    model = Mailbox
    fields = ["address", "confirmed_on"]
    readonly_fields = ["address"]
    extra = 0

    def has_add_permission(self, request, obj=None) -> bool:
        return False


class PlacementInline(ReadOnly, admin.TabularInline):
    model = SitePlacement
    fields = ["site"]
    extra = 0

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("site").order_by("site__fase")


class ChangeInline(ReadOnly, admin.TabularInline):
    model = OrganisationChange
    fields = ["at", "field", "old", "new", "by"]
    extra = 0

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("by", "organisation")


class PresenceFilter(admin.SimpleListFilter):
    title = "présence dans le registre"
    parameter_name = "presence"

    def lookups(self, request, model_admin):
        return [("present", "présentes"), ("absent", "absentes"), ("manual", "ajoutées à la main")]

    def queryset(self, request, queryset):
        match self.value():
            case "present":
                return queryset.from_register().filter(absent_since=None)
            case "absent":
                return queryset.absent()
            case "manual":
                return queryset.filter(origin=Organisation.Origin.STAFF)
        return queryset


class ClosureFilter(admin.SimpleListFilter):
    title = "activité"
    parameter_name = "activite"

    def lookups(self, request, model_admin):
        return [("plannable", "ouvertes"), ("over", "fermées ou reprises")]

    def queryset(self, request, queryset):
        match self.value():
            case "plannable":
                return queryset.plannable(request.at)
            case "over":
                return queryset.over(request.at)
        return queryset


class Units(AutocompleteSelect):
    """Django's leaves its first choice without a word, which HTML does not allow."""

    def create_option(self, name, value, label, *args, **options):
        return super().create_option(name, value, label or "—", *args, **options)


class UnitForm(forms.ModelForm):
    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.show_hidden_initial = False  # a hidden field that bears a help text: no HTML, and of no use here

    def clean(self) -> dict:
        found = super().clean() or self.cleaned_data
        if found.get("phone") and not found.get("phone_source"):
            self.add_error("phone_source", "Dites d’où vient ce numéro : annuaire de l’enseignement, site officiel…")
        return found


@admin.register(Organisation)
class OrganisationAdmin(NeverDeleted, LargeLists, admin.ModelAdmin):
    form = UnitForm
    show_facets = admin.ShowFacets.NEVER
    list_display = ["number_shown", "name", "municipality", "types_shown", "network", "absent_since"]
    list_display_links = ["number_shown", "name"]
    list_filter = ["kind", PresenceFilter, ClosureFilter, "network", "zone"]
    search_fields = ["search_key"]
    search_help_text = SEARCHED
    list_per_page = 50
    autocomplete_fields = ["po", "successor"]
    fieldsets = [
        (None, {"fields": ["kind", "fase", "name", "po", "unit_types", "levels", "network", "bce"]}),
        ("Lieu", {"fields": ["address", "postal_code", "locality", "municipality", "zone", "district"]}),
        ("Vie de l’unité", {"fields": ["origin", "absent_since", "closed_on", "successor"]}),
        ("Téléphone à rappeler avant de donner un mot de passe", {"fields": ["phone", "phone_source"]}),
    ]
    inlines = [MailboxInline, PlacementInline, ChangeInline]
    always_read = ["origin", "absent_since"]

    def formfield_for_foreignkey(self, db_field, request, **options):
        if db_field.name in self.autocomplete_fields:
            options["widget"] = Units(db_field, self.admin_site)
        return super().formfield_for_foreignkey(db_field, request, **options)

    @admin.display(description="numéro", ordering=F("fase"))
    def number_shown(self, unit: Organisation) -> str:
        return unit.number

    @admin.display(description="types")
    def types_shown(self, unit: Organisation) -> str:
        return ", ".join(unit.unit_types) or "—"

    def get_readonly_fields(self, request, obj=None):
        if obj is None:
            return self.always_read
        if obj.origin == Organisation.Origin.STAFF:
            return [*self.always_read, "kind", "fase"]
        # What the register says is the register's: the next import would put it back.
        return [*self.always_read, "kind", "fase", "po", *(name for name in register.FACTS if name != "po")]

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def get_search_results(self, request, queryset, search_term):
        return queryset.matching(search_term), False

    def save_model(self, request, obj, form, change) -> None:
        recorded = bool({"phone", "phone_source"} & set(form.changed_data))
        if recorded:  # who recorded a number after a request was made may not use it for that request (D18)
            obj.phone_recorded_at, obj.phone_recorded_by = request.at, request.user.get_username()
        if change:
            register.change_by_hand(obj, form.changed_data, at=request.at, by=request.user)
        else:
            register.add_by_hand(obj, at=request.at, by=request.user)
        if recorded:
            details = {"phone": obj.phone, "source": obj.phone_source}
            audit.record("unit.phone", about=obj, by=request.user, at=request.at, details=details)


@admin.register(Site)
class SiteAdmin(ReadOnly, LargeLists, admin.ModelAdmin):
    list_display = ["fase", "address", "postal_code", "locality", "municipality"]
    search_fields = ["=fase", "address", "locality", "municipality"]
    search_help_text = "Numéro FASE d’implantation, adresse, localité ou commune"
    list_per_page = 50
    fields = ["fase", "address", "postal_code", "locality", "municipality"]


@admin.register(RegisterImport)
class RegisterImportAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ["date", "imported_at", "file_name", "created", "changed", "absent"]
    fields = ["date", "imported_at", "file_name", "sha256", "counts"]

    @admin.display(description="créées")
    def created(self, done: RegisterImport) -> int:
        return done.counts.get("created", 0)

    @admin.display(description="modifiées")
    def changed(self, done: RegisterImport) -> int:
        return done.counts.get("changed", 0)

    @admin.display(description="absentes")
    def absent(self, done: RegisterImport) -> int:
        return done.counts.get("absent", 0)


@admin.register(OrganisationChange)
class OrganisationChangeAdmin(ReadOnly, LargeLists, admin.ModelAdmin):
    list_display = ["at", "organisation", "field", "old", "new", "by"]
    list_filter = ["field"]
    list_select_related = ["organisation", "by"]
    search_fields = ["organisation__search_key"]  # the search itself is `of_units`
    search_help_text = SEARCHED
    list_per_page = 50
    date_hierarchy = "at"

    def get_search_results(self, request, queryset, search_term):
        return of_units(queryset, search_term, "organisation"), False


@admin.register(Contact)
class ContactAdmin(admin.ModelAdmin):
    list_display = ["team", "name", "email", "phone", "hours", "valid_from", "valid_to"]
    list_filter = ["team"]
