"""Deeds done at the same moment by as many threads, each on a connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from bma_portal.errors import Refusal


def together(*deeds: Callable[[], object]) -> list[object]:
    """What each returned, or the Refusal that it raised, in their order. Anything else is raised here."""
    start = threading.Barrier(len(deeds))

    def one(deed: Callable[[], object]) -> object:
        try:
            start.wait(30)
            return deed()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(one, deeds, timeout=120))
