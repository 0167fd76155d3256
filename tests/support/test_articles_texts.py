"""What the real articles say on a day and for a mailbox: a replay of 2024 reads as 2024 (A5, A10, G1, K12)."""

import re
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from bma_portal.clock import brussels
from bma_portal.models import RateCount
from support.articles import loading
from support.articles.reading import FOLDER, files
from support.models import Article
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import MoveFactory
from tests.support.pages import Page

pytestmark = pytest.mark.django_db
URL = reverse("aide_article", args=["changement-de-direction"])
DURING, AFTER = date(2024, 11, 1), date(2025, 10, 1)


@pytest.fixture
def read(client, it_is, monkeypatch):
    """The main part of one real article, on a day."""
    monkeypatch.setattr("support.articles.linting.lint", lambda *args, **options: [])
    loading.load(brussels(date(2024, 9, 1)), folder=FOLDER)

    def get(slug: str, day: date, **query) -> tuple[str, str]:
        it_is(day)
        page = Page(client.get(reverse("aide_article", args=[slug]), query))
        page.assert_sound()
        assert page.status == 200
        return page.text, page.html.partition("<main")[2].partition("</main>")[0]

    return get


def test_while_it_runs_the_migration_is_not_told_as_over(read):
    text, _ = read("migration-en-bref", DURING)
    assert "boîtes migrent par lots" in text
    assert "est trop vieux pour rester sûr" in text
    for over in ("ont migré par lots", "était trop vieux", "Elle est terminée"):
        assert over not in text
    text, _ = read("migration-en-bref", AFTER)
    assert "ont migré par lots" in text
    assert "Elle est terminée" in text


@pytest.mark.parametrize(
    "slug",
    [
        "changement-de-direction",
        "autres-logiciels",
        "materiel-vole",
        "panne-hors-garantie",
        "renvoi-automatique",
        "plus-de-mails-sans-erreur",
    ],
)
def test_a_mailbox_that_has_not_migrated_is_not_sent_to_the_new_interface(read, slug):
    number = MailboxFactory().address[:8]
    _, html = read(slug, DURING, numero=number)
    assert "https://ec.cfwb.be/owa" not in html
    assert f'href="/ma-boite/etat/?numero={number}"' in html  # which says the one to open today


@pytest.mark.parametrize("slug", ["changement-de-direction", "autres-logiciels", "plus-de-mails-sans-erreur"])
def test_one_that_migrated_and_everybody_since_the_end_is(read, slug):
    _, html = read(slug, date(2024, 12, 20), numero=MoveFactory(migrated=True).mailbox.address[:8])
    assert "https://ec.cfwb.be/owa" in html
    _, html = read(slug, AFTER)
    assert "https://ec.cfwb.be/owa" in html


def test_all_have_migrated_is_said_once_nobody_can_wait_any_more(read):
    """A night of January 2025 was still to come on the 2nd; the end of the old server ends all waiting (S3 §3)."""
    text, _ = read("migration-en-bref", date(2025, 1, 2))
    assert "toutes les boîtes sont dans la nouvelle" not in text
    assert "boîtes migrent par lots" in text
    text, html = read("migration-en-bref", date(2025, 4, 25))
    assert "toutes les boîtes sont dans la nouvelle" in text
    assert "S1 §8" not in text  # no code that only staff know, no column that a phone cuts
    assert '<th scope="col">Source</th>' not in html


def test_once_all_have_migrated_no_other_date_is_offered(read):
    box = MoveFactory(migrated=True).mailbox
    for query in ({}, {"numero": box.address[:8]}):
        text, _ = read("changer-la-date", date(2025, 1, 20), **query)
        assert "il n’y a plus de date à changer" in text
        assert "Vous avez une bonne raison" not in text
    MoveFactory()  # one still waits
    text, _ = read("changer-la-date", date(2025, 1, 20))
    assert "Vous avez une bonne raison" in text


@pytest.mark.parametrize(
    ("slug", "before", "since"),
    [
        ("quel-mot-de-passe", "Celui de la boîte, ancien serveur", "Celui de la boîte, nouvelle interface"),
        ("plus-de-mails-sans-erreur", "reçoit tout dans l’interface actuelle", "plus rien dans l’ancienne interface"),
        ("mail-4-dernier-message", "Ce mail n’est pas encore arrivé", ""),
        ("renvoi-automatique", "les options de l’interface actuelle", "la roue dentée"),
        ("materiel-vole", "Faites changer le mot de passe actuel", "Changez le mot de passe de la boîte : par ici"),
        ("antivirus-et-pilotes", "faites changer le mot de passe actuel", "changez le mot de passe de la boîte"),
        ("reconnaitre-un-vrai-mail", "est encore l’ancien", "Demandez un nouveau mot de passe"),
    ],
)
def test_each_mailbox_reads_what_holds_for_it_that_day(read, slug, before, since):
    day = date(2024, 12, 20)
    text, _ = read(slug, day, numero=MailboxFactory().address[:8])
    assert before in text
    assert not since or since not in text
    text, _ = read(slug, day, numero=MoveFactory(migrated=True).mailbox.address[:8])
    assert before not in text
    assert since in text


@pytest.mark.parametrize("slug", ["materiel-vole", "antivirus-et-pilotes", "reconnaitre-un-vrai-mail"])
def test_the_password_that_a_thief_holds_is_the_one_to_change_and_the_number_goes_on(read, slug):
    number = MailboxFactory().address[:8]
    _, html = read(slug, DURING, numero=number)
    assert f'href="/mot-de-passe/?lequel=ancien&amp;numero={number}"' in html
    _, html = read(slug, AFTER, numero=MoveFactory(migrated=True).mailbox.address[:8])
    assert "lequel=ancien" not in html
    assert "/mot-de-passe/?lequel=nouveau&amp;numero=" in html


