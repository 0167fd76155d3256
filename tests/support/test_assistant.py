"""/assistant/ as a tired director uses it: few questions, then an answer for the date and the mailbox."""

from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from accounts.models import Contact
from bma_portal.models import RateCount
from support.articles.reading import FOLDER
from support.needs import NEEDS
from support.questions import all_ways, way_along
from support.questions.ways import MOST, Door, Leaf, most_after
from support.views import assistant
from tests.factories import MailboxFactory
from tests.factories_migration import MoveFactory
from tests.support.assistant_stage import BROKEN, FULL, MOMENTS, Ask, asker, on_stage
from tests.support.pages import Page

WAYS = list(all_ways())
LEAVES = [way for way in WAYS if isinstance(way.node, Leaf)]
EACH = list({way.node: way for way in reversed(LEAVES)}.values())  # one way to each answer, the shortest
SCREENS = [
    "« Nom d’utilisateur ou mot de passe invalide »",
    "« login failed, please retry »",
    "« mot de passe expiré »",
    "« Login Failure! Please re-enter your USERID and PASSWORD or contact the mail administrator »",
]


@pytest.fixture
def ask(client, db) -> Ask:
    return asker(client)


@pytest.fixture
def uncounted(monkeypatch):
    monkeypatch.setattr(assistant, "LOOKUP_LIMITS", ())


# The questions


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.path)
def test_five_questions_at_most_lead_to_an_answer(way):
    assert len(way.given) + most_after(way.node) <= MOST
    assert way_along(way.path) == way


def test_the_questions_are_told_apart_by_their_words_and_their_addresses():
    for way in WAYS:
        for given in way.given:
            choices = given.question.choices
            assert (
                len({choice.slug for choice in choices}) == len({choice.label for choice in choices}) == len(choices)
            )
            assert given.question.short
            assert given.question.title.endswith("?")


@pytest.mark.parametrize("way", EACH, ids=lambda way: way.path)
def test_what_an_answer_says_of_its_need_is_known_to_the_routing(way):
    need = NEEDS[way.node.need]
    for key, value in way.node.answers:
        assert value in {choice.value for choice in need.answer(key).choices}


@pytest.mark.parametrize("way", EACH, ids=lambda way: way.path)
def test_the_articles_that_an_answer_names_are_there(way):
    for slug in way.node.articles + way.node.without_request:
        assert (FOLDER / f"{slug}.md").is_file(), slug


def test_before_its_circular_nothing_is_cited_from_it(ask, it_is):
    it_is(date(2024, 11, 12))
    assert "Source : Circulaire du 30/09/2024" in ask("/assistant/usage/parents/").text
    assert "Source : Notre décision, d’après la circulaire du 01/09/2025" in ask("/assistant/materiel/vol/").text
    it_is(date(2025, 9, 1))
    page = ask("/assistant/usage/parents/")
    assert "Source : Circulaire du 01/09/2025, §1.2" in page.text
    assert "Circulaire du 30/09/2024" not in page.text  # repealed that day


def test_each_problem_that_holders_have_has_its_place():
    needs = {way.node.need for way in LEAVES}
    assert needs >= {"reception", "configuration", "cerbere", "panne", "vol", "internet", "pas-de-mail-1", "procedure"}
    assert {way.node.which for way in WAYS if isinstance(way.node, Door)} >= {"", "nouveau", "cerbere-perso"}


@pytest.mark.parametrize(
    "path", ["rien", "mails/rien", "internet/oui/oui/oui/oui", "mails//plus-rien", "MAILS", "a" * 5000]
)
def test_a_way_that_is_none_is_not_found(path):
    assert way_along(path) is None


# The answers


