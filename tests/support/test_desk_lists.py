"""The queues of a team: as its people read them, found by words, saved under a name, taken away as a file."""

import csv
import html
import io
import re
import time
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.test import Client

from bma_portal import clock
from bma_portal.models import AuditEntry
from support import exports, queues, tickets
from support.models import SavedView, Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_holders import NOON
from tests.factories_tickets import IncidentFactory, MessageFactory, SavedViewFactory, TicketFactory, agent
from tests.sign_in import sign_in
from tests.support.desk_stage import HOSTILE, Desk, subjects

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def noon(db):
    clock.set_for_every_process(NOON)


@pytest.fixture
def lena(db):
    return agent("etnic", username="lena", first_name="Léna", last_name="Inventée")


@pytest.fixture
def desk(lena):
    return Desk(lena)


# Who


def test_each_team_sees_its_own_tickets_and_nobody_else_any(desk):
    TicketFactory(subject="Pour l’ETNIC")
    TicketFactory(subject="Pour Priminfo", team="priminfo", need="panne")
    assert subjects(desk("file=toutes")) == ["Pour l’ETNIC"]
    assert subjects(Desk(agent("priminfo"))("file=toutes")) == ["Pour Priminfo"]
    assert subjects(Desk(agent("sgne"))("file=toutes")) == []
    assert Client().get("/desk/").status_code == 302


def test_a_weak_session_opens_no_desk(lena):
    client = Client()
    sign_in(client, lena, strong=False)
    assert client.get("/desk/").status_code in {302, 403}


def test_somebody_of_two_teams_works_for_one_at_a_time():
    both = agent("sgne")
    both.groups.add(*agent("etnic").groups.all())
    TicketFactory(subject="Pour l’ETNIC")
    desk = Desk(both)
    page = desk()
    assert "SGNE" in page.text
    assert subjects(page) == []
    assert subjects(desk("equipe=etnic")) == ["Pour l’ETNIC"]
    assert subjects(desk()) == ["Pour l’ETNIC"]
    assert subjects(desk("equipe=priminfo")) == []


def test_the_menu_says_where_one_is_and_for_whom_whoever_asked_before(desk):
    """It is made once by process where it counts nothing."""
    both = agent("sgne")
    both.groups.add(*agent("etnic").groups.all())
    two = Desk(both)

    def marked(page):
        return re.findall(r'aria-current="\w+">([^<]+)<', page.html)

    for _ in range(2):
        assert marked(two(path="/desk/vues/")) == ["SGNE", "Vues"]
        assert marked(desk(path="/desk/vues/")) == ["Vues"]
        assert marked(desk(path="/desk/incidents/")) == ["Incidents"]
        assert marked(two("equipe=etnic", "/desk/vues/")) == ["ETNIC", "Vues"]
        assert marked(two("equipe=sgne", "/desk/incidents/")) == ["SGNE", "Incidents"]


# Which, in which order


def test_the_queues_of_a_team(desk, lena):
    TicketFactory(subject="Plus tard", due_at=NOON + 5 * HOUR)
    TicketFactory(subject="Bientôt", due_at=NOON + HOUR)
    TicketFactory(subject="En retard", overdue=True)
    TicketFactory(subject="À moi", taken=True, assignee=lena, due_at=NOON + 2 * HOUR)
    TicketFactory(subject="À un autre", taken=True)
    TicketFactory(subject="On attend", waiting=True)
    TicketFactory(subject="Fini", solved=True)
    TicketFactory(subject="Clos", closed=True)
    page = desk()
    page.assert_sound()
    assert subjects(page) == ["En retard", "Bientôt", "Plus tard"]
    assert "Échéance dépassée depuis 2 h" in page.text
    assert "À faire dans 1 h" in page.text
    assert subjects(desk("file=miennes")) == ["À moi"]
    assert subjects(desk("file=retard")) == ["En retard"]
    assert subjects(desk("file=attente")) == ["On attend"]
    assert set(subjects(desk("file=resolues"))) == {"Fini", "Clos"}
    assert len(subjects(desk("file=toutes"))) == 8
    for queue in queues.QUEUES:
        desk(f"file={queue}").assert_sound()


