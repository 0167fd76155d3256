"""What an agent does to a ticket: each deed done, refused, too late, or asked by whoever may not."""

from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group

from bma_portal.mail.models import OutgoingMail
from support import tickets
from support.desk_deeds import DEEDS
from support.models import Incident, Ticket, TicketChange, TicketCheck, Watcher
from tests.factories import MailboxFactory
from tests.factories_tickets import IncidentFactory
from tests.support.desk_stage import HOSTILE
from tests.support.ticket_stage import NOW, Sheet, attached, refused
from tests.support.tickets_stage import again, agent, asked, mails

pytestmark = [pytest.mark.django_db, pytest.mark.database]
Status = Ticket.Status


# Deeds of one press


def test_it_is_taken_released_held_taken_up_solved_and_reopened(sheet, ticket, lena):
    for deed, status, assignee in (
        ("prendre", "open", lena),
        ("attendre", "waiting", lena),
        ("poursuivre", "open", lena),
        ("rendre", "new", None),
        ("resoudre", "solved", None),
        ("rouvrir", "new", None),
    ):
        page = sheet.do(deed)
        assert page.status == 200, deed
        assert DEEDS[deed].done.replace("\N{NO-BREAK SPACE}", " ") in page.text
        assert (again(ticket).status, again(ticket).assignee) == (status, assignee), deed
    refused(sheet.do("rendre"), "Personne ne suit cette demande.")
    refused(sheet.do("rouvrir"), "Seule une demande résolue se rouvre")
    refused(sheet.do("poursuivre"), "n’attend pas son demandeur")


def test_another_s_ticket_is_not_taken(sheet, ticket):
    noa = Sheet(agent(first_name="Noa", last_name="Fictif"), ticket)
    noa.do("prendre")
    sheet()
    refused(sheet.do("prendre"), "Noa Fictif suit déjà cette demande.")


def test_the_list_is_ticked_before_solving(sheet, ticket):
    sheet.ticket = asked(need="reception", at=NOW)
    refused(sheet.do("resoudre"), "cochez : La place occupée dans la boîte est regardée")
    page = sheet.do("cocher", item="espace", done="1")
    assert 'aria-pressed="true"' in page.html
    sheet.do("cocher", item="espace", done="0")
    assert not TicketCheck.objects.exists()
    sheet.do("cocher", item="espace", done="1")
    sheet.do("resoudre")
    assert again(sheet.ticket).status == "solved"
    for typed in ({"item": "inventé", "done": "1"}, {"item": "", "done": "1"}, {"item": "espace", "done": "\0"}, {}):
        assert sheet.do("cocher", **typed).status == 422


def test_one_is_kept_informed_or_no_longer(sheet, ticket, lena):
    sheet.do("suivre")
    assert Watcher.objects.get().user == lena
    assert "Ne plus me tenir au courant" in sheet().text
    sheet.do("ne-plus-suivre")
    assert not Watcher.objects.exists()


# Deeds that ask something


def test_what_writes_to_the_requester_is_never_one_press(sheet, ticket):
    """The button leads to what will happen; only what is confirmed there leaves (F12, F15)."""
    page = sheet()
    assert any(link.startswith(f"/desk/demande/{ticket.reference}/resoudre/?version=") for link in page.links)
    assert f'action="/desk/demande/{ticket.reference}/resoudre/"' not in page.html
    told = sheet("?version=0", end="resoudre/")
    told.assert_sound()
    assert "Le demandeur reçoit un mail qui le lui dit" in told.text
    assert again(ticket).status == "new"
    assert not mails("ticket.solved")
    sheet.do("resoudre")
    assert again(ticket).status == "solved"
    writes = {"resoudre", "confier", "pas-pour-nous", "clore"}
    assert writes <= {slug for slug, deed in DEEDS.items() if deed.asks}


