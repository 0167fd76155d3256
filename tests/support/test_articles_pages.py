"""/aide/ as a visitor reads it: for a day, for a mailbox, searched, judged useful or not (G1, G2, G5, G6, A9)."""

from datetime import date, timedelta
from time import time
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from bma_portal.clock import brussels
from support.articles import opinions, search
from support.models import Article, ArticleVote
from support.views import aide as views
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_migration import MoveFactory
from tests.sign_in import sign_in
from tests.support.articles_stage import PHASES, publish, write
from tests.support.pages import Page

pytestmark = pytest.mark.django_db
URL = reverse("aide")
BEFORE, AFTER = date(2024, 11, 15), date(2025, 10, 1)


@pytest.fixture
def articles(tmp_path, it_is):
    it_is(BEFORE)
    write(tmp_path, "regles", PHASES, title="Les règles du jour", ends_with_old_server=True)
    write(
        tmp_path, "toujours", "## Où lire ?\n\n" + PHASES.replace("{{ ancien-webmail }}", "l’ancienne"),
        title="Lire sa boîte", needs=["technique"], keywords=["consulter"],
    )  # fmt: skip
    write(
        tmp_path, "esahr", "Un texte de l’ESAHR à Liège.\n\n{{ contact etnic }}\n", title="L’ESAHR et la délégation",
        topic="glossaire", keywords=["esar" + "h"],
    )  # fmt: skip
    write(
        tmp_path,
        "neuf",
        "Depuis septembre.\n",
        title="Nouvelles règles",
        valid_from=date(2025, 9, 1),
        replaces=["vieux"],
    )
    write(
        tmp_path,
        "vieux-temps",
        title="Règles passées",
        valid_to=date(2025, 9, 1),
        summary="Un virus dans l’<b>air</b>.",
    )
    return publish(tmp_path)


@pytest.fixture
def read(client):
    def get(path: str = URL, **query) -> Page:
        page = Page(client.get(path, query))
        assert page.status == 200
        page.assert_sound()
        return page

    return get


def url(slug: str) -> str:
    return reverse("aide_article", args=[slug])


def box(phase_facts: dict | None = None, **unit):
    """A mailbox and its number."""
    move = MoveFactory(**(phase_facts or {}), **unit)
    return move.mailbox.address[:8]


# The index


def test_the_address_is_the_one_that_others_rely_on():
    assert URL == "/aide/"


def test_the_index_lists_the_articles_of_the_day_by_topic(articles, read, it_is):
    page = read()
    assert "Bien utiliser la boîte" in page.text
    assert url("regles") in page.links
    assert url("neuf") not in page.links
    it_is(AFTER)
    page = read()
    assert url("regles") not in page.links  # of the old server, closed on 25 April 2025
    assert url("vieux-temps") not in page.links
    assert url("neuf") in page.links


def test_the_index_names_those_that_served_most(articles, read, it_is):
    version = articles["toujours"].versions.get()
    ArticleVote.objects.create(version=version, helpful=True, at=version.loaded_at)
    assert "Ceux qui ont le plus servi" in read().text


# An article, on a day


def test_an_article_says_its_source_its_review_its_owner_and_its_version(articles, read):
    page = read(url("esahr"))
    for words in (
        "Source : article d’essai, inventé.",
        "1er janvier 2030",
        "l’ETNIC",
        "Version 1 du 1er octobre 2024",
    ):
        assert words in page.text
    assert 'class="contact-name"' in page.html  # the contact of the day, as a card
    assert "support@etnic.be" in page.text


def test_the_rules_are_those_of_the_day(articles, read, it_is):
    page = read(url("toujours"))
    assert "Règle d’octobre 2024" in page.text
    assert "Règle de septembre 2025" not in page.text
    it_is(AFTER)
    page = read(url("toujours"))
    assert "Règle de septembre 2025" in page.text
    assert "Règle d’octobre 2024" not in page.text


@pytest.mark.parametrize(
    ("day", "status"), [(date(2025, 4, 24), 200), (date(2025, 4, 25), 404), (date(2026, 1, 1), 404)]
)
def test_articles_of_the_old_server_end_with_it(articles, client, it_is, day, status):
    it_is(day)
    response = client.get(url("regles"))
    assert response.status_code == status
    if status == 200:
        assert "Ancien serveur." in response.content.decode()


