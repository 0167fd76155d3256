"""/mot-de-passe/ as a visitor reads it: one question, a page for each answer, the way to the right form."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal.models import RateCount
from tests.factories import MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.factories_migration import MoveFactory
from tests.support.pages import FULL_ADDRESS, Page

pytestmark = pytest.mark.django_db
URL = reverse("password_door")
MODE_FORM, HORS_MODE_FORM = reverse("reset_mode"), reverse("reset_hors_mode")
ANSWERS = ["nouveau", "ancien", "cerbere-perso", "cerbere-bma", "inconnu"]
DAYS = [date(2024, 9, 1), date(2024, 11, 15), date(2025, 4, 24), date(2025, 4, 25), date(2026, 6, 1)]


@pytest.fixture
def ask(client):
    def get(lequel="", number=None) -> Page:
        query = ({"lequel": lequel} if lequel else {}) | ({} if number is None else {"numero": number})
        response = client.get(URL, query)
        page = Page(response)
        page.assert_sound()
        assert not FULL_ADDRESS.search(page.text)
        assert "no-store" in response["Cache-Control"]
        return page

    return get


def number(mailbox) -> str:
    return mailbox.address[:8]


def test_the_address_is_the_one_that_others_rely_on():
    assert URL == "/mot-de-passe/"


def test_it_asks_one_question_and_each_answer_has_an_address_of_its_own(ask):
    page = ask()
    assert "Quel mot de passe avez-vous perdu ?" in page.text
    assert [link for link in page.links if "lequel=" in link] == [f"{URL}?lequel={answer}" for answer in ANSWERS]
    assert "<form" not in page.html


def test_a_number_brought_along_is_kept_by_every_answer(ask):
    MailboxFactory(organisation__fase=247)
    page = ask(number="EC 247")
    assert [link for link in page.links if "lequel=" in link] == [
        f"{URL}?lequel={answer}&numero=ec000247" for answer in ANSWERS
    ]
    assert not RateCount.objects.exists()


@pytest.mark.parametrize("lequel", ["autre", "NOUVEAU", "../nouveau", "\0", "x" * 5000])
def test_an_unknown_answer_asks_the_question_again(ask, lequel):
    assert "Quel mot de passe avez-vous perdu ?" in ask(lequel).text


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("lequel", ANSWERS)
def test_every_answer_has_its_page_on_any_day(ask, it_is, client, lequel, day):
    it_is(day)
    page = ask(lequel)
    assert page.status == 200
    titles = {ask(other).title for other in ANSWERS}
    assert len(titles) == len(ANSWERS)
    for link in page.links:
        if link.startswith("/") and not link.startswith("/admin"):
            assert client.get(link).status_code in {200, 302}, link


MESSAGES = [
    ("cerbere-perso", "Nom d’utilisateur ou mot de passe invalide", "n’est pas le bon"),
    ("cerbere-perso", "login failed, please retry", "n’est pas le bon"),
    ("cerbere-bma", "mot de passe expiré", "Il a plus de six mois"),
    (
        "ancien",
        "Login Failure! Please re-enter your USERID and PASSWORD or contact the mail administrator",
        "Le mot de passe n’est pas le bon",
    ),
    ("ancien", "plus aucun mail n’arrive", "la boîte est sans doute pleine"),
]


@pytest.mark.parametrize(("lequel", "message", "cause"), MESSAGES)
def test_the_message_on_the_screen_leads_to_its_cause(ask, it_is, lequel, message, cause):
    it_is(date(2024, 11, 15))
    text = ask(lequel).text
    assert text.index(message) < text.index(cause)


def test_outlook_asks_for_the_old_password_until_the_mailbox_has_migrated(ask, it_is):
    it_is(date(2024, 11, 15))
    page = ask("inconnu", "ec097001")
    assert "ou c’est Outlook qui demande" not in page.text
    assert "Tant que la boîte n’a pas migré : celui de l’ancien serveur" in page.text
    assert page.links.count(f"{URL}?lequel=ancien&numero=ec097001") == 2
    assert "Celui de l’interface actuelle et d’Outlook, tant que la boîte n’a pas migré" in ask().text
    it_is(date(2025, 4, 25))
    assert "ou c’est Outlook qui demande" in ask("inconnu").text
    assert "tant que la boîte" not in ask().text.lower()


def test_the_identity_card_is_the_holder_s_and_hides_the_same_everywhere(ask, it_is):
    """The titulaire's (S0 §7)."""
    words = (
        "une copie du recto de la carte d’identité du ou de la titulaire de la boîte, où vous masquez la photo, la "
        "signature, le numéro national et le numéro de la carte"
    )
    it_is(date(2024, 11, 13))
    assert words in ask("nouveau", number(in_batch(["CPMS"], migrated=True))).text
    page = ask("ancien", number(MailboxFactory()))
    assert words in page.text
    assert "(S1)" not in page.text  # a source is named in words


