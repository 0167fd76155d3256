"""« Quel mot de passe ? », the MODE form and the password on the screen, in a real browser: keyboard, phone, paper."""

import re
from urllib.parse import urlsplit

import pypdfium2
import pytest
from playwright.sync_api import Page, expect

from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from support.models import PasswordReset
from tests.support.mode_stage import CHOOSE, check_url, number
from tests.support.resets_stage import box, granted
from tests.walks.mode_scenes import SCENES, TODAY, mine, set_date
from tests.walks.sound import assert_sound_at_each_size, enter, follow, photograph, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SHOW = "Afficher mon nouveau mot de passe"


@pytest.fixture(autouse=True)
def today(site) -> None:
    set_date(TODAY)


@pytest.mark.parametrize("scene", SCENES)
def test_axe_finds_nothing_and_nothing_overflows(tab, site, scene):
    path, user = SCENES[scene]()
    if user:
        enter(tab.context, site, user, strong=False)
    tab.goto(site + path)
    assert_sound_at_each_size(tab, scene)


def test_the_form_with_an_error_and_the_password_shown_masked_and_erased_are_sound_too(tab, site):
    path, user = mine()
    enter(tab.context, site, user, strong=False)
    tab.goto(site + path)
    press(tab, "Remplacer le mot de passe")
    expect(tab.get_by_role("alert")).to_be_focused()
    assert_sound_at_each_size(tab, "verifier-erreur")
    reach_the_password(tab, site, path)
    assert_sound_at_each_size(tab, "affiche")
    tab.get_by_role("button", name="Masquer").click()
    expect(tab.get_by_role("button", name="Afficher encore")).to_be_visible()
    assert_sound_at_each_size(tab, "masque")
    tab.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    expect(tab.get_by_text("n’est plus sur cette page")).to_be_visible()
    assert_sound_at_each_size(tab, "efface")


def reach_the_password(page: Page, site: str, path: str) -> str:
    """Through the form with the mouse; the password that the directory now has."""
    page.goto(site + path)
    page.get_by_role("checkbox").check()
    press(page, "Remplacer le mot de passe")
    press(page, SHOW)
    expect(page.get_by_role("heading", level=1)).to_have_text("Notez-le maintenant")
    return in_force(path)


def in_force(path: str) -> str:
    return MemoryDirectory.passwords[f"{path.split('/')[3]}@adm.cfwb.be"].reveal()


SEEN = """() => {
    const e = document.activeElement, style = getComputedStyle(e);
    return [(e.labels?.[0] ?? e).textContent.trim(), style.outlineStyle !== "none" && style.outlineWidth !== "0px"];
}"""


def reach(page: Page, name: str) -> None:
    """Tab to what bears that text, seeing the focus at each step."""
    for _ in range(60):
        page.keyboard.press("Tab")
        text, seen = page.evaluate(SEEN)
        if text.startswith(name):
            assert seen, f"le focus ne se voit pas sur {text}"
            return
    photograph(page, "clavier")
    raise AssertionError(f"« {name} » ne s’atteint pas au clavier")


def reach_and_follow(page: Page, name: str) -> None:
    reach(page, name)
    follow(page, "Enter")


def test_from_the_home_page_to_the_password_with_the_keyboard_alone(tab, site):
    mailbox = box()
    enter(tab.context, site, granted(mailbox), strong=False)
    tab.goto(site)
    reach_and_follow(tab, "Mot de passe perdu")
    reach_and_follow(tab, "La boîte, dans la nouvelle interface")
    reach(tab, "Numéro FASE")
    tab.keyboard.type(str(mailbox.organisation.fase))
    follow(tab, "Enter")
    reach_and_follow(tab, "Demander un nouveau mot de passe")
    expect(tab.get_by_role("radio")).to_be_checked()
    reach_and_follow(tab, "Continuer")
    reach(tab, "Je comprends")
    tab.keyboard.press("Space")
    reach_and_follow(tab, "Remplacer le mot de passe")
    reach_and_follow(tab, SHOW)
    clear = in_force(check_url(mailbox))
    expect(tab.locator("[data-password-text]")).to_have_text(clear)
    reach(tab, "Masquer")
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Afficher encore")).to_be_focused()
    tab.keyboard.press("Enter")
    expect(tab.get_by_role("button", name="Masquer")).to_be_focused()
    expect(tab.locator("[data-password-text]")).to_have_text(clear)
    reach(tab, "Demandez-en un autre")


