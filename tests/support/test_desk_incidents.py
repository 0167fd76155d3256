"""One fault that many report, told once, solved together (F14); the answers that a team keeps ready (F7, SEC-F5)."""

import re

import pytest

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support.models import CannedAnswer, Incident, Message, Ticket
from tests.factories import MailboxFactory
from tests.factories_holders import NOON
from tests.factories_tickets import CannedAnswerFactory, IncidentFactory, TicketFactory, agent
from tests.support.desk_stage import HOSTILE, Desk, subjects

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon(db):
    clock.set_for_every_process(NOON)


@pytest.fixture
def desk(db):
    return Desk(agent("etnic", username="lena", first_name="Léna", last_name="Inventée"))


def sent(desk, path, text, **more):
    """Press « Envoyer » under the preview of that message."""
    found = re.search(r'name="vu" value="(\d+)"', desk.send(path, {"text": text, **more}).html)
    return desk.send(path, {"text": text, "envoyer": "1", "vu": found[1] if found else "", **more})


def test_an_incident_is_declared_and_its_reports_gathered(desk):
    page = desk(path="/desk/incidents/")
    page.assert_sound()
    assert "Aucun incident en cours" in page.text
    page = desk.send("/desk/incidents/", {"title": "Interface web muette", "need": "technique", "text": "Depuis 9 h."})
    page.assert_sound()
    assert "Aucune demande ne lui est encore rattachée" in page.text
    incident = Incident.objects.get()
    assert (incident.team, incident.opened_by, incident.opened_at) == ("etnic", desk.person, NOON)
    ticket = TicketFactory(incident=incident)
    page = desk(path=f"/desk/incidents/{incident.pk}/")
    assert ticket.reference in page.text
    assert "1 demande en cours" in desk(path="/desk/incidents/").text
    assert subjects(desk(f"file=toutes&incident={incident.pk}")) == [ticket.subject]


def test_what_is_missing_is_said_and_what_was_typed_kept(desk):
    page = desk.send("/desk/incidents/", {"title": "Interface web muette", "text": " "})
    page.assert_sound()
    assert page.title.startswith("Erreur : ")
    assert "Dites ce qui se passe" in page.text
    assert 'value="Interface web muette"' in page.html


def test_a_message_is_shown_as_each_will_read_it_before_it_leaves(desk):
    incident = IncidentFactory()
    for name in ("Ana", "Bo"):
        TicketFactory(incident=incident, first_name=name)
    TicketFactory(incident=incident, first_name="Finie", solved=True)
    path = f"/desk/incidents/{incident.pk}/"
    text = "Bonjour {prénom}, nous cherchons encore."
    page = desk.send(path, {"text": text})
    page.assert_sound()
    assert "Bonjour Ana, nous cherchons encore." in page.text
    assert "Bonjour Bo, nous cherchons encore." in page.text
    assert "Finie" not in page.text
    assert not Message.objects.exists()
    page = sent(desk, path, text)
    assert "Le message part vers 2 demandes" in page.text
    assert "à 2 demandes" in page.text
    assert {row.text for row in Message.objects.all()} == {
        "Bonjour Ana, nous cherchons encore.",
        "Bonjour Bo, nous cherchons encore.",
    }
    assert OutgoingMail.objects.filter(kind="ticket.answered").count() == 2
    assert Ticket.objects.filter(incident=incident, status="open", assignee=desk.person).count() == 2


def test_a_variable_without_value_for_one_of_them_holds_the_message_back(desk):
    incident = IncidentFactory()
    TicketFactory(incident=incident, first_name="Ana")
    nameless = TicketFactory(incident=incident, first_name="")
    path = f"/desk/incidents/{incident.pk}/"
    for pressed in ({}, {"envoyer": "1", "vu": "0"}):
        page = desk.send(path, {"text": "Bonjour {prénom}.", **pressed})
        assert "Ce message ne peut pas partir" in page.text
        assert f"{nameless.reference} : {{prénom}}" in page.text
        assert "Bonjour {prénom}." in page.html  # what was typed is kept
    assert not Message.objects.exists()
    assert not OutgoingMail.objects.exists()


