"""What the Cerbère stand-in answers, by path."""

import base64
import binascii
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from demo.cerbere import lies, pages
from demo.exchange.http import HTML, JSON, Reply, Request
from demo.people import PEOPLE, SIMPLE, STRONG, Person

logger = logging.getLogger("demo.cerbere")

CLIENT_ID, CLIENT_SECRET = "portail-bma-demo", "demo-cerbere"
RETURN, AFTER = "/connexion/retour/", "/connexion/fin/"
LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\]|testserver)(:[0-9]+)?", re.IGNORECASE)
CODE_SECONDS, TOKEN_SECONDS = 60, 300
BY_SUBJECT = {person.subject: person for person in PEOPLE if not person.break_glass}


@dataclass
class Grant:
    """What somebody agreed to: waits under its code, then under its access token."""

    person: Person
    acr: str
    asked: dict[str, str]
    until: float


class Site:
    def __init__(self) -> None:
        self.issuer = ""  # said once the port is known
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = secrets.token_hex(8)
        self.codes: dict[str, Grant] = {}
        self.tokens: dict[str, Grant] = {}
        self.lie = ""
        self.ended = 0
        self.routes = {
            ("GET", "/"): self._home,
            ("GET", "/.well-known/openid-configuration"): self._discovery,
            ("GET", "/jwks"): self._jwks,
            ("GET", "/authorize"): self._ask,
            ("POST", "/authorize"): self._choose,
            ("POST", "/token"): self._token,
            ("GET", "/userinfo"): self._userinfo,
            ("GET", "/end_session"): self._end_session,
            ("GET", "/style.css"): lambda request: Reply(HTTPStatus.OK, pages.STYLE, "text/css; charset=utf-8"),
            ("GET", "/_demo/state"): self._state,
            ("POST", "/_demo/tamper"): self._tamper,
        }

    def handle(self, request: Request) -> Reply:
        try:
            if not LOOPBACK.fullmatch(request.headers.get("host", "")):
                return Reply(HTTPStatus.MISDIRECTED_REQUEST)
            method = "GET" if request.method == "HEAD" else request.method
            route = self.routes.get((method, request.path))
            if route is None:
                return page(pages.problem("Cette page n’existe pas chez ce Cerbère de démonstration."), 404)
            if not request.path.startswith("/_demo/"):
                if self.lie == "down":
                    return Reply(HTTPStatus.SERVICE_UNAVAILABLE)
                if self.lie == "garbage" and request.path != "/authorize":
                    return page("<p>Maintenance</p>")
                if self.lie == "redirect" and request.path in {"/jwks", "/userinfo"}:
                    return Reply(HTTPStatus.FOUND, headers=(("Location", f"{self.issuer}/"),))
            reply = route(request)
            if self.lie == "slow" and request.path in {"/token", "/jwks"}:
                reply.delay = 30
            return reply
        except Exception:
            logger.exception("%s %s", request.method, request.path)
            return answer({"error": "server_error"}, HTTPStatus.INTERNAL_SERVER_ERROR)

    # What the portal reads

    def _discovery(self, request: Request) -> Reply:
        issuer = self.issuer
        told = {
            "issuer": lies.ELSEWHERE if self.lie == "other-discovery" else issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{lies.ELSEWHERE if self.lie == 'endpoint-elsewhere' else issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "end_session_endpoint": f"{issuer}/end_session",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "acr_values_supported": [STRONG, SIMPLE],
            "authorization_response_iss_parameter_supported": True,
        }
        return answer(told)

    def _jwks(self, request: Request) -> Reply:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return answer({"keys": [{**public, "kid": self.kid, "use": "sig", "alg": "RS256"}]})

    def _token(self, request: Request) -> Reply:
        form = request.form()
        if not self._is_our_client(request, form):
            return answer({"error": "invalid_client"}, HTTPStatus.UNAUTHORIZED)
        grant = self.codes.pop(form.get("code", ""), None)  # once
        good = (
            grant is not None
            and grant.until > time.time()
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == grant.asked["redirect_uri"]
            and challenge(form.get("code_verifier", "")) == grant.asked["code_challenge"]
        )
        if grant is None or not good or self.lie == "refused-code":
            return answer({"error": "invalid_grant"}, HTTPStatus.BAD_REQUEST)
        access_token = secrets.token_urlsafe(32)
        grant.until = time.time() + TOKEN_SECONDS
        self.tokens[access_token] = grant
        told = {"access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}
        if self.lie != "no-id-token":
            told["id_token"] = self._id_token(grant, access_token)
        return answer(told)

    def _id_token(self, grant: Grant, access_token: str) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": grant.person.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "auth_time": now,
            "exp": now + TOKEN_SECONDS,
            "nonce": grant.asked.get("nonce", ""),
            "acr": grant.acr,
            "at_hash": lies.half_digest(access_token),
        }
        claims = lies.change(claims, self.lie, now)
        return lies.sign(claims, self.lie, key=self.key, kid=self.kid, secret=CLIENT_SECRET)

    def _userinfo(self, request: Request) -> Reply:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        grant = self.tokens.get(token)
        if scheme.lower() != "bearer" or grant is None or grant.until < time.time():
            return answer({"error": "invalid_token"}, HTTPStatus.UNAUTHORIZED)
        person = grant.person
        told = {
            "sub": "demo-quelquun-dautre" if self.lie == "userinfo-subject" else person.subject,
            "preferred_username": person.username,
            "given_name": person.first_name,
            "family_name": person.last_name,
            "email": person.email,
            "email_verified": True,
            "password_expires_on": (datetime.now(UTC) + timedelta(days=person.expires_in)).date().isoformat(),
        }
        return answer(told)

    # What a person sees

    def _home(self, request: Request) -> Reply:
        return page(pages.home())

    def _ask(self, request: Request) -> Reply:
        asked = request.arguments()
        if problem := self._problem_with(asked):
            return page(pages.problem(problem), 400)
        return page(pages.choice(request.query, list(BY_SUBJECT.values()), strong_only=_wants_strong(asked)))

    def _choose(self, request: Request) -> Reply:
        form = request.form()
        asked = {name: values[-1] for name, values in parse_qs(form.get("demande", "")).items()}
        if problem := self._problem_with(asked):
            return page(pages.problem(problem), 400)
        subject, _, force = form.get("choix", "").partition("|")
        person = BY_SUBJECT.get(subject)
        if "annuler" in form or self.lie == "cancelled":
            return self._back(asked, error="access_denied")
        if self.lie == "error":
            return self._back(asked, error="server_error")
        if person is None:
            return page(pages.problem("Choisissez une personne de la liste."), 400)
        acr = STRONG if force == "renforcee" else SIMPLE
        code = secrets.token_urlsafe(32)
        self.codes[code] = Grant(person, acr, asked, time.time() + CODE_SECONDS)
        return self._back(asked, code=code)

    def _back(self, asked: dict[str, str], **told: str) -> Reply:
        state = "un-autre-etat" if self.lie == "state" else asked.get("state", "")
        told |= {"state": state, "iss": lies.ELSEWHERE if self.lie == "iss" else self.issuer}
        return Reply(HTTPStatus.SEE_OTHER, headers=(("Location", f"{asked['redirect_uri']}?{urlencode(told)}"),))

    def _end_session(self, request: Request) -> Reply:
        asked = request.arguments()
        self.ended += 1
        where = asked.get("post_logout_redirect_uri", "")
        if asked.get("client_id") == CLIENT_ID and _is_ours(where, AFTER):
            return Reply(HTTPStatus.FOUND, headers=(("Location", where),))
        return page(pages.problem("Vous êtes déconnecté de ce Cerbère de démonstration."))

    def _problem_with(self, asked: dict[str, str]) -> str:
        if asked.get("client_id") != CLIENT_ID or not _is_ours(asked.get("redirect_uri", ""), RETURN):
            return "Ce service n’est pas connu de ce Cerbère de démonstration, ou son adresse de retour est fausse."
        if asked.get("response_type") != "code" or "openid" not in asked.get("scope", "").split():
            return "La demande n’est pas une demande de connexion."
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return "La demande ne porte pas sa preuve (PKCE)."
        return ""

    def _is_our_client(self, request: Request, form: dict[str, str]) -> bool:
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(credentials).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return False
            given = (name, secret)
        return given[0] == CLIENT_ID and hmac.compare_digest(given[1].encode(), CLIENT_SECRET.encode())

    # What tests command

    def _state(self, request: Request) -> Reply:
        return answer({"ok": True, "lie": self.lie, "ended": self.ended, "codes": len(self.codes)})

    def _tamper(self, request: Request) -> Reply:
        """`{"lie": "none"}`, or `{"lie": ""}` to be honest again."""
        if "origin" in request.headers:
            return answer({"error": "origin"}, HTTPStatus.FORBIDDEN)
        try:
            lie = json.loads(request.body)["lie"]
        except (ValueError, KeyError, TypeError):
            lie = None
        if lie != "" and lie not in lies.LIES:
            return answer({"error": "unknown lie"}, HTTPStatus.BAD_REQUEST)
        self.lie = lie
        return answer({"lie": lie})


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def _wants_strong(asked: dict[str, str]) -> bool:
    values = asked.get("acr_values", "").split()
    return STRONG in values and SIMPLE not in values


def _is_ours(url: str, path: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and bool(LOOPBACK.fullmatch(parts.netloc)) and parts.path == path and not parts.query


def answer(data: object, status: int = HTTPStatus.OK) -> Reply:
    return Reply(status, json.dumps(data).encode(), JSON, (("Cache-Control", "no-store"),))


def page(html: str, status: int = HTTPStatus.OK) -> Reply:
    policy = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    headers = (("Content-Security-Policy", policy), ("Cache-Control", "no-store"), ("Referrer-Policy", "no-referrer"))
    return Reply(status, html.encode(), HTML, headers)
