"""The page on which a requester follows a ticket: what it offers, what it misses, when it is late (F4, F17, F21)."""

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from bma_portal import clock
from support import tickets
from support.models import Attachment, Message, Ticket
from tests.support.hostile import png
from tests.support.tickets_stage import AT, again, agent, asked, opened, words

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def moment():
    clock.set_for_every_process(AT)


def test_it_is_settled_keeps_what_is_written_and_joined_beside_it(client):
    ticket = asked()
    address = opened(client, ticket)
    assert "C’est réglé" in words(client.get(address))
    said = {"regle": "1", "text": "C’était le câble.", "files": [SimpleUploadedFile("cable.png", png())]}
    assert client.post(address, said).status_code == 302
    assert again(ticket).status == Ticket.Status.SOLVED
    message = Message.objects.filter(ticket=ticket, kind="request").latest("pk")
    assert message.text == "C’est réglé.\n\nC’était le câble."
    assert message.attachments.count() == 1


def test_it_is_settled_needs_no_other_word(client):
    ticket = asked()
    address = opened(client, ticket)
    assert client.post(address, {"regle": "1", "text": ""}).status_code == 302
    assert again(ticket).status == Ticket.Status.SOLVED
    page = words(client.get(address))
    assert re.search(r"Le portail ?, le", page)
    assert not re.search(r"demandeur ?, le", page)  # nobody is told by themselves that it is over
    assert Message.objects.filter(ticket=ticket, text="C’est réglé.").exists()


def test_where_a_word_cannot_end_it_no_button_says_so_and_an_old_page_loses_nothing(client):
    ticket = asked(need="vol")
    address = opened(client, ticket)
    assert "C’est réglé" not in words(client.get(address))
    client.post(address, {"regle": "1", "text": "Le portable est retrouvé."})
    assert again(ticket).is_live
    assert Message.objects.filter(ticket=ticket, text__contains="Le portable est retrouvé.").exists()


def test_a_theft_without_its_report_says_so_until_it_is_there(client):
    ticket = asked(need="vol")
    assert "avec la copie" not in ticket.reason
    assert "à qui il faut la copie du procès-verbal" in ticket.reason
    address = opened(client, ticket)
    missing = "Il nous manque encore la copie du procès-verbal."
    page = words(client.get(address))
    assert missing in page
    assert "Masquez ce qui ne concerne pas le matériel" in page
    client.post(address, {"text": "Voici.", "files": [SimpleUploadedFile("pv.png", png())]})
    assert Attachment.objects.get().personal
    assert missing not in words(client.get(address))
    by_post = asked(need="vol")
    there = opened(client, by_post)
    tickets.check_item(again(by_post), item="proces-verbal", done=True, by=agent(), at=AT)
    assert missing not in words(client.get(there))
    other = asked()
    assert missing not in words(client.get(opened(client, other)))


def test_an_answer_that_is_late_is_excused_and_says_whom_to_call(client):
    ticket = asked()
    address = opened(client, ticket)
    page = words(client.get(address))
    assert "au plus tard le" in page
    assert "a du retard" not in page
    clock.set_for_every_process(again(ticket).due_at + timedelta(minutes=1))
    page = words(client.get(opened(client, ticket)))
    assert page.count("au plus tard le") == 1
    assert "Notre réponse a du retard." in page
    assert "support@etnic.be" in page
    tickets.answer(again(ticket), text="Voilà.", by=agent(), version=None, at=AT)
    assert "a du retard" not in words(client.get(address))


def test_too_many_messages_in_a_row_lose_none(client):
    address = opened(client, asked())
    for n in range(10):
        client.post(address, {"text": f"Message {n}"})
    answer = client.post(address, {"text": "Le onzième, très long."})
    assert answer.status_code == 429
    assert "Le onzième, très long." in words(answer)
    assert "le vôtre n’est pas parti" in words(answer).replace("\N{NO-BREAK SPACE}", " ")
