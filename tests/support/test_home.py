from datetime import date

import pytest

from accounts.models import Contact
from tests.factories import ContactFactory
from tests.factories_migration import MoveFactory
from tests.support.pages import FULL_ADDRESS, Page

pytestmark = pytest.mark.django_db


@pytest.fixture
def home(client):
    def get() -> Page:
        page = Page(client.get("/"))
        page.assert_sound()
        assert page.status == 200
        assert not FULL_ADDRESS.search(page.html)
        return page

    return get


def test_it_says_what_a_bma_is_and_has_one_way_to_ask_for_ones_own(home):
    page = home()
    assert "La boîte mail administrative (BMA) est la seule adresse" in page.text
    assert page.html.count("<form") == 2
    assert page.html.count('action="/ma-boite/etat/"') == 1


@pytest.mark.parametrize("day", [date(2024, 11, 15), date(2026, 6, 1)])
def test_whoever_has_a_problem_begins_with_the_assistant_or_with_their_own_words(home, it_is, client, day):
    it_is(day)
    page = home()
    assert "Vous avez un problème ?" in page.text
    assert "/assistant/" in page.links
    assert page.html.count('action="/aide/"') == 1
    assert client.get("/aide/", {"q": "mot de passe perdu"}).status_code == 200


@pytest.mark.parametrize("day", [date(2024, 9, 1), date(2024, 11, 15), date(2025, 4, 24)])
def test_while_mailboxes_wait_each_situation_of_a_lost_password_has_its_answer(home, it_is, day):
    MoveFactory(announced=True)
    it_is(day)
    page = home()
    assert "Le nouveau mot de passe n’est pas encore arrivé" in page.text
    assert "Le nouveau mot de passe est arrivé, mais il est égaré" in page.text
    assert "Votre boîte a déjà migré" in page.text
    assert "BMA@enseignement.be" in page.text


@pytest.mark.parametrize("day", [date(2024, 12, 1), date(2025, 4, 25), date(2026, 6, 1)])
def test_once_all_have_migrated_only_etnic_is_named_for_passwords(home, it_is, day):
    MoveFactory(migrated=True)
    it_is(day)
    page = home()
    assert "Demandez-en un nouveau" in page.text
    assert "support@etnic.be" in page.text.partition("À qui vous adresser")[0]
    assert "BMA@enseignement.be" not in page.text
    assert "n’a pas changé" in page.text


def test_a_lost_password_has_its_door_here_and_in_the_navigation_of_every_page(home):
    page = home()
    assert page.links.count("/mot-de-passe/") == 2
    assert "ce portail n’offre pas encore de formulaire" not in page.text


def test_every_internal_link_leads_somewhere(home, client):
    for link in home().links:
        if link.startswith("/"):
            assert client.get(link).status_code in {200, 302}, link


def test_contacts_are_those_of_the_day_as_staff_keep_them(home, it_is):
    Contact.objects.filter(team=Contact.Team.ETNIC).update(valid_to=date(2025, 1, 1))
    ContactFactory(team=Contact.Team.ETNIC, email="aide@exemple.test", valid_from=date(2025, 1, 1))
    it_is(date(2024, 12, 31), 23, 59)
    assert "support@etnic.be" in home().text
    it_is(date(2025, 1, 1), 0)
    page = home()
    assert "aide@exemple.test" in page.text
    assert "support@etnic.be" not in page.text


def test_a_team_without_a_contact_is_not_named_with_an_empty_one(home):
    Contact.objects.all().delete()
    page = home()
    assert "mailto:" not in page.html


def test_it_takes_few_queries(client, django_assert_max_num_queries):
    MoveFactory(announced=True)
    with django_assert_max_num_queries(6):
        client.get("/")
