"""The log of states in the words of its readers: « lot 3 : à approuver → approuvé »."""

from dataclasses import dataclass
from datetime import datetime

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist

from bma_portal.clock import BRUSSELS
from bma_portal.states import StateChange

# Decisions that are no value of a `status`.
WORDS = {
    "held": "en attente de décision",
    "due": "à envoyer",
    "first_five": "cinq premières boîtes",
    "released": "ouvert à toutes",
    "waiting": "en attente",
    "paused": "arrêté",
    "sending": "envoie",
    "suspended": "suspendue",
    "resumed": "reprise",
}


def told(by: str, at: datetime) -> str:
    """Who did it and when, in a sentence: « par camille, le 07/10/2024 à 09:05 »."""
    return f"par {by}, le {at.astimezone(BRUSSELS):%d/%m/%Y à %H:%M}"


@dataclass(frozen=True)
class Line:
    change: StateChange
    about: str
    old: str
    new: str


def line(change: StateChange) -> Line:
    """`mail.senderstate:etnic` is known by its name, the rest by a number."""
    path, _, name = change.object_type.partition(":")
    labels = dict(WORDS)
    try:
        model = apps.get_model(path)
    except (LookupError, ValueError):
        about = path
    else:
        about = str(model._meta.verbose_name)
        try:
            choices = model._meta.get_field("status").flatchoices
        except FieldDoesNotExist:
            choices = []
        labels |= {str(value): str(label) for value, label in choices}
    return Line(
        change,
        f"{about} {name.upper() or change.object_id}",
        labels.get(change.old, change.old),
        labels.get(change.new, change.new),
    )
