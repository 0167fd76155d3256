"""The form of a holder's ticket: what was typed is never lost, what the portal knows is not asked again (E6, E11)."""

import re
import time
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import User
from bma_portal import clock
from bma_portal.limits import Limit
from bma_portal.mail.models import OutgoingMail
from support import forms_contact, tickets
from support.models import Ticket
from support.views import tickets as views
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_holders import HolderFactory
from tests.factories_migration import MoveFactory
from tests.sign_in import sign_in
from tests.support.articles_stage import publish, write
from tests.support.hostile import png
from tests.support.pages import Page
from tests.support.tickets_stage import AT

pytestmark = pytest.mark.django_db
NEW = "/demandes/nouvelle/"


@pytest.fixture(autouse=True)
def moment(monkeypatch):
    clock.set_for_every_process(AT)
    monkeypatch.setattr(forms_contact, "SECONDS_TO_FILL", -1)


def number(mailbox) -> str:
    return mailbox.address.partition("@")[0]


def sent(mailbox, need: str = "panne", **fields) -> dict:
    return {
        "besoin": need,
        "numero": number(mailbox),
        "subject": "L’écran reste noir",
        "text": "Le portable ne s’allume plus depuis lundi.",
        "last_name": "Fictive",
        "first_name": "Camille",
        "email": "camille@exemple.test",
        "ouvert": forms_contact.opened_now(),
        "envoyer": "1",
    } | fields


def links_to_the_form(page: Page) -> list[dict[str, str]]:
    """What each link to the form carries."""
    found = [urlsplit(link) for link in page.links if urlsplit(link).path == NEW]
    return [{name: values[0] for name, values in parse_qs(link.query).items()} for link in found]


def sound(response) -> Page:
    page = Page(response)
    page.assert_sound()
    return page


# A date that the rules refuse


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("15/12/2024", "Le 15 décembre 2024 n’est pas encore passé."),
        ("15/12/1980", "Vérifiez l’année."),
        ("15/11/0224", "Vérifiez l’année."),
        ("31/02/2024", "Ce jour n’existe pas."),
        ("hier", "Cette date ne se lit pas. Écrivez le jour, le mois et l’année, par exemple 12/05/2023."),
    ],
)
def test_a_date_that_the_rules_refuse_is_told_beside_its_field_and_nothing_is_lost(client, typed, why):
    files = [SimpleUploadedFile("ecran.png", png())]
    response = client.post(NEW, sent(MailboxFactory(), r_livraison=typed) | {"files": files})
    assert response.status_code == 200
    page = sound(response)
    assert page.title.startswith("Erreur : ")
    assert 'href="#id_r_livraison"' in page.html
    assert page.text.count(why) == 2  # in the summary and beside the field
    assert "Le portable ne s’allume plus depuis lundi." in page.text
    assert f'value="{typed}"' in page.html
    assert "Choisissez de nouveau vos fichiers" in page.text
    assert not Ticket.objects.exists()


def test_a_refused_date_that_came_with_the_address_is_asked_again_beside_what_was_typed(client):
    page = sound(client.post(NEW, sent(MailboxFactory(), livraison="2024-12-15")))
    assert "n’est pas encore passé" in page.text
    assert "Le portable ne s’allume plus depuis lundi." in page.text
    assert 'name="r_livraison"' in page.html
    answer = client.post(NEW, sent(MailboxFactory(), livraison="2024-12-15", r_livraison="10/01/2024"))
    assert answer["Location"].startswith("/demandes/recue/")
    assert Ticket.objects.get().answers == {"livraison": "2024-01-10"}


@pytest.mark.parametrize("typed", ["12 mai 2024", "12/5/24", "12.05.2024", "2024-05-12", " 12 Mai 2024 "])
def test_a_day_is_read_as_people_write_it_as_in_the_assistant(client, typed):
    assert client.post(NEW, sent(MailboxFactory(), r_livraison=typed)).status_code == 302
    assert Ticket.objects.get().answers == {"livraison": "2024-05-12"}


@pytest.mark.parametrize("typed", ["camille@exemple.test.", "<camille@exemple.test>,", "mailto:camille@exemple.test"])
def test_an_address_copied_with_what_stands_around_it_is_read(client, typed):
    assert client.post(NEW, sent(MailboxFactory(), email=typed)).status_code == 302
    assert Ticket.objects.get().email == "camille@exemple.test"