def test_one_rule_for_who_may_be_told_the_password_and_one_way_to_renew_cerbere(read):
    for slug in ("apres-un-nouveau-mot-de-passe", "changement-de-direction"):
        assert "de vive voix, jamais par mail" in read(slug, AFTER)[0]
    assert "le formulaire hors MODE" in read("changement-de-direction", AFTER)[0]
    text, _ = read("cerbere-expiration", AFTER)
    assert "suivez « Mot de passe oublié ? » : cette voie sert à le changer comme à le récupérer" in text
    assert "Connectez-vous à Cerbère" not in text


@pytest.mark.parametrize("slug", [path.stem for path in files(FOLDER)])
def test_a_source_names_its_document_in_words_alone(read, slug):
    article = Article.objects.get(slug=slug)
    day = max(article.valid_from or DURING, DURING)
    text, _ = read(slug, day if article.valid_to or article.ends_with_old_server else AFTER)
    assert "Source : " in text
    assert not re.search(r"\bS[0-4]\b", text)


@pytest.mark.parametrize("day", [DURING, AFTER])
def test_a_doubtful_mail_is_checked_by_its_code(read, client, day):
    _, html = read("reconnaitre-un-vrai-mail", day)
    assert 'href="/authenticite/"' in html
    page = Page(client.get("/assistant/migration/vrai-mail/"))
    page.assert_sound()
    assert "Recopiez le code imprimé au bas du mail" in page.text
    assert 'href="/authenticite/"' in page.html.partition("<main")[2].partition("</main>")[0]


# Beside a request


def test_what_is_suggested_beside_a_form_opens_apart_and_says_where_the_request_is(read, client):
    """Nothing typed is lost, script or none: the form stays in its tab."""
    assert read("boite-pleine", DURING)
    for headers in ({}, {"HX-Request": "true"}):
        given = {"q": "boite pleine", "besoin": "technique"}
        piece = client.get(reverse("aide_suggestions"), given, headers=headers).content.decode()
        links = [link for link in re.findall(r"<a [^>]*besoin=technique[^>]*>", piece) if "/aide/" in link]
        assert len(links) == 6  # three articles, each to be read or said to have answered
        assert all('target="_blank" rel="noopener"' in link for link in links)
    stays = "Elle est restée ouverte dans l’autre onglet"
    article, vote = (reverse(name, args=["boite-pleine"]) for name in ("aide_article", "aide_vote"))
    for where, query in ((article, {}), (vote, {}), (vote, {"resolu": "1"})):
        page = Page(client.get(where, query | {"besoin": "technique"}))
        page.assert_sound()
        assert stays in page.text
        assert "/demandes/nouvelle/?besoin=technique" not in page.links  # an empty form: what was typed was lost
        assert stays not in Page(client.get(where, query)).text
    response = client.post(vote, {"utile": "non", "version": "1", "besoin": "technique"}, follow=True)
    assert stays in Page(response).text
    ticket = parse_qs(urlsplit(response.redirect_chain[-1][0]).query)["avis"][0]
    said = {"avis": ticket, "raison": "obscur", "besoin": "technique"}
    assert stays in Page(client.post(vote, said, follow=True)).text


# For one mailbox


def test_a_number_that_ended_names_its_successor(read, client, it_is):
    it_is(DURING)
    heir = OrganisationFactory(fase=901, mailbox=True)
    OrganisationFactory(fase=900, mailbox=True, successor=heir, closed_on=DURING)
    alone = OrganisationFactory(mailbox=True, closed_on=DURING)
    for path, query in ((URL, {}), (reverse("aide"), {}), (reverse("aide"), {"q": "outlook"})):
        page = Page(client.get(path, query | {"numero": "900"}))
        page.assert_sound()
        assert "Ce numéro n’est plus en service. Son successeur : ec000901." in page.text
        assert "Aucune boîte ne porte" not in page.text
        assert "n’a pas été reconnu" not in page.text
        gone = Page(client.get(path, query | {"numero": f"ec{alone.fase}"}))
        assert "Ce numéro n’est plus en service, et le registre n’indique pas qui l’a repris." in gone.text


def test_reading_on_for_the_same_mailbox_is_counted_once_and_another_number_is_counted(read, client, it_is):
    """Five articles of one's own mailbox are one look-up for the whole building; thirty mailboxes are thirty (A5)."""
    it_is(DURING)
    number, others = MailboxFactory().address[:8], [box.address[:8] for box in MailboxFactory.create_batch(25)]
    for _ in range(40):  # more than an hour allows
        assert client.get(URL, {"numero": number}).status_code == 200
    counted = sum(row.count for row in RateCount.objects.filter(bucket__startswith="etat-heure"))
    assert counted == 1
    refused = next((one for one in others if client.get(URL, {"numero": one}).status_code == 429), None)
    assert refused  # a harvest meets the same limit as on any page
    assert client.get(URL, {"numero": refused}).status_code == 429  # asked twice is not answered
    assert client.get(URL, {"numero": number}).status_code == 200
    elsewhere = client.get(URL, {"numero": number}, REMOTE_ADDR="192.0.2.9")
    assert elsewhere.status_code == 200
    assert sum(row.count for row in RateCount.objects.filter(bucket__startswith="etat-heure")) > counted