def test_it_is_given_to_a_member_of_the_team_and_to_nobody_else(sheet, ticket):
    noa, elsewhere, gone = agent(last_name="Aaa"), agent("sgne"), agent(is_active=False)
    page = sheet(end="attribuer/")
    assert f'value="{noa.pk}"' in page.html
    assert f'value="{elsewhere.pk}"' not in page.html
    assert f'value="{gone.pk}"' not in page.html
    for wrong in (elsewhere.pk, gone.pk, "", "9" * 30, "\0"):
        refused(sheet.do("attribuer", to=wrong, why="Elle connaît le cas."), "Choisissez une personne de l’équipe.")
    assert "Elle connaît le cas.</textarea>" in sheet.do("attribuer", to="", why="Elle connaît le cas.").html
    sheet.do("attribuer", to=noa.pk, why="Elle connaît le cas.")
    assert again(ticket).assignee == noa
    assert TicketChange.objects.get(field="suivie par").why == "Elle connaît le cas."


def test_it_is_handed_to_another_team_which_then_has_it_alone(sheet, ticket):
    page = sheet(end="confier/")
    assert "Priminfo : Priminfo ne reçoit que les pannes de matériel" in page.text
    assert 'value="priminfo"' not in page.html
    refused(sheet.do("confier", to="sgne", why=""), "Dites pourquoi")
    refused(sheet.do("confier", to="priminfo", why="Essai"), "Choisissez l’équipe")
    refused(sheet.do("confier", to="", why="x" * 400), "300 signes")
    page = sheet.do("confier", to="sgne", why="La date de la migration est en cause.")
    assert sheet.answer.request["PATH_INFO"] == "/desk/"
    assert "La demande est confiée à l’autre équipe" in page.text
    assert again(ticket).team == "sgne"
    assert sheet().status == 404
    assert "La date de la migration est en cause." in Sheet(agent("sgne"), ticket)().text


def test_a_personal_document_keeps_a_ticket_from_a_company(sheet):
    sheet.ticket = asked(need="panne", answers={"livraison": "2024-01-01"}, team="etnic", at=NOW)
    attached(sheet.ticket.messages.get(), personal=True)
    assert "contient un document personnel" in sheet(end="confier/").text
    refused(sheet.do("confier", to="priminfo", why="Panne."), "Choisissez l’équipe")


def test_with_htmx_a_ticket_that_leaves_the_team_leads_away_from_its_page(sheet, ticket):
    page = sheet.do("pas-pour-nous", why="C’est une date.", htmx=True)
    assert page.status == 200
    assert sheet.answer["HX-Redirect"] == "/desk/"
    assert again(ticket).team == "sgne"


def test_it_is_closed_with_a_reason_that_the_requester_reads(sheet, ticket):
    refused(sheet.do("clore", why=" "), "le demandeur le lira")
    sheet.do("clore", why="Vous avez trouvé vous-même.")
    assert again(ticket).status == "closed"
    assert "Vous avez trouvé vous-même." in mails("ticket.closed")[0].text
    refused(sheet.do("clore", why="Encore."), "déjà close")


def test_priority_need_and_requester_change_with_their_trace(sheet, ticket):
    sheet.do("priorite", priority="urgent")
    assert "urgente" in sheet().text
    refused(sheet.do("priorite", priority="hier"), "Choisissez une priorité.")
    sheet.do("besoin", need="reception")
    assert again(ticket).need == "reception"
    refused(sheet.do("besoin", need="inventé"), "Ce besoin n’existe pas.")
    for typed, words in (
        ({"last_name": "", "email": "noa@exemple.test"}, "Indiquez le nom."),
        ({"last_name": "Autre", "email": "pas une adresse"}, "Cette adresse n’est pas complète."),
        ({"last_name": "Autre\r\nBcc: x@exemple.test", "email": "noa@exemple.test"}, "saut de ligne"),
        ({"last_name": "Autre\0", "email": "noa@exemple.test"}, "illisible"),
        ({"last_name": "Autre", "email": '"a" <x@exemple.test>, b@exemple.test'}, "Cette adresse n’est pas complète."),
    ):
        page = sheet.do("demandeur", **typed)
        refused(page, words)
    sheet.do("demandeur", first_name="Noa", last_name="Autre", email="noa@exemple.test", phone="")
    assert (again(ticket).requester_name, again(ticket).email) == ("Noa Autre", "noa@exemple.test")
    assert OutgoingMail.objects.get(kind="ticket.received").status == "cancelled"
    fields = set(TicketChange.objects.values_list("field", flat=True))
    assert fields == {"priorité", "besoin", "adresse", "demandeur"}