@pytest.mark.parametrize("lequel", ["cerbere-perso", "cerbere-bma"])
def test_cerbere_is_checked_on_its_own_site_then_recovered_then_etnic_helps(ask, lequel):
    page = ask(lequel)
    assert "http://www.am.cfwb.be" in page.links
    assert "Intervenant dans les établissements d’Enseignement et PO" in page.text
    assert page.text.index("Mot de passe oublié ?") < page.text.index("support@etnic.be")


def test_the_expiry_of_the_mailbox_s_cerbere_account_and_its_warnings_are_told(ask):
    assert "15 jours, 5 jours, puis la veille" in ask("cerbere-bma").text


def test_for_the_old_password_the_browser_s_memory_comes_before_any_team(ask, it_is):
    it_is(date(2024, 11, 15))
    page = ask("ancien")
    for browser in ("Edge", "Firefox", "Chrome", "Opera"):
        assert browser in page.text
    assert page.text.index("navigateur") < page.text.index("Dites-nous laquelle")
    assert "BMA@enseignement.be" not in page.html  # not before the mailbox is known: it may be past that


def test_from_its_closing_on_the_old_server_leads_to_the_new_password(ask, it_is):
    it_is(date(2025, 4, 24))
    assert "http://webmail.adm.cfwb.be" in ask("ancien").links
    it_is(date(2025, 4, 25))
    page = ask("ancien", "ec000247")
    assert "Il a fermé pour de bon le vendredi 25 avril 2025" in page.text
    assert f"{URL}?lequel=nouveau&numero=ec000247" in page.links
    assert "webmail.adm.cfwb.be" not in page.html
    assert "<form" not in page.html
    assert not RateCount.objects.exists()


@pytest.mark.parametrize(
    ("facts", "day", "words", "absent"),
    [
        ({}, date(2024, 10, 6), "BMA@enseignement.be", "J’ai perdu celui de la nouvelle"),
        ({"announced": True}, date(2024, 10, 13), "BMA@enseignement.be", "J’ai perdu celui de la nouvelle"),
        ({"credentials_sent": True}, date(2024, 10, 14), "migrationBMA@cfwb.be", "BMA@enseignement.be"),
        ({"confirmed": True}, date(2024, 11, 6), "migrationBMA@cfwb.be", "BMA@enseignement.be"),
        ({"migrated": True}, date(2024, 11, 9), "support@etnic.be", "BMA@enseignement.be"),
    ],
)
def test_who_replaces_the_old_password_is_named_by_phase(ask, it_is, facts, day, words, absent):
    box = MoveFactory(**facts).mailbox
    it_is(day)
    page = ask("ancien", number(box))
    assert words in page.text
    assert absent not in page.text
    assert "Source : " in page.text


def test_before_mail_2_it_explains_with_the_date_and_offers_no_form(ask, it_is):
    box = MoveFactory(announced=True).mailbox
    it_is(date(2024, 10, 13))
    page = ask("nouveau", number(box))
    assert "il est prévu le lundi 14 octobre 2024" in page.text
    assert not [link for link in page.links if link.startswith((MODE_FORM, HORS_MODE_FORM))]
    assert f"{URL}?lequel=ancien&numero={number(box)}" in page.links


