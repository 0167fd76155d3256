"""What a team sends by mail that is no plain answer: replies to alerts, files taken and refused (F6, F10, F11)."""

import re

import pytest
from django.contrib.auth.models import Permission

from bma_portal import clock
from bma_portal.mail.models import Attachment as MailAttachment
from support import attachments, incoming, ticket_mail_kinds, ticket_mails, tickets
from support.models import Attachment, IncomingMail, Message, Team
from tests.factories import MailboxFactory
from tests.support.corpus.making import mail, png
from tests.support.inbox_stage import memory
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = pytest.mark.django_db
__all__ = ["memory"]  # a fixture

TECHNICIAN = "Technicien Fictif <sttd@priminfo.be>"
PICTURE = ("photo.png", png(), "image/png")
WORD = ("devis.docx", b"PK\x03\x04 un devis", "application/msword")


@pytest.fixture
def broken():
    clock.set_for_every_process(AT)
    return asked(MailboxFactory(), need="panne", answers={"livraison": "2023-01-10"})


def arrives(memory, text: str, *, answers: str = "", author: str = TECHNICIAN, at=AT, **more) -> IncomingMail:
    memory.put("etnic", mail(author=author, text=text, answers=answers, **more), at=at)
    incoming.tick(at=at)
    return IncomingMail.objects.latest("pk")


def late(ticket) -> str:
    """The Message-ID of the alert that says so."""
    ticket_mails.tell_alert(ticket_mail_kinds.Overdue, again(ticket), at=on(14, 16))
    (alert,) = mails("ticket.overdue")
    for text in (alert.text, alert.html):
        assert "note interne" in text
    return alert.message_id


# Alerts


def test_what_a_team_answers_to_an_alert_is_a_note_and_the_clock_goes_on(broken, memory):
    alert = late(broken)
    assert "répondez au mail qui vous l’a confiée" in mails("ticket.overdue")[0].text
    before = again(broken)
    row = arrives(memory, "On attend la pièce, ne dites rien encore.", answers=alert, at=on(14, 16))
    now = again(broken)
    assert (row.verdict, row.message.kind, row.message.by_mail) == ("note", "note", True)
    assert (now.status, now.due_at, now.asked_at) == (before.status, before.due_at, before.asked_at)
    assert not mails("ticket.answered")


def test_so_is_what_a_technician_answers_to_it_from_their_own_address_or_by_its_subject(broken, memory):
    alert = late(broken)
    row = arrives(memory, "On attend.", answers=alert, author="t@priminfo.be")
    assert row.message.kind == "note"
    subject = f"RE: Échéance dépassée : {broken.subject} [{broken.reference}]"
    vouched = {"Authentication_Results": "exchange.test; dmarc=pass"}
    assert arrives(memory, "On attend.", subject=subject, **vouched).message.kind == "note"
    assert not mails("ticket.answered")


def test_an_agent_s_answer_to_their_alert_is_a_note_a_stranger_s_waits(memory):
    clock.set_for_every_process(AT)
    lead = agent("etnic", email="eden@etnic.test")
    Team.objects.filter(pk="etnic").update(lead=lead)
    ticket = asked(email="eden@etnic.test")  # even of their own ticket
    alert = late(ticket)
    row = arrives(memory, "Je m’en occupe.", answers=alert, author="Éden Fictif <eden@etnic.test>")
    assert (row.verdict, row.message.kind, row.message.author_name) == ("note", "note", "Éden Fictif")
    row = arrives(memory, "Je m’en occupe.", answers=alert, author="inconnu@exemple.test")
    assert row.verdict == "quarantined"
    lead.groups.clear()
    lead.user_permissions.add(Permission.objects.get(codename="work_sgne"))
    row = arrives(memory, "Et moi.", answers=alert, author="eden@etnic.test")
    assert row.verdict == "quarantined"  # works for that team no more
    assert ticket.messages.filter(kind="request").count() == 1


# Files that leave


def with_file(ticket, *, label="guide.png") -> Message:
    prepared = attachments.prepare_bytes("guide.png", png())
    return tickets.answer(ticket, text="Voici.", by=agent(), version=0, files=[(label, prepared)], at=AT)


def test_the_file_of_an_answer_travels_with_it_and_is_named_in_it():
    ticket = asked()
    with_file(ticket)
    (told,) = mails("ticket.answered")
    (piece,) = told.attachments.all()
    assert (piece.name, piece.mimetype) == ("guide.jpg", "image/jpeg")
    assert bytes(piece.content).startswith(b"\xff\xd8")
    for text in (told.text, told.html):
        assert "Joint à ce mail : guide.png." in text


