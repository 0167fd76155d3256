"""A ticket that both sides follow by mail alone: « pas pour nous », « résolu », « réglé » (F4, F10, F21, E10)."""

import re

import pytest
from django.test import Client

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support import incoming, tickets, tokens
from support.models import Attachment, IncomingMail, Message, Ticket, TicketChange
from support.models.routing import RoutingRule
from support.tickets.words import Word, says_settled, says_thanks, word_of
from tests.factories import MailboxFactory, OrganisationFactory
from tests.support.corpus.making import mail, png
from tests.support.inbox_stage import memory
from tests.support.tickets_stage import AT, again, agent, asked, mails, on

pytestmark = pytest.mark.django_db
__all__ = ["memory"]  # a fixture

TECHNICIAN = "Technicien Fictif <sttd@priminfo.be>"


@pytest.fixture
def broken():
    """A breakdown, at Priminfo, which has nothing but its mails."""
    clock.set_for_every_process(AT)
    unit = OrganisationFactory(municipality="Valfictive", phone="+32 81 00 00 01")
    return asked(MailboxFactory(organisation=unit), need="panne", answers={"livraison": "2023-01-10"})


def arrives(memory, ticket, text: str, *, author: str = TECHNICIAN, at=AT, **more) -> IncomingMail:
    """That person answers the last mail of ours about the ticket, to them."""
    address = re.sub(r".*<|>.*", "", author)
    ours = OutgoingMail.objects.filter(kind__startswith="ticket.", to=[address]).latest("pk")
    memory.put("etnic", mail(author=author, text=text, answers=ours.message_id, **more), at=at)
    incoming.tick(at=at)
    return IncomingMail.objects.latest("pk")


# What the team reads