def in_batch(types, **facts):
    return MoveFactory(batch__establishments=True, mailbox__organisation__unit_types=types, **facts).mailbox


@pytest.mark.parametrize(
    ("types", "day", "form"),
    [
        (["Primaire ordinaire"], date(2024, 11, 13), MODE_FORM),
        (["CPMS"], date(2024, 11, 13), HORS_MODE_FORM),
        (["CPMS"], date(2025, 8, 31), HORS_MODE_FORM),
        (["CPMS"], date(2025, 9, 1), MODE_FORM),
        (["CTA"], date(2025, 9, 1), HORS_MODE_FORM),
        (["Type jamais vu"], date(2025, 9, 1), HORS_MODE_FORM),
    ],
)
def test_the_right_form_is_linked_with_the_number(ask, it_is, types, day, form):
    box = in_batch(types, migrated=True)
    it_is(day)
    page = ask("nouveau", number(box))
    other = MODE_FORM if form == HORS_MODE_FORM else HORS_MODE_FORM
    assert f"{form}?numero={number(box)}" in page.links
    assert not [link for link in page.links if link.startswith(other)]


def test_in_mode_what_one_can_do_comes_first_and_why_after(ask, it_is):
    box = in_batch(["Secondaire ordinaire"], migrated=True)
    it_is(date(2025, 9, 1))
    page = ask("nouveau", number(box))
    assert 'class="headline">Vous pouvez en faire un nouveau vous-même, tout de suite</h2>' in page.html
    why = "Une unité de type «\u00a0Secondaire ordinaire\u00a0» est dans MODE."
    assert page.html.index("Demander un nouveau mot de passe</a>") < page.html.index(why)


def test_before_the_night_it_says_from_when_the_new_password_serves(ask, it_is):
    box = MoveFactory(confirmed=True).mailbox
    it_is(date(2024, 11, 6))
    page = ask("nouveau", number(box))
    assert "fonctionne à partir du vendredi 8 novembre 2024" in page.text


def test_digits_of_two_units_ask_which_and_keep_the_question(ask):
    OrganisationFactory(fase=815, mailbox=True)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    page = ask("nouveau", "815")
    assert [link for link in page.links if "numero=" in link and "lequel=" in link] == [
        f"{URL}?lequel=nouveau&numero=ec000815",
        f"{URL}?lequel=nouveau&numero=po000815",
    ]


def test_the_number_of_a_site_leads_to_its_establishment(ask, it_is):
    school = SitePlacementFactory(site=SiteFactory(fase=4321)).establishment
    it_is(date(2024, 11, 15))
    assert f"{URL}?lequel=ancien&numero=ec{school.fase:06d}" in ask("ancien", "4321").links
    assert f"{URL}?lequel=nouveau&numero=ec{school.fase:06d}" in ask("nouveau", "4321").links


def test_a_closed_unit_leads_to_its_heir_and_one_without_a_mailbox_says_so(ask, it_is):
    heir = OrganisationFactory(mailbox=True, name="École réunie")
    gone = OrganisationFactory(mailbox=True, successor=heir, closed_on=date(2024, 9, 1))
    it_is(date(2025, 10, 1))
    assert "École réunie" in ask("nouveau", number(gone.mailbox)).text
    bare = OrganisationFactory(fase=77)
    assert "Aucune boîte n’est enregistrée" in ask("nouveau", f"ec{bare.fase}").text


@pytest.mark.parametrize("typed", ["", "  ", "zzz", "0", "1234567", "١٢٣", "x" * 5000, "1234@cfwb.be"])
@pytest.mark.parametrize("lequel", ["nouveau", "ancien"])
def test_what_is_not_a_number_is_explained_kept_and_not_counted(ask, it_is, lequel, typed):
    it_is(date(2024, 11, 15))
    page = ask(lequel, typed)
    assert page.title.startswith("Erreur : ")
    assert 'aria-invalid="true"' in page.html
    assert "#id_numero" in page.links
    assert not RateCount.objects.exists()


