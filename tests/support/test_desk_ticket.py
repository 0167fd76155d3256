"""The page of a ticket: what each team reads of it and of its mailbox, its files, its history, what is new."""

import json
import re
from urllib.parse import quote

import pytest
from django.test import Client

from accounts.mode import perimeter_of
from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from support import attachments, tickets
from support.models import Message, Ticket
from tests.factories import OrganisationFactory
from tests.factories_holders import HolderFactory, PasswordResetFactory
from tests.factories_migration import MoveFactory
from tests.factories_tickets import CannedAnswerFactory, IncidentFactory, MessageFactory
from tests.support.desk_stage import HOSTILE
from tests.support.ticket_stage import NOW, Sheet, attached
from tests.support.tickets_stage import AT, again, agent, asked, on

pytestmark = [pytest.mark.django_db, pytest.mark.database]


# What one reads


def test_an_agent_reads_who_asks_what_why_this_team_and_until_when(sheet, ticket):
    page = sheet()
    page.assert_sound()
    assert sheet.answer.status_code == 200
    for words in (
        "Outlook n’envoie plus",
        "Camille Fictive",
        "camille@exemple.test",
        "fenêtre grise",
        "J’ai un autre souci technique avec la boîte",
        "Première réponse avant le jeudi 14 novembre 2024 à 13 h 00",
        "Première réponse : dans 3 h",
        "Suivie par personne encore",
        ticket.mailbox.address,
        f"{ticket.mailbox.organisation.fase:06d}",
        "La migration de cette boîte n’a pas encore commencé.",
        "Mail 1, annonce",
    ):
        assert words in page.text, words
    assert ticket.reason.replace("\N{NO-BREAK SPACE}", " ") in page.text
    assert ticket.source in page.text
    assert f"/desk/regles/?date=2024-11-14#{ticket.need}" in page.links
    assert page.title == f"Outlook n’envoie plus – {ticket.reference} – Portail BMA"
    assert sheet.answer["Cache-Control"].startswith("max-age=0, no-cache, no-store")


def test_who_follows_it_and_its_incident_and_po_are_named(sheet, ticket, lena):
    incident, unit = IncidentFactory(title="Panne fictive"), ticket.mailbox.organisation
    unit.po = OrganisationFactory(po_unit=True, mailbox=True, name="Pouvoir fictif", phone="+32 4 000 00 00")
    unit.save()
    tickets.take(ticket, by=lena, at=NOW)
    tickets.join(ticket, incident, by=lena, at=NOW)
    page = sheet()
    assert "Suivie par Léna Inventée" in page.text
    assert "Incident Panne fictive (en cours)" in page.text
    assert f"PO Pouvoir fictif {unit.po.mailbox.address} +32 4 000 00 00" in page.text


def test_the_page_takes_eight_statements_whatever_there_is_on_it(sheet, lena, django_assert_max_num_queries):
    move = MoveFactory(migrated=True, batch__establishments=True)
    move.mailbox.organisation.po = OrganisationFactory(po_unit=True)  # which has no mailbox
    move.mailbox.organisation.save()
    clock.set_for_every_process(on(20, month=12))
    ticket = sheet.ticket = asked(move.mailbox, at=on(19, month=12))
    first = ticket.messages.get()
    for number in range(19):
        kind = "answer" if number % 3 == 0 else "note" if number % 3 == 1 else "request"
        MessageFactory(ticket=ticket, kind=kind, author_name=f"Personne {number}", written_at=on(19, 10, number, 12))
    for label in ("Une", "Deux", "Trois"):
        attached(first, label=label)
    asked(move.mailbox, at=on(19, month=12))
    tickets.watch(ticket, by=agent())
    tickets.save_draft(ticket, text="Je regarde.", by=lena, at=on(19, month=12))
    HolderFactory(organisation=move.mailbox.organisation)
    PasswordResetFactory(mode=True, mailbox=move.mailbox)
    IncidentFactory()
    CannedAnswerFactory()
    sheet.client.get("/desk/")  # the session is awake
    with django_assert_max_num_queries(8):
        page = sheet()
    page.assert_sound()
    assert "Trois" in page.text
    assert "14 messages entre les deux" in page.text
    assert "Cette boîte a migré" in page.text
    assert "Demande MODE du 15 octobre 2026" in page.text
    assert "Une autre demande est ouverte" in page.text


