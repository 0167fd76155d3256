"""Writing at the desk: answers, canned ones, notes, drafts; two agents at once."""

import re

import pytest

from bma_portal.mail.models import OutgoingMail
from support import tickets
from support.models import Attachment, Draft, Message, Ticket
from support.teams import CANNED
from tests.factories_tickets import CannedAnswerFactory
from tests.support import hostile
from tests.support.ticket_stage import NOW, Sheet, refused
from tests.support.tickets_stage import again, agent, mails

pytestmark = [pytest.mark.django_db, pytest.mark.database]
Status = Ticket.Status


# Answers


def test_an_answer_leaves_and_says_what_becomes_of_the_ticket(sheet, ticket, lena):
    page = sheet.do("repondre", text="Redémarrez Outlook.", then="waiting")
    assert "La parole est au demandeur" in page.text
    assert "Redémarrez Outlook." in page.text
    assert "Mail à camille@exemple.test" in page.text
    assert (again(ticket).status, again(ticket).assignee) == ("waiting", lena)
    sheet.do("repondre", text="Et maintenant ?", then="open")
    assert again(ticket).status == "open"
    sheet.do("repondre", text="Voilà.", then="solved")
    assert again(ticket).status == "solved"
    assert len(mails("ticket.answered")) == 3


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"text": "", "then": "waiting"}, "Écrivez votre réponse."),
        ({"text": "Bonjour", "then": "n’importe"}, "Dites ce que devient la demande"),
        ({"text": "Bonjour {prénom},", "then": "waiting"}, "Remplacez ou retirez ce qui est encore entre accolades"),
        ({"text": "x" * 21_000, "then": "waiting"}, "20 000 signes au plus"),
        ({"text": "Son numéro : 85.07.30-033.28", "then": "waiting"}, "numéro de registre national"),
    ],
)
def test_an_answer_that_cannot_leave_comes_back_as_it_was_typed(sheet, ticket, typed, words):
    page = sheet.do("repondre", **typed)
    refused(page, words)
    assert typed["text"][:20_000] in page.html.replace("&#x27;", "'")
    assert not mails("ticket.answered")
    assert page.h1 == 1


def test_what_two_agents_write_at_once_is_not_lost_nor_overwritten(sheet, ticket):
    noa = Sheet(agent(first_name="Noa", last_name="Fictif"), ticket)
    sheet()
    noa()
    noa.do("repondre", text="La première réponse.", then="waiting")
    page = sheet.do("repondre", text="La mienne, trop tard.", then="waiting")
    refused(page, "Cette demande a changé pendant que vous écriviez")
    assert "La mienne, trop tard.</textarea>" in page.html
    assert "Ce qui est nouveau depuis que vous avez ouvert cette page" in page.text
    assert "Noa Fictif" in page.text
    assert page.html.count('dt-new"') == 1
    assert [m.text for m in Message.objects.filter(kind="answer")] == ["La première réponse."]
    sheet.read = {"version": str(again(ticket).version), "vu": sheet.read["vu"]}  # what the page now carries
    assert f'name="version" value="{again(ticket).version}"' in page.html
    sheet.do("repondre", text="La mienne, trop tard.", then="waiting")
    assert Message.objects.filter(kind="answer").count() == 2


@pytest.mark.parametrize("version", ["", "-1", "9" * 30, "\0", "abc", "1.5"])
def test_a_version_that_means_nothing_is_too_old(sheet, ticket, version):
    refused(sheet.do("repondre", text="Bonjour.", then="open", version=version), "Cette demande a changé")
    refused(sheet.do("attendre", version=version), "Cette demande a changé")
    assert again(ticket).version == 0


def test_a_canned_answer_is_filled_by_the_server_after_what_is_written(sheet, ticket):
    row = CannedAnswerFactory(text="Bonjour {prénom}, migrée le {date_migration}.")
    page = sheet.do("repondre", inserer="1", modele=str(row.pk), text="Cher collègue,", then="solved")
    assert "Cher collègue,\n\nBonjour Camille, migrée le {date_migration}.</textarea>" in page.html
    assert "faute de valeur pour cette demande : {date_migration}" in page.text
    assert re.search(r'value="solved"[^>]*checked|checked[^>]*value="solved"', page.html)
    assert not mails("ticket.answered")
    for chosen in ("", str(CannedAnswerFactory(team="sgne").pk), "9" * 30, "\0"):
        refused(sheet.do("repondre", inserer="1", modele=chosen, text="Gardé.", then="open"), "Choisissez une réponse")


