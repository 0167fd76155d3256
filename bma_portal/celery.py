import os
from typing import Any

from celery import Celery, Task
from celery.signals import setup_logging, worker_init, worker_process_init
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as AnyDatabaseError

from bma_portal import bells
from bma_portal.embedded import ensure_environment
from bma_portal.origin import Origin, coming_from, new_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bma_portal.settings.development")
ensure_environment()
try:
    settings.PRODUCTION  # noqa: B018  reads the settings here, where a refusal is still a sentence
except ImproperlyConfigured as error:
    raise SystemExit(f"Configuration incorrecte : {error}") from None


class NumberedTask(Task):
    """What a task does, and the lines that it logs, bear its number."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.request.id:  # by a worker
            bells.heard(self, args)
        with coming_from(Origin(request_id=(self.request.id or new_id()).replace("-", ""))):
            return super().__call__(*args, **kwargs)


app = Celery("bma_portal", task_cls=NumberedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["bma_portal", "bma_portal.mail", "accounts", "migration", "support"])


@setup_logging.connect
def keep_the_portal_s_logging(**kwargs: object) -> None:
    """Listening is enough: Celery leaves the loggers alone, whose levels it would change (settings.LOGGING)."""


@worker_init.connect
def refuse_a_wrong_vault_key(**kwargs: object) -> None:
    """A worker without the right key never starts: it could only fail, mail after mail."""
    from bma_portal import vault

    try:
        vault.verify()
    except vault.VaultError as error:
        raise SystemExit(str(error)) from None
    except AnyDatabaseError:
        raise SystemExit(
            "La base de données ne répond pas, ou ses migrations ne sont pas appliquées : l'ouvrier ne démarre pas."
        ) from None


@worker_process_init.connect
def close_inherited_connections(**kwargs: object) -> None:
    """Sockets made before the fork would be shared between children (exchange.md §7)."""
    from bma_portal.mail.backends.ews import forget_accounts

    forget_accounts()
