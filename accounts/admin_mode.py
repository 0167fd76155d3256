"""MODE in the admin: the perimeter, heads, GIAs, permissions, requests. Added and ended through the use cases, whose
refusals are errors of the form; nothing is rewritten, nothing is deleted."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminDateWidget
from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from accounts import mode, people
from accounts.addresses import parse
from accounts.admin_search import of_units
from accounts.models import Gia, GrantRequest, Holder, ModePeriod, Organisation, ResetGrant, User
from accounts.units import unit_of
from accounts.words import fold
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.identity import refuse_national_number
from bma_portal.readonly import GuardedAdmin, ReadOnlyAdmin


class ModePeriodForm(forms.ModelForm):
    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        types, start, end = data.get("unit_types"), data.get("valid_from"), data.get("valid_to")
        if types and start:
            others = ModePeriod.objects.filter(Q(valid_to=None) | Q(valid_to__gt=start)).exclude(pk=self.instance.pk)
            others = others.filter(valid_from__lt=end) if end else others
            for other in others:
                if twice := {fold(name) for name in types} & {fold(name) for name in other.unit_types}:
                    raise ValidationError(f"« {min(twice)} » a déjà une réponse à ces dates : {other}.")
        return data


@admin.register(ModePeriod)
class ModePeriodAdmin(GuardedAdmin):
    form = ModePeriodForm
    list_display = ["category", "valid_from", "valid_to", "verdict", "ours", "source"]
    list_filter = ["verdict", "ours"]
    search_fields = ["category", "source"]
    search_help_text = "Mot de la catégorie ou de la source"
    fields = ["category", "unit_types", "verdict", "valid_from", "valid_to", "source", "ours"]


class InForceFilter(admin.SimpleListFilter):
    title = "validité"
    parameter_name = "validite"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("oui", "en vigueur"), ("non", "à venir, finie ou retirée")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        in_force = pks_in_force(queryset.model, request)
        match self.value():
            case "oui":
                return queryset.filter(pk__in=in_force)
            case "non":
                return queryset.exclude(pk__in=in_force)
        return queryset


def pks_in_force(model: Any, request: HttpRequest) -> QuerySet:
    return model.objects.in_force(request.at).order_by().values("pk")  # type: ignore[attr-defined]


class DeedForm(forms.ModelForm):
    """A form whose cleaning does the deed: a Refusal then stands on the form, and nothing typed is lost."""

    request: HttpRequest
    made: Model

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                self.made = self.deed(data)
            except Refusal as refusal:
                raise ValidationError(str(refusal)) from None
        return data

    def _post_clean(self) -> None:
        """The use case has written and checked the row: there is no instance to fill."""

    def deed(self, data: dict[str, Any]) -> Model:
        raise NotImplementedError


class AddForm(DeedForm):
    """Who, for which unit, from when. Whoever Cerbère has not brought yet is made known by their identifier."""

    numero = forms.CharField(label="numéro FASE ou adresse", help_text="Par exemple 1234, ec001234 ou po001234.")
    identifiant = forms.CharField(label="identifiant Cerbère")
    prenom = forms.CharField(label="prénom", max_length=150, required=False, help_text="Si la personne est nouvelle.")
    nom = forms.CharField(label="nom", max_length=150, required=False, help_text="Si la personne est nouvelle.")
    debut = forms.DateField(label="dès le", widget=AdminDateWidget)

    def clean_numero(self) -> Organisation:
        try:
            return unit_of(parse(self.cleaned_data["numero"]))
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None

    def clean_identifiant(self) -> str:
        try:
            return people.subject_of(self.cleaned_data["identifiant"])
        except Refusal as refusal:
            raise ValidationError(str(refusal)) from None

    def deed(self, data: dict[str, Any]) -> Model:
        known = people.person_of(data["identifiant"])
        names = {"first_name": data["prenom"], "last_name": data["nom"]}
        if known is None and not all(names.values()):
            raise Refusal("Cette personne n’est pas encore connue du portail : donnez son nom et son prénom.")
        user = known or people.known_as(data["identifiant"], **names)
        try:
            return self.record(user, data)
        except Refusal:
            if known is None:  # a refused deed leaves nobody behind
                user.socialaccount_set.all().delete()
                user.delete()
            raise

    def record(self, user: User, data: dict[str, Any]) -> Model:
        raise NotImplementedError

    @property
    def signed(self) -> dict[str, Any]:
        return {"by": self.request.user, "at": self.request.at}  # type: ignore[attr-defined]


class EndForm(DeedForm):
    motif = forms.CharField(
        label="mettre fin, motif",
        max_length=300,
        validators=[refuse_national_number],
        help_text="La fin vaut tout de suite ; le motif reste.",
    )

    def deed(self, data: dict[str, Any]) -> Model:
        self.finish(data["motif"], {"by": self.request.user, "at": self.request.at})  # type: ignore[attr-defined]
        return self.instance

    def finish(self, why: str, signed: dict[str, Any]) -> None:
        raise NotImplementedError


def of_people_and_units(queryset: QuerySet, text: str) -> QuerySet:
    name = text.strip()[:150].replace("\0", "")
    of_people = User.objects.filter(Q(last_name__icontains=name) | Q(username=name)).order_by().values("pk")
    return of_units(queryset, text, "organisation", or_else=Q(user__in=of_people))


class DatedAdmin(GuardedAdmin):
    """Added by one form, ended by another; what is over can only be read."""

    add_form: type[AddForm]
    end_form: type[EndForm]
    list_display = ["organisation", "user", "starts_on", "ends_on", "revoked_at", "recorded_by"]
    list_filter = [InForceFilter]
    list_select_related = ["organisation", "user"]
    search_fields = ["user__last_name"]  # the search itself is `of_units`
    search_help_text = "Numéro FASE, adresse, mots du nom ou de la commune (avec ou sans accents), nom de la personne"
    facts = [
        "organisation", "user", "starts_on", "ends_on", "source", "recorded_at", "recorded_by", "revoked_at",
        "revoked_by", "revoked_why",
    ]  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return of_people_and_units(queryset, search_term), False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return self.facts if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return list(self.add_form.base_fields)
        return [*self.facts, "motif"] if self.has_change_permission(request, obj) else self.facts

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[DeedForm]:
        base: type[DeedForm] = self.end_form if obj else self.add_form
        return type(base.__name__, (base,), {"request": request})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        over = obj is not None and (
            obj.revoked_at is not None or (obj.ends_on is not None and obj.ends_on < brussels_date(request.at))  # type: ignore[attr-defined]
        )
        return not over and super().has_change_permission(request, obj)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Model:
        return form.made

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Already written, by the use case."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """There is nothing beside it."""


class HolderAdd(AddForm):
    source = forms.CharField(
        label="source",
        max_length=200,
        validators=[refuse_national_number],
        help_text="Par exemple l’arrêté ou le courriel du PO.",
    )

    class Meta:
        model = Holder
        fields: list[str] = []

    def record(self, user: User, data: dict[str, Any]) -> Model:
        holder = mode.change_holder(data["numero"], to=user, on=data["debut"], source=data["source"], **self.signed)
        assert holder is not None
        return holder


class HolderEnd(EndForm):
    class Meta:
        model = Holder
        fields: list[str] = []

    def finish(self, why: str, signed: dict[str, Any]) -> None:
        today = brussels_date(signed["at"])
        mode.change_holder(self.instance.organisation, to=None, on=today, source=why[:200], **signed)


@admin.register(Holder)
class HolderAdmin(DatedAdmin):
    add_form, end_form = HolderAdd, HolderEnd


class GiaAdd(AddForm):
    fin = forms.DateField(label="jusqu’au (inclus)", widget=AdminDateWidget, required=False)
    source = forms.CharField(
        label="source",
        max_length=200,
        validators=[refuse_national_number],
        help_text="Par exemple la délégation du PO.",
    )

    class Meta:
        model = Gia
        fields: list[str] = []

    def record(self, user: User, data: dict[str, Any]) -> Model:
        dates = {"starts_on": data["debut"], "ends_on": data["fin"]}
        return mode.appoint_gia(data["numero"], to=user, source=data["source"], **dates, **self.signed)


class GiaEnd(EndForm):
    class Meta:
        model = Gia
        fields: list[str] = []

    def finish(self, why: str, signed: dict[str, Any]) -> None:
        mode.end_gia(self.instance, why=why, **signed)


@admin.register(Gia)
class GiaAdmin(DatedAdmin):
    add_form, end_form = GiaAdd, GiaEnd


class GrantAdd(AddForm):
    fin = forms.DateField(label="jusqu’au (inclus)", widget=AdminDateWidget)

    class Meta:
        model = ResetGrant
        fields: list[str] = []

    def record(self, user: User, data: dict[str, Any]) -> Model:
        dates = {"starts_on": data["debut"], "ends_on": data["fin"]}
        return mode.grant(data["numero"], to=user, **dates, **self.signed)


class GrantEnd(EndForm):
    class Meta:
        model = ResetGrant
        fields: list[str] = []

    def finish(self, why: str, signed: dict[str, Any]) -> None:
        mode.revoke(self.instance, why=why, **signed)


@admin.register(ResetGrant)
class ResetGrantAdmin(DatedAdmin):
    add_form, end_form = GrantAdd, GrantEnd
    facts = ["granted_by", *DatedAdmin.facts]
    list_select_related = ["organisation", "user", "granted_by"]


@admin.register(GrantRequest)
class GrantRequestAdmin(ReadOnlyAdmin):
    list_display = ["organisation", "user", "status", "asked_at", "decided_at", "decided_by"]
    list_filter = ["status"]
    list_select_related = ["organisation", "user", "decided_by"]
    search_fields = DatedAdmin.search_fields
    search_help_text = DatedAdmin.search_help_text
    fields = [
        "organisation", "user", "message", "status", "asked_at", "decided_at", "decided_by", "decided_why", "grant",
    ]  # fmt: skip

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return of_people_and_units(queryset, search_term), False
