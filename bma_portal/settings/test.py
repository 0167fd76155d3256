"""The tests: a real PostgreSQL and a real Redis, given by tests/plugin.py or by the environment."""

import os

from celery.schedules import schedule

from bma_portal.settings.base import *  # noqa: F403
from bma_portal.settings.base import (
    CELERY_BEAT_SCHEDULE,
    CELERY_BROKER_TRANSPORT_OPTIONS,
    INSTALLED_APPS,
    TEMPLATES,
    broker,
    database,
)

SECRET_KEY = "test-seulement-" + "x" * 40
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
BMA_VAULT_KEYS = "test:dGVzdC1jbGVmLWRlLTMyLW9jdGV0cy1wYXMtc2VjcmU="
DATABASES = {"default": database(os.environ.get("DATABASE_URL", "postgresql://postgres@/bma"))}
CELERY_BROKER_URL = broker(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
INSTALLED_APPS = [*INSTALLED_APPS, "demo"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # speed; the tests' accounts are invented
DIRECTORY_BACKEND = os.environ.get("DIRECTORY_BACKEND", "demo.directory.MemoryDirectory")
PORTAL_URL = "http://testserver"
CERBERE_ISSUER = "http://127.0.0.1:9"  # nobody there: a test that signs in by Cerbère starts its stand-in
CERBERE_CLIENT_ID = "portail-bma-demo"
CERBERE_CLIENT_SECRET = "demo-cerbere"  # noqa: S105
CERBERE_STAFF_ACR = ["urn:demo:cerbere:renforcee"]
EXCHANGE_URL = os.environ.get("EXCHANGE_URL", "")
EXCHANGE_USER = "svc-bma@exemple.test"
EXCHANGE_PASSWORD = "demo-exchange"  # noqa: S105
EXCHANGE_MAX_PER_MINUTE = 0
EXCHANGE_TIMEOUT = (2, 5)
# Fault tests run real workers: the same rules, on a shorter clock.
MAIL_LEASE_SECONDS = int(os.environ.get("MAIL_LEASE_SECONDS", "300"))
MAIL_REFUSAL_WAIT_SECONDS = (1, 1)
MAIL_BACKOFF_MAX_SECONDS = 2
RECALL_SECONDS = int(os.environ.get("RECALL_SECONDS", "0"))  # tests of the recall say how long
DIRECTORY_WAIT_MAX_SECONDS = 1
DIRECTORY_LEASE_SECONDS = int(os.environ.get("DIRECTORY_LEASE_SECONDS", "120"))
# The inboxes keep their minute: a walk that counts what Exchange is asked must not find their reading among it.
CELERY_BEAT_SCHEDULE = {
    name: entry if name == "boites" else {**entry, "schedule": schedule(1)}
    for name, entry in CELERY_BEAT_SCHEDULE.items()
}
CELERY_BROKER_TRANSPORT_OPTIONS = CELERY_BROKER_TRANSPORT_OPTIONS | {"visibility_timeout": 600}
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = "VARIABLE-INCONNUE"
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