def test_so_does_a_photo_that_priminfo_sends(broken, memory):
    arrives(memory, "Voici où brancher.", answers=mails("ticket.for_team")[0].message_id, files=[PICTURE])
    (told,) = mails("ticket.answered")
    assert [piece.name for piece in told.attachments.all()] == ["photo.jpg"]
    assert "photo.png" in told.text


def test_a_personal_document_is_mentioned_and_never_travels():
    ticket = asked(need="vol", subject="PC volé")
    with_file(ticket)
    (told,) = mails("ticket.answered")
    assert not MailAttachment.objects.exists()
    for text in (told.text, told.html):
        assert "document personnel" in text
        assert "guide.png" not in text


def test_what_waits_for_the_antivirus_or_weighs_too_much_stays_and_the_mail_says_so(monkeypatch):
    monkeypatch.setattr(ticket_mail_kinds, "MOST_CARRIED", 10)
    ticket = asked()
    with_file(ticket)
    assert not MailAttachment.objects.exists()
    assert "n’a pas pu voyager" in mails("ticket.answered")[0].text
    waits = Attachment(to_scan=True, content=b"x")
    assert ticket_mail_kinds.Files.of([waits]) == ticket_mail_kinds.Files(unscanned=1)


def test_an_answer_that_is_recalled_takes_its_files_back():
    clock.set_for_every_process(AT)
    ticket, by = asked(), agent()
    prepared = attachments.prepare_bytes("guide.png", png())
    message = tickets.answer(
        ticket, text="Voici.", by=by, version=0, files=[("guide.png", prepared)], recall_seconds=30, at=AT
    )
    assert MailAttachment.objects.exists()
    tickets.recall(ticket, message=message.pk, by=by, at=AT)
    assert not MailAttachment.objects.exists()
    assert not mails("ticket.answered")


def test_what_turns_out_to_be_personal_leaves_with_no_mail_that_waits():
    ticket = asked()
    with_file(ticket)
    tickets.set_need(again(ticket), need="vol", by=agent(), at=AT)
    assert not MailAttachment.objects.exists()


def test_the_files_of_a_note_go_to_no_other_team(broken, memory):
    arrives(memory, "PAS POUR NOUS", answers=mails("ticket.for_team")[0].message_id, files=[PICTURE])
    tickets.transfer(again(broken), to="enseignement_be", why="essai", by=agent(), at=AT)
    assert Attachment.objects.count() == 1
    assert not mails("ticket.for_team")[-1].attachments.exists()


# Files that are refused


def test_a_refused_file_is_explained_to_the_team_and_not_to_the_school(broken, memory):
    row = arrives(memory, "Voici le devis.", answers=mails("ticket.for_team")[0].message_id, files=[WORD])
    assert row.message.text == "Voici le devis.\n\n(Un fichier n’a pas pu être joint à cette réponse.)"
    (answered,) = mails("ticket.answered")
    assert "devis.docx" not in answered.text + answered.html
    assert "devis.docx" in broken.messages.get(kind="note").text
    (told,) = mails("ticket.refused")
    assert told.to == ["sttd@priminfo.be"]
    for text in (told.text, told.html):
        assert "devis.docx" in text
        assert "JPEG" in text
    again_ = arrives(memory, "Le voici.", answers=told.message_id, files=[WORD], at=on(14, 10))
    assert again_.message.kind == "answer"  # what they send again does reach the school
    assert len(mails("ticket.refused")) == 1  # and a machine that answers forever is told once


def test_solved_in_a_word_with_a_refused_file_tells_the_school_nothing_of_it(broken, memory):
    arrives(memory, "RÉSOLU", answers=mails("ticket.for_team")[0].message_id, files=[WORD])
    assert again(broken).status == "solved"
    assert not mails("ticket.answered")
    assert "résolue" in mails("ticket.refused")[0].text
    assert not re.search("devis|fichier", "".join(m.text for m in broken.messages.filter(kind__in=Message.PUBLIC)))


def test_not_for_us_with_a_refused_file_is_in_the_note_alone(broken, memory):
    arrives(memory, "PAS POUR NOUS", answers=mails("ticket.for_team")[0].message_id, files=[WORD])
    assert "devis.docx" in broken.messages.get(kind="note").text
    assert not mails("ticket.refused")