def test_the_mail_of_a_team_holds_all_it_needs_and_says_how_to_say_no(broken):
    (told,) = mails("ticket.for_team")
    for text in (told.text, re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", told.html))):
        assert "Valfictive" in text
        assert "+32 81 00 00 01" in text
        assert "PAS POUR NOUS" in text
        assert "RÉSOLU" in text
        assert "la date de livraison est vérifiée" in text
    assert f"/desk/demande/{broken.reference}/" in told.text
    assert f"/desk/demande/{broken.reference}/" in told.html


def test_where_only_the_desk_may_solve_the_mail_does_not_promise_otherwise():
    asked(need="ancien-mot-de-passe")
    (told,) = mails("ticket.for_team")
    assert "PAS POUR NOUS" in told.text
    assert "RÉSOLU" not in told.text + told.html


# What the team answers


def test_not_for_us_goes_back_by_mail_and_the_requester_reads_none_of_it(broken, memory):
    row = arrives(
        memory, broken, "Bonjour,\n\nPAS POUR NOUS\n\nL’appareil n’est pas de notre marché.\n\nUn technicien"
    )
    now = again(broken)
    assert (row.verdict, now.team, now.status) == ("note", "etnic", "new")
    assert row.message.kind == "note"
    assert "pas de notre marché" in row.message.text
    change = TicketChange.objects.get(field="équipe")
    assert "pas de notre marché" in change.why
    assert change.by_name == "Technicien Fictif"
    assert change.returned_rule == RoutingRule.objects.get(pk=broken.rule_id)
    assert not mails("ticket.answered")
    assert "suivie par l’ETNIC" in mails("ticket.moved")[0].text
    assert "notre marché" not in "".join(told.text + told.html for told in mails())


def test_solved_by_mail_tells_the_requester_once_and_reminds_them_of_nothing(broken, memory):
    row = arrives(memory, broken, "RÉSOLU\n\nLa carte mère est remplacée.\n\nBien à vous", at=on(14, 11))
    now = again(broken)
    assert (row.verdict, now.status, now.solved_at) == ("note", "solved", on(14, 11))
    (answer,) = mails("ticket.answered")
    assert "La carte mère est remplacée." in answer.text
    assert "RÉSOLU" not in answer.text
    assert len(mails("ticket.solved")) == 1
    assert "sans cocher" in TicketChange.objects.get(field="liste").why
    tickets.tick(at=on(30))
    assert not mails("ticket.reminder")
    assert not mails("ticket.closed")


def test_solved_without_another_word_is_solved_and_its_photo_is_kept(broken, memory):
    row = arrives(memory, broken, "Résolu.", files=[("photo.png", png(), "image/png")])
    assert again(broken).status == "solved"
    assert not mails("ticket.answered")
    assert Attachment.objects.get().message == row.message


def test_what_only_the_desk_may_tick_keeps_a_ticket_from_being_solved_by_mail(memory):
    clock.set_for_every_process(AT)
    ticket = asked(need="ancien-mot-de-passe")
    assert ticket.team == "enseignement_be"
    author = "Agente Fictive <BMA@enseignement.be>"
    memory.put(
        "sgne",
        mail(author=author, text="RÉSOLU", answers=mails("ticket.for_team")[0].message_id),
        at=AT,
    )
    incoming.tick(at=AT)
    row = IncomingMail.objects.get()
    assert row.verdict == "quarantined"
    assert "cochez" in row.why
    assert again(ticket).status == "new"


def test_what_a_person_takes_out_of_the_quarantine_is_read_the_same_way(broken):
    row = IncomingMail.objects.create(
        sender="etnic", item_key="x", from_address="sttd@priminfo.be", from_name="Technicien Fictif", subject="Panne",
        received_at=AT, read_at=AT, verdict="quarantined", text="Pas pour nous : hors marché.",
    )  # fmt: skip
    incoming.quarantine.accept_into(row, broken, by=agent(), at=AT)
    assert again(broken).team == "etnic"
    assert not mails("ticket.answered")


@pytest.mark.parametrize(
    ("text", "word", "rest"),
    [
        ("PAS POUR NOUS", Word.NOT_OURS, ""),
        ("Pas pour nous : hors marché.\n\nJean", Word.NOT_OURS, "hors marché.\n\nJean"),
        ("Bonjour Madame,\n\n*PAS POUR NOUS*\nHors marché.", Word.NOT_OURS, "Hors marché."),
        ("resolu", Word.SOLVED, ""),
        ("RÉSOLU.\nÉcran remplacé.", Word.SOLVED, "Écran remplacé."),
        ("Bonjour\nRésolu – écran remplacé", Word.SOLVED, "écran remplacé"),
        ("Résolu ?", None, "Résolu ?"),
        ("Pas pour nous déplaire, nous passerons.", None, "Pas pour nous déplaire, nous passerons."),
        ("Est-ce résolu de votre côté ?\nRÉSOLU", None, "Est-ce résolu de votre côté ?\nRÉSOLU"),
        ("Résolu à moitié", None, "Résolu à moitié"),
        ("> RÉSOLU\nC’est en cours.", None, "> RÉSOLU\nC’est en cours."),
        ("", None, ""),
    ],
)
def test_only_a_first_line_that_is_the_word_counts(text, word, rest):
    assert word_of(text) == (word, rest)


# What the requester answers


@pytest.mark.parametrize(
    "text",
    [
        "Réglé",
        "C’est réglé !",
        "C'est réparé, merci beaucoup.",
        "Bonjour,\n\nTout est résolu. Merci !\n\nBien à vous,\nAnne Exemple\nDirectrice\n+32 4 000 00 00",
        "Le problème est résolu, merci pour votre aide.\nAnne Exemple",
        "Oui, c’est réglé.",
        "Réglé.\nEnvoyé de mon iPhone",
    ],
)
def test_a_message_that_says_no_more_than_settled(text):
    assert says_settled(text, "Anne Exemple")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Réglé ?",
        "Ce n’est pas réglé.",
        "Toujours pas résolu",
        "C’est réglé.\n\nMais l’imprimante ne marche plus.",
        "C’est réglé, merci, mais l’écran clignote.",
        "Réglé. Merci de passer quand même.",
        "C’est réglé pour l’écran",
        "Réglé.\nMerci\nQuand passez-vous reprendre l’ancien ?",
        "Bon à savoir : réglé",
        "> c’est réglé",
    ],
)
def test_a_message_that_says_more_is_read_by_a_person(text):
    assert not says_settled(text, "Anne Exemple")


@pytest.mark.parametrize(
    "text",
    [
        "Merci beaucoup !\n\nMalo",
        "Merci beaucoup !\nMalo Exemple",
        "Bonjour,\n\nUn grand merci pour votre aide.\n\nBien à vous,\nMalo Exemple\nDirecteur\n+32 4 000 00 00",
        "Bonjour, merci beaucoup.",
        "Super, merci !",
        "Parfait.\nMerci et bonne journée !",
        "Merci.\nEnvoyé de mon iPhone",
    ],
)
def test_a_message_that_is_thanks_and_no_more(text):
    assert says_thanks(text, "Malo Exemple")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Malo",
        "Bonjour,",
        "Merci, mais l’écran clignote.",
        "Merci\nMais l’écran clignote.",
        "Merci\nMalo\nL’écran ne s’allume plus.",
        "Merci !\nMalo\nPS : l’écran clignote encore",
        "Bonjour, l’écran clignote.\nMerci",
        "Merci d’avance",
        "Merci de repasser.",
        "Merci ?",
        "Merci\nQuelqu’un d’autre",
        "> merci",
    ],
)
def test_a_message_that_is_more_than_thanks(text):
    assert not says_thanks(text, "Malo Exemple")


