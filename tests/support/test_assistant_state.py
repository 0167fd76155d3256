"""The assistant's state is its address: nothing typed is lost on the way back, nothing hostile gets through."""

from datetime import date
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from bma_portal.models import RateCount
from support.questions import ROOT
from support.views import assistant
from tests.factories import OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.support.assistant_stage import BROKEN, FULL, Ask, asker, on_stage


@pytest.fixture
def ask(client, db) -> Ask:
    return asker(client)


@pytest.fixture
def uncounted(monkeypatch):
    monkeypatch.setattr(assistant, "LOOKUP_LIMITS", ())


# Going back, changing one's mind


def test_going_back_loses_no_answer(ask, it_is):
    number = on_stage("P4", it_is)
    page = ask(FULL, numero=number, livraison="2024-03-01")
    change = [link for link in page.links if "depuis=" in link]
    first = ask(change[0])
    assert "Quel est votre problème ?" in first.title
    assert "Votre réponse actuelle" in first.text
    kept = next(link for link in first.links if link.startswith(FULL))
    assert parse_qs(urlsplit(kept).query) == {"numero": [number], "livraison": ["2024-03-01"]}
    other = next(link for link in first.links if link.startswith("/assistant/messagerie/"))
    assert parse_qs(urlsplit(other).query) == {"numero": [number], "livraison": ["2024-03-01"]}
    again = ask(next(link for link in page.links if "modifier=numero" in link))
    assert f'value="{number}"' in again.html
    assert "Erreur" not in again.title
    assert RateCount.objects.count() == 2  # the first page alone, in its two windows


def test_the_answers_so_far_are_listed_on_every_page(ask, it_is):
    it_is(date(2025, 9, 2))
    page = ask("/assistant/internet/oui/non/")
    for words in ("Plus de connexion à internet", "Oui, sans résultat", "Non, plus rien ne fonctionne"):
        assert words in page.text
    assert page.text.count("Modifier") == 3


@pytest.mark.parametrize(
    "former", ["", "rien", "../../admin", "https://exemple.test/", "internet", "mails/x" * 900, "\0"]
)
def test_a_way_back_that_is_none_changes_nothing(ask, former):
    page = ask("/assistant/mails/", depuis=former)
    assert "Votre réponse actuelle" not in page.text
    assert "exemple.test" not in page.html


# Numbers


def test_the_same_digits_for_two_units_are_a_choice_that_keeps_the_way(ask, it_is):
    it_is(date(2024, 10, 9))
    OrganisationFactory(fase=815, mailbox=True)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    SitePlacementFactory(site=SiteFactory(fase=815))
    page = ask(FULL, numero="815")
    assert f"{FULL}?numero=ec000815" in page.links
    assert f"{FULL}?numero=po000815" in page.links
    assert "Ou s’agit-il d’une implantation ?" in page.text


def test_an_implantation_leads_to_its_establishment(ask, it_is):
    it_is(date(2024, 10, 9))
    placement = SitePlacementFactory(site=SiteFactory(fase=4321))
    page = ask(FULL, numero="4321")
    assert "Ce numéro est celui d’une implantation" in page.text
    assert f"{FULL}?numero=ec{placement.establishment.fase:06d}" in page.links


def test_a_closed_number_leads_on_to_its_successor(ask, it_is):
    it_is(date(2024, 10, 9))
    after = OrganisationFactory(fase=900, mailbox=True)
    OrganisationFactory(fase=800, mailbox=True, closed_on=date(2024, 9, 1), successor=after)
    OrganisationFactory(fase=700, mailbox=True, closed_on=date(2024, 9, 1))
    OrganisationFactory(fase=600)
    assert f"{FULL}?numero=ec000900" in ask(FULL, numero="ec800").links
    assert "n’indique pas qui l’a repris" in ask(FULL, numero="ec700").text
    assert "Aucune boîte n’est enregistrée" in ask(FULL, numero="ec600").text


def test_numbers_are_counted_like_anywhere_else(ask, it_is):
    it_is(date(2024, 10, 9))
    for _ in range(10):
        assert ask(FULL, numero="1").status == 200
    assert ask(FULL, numero="2").status == 429


# Wrong and hostile values


@pytest.mark.parametrize(
    ("path", "field", "typed", "said"),
    [
        (FULL, "numero", "", "Indiquez un numéro FASE"),
        (FULL, "numero", "mon école", "Ceci n’est pas un numéro FASE"),
        (FULL, "numero", "999999", "ne porte"),
        (BROKEN, "livraison", "", "Indiquez la date de livraison"),
        (BROKEN, "livraison", "l’an dernier", "Cette date ne se lit pas"),
        (BROKEN, "livraison", "31/02/2024", "Ce jour n’existe pas"),
        (BROKEN, "livraison", "12/05/2031", "Cette date est à venir"),
        (BROKEN, "livraison", "12/05/1823", "Vérifiez l’année"),
    ],
)
def test_a_wrong_value_is_kept_and_said_in_french(ask, it_is, path, field, typed, said):
    it_is(date(2024, 11, 12))
    page = ask(path, **{field: typed})
    assert page.title.startswith("Erreur : ")
    assert said in page.text
    assert 'role="alert"' in page.html
    assert f'href="#id_{field}"' in page.html
    assert 'aria-invalid="true"' in page.html
    assert not typed or f'value="{typed}"' in page.html


HOSTILE = ["\0", "x" * 100_000, "\ud800", "1" + "0" * 30, "<script>alert(1)</script>", "١٢٣", "%", "{{ x }}", "247\n"]


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_anywhere_break_nothing(client, it_is, value):
    it_is(date(2024, 11, 12))
    sent = value.encode("utf-8", "surrogatepass")
    for path in ("/assistant/", FULL, BROKEN, "/assistant/mails/", "/assistant/mot-de-passe/perdu/"):
        for field in ("numero", "livraison", "depuis", "modifier", "resolu"):
            response = client.get(path, {"numero": "ec000001", "livraison": "2024-01-01", field: sent})
            assert response.status_code < 500
            assert b"<script>alert" not in response.content
            assert len(response.content) < 60_000
    assert client.get(f"/assistant/{quote(sent[:2000])}/").status_code in {400, 404}


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nothing_is_ever_written(client, db, method):
    for path in ("/assistant/", FULL):
        assert getattr(client, method)(path).status_code == 405


def test_an_answer_takes_few_queries(client, it_is, django_assert_max_num_queries):
    number = on_stage("P4", it_is)
    client.get(FULL, {"numero": number})
    with django_assert_max_num_queries(20):
        client.get(FULL, {"numero": number})
    with django_assert_max_num_queries(4):
        client.get("/assistant/")


def test_the_first_page_asks_what_the_problem_is(ask):
    page = ask("/assistant/")
    assert ROOT.title in page.text
    assert len([link for link in page.links if link.startswith("/assistant/")]) >= len(ROOT.choices)
