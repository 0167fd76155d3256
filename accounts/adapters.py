"""What allauth asks of the portal: who may come in, under what name, and what is written of it."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthError
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from requests import RequestException, Session

from accounts import cerbere, people, provider, refusals
from accounts.auth import BREAK_GLASS, CERBERE, is_own_path, is_strong_enough, needs_strength
from accounts.cerbere import Rejected
from accounts.models import Contact, User
from accounts.sessions import open_session
from bma_portal import audit, vault
from bma_portal.limits import client_address
from bma_portal.secret import Secret

log = logging.getLogger(__name__)
SECOND_FACTOR = "second facteur"  # what its secrets are sealed for


class AccountAdapter(DefaultAccountAdapter):
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "Ce nom et ce mot de passe n’ouvrent aucun compte de secours.",
        "too_many_login_attempts": "Trop d’essais : attendez quelques minutes avant de recommencer.",
        "account_inactive": "Ce compte est désactivé.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False  # the only way to become known is Cerbère

    def is_safe_url(self, url: str) -> bool:
        return is_own_path(url)

    def get_client_ip(self, request: HttpRequest) -> str:
        """As our own limits read it, behind trusted proxies; an IPv6 visitor is shown as their network."""
        address = client_address(request).partition("/")[0]
        return address if address != "inconnue" else "0.0.0.0"  # noqa: S104  shown, not listened on

    def add_message(self, *args: Any, **kwargs: Any) -> None:
        """Our pages say what happened themselves."""

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        user = request.user
        if user.is_staff:
            return reverse("admin:index")
        desks = any(user.has_perm(f"support.work_{team}") for team in Contact.Team.values)
        return reverse("desk") if desks else settings.LOGIN_REDIRECT_URL

    get_signup_redirect_url = get_login_redirect_url

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        # The name typed is not written: people type their password there.
        known = User.objects.filter(username=credentials.get("username", ""), break_glass=True).first()
        why = "mot de passe faux" if known and known.is_active else "pas de compte de secours à ce nom"
        audit.record(
            "sign_in.refused", at=request.at, about=known, by=known, why=why, result="refused",
            details={"par": BREAK_GLASS},
        )  # fmt: skip
        log.error("compte de secours : connexion refusée", extra={"id": known.pk if known else None})

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        return refusals.refuse(request, refusals.DISABLED, why="compte désactivé", user=user)

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **kwargs: Any
    ) -> HttpResponse:
        """The session is open: note how, before anything is answered."""
        login = (signal_kwargs or {}).get("sociallogin")
        if login is not None:
            self._by_cerbere(request, user, login)
        else:
            self._by_password(request, user)
        return super().post_login(request, user, signal_kwargs=signal_kwargs, **kwargs)

    def _by_cerbere(self, request: HttpRequest, user: User, login: SocialLogin) -> None:
        person: cerbere.Identity = login.identity
        facts = {
            "first_name": person.first_name or user.first_name,
            "last_name": person.last_name or user.last_name,
            "email": person.email or user.email,
            "cerbere_expires_on": person.expires_on or user.cerbere_expires_on,
        }
        changed = [name for name, value in facts.items() if getattr(user, name) != value]
        for name in changed:
            setattr(user, name, facts[name])
        with transaction.atomic():
            if changed:
                user.save(update_fields=changed)
            open_session(request, by=CERBERE, acr=person.acr)
            audit.record("sign_in", at=request.at, about=user, by=user, details={"par": CERBERE, "acr": person.acr})

    def _by_password(self, request: HttpRequest, user: User) -> None:
        methods = request.session.get("account_authentication_methods", [])
        complete = any(method.get("method") == "mfa" for method in methods)
        open_session(request, by=BREAK_GLASS, second_factor=complete)
        result = "ok" if complete else "second facteur à enrôler"
        audit.record("break_glass", at=request.at, about=user, by=user, result=result)
        log.error("compte de secours", extra={"id": user.pk, "par": user.get_username(), "motif": result})


class CerbereAccountAdapter(DefaultSocialAccountAdapter):
    """People of Cerbère. The only provider is the one of the settings: no row of the database can add another."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        return [_provider_app()] if settings.CERBERE_ISSUER else []

    def get_requests_session(self) -> Session:
        return cerbere.new_session()

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        return False

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # without any right

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        return True  # a form would let the browser say who one is

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        user: User = sociallogin.user
        user.username = people.free_username(sociallogin.account.uid)
        user.set_unusable_password()
        with transaction.atomic():  # the same person twice at once: the second is refused, and may try again
            user.save()
            sociallogin.account.user = user
            sociallogin.account.save()
        return user

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """After who, before in: whoever must not come in is told why here."""
        if not sociallogin.is_existing:
            return
        user: User = sociallogin.user
        acr = sociallogin.identity.acr
        if not user.is_active:
            raise ImmediateHttpResponse(refusals.refuse(request, refusals.DISABLED, why="compte désactivé", user=user))
        if needs_strength(user) and not is_strong_enough(acr):
            why = "connexion trop faible pour son rôle" if acr else "force de la connexion absente"
            next_url = sociallogin.state.get("next") or ""
            raise ImmediateHttpResponse(
                refusals.refuse(
                    request, refusals.WEAK, why=why, user=user, next_url=next_url, details={"acr": acr[:100]}
                )
            )

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Always answers: allauth's own page is never shown."""
        raise ImmediateHttpResponse(failure(request, exception, cancelled=error == AuthError.CANCELLED))


def failure(request: HttpRequest, exception: Exception | None, *, cancelled: bool = False) -> HttpResponse:
    """The page of a sign-in that did not succeed."""
    if isinstance(exception, RequestException):
        return refusals.refuse(request, refusals.UNREACHABLE, why="Cerbère injoignable")
    if cancelled:
        return refusals.refuse(request, refusals.CANCELLED, why="interrompue par la personne")
    if isinstance(exception, Rejected):
        why = exception.code
    elif exception is not None:
        why = "code refusé par Cerbère"
    else:
        why = "erreur annoncée par Cerbère" if "error" in request.GET else "état inconnu"
    return refusals.refuse(request, refusals.UNREADABLE, why=why)


_provider_app = provider.app  # `provider` is a parameter's name in allauth's methods


class SecondFactorAdapter(DefaultMFAAdapter):
    """The secrets of second factors are sealed by the vault."""

    error_messages = {**DefaultMFAAdapter.error_messages, "incorrect_code": "Ce code n’est pas le bon."}

    def encrypt(self, text: str) -> str:
        return vault.seal(Secret(text), bound_to=SECOND_FACTOR)

    def decrypt(self, encrypted_text: str) -> str:
        return vault.unseal(encrypted_text, bound_to=SECOND_FACTOR).reveal()

    def get_totp_label(self, user: User) -> str:
        return user.get_username()
