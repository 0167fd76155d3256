from collections.abc import Iterable
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache


class SeenFirst:
    """Django looks for the object of a history before it asks who may see it, and so tells which exist (SEC-B6)."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: dict | None = None) -> HttpResponse:
        if not self.has_view_or_change_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)  # type: ignore[misc]


class PortalAdmin(admin.AdminSite):
    """The staff's side. French, and nothing in it reveals or changes a secret.

    It opens to strong sessions of staff only, and has no door of its own: one signs in at /connexion/ (SEC-B3).
    """

    site_header = "Portail BMA · administration"
    site_title = "Portail BMA"
    index_title = "Accueil de l’administration"
    enable_nav_sidebar = False

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)
        self.disable_action("delete_selected")  # Django logs it in bulk: the audit would not hear of it (SEC-I6)

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """allauth brings pages of its own: tokens, second factors, sessions. None of them is for an administrator."""
        models = model_or_iterable if isinstance(model_or_iterable, Iterable) else [model_or_iterable]
        kept = [model for model in models if not model.__module__.startswith("allauth.")]
        base = admin_class or admin.ModelAdmin
        exported = import_module("bma_portal.exports_admin").ExportMixin  # the audit's models are not loaded sooner
        super().register(kept, type(base.__name__, (SeenFirst, exported, base), {}), **options)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        def dashboard(request: HttpRequest) -> HttpResponse:
            return import_string("migration.admin.dashboard.latest")(request)

        return [path("tableau-de-bord/", self.admin_view(dashboard), name="dashboard"), *super().get_urls()]

    def has_permission(self, request: HttpRequest) -> bool:
        is_strong = import_string("accounts.auth.is_strong")
        return super().has_permission(request) and is_strong(request)

    @method_decorator(never_cache)
    @login_not_required  # type: ignore[misc]
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Django's own form is closed."""
        if request.user.is_authenticated:
            raise PermissionDenied
        own = import_string("accounts.auth.is_own_path")
        wanted = request.GET.get("next", "")
        query = urlencode({"next": wanted if own(wanted) else reverse("admin:index")})
        return HttpResponseRedirect(f"{reverse('sign_in')}?{query}")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return import_string("accounts.views.signing_in.sign_out")(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Only a break-glass account has a password here."""
        if not getattr(request.user, "break_glass", False):
            return HttpResponseRedirect(reverse("admin:index"))
        audit = import_module("bma_portal.audit")  # its models are not loaded yet when this module is
        before = request.session.session_key
        with transaction.atomic():
            response = super().password_change(request, extra_context)
            if request.method == "POST" and response.status_code == 302:  # Django's own log says nothing of it
                at, person = request.at, request.user  # type: ignore[attr-defined]
                # The session goes on under another key: the list, and « partout », must find it there.
                listed = apps.get_model("usersessions", "UserSession").objects.filter(session_key=before)
                listed.update(session_key=request.session.session_key)
                audit.record("break_glass", at=at, about=person, by=person, result="mot de passe changé")
        return response


class PortalAdminConfig(AdminConfig):
    default_site = "bma_portal.admin_site.PortalAdmin"
