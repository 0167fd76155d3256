"""One row per ticket, in a file that a French Excel opens right and in which no cell is a formula (F18, SEC-F6)."""

import csv
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from bma_portal.clock import BRUSSELS
from migration.phases import Phase
from support.desk import TEAMS
from support.models import Ticket
from support.needs import NEEDS
from support.templatetags.desk import STATES

CHUNK = 500
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
# The columns: their heading, the field, how it is written. No message and no note is among them.
COLUMNS: tuple[tuple[str, str, dict[str, str] | None], ...] = (
    ("Référence", "reference", None),
    ("État", "status", STATES),
    ("Priorité", "priority", dict(Ticket.Priority.choices)),
    ("Équipe", "team", dict(TEAMS.choices)),
    ("Besoin", "need", {slug: need.label for slug, need in NEEDS.items()}),
    ("Objet", "subject", None),
    ("FASE", "mailbox__organisation__fase", None),
    ("Unité", "mailbox__organisation__name", None),
    ("Boîte", "mailbox__address", None),
    ("Prénom", "first_name", None),
    ("Nom", "last_name", None),
    ("Adresse de contact", "email", None),
    ("Phase à l’ouverture", "phase", dict(Phase.choices)),
    ("Lot", "batch__number", None),
    ("Arrivée par", "channel", dict(Ticket.Channel.choices)),
    ("Suivie par", "assignee__username", None),
    ("Incident", "incident__title", None),
    ("Jointe à", "merged_into__reference", None),
    ("Ouverte le", "opened_at", None),
    ("Première réponse le", "first_answered_at", None),
    ("Échéance", "due_at", None),
    ("Une échéance dépassée", "late", None),
    ("Résolue le", "solved_at", None),
    ("Close le", "closed_at", None),
    ("Réouvertures", "reopened", None),
    ("Satisfait", "satisfied", None),
)


def rows(tickets: QuerySet[Ticket]) -> Iterator[str]:
    """The lines of the file, read from the database a few hundred at a time."""
    writer = csv.writer(_Echo(), delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    yield BOM + writer.writerow([heading for heading, _field, _words in COLUMNS])
    fields = ["pk", *(field for _heading, field, _words in COLUMNS)]
    last = 0
    while True:
        chunk = list(tickets.filter(pk__gt=last).order_by("pk").values_list(*fields)[:CHUNK])
        if not chunk:
            return
        for _pk, *values in chunk:
            yield writer.writerow(
                [_written(value, words) for value, (_h, _f, words) in zip(values, COLUMNS, strict=True)]
            )
        last = chunk[-1][0]


class _Echo:
    """What csv writes into: it gives the line back."""

    def write(self, line: str) -> str:
        return line


def _written(value: Any, words: dict[str, str] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, datetime):
        return f"{value.astimezone(BRUSSELS):%d/%m/%Y %H:%M}"
    if isinstance(value, int):
        return str(value)
    return safe(words.get(value, value) if words else value)


def safe(text: str) -> str:
    """A cell that a spreadsheet reads as words: control signs are gone, what begins a formula comes after a quote."""
    plain = "".join(" " if unicodedata.category(sign) in {"Cc", "Cs"} else sign for sign in text)
    start = unicodedata.normalize("NFKC", plain.lstrip()[:1])[:1]
    begins = start in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r", "\n", "\0"}
    return f"'{plain}" if begins else plain
