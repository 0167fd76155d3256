"""The staff's side of the requests for a password: a list, a sheet, and who may do what now.

Nobody sees a password here, not even a superuser (D16). Each deed is one use case, asked on a page of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET

from bma_portal import journal
from bma_portal.badges import BAD, GOOD, NEUTRAL, WAITING, badge
from bma_portal.errors import Refusal
from bma_portal.mail.admin import KIND_LABELS
from bma_portal.readonly import ReadOnlyAdmin
from bma_portal.secret import Secret, leaving_no_trace
from bma_portal.states import StateChange
from support import admin_articles, admin_banners, admin_teams, charge, resets  # noqa: F401  the others are registered
from support.forms_review import AcceptForm, ConfirmForm, RefuseForm
from support.models import PasswordReset, ProofFile
from support.resets.review import EXECUTE, VERIFY
from support.views.showing import sealed

Status = PasswordReset.Status
TONES = {
    Status.UNCONFIRMED: NEUTRAL,
    Status.RECEIVED: WAITING,
    Status.ACCEPTED: WAITING,
    Status.SETTING: WAITING,
    Status.READY: WAITING,
    Status.SHOWN: GOOD,
    Status.REFUSED: BAD,
    Status.STOPPED: BAD,
    Status.CLOSED: NEUTRAL,
}
KIND_LABELS.update(
    {
        "reset.asked": "mot de passe : demande annoncée",
        "reset.changed": "mot de passe : changement annoncé",
        "reset.stopped": "mot de passe : demande arrêtée",
        "reset.contact_code": "mot de passe : code de l’adresse de contact",
        "reset.pick_up": "mot de passe : lien de retrait",
        "reset.pick_up_expired": "mot de passe : lien de retrait échu",
        "reset.ready": "mot de passe : prêt",
        "reset.refused": "mot de passe : demande refusée",
        "reset.closed": "mot de passe : demande fermée",
        "reset.reminder": "mot de passe : rappel",
    }
)


@dataclass(frozen=True)
class Deed:
    """A button of the sheet and the question behind it."""

    label: str
    question: str
    done: str
    act: Callable[..., Secret | None]
    form: type[ConfirmForm] = ConfirmForm
    grave: bool = False


DEEDS = {
    "prendre": Deed(
        label="Prendre en charge",
        question="Vous examinez cette demande, et vous seul ouvrez sa preuve, jusqu’à ce que vous la rendiez.",
        done="La demande {reset.reference} est à vous.",
        act=charge.take,
    ),
    "rendre": Deed(
        label="Rendre",
        question="Une autre personne pourra l’examiner. Vous n’ouvrirez plus sa preuve.",
        done="La demande {reset.reference} attend une autre personne.",
        act=charge.give_back,
    ),
    "accepter": Deed(
        label="Accepter",
        question="Rappelez d’abord l’unité au numéro de l’annuaire, demandez la personne, et vérifiez avec elle sa "
        "demande. Une autre personne fera faire le mot de passe et lui dira le code de retrait.",
        done="La demande {reset.reference} est acceptée.",
        act=charge.accept,
        form=AcceptForm,
    ),
    "refuser": Deed(
        label="Refuser",
        question="La personne reçoit votre motif tel quel : dites-lui ce qu’elle doit corriger. Sa preuve est "
        "détruite aussitôt.",
        done="La demande {reset.reference} est refusée, la personne en est avertie.",
        act=charge.refuse,
        form=RefuseForm,
        grave=True,
    ),
    "executer": Deed(
        label="Exécuter",
        question="Un nouveau mot de passe est fait et posé dans l’annuaire : l’ancien cesse de fonctionner. Personne "
        "ici ne le voit.",
        done="Le mot de passe de la demande {reset.reference} est en cours de pose.",
        act=resets.execute,
        grave=True,
    ),
}


class StatusFilter(admin.SimpleListFilter):
    """What is under way, unless another state is asked for."""

    title = "état"
    parameter_name = "etat"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        seen = [(status.value, str(status.label)) for status in Status if status != Status.UNCONFIRMED]
        return [("toutes", "toutes"), *seen]

    def choices(self, changelist: Any) -> Any:
        first, *others = super().choices(changelist)
        yield {**first, "display": "en cours"}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "toutes":
            return queryset
        return queryset.filter(status__in=[self.value()] if self.value() in Status else PasswordReset.LIVE)


@admin.register(PasswordReset)
class PasswordResetAdmin(ReadOnlyAdmin):
    viewed = "reset.viewed"
    change_form_template = "admin/support/passwordreset/change_form.html"
    list_display = ["reference", "mailbox", "path", "status_shown", "asked_at", "taken_by"]
    list_filter = [StatusFilter, "path"]
    list_select_related = ["mailbox", "taken_by"]
    ordering = ["asked_at", "pk"]  # whoever waits longest comes first
    search_fields = ["reference", "mailbox__address"]
    search_help_text = "Référence de la demande ou adresse de la boîte."
    fields = ["reference", "mailbox", "path", "status_shown", "asked_at", "suspicion"]
    readonly_fields = fields

    # Who, what

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or self.works_on_them(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or self.works_on_them(request)

    def works_on_them(self, request: HttpRequest) -> bool:
        """Verifies or executes: sees who asks. The others see that somebody does."""
        return request.user.has_perm(VERIFY) or request.user.has_perm(EXECUTE)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Not the drafts: until its address is confirmed, a form was handed to nobody."""
        return super().get_queryset(request).exclude(status=Status.UNCONFIRMED)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Nothing but the list's own filters: names and digests are columns of this very table (SEC-B9)."""
        return lookup in {"etat", "path__exact"}

    @admin.display(description="état", ordering="status")
    def status_shown(self, reset: PasswordReset) -> SafeString:
        return badge(reset.get_status_display(), TONES[Status(reset.status)])

    # The sheet

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict | None = None
    ) -> HttpResponse:
        reset = self.get_object(request, object_id)
        may_see = reset is not None and self.has_view_permission(request, reset)
        sheet = self.sheet(request, reset) if may_see else {}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **sheet})

    def sheet(self, request: HttpRequest, reset: PasswordReset) -> dict[str, Any]:
        at = request.at  # type: ignore[attr-defined]
        changes = StateChange.objects.filter(object_type=PasswordReset._meta.label_lower, object_id=reset.pk)
        proof = ProofFile.objects.filter(reset=reset).defer("content", "key").first()
        has_proof = proof is not None and proof.destroyed_at is None
        return {
            "reset": reset,
            "unit": reset.mailbox.organisation,
            "sees_identity": self.works_on_them(request),
            "proof": proof,
            "may_open_proof": has_proof and charge.is_in_charge(reset, request.user),
            "next": charge.who_is_next(reset),
            "behind": charge.waiting_behind(reset),
            "deeds": [
                (reverse("admin:support_passwordreset_deed", args=[reset.pk, name]), DEEDS[name])
                for name in charge.open_deeds(reset, request.user, at=at)
            ],
            "changes": [journal.line(change) for change in changes.order_by("-id")[:50]],
        }

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None:
            related = ["mailbox__organisation", "requester", "taken_by", "verified_by", "executed_by"]
            return PasswordReset.objects.select_related(*related).get(pk=found.pk)
        return None

    # Deeds

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/acte/<slug:name>/", wrap(self.deed), name="support_passwordreset_deed"),
            path("<int:pk>/preuve/", wrap(self.proof), name="support_passwordreset_proof"),
            path("<int:pk>/preuve/<int:number>/", wrap(self.proof_page), name="support_passwordreset_page"),
            *super().get_urls(),
        ]

    @sensitive_variables("code")
    def deed(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Ask, then do. What is refused is said on the sheet."""
        deed = DEEDS.get(name)
        if not self.works_on_them(request):
            raise PermissionDenied
        reset = self.get_object(request, str(pk))
        if reset is None or deed is None:
            raise Http404
        if not request.user.has_perm(EXECUTE if name == "executer" else VERIFY):
            raise PermissionDenied
        form = deed.form(request.POST if request.method == "POST" else None, unit=reset.mailbox.organisation)
        if request.method == "POST" and form.is_valid():
            at = request.at  # type: ignore[attr-defined]
            try:
                with leaving_no_trace():
                    code = deed.act(reset, by=request.user, at=at, **form.facts())
            except Refusal as refusal:
                messages.error(request, str(refusal))
                return redirect("admin:support_passwordreset_change", reset.pk)
            if code is not None:
                return self.say_code(request, reset, code)
            reset.refresh_from_db(fields=["status"])
            if name == "executer" and reset.status == Status.ACCEPTED:
                messages.error(request, "L’annuaire refuse ce mot de passe : exécutez de nouveau, un autre sera fait.")
            else:
                messages.success(request, deed.done.format(reset=reset))
            return redirect("admin:support_passwordreset_change", reset.pk)
        context = {
            **self.page(request, f"{deed.label} : {reset.reference}"),
            "reset": reset,
            "deed": deed,
            "form": form,
            "code_follows": name == "executer" and reset.path == PasswordReset.Path.HORS_MODE,
        }
        context["unit"] = reset.mailbox.organisation
        return TemplateResponse(request, "admin/support/passwordreset/deed.html", context)

    def say_code(self, request: HttpRequest, reset: PasswordReset, code: Secret) -> HttpResponse:
        """To whoever executed, with the number to call: the code to say, this once. It is kept as a digest."""
        context = {**self.page(request, f"Code à dire : {reset.reference}"), "reset": reset, "code": code}
        with leaving_no_trace():
            return TemplateResponse(request, "admin/support/passwordreset/spoken_code.html", context).render()

    # The proof

    def proof(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The pages of the proof, for the person in charge; to others the page does not exist."""
        reset = self.get_object(request, str(pk))
        proof = ProofFile.objects.filter(reset_id=pk, destroyed_at=None).defer("content", "key").first()
        if reset is None or proof is None or not charge.is_in_charge(reset, request.user):
            raise Http404
        pages = [reverse("admin:support_passwordreset_page", args=[pk, n]) for n in range(1, proof.pages + 1)]
        context = {**self.page(request, f"Preuve : {reset.reference}"), "reset": reset, "proof": proof, "pages": pages}
        return TemplateResponse(request, "admin/support/passwordreset/proof.html", context)

    @method_decorator(require_GET)
    def proof_page(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """The image itself: its line of audit is written first; without it, not one byte."""
        reset = self.get_object(request, str(pk))
        if reset is None:
            raise Http404
        try:
            page = charge.view_page(reset, number, by=request.user, at=request.at)  # type: ignore[attr-defined]
        except Refusal:
            raise Http404 from None
        response = sealed(HttpResponse(page, content_type="image/jpeg"))
        response["Content-Disposition"] = f'attachment; filename="preuve-{reset.reference}-{number}.jpg"'
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    def page(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "subtitle": None, "opts": self.opts}
