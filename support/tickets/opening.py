"""A ticket begins: routed by the rules of the day, its facts kept as they were, its mails queued with it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import product
from typing import Any

from django.db import transaction

from accounts.models import Contact, Mailbox, User
from bma_portal import kept
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.prepared import insert
from bma_portal.templatetags.french import sans_semaine
from migration.models import Move
from support import attachments, routing, ticket_mail_kinds, ticket_mails
from support.conditions import checked
from support.facts import facts_from
from support.models import Message, Ticket
from support.needs import NEEDS, Answer
from support.proofs import Prepared
from support.routing import Outcome, Route
from support.status import MailboxStatus, status_of
from support.tickets.common import Kind, identity_text, indexed, reckon, targets_of

SIMILAR_SHOWN = 5


class NoTicket(Refusal):
    """The rules say that this needs no ticket: a form, a page or somebody else answers. `route` says which."""

    def __init__(self, route: Route) -> None:
        super().__init__(route.reason)
        self.route = route


def similar(mailbox: Mailbox, need: str, *, at: datetime) -> list[Ticket]:
    """The live tickets of the same mailbox and need, the latest first (F9)."""
    found = Ticket.objects.live().filter(mailbox=mailbox, need=need, opened_at__lte=at)
    return list(found.defer("search").order_by("-pk")[:SIMILAR_SHOWN])


def open_ticket(
    *,
    mailbox: Mailbox,
    need: str,
    answers: Mapping[str, str] | None = None,
    way: Sequence[tuple[str, str]] = (),
    subject: str,
    text: str,
    first_name: str = "",
    last_name: str = "",
    email: str,
    phone: str = "",
    user: User | None = None,
    channel: str = Ticket.Channel.FORM,
    files: Sequence[tuple[str, Prepared]] = (),
    team: str | None = None,
    follows: Ticket | None = None,
    quoted: str = "",
    html: str = "",
    silent: bool = False,
    status: MailboxStatus | None = None,
    at: datetime,
) -> Ticket:
    """Write the ticket, its first message, its files and the mails that tell of it: all or none.

    The team follows from the rules of that moment; `team` overrides it (a desk that writes for a caller, a mail that
    came to a team's own inbox). `way`: what was answered on the way here, in words (E6). `files`: each with its label.
    `silent`: no acknowledgement (the answer to an automaton would loop). `status`: the mailbox's at that moment, if it
    is known already. Raises NoTicket, or Refusal for a need that does not exist.
    """
    with kept.glance():
        return _open(
            mailbox=mailbox, need=need, answers=answers, way=way, subject=subject, text=text, first_name=first_name,
            last_name=last_name, email=email, phone=phone, user=user, channel=channel, files=files, team=team,
            follows=follows, quoted=quoted, html=html, silent=silent, status=status or status_of(mailbox, at), at=at,
        )  # fmt: skip


def _open(
    *,
    mailbox: Mailbox,
    need: str,
    answers: Mapping[str, str] | None,
    way: Sequence[tuple[str, str]],
    subject: str,
    text: str,
    email: str,
    user: User | None,
    channel: str,
    files: Sequence[tuple[str, Prepared]],
    team: str | None,
    quoted: str,
    html: str,
    silent: bool,
    status: MailboxStatus,
    at: datetime,
    **who: Any,
) -> Ticket:
    route = routing.route(need, facts_from(status, at=at), dict(answers or {}), at=at)
    placed = placement(route, team)
    with transaction.atomic():
        ticket = Ticket(
            mailbox=mailbox,
            need=need,
            answers=dict(answers or {}),
            way=[list(pair) for pair in way],
            subject=subject[:150],
            email=email,
            user=user,
            channel=channel,
            team_since=at,
            phase=status.phase,
            batch_id=status.batch_id,  # what the figures count by (F19)
            opened_at=at,
            asked_at=at,
            updated_at=at,
            **placed,
            **who,
        )
        reckon(ticket, targets_of(ticket.team, at=at))
        insert(ticket, expressions={"search": indexed(f"{identity_text(ticket)} {text}")})
        first = Message(
            ticket=ticket,
            kind=Kind.REQUEST,
            author=user,
            author_name=ticket.requester_name[:160],
            written_at=at,
            text=text,
            quoted=quoted,
            html=html,
            by_mail=channel == Ticket.Channel.MAIL,
        )
        insert(first)
        for label, prepared in files:
            attachments.attach(first, prepared, label=label, personal=NEEDS[need].sensitive, at=at)
        if not silent:
            ticket_mails.tell_requester(ticket_mail_kinds.Received, ticket, at=at)
        ticket_mails.tell_team(ticket, first, at=at)
    return ticket


def placement(route: Route, team: str | None) -> dict[str, Any]:
    """Which team has it, and why: that of the route, unless `team` overrides it. Raises NoTicket."""
    if team is None:
        team = _team_of(route)
    if team != route.team:
        why = "Confiée à cette équipe par la personne qui l’a reçue."
        return {"team": team, "rule_id": None, "reason": why, "source": ""}
    return {"team": team, "rule_id": route.rule, "reason": route.reason[:400], "source": route.source[:200]}


def route_of(need: str, mailbox: Mailbox, answers: Mapping[str, str], *, at: datetime) -> Route | None:
    """What the rules say as far as it is known; None while they wait for an answer."""
    try:
        return routing.route(need, routing.facts_for(mailbox, at=at), dict(answers), at=at)
    except Refusal:
        return None


def expect_a_ticket(
    mailbox: Mailbox, need: str, answers: Mapping[str, str], *, status: MailboxStatus, at: datetime
) -> None:
    """Raises NoTicket if something else answers, whatever is said to the questions that the form still asks."""
    facts, rules, day = facts_from(status, at=at), routing.rules_on(at), brussels_date(at)
    found = routing.route(need, facts, dict(answers), at=at, rules=rules)
    given = checked(NEEDS[need], answers, day)
    asked = [answer for answer in NEEDS[need].answers if answer.choices and answer.key not in given]
    for chosen in product(*([(answer.key, choice.value) for choice in answer.choices] for answer in asked)):
        rule = routing.first_match(rules, need, facts, given | dict(chosen), day)
        if rule is not None and rule.outcome == Outcome.TICKET:
            return
    _team_of(found)


def _team_of(route: Route) -> str:
    if route.outcome != Outcome.TICKET or route.team is None:
        raise NoTicket(route)
    return route.team


def refuse_wrong_team(ticket_or_need: Ticket | str, team: str, *, mailbox: Mailbox, at: datetime) -> None:
    """Raises Refusal where a team may never get such a ticket.

    Priminfo, a company, gets breakdowns of hardware and nothing that tells of a password or a person's document (F1,
    SEC-F3); Enseignement.be has nothing to do with a mailbox that migrated (E3).
    """
    need = ticket_or_need if isinstance(ticket_or_need, str) else ticket_or_need.need
    if team == Contact.Team.PRIMINFO and need != "panne":
        raise Refusal("Priminfo ne reçoit que les pannes de matériel : changez d’abord le besoin de la demande.")
    ticket = ticket_or_need if isinstance(ticket_or_need, Ticket) else None
    if team == Contact.Team.PRIMINFO and ticket is not None and attachments.personal_of(ticket).exists():
        raise Refusal("Cette demande contient un document personnel : elle ne peut pas être confiée à Priminfo.")
    if team == Contact.Team.ENSEIGNEMENT_BE and _is_migrated(mailbox, at=at):
        raise Refusal("Cette boîte a migré : Enseignement.be ne la gère plus.")


def _is_migrated(mailbox: Mailbox, *, at: datetime) -> bool:
    return Move.objects.migrated(at).filter(mailbox=mailbox).exists()


def need_label(need: str) -> str:
    found = NEEDS.get(need)
    return found.label if found else need


def answers_in_words(ticket: Ticket) -> list[tuple[str, str]]:
    """The answers given before the form, as they were asked: copied into the ticket (E6)."""
    found = NEEDS.get(ticket.need)
    words = []
    for key, value in ticket.answers.items():
        answer = found.answer(key) if found else None
        words.append((answer.label, _answer_in_words(answer, value)) if answer else (key, value))
    return [(label, value) for label, value in ticket.way] + words


def _answer_in_words(answer: Answer, value: str) -> str:
    """The words of the choice, a day as one says it; what is neither, as it was kept."""
    if answer.date:
        try:
            return sans_semaine(date.fromisoformat(value))
        except ValueError:
            return value
    return next((choice.label for choice in answer.choices if choice.value == value), value)