def test_an_unknown_number_is_an_error_with_what_was_typed(ask):
    page = ask("nouveau", "00 99")
    assert page.title.startswith("Erreur : ")
    assert "ne porte le numéro 000099" in page.text
    assert 'value="00 99"' in page.html


@pytest.mark.parametrize(
    "query",
    ["numero=%00", "numero=12%0034", "numero=%ED%A0%80", "numero=%FF%FE", "numero=1%0A", "numero[]=1",
     "numero=" + "x" * 100_000, "lequel=%00", "lequel=nouveau&lequel=zz", "lequel=%ED%A0%80"],
)  # fmt: skip
def test_no_query_breaks_the_page(client, query):
    for prefix in ("", "lequel=nouveau&", "lequel=ancien&"):
        page = Page(client.get(f"{URL}?{prefix}{query}"))
        assert page.status == 200
        page.assert_sound()


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
def test_the_page_only_reads(client, method):
    assert getattr(client, method)(URL, {"lequel": "nouveau"}).status_code == 405


def test_numbers_in_a_row_are_slowed_together_with_those_of_the_status_page(client):
    answers = []
    for count in range(21):
        where = URL if count % 2 else reverse("mailbox_status")
        answers.append(client.get(where, {"lequel": "nouveau", "numero": str(5000 + count)}).status_code)
    assert 429 in answers
    assert client.get(URL, {"lequel": "nouveau"}).status_code == 200
    assert client.get(URL, {"lequel": "cerbere-perso", "numero": "5000"}).status_code == 200


def test_a_lookup_writes_nothing_but_its_counter(client, django_assert_max_num_queries):
    box = MoveFactory(migrated=True).mailbox
    with django_assert_max_num_queries(25) as queries:
        client.get(URL, {"lequel": "nouveau", "numero": number(box)})
    written = [q["sql"] for q in queries if not q["sql"].lstrip("( ").startswith("SELECT")]
    assert len(written) == 1
    assert all("bma_portal_ratecount" in sql for sql in written)


# The addresses that the circulars print


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("old", "form"), [("smail2_mode", "/mot-de-passe/mode/"), ("smail2_hors_mode", "/mot-de-passe/hors-mode/")]
)
def test_the_former_forms_lead_to_ours_with_the_number(client, old, form, slash):
    address = f"/eforms/portal/rest/start/{old}{slash}"
    assert client.get(address)["Location"] == form
    assert client.get(address, {"numero": "ec000247", "autre": "x"})["Location"] == f"{form}?numero=ec000247"
    assert client.head(address).status_code == 302
    assert client.post(address).status_code == 405


@pytest.mark.parametrize("typed", ["//mal.exemple", "a\r\nSet-Cookie: x=1", "\0", "é&numero=2", "\ud800", "x" * 9999])
def test_what_is_carried_over_stays_a_value(client, typed):
    response = client.get("/eforms/portal/rest/start/smail2_mode", {"numero": typed.encode(errors="replace")})
    assert response.status_code == 302
    assert response["Location"].startswith("/mot-de-passe/mode/")
    assert len(response["Location"]) < 1300
    assert "\n" not in response["Location"]


def test_an_unknown_former_address_is_a_404(client):
    assert client.get("/eforms/portal/rest/start/smail2_autre").status_code == 404


# The home page and the mailbox's page lead here


def test_home_leads_to_the_question_and_to_its_answers(client):
    links = Page(client.get("/")).links
    assert URL in links
    assert f"{URL}?lequel=nouveau" in links


@pytest.mark.parametrize(
    ("facts", "day", "lequel"),
    [
        ({"announced": True}, date(2024, 10, 9), "ancien"),
        ({"confirmed": True}, date(2024, 11, 6), "nouveau"),
        ({"migrated": True}, date(2025, 9, 1), "nouveau"),
    ],
)
def test_the_page_of_a_mailbox_leads_to_its_own_answer(client, it_is, facts, day, lequel):
    box = MoveFactory(**facts).mailbox
    it_is(day)
    links = Page(client.get(reverse("mailbox_status"), {"numero": number(box)})).links
    assert f"{URL}?lequel={lequel}&numero={number(box)}" in links