def test_an_empty_queue_says_what_to_do_next(desk):
    page = desk()
    assert "Rien à prendre" in page.text
    assert "/desk/?file=miennes" in page.links
    assert "Vous ne suivez aucune demande" in desk("file=miennes").text
    assert "Aucune échéance n’est dépassée" in desk("file=retard").text
    assert "Effacer les critères" in desk("q=introuvable").text


def test_a_row_says_who_asks_what_for_which_unit_and_how_far_it_is(desk, lena):
    unit = OrganisationFactory(name="École des Essais", fase=4321)
    box = MailboxFactory(organisation=unit)
    incident = IncidentFactory(title="Panne du matin")
    one = TicketFactory(mailbox=box, taken=True, assignee=lena, urgent=True, incident=incident, last_name="Fictif")
    TicketFactory(mailbox=box, need=one.need, subject="La même")
    page = desk("file=miennes")
    for words in ("École des Essais", "FASE 4321", "Camille Fictif", "en cours", "urgente", "Panne du matin", "Léna"):
        assert words in page.text
    assert one.reference in page.text
    assert "une autre demande est ouverte" in page.text
    goes = TicketFactory(merged=True)
    assert f"Jointe à {goes.merged_into.reference}" in desk("file=toutes").text


def test_the_filters_narrow_a_list_and_are_remembered_in_it(desk, lena):
    incident = IncidentFactory()
    unit = OrganisationFactory(fase=247)
    wanted = TicketFactory(
        need="cerbere", phase="announced", urgent=True, incident=incident, mailbox=MailboxFactory(organisation=unit)
    )
    TicketFactory()
    TicketFactory(taken=True, assignee=lena, subject="À Léna")
    for query in (
        "besoin=cerbere",
        "phase=announced",
        "priorite=urgent",
        f"incident={incident.pk}",
        "numero=ec000247",
    ):
        page = desk(f"file=toutes&{query}")
        assert subjects(page) == [wanted.subject], query
        assert "1 demande" in page.text
    assert subjects(desk(f"file=toutes&suivie={lena.pk}")) == ["À Léna"]
    assert len(subjects(desk("file=toutes&suivie=personne"))) == 2
    assert subjects(desk("file=toutes&du=2026-10-16")) == []
    assert len(subjects(desk("file=toutes&du=2026-10-15&au=2026-10-15"))) == 3
    assert '<option value="cerbere" selected>' in desk("file=toutes&besoin=cerbere").html


def test_a_list_is_read_twenty_five_at_a_time(desk):
    for n in range(27):
        TicketFactory(subject=f"n{n:02}", due_at=NOON + n * timedelta(minutes=1))
    first = desk()
    assert subjects(first) == [f"n{n:02}" for n in range(25)]
    assert "27 demandes" in first.text
    second = desk("file=a-prendre&page=2")
    assert subjects(second) == ["n25", "n26"]
    assert "/desk/?file=a-prendre&amp;page=1" in second.html.replace("&page", "&amp;page")
    assert "Il n’y a plus rien sur cette page" in desk("file=a-prendre&page=3").text


def test_nothing_is_counted_further_than_it_is_told(desk, monkeypatch):
    monkeypatch.setattr(queues, "PAGE", 2)
    monkeypatch.setattr(queues, "COUNTED", 3)
    TicketFactory.create_batch(3)
    assert "3 demandes" in desk("file=toutes").text
    TicketFactory()
    assert "Plus de 3 demandes" in desk("file=toutes").text
    last = desk("file=toutes&page=2")
    assert len(subjects(last)) == 2
    assert "Plus de 3 demandes" in last.text
    assert "Page suivante" not in last.text


# Found by words


def test_a_search_finds_by_words_without_accents_and_while_one_types(desk):
    TicketFactory(subject="Le serveur", searched="Problème de réception des courriels à l’école")
    TicketFactory(subject="Autre chose", searched="Un écran noir")
    for words in ("reception", "RÉCEPTION", "problème récep", "ecole courriel"):
        assert subjects(desk(f"q={quote(words)}")) == ["Le serveur"], words
    assert subjects(desk("q=le")) == []
    assert subjects(desk(f"q={quote('!!! &|:*')}")) == []


