"""/ma-boite/etat/ as a visitor reads it."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal.models import RateCount
from migration.models import Batch
from tests.factories import MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.factories_migration import BatchFactory, MoveFactory
from tests.support.pages import FULL_ADDRESS, Page

pytestmark = pytest.mark.django_db
URL = reverse("mailbox_status")
OLD, NEW = "http://webmail.adm.cfwb.be", "https://ec.cfwb.be/owa"
NIGHT = "dans la nuit du jeudi 7 au vendredi 8 novembre 2024"
OPENS = "fonctionne à partir du vendredi 8 novembre 2024"


@pytest.fixture
def ask(client):
    """The page for a number; sound on every account, and without any full address."""

    def get(number) -> Page:
        page = Page(client.get(URL, {"numero": number}))
        page.assert_sound()
        assert not FULL_ADDRESS.search(page.text)
        return page

    return get


def number(box) -> str:
    return f"{box.organisation.kind}{box.organisation.fase:06d}"


def test_the_address_of_the_page_is_the_one_that_others_rely_on():
    assert URL == "/ma-boite/etat/"


def test_it_names_the_unit_its_place_and_its_number_and_masks_its_address(ask):
    box = MailboxFactory(organisation__fase=1234, organisation__name="École de la Craie")
    page = ask("1234")
    assert "École de la Craie" in page.title
    assert "FASE 001234" in page.text
    assert "Valfictive" in page.text
    assert "ec00••••@adm.cfwb.be" in page.text
    assert box.address not in page.html


PHASES = [
    (0, date(2024, 10, 6), "n’a pas encore commencé", "Le premier mail est prévu le lundi 7 octobre 2024"),
    (1, date(2024, 10, 8), "la migration de cette boîte est annoncée", "le mail 2, avec le nouveau mot de passe"),
    (
        2,
        date(2024, 10, 15),
        "Le mot de passe de la nouvelle interface a été envoyé",
        "le mail 3, qui confirme la date",
    ),
    (3, date(2024, 11, 6), "La date de la migration est confirmée", f"la migration, {NIGHT}"),
]


@pytest.mark.parametrize(("sent", "day", "sentence", "what_is_next"), PHASES)
def test_before_the_night_the_old_interface_is_the_one_and_the_new_one_says_from_when(
    ask, it_is, sent, day, sentence, what_is_next
):
    box = MoveFactory(sent=sent).mailbox
    it_is(day)
    page = ask(number(box))
    assert sentence in page.text
    assert what_is_next in page.text
    assert NIGHT in page.text
    assert OLD in page.links
    assert NEW in page.links
    assert OPENS in page.text


@pytest.mark.parametrize("day", [date(2024, 11, 8), date(2025, 4, 24), date(2025, 4, 25), date(2026, 5, 12)])
def test_after_the_migration_only_the_new_interface_is_linked(ask, it_is, day):
    box = MoveFactory(migrated=True).mailbox
    it_is(day)
    page = ask(number(box))
    assert "Cette boîte a migré" in page.text
    assert "La migration a eu lieu le vendredi 8 novembre 2024" in page.text
    assert NEW in page.links
    assert OLD not in page.html
    assert "fonctionne à partir" not in page.text
    still_open = day < date(2025, 4, 25)
    assert ("reste lisible jusqu’à sa fermeture, le vendredi 25 avril 2025" in page.text) == still_open
    assert ("migrationBMA@cfwb.be" in page.text.partition("Une question ?")[0]) == still_open


def test_during_the_night_it_is_said_and_the_morning_is_promised(ask, it_is):
    box = MoveFactory(sent=4).mailbox
    it_is(date(2024, 11, 8), 3)
    page = ask(number(box))
    assert "a lieu cette nuit" in page.text
    assert OPENS in page.text


def test_when_the_result_is_not_known_both_interfaces_are_offered_and_explained(ask, it_is):
    box = MoveFactory(sent=4).mailbox
    it_is(date(2024, 11, 8), 9)
    page = ask(number(box))
    assert "son résultat n’est pas encore enregistré" in page.text
    assert OLD in page.links
    assert NEW in page.links


def test_once_the_old_server_is_closed_nothing_links_to_it(ask, it_is):
    box = MailboxFactory()
    it_is(date(2025, 4, 25))
    page = ask(number(box))
    assert "l’ancien serveur est fermé" in page.text
    assert OLD not in page.html
    assert "Les étapes de la migration" not in page.text
    it_is(date(2025, 4, 24))
    assert OLD in ask(number(box)).links


@pytest.mark.parametrize(
    ("po", "window"),
    [
        (True, "Les pouvoirs organisateurs reçoivent le premier mail entre le 7 octobre 2024 et le 31 octobre 2024"),
        (False, "Les établissements reçoivent le premier mail entre le 4 novembre 2024 et le 30 novembre 2024"),
    ],
)
def test_a_mailbox_in_no_batch_is_told_the_window_of_its_kind(ask, it_is, po, window):
    box = MailboxFactory(po=po)
    it_is(date(2024, 10, 1))
    assert window in ask(number(box)).text
    it_is(date(2024, 12, 1))
    assert "Si vous n’avez rien reçu, prévenez l’équipe du SGNE" in ask(number(box)).text


def test_a_draft_shows_no_date_at_all(ask, it_is):
    box = MoveFactory(batch__status=Batch.Status.DRAFT).mailbox
    it_is(date(2024, 10, 1))
    page = ask(number(box))
    assert NIGHT not in page.text
    assert page.text.count("Date à venir") == 5


def test_a_suspended_batch_is_said(ask, it_is):
    box = MoveFactory(announced=True, batch__status=Batch.Status.PAUSED).mailbox
    it_is(date(2024, 10, 10))
    page = ask(number(box))
    assert "suspendu" in page.text
    assert NEW not in page.links


def test_a_failed_night_asks_nothing_of_the_holder(ask, it_is):
    box = MoveFactory(failed=True).mailbox
    it_is(date(2024, 11, 9))
    page = ask(number(box))
    assert "n’a pas pu se faire" in page.text
    assert "Vous n’avez rien à faire" in page.text
    assert OLD in page.links


HELP = [
    (0, date(2024, 10, 6), "BMA@enseignement.be"),
    (1, date(2024, 10, 8), "BMA@enseignement.be"),
    (2, date(2024, 10, 15), "deuxième mail de la migration"),
    (3, date(2024, 11, 6), "deuxième mail de la migration"),
]


@pytest.mark.parametrize(("sent", "day", "advice"), HELP)
def test_who_helps_with_a_password_follows_the_phase(ask, it_is, sent, day, advice):
    box = MoveFactory(sent=sent).mailbox
    it_is(day)
    page = ask(number(box))
    assert advice in page.text
    assert ("BMA@enseignement.be" in page.text) == (sent < 2)  # no longer theirs once mail 2 came (K5)
    assert "support@etnic.be" in page.text


def test_an_establishment_leads_to_its_po_and_a_po_to_its_establishments(ask):
    school = OrganisationFactory(with_po=True, mailbox=True, fase=701)
    MailboxFactory(organisation=school.po)
    assert f"{URL}?numero=po{school.po.fase:06d}" in ask("ec701").links
    page = ask(f"po{school.po.fase}")
    assert f"{URL}?numero=ec000701" in page.links
    assert "1 établissement" in page.text


def test_digits_of_two_units_ask_which_and_say_nothing_of_either(ask):
    OrganisationFactory(fase=815, mailbox=True, name="École du Chemin")
    OrganisationFactory(fase=815, mailbox=True, po_unit=True, name="Commune de Valfictive")
    page = ask("815")
    assert "Quelle boîte cherchez-vous ?" in page.text
    assert [link for link in page.links if "numero=" in link] == [f"{URL}?numero=ec000815", f"{URL}?numero=po000815"]
    assert "interface" not in page.text


def test_the_number_of_a_site_leads_to_its_establishments(ask):
    site = SiteFactory(fase=4321)
    school = SitePlacementFactory(site=site).establishment
    page = ask("4321")
    assert "Ce numéro est celui d’une implantation" in page.text
    assert f"{URL}?numero=ec{school.fase:06d}" in page.links


def test_a_number_of_a_unit_that_is_also_that_of_a_site_of_another_says_both(ask):
    OrganisationFactory(fase=4321, mailbox=True, name="École du Chemin")
    other = SitePlacementFactory(site=SiteFactory(fase=4321)).establishment
    page = ask("4321")
    assert "École du Chemin" in page.title
    assert "Vous cherchez une implantation ?" in page.text
    assert f"{URL}?numero=ec{other.fase:06d}" in page.links


def test_a_site_that_belongs_to_nobody_any_longer_says_so(ask):
    SiteFactory(fase=4321)
    assert "ne dit plus de quel établissement" in ask("4321").text


def test_a_unit_taken_over_leads_to_the_one_that_lives(ask, it_is):
    heir = OrganisationFactory(mailbox=True, name="École réunie")
    gone = OrganisationFactory(mailbox=True, successor=heir, closed_on=date(2024, 9, 1))
    it_is(date(2024, 11, 15))
    page = ask(number(gone.mailbox))
    assert "Fermé le 1er septembre 2024" in page.text
    assert f"{URL}?numero=ec{heir.fase:06d}" in page.links
    assert "École réunie" in page.text
    assert OLD not in page.links


def test_a_unit_closed_without_a_successor_says_whom_to_ask(ask, it_is):
    gone = OrganisationFactory(mailbox=True, closed_on=date(2024, 9, 1))
    it_is(date(2024, 11, 15))
    assert "le registre n’indique pas qui l’a repris" in ask(number(gone.mailbox)).text


def test_a_unit_that_will_close_is_shown_with_its_last_day(ask, it_is):
    heir = OrganisationFactory(name="École réunie")
    school = OrganisationFactory(mailbox=True, closed_on=date(2025, 9, 1), successor=heir)
    it_is(date(2024, 11, 15))
    page = ask(number(school.mailbox))
    assert "ferme le 1er septembre 2025" in page.text
    assert "repris par École réunie" in page.text


def test_a_unit_without_a_mailbox_is_not_given_one(ask):
    OrganisationFactory(fase=77)
    assert "Aucune boîte n’est enregistrée pour ce numéro" in ask("77").text


ERRORS = [
    "",
    "   ",
    "zzz",
    "0",
    "000",
    "1234567",
    "1" * 31,
    "١٢٣",
    "０１２",
    "12.5",
    "-4",
    "ec",
    "x" * 5000,
    "1234@cfwb.be",
]


@pytest.mark.parametrize("typed", ERRORS)
def test_what_is_not_a_number_is_explained_and_kept_and_neither_looked_up_nor_counted(ask, typed):
    page = ask(typed)
    assert page.status == 200
    assert page.title.startswith("Erreur : ")
    assert 'aria-invalid="true"' in page.html
    assert "id_numero_error" in page.ids
    assert 'aria-describedby="id_numero_helptext id_numero_error"' in page.html
    assert "#id_numero" in page.links
    if typed.strip():
        assert f'value="{typed[:200]}"' in page.html
    assert not RateCount.objects.exists()


def test_the_error_is_said_twice_in_the_same_words(ask):
    words = "Ceci n’est pas un numéro FASE."
    assert ask("zzz").text.count(words) == 2


def test_an_unknown_number_is_an_error_too_with_what_was_typed(ask):
    page = ask("00 99")
    assert page.title.startswith("Erreur : ")
    assert "ne porte le numéro 000099" in page.text
    assert 'value="00 99"' in page.html


def test_markup_that_is_typed_stays_text(ask):
    page = ask('"><script>alert(1)</script>')
    assert "<script>alert" not in page.html


WEIRD = [
    "numero=%00",
    "numero=12%0034",
    "numero=%ED%A0%80",
    "numero=%FF%FE",
    "numero=" + "9" * 31,
    "numero=1%0A",
    "numero=%0d%0aX-Evil:1",
    "numero=1&numero=zz",
    "autre=1",
    "numero[]=1",
    "numero=" + "x" * 100_000,
]


@pytest.mark.parametrize("query", WEIRD)
def test_no_query_breaks_the_page(client, query):
    page = Page(client.get(f"{URL}?{query}"))
    assert page.status == 200
    page.assert_sound()


def test_a_thousand_fields_are_refused_in_french(client):
    page = Page(client.get(URL + "?" + "&".join(f"a{n}=1" for n in range(1000))))
    assert page.status == 400
    assert "n’a pas pu être lue" in page.text


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_page_only_reads(client, method):
    assert getattr(client, method)(URL, {"numero": "1"}).status_code == 405


def test_the_page_is_kept_by_nobody(client):
    assert "no-store" in client.get(URL)["Cache-Control"]
    assert "no-store" in client.get(URL, {"numero": "1"})["Cache-Control"]


def test_a_lookup_writes_nothing_but_its_counter(client, django_assert_max_num_queries):
    box = MoveFactory(confirmed=True).mailbox
    with django_assert_max_num_queries(12) as queries:
        client.get(URL, {"numero": number(box)})
    written = [q["sql"] for q in queries if not q["sql"].lstrip("( ").startswith("SELECT")]
    assert len(written) == 1
    assert all("bma_portal_ratecount" in sql for sql in written)


def test_the_number_of_queries_does_not_grow_with_the_family(client, django_assert_max_num_queries):
    po = OrganisationFactory(po_unit=True, mailbox=True)
    batch = BatchFactory()
    MoveFactory(batch=batch, mailbox=po.mailbox, announced=True)
    for _ in range(30):
        OrganisationFactory(po=po)
    with django_assert_max_num_queries(12):
        client.get(URL, {"numero": f"po{po.fase}"})


def test_an_empty_form_asks_the_database_nothing_about_anybody(client, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):  # the clock, the banners, the contacts of the foot
        client.get(URL)
