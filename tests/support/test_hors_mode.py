"""The hors-MODE form as a visitor goes through it (D4, D5, SEC-A, SEC-E10, SEC-M3, SEC-N1)."""

import re
from datetime import date, timedelta

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support.models import PasswordReset, ProofFile
from support.tokens import contact_code
from tests.factories import MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.support.hors_mode_stage import (
    CHECK,
    CODE,
    DONE,
    FORM,
    draft_of,
    number,
    send,
    walk,
)
from tests.support.pages import FULL_ADDRESS, Page
from tests.support.resets_stage import AT, box, hors_mode_box, letter

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(AT)


@pytest.fixture
def mailbox():
    return hors_mode_box()


def read(response) -> Page:
    page = Page(response)
    page.assert_sound()
    return page


def codes_sent() -> int:
    return OutgoingMail.objects.filter(kind="reset.contact_code").count()


def before(text: str, first: str, *later: str) -> bool:
    return all(text.index(first) < text.index(other) for other in later)


# Which mailbox


def test_the_addresses_are_those_that_others_rely_on():
    assert FORM == "/mot-de-passe/hors-mode/"
    assert CHECK == "/mot-de-passe/hors-mode/verifier/"
    assert CODE == "/mot-de-passe/hors-mode/code/"
    assert DONE == "/mot-de-passe/hors-mode/recue/"


def test_the_ways_that_need_no_card_come_before_the_question(client):
    page = read(client.get(FORM))
    assert before(page.html, "formulaire MODE", 'name="numero"')
    assert before(page.html, "Votre PO sait", 'name="numero"')
    assert reverse("reset_mode") in page.links
    assert 'type="file"' not in page.html


def test_a_number_brought_along_opens_the_form_of_its_mailbox(client, mailbox):
    page = read(client.get(FORM, {"numero": number(mailbox)}))
    assert mailbox.organisation.number in page.text
    assert 'enctype="multipart/form-data"' in page.html
    for name in ("last_name", "first_name", "email", "phone", "proof", "consequences"):
        assert f'name="{name}"' in page.html


def test_why_a_copy_what_to_mask_who_sees_it_and_how_long_stand_before_the_file(client, mailbox):
    html = read(client.get(FORM, {"numero": number(mailbox)})).html
    for words in ("Pourquoi", "registre national", "votre photo", "recto seulement", "Qui la voit", "30 jours"):
        assert before(html, words, 'type="file"'), words
    assert "loi du 8 août 1983" in html


def test_the_notice_says_who_why_how_long_and_what_rights(client, mailbox):
    text = read(client.get(FORM, {"numero": number(mailbox)})).text
    for words in (
        "Responsable", "But", "Fondement", "Durée", "Vos droits", "délégué à la protection des données",
        "Autorité de protection des données",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    "typed", ["", "zzz", "0", "1234567", "١٢٣", "０１２", "12\n34", "\0", "x" * 100_000, "ec000001@x"]
)
def test_what_is_no_number_is_an_error_beside_the_field(client, typed):
    page = read(client.get(FORM, {"numero": typed}))
    assert page.status == 200
    assert page.title.startswith("Erreur : ")
    assert 'aria-invalid="true"' in page.html


def test_a_number_that_nobody_bears_is_told(client):
    page = read(client.get(FORM, {"numero": "999999"}))
    assert "registre FASE" in page.text
    assert page.title.startswith("Erreur : ")


def test_the_same_digits_of_a_school_and_a_po_are_a_choice(client):
    OrganisationFactory(fase=815, mailbox=True, unit_types=["CTA"])
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    page = read(client.get(FORM, {"numero": "815"}))
    assert f"{FORM}?numero=ec000815" in page.links
    assert f"{FORM}?numero=po000815" in page.links


def test_an_implantation_leads_to_its_establishment(client):
    placement = SitePlacementFactory(site=SiteFactory(fase=4321))
    page = read(client.get(FORM, {"numero": "4321"}))
    assert f"{FORM}?numero=ec{placement.establishment.fase:06d}" in page.links


def test_a_unit_without_mailbox_is_told(client):
    unit = OrganisationFactory(fase=816)
    page = read(client.get(FORM, {"numero": f"ec{unit.fase}"}))
    assert "ne connaît pas de boîte" in page.text


