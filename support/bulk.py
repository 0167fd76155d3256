"""What is done to several tickets at once: each by its own use case, in a transaction of its own (F15).

Nothing is half done: a ticket that refuses keeps its state, and its reason is told beside its reference.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.models import User
from bma_portal.errors import Refusal
from support import tickets
from support.models import Incident, Message, Ticket, TicketChange
from support.queues import reference_in
from support.tickets.common import PORTAL, REQUESTER, name_of

LIMIT = 50
PEOPLE = {PORTAL: "Le portail", REQUESTER: "Le demandeur"}
ENDED = {Ticket.Status.SOLVED: "l’a résolue", Ticket.Status.CLOSED: "l’a close"}
SAID = {
    Message.Kind.REQUEST: "y a écrit",
    Message.Kind.ANSWER: "y a répondu",
    Message.Kind.NOTE: "y a laissé une note",
    Message.Kind.EVENT: "l’a fait avancer",
}


@dataclass(frozen=True)
class Deed:
    """`asks`: what else must be said before it is done. `verb`: what it does, as the confirmation says it."""

    slug: str
    label: str
    verb: str
    asks: tuple[str, ...] = ()
    note: str = ""


DEEDS = {
    deed.slug: deed
    for deed in (
        Deed("prendre", "Prendre", "Vous suivrez ces demandes."),
        Deed("attribuer", "Attribuer à…", "La personne choisie suivra ces demandes.", ("to",)),
        Deed("rendre", "Rendre à l’équipe", "Plus personne ne suivra ces demandes : elles seront à prendre."),
        Deed("priorite", "Changer la priorité…", "L’échéance de ces demandes suivra leur priorité.", ("priority",)),
        Deed("incident", "Rattacher à un incident…", "Elles recevront ses nouvelles.", ("incident",)),
        Deed(
            "confier",
            "Confier à une autre équipe…",
            "Une autre équipe suivra ces demandes, et lira votre motif. Chaque demandeur est prévenu par mail.",
            ("team", "why"),
        ),
        Deed(
            "clore",
            "Clore…",
            "Ces demandes seront closes pour de bon. Chaque demandeur reçoit votre motif par mail.",
            ("why",),
        ),
    )
}


@dataclass
class Said:
    """What the confirmation was given."""

    why: str = ""
    to: User | None = None
    team: str = ""
    priority: str = ""
    incident: Incident | None = None


@dataclass
class Report:
    """What became of each."""

    done: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def ticked(values: Iterable[str]) -> dict[str, int]:
    """What the boxes of a list say: the reference of each ticket, and the version at which it was read."""
    found = {}
    for value in values:
        reference, _, version = value[:40].partition(":")
        if (known := reference_in(reference)) and version.isascii() and version.isdigit():
            found[known] = int(version)
    return found


def do(deed: Deed, rows: Iterable[tuple[Ticket, int]], said: Said, *, by: User, at: datetime) -> Report:
    """Do it to each ticket as it was read at that version. Not inside a transaction: each has its own."""
    report = Report()
    act = _ACTS[deed.slug]
    for ticket, version in rows:
        try:
            act(ticket, said, by=by, version=version, at=at)
        except tickets.Stale as stale:
            report.refused.append((ticket.reference, _meanwhile(stale.ticket, by)))
        except Refusal as refusal:
            report.refused.append((ticket.reference, str(refusal)))
        else:
            report.done.append(ticket.reference)
    return report


def _meanwhile(row: Ticket, me: User) -> str:
    """Who did what last to a ticket that is not as the list had it; as much as its history says of that moment."""
    since = "depuis que vous avez lu la liste."
    changed = TicketChange.objects.filter(ticket=row, at=row.updated_at).order_by("pk").last()
    said = Message.objects.filter(ticket=row, written_at=row.updated_at).order_by("pk").last()
    if said is not None:
        by, name, what = said.author_id, said.author_name, SAID[Message.Kind(said.kind)]
    elif changed is not None:
        by, name, what = changed.by_id, changed.by_name, _changed(row, changed)
    else:
        return f"Elle a changé {since}"
    if by == me.pk:
        return f"Vous l’avez changée vous-même {since}"
    return f"{PEOPLE.get(name, name)} {ENDED.get(Ticket.Status(row.status), what)} {since}"


def _changed(row: Ticket, change: TicketChange) -> str:
    if change.field != "suivie par":
        return "l’a changée"
    if row.assignee is None:
        return "l’a rendue à l’équipe"
    return "l’a prise" if row.assignee_id == change.by_id else f"l’a attribuée à {name_of(row.assignee)}"


def _assign(ticket: Ticket, said: Said, **named: Any) -> None:
    if said.to is None:
        raise Refusal("Choisissez une personne.")
    tickets.assign(ticket, to=said.to, why=said.why, **named)


def _join(ticket: Ticket, said: Said, **named: Any) -> None:
    if said.incident is None:
        raise Refusal("Choisissez un incident.")
    tickets.join(ticket, said.incident, **named)


_ACTS: dict[str, Callable[..., Any]] = {
    "prendre": lambda ticket, said, **named: tickets.take(ticket, **named),
    "attribuer": _assign,
    "rendre": lambda ticket, said, **named: tickets.release(ticket, **named),
    "priorite": lambda ticket, said, **named: tickets.set_priority(ticket, priority=said.priority, **named),
    "incident": _join,
    "confier": lambda ticket, said, **named: tickets.transfer(ticket, to=said.team, why=said.why, **named),
    "clore": lambda ticket, said, **named: tickets.close(ticket, why=said.why, **named),
}
