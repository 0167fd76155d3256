"""Bells: a task is rung after the commit, with ids only, and it is no error if nobody hears it.

The database remembers what is due; a sweep rings for the forgotten.
"""

import logging
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)


def ring(task: Any, *args: str | int, times: int = 1) -> None:
    """Ring `task` once the current transaction is committed. Redis being away is logged, not raised."""

    def announce() -> None:
        try:
            for _ in range(times):
                task.delay(*args)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("sonnette muette", extra={"objet": task.name, "code": type(error).__name__})

    transaction.on_commit(announce, robust=True)