def test_an_answer_that_does_not_exist_in_an_address_asks_again(client):
    mailbox = MailboxFactory()
    answer = client.get(f"{NEW}?besoin=panne&numero={number(mailbox)}&livraison=2030-01-01&parcours=materiel/panne")
    assert answer["Location"] == f"{NEW}?besoin=panne&numero={number(mailbox)}"
    page = sound(client.post(NEW, sent(mailbox, "technique", sujet="rien-de-tel")))
    assert "Le portable ne s’allume plus depuis lundi." in page.text
    assert not Ticket.objects.exists()


# An old number


WAY = "besoin=internet&fournisseur=rien-trouve&boitier=oui&parcours=internet"
KEPT = {"besoin": "internet", "fournisseur": "rien-trouve", "boitier": "oui", "parcours": "internet"}


def test_an_old_number_leads_to_its_heir_with_all_that_was_answered(client):
    heir = OrganisationFactory(mailbox=True, name="École réunie")
    gone = OrganisationFactory(mailbox=True, name="École d’avant", successor=heir, closed_on=AT.date())
    page = sound(client.get(f"{NEW}?{WAY}&numero=ec{gone.fase}"))
    assert "École d’avant" in page.text
    assert "École réunie" in page.text
    assert "repris" in page.text
    on, again = links_to_the_form(page)
    assert on == KEPT | {"numero": number(heir.mailbox)}
    assert again == KEPT
    assert "Votre message" in sound(client.get(NEW, on)).text


@pytest.mark.parametrize("mailbox", [True, False])
def test_a_number_without_heir_or_mailbox_keeps_what_was_answered(client, mailbox):
    unit = OrganisationFactory(mailbox=True, closed_on=AT.date()) if mailbox else OrganisationFactory()
    page = sound(client.get(f"{NEW}?{WAY}&numero=ec{unit.fase}"))
    assert ("plus en service" in page.text) is mailbox
    assert ("Aucune boîte n’est enregistrée" in page.text) is not mailbox
    assert links_to_the_form(page) == [KEPT]


def test_a_number_of_two_units_keeps_it_too(client):
    OrganisationFactory(fase=815, mailbox=True)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    found = links_to_the_form(sound(client.get(f"{NEW}?{WAY}&numero=815")))
    assert found == [KEPT | {"numero": "ec000815"}, KEPT | {"numero": "po000815"}, KEPT]


# One's own mailboxes


def test_a_titulaire_signed_in_presses_their_mailbox_instead_of_typing_it(client):
    user = UserFactory()

    def heads(name: str, *, until: date | None = None, **unit):
        organisation = OrganisationFactory(mailbox=True, name=name, **unit)
        HolderFactory(user=user, organisation=organisation, starts_on=date(2024, 9, 1), ends_on=until)
        return organisation

    own = heads("École d’essai")
    heads("École quittée", until=date(2024, 10, 31))
    heads("École close", closed_on=AT.date())
    assert "École d’essai" not in sound(client.get(f"{NEW}?{WAY}")).text
    sign_in(client, User.objects.get(pk=user.pk), strong=False)
    page = sound(client.get(f"{NEW}?{WAY}"))
    assert "École d’essai" in page.text
    assert "École quittée" not in page.text
    assert "École close" not in page.text
    assert links_to_the_form(page)[0] == KEPT | {"numero": number(own.mailbox)}
    assert "École d’essai" in sound(client.get(f"{NEW}?{WAY}&numero=zzz")).text  # beside what is wrong, too


def test_an_answer_is_read_in_words_a_day_as_a_day_and_no_colon_follows_a_question(client):
    client.post(NEW, sent(MailboxFactory(), r_livraison="10/01/2024"))
    [ticket] = Ticket.objects.all()
    assert tickets.answers_in_words(ticket) == [("Quel jour l’appareil a-t-il été livré ?", "10 janvier 2024")]
    told = OutgoingMail.objects.get(kind="ticket.for_team")
    for body in (told.text, told.html):
        plain = body.replace("\N{NO-BREAK SPACE}", " ")
        assert "Quel jour l’appareil a-t-il été livré ? 10 janvier 2024" in plain
    Ticket.objects.update(answers={"livraison": "un jour", "ancien": "oui"})  # what no rule reads any longer
    kept = dict(tickets.answers_in_words(Ticket.objects.get()))
    assert kept == {"Quel jour l’appareil a-t-il été livré ?": "un jour", "ancien": "oui"}


