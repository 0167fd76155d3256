"""A ticket that was split from another: who is told of it, where later mails go, what its clock counts from (F8)."""

import html

import pytest
from django.test import Client

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support import exports, figures, incoming, ticket_mails, tickets, tokens
from support.models import IncomingMail, Message, Ticket
from support.tickets.splitting import Split
from tests.support.corpus.making import mail
from tests.support.inbox_stage import memory
from tests.support.split_stage import LATER, SECOND, found_by, split, two
from tests.support.ticket_stage import attached
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]
__all__ = ["memory", "two"]  # fixtures
CAMILLE = "camille@exemple.test"


# Who is told


def test_the_requester_is_told_once_with_the_new_reference_and_the_reason(two):
    ticket, message = two
    before = OutgoingMail.objects.count()
    new = split(ticket, message)
    assert OutgoingMail.objects.count() == before + 1
    (told,) = mails("ticket.split")
    assert (told.to, told.sender, told.status) == ([CAMILLE], "sgne", "queued")
    assert told.subject.endswith(f"[{new.reference}]")
    for body in (told.text, told.html):
        assert new.reference in body
        assert ticket.reference in body
        assert "14 novembre 2024" in body
        assert SECOND not in body  # to an address that anybody may have typed
        assert new.subject not in body
    assert new.reason in told.text
    ticket_mails.tell_requester(Split, new, about=new.messages.get(kind="event"), at=on(15, 11))
    assert len(mails("ticket.split")) == 1  # by its key


def test_a_team_that_works_by_mail_gets_the_new_one_as_any_other(two):
    ticket, message = two
    attached(message)
    new = split(ticket, message, need="panne", answers={"livraison": "2023-01-10"}, subject="Écran noir")
    assert new.team == "priminfo"
    (told,) = mails("ticket.for_team")
    assert SECOND in told.text
    assert "fenêtre grise" not in told.text
    assert "Une demande vous est confiée" in told.text
    assert told.attachments.count() == 2  # pages


def test_what_breaks_on_the_way_leaves_everything_as_it_was(two, monkeypatch):
    ticket, message = two

    def broken(*args, **kwargs):
        raise RuntimeError("panne")

    monkeypatch.setattr("support.tickets.splitting.audit.record", broken)
    with pytest.raises(RuntimeError):
        split(ticket, message)
    assert Ticket.objects.get() == ticket
    assert not mails("ticket.split")
    assert again(ticket).version == 1
    assert found_by("fusionne") == {ticket}


# Mails that come later


def test_an_answer_to_a_mail_that_moved_or_to_the_one_that_told_of_it_reaches_the_new_one(memory):
    clock.set_for_every_process(AT)
    ticket = asked()
    ours = mails("ticket.received")[0].message_id
    author = f"Camille Fictive <{CAMILLE}>"
    memory.put("etnic", mail(author=author, text=SECOND, answers=ours, message_id="<deux@exemple.test>"), at=AT)
    incoming.tick(at=AT)
    row = IncomingMail.objects.get()
    assert row.ticket == ticket
    new = split(ticket, row.message)
    row.refresh_from_db()
    assert (row.ticket, row.message.ticket) == (new, new)

    clock.set_for_every_process(on(15, 11))
    told = mails("ticket.split")[0]
    for words, answers, where in (
        ("Suite de mon mail.", "<deux@exemple.test>", new),
        ("Merci pour la référence.", told.message_id, new),
        ("Outlook marche.", ours, ticket),
    ):
        memory.put("etnic", mail(author=author, text=words, answers=answers), at=on(15, 11))
        incoming.tick(at=on(15, 11))
        assert Message.objects.get(text=words).ticket == where
    subject = f"Re: ma question [{new.reference}]"
    memory.put("etnic", mail(author=author, text="Par la référence.", subject=subject), at=on(15, 11))
    incoming.tick(at=on(15, 11))
    assert Message.objects.get(text="Par la référence.").ticket == new


