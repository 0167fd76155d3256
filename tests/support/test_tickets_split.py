"""Two questions in one ticket become two tickets (F8): what goes, what stays, who asks, what is refused."""

import pytest

from bma_portal.audit import AuditEntry
from bma_portal.errors import Refusal
from support import attachments, tickets
from support.models import Attachment, Draft, Message, Ticket, TicketChange, Watcher
from support.ticket_history import history_of
from support.tickets import NoTicket, Stale
from tests.factories import UserFactory
from tests.support.split_stage import LATER, SECOND, found_by, split, two
from tests.support.ticket_stage import attached
from tests.support.tickets_stage import AT, again, agent, asked, mails, on
from tests.together import together

pytestmark = [pytest.mark.django_db, pytest.mark.database]
__all__ = ["two"]  # a fixture
CAMILLE, LOU = "camille@exemple.test", "lou@exemple.test"


# What goes, what stays


def test_a_message_moves_as_it_is_and_the_rules_say_to_whom(two):
    ticket, message = two
    new = again(split(ticket, message))
    moved = Message.objects.get(pk=message.pk)
    assert (moved.ticket, moved.origin, moved.written_at, moved.text) == (new, ticket, on(14, 11), SECOND)
    assert moved.author_name == "Camille Fictive"
    assert (new.mailbox, new.need, new.subject, new.status) == (ticket.mailbox, "procedure", "Quelle date ?", "new")
    assert (new.requester_name, new.email, new.phone) == ("Camille Fictive", CAMILLE, "+32 470 00 00 00")
    assert (new.team, new.rule.team, bool(new.reason), bool(new.source)) == ("sgne", "sgne", True, True)
    assert new.reference != ticket.reference
    assert new.follows == ticket
    assert [m.kind for m in again(ticket).messages.all()] == ["request", "event"]


def test_both_say_where_the_other_is_who_did_it_and_when(two):
    ticket, message = two
    lena = agent(first_name="Léna", last_name="Inventée")
    new = split(ticket, message, by=lena)
    here = TicketChange.objects.get(ticket=ticket)
    there = TicketChange.objects.get(ticket=new)
    assert (here.field, here.old, here.new) == ("a séparé", "le message du 14 novembre 2024", new.reference)
    assert (there.field, there.old, there.new) == ("séparée de", "", ticket.reference)
    assert {(change.by, change.by_name, change.at) for change in (here, there)} == {(lena, "Léna Inventée", LATER)}
    assert new.reference in ticket.messages.get(kind="event").text
    assert ticket.reference in new.messages.get(kind="event").text
    lines = [line.what for line in history_of(new, at=LATER)]
    assert lines == ["message du demandeur", "séparée de", "étape", "demande séparée d’une autre"]
    line = next(line for line in history_of(ticket, at=LATER) if line.what == "a séparé")
    assert (line.old, line.new, line.who) == (here.old, new.reference, "Léna Inventée")
    assert history_of(new, at=LATER)[0].of == ticket.reference
    entry = AuditEntry.objects.get(action="ticket.split")
    assert (entry.object_id, entry.details) == (str(ticket.pk), {"into": new.reference})


def test_files_quotes_and_layout_go_along_and_a_personal_document_stays_one(two):
    ticket, _ = two
    message = tickets.requester_wrote(
        ticket, text="Voici ma carte.", quoted="> votre carte ?", html="<p>Voici ma carte.</p>", by_mail=True, at=AT
    )
    kept, card = attached(message), attached(message, personal=True, label="Carte")
    other = attached(ticket.messages.earliest("pk"))
    new = split(ticket, message)
    moved = new.messages.get(kind="request")
    assert (moved.quoted, moved.html, moved.by_mail) == ("> votre carte ?", "<p>Voici ma carte.</p>", True)
    assert new.channel == "mail"
    files = {file.pk: file.personal for file in Attachment.objects.filter(message__ticket=new)}
    assert files == {kept.pk: False, card.pk: True}
    assert Attachment.objects.get(message__ticket=ticket) == other
    assert attachments.open_pages(card, at=AT) == [b"\xff\xd8page une", b"\xff\xd8page deux"]


def test_files_of_a_theft_become_personal_and_those_that_stay_do_not(two):
    ticket, message = two
    attached(message)
    stays = attached(ticket.messages.earliest("pk"))
    new = split(ticket, message, need="vol", subject="PC volé")
    assert Attachment.objects.get(message__ticket=new).personal
    assert not Attachment.objects.get(pk=stays.pk).personal


