"""« Mots de passe à poser à la main » (DIRECTORY=manual): an agent takes one, sees it once, and certifies it."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString

from accounts import by_hand
from accounts.directory import by_hand as set_by_hand
from accounts.models import Credential
from bma_portal.badges import NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.readonly import ReadOnlyAdmin
from bma_portal.secret import leaving_no_trace
from bma_portal.vault import VaultError

LIST = "admin:accounts_credential_changelist"


@admin.register(Credential)
class ByHandAdmin(ReadOnlyAdmin):
    """The only page of the staff's side that shows a password, and only where agents set them."""

    list_display = ["mailbox", "purpose", "issued_at", "state_shown", "taken_by", "taken_at"]
    list_filter = ["purpose"]
    search_fields = ["mailbox__address"]
    search_help_text = "Début ou partie de l’adresse."

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return set_by_hand() and request.user.has_perm(by_hand.PERMISSION)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Credential]:
        return by_hand.waiting().defer("sealed")

    @admin.display(description="état")
    def state_shown(self, credential: Credential) -> SafeString:
        return badge("pris, à certifier", NEUTRAL) if credential.taken_by_id else badge("à prendre", WAITING)

    def changelist_view(self, request: HttpRequest, extra_context: dict | None = None) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), "title": "Mots de passe à poser à la main"})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        """What can be done with this one; a POST does it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        credential = self.get_queryset(request).filter(pk=object_id).first() if object_id.isdecimal() else None
        if credential is None:
            raise Http404
        if request.method == "POST":
            return self._do(request, credential)
        return self._page(request, "admin/accounts/credential/by_hand.html", credential)

    def _do(self, request: HttpRequest, credential: Credential) -> HttpResponse:
        deeds: dict[str, Callable[[HttpRequest, Credential], HttpResponse]] = {
            "prendre": self._take, "certifier": self._certify, "rendre": self._give_back,
        }  # fmt: skip
        deed = deeds.get(request.POST.get("deed", ""))
        if deed is None:
            raise Http404
        try:
            return deed(request, credential)
        except (Refusal, VaultError) as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse(LIST))

    def _take(self, request: HttpRequest, credential: Credential) -> HttpResponse:
        with leaving_no_trace():
            password = by_hand.take(credential, by=request.user, at=request.at)  # type: ignore[attr-defined]
            page = self._page(request, "admin/accounts/credential/taken.html", credential, password=password)
            return page.render()

    def _certify(self, request: HttpRequest, credential: Credential) -> HttpResponse:
        by_hand.certify(credential, by=request.user, at=request.at)  # type: ignore[attr-defined]
        messages.success(request, f"{credential.mailbox} : mot de passe certifié, il est en vigueur.")
        return HttpResponseRedirect(reverse(LIST))

    def _give_back(self, request: HttpRequest, credential: Credential) -> HttpResponse:
        by_hand.give_back(credential, by=request.user, at=request.at)  # type: ignore[attr-defined]
        messages.success(request, f"{credential.mailbox} : un autre mot de passe, que personne n’a vu, est à prendre.")
        return HttpResponseRedirect(reverse(LIST))

    def _page(self, request: HttpRequest, template: str, credential: Credential, **more: Any) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"Poser à la main le mot de passe de {credential.mailbox}",
            "subtitle": None,
            "opts": self.opts,
            "credential": credential,
            "mine": credential.taken_by_id == request.user.pk,
            **more,
        }
        answer = TemplateResponse(request, template, context)
        answer["Cache-Control"] = "no-store"
        return answer
