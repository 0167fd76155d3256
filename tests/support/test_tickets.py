"""A ticket from its opening to its end: who has it, what is told to whom, what is refused (E9 to E11, F1 to F21)."""

import re
from datetime import timedelta

import pytest

from bma_portal.errors import Refusal
from bma_portal.mail import claims
from bma_portal.mail.compose import letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.verdicts import Outcome, Verdict
from support import canned, ticket_mails, tickets
from support.models import CannedAnswer, Draft, Message, Team, Ticket, TicketChange, Watcher
from support.models.routing import RoutingRule
from tests.factories import MailboxFactory
from tests.factories_migration import MoveFactory
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]
Status = Ticket.Status


# Opening


def test_a_ticket_goes_to_the_team_of_the_rules_and_says_why():
    ticket = asked()
    assert (ticket.team, ticket.status, ticket.phase) == ("etnic", "new", "not_started")
    assert ticket.rule is not None
    assert ticket.reason.startswith("Transmis à l’ETNIC")
    assert re.fullmatch(r"D-[BCDFGHJ-NP-TV-XZ2-9]{4}-[BCDFGHJ-NP-TV-XZ2-9]{4}", ticket.reference)
    (told,) = mails()
    assert (told.kind, told.to, told.sender) == ("ticket.received", ["camille@exemple.test"], "etnic")
    assert told.subject.endswith(f"[{ticket.reference}]")
    assert ticket.reason in told.text


def test_the_batch_of_the_mailbox_is_kept_for_the_figures():
    move = MoveFactory(confirmed=True)
    assert asked(move.mailbox).batch == move.batch


def test_what_has_a_form_a_page_or_another_answer_opens_no_ticket():
    move = MoveFactory(migrated=True)
    with pytest.raises(tickets.NoTicket) as refused:
        asked(move.mailbox, need="nouveau-mot-de-passe")
    assert refused.value.route.outcome in {"form_mode", "form_hors_mode"}
    with pytest.raises(tickets.NoTicket):
        asked(need="usage")
    with pytest.raises(Refusal):
        asked(need="inventé")
    assert not Ticket.objects.exists()
    assert mails() == []


def test_live_tickets_of_the_same_mailbox_and_need_are_found_before_another_is_opened():
    ticket = asked()
    assert tickets.similar(ticket.mailbox, "technique", at=on(15)) == [ticket]
    assert tickets.similar(ticket.mailbox, "procedure", at=on(15)) == []
    assert tickets.similar(MailboxFactory(), "technique", at=on(15)) == []
    tickets.solve(ticket, by=agent(), at=on(15))
    assert tickets.similar(ticket.mailbox, "technique", at=on(16)) == []


# The desk


def test_an_answer_leaves_with_its_mail_and_the_clock_stops():
    ticket, by = asked(), agent()
    message = tickets.answer(ticket, text="Redémarrez Outlook.", by=by, version=0, at=on(14, 10))
    now = again(ticket)
    assert (now.status, now.due_at, now.assignee, now.version) == ("waiting", None, by, 1)
    assert now.first_answered_at == on(14, 10)
    assert message.mail is not None
    assert "Redémarrez Outlook." in message.mail.text
    first, answer = mails()
    assert answer.headers["In-Reply-To"] == first.message_id


def test_a_second_save_never_overwrites_a_first():
    ticket, one, other = asked(), agent(), agent()
    tickets.answer(ticket, text="La première.", by=one, version=0, at=on(14, 10))
    with pytest.raises(tickets.Stale):
        tickets.answer(ticket, text="La seconde.", by=other, version=0, at=on(14, 10))
    assert [m.text for m in Message.objects.filter(kind="answer")] == ["La première."]
    assert len(mails("ticket.answered")) == 1


def test_what_is_left_between_braces_stops_an_answer():
    ticket = asked()
    with pytest.raises(Refusal, match="prénom"):
        tickets.answer(ticket, text="Bonjour {prénom},", by=agent(), version=0, at=AT)
    assert not Message.objects.filter(kind="answer").exists()
    filled = canned.fill("Bonjour {prénom}, migrée le {date_migration}", ticket, at=AT)
    assert filled.text == "Bonjour Camille, migrée le {date_migration}"
    assert filled.unresolved == ["date_migration"]
    assert canned.unknown("{nom} {settings} {{ nom }} {% debug %}") == ["settings"]


