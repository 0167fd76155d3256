"""What an attacker and a tired person found in the desk: each once, with what holds now."""

from datetime import timedelta

import pytest
from django.db import connection

from bma_portal import clock, retention
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from support import attachments, canned, forms_contact, tickets
from support.models import Draft, Message, Ticket, TicketChange
from support.proofs import Prepared
from support.reading import Page as Image
from tests.factories import MailboxFactory, UserFactory
from tests.factories_holders import HolderFactory
from tests.factories_tickets import IncidentFactory
from tests.sign_in import sign_in
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def closed(mailbox=None, **fields) -> Ticket:
    ticket = asked(mailbox, **fields)
    tickets.close(ticket, why="Réglé par téléphone.", by=agent(), at=on(14, 10))
    return again(ticket)


def left(ticket: Ticket) -> Ticket:
    """Its requester is no longer titulaire (A6)."""
    Ticket.objects.filter(pk=ticket.pk).update(revoked_at=AT)
    return again(ticket)


# Who is told


def test_the_suite_of_a_closed_ticket_is_answered_to_whoever_wrote_it():
    ticket = closed(user=UserFactory(), phone="0470 00 00 00")
    writer = {"first_name": "Nadia", "last_name": "Inventée", "email": "ec000999@adm.cfwb.be"}
    message = tickets.requester_wrote(ticket, text="La panne revient.", writer=writer, by_mail=True, at=on(18))
    suite = message.ticket
    assert suite.follows == ticket
    assert (suite.email, suite.requester_name, suite.phone, suite.user) == (
        "ec000999@adm.cfwb.be", "Nadia Inventée", "", None,
    )  # fmt: skip
    assert mails("ticket.received")[-1].to == ["ec000999@adm.cfwb.be"]


def test_the_suite_of_a_former_head_s_ticket_never_reaches_them():
    ticket = left(closed(user=UserFactory()))
    with pytest.raises(Refusal, match="n’a plus accès"):
        tickets.requester_wrote(ticket, text="La panne revient.", at=on(18))
    writer = {"first_name": "", "last_name": "", "email": "nouvelle@exemple.test"}
    suite = tickets.requester_wrote(ticket, text="La panne revient.", writer=writer, at=on(18)).ticket
    assert (suite.email, suite.user) == ("nouvelle@exemple.test", None)


def test_a_second_message_to_a_closed_ticket_joins_the_suite_that_is_open():
    ticket = closed()
    first = tickets.requester_wrote(ticket, text="La panne revient.", at=on(18))
    second = tickets.requester_wrote(ticket, text="J’oubliais : depuis hier.", at=on(18, 10))
    assert second.ticket == first.ticket
    assert Ticket.objects.count() == 2


def test_a_former_head_is_no_copy_of_a_joined_ticket():
    mailbox, by = MailboxFactory(), agent()
    stays, goes = asked(mailbox), left(asked(mailbox, email="ancien@exemple.test"))
    tickets.merge(goes, into=stays, by=by, at=on(14, 10))
    assert again(stays).copies == []


def test_a_copy_who_left_the_unit_is_told_nothing_more():
    mailbox, by = MailboxFactory(), agent()
    head = UserFactory(email="tete@exemple.test")
    stays, goes = asked(mailbox), asked(mailbox, email="tete@exemple.test", user=head)
    tickets.merge(goes, into=stays, by=by, at=on(14, 10))
    assert again(stays).copies == ["tete@exemple.test"]
    tickets.revoke(head, mailbox.organisation_id, at=on(14, 11))
    assert again(stays).copies == []


def test_what_waits_to_leave_for_a_former_head_does_not_leave():
    head = UserFactory(email="tete@exemple.test")
    ticket = asked(email="tete@exemple.test", user=head)
    tickets.answer(ticket, text="Essayez ceci.", by=agent(), version=0, at=on(14, 10))
    tickets.revoke(head, ticket.mailbox.organisation_id, at=on(14, 11))
    assert {mail.status for mail in mails("ticket.answered")} == {OutgoingMail.Status.CANCELLED}


def test_the_new_requester_of_a_former_head_s_ticket_is_told():
    ticket, by = left(asked()), agent()
    fields = {"first_name": "Nadia", "last_name": "Inventée", "email": "nadia@exemple.test", "phone": ""}
    tickets.change_requester(ticket, **fields, by=by, at=on(14, 10))
    tickets.answer(again(ticket), text="Essayez ceci.", by=by, version=None, at=on(14, 11))
    assert [mail.to for mail in mails("ticket.answered")] == [["nadia@exemple.test"]]


