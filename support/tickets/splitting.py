"""A ticket in which two things were asked becomes two (F8): some of its messages go on in one of their own."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from accounts.models import User
from bma_portal import audit, kept
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.templatetags.french import sans_semaine
from support import attachments, routing, ticket_mail_kinds, ticket_mails
from support.facts import facts_from
from support.models import IncomingMail, Message, Ticket, TicketChange
from support.needs import NEEDS
from support.status import status_of
from support.tickets.common import (
    Kind,
    Status,
    ask,
    identity_text,
    index,
    locked,
    log,
    reckon,
    save,
    targets_of,
)
from support.tickets.opening import placement, refuse_wrong_team
from support.tickets.thread import event

FORMER_NAMES = ("adresse", "demandeur")  # changes of who asks: a search finds the ticket by them still


class Split(ticket_mail_kinds.TicketMail):
    """Some of what was asked has a reference of its own: the one mail that says so."""

    kind = "ticket.split"
    event = "split"
    title = "Votre demande en devient deux"
    of_message = True


def parts_of(ticket: Ticket) -> list[Message]:
    """What its requesters wrote in it, in order: that is what may be split off, as long as one stays."""
    found = Message.objects.filter(ticket=ticket, kind=Kind.REQUEST).select_related("origin")
    return list(found.prefetch_related("attachments"))


def refuse_whole(ticket: Ticket, parts: Sequence[Message]) -> None:
    """Raises Refusal for a ticket that ended, or in which nothing can be told from the rest."""
    if ticket.status == Status.MERGED:
        raise Refusal("Cette demande est jointe à une autre : c’est dans celle-là que ses messages se séparent.")
    if ticket.status == Status.CLOSED:
        raise Refusal("Cette demande est close : rien ne s’en sépare plus.")
    if len(parts) < 2:
        raise Refusal("Cette demande ne compte qu’un message du demandeur : il n’y a rien à en séparer.")


def refuse_choice(ticket: Ticket, parts: Sequence[Message], chosen: Sequence[Message]) -> None:
    """Raises Refusal for none, all, or those of two persons: the new ticket has one requester."""
    if not chosen:
        raise Refusal("Choisissez au moins un message.")
    if len(chosen) == len(parts):
        raise Refusal("Laissez au moins un message dans cette demande : ce sont tous ceux du demandeur.")
    if len({asker.pk for asker in askers_of(ticket, chosen)}) > 1:
        raise Refusal("Ces messages sont de deux personnes : séparez-les en deux fois, une demande pour chacune.")


def split(
    ticket: Ticket,
    *,
    messages: Sequence[int],
    need: str,
    subject: str,
    answers: Mapping[str, str] | None = None,
    team: str | None = None,
    by: User,
    version: int | None = None,
    at: datetime,
) -> Ticket:
    """Make another ticket of these messages of the requester; returns it.

    They go there as they are, with their date, files and mails: an answer to one of these mails is threaded there. It
    is the requester's who wrote them, of the team that the rules of today name (`team` overrides them), and counts
    from the day on which the first was written. Drafts, watchers, notes, answers and the list stay. Raises Refusal,
    NoTicket if the rules want none, Stale if somebody was faster.
    """
    if need not in NEEDS:
        raise Refusal("Ce besoin n’existe pas.")
    given = dict(answers or {})
    with kept.glance():
        route = routing.route(need, facts_from(status_of(ticket.mailbox, at), at=at), given, at=at)
        placed = placement(route, team)
        with transaction.atomic():
            row = locked(ticket, version=version)
            parts = parts_of(row)
            refuse_whole(row, parts)
            chosen = [part for part in parts if part.pk in set(messages)]
            if len(chosen) != len(set(messages)):
                raise Refusal("Un de ces messages n’est plus dans cette demande : choisissez à nouveau.")
            refuse_choice(row, parts, chosen)
            new = _beginning(row, chosen, at=at)
            new.need, new.subject, new.answers = need, subject[:150], given
            for name, value in placed.items():
                setattr(new, name, value)
            # As for any ticket, a team that gets it from another has its own first answer to give, from now on (E9)
            new.team_since = max(row.team_since, new.opened_at) if new.team == row.team else at
            reckon(new, targets_of(new.team, at=at))
            new.save(force_insert=True)
            _move(chosen, row, new)
            refuse_wrong_team(new, new.team, mailbox=new.mailbox, at=at)
            if NEEDS[need].sensitive:
                attachments.make_personal(new)
            _remember(row, new, chosen, by=by, at=at)
            ticket_mails.tell_team(new, chosen[0], at=at)
            audit.record("ticket.split", about=row, by=by, at=at, details={"into": new.reference})
    return new


def askers_of(ticket: Ticket, messages: Sequence[Message]) -> list[Ticket]:
    """For each, the ticket that names who asks: the one it was written in, if that one was joined to this one.

    Two tickets of one address are one person's.
    """
    known = {ticket.email.lower(): ticket}
    found = []
    for message in messages:
        own = message.origin
        joined = own is not None and own.merged_into_id == ticket.pk
        found.append(known.setdefault(own.email.lower(), own) if own is not None and joined else ticket)
    return found


def _beginning(row: Ticket, chosen: Sequence[Message], *, at: datetime) -> Ticket:
    """The new one, unsaved: who asks, since when, and how it was with the mailbox on that day.

    The clock counts nothing that the former one stood still: nobody waited for the requester about this question.
    """
    first, asker = chosen[0], askers_of(row, chosen)[0]
    channel = Ticket.Channel.FORM if asker.channel == Ticket.Channel.MAIL else asker.channel
    since = min(first.written_at, at)
    status = status_of(row.mailbox, since)
    who = ("first_name", "last_name", "email", "phone", "user", "revoked_at", "email_confirmed_at")
    return Ticket(
        mailbox=row.mailbox,
        channel=Ticket.Channel.MAIL if first.by_mail else channel,
        phase=status.phase,
        batch_id=status.batch_id,
        opened_at=since,
        asked_at=since,
        updated_at=at,
        follows=row,
        **{name: getattr(asker, name) for name in who},
    )


def _move(chosen: Sequence[Message], row: Ticket, new: Ticket) -> None:
    """Messages, with what hangs on them. `origin` says where each was written, unless it says more already."""
    moved = Message.objects.filter(pk__in=[message.pk for message in chosen])
    moved.filter(origin=None).update(origin=row)
    moved.update(ticket=new)
    IncomingMail.objects.filter(message__in=moved).update(ticket=new)


def _remember(row: Ticket, new: Ticket, chosen: Sequence[Message], *, by: User, at: datetime) -> None:
    """Both say where the other is, each is found by its own words, and the requester gets the new reference."""
    what = _named(chosen)
    verb = "a été séparé" if len(chosen) == 1 else "ont été séparés"
    _ask_the_rest(row, chosen)
    if row.assignee_id == by.pk:
        row.acted_at = at
    log(row, "a séparé", what, new.reference, by=by, at=at)
    log(new, "séparée de", "", row.reference, by=by, at=at)
    save(row, at=at)
    _index_anew(row)
    _index_anew(new)
    left = f"{what.capitalize()} {verb} de cette demande : la suite est sous la référence {new.reference}."
    event(row, left, by=by, at=at)
    own = askers_of(row, chosen)[0].reference
    told = event(
        new,
        f"Votre demande {own} portait sur plusieurs choses. Pour que chacune ait sa réponse, {what} {verb} : "
        f"c’est maintenant la demande {new.reference}.",
        by=by,
        at=at,
    )
    ticket_mails.tell_requester(Split, new, about=told, at=at)


def _named(chosen: Sequence[Message]) -> str:
    """« le message du 14 novembre 2024 », « les 2 messages du 14 novembre 2024 au 15 novembre 2024 »."""
    first, last = (sans_semaine(brussels_date(message.written_at)) for message in (chosen[0], chosen[-1]))
    days = f"du {first}" if first == last else f"du {first} au {last}"
    return f"le message {days}" if len(chosen) == 1 else f"les {len(chosen)} messages {days}"


def _ask_the_rest(row: Ticket, moved: Sequence[Message]) -> None:
    """Since when the requester waits for an answer here, once what they asked first is asked elsewhere."""
    if row.asked_at is None or row.asked_at not in {message.written_at for message in moved}:
        return
    rest = Message.objects.filter(ticket=row, kind=Kind.REQUEST, written_at__gte=row.asked_at)
    if (next_one := rest.values_list("written_at", flat=True).first()) is not None:
        ask(row, at=next_one)
    elif row.team_since > row.asked_at:
        ask(row, at=row.team_since)  # whoever handed it over left something to answer
    else:
        row.asked_at, row.held_minutes_asked = None, 0


def _index_anew(ticket: Ticket) -> None:
    """What it is found by, from nothing: who and where, those that were joined to it, what is said in it now."""
    Ticket.objects.filter(pk=ticket.pk).update(search=None)
    for named in (ticket, *Ticket.objects.filter(merged_into=ticket).defer("search").order_by("pk")):
        index(ticket, identity_text(named))
    former = TicketChange.objects.filter(ticket=ticket, field__in=FORMER_NAMES).values_list("old", flat=True)
    index(ticket, " ".join(former))
    for text in Message.objects.filter(ticket=ticket).values_list("text", flat=True):
        index(ticket, text)