def test_each_canned_answer_that_we_wrote_names_known_variables_only():
    rows = CannedAnswer.objects.all()
    assert len(rows) >= 5
    assert [canned.unknown(row.text) for row in rows] == [[]] * len(rows)


def test_a_note_is_in_no_mail_and_in_no_thread_of_the_holder():
    ticket = asked()
    tickets.note(ticket, text="Attention, déjà venu trois fois.", by=agent(), at=AT)
    tickets.transfer(ticket, to="enseignement_be", why="Ancienne interface", by=agent(), at=AT)
    assert all("trois fois" not in mail.text + mail.html for mail in mails())
    assert [m.kind for m in tickets.thread_of(ticket, with_notes=False)] == ["request", "event"]
    assert [m.kind for m in tickets.thread_of(ticket, with_notes=True)] == ["request", "note", "event"]


def test_it_is_taken_released_and_assigned_within_the_team():
    ticket, one, other, elsewhere = asked(), agent(), agent(), agent("sgne")
    tickets.take(ticket, by=one, at=AT)
    assert again(ticket).status == "open"
    with pytest.raises(Refusal, match="suit déjà"):
        tickets.take(ticket, by=other, at=AT)
    with pytest.raises(Refusal, match="ne fait pas partie"):
        tickets.assign(ticket, to=elsewhere, by=one, at=AT)
    tickets.assign(ticket, to=other, by=one, at=AT)
    tickets.release(ticket, by=other, at=AT)
    assert (again(ticket).status, again(ticket).assignee) == ("new", None)
    history = TicketChange.objects.filter(ticket=ticket, field="suivie par")
    assert [bool(change.new) for change in history] == [True, True, False]


# From one organisation to another


@pytest.mark.parametrize("answered", [True, False])
def test_a_handover_gives_the_receiver_its_own_clock_and_tells_the_requester(answered):
    ticket = asked()
    if answered:
        tickets.answer(ticket, text="Nous regardons.", by=agent(), version=0, then="open", at=on(14, 10))
    tickets.transfer(ticket, to="sgne", why="La date de la migration est en cause.", by=agent(), at=on(18))
    now = again(ticket)
    assert (now.team, now.status, now.assignee, now.due_for) == ("sgne", "new", None, "team")
    assert now.due_at == on(18, 13)
    (moved,) = mails("ticket.moved")
    assert (moved.sender, moved.to) == ("sgne", ["camille@exemple.test"])
    assert "le SGNE" in moved.text
    assert now.opened_at == AT  # the total stays


def test_a_wrong_team_returns_it_in_one_click_and_the_rule_is_listed():
    ticket = asked()
    rule = ticket.rule
    tickets.give_back(ticket, why="Ce n’est pas technique.", by=agent(), version=0, at=on(14, 10))
    change = TicketChange.objects.get(returned_rule=rule)
    assert (change.old, change.new) == ("etnic", "sgne")
    tickets.give_back(again(ticket), why="Si.", by=agent("sgne"), at=on(14, 11))
    assert again(ticket).team == "etnic"  # to the team that had it before
    assert list(RoutingRule.objects.filter(returns__isnull=False)) == [rule]  # sent to SGNE by hand: no rule's fault


def test_priminfo_gets_breakdowns_and_nothing_else():
    ticket = asked()
    with pytest.raises(Refusal, match="pannes de matériel"):
        tickets.transfer(ticket, to="priminfo", why="PC", by=agent(), at=AT)
    tickets.set_need(ticket, need="panne", by=agent(), at=AT)
    tickets.transfer(ticket, to="priminfo", why="L’écran reste noir.", by=agent(), at=AT)
    (told,) = mails("ticket.for_team")
    assert told.to == ["sttd@priminfo.be"]
    assert "fenêtre grise" in told.text
    assert told.reply_to == []  # the answer comes back to the mailbox that we read


