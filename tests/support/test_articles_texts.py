"""What the real articles say on a day and for a mailbox: a replay of 2024 reads as 2024 (A5, A10, G1, K12)."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal.clock import brussels
from bma_portal.models import RateCount
from support.articles import loading
from support.articles.reading import FOLDER
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
    ["changement-de-direction", "autres-logiciels", "materiel-vole", "panne-hors-garantie", "renvoi-automatique"],
)
def test_a_mailbox_that_has_not_migrated_is_not_sent_to_the_new_interface(read, slug):
    _, html = read(slug, DURING, numero=MailboxFactory().address[:8])
    assert "https://ec.cfwb.be/owa" not in html
    assert 'href="/ma-boite/etat/"' in html  # which says the one to open today


@pytest.mark.parametrize("slug", ["changement-de-direction", "autres-logiciels"])
def test_one_that_migrated_and_everybody_since_the_end_is(read, slug):
    _, html = read(slug, date(2024, 12, 20), numero=MoveFactory(migrated=True).mailbox.address[:8])
    assert "https://ec.cfwb.be/owa" in html
    _, html = read(slug, AFTER)
    assert "https://ec.cfwb.be/owa" in html


@pytest.mark.parametrize("day", [DURING, AFTER])
def test_a_doubtful_mail_is_checked_by_its_code(read, client, day):
    _, html = read("reconnaitre-un-vrai-mail", day)
    assert 'href="/authenticite/"' in html
    page = Page(client.get("/assistant/migration/vrai-mail/"))
    page.assert_sound()
    assert "Recopiez le code imprimé au bas du mail" in page.text
    assert 'href="/authenticite/"' in page.html.partition("<main")[2].partition("</main>")[0]


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
