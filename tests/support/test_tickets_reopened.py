"""A ticket that goes on: solved then written to, handed over, given back, left unanswered (E9, E10, F1 to F4, F20)."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from support import queues, tickets
from support.models import Message, RoutingRule, Ticket, TicketChange
from tests.factories import MailboxFactory
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def to_take(at) -> list[Ticket]:
    """What « À prendre » shows."""
    return list(queues.wanted(queues.read({"file": "a-prendre"}), team="etnic", user=agent(), at=at))


# Solved, and opened again


def test_one_that_nobody_had_taken_is_to_be_taken_again_when_its_requester_writes():
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=on(14, 10))
    tickets.requester_wrote(ticket, text="Non, toujours pas.", at=on(15))
    assert (again(ticket).status, again(ticket).assignee) == ("new", None)
    assert to_take(on(15)) == [ticket]


def test_one_that_nobody_had_taken_is_to_be_taken_again_when_the_desk_reopens_it():
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=on(14, 10))
    tickets.reopen(ticket, by=agent(), at=on(15))
    assert again(ticket).status == "new"
    assert to_take(on(15)) == [ticket]


def test_one_in_progress_is_somebodys_or_the_database_refuses_it():
    ticket = asked()
    with pytest.raises(IntegrityError, match="ticket_open_is_taken"), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(status="open")


def test_those_that_stood_in_no_queue_are_to_be_taken_again():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE support_ticket DROP CONSTRAINT ticket_open_is_taken")  # as it was before
    lost, followed = asked(), asked()
    tickets.take(followed, by=agent(), at=AT)
    Ticket.objects.filter(pk=lost.pk).update(status="open")
    assert to_take(AT) == []
    import_module("support.migrations.0006_open_is_taken").put_back(apps, None)
    assert to_take(AT) == [lost]
    assert again(followed).status == "open"


@pytest.mark.parametrize("by_the_desk", [True, False])
def test_while_it_was_solved_its_clock_stood_still(by_the_desk):
    ticket = asked()
    tickets.answer(ticket, text="C’est réparé.", by=agent(), version=0, then="solved", at=on(14, 10))
    if by_the_desk:
        tickets.reopen(ticket, by=agent(), at=on(24))
    else:
        tickets.requester_wrote(ticket, text="Ça recommence.", at=on(24))
    now = again(ticket)
    assert now.held_minutes == now.held_minutes_team == (7 + 6 * 9) * 60  # from Thursday at ten to Friday evening
    assert (now.due_for, now.due_at) == ("next", on(25, 16))  # the 24th is a Sunday
    tickets.tick(at=on(24, 9, 1))
    assert not again(ticket).late
    assert mails("ticket.overdue") == []
    tickets.answer(again(ticket), text="Encore une minute.", by=agent(), version=None, then="open", at=on(25, 9))
    assert (again(ticket).due_for, again(ticket).due_at) == ("solve", on(29, 16))  # 44 of 45 hours were left


def test_one_that_was_never_answered_still_owes_its_first_answer_and_no_more_than_was_left():
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=on(14, 10))
    tickets.requester_wrote(ticket, text="Non, toujours pas.", at=on(18))
    assert (again(ticket).due_for, again(ticket).due_at) == ("first", on(18, 12))


def test_what_the_desk_reopens_has_its_own_next_answer_and_its_own_warning():
    ticket, by = asked(), agent()
    tickets.answer(ticket, text="Essayez.", by=by, version=0, at=on(14, 10))
    tickets.requester_wrote(ticket, text="Non.", at=on(14, 11))
    tickets.tick(at=on(15, 12))  # a first « next » that is told, and passed on
    tickets.answer(again(ticket), text="Et ainsi ?", by=by, version=None, at=on(15, 13))
    tickets.solve(ticket, by=by, at=on(18, 13))  # the requester was waited for meanwhile
    tickets.reopen(ticket, by=by, at=on(19))
    assert (again(ticket).due_for, again(ticket).due_at) == ("next", on(19, 17))
    told = len(mails("ticket.overdue"))
    tickets.tick(at=on(20, 9))
    assert len(mails("ticket.overdue")) == told + 1


# From one team to another


def test_whoever_receives_what_nobody_answered_has_its_own_first_answer_to_give():
    ticket = asked()
    tickets.tick(at=on(15))  # late for the first team
    assert [mail.to for mail in mails("ticket.overdue")] == [["support@etnic.be"]]
    tickets.transfer(ticket, to="sgne", why="La date est en cause.", by=agent(), at=on(18))
    assert (again(ticket).due_for, again(ticket).due_at) == ("team", on(18, 13))
    tickets.tick(at=on(18, 9, 1))
    assert len(mails("ticket.overdue")) == 1  # nothing for the lead of the receiver
    tickets.tick(at=on(18, 13))
    assert len(mails("ticket.overdue")) == 2
    assert again(ticket).opened_at == AT  # the total stays


def test_the_receiver_solves_it_without_a_word_and_is_not_late_at_once_when_it_comes_back():
    ticket = asked()
    tickets.transfer(ticket, to="sgne", why="La date est en cause.", by=agent(), at=on(18))
    tickets.solve(ticket, by=agent("sgne"), at=on(18, 10))
    tickets.requester_wrote(ticket, text="Non, toujours pas.", at=on(19))
    assert (again(ticket).due_for, again(ticket).due_at) == ("team", on(19, 12))


def test_joining_an_older_one_of_the_same_team_is_no_handover():
    older = asked()
    newer = asked(older.mailbox, at=on(14, 11))
    tickets.merge(older, into=newer, by=agent(), at=on(14, 12))
    assert (again(newer).due_for, again(newer).due_at) == ("first", on(14, 13))


def test_joining_one_that_was_solved_counts_no_minute_of_its_rest():
    older = asked()
    tickets.answer(older, text="C’est réparé.", by=agent(), version=0, then="solved", at=on(14, 10))
    newer = asked(older.mailbox, at=on(24))
    tickets.merge(older, into=newer, by=agent(), at=on(25, 9))
    assert again(newer).due_at > on(25, 9)


# A wrong team


def test_a_rule_that_was_right_is_not_blamed_for_what_a_person_did():
    ticket = asked(need="procedure")
    rule = ticket.rule
    assert (ticket.team, rule.team) == ("sgne", "sgne")
    tickets.transfer(ticket, to="etnic", why="Outlook, je crois.", by=agent("sgne"), at=on(14, 10))
    tickets.give_back(again(ticket), why="Ce n’est pas technique.", by=agent(), at=on(14, 11))
    assert again(ticket).team == "sgne"
    assert not RoutingRule.objects.filter(returns__isnull=False).exists()
    tickets.give_back(again(ticket), why="Pas la migration non plus.", by=agent("sgne"), at=on(14, 12))
    assert TicketChange.objects.get(returned_rule__isnull=False).returned_rule == rule  # it did send it there


# Left without an answer


def test_a_theft_whose_list_is_open_is_given_back_to_its_team_and_not_closed():
    ticket, by = asked(MailboxFactory(), need="vol", subject="PC volé"), agent()
    tickets.answer(ticket, text="Envoyez-nous le procès-verbal.", by=by, version=0, at=on(14, 10))
    for day in range(15, 29):
        tickets.tick(at=on(day, 9))
    now = again(ticket)
    assert (now.status, now.closed_at, mails("ticket.closed")) == ("open", None, [])
    note = Message.objects.get(ticket=ticket, kind="note")
    assert (note.author_name, note.mail) == ("portail", None)
    assert "sans réponse" in note.text.lower()
    assert "procès-verbal" in note.text
    assert now.due_at > on(28, 9)
    reminders = mails("ticket.reminder")
    assert len(reminders) == 2
    assert all("fermée" not in mail.text + mail.html for mail in reminders)  # it would not be


def test_a_theft_that_nobody_follows_is_to_be_taken_again():
    ticket, by = asked(need="vol", subject="PC volé"), agent()
    tickets.answer(ticket, text="Envoyez-nous le procès-verbal.", by=by, version=0, at=on(14, 10))
    tickets.release(ticket, by=by, at=on(14, 11))
    for day in range(15, 29):
        tickets.tick(at=on(day, 9))
    assert again(ticket).status == "new"
    assert to_take(on(28)) == [ticket]


def test_it_is_said_once_and_waits_anew_only_after_an_answer():
    ticket, by = asked(need="vol", subject="PC volé"), agent()
    tickets.answer(ticket, text="Envoyez-nous le procès-verbal.", by=by, version=0, at=on(14, 10))
    for day in range(15, 31):
        for hour in (9, 12, 16):
            tickets.tick(at=on(day, hour))
    assert Message.objects.filter(ticket=ticket, kind="note").count() == 1
    tickets.answer(again(ticket), text="Nous attendons toujours.", by=by, version=None, at=on(2, 9, month=12))
    tickets.tick(at=on(2, 10, month=12))
    assert again(ticket).status == "waiting"