def test_enseignement_be_has_nothing_to_do_with_a_mailbox_that_migrated():
    ticket = asked(MoveFactory(migrated=True).mailbox, at=on(20))
    with pytest.raises(Refusal, match="a migré"):
        tickets.transfer(ticket, to="enseignement_be", why="À vous", by=agent(), at=on(20))


def test_a_team_that_works_by_mail_answers_in_the_thread():
    ticket = asked(need="panne", answers={"livraison": "2023-01-10"}, subject="PC en panne")
    assert ticket.team == "priminfo"
    assert [mail.kind for mail in mails()] == ["ticket.received", "ticket.for_team"]
    tickets.team_wrote_by_mail(
        ticket, team="priminfo", sender_name="Priminfo", text="Un technicien passe mardi.", at=on(14, 11)
    )
    now = again(ticket)
    assert (now.status, now.first_answered_at) == ("waiting", on(14, 11))
    assert "mardi" in mails("ticket.answered")[0].text
    with pytest.raises(Refusal, match="plus confiée"):
        tickets.team_wrote_by_mail(ticket, team="enseignement_be", sender_name="X", text="Non", at=on(14, 12))


# Waiting, solved, opened again


def test_while_the_holder_is_waited_for_the_clock_stands_still():
    ticket = asked()
    tickets.answer(ticket, text="Quelle version ?", by=agent(), version=0, at=on(14, 10))
    before = again(ticket)
    assert (before.due_at, before.warn_at) == (None, None)
    tickets.requester_wrote(ticket, text="La 2016.", at=on(14, 13))
    after = again(ticket)
    assert (after.status, after.held_minutes, after.due_for) == ("open", 180, "next")
    assert after.due_at == on(15, 12)  # eight hours of opening from the question, not an instant breach
    tickets.set_priority(ticket, priority="urgent", by=agent(), at=on(14, 13))
    assert again(ticket).held_minutes == 180


def test_a_solved_ticket_is_reopened_to_whoever_followed_it_later_a_new_one_follows():
    ticket, by = asked(), agent()
    tickets.take(ticket, by=by, at=AT)
    tickets.solve(ticket, by=by, at=AT)
    tickets.requester_wrote(ticket, text="Ça recommence.", at=on(18))
    now = again(ticket)
    assert (now.status, now.assignee, now.reopened) == ("open", by, 1)
    assert (now.due_for, now.due_at) == ("first", on(18, 13))  # never answered: its four hours, none of them used
    tickets.solve(ticket, by=by, at=on(19))
    message = tickets.requester_wrote(ticket, text="Encore une autre question.", at=on(30))
    assert message.ticket != ticket
    assert (message.ticket.follows, message.ticket.team) == (ticket, "etnic")
    assert again(ticket).status == "solved"


def test_a_theft_is_not_closed_before_what_must_be_done_is_done():
    ticket, by = asked(need="vol", subject="PC volé"), agent()
    missing = tickets.open_items(ticket)
    assert missing
    for deed in (
        lambda: tickets.solve(ticket, by=by, at=AT),
        lambda: tickets.close(ticket, why="fait", by=by, at=AT),
        lambda: tickets.answer(ticket, text="Fait.", by=by, version=None, then="solved", at=AT),
    ):
        with pytest.raises(Refusal, match="cochez"):
            deed()
    assert again(ticket).status == "new"
    assert mails("ticket.answered") == []
    for check in tickets.checklist(ticket):
        tickets.check_item(ticket, item=check.slug, done=True, by=by, at=AT)
    with pytest.raises(Refusal, match="ne fait pas partie"):
        tickets.check_item(ticket, item="autre", done=True, by=by, at=AT)
    tickets.solve(ticket, by=by, at=AT)
    assert again(ticket).status == "solved"


