"""The demo's invented tickets: in every state, once, through the use cases; none on a real register."""

from datetime import date

import pytest

from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from demo import accounts, stage, tickets
from demo.inbox import MemoryInbox
from support import incoming
from support.models import Incident, IncomingMail, Message, Team, Ticket
from tests.support.inbox_stage import memory  # noqa: F401

pytestmark = pytest.mark.django_db
AT = brussels(date(2026, 11, 22), 11)  # a Sunday: nothing may depend on the day of the visit


class Door:
    """In the place of the stand-in's."""

    def arrive(self, address: str, mime: bytes) -> None:
        MemoryInbox.put("etnic", mime, at=AT)


def test_a_dozen_tickets_in_every_state_once(memory):  # noqa: F811
    stage.load_register(None, at=AT)
    accounts.create_people()
    accounts.give_qualities(AT)
    made = tickets.invent(at=AT, stand_in=Door())
    incoming.tick(at=AT)  # the worker is rung for it
    assert 12 <= made <= 16
    assert tickets.invent(at=AT, stand_in=Door()) == made
    assert {ticket.status for ticket in Ticket.objects.all()} == set(Ticket.Status) - {Ticket.Status.CLOSED}
    assert set(Ticket.objects.values_list("team", flat=True)) == {"etnic", "sgne", "priminfo", "enseignement_be"}
    assert Incident.objects.get().tickets.count() == 3
    assert not Message.objects.filter(text__contains="{").exists(), "aucune variable n’est restée dans un message"
    assert IncomingMail.objects.get().verdict == IncomingMail.Verdict.QUARANTINED
    assert Message.objects.filter(kind=Message.Kind.NOTE).count() == 1
    assert Ticket.objects.filter(user__username="directrice").count() == 1
    to = {address for mail in OutgoingMail.objects.filter(kind="ticket.for_team") for address in mail.to}
    assert to == {"sttd@priminfo.be", "BMA@enseignement.be"}
    assert all(ticket.email.isascii() for ticket in Ticket.objects.all())
    assert max(Ticket.objects.values_list("updated_at", flat=True)) <= AT


def test_the_service_desk_has_a_lead_who_can_be_told():
    accounts.create_people()
    assert Team.objects.get(pk="etnic").lead.email == "etnic@exemple.test"


def test_a_register_that_is_not_the_demo_s_gets_none(memory):  # noqa: F811
    accounts.create_people()
    assert tickets.invent(at=AT, stand_in=Door()) == 0