@pytest.mark.usefixtures("uncounted")
@pytest.mark.parametrize("stage", MOMENTS)
def test_every_answer_stands_on_every_key_date_and_its_links_lead_somewhere(ask, it_is, client, stage):
    number = on_stage(stage, it_is)
    links = set()
    for way in EACH:
        page = ask(f"/assistant/{way.path}/", numero=number, livraison="2024-03-01")
        assert page.status == 200, way.path
        assert way.node.title in page.text.replace("\N{NO-BREAK SPACE}", " "), way.path
        assert "Est-ce que cela a résolu votre problème ?" in page.text
        assert "Modifier" in page.text
        links |= {link.partition("?")[0] for link in page.links if link.startswith("/")}
        if stage == "P6":
            assert "BMA@enseignement.be" not in page.html
            assert "webmail.adm.cfwb.be" not in page.html
        if stage == "P0":
            assert "la migration de votre boîte n’a pas encore commencé" not in page.text or number[2:] in page.text
    for link in links - {"/admin/"} if stage in {"P3", "P6"} else ():
        assert client.get(link).status_code in {200, 302}, link


@pytest.mark.parametrize(
    ("stage", "said"), [("P0", "80 Mo"), ("P3", "80 Mo"), ("P4", "2 Go"), ("P5", "2 Go"), ("P6", "2 Go")]
)
def test_no_mail_and_no_error_is_first_a_full_mailbox_of_the_size_of_its_server(ask, it_is, stage, said):
    page = ask(FULL, numero=on_stage(stage, it_is))
    assert "Votre boîte est sans doute pleine" in page.title
    answer = page.text.partition("Source :")[0]
    assert said in answer
    assert {"80 Mo": "2 Go", "2 Go": "80 Mo"}[said] not in answer
    assert "Votre demande ira à l’ETNIC" in page.text


@pytest.mark.usefixtures("uncounted")
def test_a_full_mailbox_is_thought_of_only_where_nothing_arrives(ask, it_is):
    number = on_stage("P3", it_is)
    told = [way.path for way in EACH if "est sans doute pleine." in ask(f"/assistant/{way.path}/", numero=number).text]
    assert told == ["mails/plus-rien/sans-erreur"]


def test_the_mailbox_is_asked_only_while_they_are_not_all_alike(ask, it_is):
    on_stage("P4", it_is)
    assert "De quelle boîte s’agit-il ?" in ask(FULL).title
    it_is(date(2025, 4, 25))
    assert "Votre boîte est sans doute pleine" in ask(FULL).title
    assert not RateCount.objects.exists()


@pytest.mark.parametrize("way", [way for way in EACH if not way.node.asks], ids=lambda way: way.path)
def test_an_answer_that_needs_no_mailbox_speaks_of_none(ask, it_is, way):
    it_is(date(2024, 10, 9))
    page = ask(f"/assistant/{way.path}/")
    assert "votre boîte n’a pas encore commencé" not in page.text
    assert "De quelle boîte" not in page.text


@pytest.mark.parametrize("message", SCREENS)
@pytest.mark.parametrize("group", ["mot-de-passe/refuse", "cerbere/message"])
def test_the_message_on_the_screen_leads_to_its_cause(ask, it_is, group, message):
    it_is(date(2025, 9, 2))
    page = ask(f"/assistant/{group}/")
    assert message in page.text
    causes = {"expire": "six mois", "login-failure": "ancienne interface", "invalide": "n’est pas le bon"}
    choice = next(choice for choice in way_along(group).node.choices if choice.label == message)
    assert causes.get(choice.slug, "n’est pas le bon") in ask(f"/assistant/{group}/{choice.slug}/").text


@pytest.mark.parametrize("group", ["mot-de-passe/refuse", "cerbere/message"])
def test_the_new_interface_that_refuses_leads_to_its_own_password(ask, client, it_is, group):
    it_is(date(2026, 11, 22))
    page = ask(f"/assistant/{group}/", numero="ec000247")
    assert "La nouvelle interface de la boîte (ec.cfwb.be) refuse" in page.text
    assert "/mot-de-passe/?lequel=nouveau&numero=ec000247" in page.links


def test_a_computer_that_is_not_yet_restarted_is_not_sent_to_the_provider(ask, it_is):
    it_is(date(2026, 11, 22))
    page = ask("/assistant/internet/oui/oui/non/")
    assert "La ligne marche" in page.text
    assert "Contactez d’abord votre fournisseur" not in page.text
    assert "Contactez d’abord votre fournisseur" not in ask("/assistant/internet/oui/oui/non/", resolu="non").text