# What answers instead of a ticket, and before one


def test_where_no_team_answers_the_contact_is_given_and_the_number_kept(client):
    mailbox = MailboxFactory()
    page = sound(client.get(f"{NEW}?besoin=nouveau-mot-de-passe&numero={number(mailbox)}"))
    assert "Pas besoin d’écrire une demande" in page.text
    main = page.html.partition("<main")[2].partition("</main>")[0]
    assert "migrationBMA@cfwb.be" in main  # « (voir SGNE) », docs/routage.md
    assert f"/assistant/?numero={number(mailbox)}" in page.links


def test_whoever_came_by_the_assistant_goes_back_to_that_answer(client):
    mailbox = MailboxFactory()
    page = sound(
        client.get(f"{NEW}?besoin=internet&fournisseur=pas-encore&numero={number(mailbox)}&parcours=internet/non")
    )
    assert f"/assistant/internet/non/?numero={number(mailbox)}" in page.links
    odd = sound(client.get(f"{NEW}?besoin=usage&numero={number(mailbox)}&parcours=rien/de/tel"))
    assert f"/assistant/usage/?numero={number(mailbox)}" in odd.links  # the first question on that need
    early = sound(client.get(f"{NEW}?besoin=cerbere&essai=pas-encore&numero={number(mailbox)}"))
    assert f"/assistant/cerbere/?numero={number(mailbox)}" in early.links


# No internet


def test_whoever_already_called_the_provider_is_asked_and_reaches_etnic(client):
    """The article « Pas d’internet » leads there with nothing answered yet (E6)."""
    mailbox = MailboxFactory()
    page = sound(client.get(f"{NEW}?besoin=internet&numero={number(mailbox)}"))
    assert "Que dit votre fournisseur d’accès à internet ?" in page.text
    assert "Pas besoin" not in page.text
    checked = {"r_boitier": "oui", "r_autre-appareil": "oui"}
    assert client.post(NEW, sent(mailbox, "internet", r_fournisseur="rien-trouve", **checked)).status_code == 302
    assert Ticket.objects.get().team == "etnic"
    for fournisseur in ("pas-encore", "ligne-en-panne"):
        said = sent(mailbox, "internet", subject=fournisseur, r_fournisseur=fournisseur, **checked)
        page = sound(client.post(NEW, said))
        assert "Pas besoin d’écrire une demande" in page.text
        assert f"/assistant/internet/?numero={number(mailbox)}" in page.links
    assert Ticket.objects.count() == 1


@pytest.mark.parametrize(
    "answered", ["fournisseur=pas-encore", "fournisseur=ligne-en-panne", "boitier=non", "autre-appareil=non"]
)
def test_an_answer_that_no_other_can_make_a_request_of_shows_no_form(client, answered):
    page = sound(client.get(f"{NEW}?besoin=internet&{answered}&numero={number(MailboxFactory())}"))
    assert "Pas besoin d’écrire une demande" in page.text


# A document


@pytest.mark.parametrize(
    ("need", "named", "masked"),
    [
        ("vol", "La copie du procès-verbal (facultatif)", "noms de témoins, numéros nationaux"),
        ("ancien-mot-de-passe", "La copie de la carte d’identité du ou de la titulaire", "Masquez le numéro national"),
    ],
)
def test_the_document_is_named_with_what_to_hide_in_it(client, need, named, masked):
    page = sound(client.get(f"{NEW}?besoin={need}&numero={number(MailboxFactory())}"))
    assert named in page.text
    assert masked in page.text
    assert "Le document demandé" not in page.text


def test_what_is_suggested_while_one_types_is_for_the_phase_of_the_mailbox(client):
    """The phase goes with the address, not the number: nothing is looked up at each key, and nothing is told."""
    for mailbox, phase in ((MailboxFactory(), "not_started"), (MoveFactory(migrated=True).mailbox, "migrated")):
        html = client.get(f"{NEW}?besoin=technique&numero={number(mailbox)}").content.decode()
        address = re.search(r'data-suggestions="([^"]+)"', html)[1].replace("&amp;", "&")
        assert address == f"/aide/suggestions/?besoin=technique&phase={phase}"


