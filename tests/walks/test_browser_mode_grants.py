"""The pages of MODE in a real browser: a GIA grants, decides, withdraws; without JavaScript, by keyboard, by phone."""

import re
from datetime import date

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from accounts.models import GrantRequest, ResetGrant
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import (
    GiaFactory,
    GrantRequestFactory,
    HolderFactory,
    ResetGrantFactory,
    SocialAccountFactory,
)
from tests.walks.test_browser_mode_form import enter, site, tab  # noqa: F401  fixtures
from tests.walks.test_browser_public import LONG_NAME, assert_sound, photograph, set_date

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = {"ordinateur": (1280, 900), "telephone": (390, 760)}
DAY = date(2026, 10, 15)


def story() -> dict:
    """A PO of thirty schools, of which one has everything that a page can show."""
    set_date(DAY)
    po = OrganisationFactory(po_unit=True, fase=900, name="Ville fictive")
    gia = GiaFactory(organisation=po, user__first_name="Gaëlle", user__last_name="Gia")
    school = OrganisationFactory(po=po, fase=247, name=LONG_NAME, mailbox=True)
    for n in range(30):
        OrganisationFactory(po=po, fase=1000 + n, name=f"École {n}")
    HolderFactory(organisation=school)
    granted = ResetGrantFactory(organisation=school, granted_by=gia.user, user__last_name="Active")
    ResetGrantFactory(organisation=school, revoked=True)
    ResetGrantFactory(organisation=school, over=True, granted_by=None)
    ResetGrantFactory(organisation=school, to_come=True)
    GrantRequestFactory(
        organisation=school, status="declined", decided_at=granted.recorded_at, decided_why="Inconnue."
    )
    asked = GrantRequestFactory(organisation=school, user__first_name="Ada", user__last_name="Demandeuse")
    SocialAccountFactory(user=asked.user, uid="sujet-ada")
    other = SocialAccountFactory(uid="sujet-exact", user__first_name="Sam", user__last_name="Secrétaire").user
    return {"gia": gia.user, "granted": granted, "asked": asked, "other": other}


PAGES = {
    "liste": lambda told: (told["gia"], reverse("mode_grants")),
    "recherche-vide": lambda told: (told["gia"], reverse("mode_grants") + "?q=introuvable"),
    "unite": lambda told: (told["gia"], reverse("mode_unit", args=["ec000247"])),
    "accorder": lambda told: (told["gia"], reverse("mode_grant", args=["ec000247"])),
    "retirer": lambda told: (told["gia"], reverse("mode_revoke", args=[told["granted"].pk])),
    "demande": lambda told: (told["gia"], reverse("mode_decide", args=[told["asked"].pk])),
    "miennes": lambda told: (told["granted"].user, reverse("mode_grants")),
    "miennes-demande": lambda told: (told["asked"].user, reverse("mode_ask")),
    "aucune": lambda told: (UserFactory(), reverse("mode_grants") + "?numero=ec000247"),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_overflows(tab, site, name, width):  # noqa: F811
    tab.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    user, path = PAGES[name](story())
    enter(tab.context, site, user)
    tab.goto(site + path)
    expect(tab.get_by_role("heading", level=1)).to_have_count(1)
    photograph(tab, f"permissions-{name}-{width}")
    assert_sound(tab)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["accorder", "retirer", "demande", "miennes"])
def test_the_forms_with_an_error_are_sound_and_the_summary_has_the_focus(tab, site, name, width):  # noqa: F811
    tab.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    user, path = PAGES[name](story())
    enter(tab.context, site, user)
    tab.goto(site + path)
    tab.locator("main form").last.get_by_role("button").click()
    expect(tab.get_by_role("alert")).to_be_focused()
    expect(tab).to_have_title(re.compile("^Erreur.: "))
    photograph(tab, f"permissions-{name}-erreur-{width}")
    assert_sound(tab)
    tab.get_by_role("alert").get_by_role("link").first.click()
    assert tab.evaluate("document.activeElement.tagName") in {"INPUT", "TEXTAREA"}


def grants_and_withdraws(page: Page, site: str) -> None:  # noqa: F811
    page.goto(site + reverse("mode_grants"))
    page.get_by_label("Chercher une unité").fill("247")
    page.get_by_role("button", name="Chercher").click()
    page.get_by_role("link", name=LONG_NAME).click()
    page.get_by_role("link", name="Accorder la permission").click()
    page.get_by_label("Identifiant Cerbère").fill("sujet-exact")
    page.get_by_role("button", name="Continuer").click()
    expect(page.locator("dl")).to_contain_text("Sam Secrétaire")
    page.get_by_role("button", name="Accorder la permission à Sam Secrétaire").click()
    expect(page.get_by_role("status")).to_contain_text("accordée à Sam Secrétaire")
    page.get_by_role("link", name="Traiter la demande de Ada Demandeuse").click()
    page.get_by_label("Accorder la permission").check()
    page.get_by_role("button", name="Envoyer ma réponse").click()
    expect(page.get_by_role("status")).to_contain_text("accordée à Ada Demandeuse")
    page.get_by_role("link", name="Retirer la permission de Sam Secrétaire").click()
    page.get_by_label("Motif du retrait").fill("Erreur de personne")
    page.get_by_role("button", name="Retirer la permission").click()
    expect(page.get_by_role("status")).to_contain_text("est retirée")
    expect(page.locator("#historique + ul")).to_contain_text("par Gaëlle Gia. Motif : Erreur de personne")


@pytest.mark.parametrize("javascript", [True, False], ids=["avec", "sans JavaScript"])
def test_a_gia_grants_decides_and_withdraws(browser: Browser, site, javascript):  # noqa: F811
    told = story()
    context = browser.new_context(java_script_enabled=javascript, viewport={"width": 390, "height": 760})
    try:
        enter(context, site, told["gia"])
        grants_and_withdraws(context.new_page(), site)
    finally:
        context.close()
    assert ResetGrant.objects.get(user=told["other"]).revoked_why == "Erreur de personne"
    assert GrantRequest.objects.get(pk=told["asked"].pk).grant.granted_by == told["gia"]


def test_a_person_asks_with_the_keyboard_alone(tab, site):  # noqa: F811
    told = story()
    enter(tab.context, site, told["other"])
    tab.goto(site + reverse("mode_grants"))
    tab.get_by_label("Numéro FASE").focus()
    tab.keyboard.type("00 247")
    tab.keyboard.press("Tab")
    tab.keyboard.type("Je remplace la directrice")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    # 247 is an establishment's number only: nothing to choose.
    expect(tab.get_by_role("status")).to_contain_text("Votre demande pour EC 000247 est enregistrée")
    assert GrantRequest.objects.get(user=told["other"]).message == "Je remplace la directrice"
