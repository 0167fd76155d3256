"""The pages of MODE in a real browser: a GIA grants, decides, withdraws; without JavaScript, by keyboard, by phone."""

import re
from datetime import date

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import GrantRequest, ResetGrant
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import (
    GiaFactory,
    GrantRequestFactory,
    HolderFactory,
    ResetGrantFactory,
    SocialAccountFactory,
)
from tests.walks.mode_scenes import LONG_NAME, set_date
from tests.walks.sound import assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
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


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_and_nothing_overflows(tab, site, name):
    user, path = PAGES[name](story())
    enter(tab.context, site, user, strong=False)
    tab.goto(site + path)
    expect(tab.get_by_role("heading", level=1)).to_have_count(1)
    assert_sound_at_each_size(tab, f"permissions-{name}")


@pytest.mark.parametrize("name", ["accorder", "retirer", "demande", "miennes"])
def test_the_forms_with_an_error_are_sound_and_the_summary_has_the_focus(tab, site, name):
    user, path = PAGES[name](story())
    enter(tab.context, site, user, strong=False)
    tab.goto(site + path)
    follow(tab, tab.locator("main form").last.get_by_role("button"))
    expect(tab.get_by_role("alert")).to_be_focused()
    expect(tab).to_have_title(re.compile("^Erreur.: "))
    assert_sound_at_each_size(tab, f"permissions-{name}-erreur")
    tab.get_by_role("alert").get_by_role("link").first.click()
    assert tab.evaluate("document.activeElement.tagName") in {"INPUT", "TEXTAREA"}


def grants_and_withdraws(page: Page, site: str) -> None:
    def go(name: str) -> None:
        follow(page, page.get_by_role("link", name=name))

    page.goto(site + reverse("mode_grants"))
    page.get_by_label("Chercher une unité").fill("247")
    press(page, "Chercher")
    go(LONG_NAME)
    go("Accorder la permission")
    page.get_by_label("Identifiant Cerbère").fill("sujet-exact")
    press(page, "Continuer")
    expect(page.locator("dl")).to_contain_text("Sam Secrétaire")
    press(page, "Accorder la permission à Sam Secrétaire")
    expect(page.get_by_role("status")).to_contain_text("accordée à Sam Secrétaire")
    go("Traiter la demande de Ada Demandeuse")
    page.get_by_label("Accorder la permission").check()
    press(page, "Envoyer ma réponse")
    expect(page.get_by_role("status")).to_contain_text("accordée à Ada Demandeuse")
    go("Retirer la permission de Sam Secrétaire")
    page.get_by_label("Motif du retrait").fill("Erreur de personne")
    follow(page, page.get_by_role("button", name="Retirer la permission"))
    expect(page.get_by_role("status")).to_contain_text("est retirée")
    expect(page.locator("#historique + ul")).to_contain_text("par Gaëlle Gia. Motif : Erreur de personne")


@pytest.mark.parametrize("javascript", [True, False], ids=["avec", "sans JavaScript"])
def test_a_gia_grants_decides_and_withdraws(new_context, site, javascript):
    told = story()
    context = new_context(java_script_enabled=javascript, viewport={"width": 390, "height": 760})
    enter(context, site, told["gia"], strong=False)
    grants_and_withdraws(context.new_page(), site)
    assert ResetGrant.objects.get(user=told["other"]).revoked_why == "Erreur de personne"
    assert GrantRequest.objects.get(pk=told["asked"].pk).grant.granted_by == told["gia"]


def test_a_person_asks_with_the_keyboard_alone(tab, site):
    told = story()
    enter(tab.context, site, told["other"], strong=False)
    tab.goto(site + reverse("mode_grants"))
    tab.get_by_label("Numéro FASE").focus()
    tab.keyboard.type("00 247")
    tab.keyboard.press("Tab")
    tab.keyboard.type("Je remplace la directrice")
    tab.keyboard.press("Tab")
    follow(tab, "Enter")
    # 247 is an establishment's number only: nothing to choose.
    expect(tab.get_by_role("status")).to_contain_text("Votre demande pour EC 000247 est enregistrée")
    assert GrantRequest.objects.get(user=told["other"]).message == "Je remplace la directrice"
