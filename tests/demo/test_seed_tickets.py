"""Invented tickets look like real ones, the desk finds them by their words, production has none."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Count

from accounts.models import Mailbox
from accounts.words import fold
from bma_portal import clock
from demo import seeding
from support.models import Message, Ticket
from support.tickets.common import CONFIG, identity_text
from tests.factories import MailboxFactory, OrganisationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(seeding, "POOL", 200)
    for _ in range(3):
        MailboxFactory(organisation=OrganisationFactory())


def said(*arguments: str, **settings: object) -> str:
    out = StringIO()
    call_command("seed_tickets", *arguments, stdout=out)
    return out.getvalue()


def test_they_are_as_many_as_asked_and_say_that_they_are_invented():
    told = said("120", "--messages", "4")
    assert "120 demandes inventées et leurs 480 messages" in told
    assert "rien de tout cela n’est réel" in told
    assert Ticket.objects.count() == 120
    assert set(Ticket.objects.annotate(n=Count("messages")).values_list("n", flat=True)) == {4}
    assert Mailbox.objects.count() == 3  # those that were there pose them


def test_their_moments_and_their_thread_fit_their_status():
    said("400")
    now = clock.now()
    for ticket in Ticket.objects.prefetch_related("messages"):
        kinds = [message.kind for message in ticket.messages.all()]
        assert kinds[0] == Message.Kind.REQUEST
        assert ticket.opened_at <= ticket.updated_at <= now
        assert (ticket.due_at is not None) == (ticket.status in {"new", "open"})
        assert (ticket.assignee_id is None) == (ticket.status == "new")
        assert ("answer" in kinds) == (ticket.status != "new")
        assert ticket.status != "waiting" or (kinds[-1] == "answer" and ticket.held_since)
        assert ticket.late == (ticket.due_at is not None and ticket.due_at <= now)
        ticket.full_clean(exclude=["phone", "email", "search", "reason", "team", "mailbox"])
    live = Ticket.objects.live().count()
    assert 15 <= live <= 70  # about a tenth


def test_a_search_finds_what_the_desk_would_have_indexed():
    said("30")
    for ticket in Ticket.objects.select_related("mailbox__organisation").prefetch_related("messages"):
        words = " ".join([identity_text(ticket), *(message.text for message in ticket.messages.all())])
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tsvector_to_array(search) = tsvector_to_array(to_tsvector(%s, %s)) FROM support_ticket"
                " WHERE id = %s",
                [CONFIG, fold(words), ticket.pk],
            )
            assert cursor.fetchone() == (True,)


def test_more_can_be_added_and_the_index_is_still_there():
    said("20")
    said("20", "--json")
    assert Ticket.objects.count() == Ticket.objects.values("reference").distinct().count() == 40
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'ticket_search'")
        assert "gin_pending_list_limit='128'" in cursor.fetchone()[0]


def test_an_empty_register_gets_invented_schools(monkeypatch):
    Mailbox.objects.all().delete()
    monkeypatch.setattr(seeding, "UNITS", 12)
    assert "12 écoles fictives" in said("10")
    assert Mailbox.objects.filter(moves__status="migrated").count() == 12
    assert set(Ticket.objects.values_list("phase", flat=True)) == {"migrated"}


def test_production_has_none(settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="en production"):
        said("10")
    assert not Ticket.objects.exists()


@pytest.mark.parametrize("count", ["0", "-3", "1000001", "dix", "9" * 40])
def test_a_number_that_is_none_is_refused(count):
    with pytest.raises(CommandError):
        said("--", count)
