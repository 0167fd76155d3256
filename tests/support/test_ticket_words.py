"""What a requester reads at both ends of a ticket: still true on the day it is read, and said by who said it."""

import pytest

from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from support import tickets
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = pytest.mark.django_db

OPINION = "Êtes-vous satisfait de la réponse"


def as_they_read(mail: OutgoingMail) -> str:
    """Its two texts; what carries a link of its own is composed as it leaves."""
    return mail.text + mail.html


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (on(14, 9), "."),
        (on(14, 18), ", et de nouveau le vendredi 15 novembre 2024 à 8\u00a0h."),
        (on(16, 12), ", et de nouveau le lundi 18 novembre 2024 à 8\u00a0h."),
    ],
)
def test_an_acknowledgement_says_when_the_team_is_there_in_words_that_last(at, said):
    asked(at=at)
    (told,) = mails("ticket.received")
    for text in (told.text, told.html):
        assert f"L’équipe est joignable les jours ouvrables{said}" in text
        assert "à l’instant" not in text
        assert "demain" not in text


def test_what_was_settled_before_any_answer_asks_no_opinion_of_it_and_says_who_settled_it():
    ticket = asked()
    tickets.requester_wrote(ticket, text="C’est réglé.", at=on(14, 10))
    said = again(ticket).messages.get(kind="event")
    assert said.text == "Vous avez dit que c’est réglé : votre demande est résolue."
    (told,) = [mail for mail in mails() if "résolue" in mail.subject]
    assert told.to == [ticket.email]
    assert f"{ticket.reference} (« {ticket.subject} ») est résolue" in told.text.replace("\u00a0", " ")
    assert OPINION not in as_they_read(told)


def test_what_they_say_after_an_answer_and_what_an_agent_solves_still_ask_for_an_opinion():
    answered, solved, lou = asked(), asked(), agent()
    tickets.answer(answered, text="Fermez Outlook, puis rouvrez-le.", by=lou, then="waiting", version=0, at=on(14, 10))
    tickets.requester_wrote(answered, text="C’est réglé, merci.", at=on(14, 11))
    tickets.solve(solved, by=lou, at=on(14, 11))
    assert [mail.kind for mail in mails("ticket.solved")] == ["ticket.solved", "ticket.solved"]
    assert again(solved).messages.get(kind="event").text == "Votre demande est résolue."
    assert again(answered).messages.get(kind="event").text.startswith("Vous avez dit que c’est réglé")


def test_the_history_keeps_that_the_requester_ended_it():
    ticket = asked(at=AT)
    tickets.requester_wrote(ticket, text="C’est réglé.", at=on(14, 10))
    assert StateChange.objects.get(object_id=ticket.pk, new="solved").by == "demandeur"