def test_drafts_watchers_notes_answers_and_the_list_stay(two):
    ticket, message = two
    one = agent()
    tickets.take(ticket, by=one, at=on(14, 12))
    tickets.note(ticket, text="Une note.", by=one, at=on(14, 12))
    tickets.answer(ticket, text="Essayez ceci.", by=one, version=None, then="open", at=on(14, 13))
    tickets.save_draft(ticket, text="Je cherche.", by=one, at=on(14, 14))
    tickets.watch(ticket, by=agent())
    new = split(ticket, message)
    assert Draft.objects.get().ticket == ticket
    assert Watcher.objects.get().ticket == ticket
    assert [m.kind for m in new.messages.all()] == ["request", "event"]
    assert [m.kind for m in ticket.messages.all()] == ["request", "note", "answer", "event"]
    assert (new.assignee, again(ticket).assignee) == (None, one)


def test_several_go_together_in_the_order_in_which_they_were_written(two):
    ticket, second = two
    third = tickets.requester_wrote(ticket, text="Et le lot ?", at=on(15, 9))
    new = split(ticket, third, second)
    assert [m.text for m in new.messages.filter(kind="request")] == [SECOND, "Et le lot ?"]
    assert new.opened_at == on(14, 11)
    change = TicketChange.objects.get(ticket=ticket, field="a séparé")
    assert change.old == "les 2 messages du 14 novembre 2024 au 15 novembre 2024"
    assert "Les 2 messages du 14 novembre" in ticket.messages.get(kind="event").text


def test_words_are_found_where_they_are_now_and_names_where_they_were(two):
    ticket, message = two
    fields = {"first_name": "Nadia", "last_name": "Inventée", "email": "nadia@exemple.test", "phone": ""}
    tickets.change_requester(ticket, **fields, by=agent(), at=on(14, 12))
    assert found_by("fusionne") == {ticket}
    new = split(ticket, message)
    assert found_by("fusionne") == {new}
    assert found_by("fenetre grise") == {ticket}
    assert found_by(ticket.reference.replace("-", "")) == {ticket}
    assert found_by(new.reference.replace("-", "")) == {new}
    assert found_by("Nadia") == {ticket, new}
    assert found_by("Camille") == {ticket}  # who asked first


def test_what_was_joined_to_the_former_one_is_found_by_its_own_name_still(two):
    ticket, message = two
    goes = asked(ticket.mailbox, email=LOU, first_name="Lou", last_name="Fictif", subject="Grelot", text="Pareil.")
    tickets.merge(goes, into=ticket, by=agent(), at=on(14, 12))
    new = split(ticket, message)
    assert ticket in found_by("grelot")
    assert ticket in found_by("pareil")
    assert new not in found_by("grelot")


# Who asks


@pytest.fixture
def joined(two) -> tuple[Ticket, Message, Message]:
    """Camille's ticket, her second question, and Lou's, whose own ticket was joined."""
    ticket, message = two
    goes = asked(
        ticket.mailbox, email=LOU, first_name="Lou", last_name="Inventé", phone="+32 2 000", text="Lou demande.",
        at=on(14, 12),
    )  # fmt: skip
    tickets.merge(goes, into=ticket, by=agent(), at=on(14, 13))
    return again(ticket), message, Message.objects.get(text="Lou demande.")


def test_what_a_second_requester_wrote_is_theirs(joined):
    ticket, _, lous = joined
    new = split(ticket, lous)
    assert (new.email, new.requester_name, new.phone) == (LOU, "Lou Inventé", "+32 2 000")
    own = lous.origin.reference
    assert Message.objects.get(pk=lous.pk).origin.reference == own  # where it came from before it was joined
    (told,) = mails("ticket.split")
    assert told.to == [LOU]
    assert own in told.text
    assert ticket.reference not in told.text + told.html  # they were never told of that one
    assert again(ticket).copies == [LOU]


def test_what_two_persons_wrote_does_not_become_one_s(joined):
    ticket, camilles, lous = joined
    with pytest.raises(Refusal, match="deux personnes"):
        split(ticket, camilles, lous)
    assert not mails("ticket.split")
    assert Ticket.objects.count() == 2


def test_two_tickets_of_one_address_are_one_person_s(two):
    ticket, message = two
    goes = asked(ticket.mailbox, email=CAMILLE.upper(), text="Encore moi.", at=on(14, 12))
    tickets.merge(goes, into=ticket, by=agent(), at=on(14, 13))
    new = split(ticket, message, Message.objects.get(text="Encore moi."))
    assert new.email.lower() == CAMILLE


def test_a_joined_part_keeps_its_words_when_it_is_joined_elsewhere(two):
    """Their own reference shows them what they wrote, wherever it went (F17)."""
    ticket, message = two
    new = split(ticket, message, need="technique")
    other = asked(ticket.mailbox, email=LOU, first_name="Lou", at=on(15, 9))
    tickets.merge(new, into=other, by=agent(), at=on(15, 11))
    assert SECOND in [m.text for m in tickets.thread_as_told(again(other), CAMILLE)]


def test_a_requester_who_lost_access_is_told_nothing_and_stays_without(two):
    ticket, message = two
    Ticket.objects.filter(pk=ticket.pk).update(revoked_at=on(15))
    new = split(ticket, message)
    assert new.revoked_at == on(15)
    assert not mails("ticket.split")


