"""Two requesters of one ticket, and one who took another's place: who is told, who reads what (A6, F8, F12, F17)."""

import re

import pytest
from django.test import Client

from bma_portal import clock
from bma_portal.mail.compose import letters
from bma_portal.mail.models import OutgoingMail
from support import ticket_mails, tickets, tokens
from support.models import Message, Ticket
from tests.factories import MailboxFactory, UserFactory
from tests.factories_holders import HolderFactory
from tests.sign_in import sign_in
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]
CAMILLE, LOU = "camille@exemple.test", "lou@exemple.test"


@pytest.fixture(autouse=True)
def moment(db):
    clock.set_for_every_process(on(14, 12))


@pytest.fixture
def joined() -> tuple[Ticket, Ticket]:
    """Camille's ticket, which stays, and Lou's, which was joined to it an hour later."""
    box = MailboxFactory()
    stays = asked(box, text="Camille écrit ceci.", subject="Le sujet de Camille")
    goes = asked(box, email=LOU, first_name="Lou", last_name="Inventée", text="Lou écrit cela.", at=on(14, 10))
    tickets.answer(stays, text="Dit à Camille avant.", by=agent(), version=None, then="open", at=on(14, 10))
    tickets.merge(goes, into=stays, by=agent(), at=on(14, 11))
    return again(stays), again(goes)