def test_a_unit_of_mode_is_sent_to_the_mode_form_with_its_number(client):
    mailbox = box()
    for response in (client.get(FORM, {"numero": number(mailbox)}), send(client, mailbox)):
        page = read(response)
        assert f"{reverse('reset_mode')}?numero={number(mailbox)}" in page.links
        assert 'type="file"' not in page.html
        assert (
            "puis au Service Desk de l’ETNIC" in page.text
        )  # nobody grants the permission: no loop between two forms
        assert "mailto:support@etnic.be" in page.html
    assert not PasswordReset.objects.exists()


def test_what_an_address_and_a_telephone_are_used_for_is_said_and_nothing_later_says_otherwise(client, mailbox):
    form = read(client.get(FORM, {"numero": number(mailbox)})).text
    assert "Pas une boîte administrative (@adm.cfwb.be), même celle de votre PO." in form
    assert "nous appelons seulement le numéro que nous connaissons déjà de l’école ou du PO" in form
    assert "d’abord le numéro" not in form  # the declared one is never called
    refused = read(send(client, mailbox, email="po000247@adm.cfwb.be")).text
    assert "aucune ne convient ici, même celle d’un PO" in refused
    send(client, mailbox)
    assert "le numéro que nous connaissons de l’unité, pas celui que vous donnez ici" in read(client.get(CHECK)).text


def test_before_mail_2_there_is_nothing_to_ask(client):
    mailbox = MailboxFactory(organisation__unit_types=["CTA"])
    clock.set_for_every_process(clock.brussels(date(2024, 10, 2), 10))
    page = read(client.get(FORM, {"numero": number(mailbox)}))
    assert "n’a pas encore été envoyé" in page.text
    read(send(client, mailbox))
    assert not PasswordReset.objects.exists()


def test_a_closed_unit_is_told_closed(client):
    mailbox = hors_mode_box()
    mailbox.organisation.closed_on = date(2025, 9, 1)
    mailbox.organisation.save()
    page = read(client.get(FORM, {"numero": number(mailbox)}))
    assert "est fermé" in page.text
    read(send(client, mailbox))
    assert not PasswordReset.objects.exists()


def test_a_unit_that_the_documents_do_not_list_has_the_form_too(client):
    mailbox = hors_mode_box()
    mailbox.organisation.unit_types = ["Home d’accueil"]
    mailbox.organisation.save()
    assert 'type="file"' in read(client.get(FORM, {"numero": number(mailbox)})).html


# From the form to the reference


def test_the_whole_way(client, mailbox):
    assert send(client, mailbox).url == CHECK
    draft = draft_of(client)
    assert draft.status == Status.UNCONFIRMED
    kept = {"hors_mode": str(draft.public), "hors_mode_whole": True, "hors_mode_at": AT.timestamp()}
    assert dict(client.session) == kept
    page = read(client.get(CHECK))
    for words in ("Fictive", "Camille", "camille@exemple.test", "0470 00 00 00", "Reçue, 1 page"):
        assert words in page.text
    assert client.post(CHECK).url == CODE
    code = re.search(r"\b\d{6}\b", letter("reset.contact_code").text)[0]
    page = read(client.get(CODE))
    assert "camille@exemple.test" in page.text
    assert 'autocomplete="one-time-code"' in page.html
    assert code not in page.html
    assert client.post(CODE, {"code": f"{code[:3]} {code[3:]}"}).url == DONE
    page = read(client.get(DONE))
    assert draft.reference in page.text
    draft.refresh_from_db()
    assert draft.confirmed_at == AT


def test_the_page_with_the_reference_says_nothing_personal_now_or_later(client, mailbox):
    draft = walk(client, mailbox)
    for page in (read(client.get(DONE)), read(client.get(DONE))):
        assert not FULL_ADDRESS.search(page.text)
        for words in ("Fictive", "Camille", "exemple.test", "0470", mailbox.organisation.name, str(draft.public)):
            assert words not in page.html
    client.cookies.clear()
    page = read(client.get(DONE))
    assert draft.reference not in page.text
    assert page.status == 200


