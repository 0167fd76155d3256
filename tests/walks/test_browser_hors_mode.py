"""The hors-MODE way in a real browser, from the lost mailbox to the password: both sides, with and without JavaScript.

Each state is looked at by axe, and photographed where SCREENSHOTS names a folder.
"""

import re
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import BrowserContext, Page, expect

from bma_portal import clock
from bma_portal.mail.compose import Letter, letters
from bma_portal.mail.models import OutgoingMail
from demo.directory import MemoryDirectory
from support import forms_contact, resets
from support.models import PasswordReset
from tests.factories import OrganisationFactory
from tests.support.resets_stage import AT, PHONE, box, hors_mode_box, ready, received, staff
from tests.walks.sound import (
    SIZES,
    assert_sound_at_each_size,
    at_each_size,
    enter,
    follow,
    hear,
    photograph,
    press,
    violations,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FORM = "/mot-de-passe/hors-mode/"


@pytest.fixture(autouse=True)
def now(site) -> None:
    clock.set_for_every_process(AT, seconds=600)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits the three seconds that a person needs to fill the form; the walk by keyboard does."""
    monkeypatch.setattr(forms_contact, "SECONDS_TO_FILL", -1)


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
def open_tab(new_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Page]]:
    """A tab of its own, which complains in the end of what the browser complained of."""
    heard: list[list[str]] = []

    def open_one(*, scripts: bool = True) -> Page:
        width, height = SIZES["ordinateur" if scripts else "telephone"]
        page = new_context(java_script_enabled=scripts, viewport={"width": width, "height": height}).new_page()
        heard.append(hear(page))
        return page

    yield open_one
    assert [complaint for complaints in heard for complaint in complaints] == []


def look(page: Page, name: str, *, scripts: bool = True) -> None:
    if scripts:
        assert_sound_at_each_size(page, f"hm-{name}")
    else:
        photograph(page, f"hm-{name}-sans-js")  # axe is a script


def the_letter(kind: str) -> Letter:
    """The last mail of that kind, as it would leave now: what a person reads of it."""
    row = OutgoingMail.objects.filter(kind=kind).latest("pk")
    letter = letters([row], at=AT)[row.pk]
    assert isinstance(letter, Letter), letter
    return letter


def fill(page: Page, card: Path) -> None:
    page.locator("#id_last_name").fill("Fictive")
    page.get_by_label("Prénom").fill("Camille")
    page.get_by_label("Adresse de contact").fill("camille@exemple.test")
    page.get_by_label("Téléphone où vous joindre").fill("0470 00 00 00")
    page.get_by_label("Copie masquée du recto de la carte d’identité du ou de la titulaire").set_input_files(card)
    page.get_by_label("J’ai compris").check()


@pytest.mark.parametrize("scripts", [True, False], ids=["avec-javascript", "sans-javascript"])
def test_the_whole_way_on_both_sides(site, open_tab, card, quick, scripts):
    mailbox = hors_mode_box()
    page = open_tab(scripts=scripts)

    def see(name: str) -> None:
        look(page, name, scripts=scripts)

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
    follow(page, page.get_by_role("link", name="Modifier le téléphone"))
    page.get_by_label("Téléphone où vous joindre").fill("0470 00 00 01")
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
    examine(open_tab(scripts=scripts), site, reset, scripts=scripts)
    spoken = execute(open_tab(scripts=scripts), site, reset, scripts=scripts)

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


def examine(page: Page, site: str, reset: PasswordReset, *, scripts: bool) -> None:
    """A verifier takes charge, looks at the proof, calls back, accepts."""

    def go(name: str) -> None:
        follow(page, page.get_by_role("link", name=name))

    enter(page.context, site, staff("Vérification"))
    page.goto(site + "/admin/support/passwordreset/")
    look_staff(page, "a-liste", scripts=scripts)
    go(reset.reference)
    go("Prendre en charge")
    look_staff(page, "b-prendre", scripts=scripts)
    press(page, "Prendre en charge")
    look_staff(page, "c-fiche", scripts=scripts)
    go("Ouvrir la preuve")
    image = page.get_by_role("img", name="Page 1 de la copie")
    expect(image).to_be_visible()
    if scripts:
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 100
    look_staff(page, "d-preuve", scripts=scripts)
    go("Retour à la demande")
    go("Refuser")
    press(page, "Refuser")
    look_staff(page, "e-refuser-erreur", scripts=scripts)
    go("Ne rien faire")
    go("Accepter")
    expect(page.get_by_text(PHONE)).to_be_visible()
    look_staff(page, "f-accepter", scripts=scripts)
    page.get_by_label("J’ai rappelé ce numéro").check()
    press(page, "Accepter")
    expect(page.get_by_text("est acceptée").first).to_be_visible()


def execute(page: Page, site: str, reset: PasswordReset, *, scripts: bool) -> str:
    """An executor has the password made; returns the code shown, to say at the number called back."""
    enter(page.context, site, staff("Exécution"))
    page.goto(f"{site}/admin/support/passwordreset/{reset.pk}/change/")
    follow(page, page.get_by_role("link", name="Exécuter"))
    expect(page.get_by_text(PHONE)).to_be_visible()
    look_staff(page, "g-executer", scripts=scripts)
    press(page, "Exécuter")
    expect(page.get_by_role("heading", name="Pour le dicter")).to_be_visible()
    expect(page.get_by_text(PHONE)).to_be_visible()
    shown = "".join(page.locator(".spoken-code span").all_inner_texts())
    look_staff(page, "h-code", scripts=scripts)
    follow(page, page.get_by_role("link", name="J’ai dit le code"))
    assert shown not in page.content()
    look_staff(page, "i-executee", scripts=scripts)
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.READY
    return shown


def look_staff(page: Page, name: str, *, scripts: bool) -> None:
    """Django's own admin overflows a phone and has small targets: axe only."""
    for size in at_each_size(page) if scripts else ["sans-js"]:
        photograph(page, f"hm-{name}-{size}")
        assert not scripts or violations(page) == [], f"{name}-{size}"


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
            time.sleep(3.1)  # as long as a person needs at the very least
            follow(page, "Enter")
            break
    assert "id_site_web" not in reached
    expect(page.get_by_role("heading", level=1)).to_have_text("Vérifiez vos réponses")
    page.get_by_role("button", name="Confirmer et recevoir le code").focus()
    follow(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirmez votre adresse")
    page.get_by_label("Code à six chiffres").focus()
    page.keyboard.type(re.search(r"\b[0-9]{6}\b", the_letter("reset.contact_code").text)[0])
    follow(page, "Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Demande reçue")


def test_every_other_state_is_sound(site, open_tab, quick):
    page = open_tab()

    def see(name: str, path: str) -> None:
        page.goto(site + path)
        look(page, name)

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
    press(page, "Vérifier mes réponses")
    look(page, "tout-manque")
    reset = received(hors_mode)
    link = re.search(r"https?://\S+/mot-de-passe/arret/\S+", the_letter("reset.asked").text)[0]
    see("arret", urlsplit(link).path)
    press(page, "Arrêter la demande")
    expect(page.get_by_role("heading", level=1)).to_have_text("La demande est arrêtée")
    look(page, "arretee")
    see("arret-encore", urlsplit(link).path)
    press(page, "Arrêter la demande")
    look(page, "arret-rien")
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.STOPPED
    clock.set_for_every_process(clock.brussels(AT.date().replace(year=2024, month=9), 12))
    see("trop-tot", f"{FORM}?numero=ec{hors_mode_box(migrated=False).organisation.fase}")


def test_a_page_of_pick_up_left_open_posts_nothing_by_itself(site, open_tab):
    reset, token, _code = ready(hors_mode_box())
    page = open_tab()
    posted: list[str] = []
    page.on("request", lambda request: request.method == "POST" and posted.append(request.url))
    page.clock.install()
    page.goto(f"{site}/mot-de-passe/retrait/{token}/")
    page.clock.run_for(600_000)  # what scripts would wait for
    page.wait_for_timeout(1000)
    assert posted == []
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.READY