def test_two_tickets_are_joined_after_what_will_happen_was_told(sheet, ticket):
    other = asked(ticket.mailbox, subject="La même chose", email="noa@exemple.test", at=NOW)
    foreign = asked(MailboxFactory(), at=NOW)
    hidden = asked(ticket.mailbox, at=NOW)
    Ticket.objects.filter(pk=hidden.pk).update(team="sgne")
    page = sheet(end="joindre/")
    assert other.reference in page.text
    assert foreign.reference not in page.text
    assert hidden.reference not in page.text
    for typed, words in (
        ("", "Indiquez la référence"),
        ("n’importe quoi", "Aucune demande de votre équipe"),
        (hidden.reference, "Aucune demande de votre équipe"),
        (ticket.reference, "celle de cette demande-ci"),
        (foreign.reference, "d’une autre boîte"),
        ("x" * 5000, "onze signes"),
        ("\0", "Aucune demande de votre équipe"),
    ):
        page = sheet(f"?vers={quote(typed)}", end="joindre/")
        assert page.status == 422, typed
        assert words in page.text or typed == ticket.reference, typed
    page = sheet(f"?vers={other.reference.lower()}", end="joindre/")
    page.assert_sound()
    assert "Cela ne se défait pas." in page.text
    assert "camille@exemple.test) recevra aussi les réponses" in page.text
    assert again(ticket).status == "new"
    assert sheet.do("joindre", vers=other.reference).status == 200  # not confirmed: told again
    assert again(ticket).status == "new"
    page = sheet.do("joindre", vers=other.reference, confirme="1")
    assert sheet.answer.request["PATH_INFO"] == f"/desk/demande/{other.reference}/"
    assert f"écrit dans {ticket.reference}" in page.text
    assert again(ticket).merged_into == other
    assert mails("ticket.")[-1].kind == "ticket.received"


def test_it_joins_an_incident_leaves_it_or_declares_one(sheet, ticket):
    incident = IncidentFactory()
    elsewhere = IncidentFactory(team="sgne")
    assert incident.title in sheet(end="incident/").text
    assert f'value="{incident.pk}" selected' in sheet(f"?incident={incident.pk}", end="incident/").html
    assert elsewhere.title not in sheet(end="incident/").text
    refused(sheet.do("incident", incident=elsewhere.pk), "Choisissez un incident en cours de votre équipe.")
    sheet.do("incident", incident=incident.pk)
    assert again(ticket).incident == incident
    sheet.do("quitter-incident")
    assert again(ticket).incident is None
    refused(sheet.do("declarer-incident", title="", text="Rien ne va."), "Donnez un titre à l’incident.")
    sheet.do("declarer-incident", title="Interface inaccessible", text="Rien ne va.")
    assert again(ticket).incident == Incident.objects.get(title="Interface inaccessible")
    sheet()
    sheet.do("declarer-incident", title="Trop tard", text="Rien ne va.", version="0")
    assert not Incident.objects.filter(title="Trop tard").exists()  # with its ticket, or not at all


# All of them


ASKED = {
    "attribuer": {"to": "1"},
    "confier": {"to": "sgne", "why": "Motif gardé."},
    "pas-pour-nous": {"why": "Motif gardé."},
    "clore": {"why": "Motif gardé."},
    "priorite": {"priority": "urgent"},
    "besoin": {"need": "reception"},
    "demandeur": {"last_name": "Autre", "email": "noa@exemple.test"},
    "declarer-incident": {"title": "Panne", "text": "Motif gardé."},
    "cocher": {"item": "espace", "done": "1"},
}


