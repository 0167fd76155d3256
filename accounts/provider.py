"""Cerbère as a provider of allauth: its OpenID Connect provider, with the checks that it leaves out.

allauth 65 trusts the token endpoint's transport: it reads the identity token without its signature, sends no nonce,
does not hold userinfo against the token and builds the return address from the Host header.
"""

import hashlib
from typing import Any

from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse

from accounts import cerbere
from accounts.cerbere import Identity, Rejected

USED_SECONDS = 3600  # longer than any code or token lives


def app() -> SocialApp:
    """Cerbère, as the settings name it. Its identities bear the issuer as `SocialAccount.provider`."""
    return SocialApp(
        provider=OpenIDConnectProvider.id,
        provider_id=settings.CERBERE_ISSUER,
        name="Cerbère",
        client_id=settings.CERBERE_CLIENT_ID,
        secret=settings.CERBERE_CLIENT_SECRET,
        settings={"server_url": settings.CERBERE_ISSUER},
    )


class CerbereOAuth2Adapter(OpenIDConnectOAuth2Adapter):
    """One way through Cerbère: a code, its token, the person."""

    def __init__(self, request: HttpRequest, provider_id: str) -> None:
        super().__init__(request, provider_id)
        self.nonce = ""

    @property
    def openid_config(self) -> dict[str, Any]:
        if not hasattr(self, "_openid_config"):
            self._openid_config = cerbere.discover()
        return self._openid_config

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """From the configuration, whatever Host the request bears (SEC-D7)."""
        return settings.PORTAL_URL + reverse("cerbere_callback")

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: OAuth2Client, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        """Exchange the code, once."""
        if not pkce_code_verifier:
            raise Rejected("état incomplet")
        self.nonce = cerbere.nonce_for(pkce_code_verifier)
        once("code", request.GET.get("code", ""))
        try:
            data = super().get_access_token_data(request, app, client, pkce_code_verifier=pkce_code_verifier)
        except (TypeError, ValueError):
            raise Rejected("réponse illisible") from None
        if not isinstance(data, dict) or not isinstance(data.get("access_token"), str):
            raise Rejected("réponse illisible")
        if str(data.get("token_type", "Bearer")).lower() != "bearer":
            raise Rejected("réponse illisible")
        return data

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        return SocialToken(token=data["access_token"])  # for this request; never stored

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **kwargs: Any) -> SocialLogin:
        config = self.openid_config
        with cerbere.new_session() as session:
            keys = cerbere.get_json(session, config["jwks_uri"])
            userinfo = cerbere.get_json(
                session, config["userinfo_endpoint"], Authorization=f"Bearer {token.token}", Accept="application/json"
            )
        id_token = kwargs["response"].get("id_token")
        identity = cerbere.verify(id_token, userinfo, keys=keys, nonce=self.nonce, access_token=token.token)
        once("jeton", id_token)
        return self.get_provider().sociallogin_from_response(request, identity)


def once(kind: str, value: str) -> None:
    """Raises Rejected if this code or token was already presented, to any process."""
    digest = hashlib.sha256(value.encode()).hexdigest()
    if not value or not cache.add(f"cerbere:{kind}:{digest}", "1", timeout=USED_SECONDS):
        raise Rejected(f"{kind} déjà utilisé")


class CerbereProvider(OpenIDConnectProvider):
    name = "Cerbère"
    oauth2_adapter_class = CerbereOAuth2Adapter
    pkce_enabled_default = True
    supports_token_authentication = False

    def get_pkce_params(self) -> dict[str, str]:
        """allauth sends these but the verifier; the nonce goes with them, and is found again from the verifier."""
        params = super().get_pkce_params()
        return {**params, "nonce": cerbere.nonce_for(params["code_verifier"])}

    def extract_uid(self, data: Identity) -> str:
        return data.subject

    def extract_extra_data(self, data: Identity) -> dict[str, Any]:
        """What is kept of an answer: how strong it was, when the password ends. Nothing else."""
        return {"acr": data.acr, "expires_on": data.expires_on.isoformat() if data.expires_on else None}

    def extract_common_fields(self, data: Identity) -> dict[str, Any]:
        """Without the e-mail address: to allauth it would be a way to link accounts."""
        return {"first_name": data.first_name, "last_name": data.last_name}

    def extract_email_addresses(self, data: Identity) -> list:
        return []

    def sociallogin_from_response(self, request: HttpRequest, response: Identity) -> SocialLogin:
        login = super().sociallogin_from_response(request, response)
        login.identity = response
        return login