def test_a_reason_concerns_the_question_and_says_nothing_was_sent(ask, it_is):
    it_is(date(2026, 11, 22))
    text = ask("/assistant/internet/oui/oui/oui/").text
    assert "Votre demande ira à l’ETNIC, qui répond des soucis techniques. Source" in text
    assert "fermé depuis le 25 avril 2025" not in text
    for way in EACH:
        assert "Transmis " not in ask(f"/assistant/{way.path}/", livraison="2026-03-01").text, way.path


def test_after_a_new_password_outlook_gets_it_typed_before_its_account_is_made_again(ask, it_is):
    text = ask("/assistant/mot-de-passe/refuse/outlook/", numero=on_stage("P4", it_is)).text
    assert text.index("tapez-y ce mot de passe") < text.index("ajoutez-la de nouveau")


@pytest.mark.parametrize(
    ("today", "delivered", "covered"),
    [
        (date(2025, 5, 12), "12/05/2022", True),
        (date(2025, 5, 13), "12/05/2022", False),
        (date(2025, 5, 13), "13 mai 2022", True),
        (date(2027, 2, 28), "29/02/2024", True),
        (date(2027, 3, 1), "2024-02-29", False),
        (date(2025, 5, 13), "1er août 2024", True),
        (date(2025, 5, 13), "13.5.25", True),
    ],
)
def test_a_warranty_lasts_three_years_to_the_day(ask, it_is, today, delivered, covered):
    it_is(today)
    page = ask(BROKEN, livraison=delivered)
    assert ("Le matériel est sous garantie" in page.text) is covered
    assert ("sttd@priminfo.be" in page.text) is covered
    assert ("à charge de l’établissement" in page.text) is not covered
    assert ("L’ordinateur fourni a plus de trois ans" in page.text) is not covered


def test_a_theft_goes_to_etnic_with_the_police_report_and_nothing_is_replaced(ask, it_is):
    it_is(date(2025, 9, 2))
    text = ask("/assistant/materiel/vol/").text
    assert text.index("procès-verbal") < text.index("support@etnic.be")
    assert "n’est pas remplacé" in text


def test_etnic_is_offered_for_the_line_after_three_checks_only(ask, it_is):
    it_is(date(2025, 9, 2))
    for way in (way for way in LEAVES if way.path.startswith("internet/")):
        page = ask(f"/assistant/{way.path}/")
        helped = "Votre demande ira à l’ETNIC" in page.text
        # Where another device has internet, the line is not in question: what is left is the computer.
        assert helped is way.path.startswith(("internet/oui/non/rien-trouve", "internet/oui/oui/")), way.path
        assert not helped or "fournisseur d’accès à internet : l’ETNIC" not in page.text, way.path
        assert not helped or len(way.given) == 4
    assert way_along("internet/oui/non/rien-trouve").told[1:] == [
        ("Avez-vous éteint, puis rallumé le boîtier de votre fournisseur ?", "Oui, sans résultat"),
        ("Un autre appareil a-t-il internet au même endroit ?", "Non, plus rien ne fonctionne"),
        ("Que dit votre fournisseur d’accès à internet ?", "Il n’a rien trouvé : la ligne fonctionne"),
    ]


@pytest.mark.parametrize("use", ["parents", "fournisseurs", "inscriptions", "personnel", "publier"])
def test_a_misuse_of_the_mailbox_gets_the_rule_and_no_request(ask, it_is, use):
    it_is(date(2025, 9, 2))
    page = ask(f"/assistant/usage/{use}/")
    assert "réservée aux échanges avec l’administration" in page.text
    assert not any("/demandes/" in link for link in page.links)
    assert "il n’y a pas de demande à écrire" in ask(f"/assistant/usage/{use}/", resolu="non").text


def test_no_first_mail_before_the_end_of_the_window_is_no_reason_to_write(ask, it_is):
    MoveFactory()
    it_is(date(2024, 10, 20))
    box = MailboxFactory(po=True)
    path = "/assistant/migration/aucun-mail/"
    assert not any("/demandes/" in link for link in ask(path, numero=box.address[:8]).links)
    it_is(date(2024, 11, 1))
    page = ask(path, numero=box.address[:8])
    assert "Votre demande ira à l’équipe « Migration BMA » du SGNE" in page.text