def test_an_answer_can_be_read_again_before_it_leaves(sheet, ticket):
    page = sheet.do("repondre", apercu="1", text="Bonjour Camille.", then="open")
    page.assert_sound()
    assert "À Camille Fictive, camille@exemple.test" in page.text
    assert "Bonjour Camille." in page.text
    assert not mails("ticket.answered")
    refused(sheet.do("repondre", apercu="1", text="Bonjour {nom}", then="open"), "{nom}")
    page = sheet.do("repondre", modifier="1", text="Bonjour Camille.", then="open")
    assert "Bonjour Camille.</textarea>" in page.html
    assert page.status == 200


def test_files_go_with_an_answer_and_a_wrong_one_keeps_the_text(sheet, ticket):
    from django.core.files.uploadedfile import SimpleUploadedFile

    bad = SimpleUploadedFile("programme.exe", b"MZ")
    refused(sheet.do("repondre", text="Voici.", then="open", pieces=bad), "Fichier 1")
    good = SimpleUploadedFile("capture.jpg", hostile.jpeg(), content_type="image/jpeg")
    sheet.do("repondre", text="Voici.", then="open", pieces=good)
    assert Attachment.objects.get().message.text == "Voici."


def test_a_solved_ticket_is_not_answered_and_its_page_says_why(sheet, ticket, lena):
    tickets.solve(ticket, by=lena, at=NOW)
    assert "Rouvrez-la d’abord" in sheet().text
    refused(sheet.do("repondre", text="Encore un mot.", then="open"), "rien ne s’y ajoute plus")
    assert "La demande est rouverte." in sheet.do("rouvrir").text


# Notes and drafts


def test_a_note_stays_at_the_desk_and_leaves_the_draft_alone(sheet, ticket, lena):
    tickets.save_draft(ticket, text="Ma réponse, à moitié.", by=lena, at=NOW)
    page = sheet.do("noter", note="Cette personne a déjà appelé trois fois.")
    assert "Elle ne part nulle part" in page.text
    assert "Ma réponse, à moitié.</textarea>" in page.html
    tickets.answer(ticket, text="Voilà.", by=lena, version=again(ticket).version, at=NOW)
    tickets.transfer(ticket, to="sgne", why="La date.", by=lena, at=NOW)
    assert all("trois fois" not in mail.text + mail.html + mail.subject for mail in OutgoingMail.objects.all())
    assert "trois fois" not in "".join(m.text for m in tickets.thread_of(ticket, with_notes=False))
    refused(Sheet(agent("sgne"), ticket).do("noter", note=" "), "Écrivez votre note.")


def test_a_note_on_a_page_that_is_too_old_comes_back(sheet, ticket):
    sheet()
    tickets.requester_wrote(ticket, text="Toujours rien.", at=NOW)
    page = sheet.do("noter", note="À surveiller.")
    refused(page, "Cette demande a changé")
    assert "À surveiller.</textarea>" in page.html
    assert not Message.objects.filter(kind="note").exists()


def test_what_is_being_written_is_kept_by_itself_or_by_a_button(sheet, ticket, lena):
    page = sheet.do("brouillon", text="Je commence", htmx=True)
    assert "Brouillon gardé à 10 h 00." in page.text
    assert f'data-hx-post="{sheet.address("brouillon/")}"' in page.html  # it goes on being kept
    assert Draft.objects.get().text == "Je commence"
    assert "Je commence</textarea>" in sheet().html
    assert "Je commence</textarea>" not in Sheet(agent(), ticket)().html  # each one's own
    assert "Votre brouillon est gardé." in sheet.do("brouillon", text="Je continue").text
    sheet.do("repondre", text="Voilà.", then="open")
    assert not Draft.objects.exists()
    sheet.do("brouillon", text="y" * 30_000)
    assert len(Draft.objects.get().text) == 20_000
    sheet.do("brouillon", text="\0")
    sheet.do("brouillon", text=" ")
    assert not Draft.objects.exists()


def test_no_canned_answer_promises_what_no_document_says():
    """SEC-M7: what arrives when a full mailbox is emptied, and how soon, is said by none of them."""
    assert not any("heure" in text for _team, _title, text, _needs in CANNED)
