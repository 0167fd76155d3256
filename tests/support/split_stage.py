"""Two questions in one ticket: the ticket, what was asked on top of it, and how one is told from the other."""

import pytest
from django.db import connection

from accounts.words import fold
from bma_portal import clock
from support import tickets
from support.models import Message, Ticket
from tests.support.tickets_stage import agent, asked, on

LATER = on(15, 10)
SECOND = "Autre chose : notre école fusionne, quelle date vaut pour nous ?"


@pytest.fixture
def two(db) -> tuple[Ticket, Message]:
    """A ticket of ETNIC's, and what its requester asked on top of it two hours later: a matter for SGNE."""
    clock.set_for_every_process(LATER)
    ticket = asked(phone="+32 470 00 00 00")
    return ticket, tickets.requester_wrote(ticket, text=SECOND, at=on(14, 11))


def split(ticket: Ticket, *messages: Message, by=None, **more) -> Ticket:
    said = {"need": "procedure", "subject": "Quelle date ?", "version": None} | more
    return tickets.split(ticket, messages=[m.pk for m in messages], by=by or agent(), at=LATER, **said)


def found_by(words: str) -> set[Ticket]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM support_ticket WHERE search @@ plainto_tsquery('french', %s)", [fold(words)])
        return set(Ticket.objects.filter(pk__in=[pk for (pk,) in cursor.fetchall()]))