def test_another_team_s_ticket_is_a_404_like_one_that_does_not_exist(sheet, ticket):
    elsewhere = asked(team="priminfo", need="panne", answers={"livraison": "2024-01-01"})
    there = sheet.client.get(f"/desk/demande/{elsewhere.reference}/")
    absent = sheet.client.get("/desk/demande/D-ZZZZ-ZZZZ/")
    assert there.status_code == absent.status_code == 404
    assert there.content.replace(elsewhere.reference.encode(), b"") == absent.content.replace(b"D-ZZZZ-ZZZZ", b"")
    for end in ("historique/", "nouveau/?depuis=0", "prendre/", "noter/", f"message/{elsewhere.messages.get().pk}/"):
        assert sheet.client.get(f"/desk/demande/{elsewhere.reference}/{end}").status_code == 404, end
        assert sheet.client.post(f"/desk/demande/{elsewhere.reference}/{end}").status_code in {404, 405}, end
    for sign in HOSTILE:
        place = quote(sign, safe="", errors="surrogatepass")
        assert sheet.client.get(f"/desk/demande/{place}/").status_code == 404


def test_who_is_no_agent_or_has_a_weak_session_reads_nothing(lena, ticket, person):
    assert Client().get(f"/desk/demande/{ticket.reference}/").status_code == 302
    assert Sheet(lena, ticket, strong=False)().status in {302, 403}
    nobody = Sheet(person, ticket)
    assert nobody().status == 403
    nobody.do("prendre", reading=False)
    assert nobody.answer.status_code == 403


def test_a_note_says_that_it_is_one_and_the_words_of_a_mail_stay_words(sheet, ticket, lena):
    tickets.note(ticket, text="Déjà venu trois fois.", by=lena, at=AT)
    tickets.requester_wrote(
        ticket,
        text="<script>alert(1)</script> voilà",
        quoted="> Bonjour",
        html="<p>voilà <b>tout</b><script>alert(2)</script></p>",
        by_mail=True,
        at=NOW,
    )
    page = sheet()
    assert "note interne : jamais envoyée" in page.text
    assert "<script>alert(" not in page.html
    assert "&lt;script&gt;alert(1)" in page.html
    assert "Texte cité" in page.text
    message = Message.objects.get(by_mail=True)
    formatted = sheet(end=f"message/{message.pk}/")
    assert "<b>tout</b>" in formatted.html
    assert "alert(2)" not in formatted.html
    assert sheet.client.get(sheet.address(f"message/{ticket.messages.first().pk}/")).status_code == 404


def test_a_merged_ticket_leads_to_the_one_that_stays_unless_that_is_another_team_s(sheet, ticket, lena):
    other = asked(ticket.mailbox)
    tickets.merge(other, into=ticket, by=lena, at=NOW)
    answer = sheet.client.get(f"/desk/demande/{other.reference}/")
    assert answer["Location"] == f"/desk/demande/{ticket.reference}/"
    assert f"A reçu {other.reference}" in sheet().text
    tickets.transfer(ticket, to="sgne", why="La date", by=lena, at=NOW)
    for end in ("", "historique/"):
        assert sheet.client.get(f"/desk/demande/{other.reference}/{end}").status_code == 404
    assert Sheet(agent("sgne"), other)().status == 302


def test_duplicates_and_an_incident_under_way_are_told(sheet, ticket):
    other = asked(ticket.mailbox, subject="Encore Outlook")
    IncidentFactory(title="Panne d’Outlook fictive")
    page = sheet()
    assert "Une autre demande est ouverte pour cette boîte et ce besoin" in page.text
    assert "Encore Outlook" in page.text
    assert any("/joindre/?vers=" + other.reference in link for link in page.links)
    assert "Un incident est en cours" in page.text
    tickets.transfer(other, to="sgne", why="La date", by=agent(), at=NOW)
    assert other.reference not in sheet().text  # not even its reference: it is another team's


# The sheet of the mailbox


def test_the_four_mails_say_whether_they_came(sheet, ticket):
    move = MoveFactory(credentials_sent=True, batch__establishments=True)
    bounced = move.mailings.get(step=2).mail
    bounced.bounced_at = on(13)
    bounced.save()
    sheet.ticket = asked(move.mailbox, at=NOW)
    page = sheet()
    assert "Mail 1, annonce remis le 4 novembre 2024" in page.text
    assert "Mail 2, mot de passe revenu à l’expéditeur le 13 novembre 2024" in page.text
    assert "Mail 3, date confirmée prévu le 3 décembre 2024" in page.text
    assert "MODE" in page.text


