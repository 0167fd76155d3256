"""A developer's machine and the demo: embedded servers, invented data, published passwords. Never production."""

import os
from pathlib import Path

import environ

# Before the common settings, which read the environment too.
environ.Env.read_env(Path(__file__).resolve().parent.parent.parent / ".env", overwrite=False)

from bma_portal.settings.base import *  # noqa: E402, F403
from bma_portal.settings.base import INSTALLED_APPS, LOGGING, ROOT, broker, database, env, whole_number  # noqa: E402

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="developpement-seulement-" + "x" * 40)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
# Published on purpose: it protects invented data only. Production refuses it.
BMA_VAULT_KEYS = env.str("BMA_VAULT_KEYS", default="demo:ZGVtb25zdHJhdGlvbi1jbGVmLXB1YmxpZWUtMzItbyE=")
DATABASES = {"default": database(os.environ.get("DATABASE_URL") or "postgresql://postgres@/bma")}
CELERY_BROKER_URL = broker(os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379/0")
INSTALLED_APPS = [*INSTALLED_APPS, "demo"]

PORTAL_URL = env.str("PORTAL_URL", default=f"http://127.0.0.1:{whole_number('DEMO_PORT', 8000)}").rstrip("/")
# Cerbère, played by the demo at the second port after the portal's.
CERBERE_ISSUER = env.str("CERBERE_ISSUER", default=f"http://127.0.0.1:{whole_number('DEMO_PORT', 8000) + 2}")
CERBERE_CLIENT_ID = env.str("CERBERE_CLIENT_ID", default="portail-bma-demo")
CERBERE_CLIENT_SECRET = env.str("CERBERE_CLIENT_SECRET", default="demo-cerbere")
CERBERE_STAFF_ACR = env.list("CERBERE_STAFF_ACR", default=["urn:demo:cerbere:renforcee"])
EXCHANGE_URL = env.str(
    "EXCHANGE_URL", default=f"http://127.0.0.1:{whole_number('DEMO_PORT', 8000) + 1}/EWS/Exchange.asmx"
)
EXCHANGE_USER = env.str("EXCHANGE_USER", default="svc-bma@exemple.test")
EXCHANGE_PASSWORD = env.str("EXCHANGE_PASSWORD", default="demo-exchange")
EXCHANGE_MAX_PER_MINUTE = whole_number("EXCHANGE_MAX_PER_MINUTE", 0)
_chosen = env.str("DIRECTORY", default="") or env.str("DIRECTORY_URL", default="")
DIRECTORY_BACKEND = env.str("DIRECTORY_BACKEND", default="" if _chosen else "demo.directory.TwinDirectory")
STATIC_ROOT = ROOT / "var" / "static"
WHITENOISE_USE_FINDERS = True
LOGGING["loggers"]["bma.audit"] = {"level": "WARNING"}  # the outside anchor is for production