def test_thanks_alone_leave_a_solved_ticket_solved_and_a_live_one_live():
    ticket = asked(first_name="Malo", last_name="Exemple", email="malo@exemple.test")
    tickets.requester_wrote(ticket, text="Merci beaucoup !", at=AT)
    assert again(ticket).status == "new"
    tickets.solve(ticket, by=agent(), at=AT)
    tickets.requester_wrote(ticket, text="Merci beaucoup !\n\nMalo", at=on(14, 10))
    now = again(ticket)
    assert (now.status, now.reopened, now.due_at) == ("solved", 0, None)
    assert ticket.messages.filter(kind="request").last().text == "Merci beaucoup !\n\nMalo"
    tickets.requester_wrote(ticket, text="Merci, mais l’écran clignote.", at=on(14, 11))
    assert again(ticket).reopened == 1


def test_one_word_of_the_requester_ends_a_ticket_and_tells_its_team(broken, memory):
    arrives(memory, broken, "C’est réparé.", at=on(14, 11))
    assert again(broken).status == "waiting"
    tickets.tick(at=on(19))
    (reminder,) = mails("ticket.reminder")
    assert "en un mot" in reminder.text
    arrives(memory, broken, "Réglé, merci !", author="Camille Fictive <camille@exemple.test>", at=on(19, 11))
    now = again(broken)
    assert (now.status, now.solved_at) == ("solved", on(19, 11))
    assert broken.messages.filter(kind="request").last().text == "Réglé, merci !"
    assert "n’avez plus rien à faire" in mails("ticket.for_team")[-1].text
    tickets.tick(at=on(30))
    assert len(mails("ticket.reminder")) == 1
    assert not mails("ticket.closed")


def test_thanks_after_the_end_reopen_nothing():
    ticket = asked()
    tickets.solve(ticket, by=agent(), at=AT)
    tickets.requester_wrote(ticket, text="C’est réglé, merci.", at=on(14, 10))
    now = again(ticket)
    assert (now.status, now.reopened, now.due_at) == ("solved", 0, None)
    tickets.requester_wrote(ticket, text="Finalement non.", at=on(14, 11))
    assert again(ticket).reopened == 1
    tickets.close(again(ticket), why="fini", by=agent(), at=on(14, 12))
    tickets.requester_wrote(ticket, text="C’est réglé, merci.", at=on(14, 13))
    assert again(ticket).status == "closed"
    assert not ticket.followed_by.exists()  # nor do they open another
    tickets.requester_wrote(ticket, text="Finalement non.", at=on(14, 14))
    assert ticket.followed_by.count() == 1


def test_who_lost_access_ends_nothing():
    ticket = asked()
    Ticket.objects.filter(pk=ticket.pk).update(revoked_at=AT)
    tickets.requester_wrote(ticket, text="C’est réglé.", at=on(14, 10))
    assert again(ticket).status == "new"


def test_a_theft_is_not_ended_by_a_word_its_team_does_it():
    ticket = asked(need="vol", subject="PC volé")
    tickets.requester_wrote(ticket, text="C’est réglé.", at=on(14, 10))
    assert again(ticket).status == "new"
    assert not mails("ticket.solved")


def test_another_s_word_does_not_end_it():
    stays = asked()
    goes = asked(stays.mailbox, email="lou@exemple.test", first_name="Lou")
    tickets.merge(goes, into=stays, by=agent(), at=AT)
    writer = {"first_name": "Lou", "last_name": "", "email": "lou@exemple.test"}
    tickets.requester_wrote(stays, text="C’est réglé.", author_name="Lou", writer=writer, at=on(14, 10))
    assert again(stays).status == "new"


def test_the_page_of_a_ticket_has_a_button_for_it_as_long_as_it_is_open():
    clock.set_for_every_process(AT)
    client, ticket = Client(), asked()
    client.post("/demandes/suivi/", {"reference": ticket.reference})
    code = tokens.follow_code(again(ticket)).reveal()
    address = client.post("/demandes/suivi/code/", {"code": code})["Location"]
    assert 'name="regle"' in client.get(address).content.decode()
    answer = client.post(address, {"regle": "1"})
    assert answer.status_code == 302
    page = client.get(answer["Location"]).content.decode()
    assert "demande est résolue" in page
    assert 'name="regle"' not in page
    assert again(ticket).status == "solved"
    assert Message.objects.filter(ticket=ticket, text="C’est réglé.").count() == 1
    assert client.get(f"{address}?regle=1").status_code == 200  # reading changes nothing


# How one is addressed


def test_an_address_is_nobody_s_name():
    ticket = asked(first_name="", last_name="", email="camille@exemple.be")
    tickets.answer(ticket, text="Voici.", by=agent(), version=0, at=AT)
    (told,) = mails("ticket.answered")
    for text in (told.text, told.html):
        assert "Madame, Monsieur," in text
        assert "camille@exemple.be" not in text


def test_who_follows_reads_that_they_do():
    ticket, by = asked(), agent(email="lou@exemple.test")
    tickets.watch(ticket, by=by)
    tickets.requester_wrote(ticket, text="Un mot.", at=AT)
    (told,) = mails("ticket.news")
    assert "que vous suivez" in told.text
    assert "que vous suivez" in told.html
