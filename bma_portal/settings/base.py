"""What all environments share. Everything that differs comes from the environment: see .env.example."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bootstrap_wrapper
import environ
from celery.schedules import schedule
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from bma_portal.settings import signing_in
from bma_portal.settings.signing_in import *  # noqa: F403

ROOT = Path(__file__).resolve().parent.parent.parent
env = environ.Env()


def whole_number(name: str, default: int) -> int:
    """A number of the environment, refused in French when it is not one."""
    try:
        number = env.int(name, default=default)
    except ValueError:
        number = -1
    if number < 0:
        raise ImproperlyConfigured(f"{name} doit être un nombre entier, positif ou nul.")
    return number


PRODUCTION = False
DEBUG = False
CLOCK_CAN_BE_SET = True  # a replay may set the clock; production says no

INSTALLED_APPS = [
    "bma_portal.admin_site.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "csp",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_htmx",
    *signing_in.APPS,
    "bma_portal",
    "bma_portal.mail",
    "accounts",
    "migration",
    "support",
]

MIDDLEWARE = [
    "bma_portal.headers.SecurityHeaders",
    "csp.middleware.CSPMiddleware",
    "bma_portal.origin.RequestOrigin",
    "bma_portal.faults.DatabaseFaults",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.sessions.LoginRequired",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "bma_portal.clock.RequestMoment",
    "accounts.sessions.SessionRules",
]

ROOT_URLCONF = "bma_portal.urls"
WSGI_APPLICATION = "bma_portal.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["bma_portal.templatetags.addresses"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bma_portal.context.portal",
                "accounts.context.session",
                "support.context.contacts",
                "support.context.banners",
            ],
        },
    }
]
CSRF_FAILURE_VIEW = "bma_portal.views.csrf_failure"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"

# Language and time: everything is shown in French, at Brussels time, and stored in UTC.
LANGUAGE_CODE = "fr"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "Europe/Brussels"

STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "bma_portal.assets.Files"},
}
STATICFILES_DIRS = [
    ROOT / "static",
    ("bootstrap", bootstrap_wrapper.get_bootstrap_dir()),
    ("drawings", ROOT / "articles" / "drawings"),  # of the articles of /aide/
]

# Passwords of local (break-glass) accounts
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 15}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Security headers, with those of `bma_portal/headers.py` (SEC-G5): on every answer, whoever made it
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no cookie beside the session's and CSRF's
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500  # these two do not count files: the handler below does
DATA_UPLOAD_MAX_NUMBER_FILES = 5
FILE_UPLOAD_HANDLERS = ["support.uploads.InMemory"]

# The number of trusted proxies in front of the portal: X-Forwarded-For is read that many hops from the right.
TRUSTED_PROXIES = whole_number("TRUSTED_PROXIES", 0)


def database(url: str) -> dict:
    """Django's settings for a PostgreSQL address: `postgresql://user:password@host/name`, `…?host=/socket/folder`."""
    config = environ.Env.db_url_config(url)
    return config | {
        "OPTIONS": {"connect_timeout": 5} | config.get("OPTIONS", {}),  # a server that does not answer is « away »
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,  # a pooler in transaction mode may stand between
    }


def broker(url: str) -> str:
    """Kombu's spelling of a Redis address; a Unix socket is `redis+socket://` there, `unix://` elsewhere."""
    return "redis+socket://" + url.removeprefix("unix://") if url.startswith("unix://") else url


# Celery: PostgreSQL is the queue and the truth, Redis a doorbell that may be lost.
CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 270
CELERY_VISIBILITY_TIMEOUT = 600  # above the longest task; no task carries an eta or a countdown beyond seconds
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": CELERY_VISIBILITY_TIMEOUT,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    "max_retries": 0,  # whoever rings does not wait for Redis; a worker reconnects by a rule of its own
}
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"visibility_timeout": CELERY_VISIBILITY_TIMEOUT}
CELERY_TASK_PUBLISH_RETRY = False  # a bell that cannot ring is found by the sweep
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_WORKER_MAX_TASKS_PER_CHILD = 500
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"  # the schedule counts seconds: no local hour, so no night is lost or done twice
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"  # in memory: every task it rings may be rung twice or never
CELERY_BEAT_SCHEDULE = {
    "campagne": {"task": "migration.tick", "schedule": schedule(30)},
    "rapport": {"task": "migration.report", "schedule": schedule(300)},
    "brouillons": {"task": "mail.tidy_drafts", "schedule": schedule(900)},
    "compteurs": {"task": "bma_portal.forget_old_counts", "schedule": schedule(6 * 3600)},
    # Beat counts from its own start: more often than once a night, so that a restart a day skips no night.
    "conservation": {"task": "bma_portal.apply_retention", "schedule": schedule(6 * 3600)},
    "courrier": {"task": "mail.sweep", "schedule": schedule(10)},
    "annuaire": {"task": "accounts.set_passwords", "schedule": schedule(30)},
    "demandes": {"task": "support.tick", "schedule": schedule(30)},
    "boites": {"task": "support.read_inboxes", "schedule": schedule(60)},
}