@pytest.mark.parametrize("slug", ["nulle-part", "neuf", "x" * 5000])
def test_what_is_not_shown_that_day_does_not_exist(articles, client, slug):
    assert client.get(url(slug)).status_code == 404


def test_an_older_name_leads_to_what_took_its_place(articles, client, it_is):
    it_is(AFTER)
    response = client.get(url("vieux"))
    assert (response.status_code, response["Location"]) == (302, url("neuf"))


def test_addresses_of_the_interfaces_are_those_of_the_campaign(articles, read):
    page = read(url("regles"))
    assert "http://webmail.adm.cfwb.be" in page.links
    assert page.links.count("https://ec.cfwb.be/owa") == 2  # in words, and behind a link


def test_staff_read_another_day_and_visitors_do_not(articles, client, read):
    assert "Règle d’octobre 2024" in read(url("toujours"), date="2025-10-01").text
    sign_in(client, UserFactory(staff=True))
    page = read(url("toujours"), date="2025-10-01")
    assert "Règle de septembre 2025" in page.text
    assert "Vous lisez l’aide telle qu’elle se lit le 1er octobre 2025" in page.text
    for odd in ("2025-99-99", "0001-01-01", "9999-12-31", "\0", "x" * 9999):
        assert "Règle d’octobre 2024" in read(url("toujours"), date=odd).text


# For one mailbox (G2)


def test_without_a_number_every_paragraph_is_there_and_says_for_whom(articles, read):
    page = read(url("toujours"))
    assert "Si votre boîte n’a pas encore migré" in page.text
    assert "Si votre boîte a migré" in page.text
    assert "Ce qui vaut pour votre boîte" in page.text


def test_with_a_number_only_what_applies_is_there(articles, read, it_is):
    it_is(date(2024, 12, 20))
    page = read(url("toujours"), numero=box({"migrated": True}))
    assert "Depuis la nuit" in page.text
    assert "Avant la nuit" not in page.text
    assert "Si votre boîte" not in page.text
    page = read(url("toujours"), numero=MailboxFactory().address[:8])
    assert "Avant la nuit" in page.text
    assert "Depuis la nuit" not in page.text


def test_a_mailbox_that_migrated_is_told_that_this_is_the_old_server(articles, read, it_is):
    it_is(date(2024, 12, 20))
    assert "Cette boîte a migré le" in read(url("regles"), numero=box({"migrated": True})).text


def test_once_the_old_server_is_closed_whoever_names_no_mailbox_reads_as_migrated(articles, read, it_is):
    it_is(AFTER)
    page = read(url("toujours"))
    assert "Depuis la nuit" in page.text
    assert "Avant la nuit" not in page.text
    assert "Si votre boîte" not in page.text


@pytest.mark.parametrize("number", ["pas un numéro", "999999999999", "\0", "10" * 40, "ec999999"])
def test_a_wrong_number_is_told_beside_its_field(articles, client, number):
    page = Page(client.get(url("toujours"), {"numero": number}))
    page.assert_sound()
    assert page.title.startswith("Erreur :")
    assert "Avant la nuit" in page.text


def test_a_number_of_two_units_must_be_told_apart(articles, client):
    OrganisationFactory(fase=815, mailbox=True)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    assert "écrivez « ec » ou « po » devant" in Page(client.get(url("toujours"), {"numero": "815"})).text


def test_thirty_numbers_in_a_row_are_slowed(articles, client, monkeypatch):
    monkeypatch.setattr(views, "exceeded", lambda *args: 61)
    assert client.get(url("toujours"), {"numero": "ec000247"}).status_code == 429
    assert client.get(url("toujours")).status_code == 200


# The search


def results(page: Page) -> str:
    return page.html.partition('<ol id="resultats"')[2].partition("</ol>")[0]


@pytest.mark.parametrize("typed", ["esar" + "h", "ESAHR", "delegation", "DÉLÉGATION", "délégatoin", "liege"])
def test_slips_accents_and_wrong_acronyms_find(articles, read, typed):
    assert url("esahr") in results(read(q=typed))