def test_whose_page_it_is_follows_from_who_asks(two):
    ticket, message = two
    user = UserFactory(email=CAMILLE)
    Ticket.objects.filter(pk=ticket.pk).update(user=user)
    assert tickets.may_follow(split(ticket, message), user, at=on(15))


# What is refused


def test_one_message_of_the_requester_stays(two):
    ticket, message = two
    first = ticket.messages.earliest("pk")
    with pytest.raises(Refusal, match="Laissez au moins un message"):
        split(ticket, first, message)
    with pytest.raises(Refusal, match="Choisissez au moins un message"):
        split(ticket)
    new = split(ticket, first)  # the first may go, if another stays
    assert new.opened_at == AT
    with pytest.raises(Refusal, match="rien à en séparer"):
        split(ticket, message)


def test_only_what_a_requester_wrote_in_that_ticket_is_split(two):
    ticket, _ = two
    by = agent()
    note = tickets.note(ticket, text="Une note.", by=by, at=AT)
    answer = tickets.answer(ticket, text="Voici.", by=by, version=None, at=AT)
    elsewhere = asked().messages.get()
    for message in (note, answer, elsewhere):
        with pytest.raises(Refusal, match="n’est plus dans cette demande"):
            split(ticket, message)
    assert elsewhere.ticket != ticket
    assert Ticket.objects.count() == 2


def test_what_ended_is_not_split(two):
    ticket, message = two
    stays = asked(ticket.mailbox)
    tickets.solve(ticket, by=agent(), at=on(14, 12))
    third = tickets.requester_wrote(ticket, text="Merci. Autre chose ?", at=on(14, 13))
    tickets.solve(ticket, by=agent(), at=on(14, 14))
    split(ticket, third)  # solved too early, with a question left
    assert again(ticket).status == "solved"
    tickets.close(ticket, why="fini", by=agent(), at=on(15, 9))
    with pytest.raises(Refusal, match="close"):
        split(ticket, message)
    tickets.merge(stays, into=asked(ticket.mailbox), by=agent(), at=on(15, 9))
    with pytest.raises(Refusal, match="jointe à une autre"):
        split(stays, message)


def test_a_personal_document_does_not_leave_for_a_company_that_way(two):
    ticket, message = two
    attached(message, personal=True)
    with pytest.raises(Refusal, match="document personnel"):
        split(ticket, message, need="panne", answers={"livraison": "2023-01-10"})
    assert Message.objects.get(pk=message.pk).ticket == ticket
    assert Ticket.objects.count() == 1


def test_a_need_that_asks_for_no_ticket_is_refused_unless_the_team_keeps_it(two):
    ticket, message = two
    with pytest.raises(Refusal, match="n’existe pas"):
        split(ticket, message, need="inventé")
    need = {"need": "usage"}
    with pytest.raises(NoTicket):
        split(ticket, message, **need)
    new = split(ticket, message, **need, team="etnic")
    assert (new.team, new.rule, new.source) == ("etnic", None, "")
    assert new.reason == "Confiée à cette équipe par la personne qui l’a reçue."


def test_a_second_agent_does_not_undo_what_a_first_one_did(two):
    ticket, message = two
    version = again(ticket).version
    split(ticket, message, version=version)
    with pytest.raises(Stale):
        split(ticket, message, version=version)
    assert again(ticket).version == version + 1


@pytest.mark.django_db(transaction=True)
def test_of_two_agents_at_once_one_splits_and_nothing_is_lost():
    ticket = asked()
    message = tickets.requester_wrote(ticket, text=SECOND, at=on(14, 11))
    lena, lou, version = agent(), agent(), again(ticket).version
    done = together(
        lambda: split(ticket, message, by=lena, version=version),
        lambda: split(ticket, message, by=lou, version=version),
    )
    assert sorted(isinstance(found, Stale) for found in done) == [False, True]
    (new,) = [found for found in done if isinstance(found, Ticket)]
    assert set(Ticket.objects.all()) == {ticket, new}
    assert len(mails("ticket.split")) == 1
    assert Message.objects.filter(kind="request").count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_written_or_joined_meanwhile_is_in_one_place():
    ticket = asked()
    message = tickets.requester_wrote(ticket, text=SECOND, at=on(14, 11))
    stays, by = asked(ticket.mailbox), agent()
    done = together(
        lambda: split(ticket, message, by=by),
        lambda: tickets.merge(ticket, into=stays, by=by, at=LATER),
        lambda: tickets.requester_wrote(ticket, text="Encore un mot.", at=LATER),
    )
    assert all(isinstance(found, Ticket | Message | Refusal) for found in done)
    assert isinstance(done[1], Ticket)
    assert isinstance(done[2], Message)
    assert Message.objects.filter(text__in=[SECOND, "Encore un mot."]).count() == 2
    home = Message.objects.get(pk=message.pk).ticket
    assert home == (done[0] if isinstance(done[0], Ticket) else stays)
