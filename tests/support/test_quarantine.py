"""What the portal could not place by itself: a person of the team whose inbox it is decides."""

import re
from urllib.parse import urlencode

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.models import AuditEntry
from support import incoming
from support.models import IncomingMail, Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.sign_in import sign_in
from tests.support.corpus.making import mail
from tests.support.inbox_stage import memory
from tests.support.pages import Page
from tests.support.tickets_stage import AT, again, agent, asked, mails

__all__ = ["memory"]  # a fixture
pytestmark = [pytest.mark.django_db, pytest.mark.database]
LIST = "/desk/quarantaine/"


@pytest.fixture
def box(db):
    return MailboxFactory(organisation=OrganisationFactory(fase=247))


@pytest.fixture
def waiting(box, memory) -> IncomingMail:
    """An unknown person writes to ETNIC about a mailbox, in hostile HTML."""
    html = '<p>La boîte ec000247@adm.cfwb.be est <b>pleine</b>.</p><img src="http://x.test/p.gif"><script>a()</script>'
    mime = mail("Inconnue Fictive <inconnue@exemple.test>", "Boîte pleine", "La boîte ec000247@adm.cfwb.be est pleine",
                html, files=[("photo.jpg", b"x", "image/jpeg")])  # fmt: skip
    memory.put("etnic", mime, at=AT)
    incoming.tick(at=AT)
    return IncomingMail.objects.get()


@pytest.fixture
def etnic(client):
    user = agent("etnic")
    sign_in(client, user)
    return user


def decide(client, row: IncomingMail, **data):
    return client.post(f"{LIST}{row.pk}/", data, follow=True)


def test_it_is_listed_and_read_cleaned_with_a_line_of_audit(client, etnic, waiting):
    listed = Page(client.get(LIST))
    listed.assert_sound()
    assert "Boîte pleine" in listed.text
    assert "pas connue" in listed.text
    answer = client.get(f"{LIST}{waiting.pk}/")
    shown = Page(answer)
    shown.assert_sound()
    assert "photo.jpg" in shown.text
    body = answer.content.decode().partition("quarantine-html")[2].partition("</section>")[0]
    assert "<b>pleine</b>" in body
    assert "<img" not in body
    assert "<script" not in body
    assert 'value="ec000247"' in answer.content.decode()  # the mailbox that it names
    assert AuditEntry.objects.filter(action="incoming.viewed", object_id=str(waiting.pk)).exists()


def test_it_opens_a_ticket_for_the_mailbox_that_is_named(client, etnic, waiting, box):
    answer = decide(client, waiting, geste="ouvrir", numero="ec000247", besoin="reception")
    ticket = Ticket.objects.get()
    assert (ticket.mailbox, ticket.team, ticket.need, ticket.email) == (
        box, "etnic", "reception", "inconnue@exemple.test",
    )  # fmt: skip
    assert "Pièce jointe restée dans la boîte ETNIC : photo.jpg" in ticket.messages.get().text
    assert ticket.reference in Page(answer).text
    waiting.refresh_from_db()
    assert (waiting.decision, waiting.handled_by, waiting.ticket, waiting.text, waiting.html, waiting.files) == (
        "accepted", etnic, ticket, "", "", [],
    )  # fmt: skip
    assert AuditEntry.objects.filter(action="incoming.accepted", result="ok").exists()


def test_it_goes_into_a_ticket_of_the_team(client, etnic, waiting, box):
    ticket = asked(box, at=AT)
    decide(client, waiting, geste="ajouter", reference=ticket.reference.lower())
    message = ticket.messages.order_by("pk").last()
    assert message.author_name == "Inconnue Fictive <inconnue@exemple.test>"
    assert "pleine" in message.text
    assert ticket.email == "camille@exemple.test"  # who is answered does not change