def test_the_whole_way_without_javascript_on_a_phone(site, new_context):
    mailbox = box()
    context = new_context(java_script_enabled=False, viewport={"width": 390, "height": 760})
    enter(context, site, granted(mailbox), strong=False)
    page = context.new_page()
    page.goto(site)
    follow(page, page.get_by_role("navigation").get_by_role("link", name="Mot de passe perdu"))
    follow(page, page.get_by_role("link", name="La boîte, dans la nouvelle interface"))
    page.get_by_label("Numéro FASE").fill(number(mailbox))
    press(page, "Continuer")
    follow(page, page.get_by_role("link", name="Demander un nouveau mot de passe"))
    press(page, "Continuer")
    press(page, "Remplacer le mot de passe")
    expect(page).to_have_title(re.compile("^Erreur"))
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("checkbox").check()
    press(page, "Remplacer le mot de passe")
    press(page, SHOW)
    expect(page.locator("[data-password-text]")).to_have_text(in_force(check_url(mailbox)))
    photograph(page, "affiche-sans-javascript")
    for button in ("Copier le mot de passe", "Masquer", "Imprimer le feuillet"):
        expect(page.get_by_role("button", name=button)).to_have_count(0)
    follow(page, page.get_by_role("link", name="quitter cette page"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Le mot de passe a été affiché")
    press(page, "Se déconnecter")
    page.goto(site + CHOOSE)
    expect(page).to_have_url(re.compile("/connexion/"))


@pytest.fixture
def shown(tab, site) -> tuple[Page, str]:
    path, user = mine()
    enter(tab.context, site, user, strong=False)
    return tab, reach_the_password(tab, site, path)


def test_what_is_selected_is_the_password_sign_for_sign(shown):
    page, clear = shown
    selected = page.evaluate(
        """() => { getSelection().selectAllChildren(document.querySelector("[data-password-text]"));
            return getSelection().toString() }"""
    )
    assert selected == clear
    said = page.locator(".spelling > li > ul > li").all_inner_texts()
    assert len(said) == len(clear)


def test_the_button_copies_it_and_says_so(shown, site):
    page, clear = shown
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=site)
    status = page.get_by_role("status").filter(has_text="mot de passe")
    page.get_by_role("button", name="Copier le mot de passe").click()
    expect(status).to_contain_text("est copié")
    other = page.context.new_page()  # no page may read the clipboard: paste, as a person does
    other.set_content("<textarea aria-label='ici'></textarea>")
    other.get_by_label("ici").press("Control+V")
    expect(other.get_by_label("ici")).to_have_value(clear)


def test_without_a_clipboard_the_button_selects_it(shown):
    page, clear = shown
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Masquer").click()
    page.get_by_role("button", name="Copier le mot de passe").click()
    expect(page.locator("[data-password-status]")).to_contain_text("est sélectionné")
    assert page.evaluate("getSelection().toString()") == clear


def test_after_a_minute_it_is_masked_and_shown_again_as_often_as_asked(tab, site):
    path, user = mine()
    enter(tab.context, site, user, strong=False)
    tab.clock.install()
    clear = reach_the_password(tab, site, path)
    for _ in range(3):
        tab.clock.run_for(59_000)
        expect(tab.locator("[data-password-text]")).to_have_text(clear)
        tab.clock.run_for(1_100)
        expect(tab.locator("[data-password-status]")).to_contain_text("est masqué")
        assert clear not in tab.content().replace('</span><span class="password-group">', "")
        assert "minuscule comme" not in tab.content()
        tab.get_by_role("button", name="Afficher encore").click()
        expect(tab.locator("[data-password-text]")).to_have_text(clear)


def test_nothing_of_it_is_left_in_the_browser(shown, site):
    page, clear = shown
    assert clear not in page.title()
    assert clear not in page.url
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, history.state])")
    assert kept == '[{},{},"",null]'
    fields = page.evaluate("[...document.querySelectorAll('input')].map(e => e.value)")
    assert clear not in "".join(fields)


@pytest.mark.parametrize("script", [True, False], ids=["avec-javascript", "sans-javascript"])
def test_going_back_to_it_shows_no_password(site, new_context, script):
    path, user = mine()
    context = new_context(java_script_enabled=script)
    enter(context, site, user, strong=False)
    page = context.new_page()
    clear = reach_the_password(page, site, path)
    follow(page, page.get_by_role("link", name="quitter cette page"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Le mot de passe a été affiché")
    page.go_back(wait_until="commit")
    page.wait_for_timeout(500)
    left = page.content().replace('</span><span class="password-group">', "")
    assert clear not in left
    assert clear[:4] not in left


def test_leaving_erases_it_even_from_a_page_that_the_browser_keeps_alive(shown):
    page, clear = shown
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    expect(page.get_by_text("n’est plus sur cette page")).to_be_visible()
    assert clear[:4] not in page.locator("main").inner_text()
    expect(page.get_by_role("button", name="Afficher encore")).to_have_count(0)


def test_the_page_that_shows_it_tells_nobody_where_one_comes_from_and_keeps_the_session_alive(shown, site):
    page, _ = shown
    sent = []
    page.on("request", lambda request: sent.append(request.headers.get("referer", "")))
    answer = page.evaluate(
        """async () => { const f = document.querySelector("#fin-de-session form");
            return (await fetch(f.action, { method: "POST", body: new FormData(f) })).status }"""
    )
    assert answer == 200
    follow(page, page.get_by_role("link", name="quitter cette page"))
    assert set(sent) <= {"", f"{site}/"} or not any("demande" in referer for referer in sent[:2])


def test_the_slip_prints_on_one_page_with_what_is_needed_and_nothing_else(shown, site):
    page, clear = shown
    page.get_by_role("button", name="Masquer").click()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")  # what Ctrl + P does first
    page.emulate_media(media="print")
    photograph(page, "feuillet")
    document = pypdfium2.PdfDocument(page.pdf(format="A4"))
    assert len(document) == 1
    text = re.sub(r"\s+", " ", document[0].get_textpage().get_text_bounded())
    assert clear in text.replace(" ", "")
    mailbox = PasswordReset.objects.get().mailbox
    for words in (mailbox.address, "6 octobre 2025", "https://ec.cfwb.be/owa", "comme"):
        assert words in text
    for words in ("Notez-le maintenant", "Et maintenant", "Accueil", "Copier", urlsplit(site).netloc):
        assert words not in text


def test_a_directory_that_is_away_is_said_and_the_password_comes_later(tab, site):
    path, user = mine()
    enter(tab.context, site, user, strong=False)
    MemoryDirectory.answers = [Outcome(Verdict.RETRY, "injoignable", "L’annuaire ne répond pas.", wide=True)]
    tab.goto(site + path)
    tab.get_by_role("checkbox").check()
    press(tab, "Remplacer le mot de passe")
    expect(tab.get_by_text("L’annuaire des mots de passe ne répond pas")).to_be_visible()
    photograph(tab, "demande-annuaire-absent")
    expect(tab.get_by_role("button", name=SHOW)).to_have_count(0)
