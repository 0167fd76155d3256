"""The public pages in a real browser: nothing for axe to find, nothing for the CSP to block, no need of a mouse."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from migration.models import Batch
from tests.factories import MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory
from tests.factories_migration import MoveFactory
from tests.walks.mode_scenes import LONG_NAME, set_date
from tests.walks.sound import WCAG, assert_sound_at_each_size, follow, photograph, press, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STATUS = "/ma-boite/etat/"
MAILS = Path(__file__).parent.parent / "migration" / "snapshots"


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


@pytest.mark.parametrize("scene", SCENES)
def test_axe_finds_nothing_and_nothing_overflows(tab, site, scene):
    tab.goto(site + SCENES[scene]())
    assert_sound_at_each_size(tab, scene)


def test_the_page_that_slows_a_visitor_is_sound_too(tab, site):
    for number in range(21):
        answer = tab.goto(f"{site}{STATUS}?numero={number + 1}")
        if answer.status == 429:
            break
    expect(tab.get_by_role("heading", level=1)).to_have_text("Trop de demandes en peu de temps")
    assert_sound_at_each_size(tab, "trop")


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
    follow(tab, "Enter")
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
def test_an_error_takes_the_focus_and_leads_to_its_field(site, new_context, scripts):
    page = new_context(java_script_enabled=scripts).new_page()
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


def test_everything_works_without_javascript(site, new_context):
    move = MoveFactory(migrated=True, mailbox__organisation__fase=1234)
    set_date(date(2024, 12, 1))
    page = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page()
    page.goto(site)
    page.get_by_label("Numéro FASE ou adresse de la boîte").fill(f"po{move.mailbox.organisation.fase}")
    press(page, "Voir où en est ma boîte")
    expect(page.get_by_role("link", name="Ouvrir la nouvelle interface")).to_be_visible()
    follow(page, page.get_by_role("link", name="Chercher une autre boîte"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Où en est ma boîte\N{NO-BREAK SPACE}?")


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
    assert violations(page, only=WCAG) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