@pytest.fixture
def another_s(lena):
    return asked(need="reception", team="sgne", at=NOW)


def test_no_deed_reaches_another_team_s_ticket_nor_a_deed_that_does_not_exist(sheet, another_s):
    sheet.ticket = another_s
    for deed in (*DEEDS, "repondre", "noter", "brouillon", "inventé", "x" * 300):
        typed = {"version": "0", "text": "Bonjour", "note": "Bonjour", "then": "open", **ASKED.get(deed, {})}
        sheet.do(deed, reading=False, **typed)
        assert sheet.answer.status_code == 404, deed
    sheet.ticket = asked(at=NOW)
    assert sheet(end="inventé/").status == 404
    assert again(another_s).version == 0


def test_every_deed_on_a_page_that_is_too_old_comes_back_with_what_was_typed(sheet, lena):
    ticket = sheet.ticket = asked(need="reception", at=NOW)
    lou = agent(first_name="Lou", last_name="Fictive")
    sheet()
    tickets.take(ticket, by=lou, at=NOW)
    tickets.release(ticket, by=lou, at=NOW)
    for deed, found in DEEDS.items():
        if deed in {"suivre", "ne-plus-suivre", "joindre", "separer", "incident", "attribuer"}:
            continue  # those that change nothing; and those whose choice must exist first
        page = sheet.do(deed, **ASKED.get(deed, {}))
        refused(page, "Cette demande a changé pendant que vous écriviez")
        assert "Lou Fictive" in page.text, deed
        if "Motif gardé." in ASKED.get(deed, {}).values():
            assert "Motif gardé." in page.html, deed
        assert found.label in page.text
    other, incident = asked(ticket.mailbox, at=NOW), IncidentFactory()
    for deed, typed in (
        ("joindre", {"vers": other.reference, "confirme": "1"}),
        ("incident", {"incident": incident.pk}),
        ("attribuer", {"to": lou.pk}),
    ):
        refused(sheet.do(deed, **typed), "Cette demande a changé")
    assert again(ticket).version == 2


def test_a_deed_opened_from_a_page_that_is_too_old_tells_what_is_new_at_once(sheet, ticket):
    sheet()
    tickets.requester_wrote(ticket, text="Toujours rien, merci.", at=NOW)
    page = sheet(f"?version=0&vu={sheet.read['vu']}", end="clore/")
    assert page.status == 200
    assert "Toujours rien, merci." in page.text
    assert 'name="version" value="1"' in page.html
    sheet.do("clore", why="Trouvé.")
    assert again(ticket).status == "closed"


def test_hostile_values_in_every_form_give_a_form_back(sheet, lena):
    ticket = sheet.ticket = asked(need="reception", at=NOW)
    fields = ("to", "why", "incident", "priority", "need", "first_name", "last_name", "email", "phone", "item")
    fields += ("done", "vers", "title", "text", "note", "then", "modele", "version", "vu", "confirme")
    for sign in HOSTILE:
        typed = dict.fromkeys(fields, sign.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
        for deed in (*(slug for slug, deed in DEEDS.items() if deed.asks), "repondre", "noter"):
            assert sheet.do(deed, **typed).status in {200, 409, 413, 422}, (deed, sign[:10])
    assert again(ticket).version == 0


def test_a_deed_asked_without_a_script_has_a_page_of_its_own(sheet, lena):
    sheet.ticket = asked(need="reception", at=NOW)
    for deed in DEEDS:
        page = sheet(end=f"{deed}/")
        assert page.status == (422 if deed == "separer" else 200), deed  # of one message, nothing is split
        page.assert_sound()
    for deed in ("repondre", "noter", "brouillon"):
        assert sheet.client.get(sheet.address(f"{deed}/")).status_code == 302


def test_a_lost_role_ends_it_at_once(sheet, ticket, lena):
    sheet()
    lena.groups.remove(Group.objects.get(name="ETNIC"))
    sheet.do("prendre")
    assert again(ticket).assignee is None