def read(client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, path
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def code_in(row: OutgoingMail) -> str:
    """The six digits of a mail, as whoever reads that address sees them."""
    (letter,) = letters([row], at=on(14, 12)).values()
    return re.search(r"^[0-9]{6}$", letter.text, re.MULTILINE)[0]


def opened(reference: str) -> tuple[Client, str, str]:
    """A browser that typed that reference and the code that was mailed; to whom it was, and where it led."""
    client = Client()
    client.post("/demandes/suivi/", {"reference": reference})
    row = mails("ticket.code")[-1]
    answer = client.post("/demandes/suivi/code/", {"code": code_in(row)})
    return client, row.to[0], answer["Location"]


# Solved


def test_both_are_told_that_it_is_solved_and_the_opinion_is_asked_of_one(joined):
    stays, _ = joined
    tickets.solve(stays, by=agent(), at=on(14, 12))
    one, other = mails("ticket.solved")
    assert (one.to, other.to) == ([CAMILLE], [LOU])
    (letter,) = letters([one], at=on(14, 12)).values()
    link = tokens.opinion_token(stays).reveal()
    assert link in letter.text
    assert (one.text, one.sensitive, other.sensitive) == ("", True, False)
    for body in (other.text, other.html):
        assert "est résolue" in body
        assert "/avis/" not in body
        assert link not in body
        assert "sujet de Camille" not in body
    assert ticket_mails.ticket_of(other) == stays  # « non » is answered by mail
    tickets.requester_wrote(stays, text="Non.", at=on(14, 13))
    tickets.solve(stays, by=agent(), at=on(14, 14))
    assert [mail.to[0] for mail in mails("ticket.solved")] == [CAMILLE, LOU] * 2


def test_the_history_names_the_mail_of_the_second_requester(joined):
    from support.ticket_history import history_of

    tickets.solve(joined[0], by=agent(), at=on(14, 12))
    said = [line.what for line in history_of(joined[0], at=on(14, 13)) if LOU in line.to]
    assert "demande résolue" in said


# Followed


def test_each_follows_with_their_own_reference_and_a_code_of_their_own(joined):
    stays, goes = joined
    _, to, where = opened(stays.reference)
    assert (to, where) == (CAMILLE, f"/demandes/suivi/{stays.reference}/")
    _, to, where = opened(goes.reference)
    assert (to, where) == (LOU, f"/demandes/suivi/{goes.reference}/")


def test_a_code_of_the_one_neither_voids_nor_is_that_of_the_other(joined):
    stays, goes = joined
    tickets.send_follow_code(stays.reference, at=on(14, 12))
    tickets.send_follow_code(goes.reference, at=on(14, 12))
    first, second = mails("ticket.code")
    assert tickets.ticket_by_code(stays.reference, code_in(first), at=on(14, 12)) == stays
    assert tickets.ticket_by_code(goes.reference, code_in(second), at=on(14, 12)) == goes


def test_the_second_requester_reads_their_own_words_and_what_they_were_told(joined):
    stays, goes = joined
    tickets.answer(stays, text="Dit aux deux.", by=agent(), version=None, then="open", at=on(14, 11))
    tickets.requester_wrote(stays, text="Camille ajoute encore.", at=on(14, 11))
    tickets.note(stays, text="Une note.", by=agent(), at=on(14, 11))
    client, _, where = opened(goes.reference)
    page = read(client, where)
    assert "Lou écrit cela." in page
    assert "Dit aux deux." in page
    for hidden in ("sujet de Camille", "Camille écrit", "Camille ajoute", "Dit à Camille", "Une note"):
        assert hidden not in page
    assert stays.reference not in page  # an hour later, their own one brings them a code
    browser, _, where = opened(stays.reference)
    whole = read(browser, where)
    for shown in ("Lou écrit cela.", "Dit aux deux.", "Camille écrit ceci.", "Camille ajoute encore."):
        assert shown in whole


def test_what_the_second_requester_writes_bears_their_name_and_stays_on_their_page(joined):
    stays, goes = joined
    client, _, where = opened(goes.reference)
    answer = client.post(where, {"text": "Lou ajoute ceci."})
    assert answer["Location"].startswith(where)
    assert "Lou ajoute ceci." in read(client, answer["Location"])
    message = Message.objects.get(text="Lou ajoute ceci.")
    assert (message.ticket, message.origin, message.author_name) == (stays, goes, "Lou Inventée")


def test_once_it_is_closed_what_follows_is_the_one_s_who_wrote(joined):
    stays, goes = joined
    client, _, where = opened(goes.reference)
    tickets.close(stays, why="fini", by=agent(), at=on(14, 12))
    answer = client.post(where, {"text": "Lou a une autre question."})
    suite = Ticket.objects.get(follows=stays)
    assert (suite.email, suite.requester_name) == (LOU, "Lou Inventée")
    assert "Lou a une autre question." in read(client, answer["Location"])


def test_the_mails_of_the_second_requester_lead_to_a_code_that_reaches_them(joined):
    stays, goes = joined
    tickets.answer(stays, text="Dit aux deux.", by=agent(), version=None, at=on(14, 12))
    by_address = {mail.to[0]: mail for mail in mails("ticket.answered")[1:]}
    assert f"?reference={stays.reference}" in by_address[CAMILLE].text
    assert f"?reference={goes.reference}" in by_address[LOU].text


def test_whoever_is_kept_informed_no_more_gets_no_code_any_more(joined):
    stays, goes = joined
    client, _, where = opened(goes.reference)
    Ticket.objects.filter(pk=stays.pk).update(copies=[])
    assert client.get(where).status_code == 302
    tickets.send_follow_code(goes.reference, at=on(14, 12))
    assert mails("ticket.code")[-1].to == [CAMILLE]  # as before: that of the ticket that stays


def test_nobody_follows_with_either_reference_what_was_taken_away(joined):
    stays, goes = joined
    Ticket.objects.filter(pk=stays.pk).update(revoked_at=AT)
    for reference in (stays.reference, goes.reference):
        tickets.send_follow_code(reference, at=on(14, 12))
    assert mails("ticket.code") == []


# In another's place


def fields(email: str) -> dict:
    return {"first_name": "Nadia", "last_name": "Inventée", "email": email, "phone": ""}


def test_the_former_requester_reads_nothing_once_another_took_their_place():
    ticket = asked()
    client, _, where = opened(ticket.reference)
    assert client.get(where).status_code == 200
    tickets.change_requester(ticket, **fields("nadia@exemple.test"), by=agent(), at=on(14, 12))
    assert client.get(where).status_code == 302
    assert client.post(where, {"text": "Encore moi."}).status_code == 302
    assert not Message.objects.filter(text="Encore moi.").exists()


def test_a_former_head_does_not_come_back_with_the_one_who_took_their_place():
    ticket = asked()
    client, _, where = opened(ticket.reference)
    Ticket.objects.filter(pk=ticket.pk).update(revoked_at=on(14, 12))
    assert client.get(where).status_code == 302
    tickets.change_requester(ticket, **fields("nadia@exemple.test"), by=agent(), at=on(14, 12))
    assert again(ticket).revoked_at is None
    assert client.get(where).status_code == 302


def test_the_same_address_written_otherwise_keeps_its_page():
    ticket = asked()
    client, _, where = opened(ticket.reference)
    tickets.change_requester(ticket, **fields("Camille@Exemple.test"), by=agent(), at=on(14, 12))
    assert client.get(where).status_code == 200


def test_a_head_whose_code_for_it_is_worth_nothing_any_more_writes_in_their_own_name():
    ticket = asked()
    client, _, where = opened(ticket.reference)
    tickets.change_requester(ticket, **fields("nadia@exemple.test"), by=agent(), at=on(14, 12))
    head = UserFactory(email=CAMILLE, first_name="Camille", last_name="Fictive")
    HolderFactory(user=head, organisation=ticket.mailbox.organisation)
    sign_in(client, head, strong=False)
    client.post(where, {"text": "Je dirige cette école."})
    assert Message.objects.get(text="Je dirige cette école.").author_name == "Camille Fictive"


def test_a_session_of_before_this_was_kept_asks_for_a_code_again(client):
    ticket = asked()
    session = client.session
    session["suivi_ouvert"] = {ticket.reference: on(14, 13).timestamp()}
    session.save()
    assert client.get(f"/demandes/suivi/{ticket.reference}/").status_code == 302