@pytest.mark.parametrize("path", ["/assistant/migration/", "/assistant/autre/procedure/"])
def test_a_date_of_migration_is_asked_about_only_while_mailboxes_wait(ask, it_is, path):
    dates = ("Quand ma boîte migre-t-elle ?", "La date ne nous convient pas")
    on_stage("P4", it_is)  # one migrated, another waits
    assert all(label in ask(path).text for label in dates)
    MoveFactory._meta.model.objects.all().delete()
    for stage in ("P5", "P6"):
        on_stage(stage, it_is)
        page = ask(path)
        assert not any(label in page.text for label in dates), stage
        assert "Ce mail de la migration est-il un vrai ?" in page.text
        assert ask("/assistant/migration/date/").status == 200  # a bookmark of it


# On to a person


def of_request(page: Page) -> dict[str, str]:
    link = next(link for link in page.links if link.startswith(reverse("ticket_new")))
    return {key: values[0] for key, values in parse_qs(urlsplit(link).query).items()}


def test_a_request_takes_along_everything_that_was_answered(ask, it_is):
    number = on_stage("P4", it_is)
    assert of_request(ask(FULL, numero=number)) == {
        "besoin": "reception",
        "erreur": "aucune",
        "numero": number,
        "parcours": "mails/plus-rien/sans-erreur",
    }
    broken = of_request(ask(BROKEN, livraison="1er mars 2024", numero="247"))
    assert broken == {
        "besoin": "panne", "livraison": "2024-03-01", "numero": "000247", "parcours": "materiel/panne"
    }  # fmt: skip


def test_without_the_day_of_delivery_a_request_goes_to_whoever_checks_it(ask, it_is, client):
    """« Sans date connue, la demande va à Priminfo, qui la vérifie » (docs/routage.md)."""
    number = on_stage("P4", it_is)
    page = ask("/assistant/materiel/panne/", numero=number)
    assert "sans elle" in page.text
    query = of_request(page)
    assert query == {"besoin": "panne", "numero": number, "parcours": "materiel/panne"}
    form = Page(client.get(reverse("ticket_new"), query))
    assert 'name="r_livraison"' in form.html
    assert of_request(ask("/assistant/materiel/panne/", livraison="jamais")) == {
        "besoin": "panne", "parcours": "materiel/panne"
    }  # fmt: skip


def test_a_lost_password_goes_through_its_own_door_with_the_number(ask, client):
    page = ask("/assistant/mot-de-passe/", numero="EC 247")
    doors = [link for link in page.links if link.startswith("/mot-de-passe/") and "numero" in link]
    assert doors == ["/mot-de-passe/?numero=ec000247", "/mot-de-passe/?lequel=nouveau&numero=ec000247"]
    assert client.get("/assistant/mot-de-passe/perdu/?numero=ec000247")["Location"] == doors[0]


@pytest.mark.parametrize(
    ("day", "hour", "hours", "by"),
    [
        (date(2024, 11, 12), 12, "Ouvert jusqu’à 17 h", "aujourd’hui avant 16 h"),
        (date(2024, 11, 12), 16, "Ouvert jusqu’à 17 h", "demain avant 11 h"),
        (date(2024, 11, 8), 18, "Ouvre mardi à 8 h", "mardi avant 12 h"),  # the weekend, then 11 November
    ],
)
def test_the_hours_and_the_wait_are_those_of_the_moment(ask, it_is, day, hour, hours, by):
    it_is(day, hour)
    text = ask("/assistant/autre/technique/").text
    assert hours in text
    assert f"Première réponse attendue {by}." in text
    assert ("Vous pouvez écrire dès maintenant" in text) is hours.startswith("Ouvre m")


def test_without_a_contact_of_that_day_the_answer_stands_all_the_same(ask, it_is):
    it_is(date(2025, 9, 2))
    Contact.objects.all().delete()
    assert "Votre demande ira à l’ETNIC" in ask("/assistant/autre/technique/").text


def test_yes_ends_in_thanks_and_looks_nothing_up(ask, it_is):
    it_is(date(2024, 11, 12))
    page = ask(FULL, numero="ec000247", resolu="oui")
    assert "Tant mieux" in page.text
    assert f"{FULL}?numero=ec000247" in page.links
    assert not RateCount.objects.exists()