def test_priminfo_a_company_reads_what_its_work_needs_and_nothing_of_a_password():
    clock.set_for_every_process(NOW)
    unit = OrganisationFactory(
        mailbox=True, phone="+32 2 000 00 01", po=OrganisationFactory(po_unit=True, mailbox=True)
    )
    move = MoveFactory(migrated=True, mailbox=unit.mailbox)
    HolderFactory(organisation=unit, user__first_name="Noa", user__last_name="Titulaire")
    PasswordResetFactory(mode=True, mailbox=unit.mailbox)
    secret = asked(unit.mailbox, subject="Mot de passe ailleurs", at=NOW)
    ticket = asked(unit.mailbox, need="panne", answers={"livraison": "2024-01-01"}, team="priminfo", at=NOW)
    sheet = Sheet(agent("priminfo"), ticket)
    page = sheet()
    page.assert_sound()
    assert page.status == 200
    assert unit.name in page.text
    assert unit.po.name in page.text
    for words in ("Mail 2", "Migration", "Cette boîte a migré", "MODE", "Demande MODE", "Noa", secret.reference):
        assert words not in page.text, words
    assert move.pk
    assert "Noa Titulaire" in Sheet(agent("etnic"), secret)().text


def test_a_po_s_verdict_and_a_mailbox_without_move_cost_no_more(django_assert_max_num_queries):
    clock.set_for_every_process(NOW)
    po = OrganisationFactory(po_unit=True, mailbox=True)
    for _ in range(3):
        OrganisationFactory(po=po, unit_types=["CPMS"])
    sheet = Sheet(agent(), asked(po.mailbox))
    sheet.client.get("/desk/")
    with django_assert_max_num_queries(8):
        page = sheet()
    assert perimeter_of(po, NOW).sentence.replace("\N{NO-BREAK SPACE}", " ") in page.text


# Files


def test_a_file_is_shown_page_by_page_and_kept_by_nobody(sheet, ticket):
    file = attached(ticket.messages.get())
    assert f"/desk/piece/{file.uuid}/" in sheet().links
    page = sheet.client.get(f"/desk/piece/{file.uuid}/")
    assert page.content.count(b"<img src=") - page.content.count(b"marque.svg") == 2
    image = sheet.client.get(f"/desk/piece/{file.uuid}/2/")
    assert image.content.endswith(b"page deux")
    assert "no-store" in image["Cache-Control"]
    assert "sandbox" in image["Content-Security-Policy"]
    assert not AuditEntry.objects.filter(action="attachment.viewed").exists()
    assert sheet.client.get(f"/desk/piece/{file.uuid}/3/").status_code == 404
    elsewhere = Sheet(agent("sgne"), ticket)
    assert elsewhere.client.get(f"/desk/piece/{file.uuid}/").status_code == 404
    assert elsewhere.client.get(f"/desk/piece/{file.uuid}/1/").status_code == 404


def test_a_personal_document_is_noted_before_it_is_shown_and_a_company_never_gets_it(sheet, ticket, lena):
    file = attached(ticket.messages.get(), personal=True)
    assert "document personnel" in sheet().text
    assert "est notée dans le journal" in sheet.open(f"/desk/piece/{file.uuid}/").text
    assert not AuditEntry.objects.filter(action="attachment.viewed").exists()
    sheet.client.get(f"/desk/piece/{file.uuid}/1/")
    assert AuditEntry.objects.get(action="attachment.viewed").actor_id == lena.pk
    Ticket.objects.filter(pk=ticket.pk).update(team="priminfo")
    company = Sheet(agent("priminfo"), ticket)
    assert company.client.get(f"/desk/piece/{file.uuid}/").status_code == 404
    assert company.client.get(f"/desk/piece/{file.uuid}/1/").status_code == 404


def test_a_file_that_waits_or_is_gone_says_so(sheet, ticket):
    waiting = attached(ticket.messages.get(), to_scan=True)
    gone = attached(ticket.messages.get(), label="Détruite")
    attachments.destroy([gone], why="trente jours après la fin de la demande", at=NOW)
    assert "attend l’antivirus" in sheet.open(f"/desk/piece/{waiting.uuid}/").text
    assert "a été détruit le 14 novembre 2024" in sheet.open(f"/desk/piece/{gone.uuid}/").text
    for file in (waiting, gone):
        assert sheet.client.get(f"/desk/piece/{file.uuid}/1/").status_code == 404


# History


