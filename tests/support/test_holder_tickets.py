"""A holder's tickets, as pages: asked, followed without an account, judged once (E11, F9, F11, F16, F17)."""

import re
import time

import pytest
from django.contrib.sessions.models import Session
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from bma_portal import clock
from support import forms_contact, tickets, tokens
from support.models import Attachment, Message, Ticket
from support.questions import way_along
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_migration import MoveFactory
from tests.sign_in import sign_in
from tests.support.hostile import png
from tests.support.tickets_stage import AT, again, agent, asked, mails, opened, words

pytestmark = pytest.mark.django_db
NEW = "/demandes/nouvelle/"


@pytest.fixture(autouse=True)
def moment(monkeypatch):
    clock.set_for_every_process(AT)
    monkeypatch.setattr(forms_contact, "SECONDS_TO_FILL", -1)


def number(mailbox) -> str:
    return mailbox.address.partition("@")[0]


def sent(mailbox, need: str = "technique", **fields) -> dict:
    return {
        "besoin": need,
        "numero": number(mailbox),
        "sujet": "webmail",
        "subject": "Page blanche",
        "text": "Le webmail reste blanc.\nDepuis lundi.",
        "last_name": "Fictive",
        "first_name": "Camille",
        "email": "camille@exemple.test",
        "ouvert": forms_contact.opened_now(),
        "envoyer": "1",
    } | fields


def test_from_the_need_to_the_reference(client):
    mailbox = MailboxFactory()
    assert "configurer" in words(client.get(NEW))
    assert "De quelle boîte" in words(client.get(f"{NEW}?besoin=technique"))
    page = client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}&sujet=webmail&parcours=")
    assert "Votre message" in words(page)
    answer = client.post(NEW, sent(mailbox))
    assert answer["Location"].startswith("/demandes/recue/?suite=")
    assert not answer.cookies  # nothing about a visitor is kept, not even that they came
    ticket = Ticket.objects.get()
    assert (ticket.team, ticket.answers, ticket.email) == ("etnic", {"sujet": "webmail"}, "camille@exemple.test")
    assert ticket.messages.get().text == "Le webmail reste blanc.\nDepuis lundi."
    done = words(client.get(answer["Location"]))
    assert ticket.reference in done
    assert "Fictive" not in done
    assert not Session.objects.exists()
    for address in ("/demandes/recue/", f"/demandes/recue/?suite={ticket.reference}:0:forged"):
        assert ticket.reference not in words(Client().get(address))


def test_a_bookmark_of_the_reference_shows_nothing_of_anybody(client, monkeypatch):
    answer = client.post(NEW, sent(MailboxFactory()))
    reference = Ticket.objects.get().reference
    assert reference in words(client.get(answer["Location"]))
    later = time.time() + 601
    monkeypatch.setattr(signing.time, "time", lambda: later)
    page = client.get(answer["Location"])
    assert page.status_code == 200
    assert reference not in words(page)


def test_what_was_answered_in_the_assistant_is_in_the_ticket(client):
    mailbox = MailboxFactory()
    path = "messagerie/outlook/ajouter"
    client.post(NEW, sent(mailbox, parcours=path))
    ticket = Ticket.objects.get()
    told = way_along(path).told
    assert len(told) == 3
    assert ticket.way == [list(pair) for pair in told]
    words = tickets.answers_in_words(ticket)
    assert words[:3] == told
    assert words[-1][1] == "L’interface web"


def test_a_question_that_the_rules_look_at_is_asked_in_the_form_and_once(client):
    mailbox = MailboxFactory()
    page = client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}")
    assert "r_sujet" in page.content.decode()
    answer = client.post(NEW, sent(mailbox, sujet="", r_sujet="webmail"))
    assert answer.status_code == 302
    assert Ticket.objects.get().answers == {"sujet": "webmail"}
    page = client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}&sujet=webmail")
    assert "r_sujet" not in page.content.decode()


def test_where_a_form_answers_the_form_is_shown_and_no_ticket_is_opened(client):
    mailbox = MoveFactory(migrated=True).mailbox
    for response in (
        client.get(f"{NEW}?besoin=nouveau-mot-de-passe&numero={number(mailbox)}"),
        client.post(NEW, sent(mailbox, "nouveau-mot-de-passe")),
    ):
        assert "Pas besoin" in words(response)
    assert not Ticket.objects.exists()


def test_an_empty_form_says_what_is_missing_and_keeps_the_rest(client):
    mailbox = MailboxFactory()
    page = client.post(NEW, sent(mailbox, subject="", text="Un long texte déjà écrit.", email="camille"))
    html = page.content.decode()
    assert "<title>Erreur\N{NO-BREAK SPACE}:" in html or "<title>Erreur :" in html
    assert "data-error-summary" in html
    assert "Un long texte déjà écrit." in html
    assert "Cette adresse n’est pas complète" in html
    assert not Ticket.objects.exists()


