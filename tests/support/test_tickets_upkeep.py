"""What happens to tickets without anybody (F2, F5, F21), and following one without an account (F16, F17)."""

from datetime import timedelta

import pytest

from accounts import mode
from bma_portal import retention
from bma_portal.errors import Refusal
from bma_portal.mail.compose import letters
from support import tickets, tokens
from support.models import Team, Ticket
from tests.factories import UserFactory
from tests.support.tickets_stage import AT, again, agent, asked, mails, on
from tests.together import together

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_a_deadline_is_announced_once_and_passed_on_once():
    ticket, by = asked(), agent(email="agente@exemple.test")
    tickets.take(ticket, by=by, at=AT)
    Team.objects.filter(pk="etnic").update(lead=agent(email="cheffe@exemple.test"))
    for hour, minute in ((11, 59), (12, 0), (12, 30), (13, 0), (13, 30), (16, 0)):
        tickets.tick(at=on(14, hour, minute))
    assert [(mail.kind, mail.to) for mail in mails()[1:]] == [
        ("ticket.due_soon", ["agente@exemple.test"]), ("ticket.overdue", ["cheffe@exemple.test"]),
    ]  # fmt: skip
    assert again(ticket).late
    assert [m.kind for m in tickets.thread_of(ticket, with_notes=False)] == ["request"]


def test_no_lead_the_team_s_address_is_told():
    asked()
    tickets.tick(at=on(14, 14))
    assert mails("ticket.overdue")[0].to == ["support@etnic.be"]


def test_a_new_question_has_its_own_warning():
    ticket = asked()
    tickets.answer(ticket, text="Essayez.", by=agent(), version=0, at=on(14, 10))
    tickets.requester_wrote(ticket, text="Non.", at=on(14, 11))
    tickets.tick(at=on(15, 12))
    tickets.answer(again(ticket), text="Et ainsi ?", by=agent(), version=None, at=on(15, 13))
    tickets.requester_wrote(ticket, text="Non plus.", at=on(15, 14))
    tickets.tick(at=on(18, 16))
    assert [mail.kind for mail in mails() if "overdue" in mail.kind] == ["ticket.overdue"] * 2


def test_a_ticket_left_aside_is_anybody_s_again_after_so_many_hours_of_opening():
    ticket = asked()
    by = agent()
    tickets.take(ticket, by=by, at=on(15, 10))
    tickets.tick(at=on(19, 9, 59))  # Friday, Monday and an hour less a minute: the week-end does not count
    assert again(ticket).assignee == by
    tickets.tick(at=on(19, 10))
    assert (again(ticket).assignee, again(ticket).status) == (None, "new")


def test_two_reminders_then_it_is_closed():
    ticket = asked()
    tickets.answer(ticket, text="Quelle version ?", by=agent(), version=0, at=on(14, 10))
    for day in range(15, 29):
        tickets.tick(at=on(day, 9))
    assert len(mails("ticket.reminder")) == 2
    now = again(ticket)
    assert (now.status, len(mails("ticket.closed"))) == ("closed", 1)
    assert "deux rappels" in mails("ticket.closed")[0].text


def test_while_an_incident_goes_on_nobody_s_silence_counts():
    by, other = agent(), agent()
    incident = tickets.declare(team="etnic", title="Webmail lent", text="Lent.", need="", by=by, at=AT)
    new, taken, waiting, left = (asked(first_name=name) for name in ("Ana", "Lou", "Noa", "Max"))
    for ticket in (new, taken, waiting, left):
        tickets.join(ticket, incident, by=by, at=AT)
    tickets.take(taken, by=other, at=AT)
    tickets.answer(waiting, text="Quelle version ?", by=other, version=None, at=on(14, 9, 30))
    tickets.update(incident, text="Nous y travaillons ; vous n’avez rien à faire.", by=by, at=on(14, 10))
    rows = [again(ticket) for ticket in (new, taken, waiting)]
    assert [(row.status, row.assignee) for row in rows] == [("open", by), ("open", other), ("open", other)]
    assert all(row.first_answered_at and row.asked_at is None and row.due_for == "solve" for row in rows)
    tickets.answer(again(waiting), text="Et depuis quand ?", by=other, version=None, at=on(14, 11))
    tickets.answer(again(left), text="Et chez vous ?", by=other, version=None, at=on(14, 11))
    for day in range(15, 30):
        tickets.tick(at=on(day, 9))
    assert not mails("ticket.reminder")
    assert not mails("ticket.closed")
    tickets.leave(again(left), by=by, at=on(29, 10))
    tickets.tick(at=on(30, 9))
    assert not mails("ticket.reminder")  # its days begin anew
    assert tickets.solve_incident(incident, text="C’est réparé.", by=by, at=on(30, 10)) == 3
    assert {again(ticket).status for ticket in (new, taken, waiting)} == {"solved"}


def test_a_solved_one_closes_by_itself_and_says_nothing_more():
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=on(14, 10))
    tickets.tick(at=on(24, 9))
    assert again(ticket).status == "solved"
    tickets.tick(at=on(24, 10))
    assert again(ticket).status == "closed"
    assert mails("ticket.closed") == []


def test_one_that_fails_does_not_stop_the_others(monkeypatch):
    first, second = asked(), asked()
    from support import ticket_mails

    real = ticket_mails.tell_alert

    def fails(mail_class, ticket, *, at):
        if ticket.pk == first.pk:
            raise RuntimeError("panne")
        real(mail_class, ticket, at=at)

    monkeypatch.setattr(ticket_mails, "tell_alert", fails)
    tickets.tick(at=on(14, 14))
    assert (again(first).late, again(second).late) == (False, True)


