"""The assistant in a real browser: a director on a phone, at the keyboard, without JavaScript, on paper."""

from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import expect

from tests.factories import MailboxFactory
from tests.factories_migration import MoveFactory
from tests.walks.mode_scenes import LONG_NAME, set_date
from tests.walks.sound import assert_sound_at_each_size, follow, photograph, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FULL = "/assistant/mails/plus-rien/sans-erreur/"
FIELD = "Numéro FASE ou adresse de la boîte"


def on(day: date, path: str) -> Callable[[], str]:
    def make() -> str:
        set_date(day)
        return path

    return make


def full_mailbox() -> str:
    set_date(date(2024, 11, 6))
    move = MoveFactory(confirmed=True, mailbox__organisation__name=LONG_NAME)
    return f"{FULL}?numero=po{move.mailbox.organisation.fase}"


SCENES: dict[str, Callable[[], str]] = {
    "assistant-accueil": on(date(2025, 9, 2), "/assistant/"),
    "assistant-messages": on(date(2025, 9, 2), "/assistant/mot-de-passe/refuse/"),
    "assistant-erreur": on(date(2024, 11, 6), f"{FULL}?numero=mon-école"),
    "assistant-boite-pleine": full_mailbox,
    "assistant-hors-garantie": on(date(2025, 9, 2), "/assistant/materiel/panne/?livraison=01/02/2021"),
    "assistant-usage": on(date(2025, 9, 2), "/assistant/usage/parents/"),
    "assistant-vrai-mail": on(date(2024, 10, 9), "/assistant/migration/vrai-mail/"),
}


@pytest.mark.parametrize("scene", SCENES)
def test_axe_finds_nothing_and_nothing_overflows(tab, site, scene):
    tab.goto(site + SCENES[scene]())
    assert_sound_at_each_size(tab, scene)
    if scene == "assistant-boite-pleine":
        tab.emulate_media(media="print")
        expect(tab.get_by_text("80 Mo").first).to_be_visible()
        expect(tab.get_by_role("heading", name="Est-ce que cela a résolu")).to_be_hidden()
        photograph(tab, f"{scene}-imprimee")


def test_with_the_keyboard_alone_from_the_home_page_to_the_right_team_and_back(tab, site):
    set_date(date(2024, 11, 12))
    box = MailboxFactory(organisation__fase=247)
    tab.goto(site)
    tab.get_by_role("link", name="Trouver une solution").focus()
    follow(tab, "Enter")
    for answer in (
        "Des mails qui n’arrivent pas",
        "Je ne reçois plus aucun mail",
        "Non\N{NO-BREAK SPACE}: aucune erreur",
    ):
        tab.get_by_role("link", name=answer).focus()
        follow(tab, "Enter")
    tab.get_by_label(FIELD).focus()
    tab.keyboard.type("mon école")
    follow(tab, "Enter")
    expect(tab.get_by_role("alert")).to_be_focused()
    expect(tab.get_by_label(FIELD)).to_have_value("mon école")
    tab.get_by_label(FIELD).fill("247")
    follow(tab, "Enter")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Votre boîte est sans doute pleine")
    expect(tab.get_by_text("Votre demande ira à l’ETNIC")).to_be_visible()
    expect(tab.get_by_text(box.organisation.name).first).to_be_visible()
    tab.go_back()
    tab.go_forward()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Votre boîte est sans doute pleine")
    follow(tab, tab.get_by_role("link", name="Modifier").first)
    made = tab.get_by_role("link", name="Votre réponse actuelle")
    expect(made).to_have_count(1)
    follow(tab, made)
    expect(tab.get_by_role("heading", level=1)).to_have_text("Votre boîte est sans doute pleine")


def test_everything_works_on_a_phone_without_javascript(site, new_context):
    set_date(date(2025, 9, 2))
    page = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page()
    page.goto(f"{site}/assistant/")
    follow(page, page.get_by_role("link", name="Un ordinateur fourni par la Fédération"))
    follow(page, page.get_by_role("link", name="Il est en panne"))
    page.get_by_label("Date de livraison").fill("bientôt")
    press(page, "Continuer")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_label("Date de livraison").fill("3 septembre 2022")
    press(page, "Continuer")
    expect(page.get_by_text("Le matériel est sous garantie")).to_be_visible()
    expect(page.get_by_text("sttd@priminfo.be").first).to_be_visible()
    follow(page, page.get_by_role("link", name="Oui, c’est réglé"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Tant mieux, et merci")
