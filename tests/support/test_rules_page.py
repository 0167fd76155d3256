"""`/desk/regles/`: who reads it, what it shows of a day, and « and if? »."""

from datetime import date

import pytest
from django.test import Client
from django.urls import reverse

from bma_portal import clock
from support.needs import NEEDS
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_migration import MoveFactory
from tests.sign_in import sign_in
from tests.support.pages import Page
from tests.support.routing_table import cited, rows
from tests.support.rules_stage import NOW, agent, current, opened

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(NOW)


@pytest.fixture
def sgne():
    return agent("SGNE")


@pytest.fixture
def etnic():
    return agent("ETNIC")


# The matrix


@pytest.mark.parametrize("team", ["SGNE", "ETNIC", "Priminfo", "Enseignement.be"])
def test_every_team_reads_the_rules_and_only_sgne_is_offered_to_change_them(team):
    page = opened(agent(team), "desk_rules")
    for need in NEEDS.values():
        assert need.label in page.text
    assert any("/modifier/" in link for link in page.links) is (team == "SGNE")
    assert "Vous regardez" not in page.text
    assert "La matrice au vendredi 15 novembre 2024" in page.text


@pytest.mark.parametrize("day", ["2024-11-15", "2025-08-31", "2025-09-01", "2026-11-22"])
def test_each_cell_says_team_outcome_reason_and_source_as_the_documentation_does(etnic, day):
    page = opened(etnic, "desk_rules", date=day)
    found = {cited(source) for source in _sources(page.html)}
    column = "P6 dès le 01/09/2025" if day >= "2025-09-01" else "P6"
    wanted = {row.cells[column].cited for row in rows()}
    assert wanted <= found
    assert "Aucune règle" not in page.text
    assert "Transmis au service Enseignement.be parce que" in page.text


def _sources(html):
    parts = html.replace("\N{NO-BREAK SPACE}", " ").split('<p class="source">Source : ')[1:]
    return [part.partition("</p>")[0] for part in parts]


def test_another_day_is_announced_and_today_is_one_click_away(etnic):
    page = opened(etnic, "desk_rules", date="2025-09-01")
    assert "Vous regardez les règles du lundi 1er septembre 2025" in page.text
    assert reverse("desk_rules") in page.links
    assert "ce jour-là, les boîtes migrées sont en P6" in page.text
    assert "Vous regardez" not in opened(etnic, "desk_rules", date="2024-11-15").text
    assert "Vous regardez" in opened(etnic, "desk_rules", date="1/9/2025").text


@pytest.mark.parametrize(
    "typed", ["hier", "2024-02-30", "1066-10-14", "9999-01-01", "10" * 30, "x" * 100_000, "\0", "2024-11-15\0"]
)
def test_a_day_that_does_not_read_is_explained_and_today_is_shown(etnic, typed):
    page = opened(etnic, "desk_rules", date=typed)
    assert page.title.startswith("Erreur : ")
    assert "La matrice au vendredi 15 novembre 2024" in page.text
    assert "#id_date" in page.links
    assert len(page.html) < 400_000


def test_the_matrix_takes_few_statements(etnic, django_assert_max_num_queries):
    opened(etnic, "desk_rules")
    with django_assert_max_num_queries(16):
        etnic.get(reverse("desk_rules"))


NAMES = [("desk_rules", ()), ("desk_rules_what_if", ()), ("desk_rule_change", (1,))]


@pytest.mark.parametrize(("name", "args"), NAMES)
def test_visitors_holders_and_weak_sessions_do_not_get_in(name, args):
    url = reverse(name, args=args)
    assert Client().get(url).status_code == 302
    assert sign_in(Client(), UserFactory()).get(url).status_code == 403
    assert agent("SGNE", strong=False).get(url).status_code in {302, 403}
    assert agent("Auditeur").get(url).status_code == 403


def test_the_other_teams_may_not_change_a_rule(etnic):
    url = reverse("desk_rule_change", args=[current("vol").pk])
    for client in (etnic, agent("Priminfo"), agent("Enseignement.be")):
        assert client.get(url).status_code == 403
        assert client.post(url, {}).status_code == 403


@pytest.mark.parametrize("pk", [0, 999_999, 2**63, 10**30])
def test_a_rule_that_does_not_exist_is_not_found(sgne, pk):
    assert sgne.get(f"/desk/regles/{pk}/modifier/").status_code == 404


@pytest.mark.parametrize("name", ["desk_rules", "desk_rules_what_if"])
def test_these_pages_only_read(sgne, name):
    assert sgne.post(reverse(name)).status_code == 405


# « And if? »


def test_what_if_says_the_route_of_a_mailbox_on_a_day_and_why(etnic):
    mailbox = MoveFactory(
        migrated=True, batch__establishments=True, mailbox__organisation__unit_types=["Secondaire ordinaire"]
    ).mailbox
    asked = {"besoin": "ancien-mot-de-passe", "numero": mailbox.address}
    page = opened(etnic, "desk_rules_what_if", date="2024-11-12", **asked)
    assert "Essai au mardi 12 novembre 2024 : rien n’est enregistré" in page.text
    assert "SGNE : une demande à l’équipe" in page.text
    assert "parce que votre boîte a reçu le mail 2 le 12 novembre 2024" in page.text
    assert "Source FAQ d’octobre 2024, §7 (S1)" in page.text
    assert "migrationBMA@cfwb.be" in page.text
    assert "P2 : mail 2 reçu" in page.text
    page = opened(etnic, "desk_rules_what_if", date="2025-04-25", **asked)
    assert "le formulaire MODE" in page.text
    assert "une unité de type « Secondaire ordinaire » est dans MODE" in page.text