def test_the_history_says_every_change_and_who_received_what(sheet, ticket, lena):
    tickets.take(ticket, by=lena, at=NOW)
    tickets.set_priority(ticket, priority="urgent", by=lena, at=NOW)
    tickets.answer(ticket, text="Redémarrez.", by=lena, version=2, at=NOW)
    sent, refused = OutgoingMail.objects.order_by("pk")
    OutgoingMail.objects.filter(pk=sent.pk).update(status="sent", sent_at=NOW)
    OutgoingMail.objects.filter(pk=refused.pk).update(status="failed")
    page = sheet(end="historique/")
    page.assert_sound()
    for words in (
        "Priorité : normale → urgente, par Léna Inventée",
        "État : à prendre → en cours, par Léna Inventée",
        "Suivie par : rien → ",
        "Mail : accusé de réception à camille@exemple.test remis le 14 novembre 2024 à 10 h 00",
        "Mail : réponse à camille@exemple.test en échec : pas parti",
    ):
        assert words in page.text, words


def test_a_transfer_names_its_reason_and_the_rule_that_was_wrong(sheet, ticket, lena):
    sheet.do("pas-pour-nous", why="C’est une question de date.")
    assert again(ticket).team == "sgne"
    page = Sheet(agent("sgne"), ticket)(end="historique/")
    assert "Équipe : ETNIC → SGNE" in page.text
    assert "C’est une question de date." in page.text
    assert "Règle en cause" in page.text


# What is new


def test_the_page_is_told_who_did_something_since_it_was_read(sheet, ticket, lena):
    sheet()
    quiet = sheet.client.get(sheet.address(f"nouveau/?depuis={again(ticket).version}&vu={sheet.read['vu']}"))
    assert (quiet.status_code, quiet.content) == (204, b"")
    tickets.requester_wrote(ticket, text="Toujours rien.", at=NOW)
    told = sheet.client.get(sheet.address(f"nouveau/?depuis=0&vu={sheet.read['vu']}"))
    assert told.status_code == 286
    assert "Camille Fictive a écrit à l’instant." in told.content.decode()
    page = sheet(f"?vu={sheet.read['vu']}")
    assert page.html.count('class="badge-state badge-late">nouveau') == 1
    for sign in HOSTILE:
        odd = quote(sign, errors="surrogatepass")
        assert sheet.client.get(sheet.address(f"nouveau/?depuis={odd}&vu={odd}")).status_code in {204, 286}
        assert sheet.client.get(sheet.address(f"?vu={odd}&version={odd}")).status_code == 200


def test_what_another_did_is_said_as_one_says_it(sheet, ticket):
    sheet()
    lou = agent(first_name="Lou", last_name="Fictive")
    deeds = (
        (lambda at: tickets.take(ticket, by=lou, at=at), "Lou Fictive a changé la demande (suivie par) à l’instant."),
        (lambda at: tickets.solve(ticket, by=lou, at=at), "Lou Fictive a fait avancer la demande à l’instant."),
        (lambda at: tickets.reopen(ticket, by=lou, at=at), ""),
        (lambda at: tickets.requester_wrote(ticket, text="Réglé !", at=at), "Le demandeur a fait avancer la demande"),
    )
    for minute, (deed, sentence) in enumerate(deeds, start=1):
        deed(on(14, 10, minute))
        told = sheet.client.get(sheet.address(f"nouveau/?depuis=0&vu={sheet.read['vu']}")).content.decode()
        assert sentence in told
    assert "résolue : on n’y répond plus. Rouvrez-la d’abord." in sheet().text


def test_asking_what_is_new_is_no_activity_and_is_cheap(sheet, ticket, django_assert_max_num_queries):
    sheet.client.get("/desk/")
    session = sheet.client.session
    session["entree"] = {**session["entree"], "seen": session["entree"]["seen"] - 300}
    session.save()
    with django_assert_max_num_queries(5):
        sheet.client.get(sheet.address("nouveau/?depuis=0"))
    assert sheet.client.session["entree"]["seen"] == session["entree"]["seen"]


def test_the_settings_of_htmx_are_plain_json(sheet):
    """Its words are read as JSON: nothing in the page is evaluated (Content-Security-Policy)."""
    page = sheet()
    (config,) = re.findall(r"name=\"htmx-config\" content='([^']*)'", page.html)
    assert json.loads(config)["allowEval"] is False
    for headers in re.findall(r"hx-headers='([^']*)'", page.html):
        assert set(json.loads(headers)) == {"X-CSRFToken"}