def test_modify_leads_back_to_the_form_with_what_was_typed_and_returns_to_the_answers(client, mailbox):
    send(client, mailbox)
    change = next(link for link in read(client.get(CHECK)).links if link.endswith("#id_email"))
    page = read(client.get(change.partition("#")[0]))
    for value in ("Fictive", "Camille", "camille@exemple.test", "0470 00 00 00"):
        assert f'value="{value}"' in page.html
    assert "Votre copie est déjà reçue" in page.text
    assert 'name="suite"' in page.html
    first = draft_of(client)
    assert send(client, mailbox, suite="1", proof=None, email="autre@exemple.test").url == CHECK
    assert draft_of(client).pk == first.pk
    assert draft_of(client).email == "autre@exemple.test"
    assert ProofFile.objects.count() == 1
    assert PasswordReset.objects.count() == 1


def test_the_mailbox_itself_may_be_changed(client, mailbox):
    other = hors_mode_box()
    send(client, mailbox)
    page = read(client.get(f"{FORM}?modifier=1"))
    assert 'name="modifier"' in page.html
    page = read(client.get(FORM, {"modifier": "1", "numero": number(other)}))
    assert 'value="Fictive"' in page.html
    assert send(client, other, suite="1", proof=None).url == CHECK
    assert draft_of(client).mailbox == other


def test_the_next_person_at_this_computer_finds_an_empty_form_and_not_the_other_s_copy(client, mailbox):
    send(client, mailbox)
    page = read(client.get(FORM, {"numero": number(mailbox)}))
    assert "Fictive" not in page.html.replace("École fictive", "")
    assert 'name="suite"' not in page.html
    page = read(send(client, mailbox, proof=None))
    assert "Choisissez la copie" in page.text
    assert PasswordReset.objects.count() == 1


def test_the_pages_after_the_form_say_so_when_there_is_no_request_here(client, mailbox):
    for url in (CHECK, CODE):
        for response in (client.get(url), client.post(url)):
            assert "Aucune demande en cours ici" in read(response).text
    walk(client, mailbox)
    for url in (CHECK, CODE):
        assert "Aucune demande en cours ici" in read(client.get(url)).text


def test_the_code_is_asked_for_only_once_it_was_sent(client, mailbox):
    send(client, mailbox)
    assert client.get(CODE).url == CHECK
    assert client.post(CODE, {"code": "000000"}).url == CHECK


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "12\0456", "9" * 5000])
def test_a_code_that_is_none_is_an_error_beside_the_field(client, mailbox, typed):
    send(client, mailbox)
    client.post(CHECK)
    page = read(client.post(CODE, {"code": typed}))
    assert page.title.startswith("Erreur : ")
    assert draft_of(client).confirmed_at is None


def test_five_wrong_codes_and_the_right_one_is_void_until_another_is_sent(client, mailbox):
    send(client, mailbox)
    client.post(CHECK)
    right = contact_code(draft_of(client)).reveal()
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    for _ in range(5):
        assert "Ce n’est pas le code" in read(client.post(CODE, {"code": wrong})).text
    assert "n’est plus valable" in read(client.post(CODE, {"code": right})).text
    assert client.post(CODE, {"renvoyer": "1"}).url == f"{CODE}?renvoye"
    assert "Un nouveau code est en route" in read(client.get(f"{CODE}?renvoye")).text
    assert "n’est pas le code" in read(client.post(CODE, {"code": right})).text  # but for one draw in a million
    assert client.post(CODE, {"code": contact_code(draft_of(client)).reveal()}).url == DONE


def test_a_sixth_code_is_not_sent(client, mailbox):
    send(client, mailbox)
    client.post(CHECK)
    for _ in range(4):
        assert client.post(CODE, {"renvoyer": "1"}).status_code == 302
    response = client.post(CODE, {"renvoyer": "1"})
    page = read(response)
    assert page.status == 429
    assert page.title.startswith("Erreur : ")
    assert codes_sent() == 5


def test_a_form_left_alone_for_an_hour_on_a_shared_computer_is_nobody_s(client):
    mailbox = hors_mode_box()
    assert send(client, mailbox).url == CHECK
    clock.set_for_every_process(AT + timedelta(minutes=59))
    assert "camille@exemple.test" in client.get(CHECK).content.decode()
    clock.set_for_every_process(AT + timedelta(minutes=61))
    assert "camille@exemple.test" not in client.get(CHECK).content.decode()