def test_a_number_or_an_address_finds_the_mailbox_and_a_reference_its_ticket(desk):
    box = MailboxFactory(organisation=OrganisationFactory(fase=247))
    ticket = TicketFactory(subject="De la boîte", mailbox=box)
    TicketFactory(subject="Autre", searched="il y a 247 courriels")
    for words in ("247", "ec000247", "ec000247@adm.cfwb.be"):
        assert subjects(desk(f"q={words}")) == ["De la boîte"], words
    reference = ticket.reference
    for words in (reference, reference.lower(), reference.replace("-", " "), reference[2:], f"[{reference}]"):
        desk(f"q={quote(words)}")
        assert desk.answer.headers["Location"] == f"/desk/demande/{reference}/", words
    foreign = TicketFactory(team="sgne")
    assert "Aucune demande ne correspond" in desk(f"q={foreign.reference}").text


@pytest.mark.parametrize("value", HOSTILE)
def test_nothing_in_an_address_breaks_a_list(desk, value):
    TicketFactory()
    said = quote(value.encode("utf-8", "surrogatepass")[:5000])
    names = [*queues.Criteria.__dataclass_fields__, "equipe"]
    query = "&".join(f"{name}={said}" for name in names)
    assert desk(query[:60_000]).status == 200
    for name in names:
        assert desk(f"{name}={said}").status in {200, 302}, name
    for path in (f"/desk/vues/{said}/", f"/desk/incidents/{said}/", f"/desk/reponses/{said}/"):
        assert 400 <= desk(path=path).status < 500, path
    assert desk.client.get(f"/desk/export/?{query[:60_000]}").status_code == 200
    assert desk(f"du={said}&au={said}&de={said}", path="/desk/chiffres/").status == 200


# As fast at a hundred thousand


def statements(desk, query, path, assert_num_queries, most=8):
    with assert_num_queries(most):
        assert desk(query, path=path).status == 200


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "/desk/"),
        ("file=toutes&tri=recent&besoin=technique&page=2", "/desk/"),
        ("q=courriels", "/desk/"),
        ("", "/desk/vues/les-retards/"),
    ],
)
def test_a_list_costs_eight_statements_at_most_whatever_it_shows(
    desk, lena, query, path, django_assert_max_num_queries
):
    SavedViewFactory(slug="les-retards", owner=lena, query="file=toutes&besoin=technique")
    incident = IncidentFactory()
    for n in range(26):
        TicketFactory(taken=bool(n % 2), incident=incident, searched="des courriels")
    desk()
    statements(desk, query, path, django_assert_max_num_queries)


def test_a_page_asks_for_its_list_alone_and_that_keeps_no_session_alive(desk, lena, monkeypatch):
    for n in range(26):
        TicketFactory(subject=f"n{n:02}", due_at=NOON + n * timedelta(minutes=1))
    address = html.unescape(re.search(r'hx-get="([^"]+)"', desk().html)[1])
    page = desk(path=address)
    assert "<html" not in page.html
    assert subjects(page)[0] == "n00"
    assert 'data-total="26 demandes"' in page.html
    assert "no-store" in desk.answer.headers["Cache-Control"]
    SavedViewFactory(slug="tout", owner=lena)
    address = html.unescape(re.search(r'hx-get="([^"]+)"', desk(path="/desk/vues/tout/").html)[1])
    assert "/desk/vues/tout/?page=2" in desk(path=address).links
    seen = desk.client.session["entree"]["seen"]
    later = time.time() + 300
    monkeypatch.setattr("accounts.sessions.time.time", lambda: later)
    desk(path=address)
    assert desk.client.session["entree"]["seen"] == seen
    desk()
    assert desk.client.session["entree"]["seen"] > seen


# Views


