"""The rules of routing as SGNE reads and changes them, in a real browser: keyboard, phone."""

from datetime import date

import pytest
from playwright.sync_api import expect

from support.models import RoutingRule
from tests.support.rules_stage import current, person
from tests.walks.mode_scenes import set_date
from tests.walks.sound import assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_sgne_reads_the_matrix_tries_a_question_and_changes_a_rule(tab, site):
    set_date(date(2024, 11, 15))
    enter(tab.context, site, person("SGNE"))
    rule = current("ancien-mot-de-passe", 50)

    tab.goto(f"{site}/desk/regles/?date=2025-09-01")
    cell = tab.locator("#ancien-mot-de-passe + div summary").first
    cell.focus()
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("Transmis au service Enseignement.be").first).to_be_visible()
    assert_sound_at_each_size(tab, "regles")

    tab.goto(f"{site}/desk/regles/essai/?besoin=panne&type=CTA")
    expect(tab.get_by_role("alert")).to_be_focused()
    assert_sound_at_each_size(tab, "regles-essai-erreur")
    tab.get_by_label("Phase de l’unité imaginée").select_option("P6")
    tab.get_by_label("Quel jour l’appareil a-t-il été livré ?").fill("15/11/2021")
    press(tab, "Voir la réponse")
    expect(tab.get_by_role("heading", level=2)).to_contain_text("Priminfo")
    assert_sound_at_each_size(tab, "regles-essai")

    tab.goto(f"{site}/desk/regles/{rule.pk}/modifier/")
    tab.get_by_label("Équipe", exact=True).select_option("etnic")
    tab.get_by_label("Pourquoi ce changement").fill("Accord du 15 novembre 2024")
    follow(tab, "Enter")
    expect(tab.get_by_role("heading", name="Ce qui changerait")).to_be_visible()
    assert_sound_at_each_size(tab, "regles-modifier")
    press(tab, "Confirmer ce changement")
    expect(tab.get_by_role("status").first).to_contain_text("La règle est changée")
    assert RoutingRule.objects.get(replaces=rule).team == "etnic"