def test_an_ended_ticket_takes_nothing_more():
    ticket, by = asked(), agent()
    tickets.close(ticket, why="doublon", by=by, at=AT)
    for deed in (
        lambda: tickets.answer(ticket, text="x", by=by, version=None, at=AT),
        lambda: tickets.take(ticket, by=by, at=AT),
        lambda: tickets.transfer(ticket, to="sgne", why="x", by=by, at=AT),
        lambda: tickets.reopen(ticket, by=by, at=AT),
        lambda: tickets.close(ticket, why="encore", by=by, at=AT),
    ):
        with pytest.raises(Refusal):
            deed()


# Merging


def test_merging_loses_nothing():
    box, one, other = MailboxFactory(), agent(), agent()
    stays = asked(box)
    goes = asked(box, email="lou@exemple.test", first_name="Lou", text="Pareil pour moi : écran figé.", at=on(14, 10))
    tickets.take(goes, by=other, at=on(14, 10))
    tickets.save_draft(goes, text="Je regarde.", by=one, at=on(14, 10))
    tickets.save_draft(stays, text="J’ai vu.", by=one, at=on(14, 10))
    tickets.note(goes, text="Une note.", by=other, at=on(14, 10))
    tickets.merge(again(goes), into=stays, by=one, at=on(14, 11))
    texts = [m.text for m in tickets.thread_of(stays, with_notes=True)]
    assert texts == [
        "Bonjour, Outlook affiche une fenêtre grise depuis ce matin.", "Pareil pour moi : écran figé.", "Une note.",
    ]  # fmt: skip
    assert {m.origin_id for m in Message.objects.filter(ticket=stays)} == {None, goes.pk}
    assert Draft.objects.get().text == "J’ai vu.\n\nJe regarde."
    assert list(Watcher.objects.values_list("ticket", "user")) == [(stays.pk, other.pk)]
    assert tickets.by_reference(goes.reference) == stays
    sent = next(mail for mail in mails() if mail.to == ["lou@exemple.test"])
    assert ticket_mails.ticket_of(sent) == stays  # a reply to the former one lands here
    tickets.requester_wrote(goes, text="Merci.", at=on(14, 12))
    tickets.answer(stays, text="Réparé.", by=one, version=None, at=on(14, 13))
    tickets.solve(stays, by=one, at=on(14, 14))
    both = [["camille@exemple.test"], ["lou@exemple.test"]]
    assert [mail.to for mail in mails("ticket.answered")] == [mail.to for mail in mails("ticket.solved")] == both


def test_tickets_of_two_mailboxes_or_two_teams_are_not_merged():
    ticket = asked()
    with pytest.raises(Refusal, match="deux boîtes"):
        tickets.merge(asked(), into=ticket, by=agent(), at=AT)
    with pytest.raises(Refusal, match="deux équipes"):
        tickets.merge(asked(ticket.mailbox, need="procedure"), into=ticket, by=agent(), at=AT)
    with pytest.raises(Refusal, match="elle-même"):
        tickets.merge(ticket, into=ticket, by=agent(), at=AT)


# Incidents


def test_an_update_of_an_incident_reaches_all_and_they_are_solved_together():
    by = agent()
    incident = tickets.declare(
        team="etnic", title="Webmail lent", text="Le webmail répond lentement.", need="technique", by=by, at=AT
    )
    several = [asked(first_name=name) for name in ("Ana", "Lou", "Noa")]
    for ticket in several:
        tickets.join(ticket, incident, by=by, at=AT)
    assert tickets.open_incidents("etnic") == [incident]
    seen = tickets.preview(incident, "Bonjour {prénom}", at=AT)
    assert sorted(text for _, text, _ in seen) == ["Bonjour Ana", "Bonjour Lou", "Bonjour Noa"]
    assert tickets.update(incident, text="Bonjour {prénom}, nous y travaillons.", by=by, at=on(14, 10)) == 3
    assert len(mails("ticket.answered")) == 3
    assert tickets.solve_incident(incident, text="C’est réparé.", by=by, at=on(14, 15)) == 3
    assert {again(ticket).status for ticket in several} == {"solved"}
    assert tickets.open_incidents("etnic") == []
    with pytest.raises(Refusal, match="déjà résolu"):
        tickets.update(incident, text="Encore", by=by, at=on(14, 16))