def test_a_list_gets_a_name_that_the_team_can_open(desk, lena):
    TicketFactory(subject="Urgente", urgent=True)
    TicketFactory(subject="Normale")
    page = desk.send("/desk/vues/", {"name": "Les urgentes", "shared": "on", "query": "file=toutes&priorite=urgent"})
    assert "La vue « Les urgentes » est enregistrée" in page.text
    assert subjects(page) == ["Urgente"]
    colleague = Desk(agent("etnic"))
    assert subjects(colleague(path="/desk/vues/les-urgentes/")) == ["Urgente"]
    assert "/desk/vues/les-urgentes/" in colleague().links
    assert Desk(agent("sgne"))(path="/desk/vues/les-urgentes/").status == 404
    colleague(path="/desk/vues/les-urgentes/changer/")
    assert colleague.answer.status_code == 404
    page = desk.send("/desk/vues/les-urgentes/changer/", {"name": "Ce qui presse"})
    assert "Ce qui presse" in page.text
    assert colleague(path="/desk/vues/les-urgentes/").status == 404  # not shared any more
    desk.send("/desk/vues/les-urgentes/changer/", {"supprimer": "1"})
    assert not SavedView.objects.exists()


def test_a_view_of_one_s_other_team_leads_to_that_desk():
    both = agent("sgne")
    both.groups.add(*agent("etnic").groups.all())
    SavedViewFactory(slug="vue", shared=True)
    TicketFactory(subject="Pour l’ETNIC")
    desk = Desk(both)
    desk(path="/desk/vues/vue/")
    assert subjects(desk(path=desk.answer.headers["Location"])) == ["Pour l’ETNIC"]


def test_a_view_that_cannot_be_saved_keeps_what_was_typed(desk):
    query = "file=toutes&besoin=cerbere"
    page = desk.send("/desk/vues/", {"name": "", "query": query})
    page.assert_sound()
    assert page.title.startswith("Erreur : ")
    assert "Donnez un nom à cette vue" in page.text
    assert "file=toutes&amp;besoin=cerbere" in page.html
    SavedViewFactory(name="Prise", slug="prise")
    assert "a déjà une vue de ce nom" in desk.send("/desk/vues/", {"name": "Prise", "query": query}).text
    for name in ("\0\0", "!!!", "x" * 100_000, "\ud800"):
        body = {"name": name.encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "query": "x" * 100_000}
        assert desk.send("/desk/vues/", body).status < 500
    assert SavedView.objects.count() == 1
    desk.send("/desk/vues/", {"name": "Longue", "query": f"q={quote('é' * 200)}"})
    assert SavedView.objects.count() == 1


# The file


def rows_of(answer) -> list[list[str]]:
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=";"))


def test_a_list_is_exported_one_row_per_ticket_and_the_audit_says_so(desk, lena, monkeypatch):
    monkeypatch.setattr(exports, "CHUNK", 2)
    for n in range(5):
        ticket = TicketFactory(need="cerbere", subject=f"n{n}", message="Un secret de famille")
        MessageFactory(ticket=ticket, note=True, text="Une note du bureau")
    nameless = agent("etnic", username="sans-nom", first_name="", last_name="")
    for ticket, person in zip(Ticket.objects.order_by("pk")[:2], (lena, nameless), strict=True):
        tickets.take(ticket, by=person, at=NOON)
    TicketFactory(need="technique")
    TicketFactory(team="sgne", need="cerbere")
    answer = desk.client.get("/desk/export/?file=toutes&besoin=cerbere")
    heading, *rows = rows_of(answer)
    assert heading[:3] == ["Référence", "État", "Priorité"]
    assert [row[5] for row in rows] == ["n0", "n1", "n2", "n3", "n4"]
    assert rows[0][heading.index("Ouverte le")] == "15/10/2026 11:00"
    assert rows[2][1] == "à prendre"
    assert [row[heading.index("Suivie par")] for row in rows] == ["Léna Inventée", "sans-nom", "", "", ""]
    everything = " ".join(" ".join(row) for row in rows)
    assert "famille" not in everything
    assert "note" not in everything
    assert answer.headers["Content-Disposition"] == 'attachment; filename="demandes-etnic-2026-10-15.csv"'
    entry = AuditEntry.objects.filter(action="tickets.exported").latest("seq")
    assert (entry.actor, entry.details["count"]) == ("lena", 5)


def test_the_page_of_the_shortcuts_lists_them(desk):
    page = desk(path="/desk/raccourcis/")
    page.assert_sound()
    assert "demande suivante, précédente" in page.text
    assert Ticket.objects.count() == 0