def test_suggestions_are_those_of_the_phase_that_is_told(client, tmp_path):
    write(tmp_path, "apres", "Le nouveau xylographe.\n", title="Le xylographe", phases=["migrated"])
    publish(tmp_path)
    address = reverse("aide_suggestions")
    for phase, there in (("migrated", True), ("not_started", False), ("", True), ("\0", True), ("x" * 999, True)):
        page = Page(client.get(address, {"q": "xylographe", "phase": phase}))
        assert ("/aide/apres/" in page.links) is there, phase


# What all share, and what one place may use


def test_one_place_that_floods_closes_the_form_for_nobody_else(client, monkeypatch):
    monkeypatch.setattr(views, "IN_ALL", Limit("demande-tous", 8, 3600))
    monkeypatch.setattr(views, "PER_NUMBER", Limit("demande-fase", 8, 3600))
    mailbox = MailboxFactory()
    flood = [client.post(NEW, sent(mailbox, subject=f"n° {n}"), REMOTE_ADDR="10.0.0.1").status_code for n in range(12)]
    assert flood[-1] == 429
    assert client.post(NEW, sent(mailbox), REMOTE_ADDR="10.9.9.9").status_code == 302


@pytest.mark.parametrize("faulty", [True, False])
def test_the_limit_of_a_place_gives_back_what_was_written_and_tells_of_no_number(client, faulty):
    """Nothing is looked up any longer, so a number that exists looks like one that does not (A5, D7)."""
    mailbox, name = MailboxFactory(), {"last_name": ""} if faulty else {}
    for n in range(5):
        client.post(NEW, sent(mailbox, subject=f"n° {n}", last_name=""))
    before, pages = Ticket.objects.count(), []
    for asked in (number(mailbox), "ec999999"):
        files = [SimpleUploadedFile("ecran.png", png())]
        answer = client.post(NEW, sent(mailbox, numero=asked, **name) | {"files": files})
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) > 0
        page = sound(answer)
        assert page.title.startswith("Erreur :")
        assert "Envoyez-le à nouveau dans 1 minute, ou téléphonez" in page.text
        assert "Le portable ne s’allume plus depuis lundi." in page.text
        assert "Choisissez de nouveau vos fichiers" in page.text
        assert 'value="camille@exemple.test"' in page.html
        assert mailbox.organisation.name not in page.text
        pages.append(page.text.replace(asked, "NUMÉRO"))
    assert pages[0] == pages[1]
    assert Ticket.objects.count() == before


def test_the_look_ups_of_others_in_the_building_lose_nothing_that_was_written(client):
    mailbox = MailboxFactory()
    for _ in range(11):
        last = client.get("/ma-boite/etat/", {"numero": "999999"}).status_code
    assert last == 429
    page = Page(client.post(NEW, sent(mailbox)))
    assert page.status == 429
    assert "Le portable ne s’allume plus depuis lundi." in page.text


@pytest.mark.parametrize("limit", ["IN_ALL", "PER_NUMBER"])
def test_when_too_many_arrive_what_was_typed_stays(client, limit, monkeypatch):
    monkeypatch.setattr(views, limit, Limit(f"essai-{limit}", 2, 3600))
    mailbox = MailboxFactory()
    for n in range(2):
        assert client.post(NEW, sent(mailbox, subject=f"n° {n}"), REMOTE_ADDR=f"10.0.0.{n}").status_code == 302
    assert client.post(NEW, sent(mailbox, last_name=""), REMOTE_ADDR="10.0.1.1").status_code == 200  # not a ticket
    page = sound(client.post(NEW, sent(mailbox), REMOTE_ADDR="10.0.2.1"))
    assert page.title.startswith("Erreur :")
    assert "le vôtre n’est pas parti" in page.text
    assert "Le portable ne s’allume plus depuis lundi." in page.text
    assert Ticket.objects.count() == 2


def test_a_second_click_of_the_next_hour_opens_no_second_ticket(client, monkeypatch):
    monkeypatch.setattr(views, "ACKNOWLEDGED", Limit("demande-accuse", 10, 1))  # an hour of one second
    said = sent(MailboxFactory())
    first = client.post(NEW, said)
    time.sleep(1.1)
    again = client.post(NEW, said)
    assert Ticket.objects.get().reference in client.get(first["Location"]).content.decode()
    assert Ticket.objects.get().reference in client.get(again["Location"]).content.decode()