def test_a_message_that_is_pressed_twice_leaves_once(desk):
    incident = IncidentFactory()
    TicketFactory(incident=incident)
    path = f"/desk/incidents/{incident.pk}/"
    page = desk.send(path, {"text": "Nous cherchons."})
    said = {"text": "Nous cherchons.", "envoyer": "1", "vu": re.search(r'name="vu" value="(\d+)"', page.html)[1]}
    assert "Le message part vers 1 demande" in desk.send(path, said).text
    page = desk.send(path, said)
    assert page.title.startswith("Erreur : ")
    assert "Un message est déjà parti" in page.text
    assert "Nous cherchons." in page.html
    assert Message.objects.count() == 1
    assert "Le message part vers" in sent(desk, path, "Nous cherchons.").text  # read again: it may leave


def test_they_are_solved_together_or_not_at_all(desk):
    incident = IncidentFactory()
    one = TicketFactory(incident=incident)
    held = TicketFactory(incident=incident, need="panne")
    path = f"/desk/incidents/{incident.pk}/"
    page = desk.send(path, {"text": "C’est réparé.", "ensuite": "resoudre"})
    assert "Envoyer et résoudre" in page.text
    page = sent(desk, path, "C’est réparé.", ensuite="resoudre")
    assert page.title.startswith("Erreur : ")
    assert f"Complétez d’abord la liste de ces demandes : {held.reference}" in page.text
    assert not OutgoingMail.objects.exists()
    Ticket.objects.filter(pk=held.pk).update(incident=None)
    page = sent(desk, path, "C’est réparé.", ensuite="resoudre")
    assert "L’incident est résolu, et avec lui 1 demande" in page.text
    one.refresh_from_db()
    incident.refresh_from_db()
    assert (one.status, incident.status) == ("solved", "solved")
    page = desk.send(path, {"text": "Encore un mot.", "envoyer": "1"})
    assert "Cet incident est déjà résolu" in page.text


def test_an_incident_for_every_need_is_offered_to_each_report_of_its_team(desk):
    for_all = IncidentFactory(need="", title="Réseau coupé")
    IncidentFactory(need="reception", title="D’un autre besoin")
    IncidentFactory(need="", team="sgne", title="Affaire du SGNE")
    IncidentFactory(need="", status="solved", solved_at=NOON, title="Déjà fini")
    ticket = TicketFactory(need="technique")
    page = desk(path=f"/desk/demande/{ticket.reference}/")
    page.assert_sound()
    assert f"incident/?incident={for_all.pk}" in page.html
    unit = ticket.mailbox.organisation
    asked = f"numero={unit.kind}{unit.fase}&besoin=technique"
    call = desk(asked, path="/desk/nouvelle/")
    call.assert_sound()
    for said in (page.text, call.text):
        assert "Réseau coupé" in said
        assert not [title for title in ("D’un autre besoin", "Affaire du SGNE", "Déjà fini") if title in said]


def test_a_call_about_an_incident_joins_it_at_once_or_says_why_not(desk):
    incident = IncidentFactory(need="", title="Réseau coupé")
    unit = MailboxFactory().organisation
    typed = {"numero": f"{unit.kind}{unit.fase}", "besoin": "technique", "team": "regles", "incident": incident.pk}
    typed |= {"last_name": "Fictif", "email": "sacha@exemple.test", "subject": "Rien ne va", "text": "Au téléphone."}
    desk.send("/desk/nouvelle/", typed)
    assert Ticket.objects.get(subject="Rien ne va").incident == incident
    page = desk.send("/desk/nouvelle/", {**typed, "besoin": "procedure", "subject": "Une date"})
    assert page.title.startswith("Erreur : ")  # the rules send it to another team
    assert "Cet incident est résolu, ou suivi par une autre équipe" in page.text
    assert not Ticket.objects.filter(subject="Une date").exists()
    foreign = IncidentFactory(need="", team="sgne")
    for odd in (foreign.pk, "9" * 30, "\0", "x"):
        page = desk.send("/desk/nouvelle/", {**typed, "subject": "Encore", "incident": odd})
        assert page.title.startswith("Erreur : ")
        assert "Choisissez un incident" in page.text
    assert not Ticket.objects.filter(subject="Encore").exists()


