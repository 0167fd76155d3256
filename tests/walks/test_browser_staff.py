"""The genuine-mail check, the time machine and the register of contradictions, in a real browser."""

from datetime import date

import pytest
from playwright.sync_api import expect

from bma_portal.mail.authenticity import new_code
from tests.factories_migration import MoveFactory
from tests.support.rules_stage import person
from tests.walks.mode_scenes import set_date
from tests.walks.sound import assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_anybody_asks_whether_a_mail_is_ours(tab, site):
    set_date(date(2024, 11, 15))
    mail = MoveFactory(announced=True).mailings.get(step=1).mail
    mail.code = new_code()
    mail.save(update_fields=["code"])
    tab.goto(site)
    follow(tab, tab.get_by_role("link", name="Ce mail vient-il de nous ?"))
    assert_sound_at_each_size(tab, "authenticite")
    press(tab, "Vérifier ce code")
    expect(tab.get_by_role("alert")).to_be_focused()
    assert_sound_at_each_size(tab, "authenticite-erreur")
    field = tab.get_by_label("Code imprimé dans le mail")
    field.fill(mail.code.lower().replace("-", " "))
    follow(tab, "Enter")
    expect(tab.get_by_role("heading", name="Authentique")).to_be_visible()
    expect(field).to_have_value(mail.code.lower().replace("-", " "))
    assert_sound_at_each_size(tab, "authenticite-oui")
    field.fill(new_code())
    press(tab, "Vérifier ce code")
    expect(tab.get_by_role("heading", name="Inconnu")).to_be_visible()


def test_staff_go_back_to_a_day_and_read_the_contradictions(tab, site):
    move = MoveFactory(batch__establishments=True, credentials_sent=True)
    enter(tab.context, site, person("SGNE"))
    tab.goto(f"{site}/machine-a-remonter/")
    tab.get_by_label("Numéro FASE ou adresse de la boîte").fill(move.mailbox.address)
    tab.get_by_role("textbox", name="Jour").fill("15/11/2024")
    press(tab, "Remonter à ce jour")
    expect(tab.get_by_role("status").first).to_contain_text("Rien n’est enregistré")
    expect(tab.get_by_text("mot de passe envoyé", exact=True)).to_be_visible()
    assert_sound_at_each_size(tab, "machine-a-remonter")
    tab.get_by_role("textbox", name="Jour").fill("quinze novembre")
    press(tab, "Remonter à ce jour")
    expect(tab.get_by_role("alert")).to_be_focused()
    assert_sound_at_each_size(tab, "machine-a-remonter-erreur")
    tab.goto(f"{site}/contradictions/")
    assert_sound_at_each_size(tab, "contradictions")