@pytest.mark.parametrize(
    "hostile",
    ["\0", "a" * 100_000, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "Sujet\r\nBcc: x@exemple.test",
     "10" * 30, "<script>alert(1)</script>", "‮evil"],
)  # fmt: skip
def test_whatever_is_typed_in_any_field_is_refused_or_kept_as_text(client, hostile):
    mailbox = MailboxFactory()
    for name in (
        "subject",
        "text",
        "last_name",
        "first_name",
        "email",
        "phone",
        "numero",
        "besoin",
        "sujet",
        "parcours",
    ):
        response = client.post(NEW, sent(mailbox, **{name: hostile}))
        assert response.status_code in {200, 302, 400, 429}, name
        assert b"<script>alert" not in response.content
        client.get(NEW, {"besoin": "technique", "numero": number(mailbox), name: hostile})
    for ticket in Ticket.objects.all():
        assert "\n" not in ticket.subject + ticket.last_name + ticket.email


def test_a_robot_is_refused(client):
    mailbox = MailboxFactory()
    assert client.post(NEW, sent(mailbox, site_web="http://exemple.test")).status_code == 200
    assert client.post(NEW, sent(mailbox, ouvert="")).status_code == 200
    assert not Ticket.objects.exists()


def test_too_many_from_one_place_wait(client):
    mailbox = MailboxFactory()
    statuses = [client.post(NEW, sent(mailbox)).status_code for _ in range(6)]
    assert statuses == [302] * 5 + [429]


def test_an_unknown_mailbox_opens_no_ticket(client):
    answer = client.post(NEW, sent(MailboxFactory(), numero="ec999999"))
    assert "Aucun établissement" in words(answer)
    closed = OrganisationFactory(mailbox=True, closed_on=AT.date())
    assert "plus en service" in words(client.post(NEW, sent(closed.mailbox)))
    assert not Ticket.objects.exists()


def test_files_are_remade_and_sealed_and_a_refused_one_is_explained(client):
    mailbox = MailboxFactory()
    bad = SimpleUploadedFile("virus.png", b"MZ\x90")
    page = client.post(NEW, sent(mailbox) | {"files": [bad]})
    assert "Fichier 1" in words(page)
    assert "Choisissez de nouveau vos fichiers" in words(page)
    good = SimpleUploadedFile("capture.png", png())
    client.post(NEW, sent(mailbox) | {"files": [good]})
    row = Attachment.objects.get()
    assert (row.label, row.pages, row.personal) == ("Pièce jointe 1", 1, False)
    assert png()[:16] not in bytes(row.content)
    page = client.post(NEW, sent(mailbox) | {"files": [SimpleUploadedFile(f"{n}.png", png()) for n in range(4)]})
    assert "Trois fichiers au plus" in words(page)


def test_a_visitor_is_told_of_no_other_ticket_a_signed_in_person_of_their_own(client):
    mailbox = MailboxFactory()
    user = UserFactory(email="camille@exemple.test")
    ticket = asked(mailbox, user=user)
    assert ticket.reference not in words(client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}&sujet=webmail"))
    sign_in(client, User.objects.get(pk=user.pk), strong=False)
    page = client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}&sujet=webmail")
    assert ticket.reference in words(page)
    assert 'value="camille@exemple.test"' in page.content.decode()
    assert ticket.reference in words(client.get("/ma-boite/"))
    stranger = Client()
    sign_in(stranger, User.objects.get(pk=UserFactory().pk), strong=False)
    assert ticket.reference not in words(
        stranger.get(f"{NEW}?besoin=technique&numero={number(mailbox)}&sujet=webmail")
    )
    assert stranger.get(f"/demandes/suivi/{ticket.reference}/").status_code == 302


# Following


def test_a_reference_and_a_mailed_code_open_the_thread_without_the_notes(client):
    ticket = asked()
    tickets.answer(ticket, text="Essayez un autre navigateur.", by=agent(), version=0, at=AT)
    tickets.note(ticket, text="Client difficile.", by=agent(), at=AT)
    address = opened(client, ticket)
    assert address == f"/demandes/suivi/{ticket.reference}/"
    page = words(client.get(address))
    assert "Essayez un autre navigateur." in page
    assert "difficile" not in page
    answer = client.post(address, {"text": "Toujours rien."})
    assert answer.status_code == 302
    assert "ajouté" in words(client.get(answer["Location"]))
    assert Message.objects.filter(ticket=ticket, text="Toujours rien.").exists()
    assert Client().get(address)["Location"].startswith("/demandes/suivi/?reference=")