def test_what_if_never_says_of_a_mailbox_that_it_migrated_where_no_migration_is_recorded(etnic):
    left, gone = MoveFactory(), MoveFactory(migrated=True)
    said = "P6 : ancien serveur fermé. Aucune migration n’est enregistrée pour cette boîte"
    asked = {"besoin": "ancien-mot-de-passe", "date": "2025-04-25"}
    assert said in opened(etnic, "desk_rules_what_if", numero=left.mailbox.address, **asked).text
    assert said not in opened(etnic, "desk_rules_what_if", numero=gone.mailbox.address, **asked).text


def test_what_if_imagines_a_unit_and_asks_what_the_need_asks(etnic):
    asked = {"besoin": "panne", "type": "CTA", "phase": "P6", "date": "2026-11-22"}
    page = opened(etnic, "desk_rules_what_if", **asked)
    assert "qui vérifiera la date de livraison" in page.text
    assert "id_reponse-livraison" in page.ids
    for delivered, words in (("2023-11-22", "est sous garantie jusqu’au 22 novembre 2026"),
                             ("21/11/2023", "s’est terminée le 21 novembre 2026")):  # fmt: skip
        page = opened(etnic, "desk_rules_what_if", **asked, **{"reponse-livraison": delivered})
        assert words in page.text


def test_what_if_writes_nothing(etnic, django_assert_max_num_queries):
    mailbox = MailboxFactory()
    opened(etnic, "desk_rules_what_if")
    with django_assert_max_num_queries(40) as found:
        opened(etnic, "desk_rules_what_if", besoin="vol", numero=mailbox.address)
    written = [
        query["sql"] for query in found if not query["sql"].lstrip("( ").startswith(("SELECT", "SAVEPOINT", "RELEASE"))
    ]
    assert [sql for sql in written if "session" not in sql] == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"besoin": ""}, "Choisissez un besoin"),
        ({"besoin": "inconnu"}, "Choisissez un besoin de la liste"),
        ({"besoin": "vol"}, "Donnez un numéro, ou un type et une phase"),
        ({"besoin": "vol", "type": "CTA"}, "Donnez un numéro, ou un type et une phase"),
        ({"besoin": "vol", "type": "CTA", "phase": "P9"}, "Choisissez une phase"),
        ({"besoin": "vol", "type": "CTA", "phase": "P1", "numero": "1234"}, "mais pas les deux"),
        ({"besoin": "vol", "numero": "999999"}, "ne porte le numéro 999999"),
        ({"besoin": "vol", "numero": "١٢٣"}, "numéro FASE"),
        ({"besoin": "vol", "numero": "\0"}, "numéro FASE"),
        ({"besoin": "vol", "numero": "1" * 100_000}, "trop longue"),
        ({"besoin": "vol", "type": "x" * 100_000, "phase": "P1"}, "trop long"),
        ({"besoin": "panne", "type": "CTA", "phase": "P6", "reponse-livraison": "2999-01-01"}, "entre 2000 et 2100"),
        ({"besoin": "panne", "type": "CTA", "phase": "P6", "reponse-livraison": "2030-01-01"}, "pas encore passé"),
        ({"besoin": "internet", "type": "CTA", "phase": "P6", "reponse-boitier": "peut-être"}, "de la liste"),
        ({"besoin": "\ud800", "date": "\ud800"}, "de la liste"),
    ],
)
def test_a_question_that_is_not_whole_is_explained_beside_its_field(etnic, query, words):
    url = reverse("desk_rules_what_if") + "?" + "&".join(
        f"{name}={_quoted(value)}" for name, value in query.items()
    )  # fmt: skip
    page = Page(etnic.get(url))
    assert page.status == 200
    page.assert_sound()
    assert page.title.startswith("Erreur : ")
    assert words in page.text
    assert len(page.html) < 100_000


def _quoted(value):
    from urllib.parse import quote

    return quote(value.encode("utf-8", "surrogatepass"))


def test_a_number_of_two_units_of_none_and_of_a_closed_one_is_explained(etnic):
    MailboxFactory(organisation=OrganisationFactory(fase=4002))
    MailboxFactory(organisation=OrganisationFactory(fase=4002, po_unit=True))
    gone = MailboxFactory(organisation=OrganisationFactory(fase=4003, closed_on=date(2024, 9, 1)))
    bare = OrganisationFactory(fase=4004)
    for number, words in [
        ("4002", "précisez ec004002 et po004002"),
        (gone.address, "fermée ce jour-là"),
        (f"ec{bare.fase}", "Aucune boîte n’est enregistrée"),
    ]:
        page = Page(etnic.get(reverse("desk_rules_what_if"), {"besoin": "vol", "numero": number}))
        assert words in page.text
        assert page.title.startswith("Erreur : ")