# What allauth must remember for all processes (rate limits, tokens already used): in PostgreSQL, like our own limits.
# Above so many entries Django forgets a third of them, those in force too; its own number is 300.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "bma_portal_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# Where the portal is reached: the addresses in its mails and towards Cerbère come from here, never from a request.
PORTAL_URL = env.str("PORTAL_URL", default="").rstrip("/")

# Mail: two senders, one service account (exchange.md §3)
EMAIL_BACKEND = "bma_portal.mail.backends.outbox.OutboxBackend"
MAIL_TRANSPORT = "bma_portal.mail.backends.ews.ExchangeTransport"
MAIL_INBOX = "bma_portal.mail.backends.ews_inbox.ExchangeInbox"  # what arrives for them (`bma_portal/mail/inbox.py`)
EXCHANGE_URL = env.str("EXCHANGE_URL", default="")
EXCHANGE_USER = env.str("EXCHANGE_USER", default="")
EXCHANGE_PASSWORD = env.str("EXCHANGE_PASSWORD", default="")
EXCHANGE_AUTH = env.str("EXCHANGE_AUTH", default="basic")
EXCHANGE_ACCESS = env.str("EXCHANGE_ACCESS", default="delegate")
EXCHANGE_SGNE_ADDRESS = env.str("EXCHANGE_SGNE_ADDRESS", default="migrationBMA@cfwb.be")
EXCHANGE_ETNIC_ADDRESS = env.str("EXCHANGE_ETNIC_ADDRESS", default="support@etnic.be")
EXCHANGE_CA = env.str("EXCHANGE_CA", default="")
EXCHANGE_MAX_PER_MINUTE = whole_number("EXCHANGE_MAX_PER_MINUTE", 25)  # 0: no limit
DEFAULT_FROM_EMAIL = SERVER_EMAIL = EXCHANGE_SGNE_ADDRESS
MAIL_CHUNK = 50  # drafts made in one request, mails held by one claim
MAIL_LEASE_SECONDS = 300  # a claim older than this belongs to a dead worker
MAIL_DRAIN_SECONDS = 60  # one task drains that long, then rings again
MAIL_WORKERS = whole_number("MAIL_WORKERS", 4)  # bells rung for one sender
EXCHANGE_TIMEOUT = (5, 100)  # seconds: connect, read
MAIL_BACKOFF_MAX_SECONDS = 300
MAIL_REFUSALS_BEFORE_PAUSE = 3  # in a row; then a person resumes the sender (a locked account costs a day)
MAIL_REFUSAL_WAIT_SECONDS = (60, 300)  # after the first, after the second
RECALL_SECONDS = whole_number("RECALL_SECONDS", 30)  # an answer of the desk waits so long before it leaves; 0: none

# The directory of passwords (Active Directory by LDAPS, or agents by hand; `accounts/directory.py`)
DIRECTORY_URL = env.str("DIRECTORY_URL", default="")
DIRECTORY = env.str("DIRECTORY", default="") or ("ldaps" if DIRECTORY_URL else "")
DIRECTORY_USER = env.str("DIRECTORY_USER", default="")
DIRECTORY_PASSWORD = env.str("DIRECTORY_PASSWORD", default="")
DIRECTORY_BASE = env.str("DIRECTORY_BASE", default="")
DIRECTORY_CA = env.str("DIRECTORY_CA", default="")
DIRECTORY_SERVER_NAME = env.str("DIRECTORY_SERVER_NAME", default="")
DIRECTORY_BACKEND = env.str("DIRECTORY_BACKEND", default="")  # the demo's and the tests': goes before the others
DIRECTORY_TIMEOUT = (3, 10)
DIRECTORY_WAIT_MAX_SECONDS = 900
# A refused service account is tried again once its own counter of refusals is back to nought (30 minutes in AD).
DIRECTORY_PAUSE_SECONDS = 2400
DIRECTORY_LEASE_SECONDS = 150  # passwords claimed longer ago than this belong to a dead worker
DIRECTORY_RUN_SECONDS = 150  # one task sets passwords that long; beat rings again

# The antivirus of the proofs: empty, none; configured and silent, nothing is shown (`support/antivirus.py`)
CLAMD = env.str("CLAMD", default="")
if CLAMD and not re.fullmatch(r"tcp://[^/:]+:\d{1,5}|unix:///.+", CLAMD):
    raise ImproperlyConfigured("CLAMD s'écrit tcp://hôte:3310 ou unix:///chemin.")


def is_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "") in {"127.0.0.1", "::1", "localhost"}


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "bma_portal.logs.JsonLines"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # At DEBUG these print passwords and bodies, at ERROR whole requests (exchange.md §10): never lower.
        "exchangelib": {"level": "WARNING"},
        "exchangelib.util": {"level": "CRITICAL"},
        "ldap3": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
        # These name the address that was asked, and the portal masks the ends of some (logs.py).
        "django.server": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        "gunicorn.error": {"handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"handlers": ["stderr"], "propagate": False},
        # The digests of the audit's lines, by which its chain can be compared: whatever LOG_LEVEL says.
        "bma.audit": {"level": "INFO"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