def test_whether_a_reference_exists_is_told_by_nothing(client):
    ticket = asked()
    pages = []
    for reference in (ticket.reference, "D-BBBB-BBBB"):
        browser = Client()
        answer = browser.post("/demandes/suivi/", {"reference": reference})
        page = browser.get(answer["Location"])
        wrong = browser.post("/demandes/suivi/code/", {"code": "000000"})
        strip = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]+"')
        pages.append(
            (answer.status_code, answer["Location"], strip.sub(b"", page.content), strip.sub(b"", wrong.content))
        )
    assert pages[0] == pages[1]
    assert len(mails("ticket.code")) == 1


def test_without_a_reference_asked_for_there_is_no_code_to_type(client):
    assert client.get("/demandes/suivi/code/")["Location"] == reverse("ticket_follow")
    assert client.post("/demandes/suivi/code/", {"code": "123456"})["Location"] == reverse("ticket_follow")
    assert "Référence" in words(client.get("/demandes/suivi/?reference=D-%00%ed%a0%80" + "A" * 5000))


def test_a_merged_reference_leads_to_the_ticket_that_stays(client):
    stays = asked()
    goes = asked(stays.mailbox)  # the same person, twice
    tickets.merge(goes, into=stays, by=agent(), at=AT)
    client.post("/demandes/suivi/", {"reference": goes.reference})
    (mail,) = mails("ticket.code")
    assert (mail.to, mail.object_id) == (["camille@exemple.test"], stays.pk)
    answer = client.post("/demandes/suivi/code/", {"code": tokens.follow_code(again(stays)).reveal()})
    assert answer["Location"] == f"/demandes/suivi/{stays.reference}/"
    for reference in (stays.reference, goes.reference):
        assert stays.reference in words(client.get(f"/demandes/suivi/{reference}/"))


def test_a_merged_reference_leads_a_signed_in_requester_to_the_ticket_that_stays(client):
    user = UserFactory()
    stays = asked(user=user)
    goes = asked(stays.mailbox, email="lou@exemple.test")
    tickets.merge(goes, into=stays, by=agent(), at=AT)
    sign_in(client, User.objects.get(pk=user.pk), strong=False)
    assert stays.reference in words(client.get(f"/demandes/suivi/{goes.reference}/"))


def test_a_message_after_the_end_opens_one_that_follows(client):
    ticket = asked()
    address = opened(client, ticket)
    tickets.close(again(ticket), why="fini", by=agent(), at=AT)
    answer = client.post(address, {"text": "Ça recommence."})
    new = Ticket.objects.exclude(pk=ticket.pk).get()
    assert new.reference in answer["Location"]
    assert "Ça recommence." in words(client.get(answer["Location"]))


# Opinion


def test_the_link_of_an_opinion_changes_nothing_when_opened_and_serves_once(client):
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=AT)
    address = f"/demandes/avis/{tokens.opinion_token(ticket).reveal()}/"
    for _ in range(3):
        assert client.get(address).status_code == 200
    assert again(ticket).opinion_at is None
    assert "Merci" in words(client.post(address, {"avis": "oui"}))
    assert again(ticket).satisfied is True
    assert "déjà donné" in words(client.post(address, {"avis": "non"}))
    assert again(ticket).satisfied is True
    assert client.get("/demandes/avis/AAAA/").status_code == 404


def test_the_key_enter_in_the_comment_chooses_nothing_and_a_choice_left_out_is_asked_for(client):
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=AT)
    address = f"/demandes/avis/{tokens.opinion_token(ticket).reveal()}/"
    assert "<textarea" in client.get(address).content.decode()  # where Enter is a new line, and sends nothing
    for choice in ({}, {"avis": ""}, {"avis": "peut-être"}):
        html = client.post(address, {"comment": "Trois jours\r\npour une réponse."} | choice).content.decode()
        assert "<title>Erreur" in html
        assert "data-error-summary" in html
        assert 'href="#id_avis_0"' in html
        assert 'id="id_avis_0"' in html
        assert html.count("Choisissez oui ou non") == 2
        assert "pour une réponse." in html
    assert again(ticket).opinion_at is None
    client.post(address, {"comment": "Trois jours\r\npour une réponse.", "avis": "non"})
    assert (again(ticket).satisfied, again(ticket).opinion) == (False, "Trois jours\npour une réponse.")


def test_the_pages_ask_little_of_the_database(client, django_assert_max_num_queries):
    mailbox = MailboxFactory()
    with django_assert_max_num_queries(16):
        client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}&sujet=webmail")
