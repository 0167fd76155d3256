"""Signing in through the demo's Cerbère in a real browser, being warned, signing out: as a person does it."""

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.models import Authenticator
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from pytest_django import Settings

from accounts.models import User
from bma_portal.models import AuditEntry
from demo import accounts, one_time_code
from demo.cerbere.control import Cerbere

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning"),
]


@pytest.fixture
def cerbere(live_server, settings: Settings) -> Iterator[Cerbere]:
    with Cerbere.start() as started:
        settings.CERBERE_ISSUER, settings.PORTAL_URL = started.url, live_server.url
        accounts.create_people()
        yield started


@pytest.fixture
def said(page: Page) -> list[str]:
    """What the browser complains of: a breach of the content policy, above all."""
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def sign_in(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.get_by_role("button", name="Se connecter avec Cerbère").click()
    page.get_by_role("button", name=name, exact=True).click()


def test_in_by_cerbere_to_the_page_that_asked_and_out_again(page, live_server, cerbere, said):
    sign_in(page, f"{live_server.url}/admin/migration/batch/", "Sacha Inventé")
    page.wait_for_url(f"{live_server.url}/admin/migration/batch/")
    assert said == []
    page.get_by_role("button", name="Déconnexion").click()
    page.wait_for_url(f"{live_server.url}/connexion/fin/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")
    assert cerbere.state()["ended"] == 1
    page.go_back()  # the Back button shows nothing of what was behind
    page.goto(f"{live_server.url}/admin/")
    expect(page.get_by_role("button", name="Se connecter avec Cerbère")).to_be_visible()
    assert said == []
    assert list(AuditEntry.objects.order_by("seq").values_list("action", flat=True)) == ["sign_in", "sign_out"]


def test_staff_who_came_in_weakly_confirm_at_cerbere(page, live_server, cerbere, said):
    page.goto(f"{live_server.url}/connexion/?next=/admin/")
    page.get_by_role("button", name="Se connecter avec Cerbère").click()
    page.get_by_role("button", name="Sacha Inventé, avec le mot de passe seul").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Votre rôle demande une connexion renforcée")
    page.get_by_role("button", name="Confirmer mon identité chez Cerbère").click()
    page.get_by_role("button", name="Sacha Inventé", exact=True).click()
    page.wait_for_url(f"{live_server.url}/admin/")
    assert [line for line in said if "403" not in line] == []


def test_with_the_keyboard_alone(page, live_server, cerbere):
    page.goto(f"{live_server.url}/connexion/?next=/connexion/sessions/")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Se connecter avec Cerbère":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/authorize"))
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Dominique Fictive":
            break
    page.keyboard.press("Enter")
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
    found = Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['target']}" for v in found] == []
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
    other.get_by_role("button", name="Se connecter avec Cerbère").click()
    other.get_by_role("button", name="Dominique Fictive", exact=True).click()
    other.wait_for_url(f"{live_server.url}/connexion/sessions/")
    page.bring_to_front()
    if dialog.is_visible():  # it may have seen the new session by itself
        page.get_by_role("button", name="C’est fait : continuer ici").click()
    expect(dialog).not_to_be_visible()
    assert typed.input_value() != former
    page.get_by_role("button", name="Se déconnecter partout").click()  # the old page's form is good again
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_has_nothing_to_say_of_the_pages(width, page, live_server, cerbere):
    page.set_viewport_size({"width": width, "height": 900})
    found = []

    def look(where: str) -> None:
        for violation in Axe().run(page).response["violations"]:
            found.append(f"{where}: {violation['id']}: {violation['nodes'][0]['target']}")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{where}: scrolls sideways")

    for path in ("/connexion/", "/connexion/secours/", "/connexion/fin/", "/connexion/?fin=inactivite&perdu=1"):
        page.goto(live_server.url + path)
        look(path)
    page.goto(f"{live_server.url}/connexion/?next=/connexion/sessions/")
    page.get_by_role("button", name="Se connecter avec Cerbère").click()
    look("Cerbère")
    page.get_by_role("button", name="Dominique Fictive", exact=True).click()
    look("sessions")
    page.get_by_role("button", name="Se déconnecter partout").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vous êtes déconnecté")
    assert found == []


def test_a_break_glass_account_enrols_its_second_factor(page, live_server, cerbere, said):
    Authenticator.objects.all().delete()
    page.goto(f"{live_server.url}/connexion/secours/")
    page.get_by_label("Nom du compte de secours").fill("secours")
    page.get_by_label("Mot de passe").fill(accounts.PASSWORD)
    page.get_by_role("button", name="Continuer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Enregistrer un second facteur")
    assert page.get_by_role("img", name="Code QR").evaluate("image => image.naturalWidth") > 0
    found = Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['target']}" for v in found] == []
    secret = "".join(page.locator(".checklist .masked").inner_text().split())
    page.get_by_label("Code").fill(one_time_code.at(secret, time.time()))
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Codes de récupération")
    page.get_by_role("link", name="Aller à l’administration").click()
    page.wait_for_url(f"{live_server.url}/admin/")
    assert said == []
    assert User.objects.get(username="secours").break_glass