def test_a_result_has_its_title_and_an_excerpt_where_the_words_are_marked(articles, read):
    found = results(read(q="virus"))
    assert f'<a href="{url("vieux-temps")}">' in found
    assert "<mark>virus</mark>" in found
    assert "&lt;b&gt;air&lt;/b&gt;" in found


def test_a_mailbox_that_was_named_is_kept_on_the_way(articles, read, it_is):
    it_is(date(2024, 12, 20))
    number = box({"migrated": True})
    assert f"{url('toujours')}?numero={number}" in results(read(q="consulter", numero=number))


def test_a_number_that_is_not_read_is_told_and_the_search_goes_on(articles, read):
    page = read(q="consulter", numero="zzz")
    assert "n’a pas été reconnu" in page.text
    assert url("toujours") in page.links


def test_nothing_found_leads_to_topics_contacts_and_people(articles, read):
    page = read(q="xylophone zébré")
    assert "Aucun article ne répond" in page.text
    assert url("toujours") in page.links
    assert "support@etnic.be" in page.text


@pytest.mark.parametrize(
    "hostile",
    ["\0", "' | & ! ( ) :* <-> \\", "%", "'; DROP TABLE", "x" * 100_000, "mot " * 30_000, "\ud800", "🙂",
     "1" + "0" * 30, "<script>alert(1)</script>", "de la le", "   "],
)  # fmt: skip
def test_whatever_is_typed_is_answered(articles, client, hostile):
    raw = hostile.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    page = Page(client.get(URL, {"q": raw}))
    page.assert_sound()
    assert page.status == 200
    assert "<script>alert" not in page.html
    assert client.get(reverse("aide_suggestions"), {"q": raw, "besoin": raw}).status_code == 200


def test_a_page_asks_the_database_little(articles, client, django_assert_max_num_queries):
    """Six at most for a visitor, the moment of these tests included (the clock is a table, outside production)."""
    for path, query in [(URL, {}), (URL, {"q": "delegatoin virus"}), (url("toujours"), {}), (URL, {"q": "xylophone"})]:
        with django_assert_max_num_queries(7):
            assert client.get(path, query).status_code == 200


# Before a ticket


def test_for_a_need_and_for_words(articles, it_is):
    at = brussels(BEFORE, 12)
    assert [hit.slug for hit in search.for_need("technique", at=at)] == ["toujours"]
    assert [hit.slug for hit in search.suggest("", need="technique", at=at)] == ["toujours"]
    assert search.suggest("delegation", at=at)[0].slug == "esahr"
    assert search.suggest("", at=at) == []
    assert search.for_need("inconnu", at=at) == []


def test_suggestions_are_a_piece_for_htmx_and_a_page_without(articles, client):
    address = reverse("aide_suggestions")
    piece = client.get(address, {"q": "delegation", "besoin": "technique"}, headers={"HX-Request": "true"})
    assert "<html" not in piece.content.decode()
    assert "Cela a répondu à ma question" in piece.content.decode()
    assert "<form" not in piece.content.decode()  # it stands inside the form of a ticket
    page = Page(client.get(address, {"q": "delegation"}))
    page.assert_sound()
    assert url("esahr") in page.links


def test_an_article_that_was_suggested_asks_whether_it_answered(articles, read):
    page = read(url("esahr"), besoin="technique")
    assert "Cet article a-t-il répondu à votre question ?" in page.text
    assert 'value="resolu"' in page.html
    assert 'value="resolu"' not in read(url("esahr"), besoin="<b>").html
    page = read(reverse("aide_vote", args=["esahr"]), resolu="1", besoin="technique")
    assert 'name="besoin" value="technique"' in page.html


def test_an_answer_that_solved_is_counted_with_its_need(articles, client):
    where = reverse("aide_vote", args=["esahr"])
    response = client.post(where, {"utile": "resolu", "version": "1", "besoin": "technique"}, follow=True)
    assert "aucune demande n’a été envoyée" in Page(response).text
    given = ArticleVote.objects.get()
    assert (given.helpful, given.reason, given.need) == (True, "resolu", "technique")
    client.post(where, {"utile": "oui", "besoin": "Madame Exemple, 02 000 00 00"})
    assert ArticleVote.objects.first().need == ""