def test_once_the_former_one_is_closed_what_is_written_there_opens_a_suite_and_is_no_part_of_the_other(two):
    ticket, message = two
    new = split(ticket, message)
    tickets.close(ticket, why="réglé", by=agent(), at=on(15, 11))
    first = tickets.requester_wrote(ticket, text="Outlook recommence.", at=on(16, 9))
    suite = first.ticket
    assert suite not in {ticket, new}
    assert (suite.need, suite.team, suite.follows) == ("technique", "etnic", ticket)
    assert tickets.requester_wrote(ticket, text="Toujours.", at=on(17, 9)).ticket == suite


# The clock


def test_another_team_has_its_own_first_answer_to_give_and_the_solution_counts_from_the_message(two):
    ticket, message = two
    new = split(ticket, message)
    assert (new.opened_at, new.asked_at, new.team_since) == (on(14, 11), on(14, 11), LATER)
    assert (new.due_for, new.due_at) == ("team", on(15, 14))


def test_the_same_team_counts_from_the_day_on_which_it_was_written(two):
    ticket, message = two
    new = split(ticket, message, need="technique")
    assert new.team == "etnic"
    assert (new.opened_at, new.team_since) == (on(14, 11), on(14, 11))
    assert (new.due_for, new.due_at) == ("first", on(14, 15))
    tickets.tick(at=LATER)
    tickets.tick(at=on(15, 11))
    assert [told.object_id for told in mails("ticket.overdue")].count(new.pk) == 1


def test_what_was_not_answered_here_counts_no_more_once_it_is_answered_elsewhere(two):
    ticket, _ = two
    tickets.answer(ticket, text="Essayez ceci.", by=agent(), version=None, at=on(14, 12))
    third = tickets.requester_wrote(ticket, text="Encore autre chose.", at=on(14, 13))
    fourth = tickets.requester_wrote(ticket, text="Et Outlook ?", at=on(14, 14))
    assert again(ticket).asked_at == on(14, 13)
    split(ticket, third)
    assert (again(ticket).asked_at, again(ticket).due_for) == (on(14, 14), "next")
    split(ticket, fourth)
    assert (again(ticket).asked_at, again(ticket).due_for) == (None, "solve")
    assert again(ticket).first_answered_at == on(14, 12)
    assert again(ticket).opened_at == AT


def test_a_handed_over_ticket_keeps_the_answer_that_its_team_owes(two):
    ticket, _ = two
    tickets.answer(ticket, text="Essayez ceci.", by=agent(), version=None, at=on(14, 12))
    third = tickets.requester_wrote(ticket, text="Encore autre chose.", at=on(14, 13))
    tickets.transfer(ticket, to="sgne", why="Une date.", by=agent(), at=on(14, 14))
    split(ticket, third, need="technique", by=agent("sgne"))
    assert (again(ticket).asked_at, again(ticket).due_for) == (on(14, 14), "team")


def test_figures_and_the_export_count_each_where_and_when_it_was_asked(two):
    ticket, message = two
    new = split(ticket, message)
    month = figures.period("2024-11-01", "2024-11-30", at=on(30))
    found = figures.tickets(["etnic", "sgne"], month, at=on(30))
    assert (found.total.opened, {line.label: line.opened for line in found.tables["team"]}) == (
        2,
        {"ETNIC": 1, "SGNE": 1},
    )
    lines = "".join(exports.rows(Ticket.objects.all()))
    assert lines.count(new.reference) == lines.count(ticket.reference) == 1


# What the requester follows


def test_each_is_followed_with_its_own_reference_and_code(two):
    ticket, message = two
    new = split(ticket, message)
    pages = {}
    for one in (ticket, new):
        client = Client()
        client.post("/demandes/suivi/", {"reference": one.reference})
        code = tokens.follow_code(again(one)).reveal()
        where = client.post("/demandes/suivi/code/", {"code": code})["Location"]
        pages[one] = html.unescape(client.get(where).content.decode())
    assert SECOND not in pages[ticket]
    assert f"la suite est sous la référence {new.reference}" in pages[ticket]
    assert SECOND in pages[new]
    assert f"Votre demande {ticket.reference} portait sur plusieurs choses" in pages[new]
