"""Several tickets at once: each by its own use case, and what was refused is said (F2, F14, F15)."""

import pytest

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support import bulk, tickets
from support.models import Ticket, TicketChange, TicketCheck
from tests.factories_holders import NOON
from tests.factories_tickets import IncidentFactory, TicketFactory, agent
from tests.support.desk_stage import HOSTILE, Desk, subjects, ticked

pytestmark = pytest.mark.django_db
Status = Ticket.Status


@pytest.fixture(autouse=True)
def noon(db):
    clock.set_for_every_process(NOON)


@pytest.fixture
def lena(db):
    return agent("etnic", username="lena", first_name="Léna", last_name="Inventée")


@pytest.fixture
def desk(lena):
    return Desk(lena)


def again(ticket):
    return Ticket.objects.get(pk=ticket.pk)


def test_one_press_takes_one_ticket_and_comes_back_to_the_same_list(desk, lena):
    ticket = TicketFactory(need="cerbere")
    TicketFactory(need="cerbere", subject="La suivante")
    criteria = "file=a-prendre&besoin=cerbere"
    page = desk.send("/desk/ensemble/", {"prendre": ticked(ticket)[0], "criteres": criteria})
    assert f"fait pour 1 demande ({ticket.reference})" in page.text
    assert subjects(page) == ["La suivante"]
    assert desk.answer.redirect_chain[-1][0] == f"/desk/?{criteria}"
    row = again(ticket)
    assert (row.assignee, row.status) == (lena, Status.OPEN)


@pytest.mark.parametrize("deed", bulk.DEEDS)
def test_nothing_is_done_before_it_is_confirmed(desk, deed):
    two = [TicketFactory(subject="Première"), TicketFactory(subject="Deuxième")]
    page = desk.send("/desk/ensemble/", {"deed": deed, "refs": ticked(*two)})
    page.assert_sound()
    assert "Première" in page.text
    assert "Deuxième" in page.text
    assert bulk.DEEDS[deed].verb.split("\N{RIGHT SINGLE QUOTATION MARK}")[0] in page.text
    assert not TicketChange.objects.exists()
    assert {again(ticket).version for ticket in two} == {0}


def confirmed(desk, deed, *tickets, **said):
    return desk.send("/desk/ensemble/", {"deed": deed, "refs": ticked(*tickets), "sure": "1", **said})


def test_several_are_taken_given_and_released(desk, lena):
    other = agent("etnic", last_name="Autre")
    one, two = TicketFactory(), TicketFactory()
    confirmed(desk, "prendre", one, two)
    assert {again(one).assignee, again(two).assignee} == {lena}
    confirmed(desk, "attribuer", again(one), again(two), to=other.pk)
    assert {again(one).assignee, again(two).assignee} == {other}
    page = confirmed(desk, "rendre", again(one), again(two))
    assert "fait pour 2 demandes" in page.text
    assert {again(one).status, again(two).status} == {Status.NEW}


def test_several_get_another_priority_and_another_deadline(desk):
    one = TicketFactory()
    page = confirmed(desk, "priorite", one, priority="")
    assert page.title.startswith("Erreur : ")
    assert "Choisissez une priorité" in page.text
    before = again(one).due_at
    confirmed(desk, "priorite", one, priority="urgent")
    assert again(one).priority == "urgent"
    assert again(one).due_at < before


def test_several_join_one_incident(desk):
    incident, foreign = IncidentFactory(title="La panne"), IncidentFactory(team="sgne")
    one, two = TicketFactory(), TicketFactory()
    page = confirmed(desk, "incident", one, two, incident=foreign.pk)
    assert "Choisissez un incident" in page.text
    confirmed(desk, "incident", one, two, incident=incident.pk)
    assert set(incident.tickets.all()) == {one, two}


def test_several_go_to_another_team_with_the_reason_that_each_requester_reads(desk):
    one, two = TicketFactory(), TicketFactory()
    page = confirmed(desk, "confier", one, two, team="sgne", why="")
    assert page.title.startswith("Erreur : ")
    assert {again(one).team} == {"etnic"}
    page = confirmed(desk, "confier", one, two, team="sgne", why="La date dépend du SGNE.")
    assert "fait pour 2 demandes" in page.text
    assert {again(one).team, again(two).team} == {"sgne"}
    told = OutgoingMail.objects.filter(kind="ticket.moved").values_list("to", flat=True)
    assert sorted(told) == sorted([[one.email], [two.email]])
    assert subjects(desk("file=toutes")) == []