def test_a_holder_s_message_bears_their_own_name(client):
    clock.set_for_every_process(AT)
    ticket = closed(email="autre@exemple.test")
    head = UserFactory(email="tete@exemple.test", first_name="Nadia", last_name="Inventée")
    HolderFactory(user=head, organisation=ticket.mailbox.organisation)
    sign_in(client, head)
    client.post(f"/demandes/suivi/{ticket.reference}/", {"text": "La panne revient."})
    suite = Ticket.objects.exclude(pk=ticket.pk).get()
    assert (suite.email, suite.requester_name) == ("tete@exemple.test", "Nadia Inventée")
    assert suite.messages.get().author_name == "Nadia Inventée"


def test_an_acknowledgement_repeats_nothing_that_a_stranger_typed():
    asked(subject="Gagnez un prix : http://mauvais.test")
    mail = mails("ticket.received")[0]
    assert "mauvais.test" not in mail.text + mail.html + mail.subject
    asked(subject="Page blanche", user=UserFactory(email="camille@exemple.test"))
    assert "Page blanche" in mails("ticket.received")[1].text


def test_one_address_gets_so_many_acknowledgements_an_hour(client, monkeypatch):
    from support.views import tickets as views
    from tests.support.test_holder_tickets import sent

    clock.set_for_every_process(AT)
    monkeypatch.setattr(forms_contact, "SECONDS_TO_FILL", -1)
    monkeypatch.setattr("support.views.ticket_mailbox.PER_PLACE", ())
    monkeypatch.setattr(views, "ACKNOWLEDGED", views.Limit("demande-accuse", 2, 3600))
    for _ in range(3):
        assert client.post("/demandes/nouvelle/", sent(MailboxFactory())).status_code == 302
    assert Ticket.objects.count() == 3
    assert len(mails("ticket.received")) == 2


def test_a_second_click_opens_no_second_ticket(client, monkeypatch):
    from tests.support.test_holder_tickets import sent

    clock.set_for_every_process(AT)
    monkeypatch.setattr(forms_contact, "SECONDS_TO_FILL", -1)
    said = sent(MailboxFactory())
    for _ in range(2):
        address = client.post("/demandes/nouvelle/", said)["Location"]
    ticket = Ticket.objects.get()
    assert ticket.reference in client.get(address).content.decode()
    client.post("/demandes/nouvelle/", said | {"text": "Autre chose encore."})
    assert Ticket.objects.count() == 2


# Whose ticket it is


def test_a_ticket_that_changes_team_leaves_the_incident_of_the_former_one():
    by = agent("etnic")
    ticket, incident = asked(), IncidentFactory(opened_by=by, opened_at=AT)
    tickets.join(ticket, incident, by=by, at=on(14, 10))
    tickets.transfer(again(ticket), to="sgne", why="Question de calendrier.", by=by, at=on(14, 11))
    assert again(ticket).incident is None
    assert tickets.update(incident, text="La panne est finie.", by=by, at=on(14, 12)) == 0


def test_a_list_says_nothing_of_another_team_s_tickets(client):
    mailbox, by = MailboxFactory(), agent("etnic")
    asked(mailbox), asked(mailbox, team="sgne")
    sign_in(client, by)
    clock.set_for_every_process(AT)
    assert "une autre demande est ouverte" not in client.get("/desk/").content.decode()


def test_a_document_of_a_theft_that_was_sorted_otherwise_becomes_personal():
    ticket, by = asked(), agent()
    prepared = Prepared([Image(b"\xff\xd8pv")], to_scan=False)
    attachments.attach(ticket.messages.get(), prepared, label="pv.pdf", personal=False, at=AT)
    tickets.set_need(ticket, need="vol", by=by, at=on(14, 10))
    assert attachments.personal_of(again(ticket)).count() == 1


# Nothing is forgotten


def test_a_question_that_joins_a_ticket_that_waits_is_a_question_still():
    mailbox, by = MailboxFactory(), agent()
    stays, goes = asked(mailbox), asked(mailbox)
    tickets.answer(stays, text="Essayez ceci.", by=by, version=0, at=on(14, 10))
    tickets.merge(goes, into=again(stays), by=by, at=on(14, 11))
    stays = again(stays)
    assert (stays.status, stays.assignee, stays.held_since) == ("open", by, None)
    assert stays.due_at


def test_a_ticket_that_comes_back_is_not_taken_from_its_agent_at_once():
    ticket, by = asked(), agent()
    tickets.answer(ticket, text="Essayez ceci.", by=by, version=0, at=on(14, 10))
    tickets.requester_wrote(again(ticket), text="Toujours rien.", at=on(27, 10))
    tickets.tick(at=on(27, 10, 5))
    assert again(ticket).assignee == by
    tickets.solve(again(ticket), by=by, at=on(27, 11))
    tickets.requester_wrote(again(ticket), text="Cela revient.", at=on(4, 10, month=12))
    tickets.tick(at=on(4, 10, 5, month=12))
    assert again(ticket).assignee == by


