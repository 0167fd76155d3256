"""One row per ticket, for a spreadsheet (F18); what makes the file safe is in `bma_portal/exports.py` (SEC-F6)."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce, Concat, NullIf, Trim

from bma_portal import exports
from migration.phases import Phase
from support.desk import TEAMS
from support.models import Ticket
from support.needs import NEEDS
from support.templatetags.desk import STATES

CHUNK = 500
NAME = Trim(Concat("assignee__first_name", Value(" "), "assignee__last_name"))
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
    ("Suivie par", "followed_by_name", None),
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
    return exports.csv_rows([heading for heading, _field, _words in COLUMNS], _values(tickets))


def _values(tickets: QuerySet[Ticket]) -> Iterator[list[Any]]:
    fields = ["pk", *(field for _heading, field, _words in COLUMNS)]
    tickets = tickets.annotate(followed_by_name=Coalesce(NullIf(NAME, Value("")), "assignee__username"))
    last = 0
    while chunk := list(tickets.filter(pk__gt=last).order_by("pk").values_list(*fields)[:CHUNK]):
        for _pk, *values in chunk:
            yield [words.get(v, v) if words else v for v, (_h, _f, words) in zip(values, COLUMNS, strict=True)]
        last = chunk[-1][0]
