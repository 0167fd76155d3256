"""The MODE form: what is checked, acknowledged and asked; sent twice, sent too late, sent by the wrong person."""

from datetime import date

import pytest
from django.test import Client

from accounts.models import Credential, ResetGrant
from demo.directory import MemoryDirectory
from support import resets
from support.models import PasswordReset
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.mode_stage import CHOOSE, NEEDED, ask, asked, check_url, key_of, number, page_of, signed_in
from tests.support.pages import Page
from tests.support.resets_stage import AT, box, gia, granted, holder

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_monday_of_october_2025(it_is):
    MemoryDirectory.forget()
    it_is(date(2025, 10, 6), 10)


@pytest.fixture
def mailbox():
    return box()


@pytest.fixture
def person(client, mailbox):
    return signed_in(client, mailbox)


@pytest.fixture
def ready(client, mailbox, person) -> PasswordReset:
    return asked(client, mailbox)


def test_the_check_page_says_which_mailbox_what_changes_and_who_is_told_without_naming_anybody(
    client, mailbox, person
):
    head = holder(mailbox, UserFactory(first_name="Renée", last_name="Duportail", email="renee@exemple.test"))
    gia(mailbox, UserFactory(first_name="Gaston", last_name="Lagaffe", email="gaston@exemple.test"))
    response = client.get(check_url(mailbox))
    page = Page(response)
    page.assert_sound()
    assert "no-store" in response["Cache-Control"]
    assert mailbox.address in page.text
    assert mailbox.organisation.name in page.text
    assert mailbox.organisation.po.name in page.text
    assert "le ou la titulaire de la boîte" in page.text
    assert f"{CHOOSE}?numero={number(mailbox)}" in page.links
    assert "je comprends" in page.text.lower()
    for private in (
        head.last_name,
        head.email,
        "Lagaffe",
        "gaston@exemple.test",
        mailbox.organisation.po.mailbox.address,
    ):
        assert private not in page.html
    assert "/vie-privee/" in page.links


def test_it_must_be_acknowledged_that_the_password_changes(client, mailbox, person):
    response = ask(client, mailbox, compris="")
    page = Page(response)
    page.assert_sound()
    assert page.title.startswith("Erreur : ")
    assert "#id_compris" in page.links
    assert 'aria-describedby="id_compris_error"' in page.html
    assert not PasswordReset.objects.exists()


def test_more_than_a_form_may_hold_is_refused_in_french(client, mailbox, person):
    page = Page(client.post(check_url(mailbox), {f"champ{n}": "x" for n in range(1000)}))
    assert page.status == 400
    heavy = Page(
        client.post(check_url(mailbox), "cle=" + "x" * 1_100_000, content_type="application/x-www-form-urlencoded")
    )
    assert heavy.status in {400, 413}


@pytest.mark.parametrize("key", ["", "zzz", "\0", "\ud800", "x" * 100_000])
def test_a_form_without_its_key_is_refused(client, mailbox, person, key):
    page = Page(client.post(check_url(mailbox), {"cle": key.encode(errors="replace").decode(), "compris": "on"}))
    page.assert_sound()
    assert page.title.startswith("Erreur : ")
    assert not PasswordReset.objects.exists()


def test_asking_sets_the_password_and_leads_to_its_page(client, mailbox, ready):
    assert Credential.objects.get(mailbox=mailbox).applied_at
    page = Page(client.get(page_of(ready)))
    page.assert_sound()
    assert "Votre nouveau mot de passe est prêt" in page.text
    assert "Afficher mon nouveau mot de passe" in page.text
    assert ready.reference in page.text


def test_sending_the_same_form_twice_gives_the_same_request_even_once_it_is_over(client, mailbox, person):
    key = key_of(client.get(check_url(mailbox)))
    first = ask(client, mailbox, key=key)
    assert ask(client, mailbox, key=key)["Location"] == first["Location"]
    client.post(first["Location"])
    assert PasswordReset.objects.get().status == "shown"
    assert ask(client, mailbox, key=key)["Location"] == first["Location"]  # Back, and « resend the form »
    assert PasswordReset.objects.count() == 1


def test_two_tabs_give_one_request(client, mailbox, person):
    keys = [key_of(client.get(check_url(mailbox))) for _ in range(2)]
    assert keys[0] != keys[1]
    answers = {ask(client, mailbox, key=key)["Location"] for key in keys}
    assert len(answers) == 1
    assert PasswordReset.objects.count() == 1


def test_another_form_after_the_showing_is_another_request(client, mailbox, ready):
    client.post(page_of(ready))
    assert ask(client, mailbox).status_code == 302
    assert PasswordReset.objects.count() == 2


def test_a_permission_withdrawn_after_the_page_was_opened_is_refused_at_submission(client, mailbox, person):
    key = key_of(client.get(check_url(mailbox)))
    ResetGrant.objects.update(revoked_at=AT, revoked_by="gia", revoked_why="départ")
    response = ask(client, mailbox, key=key)
    assert response.status_code == 403
    assert NEEDED in Page(response).text
    assert not PasswordReset.objects.exists()


def test_a_permission_withdrawn_on_the_way_is_refused_by_the_use_case_too(client, mailbox, person, monkeypatch):
    key = key_of(client.get(check_url(mailbox)))
    ask_in_mode = resets.ask_in_mode

    def withdrawn_meanwhile(*args, **kwargs):
        ResetGrant.objects.update(revoked_at=AT, revoked_by="gia", revoked_why="départ")
        return ask_in_mode(*args, **kwargs)

    monkeypatch.setattr(resets, "ask_in_mode", withdrawn_meanwhile)
    response = ask(client, mailbox, key=key)
    page = Page(response)
    page.assert_sound()
    assert page.status == 409
    assert "la permission de réinitialiser" in page.text
    assert 'name="compris" id="id_compris" checked' in page.html  # nothing that was filled in is lost


def test_somebody_else_s_request_refuses_without_naming_anybody(client, mailbox, person):
    other = granted(mailbox, UserFactory(first_name="Renée", last_name="Duportail", email="r@exemple.test"))
    resets.ask_in_mode(mailbox, by=other, at=AT)
    page = Page(ask(client, mailbox))
    assert page.status == 409
    assert "déjà en cours" in page.text
    assert "Duportail" not in page.html


@pytest.mark.parametrize("numero", ["ec1", "EC000247", "ec000000", "xx000247", "ec0002471", "ec000247%0a", "%00", "é"])
def test_an_address_that_is_not_a_mailbox_s_is_a_404(client, person, numero):
    assert client.get(f"{CHOOSE}{numero}/").status_code == 404


def test_every_form_needs_its_token(mailbox, person, ready):
    strict = sign_in(Client(enforce_csrf_checks=True), person)
    for url in (CHOOSE, check_url(mailbox), page_of(ready)):
        assert strict.post(url, {"compris": "on"}).status_code == 403
        main = strict.get(url).content.decode().partition("<main")[2].partition("</main>")[0]
        assert main.count("csrfmiddlewaretoken") == main.count('method="post"') == 1
    ready.refresh_from_db()
    assert ready.status == "ready"


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_other_methods_are_refused(client, mailbox, ready, method):
    for url in (CHOOSE, check_url(mailbox), page_of(ready)):
        assert getattr(client, method)(url).status_code == 405
