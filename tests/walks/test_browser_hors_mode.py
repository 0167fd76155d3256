"""The hors-MODE way in a real browser, from the lost mailbox to the password: both sides, with and without JavaScript.

Each state is looked at by axe, and photographed where SCREENSHOTS names a folder.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page, expect

from accounts.models import Contact, User
from bma_portal import clock
from bma_portal.mail.compose import Letter, letters
from bma_portal.mail.models import OutgoingMail
from demo.directory import MemoryDirectory
from support import resets
from support.models import PasswordReset
from tests.factories import ContactFactory, OrganisationFactory
from tests.sign_in import sign_in
from tests.support.resets_stage import AT, PHONE, box, hors_mode_box, ready, received, staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FORM = "/mot-de-passe/hors-mode/"
WIDTHS = {"ordinateur": 1280, "telephone": 390}


@pytest.fixture
def site(live_server) -> Iterator[str]:
    clock.set_for_every_process(AT, seconds=600)
    for team in ("sgne", "etnic", "priminfo", "enseignement_be"):
        if not Contact.objects.filter(team=team).exists():
            ContactFactory(team=team, email=f"{team}@exemple.test", phone="+32 2 800 10 10")
    MemoryDirectory.forget()
    yield live_server.url
    MemoryDirectory.forget()


@pytest.fixture
def card(tmp_path: Path) -> Path:
    """An invented identity card, masked as the page asks."""
    image = Image.new("RGB", (856, 540), (214, 228, 236))
    draw = ImageDraw.Draw(image)
    draw.rectangle((40, 120, 260, 420), fill=(20, 20, 20))
    draw.text((320, 160), "NOM  FICTIVE", fill=(0, 0, 0), font_size=36)
    draw.text((320, 230), "PRENOM  CAMILLE", fill=(0, 0, 0), font_size=36)
    draw.rectangle((320, 400, 760, 460), fill=(20, 20, 20))
    path = tmp_path / "carte.png"
    out = BytesIO()
    image.save(out, "PNG")
    path.write_bytes(out.getvalue())
    return path


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A tab of its own, which complains in the end of what the browser complained of."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_one(*, scripts: bool = True, width: int = 1280) -> Page:
        context = browser.new_context(java_script_enabled=scripts, viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)  # the machine may be busy with other tests
        page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.complaints = complaints  # type: ignore[attr-defined]
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


def photograph(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def look(page: Page, name: str, *, scripts: bool = True) -> None:
    """Nothing for axe to say, nothing that overflows, no target too small; a photograph is kept if asked."""
    photograph(page, name)
    if not scripts:
        return  # axe is a script
    found = Axe().run(page)
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{name} déborde de {overflow} px"
    small = page.evaluate(
        """() => [...document.querySelectorAll("main button, main input:not([type=hidden]):not([tabindex='-1'])")]
            .filter(e => e.getClientRects().length && Math.min(e.offsetHeight, e.offsetWidth) < 24)
            .map(e => e.outerHTML)"""
    )
    assert small == [], name


def the_letter(kind: str) -> Letter:
    """The last mail of that kind, as it would leave now: what a person reads of it."""
    row = OutgoingMail.objects.filter(kind=kind).latest("pk")
    letter = letters([row], at=AT)[row.pk]
    assert isinstance(letter, Letter), letter
    return letter


def sign_in_here(page: Page, site: str, user: User) -> None:
    client = sign_in(Client(), user)
    host = urlsplit(site).hostname
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "domain": host, "path": "/"}
    page.context.add_cookies([cookie])


def fill(page: Page, card: Path) -> None:
    page.locator("#id_last_name").fill("Fictive")
    page.get_by_label("Prénom").fill("Camille")
    page.get_by_label("Adresse de contact").fill("camille@exemple.test")
    page.get_by_label("Téléphone où vous joindre").fill("0470 00 00 00")
    page.get_by_label("Copie masquée du recto de votre carte d’identité").set_input_files(card)
    page.get_by_label("J’ai compris").check()
    time.sleep(3.1)  # as long as a person needs at the very least


def press(page: Page, name: str) -> None:
    """And wait for the page that follows: axe must not look at one that is leaving."""
    with page.expect_navigation():
        page.get_by_role("button", name=name, exact=True).click()


@pytest.mark.parametrize("scripts", [True, False], ids=["avec-javascript", "sans-javascript"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_whole_way_on_both_sides(site, open_tab, card, scripts, width):
    mailbox = hors_mode_box()
    page = open_tab(scripts=scripts, width=WIDTHS[width])
    suffix = f"{width}{'' if scripts else '-sans-js'}"

    def see(name: str) -> None:
        look(page, f"hm-{name}-{suffix}", scripts=scripts)

    page.goto(site + FORM)
    see("1-quelle-boite")
    page.get_by_label("Numéro FASE ou adresse de la boîte").fill(f"ec{mailbox.organisation.fase}")
    press(page, "Continuer")
    see("2-formulaire")
    fill(page, card)
    page.get_by_label("Adresse de contact").fill("camille")
    press(page, "Vérifier mes réponses")
    expect(page).to_have_title(re.compile(r"^Erreur : "))
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_text("Votre copie est déjà reçue.")).to_be_visible()
    see("3-erreur")
    page.get_by_label("Adresse de contact").fill("camille@exemple.test")
    press(page, "Vérifier mes réponses")
    see("4-verifier")
    page.get_by_role("link", name="Modifier le téléphone").click()
    page.get_by_label("Téléphone où vous joindre").fill("0470 00 00 01")
    time.sleep(3.1)
    press(page, "Vérifier mes réponses")
    expect(page.get_by_text("0470 00 00 01")).to_be_visible()
    press(page, "Confirmer et recevoir le code")
    see("5-code")
    press(page, "Confirmer mon adresse")
    expect(page.get_by_role("alert")).to_be_focused()
    see("6-code-erreur")
    code = re.search(r"\b[0-9]{6}\b", the_letter("reset.contact_code").text)[0]
    page.get_by_label("Code à six chiffres").fill(code)
    press(page, "Confirmer mon adresse")
    reset = PasswordReset.objects.get()
    expect(page.get_by_text(reset.reference)).to_be_visible()
    see("7-recue")

    # The worker, the verifier, the executor
    resets.tick(at=AT)
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.RECEIVED
    spoken = examine(open_tab(scripts=scripts, width=WIDTHS[width]), site, reset, scripts=scripts, suffix=suffix)
    execute(open_tab(scripts=scripts, width=WIDTHS[width]), site, reset, scripts=scripts, suffix=suffix)

    # The link of the mail, the code said on the phone
    link = re.search(r"https?://\S+/mot-de-passe/retrait/\S+", the_letter("reset.pick_up").text)[0]
    page.goto(site + urlsplit(link).path)
    see("8-retrait")
    page.get_by_label("Code donné par téléphone").fill("BCDF 2345")
    press(page, "Afficher le mot de passe")
    expect(page.get_by_role("alert")).to_be_focused()
    see("9-retrait-erreur")
    page.get_by_label("Code donné par téléphone").fill(spoken.lower())
    press(page, "Afficher le mot de passe")
    password = MemoryDirectory.passwords[mailbox.address].reveal()
    expect(page.locator("[data-password-text]")).to_have_text(password)
    assert password not in page.title() + page.url
    see("10-mot-de-passe")
    page.reload(wait_until="domcontentloaded")  # the browser posts again: spent
    expect(page.locator("[data-password-text]")).to_have_count(0)


def examine(page: Page, site: str, reset: PasswordReset, *, scripts: bool, suffix: str) -> str:
    """A verifier takes charge, looks at the proof, calls back, accepts; returns the code that was shown."""
    sign_in_here(page, site, staff("Vérification"))
    page.goto(site + "/admin/support/passwordreset/")
    look_staff(page, f"hm-a-liste-{suffix}", scripts=scripts)
    page.get_by_role("link", name=reset.reference).click()
    page.get_by_role("link", name="Prendre en charge").click()
    look_staff(page, f"hm-b-prendre-{suffix}", scripts=scripts)
    press(page, "Prendre en charge")
    look_staff(page, f"hm-c-fiche-{suffix}", scripts=scripts)
    page.get_by_role("link", name="Ouvrir la preuve").click()
    image = page.get_by_role("img", name="Page 1 de la copie")
    expect(image).to_be_visible()
    if scripts:
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 100
    look_staff(page, f"hm-d-preuve-{suffix}", scripts=scripts)
    page.get_by_role("link", name="Retour à la demande").click()
    page.get_by_role("link", name="Refuser").click()
    press(page, "Refuser")
    look_staff(page, f"hm-e-refuser-erreur-{suffix}", scripts=scripts)
    page.get_by_role("link", name="Ne rien faire").click()
    page.get_by_role("link", name="Accepter").click()
    expect(page.get_by_text(PHONE)).to_be_visible()
    look_staff(page, f"hm-f-accepter-{suffix}", scripts=scripts)
    page.get_by_label("J’ai rappelé ce numéro").check()
    press(page, "Accepter")
    expect(page.get_by_role("heading", name="Pour le dicter")).to_be_visible()
    shown = "".join(page.locator(".spoken-code span").all_inner_texts())
    look_staff(page, f"hm-g-code-{suffix}", scripts=scripts)
    page.get_by_role("link", name="J’ai dit le code").click()
    assert shown not in page.content()
    return shown


def execute(page: Page, site: str, reset: PasswordReset, *, scripts: bool, suffix: str) -> None:
    sign_in_here(page, site, staff("Exécution"))
    page.goto(f"{site}/admin/support/passwordreset/{reset.pk}/change/")
    page.get_by_role("link", name="Exécuter").click()
    press(page, "Exécuter")
    expect(page.get_by_text("en cours de pose").first).to_be_visible()
    page.reload()
    look_staff(page, f"hm-h-executee-{suffix}", scripts=scripts)
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.READY


def look_staff(page: Page, name: str, *, scripts: bool) -> None:
    photograph(page, name)
    if scripts:
        before = list(page.complaints)  # type: ignore[attr-defined]
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        page.complaints[:] = before  # type: ignore[attr-defined]  # axe writes styles, which the policy blocks


def test_with_the_keyboard_alone(site, open_tab, card):
    mailbox = hors_mode_box()
    page = open_tab()
    page.goto(f"{site}{FORM}?numero=ec{mailbox.organisation.fase}")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # « Aller au contenu »
    typed = {
        "id_last_name": "Fictive", "id_first_name": "Camille", "id_email": "camille@exemple.test",
        "id_phone": "0470 00 00 00",
    }  # fmt: skip
    reached = []
    for _ in range(20):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
        reached.append(here)
        assert page.evaluate(
            """() => { const e = document.activeElement, style = getComputedStyle(e);
                return e === document.body || style.outlineStyle !== "none" && style.outlineWidth !== "0px" }"""
        ), f"le focus ne se voit pas sur {here}"
        if here in typed:
            page.keyboard.type(typed[here])
        elif here == "id_proof":
            page.locator("#id_proof").set_input_files(card)  # the dialogue itself is the browser's
        elif here == "id_consequences":
            page.keyboard.press("Space")
        elif here == "Vérifier mes réponses":
            time.sleep(3.1)
            page.keyboard.press("Enter")
            break
    assert "id_site_web" not in reached
    expect(page.get_by_role("heading", level=1)).to_have_text("Vérifiez vos réponses")
    page.get_by_role("button", name="Confirmer et recevoir le code").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirmez votre adresse")
    page.get_by_label("Code à six chiffres").focus()
    page.keyboard.type(re.search(r"\b[0-9]{6}\b", the_letter("reset.contact_code").text)[0])
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Demande reçue")


@pytest.mark.parametrize("width", WIDTHS)
def test_every_other_state_is_sound(site, open_tab, width):
    page = open_tab(width=WIDTHS[width])

    def see(name: str, path: str) -> None:
        page.goto(site + path)
        look(page, f"hm-{name}-{width}")

    see("vide", f"{FORM}?numero=")
    see("inconnu", f"{FORM}?numero=999999")
    OrganisationFactory(fase=815, mailbox=True)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    see("choix", f"{FORM}?numero=815")
    see("mode", f"{FORM}?numero=ec{box().organisation.fase}")
    see("sans-demande", f"{FORM}code/")
    see("recue-plus-tard", f"{FORM}recue/")
    hors_mode = hors_mode_box()
    page.goto(f"{site}{FORM}?numero=ec{hors_mode.organisation.fase}")
    time.sleep(3.1)
    press(page, "Vérifier mes réponses")
    look(page, f"hm-tout-manque-{width}")
    reset = received(hors_mode)
    link = re.search(r"https?://\S+/mot-de-passe/arret/\S+", the_letter("reset.asked").text)[0]
    see("arret", urlsplit(link).path)
    press(page, "Arrêter la demande")
    expect(page.get_by_role("heading", level=1)).to_have_text("La demande est arrêtée")
    look(page, f"hm-arretee-{width}")
    see("arret-encore", urlsplit(link).path)
    press(page, "Arrêter la demande")
    look(page, f"hm-arret-rien-{width}")
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.STOPPED
    clock.set_for_every_process(clock.brussels(AT.date().replace(year=2024, month=9), 12))
    see("trop-tot", f"{FORM}?numero=ec{hors_mode_box(migrated=False).organisation.fase}")


def test_a_page_of_pick_up_left_open_posts_nothing_by_itself(site, open_tab):
    reset, token, _code = ready(hors_mode_box())
    page = open_tab()
    posted: list[str] = []
    page.on("request", lambda request: request.method == "POST" and posted.append(request.url))
    page.goto(f"{site}/mot-de-passe/retrait/{token}/")
    page.wait_for_timeout(5000)
    assert posted == []
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.READY