def test_another_team_s_incident_does_not_exist(desk):
    foreign = IncidentFactory(team="sgne", title="Affaire du SGNE")
    for path in (f"/desk/incidents/{foreign.pk}/", "/desk/incidents/999999999/", f"/desk/incidents/1{'0' * 30}/"):
        assert desk(path=path).status == 404
        assert desk.send(path, {"text": "Bonjour", "envoyer": "1"}).status == 404
    assert "Affaire du SGNE" not in desk(path="/desk/incidents/").text


# The answers that a team keeps ready


def test_a_canned_answer_is_written_looked_at_and_changed(desk):
    TicketFactory(first_name="Ana")
    said = {"title": "Bienvenue", "text": "Bonjour {prénom}.", "needs": ["technique"], "active": "on"}
    page = desk.send("/desk/reponses/nouvelle/", {**said, "voir": "1"})
    page.assert_sound()
    assert "Bonjour Ana." in page.text
    assert not CannedAnswer.objects.filter(title="Bienvenue").exists()
    page = desk.send("/desk/reponses/nouvelle/", said)
    page.assert_sound()
    assert "« Bienvenue » est enregistrée" in page.text
    row = CannedAnswer.objects.get(title="Bienvenue")
    assert (row.team, row.needs, row.phases, row.active) == ("etnic", ["technique"], [], True)
    said["text"] = "Bonjour {prénom} {nom}."
    del said["active"]
    page = desk.send(f"/desk/reponses/{row.pk}/", said)
    row.refresh_from_db()
    assert (row.text, row.active) == ("Bonjour {prénom} {nom}.", False)
    assert "plus proposée" in page.text


@pytest.mark.parametrize("text", ["Bonjour {mot_de_passe}", "{{ settings }}", "{% debug %}", "{% load static %}"])
def test_nothing_but_the_listed_variables_is_kept(desk, text):
    page = desk.send("/desk/reponses/nouvelle/", {"title": "Essai", "text": text})
    assert page.title.startswith("Erreur : ")
    assert "variable" in page.text.lower()
    assert 'value="Essai"' in page.html
    assert not CannedAnswer.objects.filter(title="Essai").exists()


def test_two_answers_of_a_team_never_have_one_title(desk):
    CannedAnswerFactory(title="Bienvenue")
    CannedAnswerFactory(title="Ailleurs", team="sgne")
    page = desk.send("/desk/reponses/nouvelle/", {"title": "Bienvenue", "text": "Bonjour."})
    assert "a déjà une réponse type de ce titre" in page.text
    desk.send("/desk/reponses/nouvelle/", {"title": "Ailleurs", "text": "Bonjour."})
    assert CannedAnswer.objects.filter(title="Ailleurs").count() == 2


def test_another_team_s_answers_do_not_exist(desk):
    foreign = CannedAnswerFactory(team="sgne", title="Du SGNE")
    assert desk(path=f"/desk/reponses/{foreign.pk}/").status == 404
    assert desk.send(f"/desk/reponses/{foreign.pk}/", {"title": "À nous", "text": "x"}).status == 404
    assert "Du SGNE" not in desk(path="/desk/reponses/").text


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_break_neither(desk, value):
    value = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    incident = IncidentFactory()
    TicketFactory(incident=incident)
    assert desk.send("/desk/incidents/", {"title": value, "need": value, "text": value}).status < 500
    assert desk.send(f"/desk/incidents/{incident.pk}/", {"text": value, "ensuite": value}).status < 500
    said = {"title": value, "text": value, "needs": [value], "phases": [value]}
    assert desk.send("/desk/reponses/nouvelle/", said).status < 500
    assert desk.send("/desk/reponses/nouvelle/", {**said, "voir": "1"}).status < 500
    assert "\0" not in " ".join(CannedAnswer.objects.values_list("text", flat=True))