def test_it_is_discarded_once(client, etnic, waiting):
    decide(client, waiting, geste="ecarter")
    waiting.refresh_from_db()
    assert (waiting.decision, waiting.text) == ("discarded", "")
    assert "Rien à examiner" in Page(client.get(LIST)).text
    assert client.post(f"{LIST}{waiting.pk}/", {"geste": "ecarter"}).status_code == 404


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"geste": "ajouter", "reference": ""}, "Indiquez la référence"),
        ({"geste": "ajouter", "reference": "D-ZZZZ-ZZZZ"}, "n’a pas de demande"),
        ({"geste": "ajouter", "reference": "x\0" * 50_000}, "D-BCDF-2345"),
        ({"geste": "ouvrir", "numero": "", "besoin": ""}, "Choisissez de quoi il s’agit"),
        ({"geste": "ouvrir", "numero": "9" * 30, "besoin": "reception"}, "six chiffres"),
        ({"geste": "ouvrir", "numero": "ec000001", "besoin": "reception"}, "Aucune boîte"),
        ({"geste": "ouvrir", "numero": "\ud800", "besoin": "<b>"}, "besoin de la liste"),
        ({"geste": "autre"}, ""),
    ],
)
def test_what_is_typed_wrong_is_said_and_decides_nothing(client, etnic, waiting, data, said):
    body = urlencode({name: value.encode("utf-8", "surrogatepass") for name, value in data.items()})
    answer = client.post(f"{LIST}{waiting.pk}/", body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code in {200, 400}
    page = Page(answer)
    assert said in page.text
    if said:
        assert "<title>Erreur :" in answer.content.decode()
        assert answer.content.decode().count("<h1") == 1
    waiting.refresh_from_db()
    assert waiting.decision == ""


def test_another_team_sees_nothing_of_it(client, waiting):
    ticket = asked(team="sgne", need="procedure", at=AT)
    for team in ("sgne", "priminfo", "enseignement_be"):
        sign_in(client, agent(team))
        assert "Boîte pleine" not in Page(client.get(LIST)).text
        assert client.get(f"{LIST}{waiting.pk}/").status_code == 404
        assert client.post(f"{LIST}{waiting.pk}/", {"geste": "ecarter"}).status_code == 404
    sign_in(client, agent("etnic"))
    decide(client, waiting, geste="ajouter", reference=ticket.reference)  # nor does a ticket of another team exist
    waiting.refresh_from_db()
    assert waiting.decision == ""


def test_odd_addresses_of_the_list_are_no_fault(client, etnic, waiting):
    for query in ("page=0", "page=x%00", "page=" + "9" * 5000):
        assert client.get(f"{LIST}?{query}").status_code == 200
    assert client.get(reverse("desk_quarantine_mail", args=[10**30])).status_code == 404


def test_after_thirty_days_the_text_is_gone_after_a_year_the_address(waiting):
    from datetime import timedelta

    from bma_portal import retention

    retention.apply(at=AT + timedelta(days=29))
    waiting.refresh_from_db()
    assert waiting.text
    retention.apply(at=AT + timedelta(days=31))
    waiting.refresh_from_db()
    assert (waiting.text, waiting.html, waiting.files, waiting.decision) == ("", "", [], "expired")
    assert waiting.from_address
    retention.apply(at=AT + timedelta(days=400))
    waiting.refresh_from_db()
    assert (waiting.from_address, waiting.from_name, waiting.subject) == ("", "", "")


# Of teams that work by mail, which have no inbox of their own


@pytest.fixture
def broken(memory):
    clock.set_for_every_process(AT)
    ticket = asked(need="panne", answers={"livraison": "2023-01-10"})
    assert ticket.team == "priminfo"
    return ticket


def arrives(memory, **more) -> IncomingMail:
    memory.put("etnic", mail(**more), at=AT)
    incoming.tick(at=AT)
    row = IncomingMail.objects.latest("pk")
    assert row.verdict == "quarantined"
    return row


@pytest.mark.parametrize("author", ["Technicien Fictif <sttd@priminfo.be>", "Technicien Fictif <tech@exemple.test>"])
def test_a_reply_of_priminfo_is_put_in_its_ticket_by_whoever_reads_the_inbox(client, etnic, broken, memory, author):
    answers = "" if "priminfo" in author else mails("ticket.for_team")[0].message_id
    row = arrives(memory, author=author, subject=f"RE: Panne [{broken.reference}]", text="Demain.", answers=answers)
    shown = client.get(f"{LIST}{row.pk}/")
    page = shown.content.decode()
    Page(shown).assert_sound()
    assert f'value="{broken.reference}"' in page
    assert re.search(r'value="answer"[^>]*checked', page)
    assert f"/desk/demande/{broken.reference}/" not in page  # which they do not get to see
    answer = decide(client, row, geste="ajouter", reference=broken.reference, comme="answer")
    assert "que suit Priminfo" in Page(answer).text
    message = broken.messages.order_by("pk").last()
    assert (message.kind, message.text) == ("answer", "Demain.")
    assert len(mails("ticket.answered")) == 1
    assert client.get(f"/desk/demande/{broken.reference}/").status_code == 404


def test_what_names_no_ticket_of_theirs_goes_into_none(client, etnic, broken, waiting):
    answer = decide(client, waiting, geste="ajouter", reference=broken.reference)
    assert "n’a pas de demande qui porte" in Page(answer).text
    assert broken.messages.count() == 1


def test_priminfo_reads_where_its_mails_are_looked_at(client, broken):
    sign_in(client, agent("priminfo"))
    page = Page(client.get(LIST))
    page.assert_sound()
    assert "dans la boîte ETNIC" in page.text


# What an agent writes


def test_what_an_agent_wrote_is_a_note_unless_a_person_says_otherwise(client, etnic, memory, box):
    clock.set_for_every_process(AT)
    agent("etnic", email="eden@etnic.test")
    ticket = asked(box, email="jules@exemple.test")
    row = arrives(memory, author="Éden Fictif <eden@etnic.test>", subject=f"RE: [{ticket.reference}]", text="Je vois.")
    page = client.get(f"{LIST}{row.pk}/").content.decode()
    assert re.search(r'value="note"[^>]*checked', page)
    assert 'value="answer"' not in page  # this team answers at the desk
    refused = decide(client, row, geste="ajouter", reference=ticket.reference, comme="answer")
    assert "<title>Erreur :" in refused.content.decode()
    decide(client, row, geste="ajouter", reference=ticket.reference, comme="note")
    message = ticket.messages.order_by("pk").last()
    assert (message.kind, message.author_name) == ("note", "Éden Fictif <eden@etnic.test>")
    assert again(ticket).status == "new"


def test_what_a_person_puts_in_as_the_requester_s_is_theirs(client, etnic, memory, box):
    clock.set_for_every_process(AT)
    ticket = asked(box)
    row = arrives(memory, author="autre@exemple.test", subject=f"RE: [{ticket.reference}]", text="Je vois.")
    assert re.search(r'value="request"[^>]*checked', client.get(f"{LIST}{row.pk}/").content.decode())
    decide(client, row, geste="ajouter", reference=ticket.reference, comme="request")
    assert ticket.messages.order_by("pk").last().kind == "request"


def test_the_files_that_a_team_s_answer_left_behind_are_no_news_for_the_school(client, etnic, broken, memory):
    row = arrives(memory, author="sttd@priminfo.be", subject=f"RE: [{broken.reference}]", text="Voici.",
                  files=[("devis.pdf", b"x", "application/pdf")])  # fmt: skip
    decide(client, row, geste="ajouter", reference=broken.reference, comme="answer")
    assert "devis.pdf" not in "".join(m.text for m in broken.messages.exclude(kind="note"))
    assert "devis.pdf" in mails("ticket.refused")[0].text