# Following


def code_of(ticket) -> str:
    return tokens.follow_code(again(ticket)).reveal()


def test_the_code_that_was_mailed_opens_the_ticket_once():
    ticket = asked()
    tickets.send_follow_code(ticket.reference.lower().replace("-", " "), at=AT)
    (row,) = mails("ticket.code")
    assert (row.text, row.to) == ("", ["camille@exemple.test"])  # stored nowhere
    (letter,) = letters([row], at=AT).values()
    assert code_of(ticket) in letter.text
    assert tickets.ticket_by_code(ticket.reference, code_of(ticket), at=AT) == ticket
    assert again(ticket).email_confirmed_at == AT
    with pytest.raises(Refusal):
        tickets.ticket_by_code(ticket.reference, code_of(ticket), at=AT)


@pytest.mark.parametrize("wrong", ["", "000000", "１２３４５６", "\0", "9" * 5000])
def test_a_wrong_code_opens_nothing_and_five_of_them_void_it(wrong):
    ticket = asked()
    tickets.send_follow_code(ticket.reference, at=AT)
    for _ in range(5):
        with pytest.raises(Refusal):
            tickets.ticket_by_code(ticket.reference, wrong, at=AT)
    with pytest.raises(Refusal):
        tickets.ticket_by_code(ticket.reference, code_of(ticket), at=AT)


def test_an_old_code_or_an_unknown_reference_say_the_same():
    ticket = asked()
    tickets.send_follow_code(ticket.reference, at=AT)
    said = set()
    for reference, code, at in (
        (ticket.reference, code_of(ticket), AT + timedelta(minutes=30)),
        ("D-BBBB-BBBB", "123456", AT),
        ("n’importe quoi", "123456", AT),
    ):
        with pytest.raises(Refusal) as refused:
            tickets.ticket_by_code(reference, code, at=at)
        said.add(str(refused.value))
    assert len(said) == 1
    tickets.send_follow_code("D-BBBB-BBBB", at=AT)
    assert len(mails("ticket.code")) == 1


def test_the_former_head_follows_nothing_any_more():
    ticket = asked()
    unit = ticket.mailbox.organisation
    former, new = UserFactory(email="camille@exemple.test"), UserFactory()
    mode.change_holder(unit, to=former, by="sgne", on=AT.date(), at=AT)
    assert tickets.may_follow(again(ticket), former, at=AT)
    tickets.send_follow_code(ticket.reference, at=AT)
    code = code_of(ticket)
    mode.change_holder(unit, to=new, by="sgne", on=on(18).date(), at=on(18))
    with pytest.raises(Refusal):
        tickets.ticket_by_code(ticket.reference, code, at=AT + timedelta(minutes=1))
    tickets.send_follow_code(ticket.reference, at=on(18))
    assert len(mails("ticket.code")) == 1
    tickets.answer(again(ticket), text="Bonjour", by=agent(), version=None, at=on(18))
    assert mails("ticket.answered") == []
    assert not tickets.may_follow(again(ticket), former, at=on(18))
    assert tickets.may_follow(again(ticket), new, at=on(18))  # whoever heads the unit now


def test_one_opinion_and_one_only():
    ticket = asked()
    token = tokens.opinion_token(ticket).reveal()
    with pytest.raises(Refusal):
        tickets.give_opinion(token, satisfied=True, comment="", at=AT)  # not solved yet
    tickets.solve(ticket, by=agent(), at=AT)
    tickets.give_opinion(token, satisfied=True, comment="Merci\0 !", at=AT)
    with pytest.raises(Refusal, match="déjà"):
        tickets.give_opinion(token, satisfied=False, comment="", at=AT)
    with pytest.raises(Refusal, match="plus valable"):
        tickets.give_opinion(token[:-2] + "AA", satisfied=False, comment="", at=AT)
    assert (again(ticket).satisfied, again(ticket).opinion) == (True, "Merci !")


# The end


def test_two_years_later_who_asked_and_what_was_said_are_gone():
    ticket = asked()
    tickets.close(ticket, why="fini", by=agent(), at=AT)
    retention.apply(at=AT + timedelta(days=731))
    now = again(ticket)
    assert (now.first_name, now.email, now.subject, now.need) == (
        "", "adresse-effacee@exemple.invalid", "", "technique",
    )  # fmt: skip
    assert {m.text for m in now.messages.all()} == {""}
    assert now.search is None


# At the same moment


@pytest.mark.django_db(transaction=True)
def test_of_ten_agents_who_take_it_at_once_one_has_it():
    ticket = asked()
    agents = [agent() for _ in range(10)]
    results = together(*[lambda one=one: tickets.take(ticket, by=one, version=0, at=AT) for one in agents])
    assert sum(isinstance(result, Ticket) for result in results) == 1
    assert again(ticket).version == 1


@pytest.mark.django_db(transaction=True)
def test_two_merges_that_cross_do_not_wait_for_each_other():
    one = asked()
    other = asked(one.mailbox)
    by = agent()
    results = together(
        lambda: tickets.merge(one, into=other, by=by, at=AT), lambda: tickets.merge(other, into=one, by=by, at=AT)
    )
    assert sum(isinstance(result, Refusal) for result in results) == 1
    assert Ticket.objects.filter(status="merged").count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_escalations_at_once_are_one_mail():
    asked()
    together(*[lambda: tickets.tick(at=on(14, 14))] * 8)
    assert len(mails("ticket.overdue")) == 1
