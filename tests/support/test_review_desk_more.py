"""What an attacker and a tired person found in the desk, second part: mails to those who work, mails that come in."""

import time

import pytest

from accounts.contacts import contact_of
from bma_portal.mail.models import OutgoingMail
from bma_portal.secret import Secret
from support import attachments, incoming, tickets
from support.incoming import masking, parsing
from support.models import IncomingMail, Team, Ticket
from support.proofs import Prepared
from support.reading import Page as Image
from tests.factories import MailboxFactory, UserFactory
from tests.support.corpus.making import mail
from tests.support.inbox_stage import memory
from tests.support.tickets_stage import AT, again, agent, asked, mails, on
from tests.together import together

__all__ = ["memory"]  # a fixture
pytestmark = [pytest.mark.django_db, pytest.mark.database]


def broken() -> Ticket:
    """Of Priminfo, which works by mail."""
    return asked(need="panne", team="priminfo")


def test_whoever_asked_to_be_kept_informed_is_told_that_somebody_wrote_and_not_what():
    ticket = asked()
    by = agent(email="suit@exemple.test")
    watcher, gone = agent(email="attentive@exemple.test"), agent("sgne", email="ailleurs@exemple.test")
    for person in (by, watcher, gone):
        tickets.watch(ticket, by=person)
    tickets.answer(ticket, text="Un secret d’atelier.", by=by, version=0, at=on(14, 10))
    tickets.requester_wrote(again(ticket), text="Toujours rien.", at=on(14, 11))
    told = mails("ticket.news")
    assert [mail.to for mail in told] == [
        ["attentive@exemple.test"], ["suit@exemple.test"], ["attentive@exemple.test"],
    ]  # fmt: skip
    assert not [row for row in told if "secret" in row.text + row.html or "Toujours" in row.text + row.html]
    assert "/desk/demande/" in told[0].text


def test_a_team_that_lost_a_ticket_does_not_get_what_had_not_left():
    ticket = broken()
    tickets.transfer(ticket, to="etnic", why="C’est un réglage.", by=agent("priminfo"), at=on(14, 10))
    assert {mail.status for mail in mails("ticket.for_team")} == {OutgoingMail.Status.CANCELLED}


def test_a_team_by_mail_is_told_of_a_file_that_waits_for_the_antivirus():
    ticket = broken()
    attachments.attach(
        ticket.messages.get(), Prepared([Image(b"\xff\xd8x")], to_scan=True), label="photo", personal=False, at=AT
    )
    tickets.requester_wrote(ticket, text="Voici la photo.", at=on(14, 10))
    assert "attend l’antivirus" in mails("ticket.for_team")[-1].text
    assert "attend l’antivirus" not in mails("ticket.for_team")[0].text


def test_each_mail_answers_the_last_one_to_the_same_person_and_no_other_s():
    ticket = broken()
    by = agent("priminfo")
    tickets.answer(ticket, text="Nous passons demain.", by=by, version=0, at=on(14, 10))
    tickets.requester_wrote(again(ticket), text="Merci.", at=on(14, 11))
    tickets.answer(again(ticket), text="À demain.", by=by, version=None, at=on(14, 12))
    team = contact_of("priminfo", AT).email
    for address in ("camille@exemple.test", team):
        to_them = [mail for mail in mails() if mail.to == [address]]
        assert len(to_them) > 1
        assert [mail.headers.get("In-Reply-To") for mail in to_them] == [
            None, *(mail.message_id for mail in to_them[:-1]),
        ]  # fmt: skip


def test_a_copy_is_not_greeted_by_somebody_else_s_name():
    mailbox, by = MailboxFactory(), agent()
    stays, goes = asked(mailbox), asked(mailbox, email="autre@exemple.test", first_name="Nadia", last_name="Inventée")
    tickets.merge(goes, into=stays, by=by, at=on(14, 10))
    tickets.answer(again(stays), text="Essayez.", by=by, version=None, at=on(14, 11))
    first, copy = mails("ticket.answered")
    assert "Bonjour Camille Fictive" in first.text
    assert "Camille" not in copy.text + copy.html


