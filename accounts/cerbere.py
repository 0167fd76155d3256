"""What Cerbère says, believed only once it is verified (SEC-B1, SEC-B2). No Django request, no database here.

An identity is the issuer and the subject: neither a name nor an e-mail address ever tells who somebody is.
"""

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass
from datetime import date
from typing import Any

import jwt
import requests
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.conf import settings

from bma_portal.settings.base import is_loopback

ALGORITHMS = ["RS256", "ES256"]  # by public key only: neither « none » nor a shared secret can sign for Cerbère
LEEWAY = 60  # seconds between two clocks
LONGEST_AGE = 600  # seconds since an identity token was made
LONGEST_SUBJECT = 191  # what allauth's column holds
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


class Rejected(OAuth2Error):
    """An answer that is not to be believed. `code` says why, in a word, to the audit; the person is told less."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Unreachable(requests.RequestException):
    """Cerbère did not answer, or not as it should."""


@dataclass(frozen=True)
class Identity:
    """Somebody, as Cerbère vouches for them."""

    issuer: str
    subject: str
    acr: str  # "" if Cerbère says nothing of how strong the sign-in was
    first_name: str
    last_name: str
    email: str  # "" unless Cerbère verified it; never tells who somebody is
    expires_on: date | None  # of the person's Cerbère password


def new_session() -> requests.Session:
    """Towards Cerbère: every call has a time limit, none follows a redirect elsewhere."""
    session = _TimedSession()
    session.max_redirects = 0
    if is_loopback(settings.CERBERE_ISSUER):
        session.trust_env = False  # a proxy has no business on the loopback
    return session


class _TimedSession(requests.Session):
    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = settings.CERBERE_TIMEOUT
        return super().request(*args, **kwargs)


def get_json(session: requests.Session, url: str, **headers: str) -> dict[str, Any]:
    """Raises Unreachable unless a JSON object comes back."""
    try:
        answer = session.get(url, headers=headers)
        answer.raise_for_status()
        data = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise Unreachable(type(error).__name__) from None
    if not isinstance(data, dict):
        raise Unreachable("no object")
    return data


def discover() -> dict[str, Any]:
    """Cerbère's own description. Raises Unreachable; Rejected if it is another's or sends elsewhere."""
    with new_session() as session:
        config = get_json(session, f"{settings.CERBERE_ISSUER.rstrip('/')}/.well-known/openid-configuration")
    if config.get("issuer") != settings.CERBERE_ISSUER:
        raise Rejected("configuration : autre émetteur")
    home = origin(settings.CERBERE_ISSUER)
    wanted = [*ENDPOINTS, *(["end_session_endpoint"] if "end_session_endpoint" in config else [])]
    if any(origin(config.get(name)) != home for name in wanted):
        raise Rejected("configuration : autre adresse")
    return config


def origin(url: object) -> str:
    """Scheme, host and port."""
    if not isinstance(url, str):
        return ""
    scheme, found, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}".lower() if found else ""


def nonce_for(code_verifier: str) -> str:
    """The nonce of a sign-in, bound to the PKCE verifier, which never leaves the session."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"nonce|" + code_verifier.encode()).digest()).decode().rstrip("=")


def verify(
    id_token: object, userinfo: dict[str, Any], *, keys: dict[str, Any], nonce: str, access_token: str
) -> Identity:
    """Who signed in, if the identity token stands every check and userinfo speaks of the same person.

    Raises Rejected.
    """
    if not isinstance(id_token, str) or not id_token:
        raise Rejected("jeton d’identité absent")
    claims = _signed_claims(id_token, keys)
    if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise Rejected("nonce différent")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if claims.get("azp", settings.CERBERE_CLIENT_ID) != settings.CERBERE_CLIENT_ID or len(audiences) != 1:
        raise Rejected("jeton destiné à d’autres")
    if "at_hash" in claims and claims["at_hash"] != _half_digest(access_token):
        raise Rejected("jeton d’accès d’un autre")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise Rejected("sujet illisible")
    if userinfo.get("sub") != subject:
        raise Rejected("sujets différents")
    return _identity(claims, userinfo)


def _signed_claims(id_token: str, keys: dict[str, Any]) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(id_token)
        if header.get("alg") not in ALGORITHMS:
            raise Rejected("algorithme refusé")
        claims = jwt.decode(
            id_token,
            key=_key(header.get("kid"), header["alg"], keys),
            algorithms=ALGORITHMS,
            audience=settings.CERBERE_CLIENT_ID,
            issuer=settings.CERBERE_ISSUER,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
    except jwt.PyJWTError as error:
        raise Rejected(REASONS.get(type(error), "jeton illisible")) from None
    # `iat` is in the past, says PyJWT; not so long ago, say we.
    if time.time() - claims["iat"] > LONGEST_AGE + LEEWAY:
        raise Rejected("jeton trop ancien")
    return claims


REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.InvalidSignatureError: "signature fausse",
    jwt.InvalidIssuerError: "autre émetteur",
    jwt.InvalidAudienceError: "autre destinataire",
    jwt.ExpiredSignatureError: "jeton périmé",
    jwt.ImmatureSignatureError: "jeton à venir",
    jwt.MissingRequiredClaimError: "jeton incomplet",
    jwt.InvalidAlgorithmError: "algorithme refusé",
}


def _key(kid: object, algorithm: str, keys: dict[str, Any]) -> jwt.PyJWK:
    """The public key that the token names, of the kind that its algorithm wants."""
    kind = {"RS256": "RSA", "ES256": "EC"}[algorithm]
    rows = keys.get("keys")
    fit = [
        row
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        and row.get("kty") == kind
        and row.get("use", "sig") == "sig"
        and row.get("alg", algorithm) == algorithm
        and (kid is None or row.get("kid") == kid)
    ]
    if len(fit) != 1:
        raise Rejected("clé inconnue")
    return jwt.PyJWK(fit[0], algorithm=algorithm)


def _half_digest(access_token: str) -> str:
    digest = hashlib.sha256(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")


def _identity(claims: dict[str, Any], userinfo: dict[str, Any]) -> Identity:
    said = {**userinfo, **claims}  # what is signed goes first

    def text(name: str, longest: int = 150) -> str:
        value = said.get(name)
        return value.strip()[:longest] if isinstance(value, str) and value.isprintable() else ""

    try:
        expires_on = date.fromisoformat(text("password_expires_on")) if text("password_expires_on") else None
    except ValueError:
        expires_on = None
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        acr=claims["acr"] if isinstance(claims.get("acr"), str) else "",
        first_name=text("given_name"),
        last_name=text("family_name"),
        email=text("email", 254) if said.get("email_verified") is True else "",
        expires_on=expires_on,
    )
