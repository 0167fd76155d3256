"""The accounts of last resort: a password, then a second factor, by allauth; each use is seen."""

from collections.abc import Callable
from typing import Any

from allauth.account.forms import LoginForm
from allauth.account.views import LoginView
from allauth.core import context
from allauth.mfa.base.views import AuthenticateView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView, ViewRecoveryCodesView
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.mfa.totp.views import ActivateTOTPView
from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import SimpleTemplateResponse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from accounts import sessions
from accounts.auth import BREAK_GLASS, ENTRY
from bma_portal import audit, vault
from bma_portal.secret import Secret, leaving_no_trace

ENROLLING = "second_facteur"  # where a session keeps the sealed secret that is being enrolled


class BreakGlassForm(LoginForm):
    error_css_class = "is-invalid"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Nom du compte de secours"
        self.fields["password"].label = "Mot de passe"
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
            field.widget.attrs["class"] = "form-control"
            field.error_messages["required"] = "Remplissez ce champ."


class LeavingNoTrace:
    """What these pages have in hand (a password, a key, codes) is in no report of an error, of the page's either."""

    def get(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _rendered(super().get, *args, **kwargs)  # type: ignore[misc]

    @method_decorator(sensitive_post_parameters())
    def post(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = getattr(super(), "post", None) or self.http_method_not_allowed  # type: ignore[attr-defined]
        return _rendered(answer, *args, **kwargs)


def _rendered(answer: Callable[..., HttpResponseBase], *args: Any, **kwargs: Any) -> HttpResponseBase:
    with leaving_no_trace():
        response = answer(*args, **kwargs)
        return response.render() if isinstance(response, SimpleTemplateResponse) else response


class SignIn(LeavingNoTrace, LoginView):
    """The page of the password. A Cerbère person's name opens nothing here, nor does a password of theirs."""

    form_class = BreakGlassForm
    template_name = "accounts/break_glass.html"


class CodeField(forms.CharField):
    """A code of an application, or a recovery code; spaces are no mistake."""

    def __init__(self) -> None:
        attributes = {"autocomplete": "one-time-code", "inputmode": "numeric", "class": "form-control"}
        missing = {"required": "Tapez le code à six chiffres."}
        super().__init__(label="Code", max_length=20, widget=forms.TextInput(attributes), error_messages=missing)


class SecondFactor(LeavingNoTrace, AuthenticateView):
    template_name = "accounts/second_factor.html"

    def _build_forms(self) -> Any:
        posted = super()._build_forms()
        if self.auth_form is not None:
            self.auth_form.fields["code"] = CodeField()
        return posted


class EnrolForm(ActivateTOTPForm):
    """allauth keeps the secret being enrolled in the session as it is; here it is sealed there."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.user = kwargs.pop("user")
        forms.Form.__init__(self, *args, **kwargs)
        self.fields["code"] = CodeField()
        session, bound_to = context.request.session, f"{ENROLLING}:{self.user.pk}"
        if not self.is_bound or ENROLLING not in session:
            session[ENROLLING] = vault.seal(Secret(generate_totp_secret()), bound_to=bound_to)
        self.secret = vault.unseal(session[ENROLLING], bound_to=bound_to).reveal()


class BreakGlassOnly:
    """These pages are for a session that a break-glass account opened by its password."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if (request.session.get(ENTRY) or {}).get("by") != BREAK_GLASS:
            raise Http404
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]


@method_decorator(never_cache, name="dispatch")
class Enrol(LeavingNoTrace, BreakGlassOnly, ActivateTOTPView):
    """The second factor is enrolled at the first sign-in, before anything else opens."""

    form_class = EnrolForm
    template_name = "accounts/second_factor_enrol.html"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if Authenticator.objects.filter(user_id=request.user.pk, type=Authenticator.Type.TOTP).exists():
            return redirect("mfa_view_recovery_codes")
        return super().dispatch(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        data = super().get_context_data(**kwargs)
        clear = data["form"].secret
        data["secret_groups"] = [clear[i : i + 4] for i in range(0, len(clear), 4)]
        return data

    def form_valid(self, form: EnrolForm) -> HttpResponse:
        response = super().form_valid(form)
        del self.request.session[ENROLLING]
        sessions.second_factor_shown(self.request)
        user = self.request.user
        audit.record("break_glass", at=self.request.at, about=user, by=user, result="second facteur enrôlé")
        return response


@method_decorator(never_cache, name="dispatch")
class RecoveryCodes(LeavingNoTrace, BreakGlassOnly, ViewRecoveryCodesView):
    """Ten codes that each open once when the telephone is lost; they are shown once."""

    template_name = "accounts/recovery_codes.html"


@method_decorator(never_cache, name="dispatch")
class NewCodes(BreakGlassOnly, GenerateRecoveryCodesView):
    template_name = "accounts/recovery_codes_new.html"

    def form_valid(self, form: forms.Form) -> HttpResponse:
        response = super().form_valid(form)
        user = self.request.user
        audit.record("break_glass", at=self.request.at, about=user, by=user, result="nouveaux codes de récupération")
        return response
