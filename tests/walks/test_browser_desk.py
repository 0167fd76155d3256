"""The lists of the desk in a real browser: read on two screens, worked by keyboard alone, and without a script."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from bma_portal import clock
from migration.phases import Phase
from support.models import Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_holders import NOON, PasswordResetFactory
from tests.factories_migration import BatchFactory
from tests.factories_tickets import CannedAnswerFactory, IncidentFactory, SavedViewFactory, TicketFactory, agent
from tests.walks.mode_scenes import LONG_NAME
from tests.walks.sound import assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOUR = timedelta(hours=1)


@pytest.fixture
def lena(db):
    clock.set_for_every_process(NOON, seconds=600)
    return agent("etnic", username="lena", first_name="Léna", last_name="Inventée")


def a_morning(lena) -> None:
    """What an agent finds: something late, urgent, of an incident, taken, and a name that is long."""
    long = MailboxFactory(organisation=OrganisationFactory(name=LONG_NAME))
    incident = IncidentFactory(title="Interface web inaccessible depuis ce matin")
    SavedViewFactory(owner=lena, name="Urgentes de la semaine", query="file=toutes&priorite=urgent", shared=True)
    TicketFactory(overdue=True, urgent=True, mailbox=long, incident=incident, message=True)
    TicketFactory(subject="Outlook demande sans cesse le mot de passe depuis hier soir, sur les deux ordinateurs")
    TicketFactory(need="cerbere", mailbox=long)
    TicketFactory(solved=True, first_answered_at=NOON - HOUR / 2, satisfied=True, batch=BatchFactory(number=3))
    TicketFactory(waiting=True, phase=Phase.ANNOUNCED, opened_at=NOON - timedelta(days=9))
    TicketFactory(taken=True, assignee=lena)
    PasswordResetFactory(mode=True, shown=True, path="mode")
    CannedAnswerFactory(title="Vider le cache")


def sound(page: Page, site: str, address: str, name: str) -> None:
    page.goto(site + address)
    assert_sound_at_each_size(page, f"bureau-{name}")


def test_the_pages_of_the_desk_are_sound(tab, site, lena):
    a_morning(lena)
    enter(tab.context, site, lena)
    tab.goto(site + "/desk/")
    for summary in tab.locator("main summary").all():
        summary.click()
    assert_sound_at_each_size(tab, "bureau-file")
    tab.keyboard.press("Escape")
    tab.locator("h1").click()
    tab.keyboard.press("?")
    expect(tab.get_by_role("dialog", name="Raccourcis clavier")).to_be_visible()
    assert_sound_at_each_size(tab, "bureau-raccourcis")
    tab.keyboard.press("Escape")
    tab.get_by_role("button", name="Tout cocher").click()
    tab.get_by_label("Avec celles qui sont cochées").select_option("clore")
    press(tab, "Continuer")
    assert_sound_at_each_size(tab, "bureau-ensemble")
    press(tab, "Clore")
    assert_sound_at_each_size(tab, "bureau-ensemble-erreur")
    incident = Ticket.objects.exclude(incident=None).first().incident
    sound(tab, site, "/desk/chiffres/", "chiffres")
    sound(tab, site, "/desk/incidents/", "incidents")
    sound(tab, site, "/desk/reponses/nouvelle/", "reponse")
    sound(tab, site, "/desk/reponses/", "reponses")
    sound(tab, site, "/desk/vues/", "vues")
    tab.goto(site + f"/desk/incidents/{incident.pk}/")
    tab.get_by_label("Message à chaque personne").fill("Bonjour {prénom}, nous cherchons.")
    press(tab, "Voir ce que chacun lira")
    assert_sound_at_each_size(tab, "bureau-incident")
    tab.get_by_label("Message à chaque personne").fill("")
    press(tab, "Voir ce que chacun lira")
    expect(tab).to_have_title("Erreur : Interface web inaccessible depuis ce matin – incident – Portail BMA")
    assert_sound_at_each_size(tab, "bureau-incident-erreur")


def taken() -> int:
    return Ticket.objects.exclude(assignee=None).count()


def test_fifty_tickets_are_sorted_by_keyboard_alone(tab, site, lena):
    for n in range(50):
        TicketFactory(subject=f"Demande {n:02}", due_at=NOON + n * timedelta(minutes=5))
    enter(tab.context, site, lena)
    tab.goto(site + "/desk/")
    keys = tab.keyboard
    # Nothing happens while one types, nor with a modifier
    keys.press("/")
    expect(tab.get_by_label("Rechercher une demande")).to_be_focused()
    keys.type("tjx?")
    expect(tab.get_by_label("Rechercher une demande")).to_have_value("tjx?")
    tab.get_by_label("Rechercher une demande").fill("")
    keys.press("Tab")
    keys.press("Control+j")
    expect(tab.locator(".ticket.here")).to_have_count(0)
    # One after the other: the next one comes under the cursor
    keys.press("j")
    keys.press("j")
    expect(tab.get_by_role("link", name="Demande 01")).to_be_focused()
    for n in range(1, 5):
        follow(tab, "t")
        expect(tab.get_by_role("link", name=f"Demande {n + 1:02}")).to_be_focused()
    assert taken() == 4
    # Several at once, then the rest
    for _ in range(20):
        keys.press("x")
        keys.press("j")
    follow(tab, "t")
    expect(tab.get_by_role("heading", level=1)).to_have_text("Prendre\N{NO-BREAK SPACE}: 20 demandes")
    tab.get_by_role("button", name="Prendre", exact=True).focus()
    follow(tab, "Enter")
    expect(tab.get_by_role("status").first).to_contain_text("fait pour 20 demandes")
    for _ in range(24, 50):
        follow(tab, "t")
    assert taken() == 50
    expect(tab.get_by_text("Rien à prendre")).to_be_visible()
    # Elsewhere
    keys.press("g")
    follow(tab, "m")
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Les miennes")
    keys.press("j")
    with tab.expect_navigation():
        keys.press("o")
    assert "/desk/demande/D-" in tab.url
    # Switched off, no key does anything
    tab.goto(site + "/desk/raccourcis/")
    tab.get_by_role("button", name="Désactiver les raccourcis").click()
    tab.goto(site + "/desk/?file=toutes")
    keys.press("j")
    expect(tab.locator(".ticket.here")).to_have_count(0)


def test_a_list_stays_fresh_and_what_one_was_doing_stays_too(tab, site, lena):
    first = TicketFactory(subject="Première")
    enter(tab.context, site, lena)
    tab.goto(site + "/desk/")
    tab.get_by_label(f"Cocher la demande {first.reference}").check()
    TicketFactory(subject="Arrivée depuis", due_at=NOON + HOUR)
    with tab.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        tab.evaluate("htmx.trigger('#demandes', 'desk:refresh')")
    expect(tab.get_by_role("link", name="Arrivée depuis")).to_be_visible()
    box = tab.get_by_label(f"Cocher la demande {first.reference}")
    expect(box).to_be_checked()
    expect(box).to_be_focused()
    expect(tab.locator("#combien")).to_have_text("2 demandes")
    expect(tab.get_by_role("link", name="À prendre")).to_contain_text("2")
    tab.get_by_role("button", name="Tout cocher").click()
    expect(tab.get_by_label("Cocher la demande").locator("visible=true").nth(1)).to_be_checked()


def test_the_desk_works_without_a_script(new_context, site, lena):
    context = new_context(java_script_enabled=False)
    page = context.new_page()
    one, two = TicketFactory(subject="Une"), TicketFactory(subject="Deux", due_at=NOON + 9 * HOUR)
    enter(context, site, lena)
    page.goto(site + "/desk/")
    press(page, f"Prendre la demande {one.reference}")
    expect(page.get_by_text(f"fait pour 1 demande ({one.reference})")).to_be_visible()
    page.get_by_label(f"Cocher la demande {two.reference}").check()
    page.get_by_label("Avec celles qui sont cochées").select_option("clore")
    press(page, "Continuer")
    page.get_by_label("Motif").fill("Doublon d’un appel.")
    press(page, "Clore")
    expect(page.get_by_text(f"fait pour 1 demande ({two.reference})")).to_be_visible()
    two.refresh_from_db()
    assert two.status == "closed"