def test_several_are_closed_with_a_reason_and_one_that_refuses_is_named(desk, lena):
    ready, unchecked = TicketFactory(), TicketFactory(need="panne")
    page = confirmed(desk, "clore", ready, unchecked, why="Le service est rétabli.")
    assert again(ready).status == Status.CLOSED
    assert again(unchecked).status == Status.NEW
    assert f"{unchecked.reference} : rien n’est fait. Avant de fermer cette demande, cochez" in page.text
    assert f"fait pour 1 demande ({ready.reference})" in page.text
    for item in ("serie", "garantie"):
        TicketCheck.objects.create(ticket=unchecked, item=item, by=lena, at=NOON)
    confirmed(desk, "clore", unchecked, why="Le service est rétabli.")
    assert again(unchecked).status == Status.CLOSED


def test_a_ticket_that_a_colleague_changed_meanwhile_stays_as_they_left_it(desk):
    one, two = TicketFactory(), TicketFactory()
    values = ticked(one, two)
    Desk(agent("etnic", first_name="Noé", last_name="Inventé")).send("/desk/ensemble/", {"prendre": values[0]})
    page = desk.send("/desk/ensemble/", {"deed": "prendre", "refs": values, "sure": "1"})
    told = f"{one.reference} : rien n’est fait. Noé Inventé l’a prise depuis que vous avez lu la liste."
    assert told in page.text
    assert again(one).assignee.first_name == "Noé"
    assert again(two).assignee == desk.person


def test_what_was_done_meanwhile_is_said_as_far_as_it_is_known(desk, lena):
    noe = agent("etnic", first_name="Noé", last_name="Inventé")

    def meanwhile(deed, **more):
        ticket = TicketFactory()
        values = ticked(ticket)
        deed(ticket, at=NOON, **more)
        page = desk.send("/desk/ensemble/", {"deed": "rendre", "refs": values, "sure": "1"})
        return page.text.partition(f"{ticket.reference} : rien n’est fait. ")[2].partition(" depuis que")[0]

    assert meanwhile(tickets.assign, to=lena, by=noe) == "Noé Inventé l’a attribuée à Léna Inventée"
    assert meanwhile(tickets.answer, text="Bonjour.", by=noe, version=0) == "Noé Inventé y a répondu"
    assert meanwhile(tickets.requester_wrote, text="Et puis ?").endswith(" y a écrit")
    assert meanwhile(tickets.close, why="Réglé.", by=noe) == "Noé Inventé l’a close"
    assert meanwhile(tickets.take, by=lena) == "Vous l’avez changée vous-même"
    assert meanwhile(tickets.wait, by=noe) == "Elle a changé"  # neither said nor changed anything else


def test_another_team_s_ticket_is_never_touched_and_never_named(desk):
    foreign = TicketFactory(team="sgne", subject="Secret du SGNE")
    for deed in bulk.DEEDS:
        page = desk.send("/desk/ensemble/", {"deed": deed, "refs": ticked(foreign)})
        assert "Secret du SGNE" not in page.text
        page = confirmed(desk, deed, foreign, why="Parce que.", team="sgne", priority="urgent")
        assert "Secret du SGNE" not in page.text
    page = desk.send("/desk/ensemble/", {"prendre": ticked(foreign)[0]})
    assert "parmi les demandes de votre équipe" in page.text
    assert again(foreign).version == 0


def test_priminfo_gets_no_password_from_a_list(desk):
    one = TicketFactory(need="nouveau-mot-de-passe")
    page = confirmed(desk, "confier", one, team="priminfo", why="Pour eux.")
    assert "Priminfo ne reçoit que les pannes" in page.text
    assert again(one).team == "etnic"


def test_nothing_ticked_or_too_much_is_said_and_nothing_happens(desk):
    ticket = TicketFactory()
    for data in ({}, {"deed": "prendre"}, {"refs": ticked(ticket)}, {"deed": "rien", "refs": ticked(ticket)}):
        assert "Cochez au moins une demande" in desk.send("/desk/ensemble/", data).text
    many = [f"D-BCDF-2{n:03}".replace("0", "B").replace("1", "C") + ":0" for n in range(200)]
    assert "Pas plus de 50" in desk.send("/desk/ensemble/", {"deed": "prendre", "refs": many}).text
    assert again(ticket).version == 0
    assert desk.client.get("/desk/ensemble/").status_code == 405


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_change_nothing_and_break_nothing(desk, value):
    ticket = TicketFactory()
    value = value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    fields = dict.fromkeys(("refs", "deed", "criteres", "why", "to", "team", "incident", "priority"), value)
    assert desk.send("/desk/ensemble/", fields).status < 500
    assert desk.send("/desk/ensemble/", {"prendre": value}).status < 500
    for deed in ("attribuer", "confier", "clore", "incident", "priorite"):
        said = {**fields, "deed": deed, "refs": [*ticked(ticket), value], "sure": "1", "why": value}
        if deed == "clore":
            said["why"] = value * 600
        assert desk.send("/desk/ensemble/", said).status < 500, deed
    assert again(ticket).team == "etnic"
