"""Bells: a task is rung after the commit, with ids only, and it is no error if nobody hears it.

The database remembers what is due; a sweep rings for the forgotten. A bell that rings already is not rung again:
whoever hears it finds all that was committed before.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

RINGS = 5  # seconds: beyond them it may have been lost with the worker that took it, and is rung again
_FAULTS = (OperationalError, RedisError, OSError)


def ring(task: Any, *args: str | int, times: int = 1) -> None:
    """Ring `task` once the current transaction is committed. Redis being away is logged, not raised.

    `times`: for so many workers at once, whatever rings already.
    """

    def announce() -> None:
        try:
            if times > 1 or _begins(task, args):
                for _ in range(times):
                    task.delay(*args)
        except _FAULTS as error:
            log.warning("sonnette muette", extra={"objet": task.name, "code": type(error).__name__})
            heard(task, args)  # nobody did, and nobody will: the next one must ring

    transaction.on_commit(announce, robust=True)


def heard(task: Any, args: Sequence[str | int]) -> None:
    """A worker begins `task`, and has not looked at the database yet: from now on it is rung again."""
    try:
        with task.app.producer_pool.acquire() as producer:
            producer.channel.client.delete(_name(task, args))
    except _FAULTS:
        return  # it ends by itself


def _begins(task: Any, args: Sequence[str | int]) -> bool:
    """Whether it did not ring yet."""
    with task.app.producer_pool.acquire() as producer:
        return bool(producer.channel.client.set(_name(task, args), 1, nx=True, ex=RINGS))


def _name(task: Any, args: Sequence[str | int]) -> str:
    return ":".join(["sonnette", task.name, *map(str, args)])