# Useful?


def test_yes_is_counted_and_thanked(articles, client):
    response = client.post(reverse("aide_vote", args=["esahr"]), {"utile": "oui", "version": "1"}, follow=True)
    assert "Merci" in Page(response).text
    given = ArticleVote.objects.get()
    assert (given.helpful, given.version.article.slug, given.text) == (True, "esahr", "")


def test_no_is_counted_at_once_and_its_reason_once(articles, client):
    where = reverse("aide_vote", args=["esahr"])
    response = client.post(where, {"utile": "non", "version": "1"})
    assert ArticleVote.objects.get().helpful is False
    page = Page(client.get(response["Location"]))
    page.assert_sound()
    assert "Qu’est-ce qui n’allait pas ?" in page.text
    ticket = parse_qs(urlsplit(response["Location"]).query)["avis"][0]
    wrong = Page(client.post(where, {"avis": ticket, "raison": "", "texte": "gardé"}))
    assert wrong.title.startswith("Erreur :")
    assert "gardé" in wrong.html
    done = client.post(where, {"avis": ticket, "raison": "obscur", "texte": "L’étape 3"}, follow=True)
    assert "transmise" in Page(done).text
    assert ArticleVote.objects.get().text == "L’étape 3"
    again = Page(client.post(where, {"avis": ticket, "raison": "inexact"}))
    assert "déjà dit" in again.text
    assert ArticleVote.objects.get().reason == "obscur"


@pytest.mark.parametrize("ticket", ["faux", "MQ:x:y", "\0", "x" * 100_000])
def test_nobody_explains_another_one_s_opinion(articles, client, ticket):
    version = articles["esahr"].versions.get()
    ArticleVote.objects.create(version=version, helpful=False, at=version.loaded_at)
    where = reverse("aide_vote", args=["esahr"])
    assert client.post(where, {"avis": ticket, "raison": "obscur"}).status_code == 200
    assert ArticleVote.objects.get().reason == ""


@pytest.mark.parametrize(
    "sent", [{}, {"utile": "peut-être"}, {"utile": "oui", "version": "9" * 30}, {"utile": "oui", "version": "\0"},
             {"utile": "x" * 100_000}],
)  # fmt: skip
def test_an_opinion_that_cannot_be_read_is_not_counted(articles, client, sent):
    page = Page(client.post(reverse("aide_vote", args=["esahr"]), sent))
    page.assert_sound()
    assert page.title.startswith("Erreur :")
    assert not ArticleVote.objects.exists()


def test_opinions_are_limited_by_place_and_by_version(articles, client):
    where = reverse("aide_vote", args=["esahr"])
    statuses = [client.post(where, {"utile": "oui"}).status_code for _ in range(5)]
    assert statuses == [302] * 4 + [429]
    assert client.post(reverse("aide_vote", args=["toujours"]), {"utile": "oui"}).status_code == 302


def test_a_new_version_starts_at_zero(articles, client, tmp_path):
    client.post(reverse("aide_vote", args=["esahr"]), {"utile": "oui", "version": "1"})
    write(tmp_path, "esahr", "Un autre texte.\n", title="L’ESAHR et la délégation")
    publish(tmp_path)
    article = Article.objects.get(slug="esahr")
    assert [(v.number, v.yes) for v in opinions.counts(article)] == [(2, 0), (1, 1)]
    client.post(reverse("aide_vote", args=["esahr"]), {"utile": "non", "version": "1"})  # read before the change
    assert [(v.number, v.yes, v.no) for v in opinions.counts(article)] == [(2, 0, 0), (1, 1, 1)]


def test_a_reason_comes_within_the_day(articles, monkeypatch):
    version = articles["esahr"].versions.get()
    given = ArticleVote.objects.create(version=version, helpful=False, at=version.loaded_at)
    ticket = opinions.ticket_of(given)
    assert opinions.vote_of(ticket) == given
    later = time() + timedelta(hours=25).total_seconds()
    monkeypatch.setattr("django.core.signing.time.time", lambda: later)
    assert opinions.vote_of(ticket) is None
