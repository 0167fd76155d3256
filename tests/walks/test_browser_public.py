"""The public pages in a real browser: nothing for axe to find, nothing for the CSP to block, no need of a mouse."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from accounts.models import Contact
from bma_portal import clock
from migration.models import Batch
from tests.factories import ContactFactory, MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.factories_migration import MoveFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
WIDTHS = {"ordinateur": (1280, 900), "telephone": (320, 640)}
STATUS = "/ma-boite/etat/"
TEAMS = {"sgne": "migrationBMA@cfwb.be", "etnic": "support@etnic.be", "priminfo": "sttd@priminfo.be"}
MAILS = Path(__file__).parent.parent / "migration" / "snapshots"
LONG_NAME = "École fondamentale communale d’immersion linguistique du Centre et des Hameaux réunis"


@pytest.fixture
def site(live_server) -> str:
    """The portal, with the contacts that the migrations of other tests may have flushed."""
    for team, email in TEAMS.items():
        if not Contact.objects.filter(team=team).exists():
            ContactFactory(team=team, email=email, phone="+32 2 800 10 10", hours="Du lundi au vendredi")
    if not Contact.objects.filter(team="enseignement_be").exists():
        ContactFactory(team="enseignement_be", email="BMA@enseignement.be")
    return live_server.url


@pytest.fixture
def tab(site, page: Page):
    """A tab that complains in the end of what the browser complained of, and of any foreign host."""
    complaints: list[str] = []
    page.on("console", lambda message: message.type in {"error", "warning"} and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: request.url.startswith((site, "data:")) or complaints.append(request.url))
    yield page
    # The browser itself writes a line for each answer that is not a success: it is the page that was asked for.
    assert [text for text in complaints if "Failed to load resource: the server responded" not in text] == []


def set_date(day: date, hour: int = 12) -> None:
    clock.set_for_every_process(clock.brussels(day, hour))


def of(move_or_box) -> str:
    unit = getattr(move_or_box, "mailbox", move_or_box).organisation
    return f"?numero={unit.kind}{unit.fase}"


def status_of(day: date, hour: int = 12, **facts) -> Callable[[], str]:
    def make() -> str:
        set_date(day, hour)
        return STATUS + of(MoveFactory(mailbox__organisation__name=LONG_NAME, **facts))

    return make


def in_no_batch() -> str:
    set_date(date(2024, 10, 1))
    return STATUS + of(MailboxFactory())


def after_the_closing() -> str:
    set_date(date(2025, 5, 1))
    return STATUS + of(MailboxFactory())


def home_during() -> str:
    set_date(date(2024, 11, 15))
    return "/"


def home_after() -> str:
    set_date(date(2025, 9, 1))
    return "/"


def choice() -> str:
    OrganisationFactory(fase=815, mailbox=True, name=LONG_NAME)
    OrganisationFactory(fase=815, mailbox=True, po_unit=True)
    SitePlacementFactory(site=SiteFactory(fase=815))
    return STATUS + "?numero=815"


def implantation() -> str:
    SitePlacementFactory(site=SiteFactory(fase=4321))
    return STATUS + "?numero=4321"


def taken_over() -> str:
    return STATUS + of(OrganisationFactory(mailbox=True, successor=OrganisationFactory(mailbox=True)).mailbox)


def family() -> str:
    po = OrganisationFactory(po_unit=True, mailbox=True)
    for _ in range(5):
        OrganisationFactory(po=po, mailbox=True)
    return STATUS + of(po.mailbox)


SCENES: dict[str, Callable[[], str]] = {
    "accueil-pendant": home_during,
    "accueil-apres": home_after,
    "formulaire": lambda: STATUS,
    "erreur-vide": lambda: STATUS + "?numero=",
    "erreur-saisie": lambda: STATUS + "?numero=mon-école",
    "erreur-inconnu": lambda: STATUS + "?numero=99",
    "sans-lot": in_no_batch,
    "prevue": status_of(date(2024, 10, 5)),
    "annoncee": status_of(date(2024, 10, 9), announced=True),
    "en-retard": status_of(date(2024, 10, 18), announced=True),
    "mot-de-passe": status_of(date(2024, 10, 20), credentials_sent=True),
    "confirmee": status_of(date(2024, 11, 6), confirmed=True),
    "cette-nuit": status_of(date(2024, 11, 8), 3, sent=4),
    "incertaine": status_of(date(2024, 11, 8), 9, sent=4),
    "migree": status_of(date(2024, 11, 12), migrated=True),
    "migree-apres": status_of(date(2025, 9, 1), migrated=True),
    "echec": status_of(date(2024, 11, 10), failed=True),
    "suspendue": status_of(date(2024, 10, 20), announced=True, batch__status=Batch.Status.PAUSED),
    "ancien-serveur-ferme": after_the_closing,
    "choix": choice,
    "implantation": implantation,
    "reprise": taken_over,
    "famille": family,
    "introuvable": lambda: "/rien/",
}


def photograph(page: Page, name: str) -> None:
    """With SCREENSHOTS=folder, every page is kept as one sees it."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def assert_sound(page: Page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"la page déborde de {overflow} px"
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, input, nav a, summary, .unit, .interface-link, .contact a")]
            .filter(e => e.getClientRects().length && Math.min(e.offsetHeight, e.offsetWidth) < 24)
            .map(e => e.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scene", SCENES)
def test_axe_finds_nothing_and_nothing_overflows(tab, site, scene, width):
    tab.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    tab.goto(site + SCENES[scene]())
    photograph(tab, f"{scene}-{width}")
    assert_sound(tab)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_that_slows_a_visitor_is_sound_too(tab, site, width):
    tab.set_viewport_size(dict(zip(("width", "height"), WIDTHS[width], strict=True)))
    for number in range(21):
        answer = tab.goto(f"{site}{STATUS}?numero={number + 1}")
        if answer.status == 429:
            break
    expect(tab.get_by_role("heading", level=1)).to_have_text("Trop de demandes en peu de temps")
    photograph(tab, f"trop-{width}")
    assert_sound(tab)


SPACED = "* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important }"
LARGER = {"espacee": (320, SPACED), "doublee": (640, "html { font-size: 200% } body { font-size: 200% }")}


@pytest.mark.parametrize("change", LARGER)
@pytest.mark.parametrize("scene", ["confirmee", "erreur-saisie", "accueil-pendant", "choix"])
def test_text_may_be_spaced_or_doubled_without_loss(tab, site, scene, change):
    """WCAG 1.4.12 on a phone, 1.4.4 at half the width of a computer."""
    width, rules = LARGER[change]
    tab.set_viewport_size({"width": width, "height": 800})
    tab.goto(site + SCENES[scene]())
    tab.evaluate(
        """rules => { const sheet = new CSSStyleSheet(); sheet.replaceSync(rules);
            document.adoptedStyleSheets = [sheet]; }""",
        rules,
    )
    photograph(tab, f"{scene}-{change}")
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    clipped = tab.evaluate(
        """() => [...document.querySelectorAll("main *")].filter(e =>
            e.clientWidth && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible")
            .map(e => e.outerHTML)"""
    )
    assert clipped == []


def test_a_holder_finds_the_way_with_the_keyboard_alone(tab, site):
    move = MoveFactory(confirmed=True, mailbox__organisation__fase=1234)
    set_date(date(2024, 11, 6))
    tab.goto(site)
    tab.keyboard.press("Tab")
    expect(tab.get_by_role("link", name="Aller au contenu")).to_be_focused()
    expect(tab.get_by_role("link", name="Aller au contenu")).to_be_in_viewport()
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    field = tab.get_by_label("Numéro FASE ou adresse de la boîte")
    expect(field).to_be_focused()
    tab.keyboard.type(f"po00{move.mailbox.organisation.fase}")
    tab.keyboard.press("Enter")
    expect(tab.get_by_text("La date de la migration est confirmée.")).to_be_visible()
    reached = set()
    for _ in range(40):
        tab.keyboard.press("Tab")
        reached.add(tab.evaluate("document.activeElement.textContent.trim()"))
        shown = tab.evaluate(
            """() => { const e = document.activeElement, style = getComputedStyle(e);
                return e === document.body || style.outlineStyle !== "none" && style.outlineWidth !== "0px" }"""
        )
        assert shown, "le focus ne se voit pas"
    assert {"Ouvrir l’interface actuelle", "Nouvelle interface", "Chercher une autre boîte"} <= reached


@pytest.mark.parametrize("scripts", [True, False], ids=["avec-javascript", "sans-javascript"])
def test_an_error_takes_the_focus_and_leads_to_its_field(site, browser: Browser, scripts):
    context = browser.new_context(java_script_enabled=scripts)
    page = context.new_page()
    page.goto(f"{site}{STATUS}?numero=zzz")
    expect(page).to_have_title("Erreur : Où en est ma boîte\N{NO-BREAK SPACE}? – Portail BMA")
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    field = page.get_by_label("Numéro FASE ou adresse de la boîte")
    expect(field).to_be_focused()
    expect(field).to_have_value("zzz")
    expect(field).to_have_attribute("aria-invalid", "true")
    context.close()


def test_everything_works_without_javascript(site, browser: Browser):
    move = MoveFactory(migrated=True, mailbox__organisation__fase=1234)
    set_date(date(2024, 12, 1))
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(site)
    page.get_by_label("Numéro FASE ou adresse de la boîte").fill(f"po{move.mailbox.organisation.fase}")
    page.get_by_role("button", name="Voir où en est ma boîte").click()
    expect(page.get_by_role("link", name="Ouvrir la nouvelle interface")).to_be_visible()
    page.get_by_role("link", name="Chercher une autre boîte").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Où en est ma boîte\N{NO-BREAK SPACE}?")
    context.close()


def test_a_printed_page_keeps_the_facts_and_leaves_the_rest(tab, site):
    tab.goto(site + SCENES["confirmee"]())
    tab.emulate_media(media="print")
    expect(tab.get_by_text("La date de la migration est confirmée.")).to_be_visible()
    expect(tab.get_by_role("navigation")).to_be_hidden()
    expect(tab.get_by_text("Démonstration")).to_be_hidden()
    photograph(tab, "impression")


@pytest.mark.parametrize("name", ["announcement", "new_password", "confirmation", "closing", "batch_paused"])
def test_a_mail_is_accessible_and_fits_a_phone(page: Page, name):
    """The mails as they were last read: a browser stands in for the reader's mail program."""
    page.set_viewport_size({"width": 320, "height": 640})
    page.set_content((MAILS / f"{name}.html").read_text(encoding="utf-8"))
    photograph(page, f"mail-{name}")
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
