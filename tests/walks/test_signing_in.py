"""Signing in through the demo's Cerbère in a real browser, being warned, signing out: as a person does it."""

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from bma_portal.models import AuditEntry
from demo import accounts, one_time_code
from demo.cerbere.control import Cerbere
from tests.walks.sound import SIZES, at_each_size, follow, hear, press, violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning"),
]


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Cerbere]:
    with Cerbere.start() as started:
        yield started


@pytest.fixture
def cerbere(stand_in: Cerbere, live_server, settings: Settings) -> Cerbere:
    settings.CERBERE_ISSUER, settings.PORTAL_URL = stand_in.url, live_server.url
    accounts.create_people()
    return stand_in


@pytest.fixture
def said(page: Page) -> list[str]:
    return hear(page)


def sign_in(page: Page, url: str, name: str) -> None:
    page.goto(url)
    press(page, "Se connecter avec Cerbère")
    press(page, name)


def test_in_by_cerbere_to_the_page_that_asked_and_out_again(page, live_server, cerbere, said):
    ended = cerbere.state()["ended"]
    sign_in(page, f"{live_server.url}/admin/migration/batch/", "Sacha Inventé")
    page.wait_for_url(f"{live_server.url}/admin/migration/batch/")
    assert said == []
    press(page, "Déconnexion")
    page.wait_for_url(f"{live_server.url}/connexion/fin/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")
    assert cerbere.state()["ended"] == ended + 1
    page.go_back()  # the Back button shows nothing of what was behind
    page.goto(f"{live_server.url}/admin/")
    expect(page.get_by_role("button", name="Se connecter avec Cerbère")).to_be_visible()
    assert said == []
    assert list(AuditEntry.objects.order_by("seq").values_list("action", flat=True)) == ["sign_in", "sign_out"]


def test_staff_who_came_in_weakly_confirm_at_cerbere(page, live_server, cerbere, said):
    page.goto(f"{live_server.url}/connexion/?next=/admin/")
    press(page, "Se connecter avec Cerbère")
    press(page, "Sacha Inventé, avec le mot de passe seul")
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre rôle demande une connexion renforcée")
    press(page, "Confirmer mon identité chez Cerbère")
    press(page, "Sacha Inventé")
    page.wait_for_url(f"{live_server.url}/admin/")
    assert [line for line in said if "403" not in line] == []


def test_with_the_keyboard_alone(page, live_server, cerbere):
    page.goto(f"{live_server.url}/connexion/?next=/connexion/sessions/")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Se connecter avec Cerbère":
            break
    follow(page, "Enter")
    page.wait_for_url(re.compile("/authorize"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Dominique Fictive":
            break
    follow(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vos sessions ouvertes")


def test_two_minutes_before_the_end_a_dialog_warns_and_extends(page, live_server, cerbere, settings, said):
    sign_in(page, f"{live_server.url}/connexion/sessions/", "Dominique Fictive")
    page.wait_for_url(f"{live_server.url}/connexion/sessions/")
    dialog = page.get_by_role("dialog")
    assert not dialog.is_visible()
    settings.SESSION_IDLE_SECONDS = 100
    page.goto(f"{live_server.url}/connexion/sessions/")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text("Il reste 2 minutes")
    assert violations(page) == []
    assert page.evaluate("document.activeElement.innerText") == "Rester connecté"
    settings.SESSION_IDLE_SECONDS = 900
    page.keyboard.press("Enter")
    expect(dialog).not_to_be_visible()
    assert said == []


def test_after_the_end_what_was_typed_is_still_there_once_signed_in_again(page, live_server, cerbere, settings):
    sign_in(page, f"{live_server.url}/connexion/sessions/", "Dominique Fictive")
    page.wait_for_url(f"{live_server.url}/connexion/sessions/")
    settings.SESSION_IDLE_SECONDS = 3
    page.goto(f"{live_server.url}/connexion/sessions/")
    typed = page.locator("input[name=csrfmiddlewaretoken]").last  # stands for all that a page holds
    former = typed.input_value()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Votre session a pris fin", timeout=15_000)
    page.wait_for_timeout(1500)  # its clock counts whole seconds
    page.request.get(f"{live_server.url}/connexion/sessions/", max_redirects=0)  # the server thinks so too
    settings.SESSION_IDLE_SECONDS = 900
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Me reconnecter dans un nouvel onglet").press("Enter")
    other = opened.value
    press(other, "Se connecter avec Cerbère")
    press(other, "Dominique Fictive")
    other.wait_for_url(f"{live_server.url}/connexion/sessions/")
    page.bring_to_front()
    # The dialog may have seen the new session by itself, and be closed or closing: the button is pressed all the same.
    page.get_by_role("button", name="C’est fait : continuer ici", include_hidden=True).dispatch_event("click")
    expect(dialog).not_to_be_visible()
    assert typed.input_value() != former
    press(page, "Se déconnecter partout")  # the old page's form is good again
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")


def test_axe_has_nothing_to_say_of_the_pages(page, live_server, cerbere):
    found = []

    def look(where: str) -> None:
        for size in at_each_size(page):
            found.extend(f"{where}, {size}: {violation}" for violation in violations(page))
            if page.evaluate("document.documentElement.scrollWidth") > SIZES[size][0]:
                found.append(f"{where}, {size}: scrolls sideways")

    for path in ("/connexion/", "/connexion/secours/", "/connexion/fin/", "/connexion/?fin=inactivite&perdu=1"):
        page.goto(live_server.url + path)
        look(path)
    page.goto(f"{live_server.url}/connexion/?next=/connexion/sessions/")
    press(page, "Se connecter avec Cerbère")
    look("Cerbère")
    press(page, "Dominique Fictive")
    look("sessions")
    press(page, "Se déconnecter partout")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")
    assert found == []


def test_a_break_glass_account_enrols_its_second_factor(page, live_server, cerbere, said):
    Authenticator.objects.all().delete()
    page.goto(f"{live_server.url}/connexion/secours/")
    page.get_by_label("Nom du compte de secours").fill("secours")
    page.get_by_label("Mot de passe").fill(accounts.PASSWORD)
    press(page, "Continuer")
    expect(page.get_by_role("heading", level=1)).to_have_text("Enregistrer un second facteur")
    assert page.get_by_role("img", name="Code QR").evaluate("image => image.naturalWidth") > 0
    assert violations(page) == []
    secret = "".join(page.locator(".checklist .masked").inner_text().split())
    page.get_by_label("Code").fill(one_time_code.at(secret, time.time()))
    press(page, "Enregistrer")
    expect(page.get_by_role("heading", level=1)).to_have_text("Codes de récupération")
    follow(page, page.get_by_role("link", name="Aller à l’administration"))
    page.wait_for_url(f"{live_server.url}/admin/")
    assert said == []
    assert User.objects.get(username="secours").break_glass
