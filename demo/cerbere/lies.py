"""How an answer can be false: each name is a way to attack the portal, or a Cerbère that is ill."""

import base64
import hashlib
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

ELSEWHERE = "https://ailleurs.exemple.test"

# What is changed in the claims of the identity token: `None` takes a claim away.
CLAIMS: dict[str, dict[str, Any]] = {
    "issuer": {"iss": ELSEWHERE},
    "audience": {"aud": "autre-service"},
    "audiences": {"aud": ["portail-bma-demo", "autre-service"]},
    "azp": {"azp": "autre-service"},
    "expired": {"iat": -7200, "exp": -3600},
    "old": {"iat": -3600, "exp": 3600},
    "future": {"iat": 3600, "exp": 7200},
    "no-expiry": {"exp": None},
    "nonce": {"nonce": "un-autre"},
    "no-nonce": {"nonce": None},
    "no-subject": {"sub": None},
    "at-hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    "weak": {"acr": "urn:demo:cerbere:simple"},
    "no-acr": {"acr": None},
}
SIGNATURES = ("signature", "other-key", "none", "hs256", "unknown-key", "not-a-token")
ANSWERS = ("no-id-token", "userinfo-subject", "state", "iss", "refused-code", "cancelled", "error")
ILLNESSES = ("down", "slow", "garbage", "redirect", "other-discovery", "endpoint-elsewhere")
LIES = (*CLAIMS, *SIGNATURES, *ANSWERS, *ILLNESSES)


def change(claims: dict[str, Any], lie: str, now: int) -> dict[str, Any]:
    changed = dict(claims)
    for name, value in CLAIMS.get(lie, {}).items():
        if value is None:
            changed.pop(name, None)
        else:
            changed[name] = now + value if name in {"iat", "exp"} else value
    return changed


def sign(claims: dict[str, Any], lie: str, *, key: rsa.RSAPrivateKey, kid: str, secret: str) -> str:
    """The identity token, signed rightly unless the lie is about the signature."""
    match lie:
        case "not-a-token":
            return "ceci.n.est-pas-un-jeton"
        case "none":
            return jwt.encode(claims, None, algorithm="none", headers={"kid": kid})
        case "hs256":  # by what the portal knows: its own secret
            return jwt.encode(claims, secret.ljust(32, "x"), algorithm="HS256", headers={"kid": kid})
        case "other-key":
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "unknown-key":
            kid = "inconnue"
    token = jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})
    if lie == "signature":
        head, body, signature = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        body = base64.urlsafe_b64encode(json.dumps({**claims, "acr": "falsifiee"}).encode()).decode().rstrip("=")
        return f"{head}.{body}.{signature}"
    return token


def half_digest(access_token: str) -> str:
    digest = hashlib.sha256(access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
