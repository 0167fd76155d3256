"""What may be done to a ticket from its page: words, what is asked, and the use case behind.

Answers, notes and drafts are written on the page itself (`views/desk/writing.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from support import forms_desk_ticket as forms
from support import tickets
from support.forms_desk_split import SplitForm
from support.models import Ticket

Status = Ticket.Status


@dataclass(frozen=True)
class Deed:
    """`asks` something, or is one press of a button. `when`: whether it makes sense for this ticket and person.

    What writes to the requester always asks: first its `text` is read, then it is confirmed (F12).
    """

    slug: str
    label: str
    title: str
    done: str
    act: Callable[..., Any]
    when: Callable[[Ticket, User], bool]
    text: str = ""
    form: type[forms.DeedForm] = forms.DeedForm
    key: str = ""
    brief: str = ""  # on the page of the ticket, where room is short
    writes: bool = False  # a mail leaves, and nothing else is to be filled in first

    @property
    def asks(self) -> bool:
        return self.writes or bool(self.form.base_fields)


def _live(ticket: Ticket, user: User) -> bool:
    return ticket.is_live


def _declare(ticket: Ticket, *, title: str, text: str, by: User, version: int | None, at: datetime) -> Ticket:
    """The incident and its first ticket, or neither."""
    with transaction.atomic():
        incident = tickets.declare(team=ticket.team, title=title, text=text, need=ticket.need, by=by, at=at)
        return tickets.join(ticket, incident, by=by, version=version, at=at)


def _watch(ticket: Ticket, *, by: User, version: int | None, at: datetime) -> None:
    tickets.watch(ticket, by=by)


def _unwatch(ticket: Ticket, *, by: User, version: int | None, at: datetime) -> None:
    tickets.unwatch(ticket, by=by)


_ALL = (
    Deed(
        "prendre",
        "Prendre",
        "Prendre cette demande",
        "Cette demande est à vous.",
        tickets.take,
        lambda ticket, user: ticket.is_live and ticket.assignee_id is None,
        key="t",
    ),
    Deed(
        "resoudre",
        "Résoudre",
        "Marquer cette demande résolue",
        "La demande est résolue. Le demandeur en est prévenu et peut donner son avis.",
        tickets.solve,
        _live,
        "Le demandeur reçoit un mail qui le lui dit. S’il répond dans les dix jours, la demande se rouvre.",
        key="s",
        writes=True,
    ),
    Deed(
        "rouvrir",
        "Rouvrir",
        "Rouvrir cette demande",
        "La demande est rouverte.",
        tickets.reopen,
        lambda ticket, user: ticket.status == Status.SOLVED,
    ),
    Deed(
        "attendre",
        "Attendre le demandeur",
        "Attendre la réponse du demandeur",
        "L’horloge est arrêtée : la parole est au demandeur.",
        tickets.wait,
        lambda ticket, user: ticket.status in {Status.NEW, Status.OPEN},
        "L’horloge s’arrête jusqu’à sa réponse ; deux rappels partent, puis la demande se ferme.",
        brief="Attendre",
    ),
    Deed(
        "poursuivre",
        "Ne plus attendre",
        "Ne plus attendre le demandeur",
        "L’horloge tourne de nouveau.",
        tickets.go_on,
        lambda ticket, user: ticket.status == Status.WAITING,
    ),
    Deed(
        "confier",
        "Confier à une autre équipe",
        "Confier à une autre équipe",
        "La demande est confiée à l’autre équipe, et le demandeur en est prévenu.",
        tickets.transfer,
        _live,
        "L’autre équipe a sa propre horloge ; le délai total, lui, continue de compter.",
        forms.TransferForm,
        key="c",
        brief="Confier",
    ),
    Deed(
        "pas-pour-nous",
        "Pas pour nous",
        "Cette demande n’est pas pour nous",
        "La demande est rendue. La règle qui l’a envoyée ici est signalée.",
        tickets.give_back,
        _live,
        "Elle retourne à l’équipe qui l’avait avant, ou à celle qui trie.",
        forms.GiveBackForm,
    ),
    Deed(
        "attribuer",
        "Attribuer à…",
        "Attribuer à une personne de l’équipe",
        "La demande est attribuée.",
        tickets.assign,
        _live,
        form=forms.AssignForm,
    ),
    Deed(
        "rendre",
        "Rendre à l’équipe",
        "Rendre cette demande à l’équipe",
        "Plus personne ne suit cette demande : elle est à prendre.",
        tickets.release,
        lambda ticket, user: ticket.is_live and ticket.assignee_id is not None,
    ),
    Deed(
        "priorite",
        "Priorité",
        "Changer la priorité",
        "La priorité est changée, l’échéance aussi.",
        tickets.set_priority,
        _live,
        "Une demande urgente a la moitié du temps.",
        forms.PriorityForm,
    ),
    Deed(
        "besoin",
        "Besoin",
        "Changer le besoin",
        "Le besoin est changé.",
        tickets.set_need,
        _live,
        "L’équipe reste la même. La liste à cocher suit le besoin.",
        forms.NeedForm,
    ),
    Deed(
        "demandeur",
        "Demandeur",
        "Changer le demandeur",
        "Le demandeur est changé.",
        tickets.change_requester,
        _live,
        "Les mails qui attendent de partir vers l’ancienne adresse sont annulés.",
        forms.RequesterForm,
    ),
    Deed(
        "joindre",
        "Joindre à une autre",
        "Joindre à une autre demande",
        "Les deux demandes n’en font plus qu’une.",
        tickets.merge,
        lambda ticket, user: ticket.status not in {Status.CLOSED, Status.MERGED},
        form=forms.MergeForm,
    ),
    Deed(
        "separer",
        "Séparer",
        "Séparer en deux demandes",
        "Les messages choisis ont leur propre demande.",
        tickets.split,
        lambda ticket, user: ticket.status not in {Status.CLOSED, Status.MERGED},
        form=SplitForm,
    ),
    Deed(
        "incident",
        "Rattacher à un incident",
        "Rattacher à un incident en cours",
        "La demande est rattachée à l’incident.",
        tickets.join,
        lambda ticket, user: ticket.is_live and ticket.incident_id is None,
        "Elle recevra les nouvelles de l’incident, et sera résolue avec lui.",
        forms.JoinForm,
    ),
    Deed(
        "declarer-incident",
        "Déclarer un incident",
        "Déclarer un incident à partir de cette demande",
        "L’incident est déclaré, cette demande en fait partie.",
        _declare,
        lambda ticket, user: ticket.is_live and ticket.incident_id is None,
        "Une panne qui touche plusieurs boîtes : un message de l’incident répond à toutes à la fois.",
        forms.DeclareForm,
    ),
    Deed(
        "quitter-incident",
        "Détacher de l’incident",
        "Détacher de l’incident",
        "La demande ne fait plus partie de l’incident.",
        tickets.leave,
        lambda ticket, user: ticket.incident_id is not None,
    ),
    Deed(
        "clore",
        "Clore",
        "Clore cette demande",
        "La demande est close, et le demandeur a reçu votre motif.",
        tickets.close,
        lambda ticket, user: ticket.status in {*Ticket.LIVE, Status.SOLVED},
        "Elle ne se rouvre plus. Si le demandeur écrit encore, une nouvelle demande y fait suite.",
        forms.CloseForm,
    ),
)
_HIDDEN = (
    Deed("suivre", "Me tenir au courant", "", "Vous serez au courant.", _watch, lambda ticket, user: True),
    Deed("ne-plus-suivre", "Ne plus me tenir au courant", "", "C’est noté.", _unwatch, lambda ticket, user: True),
    Deed("cocher", "Cocher", "", "La liste est à jour.", tickets.check_item, _live, form=forms.CheckForm),
)
DEEDS = {deed.slug: deed for deed in (*_ALL, *_HIDDEN)}
FIRST = ("prendre", "rouvrir", "poursuivre", "resoudre", "attendre", "confier", "pas-pour-nous")


def open_deeds(ticket: Ticket, user: User, *, requests: int) -> list[Deed]:
    """Those that the page offers, the most frequent first. `requests`: how many messages its requesters wrote."""
    found = [deed for deed in _ALL if deed.when(ticket, user)]
    return found if requests > 1 else [deed for deed in found if deed.slug != "separer"]
