"""Production refuses to start rather than start badly: each check says in French what is missing, never a value."""

import math
from collections import Counter
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from bma_portal import vault
from bma_portal.settings import base
from bma_portal.settings.base import *  # noqa: F403
from bma_portal.settings.base import ROOT, broker, database, env, is_loopback

PRODUCTION = True
CLOCK_CAN_BE_SET = False
DEBUG = False
EXAMPLES = (
    "changez",
    "changeme",
    "exemple",
    "example",
    "developpement",
    "insecure",
    "test-seulement",
    "demo-exchange",
    "demo-cerbere",
)


def required(name: str) -> str:
    value = env.str(name, default="")
    if not value:
        raise ImproperlyConfigured(
            f"{name} n'est pas défini : le portail ne démarre pas sans lui (voir .env.example)."
        )
    if any(example in value.lower() for example in EXAMPLES):
        raise ImproperlyConfigured(f"{name} est une valeur d'exemple : donnez-en une vraie.")
    return value


def address(name: str, *schemes: str) -> str:
    """A required address of one of these schemes; a malformed one is refused without being quoted."""
    value = required(name)
    try:
        parts = urlsplit(value)
        well_formed = parts.port is None or parts.port > 0
    except ValueError:
        well_formed = False
    if not well_formed or parts.scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name} doit être une adresse {' ou '.join(f'{s}://' for s in schemes)} bien formée."
        )
    return value


def entropy_bits(text: str) -> float:
    counts = Counter(text)
    return -sum(n * math.log2(n / len(text)) for n in counts.values())


if env.bool("DEBUG", default=False):
    raise ImproperlyConfigured("DEBUG ne s'active pas en production.")

SECRET_KEY = required("SECRET_KEY")
if len(SECRET_KEY) < 50 or entropy_bits(SECRET_KEY) < 150:
    raise ImproperlyConfigured("SECRET_KEY est trop courte ou trop simple : 50 caractères tirés au hasard au moins.")
# The former ones, the latest first: they open what they signed, and sign nothing more.
SECRET_KEY_FALLBACKS = [key.strip() for key in env.str("SECRET_KEY_FALLBACKS", default="").split(",") if key.strip()]
if any(len(key) < 50 or entropy_bits(key) < 150 for key in SECRET_KEY_FALLBACKS):
    raise ImproperlyConfigured("SECRET_KEY_FALLBACKS contient une clé trop courte ou trop simple.")

BMA_VAULT_KEYS = required("BMA_VAULT_KEYS")
try:
    vault.parse_keys(BMA_VAULT_KEYS)
except vault.VaultError as error:
    raise ImproperlyConfigured(str(error)) from None
if "ZGVtb25zdHJhdGlvbi1jbGVm" in BMA_VAULT_KEYS or "dGVzdC1jbGVm" in BMA_VAULT_KEYS:
    raise ImproperlyConfigured("BMA_VAULT_KEYS contient la clé publiée de la démonstration ou des tests.")

ALLOWED_HOSTS = [host.strip() for host in required("ALLOWED_HOSTS").split(",") if host.strip()]
if not ALLOWED_HOSTS or any("*" in host for host in ALLOWED_HOSTS):
    raise ImproperlyConfigured("ALLOWED_HOSTS nomme les domaines du portail, un par un : ni vide, ni « * ».")

PORTAL_URL = address("PORTAL_URL", "https").rstrip("/")
if urlsplit(PORTAL_URL).hostname not in ALLOWED_HOSTS or urlsplit(PORTAL_URL).path:
    raise ImproperlyConfigured("PORTAL_URL est l'adresse du portail, sans chemin, sous un nom d'ALLOWED_HOSTS.")

DATABASES = {"default": database(address("DATABASE_URL", "postgresql", "postgres"))}
CELERY_BROKER_URL = broker(address("REDIS_URL", "redis", "rediss", "unix", "redis+socket"))

CERBERE_ISSUER = address("CERBERE_ISSUER", "https")
CERBERE_CLIENT_ID = required("CERBERE_CLIENT_ID")
CERBERE_CLIENT_SECRET = required("CERBERE_CLIENT_SECRET")
CERBERE_STAFF_ACR = [acr.strip() for acr in required("CERBERE_STAFF_ACR").split(",") if acr.strip()]
if not CERBERE_STAFF_ACR:
    raise ImproperlyConfigured("CERBERE_STAFF_ACR nomme les connexions assez fortes pour le personnel (acr).")

EXCHANGE_URL = address("EXCHANGE_URL", "https", "http")
if urlsplit(EXCHANGE_URL).scheme != "https" and not is_loopback(EXCHANGE_URL):
    raise ImproperlyConfigured("EXCHANGE_URL doit être en https : le mot de passe de service y circule.")
EXCHANGE_USER = required("EXCHANGE_USER")
EXCHANGE_PASSWORD = required("EXCHANGE_PASSWORD")
if base.EXCHANGE_AUTH not in {"basic", "ntlm"}:
    raise ImproperlyConfigured("EXCHANGE_AUTH vaut basic ou ntlm.")
if base.EXCHANGE_ACCESS not in {"delegate", "impersonation"}:
    raise ImproperlyConfigured("EXCHANGE_ACCESS vaut delegate ou impersonation.")
if base.DIRECTORY_BACKEND.startswith("demo."):
    raise ImproperlyConfigured("DIRECTORY_BACKEND ne peut pas être l'annuaire de démonstration.")
DIRECTORY = base.DIRECTORY or "ldaps"
if DIRECTORY not in {"ldaps", "manual"}:
    raise ImproperlyConfigured("DIRECTORY vaut ldaps (Active Directory) ou manual (des agents posent à la main).")
if DIRECTORY == "ldaps" and not base.DIRECTORY_BACKEND:
    DIRECTORY_URL = address("DIRECTORY_URL", "ldaps")
    DIRECTORY_USER = required("DIRECTORY_USER")
    DIRECTORY_PASSWORD = required("DIRECTORY_PASSWORD")
    DIRECTORY_BASE = required("DIRECTORY_BASE")
    DIRECTORY_CA = required("DIRECTORY_CA")

STATIC_ROOT = ROOT / "staticfiles"
STORAGES = base.STORAGES | {"staticfiles": {"BACKEND": "bma_portal.assets.HashedFiles"}}
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if base.TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = True
SECURE_REDIRECT_EXEMPT = [r"^sante/$"]  # asked by the container engine, from inside
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
SESSION_COOKIE_NAME = "__Host-session"
CSRF_COOKIE_NAME = "__Host-csrf"