def test_what_one_team_wrote_to_another_is_not_shown_to_the_requester(client):
    from bma_portal import clock
    from tests.sign_in import sign_in

    clock.set_for_every_process(on(14, 11))
    user = UserFactory(email="camille@exemple.test")
    ticket = asked(user=user)
    tickets.transfer(ticket, to="sgne", why="Elle n’a rien compris.", by=agent(), at=on(14, 10))
    sign_in(client, user)
    page = client.get(f"/demandes/suivi/{ticket.reference}/").content.decode()
    assert "maintenant suivie par le SGNE" in page
    assert "rien compris" not in page
    assert not [mail for mail in mails("ticket.moved") if "rien compris" in mail.text + mail.html]


def test_twenty_megabytes_of_html_in_pieces_are_read_in_a_moment():
    head = b"From: a@exemple.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    words = b"<p>mdp Abcd Efgh bonjour</p>" * 36_000
    part = b"--B\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + words + b"\r\n"
    began = time.monotonic()
    mail = parsing.parse(head + part * 20 + b"--B--\r\n")
    masking.Mask([Secret("Abcd-Efgh-Jkmn-Pqr2")] * 30).mail(mail)
    assert len(mail.html) <= 1_000_000
    assert time.monotonic() - began < 20


@pytest.mark.django_db(transaction=True)
def test_a_message_sent_while_its_ticket_is_joined_is_never_lost():
    mailbox, by = MailboxFactory(), agent()
    stays, goes = asked(mailbox), asked(mailbox)
    done = together(
        lambda: tickets.merge(goes, into=stays, by=by, at=on(14, 10)),
        lambda: tickets.requester_wrote(goes, text="Encore un mot.", at=on(14, 10)),
        lambda: tickets.requester_wrote(stays, text="Un autre.", at=on(14, 10)),
    )
    assert not [found for found in done if isinstance(found, Exception)]
    texts = {message.text for message in again(stays).messages.all()}
    assert {"Encore un mot.", "Un autre."} <= texts
    assert not goes.messages.exists()


@pytest.mark.parametrize("typed", ["D-DBCD-2345", "DDBCD2345", "d dbcd 2345", "DBCD2345", "dbcd-2345"])
def test_a_reference_that_begins_with_the_letter_of_all_is_found(typed):
    ticket = asked()
    Ticket.objects.filter(pk=ticket.pk).update(reference="D-DBCD-2345")
    assert tickets.by_reference(typed) == ticket


def test_an_agent_who_left_the_team_is_not_warned_of_its_deadlines():
    ticket = asked()
    left, lead = agent(email="partie@exemple.test"), agent(email="ancien-chef@exemple.test")
    tickets.take(ticket, by=left, at=AT)
    Team.objects.filter(pk="etnic").update(lead=lead)
    left.groups.clear()
    lead.is_active = False
    lead.save()
    for hour in (12, 14):
        tickets.tick(at=on(14, hour, 30))
    assert {address for mail in mails("ticket.due_soon") + mails("ticket.overdue") for address in mail.to} == {
        "support@etnic.be"
    }


@pytest.mark.parametrize(("results", "verdict"), [("", "quarantined"), ("mx.test; dmarc=pass", "note")])
def test_a_team_s_name_alone_answers_nobody(memory, results, verdict):
    ticket = broken()
    team = contact_of("priminfo", AT).email
    headers = {"Authentication_Results": results} if results else {}
    mime = mail(team, f"Suite [{ticket.reference}]", "Envoyez-nous votre mot de passe.", **headers)
    memory.put("etnic", mime, at=AT)
    incoming.tick(at=AT)
    assert IncomingMail.objects.get().verdict == verdict
    assert bool(mails("ticket.answered")) is (verdict == "note")
