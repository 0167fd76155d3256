"""An answer recalled before it leaves (F12): what comes back, what nobody reads meanwhile, what is refused."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bma_portal import clock
from bma_portal.errors import Refusal
from bma_portal.mail import claims
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from support import tickets, tokens
from support.models import Attachment, Draft, Message, Ticket, TicketChange
from tests.factories import UserFactory
from tests.factories_holders import HolderFactory
from tests.sign_in import sign_in
from tests.support import hostile
from tests.support.pages import Page
from tests.support.ticket_stage import NOW, Sheet
from tests.support.tickets_stage import again, agent, asked, mails, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]
SECONDS = 30
SOON, LATER = NOW + timedelta(seconds=SECONDS - 1), NOW + timedelta(seconds=SECONDS)
SAME = [f.attname for f in Ticket._meta.concrete_fields if f.name not in {"version", "updated_at", "search"}]


@pytest.fixture(autouse=True)
def thirty_seconds(settings):
    settings.RECALL_SECONDS = SECONDS


def state(ticket: Ticket) -> dict:
    return Ticket.objects.filter(pk=ticket.pk).values(*SAME).get()


def answered(ticket: Ticket, by, *, text: str = "Redémarrez Outlook.", then: str = "waiting", at=NOW) -> Message:
    return tickets.answer(ticket, text=text, by=by, version=None, then=then, recall_seconds=SECONDS, at=at)


def new(ticket, by):
    pass


def taken(ticket, by):
    tickets.take(ticket, by=by, at=on(14, 9, 10))


def a_colleague_s(ticket, by):
    tickets.take(ticket, by=agent(), at=on(14, 9, 10))


def waiting(ticket, by):
    """Since long enough to have been reminded, after an answer of some days before."""
    tickets.answer(ticket, text="Quelle version ?", by=by, version=None, at=on(4, 10))
    tickets.tick(at=on(14, 9, 30))
    assert again(ticket).reminders == 1


def asked_again(ticket, by):
    waiting(ticket, by)
    tickets.requester_wrote(ticket, text="La dernière.", at=on(14, 9, 40))
    tickets.tick(at=on(14, 9, 41))


# What comes back


@pytest.mark.parametrize("then", ["waiting", "open", "solved"])
@pytest.mark.parametrize("past", [new, taken, a_colleague_s, waiting, asked_again])
def test_the_ticket_is_as_it_was_before(past, then, lena):
    ticket = asked(at=on(4) if past in {waiting, asked_again} else on(14))
    past(ticket, lena)
    before, known, thread = state(ticket), len(mails()), ticket.messages.count()
    message = answered(ticket, lena, then=then)
    assert state(ticket) != before
    assert len(mails()) > known
    assert tickets.recall(ticket, message=message.pk, by=lena, at=SOON) is False
    assert state(ticket) == before
    assert (len(mails()), ticket.messages.count()) == (known, thread)
    assert Draft.objects.get().text == "Redémarrez Outlook."
    line = TicketChange.objects.get(field="réponse")
    assert (line.old, line.new, line.by, line.at) == ("à camille@exemple.test", "rappelée", lena, SOON)
    assert "Redémarrez" not in str(list(TicketChange.objects.values()))
    again(ticket).full_clean()


def test_what_was_solved_by_mistake_is_solved_again_and_its_mail_leaves(ticket, lena):
    first = answered(ticket, lena, then="solved")
    tickets.recall(ticket, message=first.pk, by=lena, at=SOON)
    answered(ticket, lena, text="Le vrai texte.", then="solved", at=LATER)
    assert [mail.status for mail in mails("ticket.solved")] == ["queued"]
    (answer,) = mails("ticket.answered")
    (received,) = mails("ticket.received")
    assert answer.headers["In-Reply-To"] == received.message_id, "la réponse rappelée n’a jamais existé pour personne"
    assert [m.text for m in ticket.messages.filter(kind="event")] == ["Votre demande est résolue."]


def test_watchers_and_second_requesters_are_told_nothing_either(ticket, lena):
    other = asked(ticket.mailbox, email="noa@exemple.test")
    tickets.merge(other, into=ticket, by=lena, at=NOW)
    tickets.watch(ticket, by=agent(email="attentive@exemple.test"))
    known = len(mails())
    message = answered(ticket, lena, then="solved")
    told = {(mail.kind, *mail.to) for mail in mails()[known:]}
    assert {("ticket.news", "attentive@exemple.test"), ("ticket.solved_copy", "noa@exemple.test")} <= told
    assert OutgoingMail.objects.filter(not_before=None, pk__gt=mails()[known - 1].pk).count() == 0
    tickets.recall(ticket, message=message.pk, by=lena, at=SOON)
    assert len(mails()) == known
    assert TicketChange.objects.get(field="réponse").old.startswith("à attentive@exemple.test, camille@exemple.test")


def test_what_was_being_written_meanwhile_goes_after_it(ticket, lena):
    message = answered(ticket, lena)
    tickets.save_draft(ticket, text="Au fait,", by=lena, at=NOW)
    tickets.recall(ticket, message=message.pk, by=lena, at=SOON)
    assert Draft.objects.get().text == "Redémarrez Outlook.\n\nAu fait,"
    message = answered(ticket, lena, text="y" * 19_999)
    tickets.recall(ticket, message=message.pk, by=lena, typed="Encore", at=SOON)
    assert len(Draft.objects.get().text) == 20_000


# On the page


def test_whoever_answered_reads_that_it_waits_and_takes_it_back(sheet, ticket, lena):
    page = sheet.do("repondre", text="Redémarrez Outlook.", then="solved")
    page.assert_sound()
    assert "« Rappeler » la reprend tant qu’elle n’est pas partie" in page.text
    assert "Votre réponse part dans 30 secondes." in page.text
    assert "Redémarrez Outlook." in page.text
    assert "Votre réponse part dans" not in Sheet(agent(), ticket)().text
    message = Message.objects.get(kind="answer")
    clock.set_for_every_process(NOW + timedelta(seconds=28, milliseconds=500))
    assert "Votre réponse part dans 2 secondes." in sheet().text
    clock.set_for_every_process(SOON)
    assert "Votre réponse part dans 1 seconde." in sheet().text
    page = sheet.do("rappeler", reponse=message.pk, text="")
    assert page.status == 200
    page.assert_sound()
    assert "Votre réponse est rappelée : rien n’est parti" in page.text
    assert "Redémarrez Outlook.</textarea>" in page.html
    assert "Votre réponse part dans" not in page.text
    assert "réponse" in sheet(end="historique/").text
    assert "rappelée" in sheet(end="historique/").text
    assert again(ticket).status == "new"


def test_the_recall_is_shown_until_its_time_and_costs_the_page_nothing(sheet, ticket, django_assert_max_num_queries):
    sheet.do("repondre", text="Redémarrez Outlook.", then="waiting")
    with django_assert_max_num_queries(8):
        assert 'data-recall="30"' in sheet().html
    with django_assert_max_num_queries(8):
        sheet()
    OutgoingMail.objects.update(status="sending", claim="b" * 32, claimed_at=NOW, not_before=LATER)
    assert "data-recall" not in sheet().html, "un ouvrier l’a prise, quoi que dise l’horloge"
    OutgoingMail.objects.update(status="queued", claim=None, claimed_at=None)
    clock.set_for_every_process(LATER)
    assert "data-recall" not in sheet().html


def test_files_are_destroyed_with_the_answer_and_asked_for_again(sheet, ticket, lena):
    picture = SimpleUploadedFile("capture.jpg", hostile.jpeg(), content_type="image/jpeg")
    sheet.do("repondre", text="Voici.", then="open", pieces=picture)
    page = sheet.do("rappeler", reponse=Message.objects.get(kind="answer").pk)
    assert "Les fichiers sont à choisir à nouveau." in page.text
    assert not Attachment.objects.exists()
    assert AuditEntry.objects.get(action="attachment.destroyed").why == "réponse rappelée"
    assert "Les fichiers sont à choisir à nouveau." not in sheet().text


def test_too_late_loses_nothing_of_what_was_being_written(sheet, ticket, lena):
    sheet.do("repondre", text="Redémarrez Outlook.", then="waiting")
    message = Message.objects.get(kind="answer")
    clock.set_for_every_process(LATER)
    page = sheet.do("rappeler", reponse=message.pk, text="Et puis aussi")
    assert "Trop tard : votre message est déjà parti." in page.text
    assert "Et puis aussi</textarea>" in page.html
    assert again(ticket).status == "waiting"
    assert mails("ticket.answered")[0].status == "queued"


@pytest.mark.parametrize("number", ["", "0", "-1", "9" * 30, "\0", "abc", "١"])
def test_a_number_that_means_nothing_recalls_nothing(sheet, ticket, number):
    sheet.do("repondre", text="Redémarrez Outlook.", then="waiting")
    assert "est déjà rappelée" in sheet.do("rappeler", reponse=number).text
    assert Message.objects.filter(kind="answer").count() == 1


def test_another_team_finds_nothing_to_recall(sheet, ticket):
    sheet.do("repondre", text="Redémarrez Outlook.", then="waiting")
    other = Sheet(agent("sgne"), ticket)
    assert other.do("rappeler", reading=False, reponse=Message.objects.get(kind="answer").pk).status == 404
    assert Message.objects.filter(kind="answer").exists()


def test_without_seconds_an_answer_leaves_at_once(sheet, ticket, settings):
    settings.RECALL_SECONDS = 0
    page = sheet.do("repondre", text="Redémarrez Outlook.", then="waiting")
    assert "Rappeler" not in page.text
    assert mails("ticket.answered")[0].not_before is None
    page = sheet.do("rappeler", reponse=Message.objects.get(kind="answer").pk)
    assert "elle ne se rappelle plus" in page.text


# Refused


def test_only_its_author_takes_an_answer_back(ticket, lena):
    message = answered(ticket, lena)
    with pytest.raises(Refusal, match="Seule la personne qui a répondu"):
        tickets.recall(ticket, message=message.pk, by=agent(), at=SOON)


def test_it_is_recalled_once(ticket, lena):
    message = answered(ticket, lena)
    tickets.recall(ticket, message=message.pk, by=lena, at=SOON)
    with pytest.raises(Refusal, match="déjà rappelée"):
        tickets.recall(ticket, message=message.pk, by=lena, at=SOON)


@pytest.mark.parametrize(
    "deed",
    [
        lambda ticket, other: tickets.note(ticket, text="Bien vu.", by=other, at=SOON),
        lambda ticket, other: tickets.set_priority(ticket, priority="urgent", by=other, at=SOON),
        lambda ticket, other: tickets.transfer(ticket, to="sgne", why="La date.", by=other, at=SOON),
        lambda ticket, other: tickets.requester_wrote(ticket, text="J’ai trouvé !", at=SOON),
        lambda ticket, other: tickets.requester_wrote(ticket, text="C’est réglé", at=SOON),
        lambda ticket, other: tickets.merge(asked(ticket.mailbox), into=ticket, by=other, at=SOON),
        lambda ticket, other: tickets.merge(ticket, into=asked(ticket.mailbox), by=other, at=SOON),
        lambda ticket, other: answered(ticket, other, text="Moi aussi.", at=SOON),
    ],
)
def test_whatever_is_done_since_ends_it_and_the_answer_leaves_in_its_time(ticket, lena, deed):
    message = answered(ticket, lena)
    deed(ticket, agent())
    after = state(ticket)
    with pytest.raises(Refusal, match="Cette demande a changé depuis votre réponse"):
        tickets.recall(ticket if again(ticket).merged_into is None else again(ticket).merged_into, message=message.pk,
                       by=lena, at=SOON)  # fmt: skip
    assert state(ticket) == after
    assert mails("ticket.answered")[0].status == "queued"
    assert Message.objects.filter(pk=message.pk).exists()


# What the requester knows meanwhile


def read_by_camille(ticket: Ticket) -> Page:
    client = Client()
    client.post("/demandes/suivi/", {"reference": ticket.reference})
    code = tokens.follow_code(again(ticket)).reveal()
    return Page(client.get(client.post("/demandes/suivi/code/", {"code": code})["Location"]))


def test_the_requester_reads_nothing_of_it_before_its_time(ticket, lena):
    answered(ticket, lena, then="solved")
    clock.set_for_every_process(SOON)
    page = read_by_camille(ticket)
    page.assert_sound()
    for words in ("Redémarrez", "résolue", "Résolue", "Ce n’est pas résolu"):
        assert words not in page.text
    assert "État Nouvelle" in page.text
    assert "C’est réglé" in page.text
    clock.set_for_every_process(LATER)
    page = read_by_camille(ticket)
    assert "Redémarrez Outlook." in page.text
    assert "État Résolue" in page.text


def test_a_titulaire_s_own_pages_neither(ticket, lena, client):
    head = UserFactory()
    HolderFactory(user=head, organisation=ticket.mailbox.organisation)
    sign_in(client, head, strong=False)
    answered(ticket, lena, then="waiting")
    form = f"/demandes/nouvelle/?besoin={ticket.need}&numero={ticket.mailbox.address[:8]}&sujet=webmail"
    for moment, word in ((SOON, "nouvelle"), (LATER, "en attente de votre réponse")):
        clock.set_for_every_process(moment)
        assert f"{ticket.reference} · {word}" in Page(client.get("/ma-boite/")).text
        assert f"{ticket.reference} : {ticket.subject}, {word}" in Page(client.get(form)).text


def test_once_it_has_left_it_is_public_whatever_the_clock_says(ticket, lena):
    answered(ticket, lena)
    OutgoingMail.objects.filter(kind="ticket.answered").update(
        status="sent", sent_at=NOW, claimed_at=NOW, not_before=None
    )
    assert "Redémarrez Outlook." in read_by_camille(ticket).text


def test_who_writes_without_having_read_it_then_reads_it(ticket, lena):
    answered(ticket, lena)
    tickets.requester_wrote(ticket, text="Toujours rien ?", at=SOON)
    assert not tickets.as_told(again(ticket), at=SOON)
    assert again(ticket).status == "open"


# What never waits


def test_an_answer_by_mail_and_an_incident_s_news_leave_at_once(lena):
    ticket, other = asked(need="panne", answers={"livraison": "2023-01-10"}), asked()
    known = {mail.pk for mail in mails()}
    tickets.team_wrote_by_mail(ticket, team="priminfo", sender_name="Priminfo", text="Nous passons demain.", at=NOW)
    incident = tickets.declare(team="etnic", title="Panne", text="Tout est arrêté.", need="technique", by=lena, at=NOW)
    tickets.join(other, incident, by=lena, at=NOW)
    tickets.update(incident, text="Nous y travaillons.", by=lena, at=NOW)
    left = [mail for mail in mails() if mail.pk not in known]
    assert {mail.kind for mail in left} == {"ticket.answered"}
    assert [mail.not_before for mail in left] == [None, None]
    assert again(ticket).recall is None


# In another's place


def test_the_answer_that_waits_does_not_reach_the_former_requester(ticket, lena):
    message = answered(ticket, lena)
    person = {"first_name": "Lou", "last_name": "Fictive", "email": "lou@exemple.test", "phone": ""}
    tickets.change_requester(ticket, **person, by=lena, at=SOON)
    (mail,) = mails("ticket.answered")
    assert (mail.status, mail.last_error) == ("cancelled", "Le demandeur a changé.")
    with pytest.raises(Refusal, match="a changé"):
        tickets.recall(ticket, message=message.pk, by=lena, at=SOON)
    OutgoingMail.objects.update(not_before=None)
    assert claims.claim("etnic", doubtful=False) is None


def test_what_a_former_head_would_have_read_is_recalled_all_the_same(ticket, lena):
    """Their mail is cancelled already: nothing of it left."""
    message = answered(ticket, lena)
    Ticket.objects.filter(pk=ticket.pk).update(user=lena)
    tickets.revoke(lena, ticket.mailbox.organisation_id, at=SOON)
    assert tickets.recall(ticket, message=message.pk, by=lena, at=SOON) is False
    assert not Message.objects.filter(pk=message.pk).exists()