def test_a_second_answer_gives_the_requester_as_much_time_as_the_first():
    ticket, by = asked(), agent()
    tickets.answer(ticket, text="Essayez ceci.", by=by, version=0, at=on(14, 10))
    for day in range(15, 28):
        tickets.tick(at=on(day, 10))
    assert again(ticket).reminders == 2
    tickets.answer(again(ticket), text="Ou cela.", by=by, version=None, at=on(27, 12))
    held = again(ticket).held_minutes
    for hour in (13, 14):
        tickets.tick(at=on(29, hour))
    ticket = again(ticket)
    assert (ticket.status, ticket.reminders) == ("waiting", 0)
    assert held == (9 * 9 + 2) * 60


def test_a_draft_saved_while_the_ticket_is_joined_goes_with_it():
    mailbox, by = MailboxFactory(), agent()
    stays, goes = asked(mailbox), asked(mailbox)
    tickets.merge(goes, into=stays, by=agent(), at=on(14, 10))
    tickets.save_draft(again(goes), text="Une longue réponse", by=by, at=on(14, 11))
    assert Draft.objects.get().ticket == stays


def test_many_who_wait_for_longer_do_not_keep_the_others_from_being_reminded(monkeypatch):
    from support.tickets import upkeep

    monkeypatch.setattr(upkeep, "CHUNK", 1)
    by = agent()
    old = asked()
    tickets.answer(old, text="Essayez.", by=by, version=0, at=on(14, 10))
    tickets.tick(at=on(19, 11))
    new = asked(at=on(14, 11))
    tickets.answer(new, text="Essayez.", by=by, version=0, at=on(15, 10))
    tickets.tick(at=on(20, 12))
    assert [again(ticket).reminders for ticket in (old, new)] == [1, 1]


def test_a_long_thread_can_still_be_written_to():
    ticket = asked()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE support_ticket SET search = to_tsvector('simple', (SELECT string_agg(md5(n::text), ' ') "
            "FROM generate_series(1, 28500) AS n)) WHERE id = %s",
            [ticket.pk],
        )
    text = " ".join(f"{n * 7919:x}mot" for n in range(2500))
    tickets.requester_wrote(ticket, text=text, at=on(14, 10))
    assert ticket.messages.count() == 2


# Words


@pytest.mark.parametrize("left", ["{Prénom}", "{ prénom }", "{PRÉNOM}", "{date migration}"])
def test_no_variable_leaves_however_it_is_written(left):
    with pytest.raises(Refusal, match="accolades"):
        canned.refuse_unresolved(f"Bonjour {left},")


def test_the_longest_names_can_ask_and_write_again():
    ticket = asked(first_name="A" * 80, last_name="B" * 80)
    tickets.answer(ticket, text="Essayez.", by=agent(), version=0, at=on(14, 10))
    tickets.requester_wrote(again(ticket), text="Merci.", at=on(14, 11))
    assert again(ticket).status == "open"


@pytest.mark.parametrize("query", ["au=9999-12-31", "du=9999-12-31", f"incident={10**30}", "q=%00&numero=%00"])
def test_hostile_criteria_are_no_failure(client, query):
    sign_in(client, agent())
    clock.set_for_every_process(AT)
    assert client.get(f"/desk/?file=toutes&{query}").status_code == 200
    assert client.get(f"/desk/export/?file=toutes&{query}").status_code == 200


def test_tries_without_end_at_a_code_are_no_failure():
    ticket = asked()
    Ticket.objects.filter(pk=ticket.pk).update(code_tries=32767)
    with pytest.raises(Refusal):
        tickets.ticket_by_code(ticket.reference, "000000", at=AT)


# What stays


def test_after_two_years_nothing_of_the_person_is_left():
    user = UserFactory(email="camille@exemple.test")
    ticket, by = asked(user=user), agent(first_name="Léna", last_name="Inventée")
    prepared = Prepared([Image(b"\xff\xd8x")], to_scan=False)
    attachments.attach(ticket.messages.get(), prepared, label="Camille Fictive.pdf", personal=False, at=AT)
    tickets.answer(ticket, text="Essayez.", by=by, version=0, at=on(14, 10))
    tickets.requester_wrote(again(ticket), text="Merci.", at=on(14, 11))
    tickets.save_draft(again(ticket), text="Bonjour Camille", by=by, at=on(14, 12))
    tickets.close(again(ticket), why="Camille Fictive a téléphoné.", by=by, at=on(14, 13))
    retention.apply(at=on(14, 13) + timedelta(days=800))
    assert not Draft.objects.exists()
    assert not Message.objects.filter(author=user).exists()
    assert not attachments.Attachment.objects.exclude(label="").exists()
    said = [f"{row.by_name} {row.why}" for row in TicketChange.objects.filter(ticket=ticket)]
    said += [f"{row.by} {row.note}" for row in StateChange.objects.filter(object_id=ticket.pk)]
    assert not [words for words in said if "Camille" in words]