def test_an_update_that_one_of_them_cannot_read_reaches_nobody():
    by = agent()
    incident = tickets.declare(team="etnic", title="X", text="Y", need="", by=by, at=AT)
    for name in ("Ana", ""):
        tickets.join(asked(first_name=name), incident, by=by, at=AT)
    with pytest.raises(Refusal, match="prénom"):
        tickets.update(incident, text="Bonjour {prénom}", by=by, at=AT)
    assert mails("ticket.answered") == []
    with pytest.raises(Refusal, match="autre équipe"):
        tickets.join(asked(need="procedure"), incident, by=by, at=AT)


# Who asks


def test_changing_the_requester_cancels_the_mail_that_waits():
    ticket = asked()
    tickets.change_requester(
        ticket, first_name="Lou", last_name="Fictive", email="lou@exemple.test", phone="", by=agent(), at=AT
    )
    assert [mail.status for mail in mails()] == ["cancelled"]
    tickets.answer(ticket, text="Bonjour", by=agent(), version=None, at=AT)
    assert mails("ticket.answered")[0].to == ["lou@exemple.test"]


def test_what_exchange_refused_for_now_does_not_reach_the_former_requester_either():
    ticket = asked()
    held = claims.claim("etnic", doubtful=False)
    claims.postpone(held, held.mails[0], Outcome(Verdict.RETRY, "ErrorServerBusy", "Occupé."), doubt=False)
    assert [mail.status for mail in mails()] == ["queued"]
    tickets.change_requester(
        ticket, first_name="Lou", last_name="Fictive", email="lou@exemple.test", phone="", by=agent(), at=AT
    )
    OutgoingMail.objects.update(not_before=None)
    assert claims.claim("etnic", doubtful=False) is None


def test_each_change_is_in_the_history_with_old_new_who_and_when():
    ticket, by = asked(), agent()
    tickets.set_priority(ticket, priority="urgent", by=by, at=on(14, 10))
    tickets.set_need(ticket, need="configuration", by=by, at=on(14, 10))
    found = list(TicketChange.objects.values_list("field", "new", "by", "at"))
    assert [field for field, *_ in found] == ["priorité", "besoin"]
    assert {(who, when) for *_, who, when in found} == {(by.pk, on(14, 10))}


# Mails


def test_every_mail_of_a_ticket_is_whole_as_text_and_ends_with_its_reference():
    ticket, by = asked(need="panne", answers={"livraison": "2023-01-10"}), agent("priminfo")
    Team.objects.filter(pk="priminfo").update(lead=agent(email="cheffe@exemple.test"))
    tickets.answer(ticket, text="Bonjour", by=by, version=0, at=on(14, 10))
    tickets.tick(at=on(20, 10))
    tickets.requester_wrote(ticket, text="Oui", at=on(20, 11))
    tickets.tick(at=on(30, 10))
    tickets.transfer(ticket, to="etnic", why="Pas du matériel", by=by, at=on(30, 11))
    tickets.send_follow_code(ticket.reference, at=on(30, 12))
    rows = mails()
    body = {row.kind: (row.text, row.html) for row in rows}
    for pk, letter in letters([row for row in rows if row.sensitive], at=on(30, 12)).items():
        body[next(row.kind for row in rows if row.pk == pk)] = (letter.text, letter.html)
    assert {"ticket.received", "ticket.for_team", "ticket.answered", "ticket.reminder", "ticket.moved"} <= set(body)
    assert {"ticket.overdue", "ticket.code"} <= set(body)
    for row in rows:
        assert row.subject.endswith(f"[{ticket.reference}]")
        text, html = body[row.kind]
        assert "{" not in text + html
        assert 'lang="fr"' in html
        assert ticket.reference in text


def test_a_mail_waits_in_the_thread_of_its_ticket():
    ticket = asked()
    tickets.answer(ticket, text="Bonjour", by=agent(), version=0, at=AT + timedelta(hours=1))
    assert {mail.stream for mail in mails()} == {f"ticket:{ticket.pk}"}
