"""A deed: a transaction whose lines of the audit are written last, and whose refusal is a line too, outside of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.dispatch import Signal

from bma_portal import audit
from bma_portal.errors import Refusal


class Deeds:
    """What a transaction owes to others, kept for its end: whoever writes a line holds back every other writer, so
    every row that the deed needs is locked by then. Those who follow the signals may write lines of their own.
    """

    def __init__(self) -> None:
        self.signals: list[tuple[Signal, dict[str, Any]]] = []
        self.lines: list[dict[str, Any]] = []

    def announce(self, signal: Signal, **facts: Any) -> None:
        self.signals.append((signal, facts))

    def note(self, action: str, **facts: Any) -> None:
        """As `audit.record`."""
        self.lines.append({"action": action, **facts})

    def write(self) -> None:
        for signal, facts in self.signals:
            signal.send(**facts)
        for line in self.lines:
            audit.record(line.pop("action"), **line)
        self.signals, self.lines = [], []


@contextmanager
def deed(action: str, *, about: Model, by: Any, at: datetime) -> Iterator[Deeds]:
    """All that is done inside, with its lines, or nothing; a Refusal leaves one line (SEC-I4) and goes on."""
    deeds = Deeds()
    try:
        with transaction.atomic():
            yield deeds
            deeds.write()
    except Refusal as refusal:
        audit.record(action, at=at, about=about, by=by, why=str(refusal), result="refused")
        raise
