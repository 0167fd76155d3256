"""Answering one ticket after another in a real browser: what is said stays in sight, and nothing typed is lost."""

import pytest
from playwright.sync_api import Page, expect

from bma_portal import clock
from support.models import Message, Ticket
from tests.factories_holders import NOON
from tests.factories_tickets import MessageFactory, TicketFactory, agent
from tests.walks.sound import assert_sound, assert_sound_at_each_size, enter, follow, press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SMALL_SCREEN = {"width": 1280, "height": 600}


@pytest.fixture
def lena(db):
    clock.set_for_every_process(NOON, seconds=600)
    return agent("etnic", username="lena", first_name="Léna", last_name="Inventée")


@pytest.fixture
def three(lena) -> list[Ticket]:
    made = [TicketFactory(subject=f"Souci {name}") for name in ("un", "deux", "trois")]
    for _ in range(12):
        MessageFactory(ticket=made[0], text="Toujours rien.\n\nMerci de regarder.")  # one writes far from the top
    return made


def opened(tab: Page, site: str, lena, ticket: Ticket) -> None:
    enter(tab.context, site, lena)
    tab.set_viewport_size(SMALL_SCREEN)
    tab.goto(f"{site}/desk/?file=toutes")
    follow(tab, tab.get_by_role("link", name=ticket.subject))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "votre session a peut-être changé"),
        (413, "Vos fichiers sont trop lourds"),
        (500, "Le portail n’a pas pu le faire (erreur 500)"),
        (0, "Le portail ne répond pas"),
    ],
)
def test_an_answer_that_did_not_leave_says_so_where_it_is_written(site, new_context, lena, three, status, words):
    tab = new_context().new_page()  # one of which the browser's own complaints are expected
    opened(tab, site, lena, three[0])
    tab.route("**/repondre/", lambda route: route.fulfill(status=status) if status else route.abort())
    tab.locator("#reponse").fill("Voilà.")
    tab.locator("#envoyer").click()
    told = tab.locator("#ecrire").get_by_role("alert")
    expect(told).to_contain_text(words)
    expect(told).to_be_in_viewport()
    expect(tab.locator("#reponse")).to_have_value("Voilà.")
    assert_sound(tab, f"demande-echec-{status}")
    tab.unroute("**/repondre/")
    tab.locator("#envoyer").click()
    expect(tab.locator("#annonce")).to_contain_text("Votre réponse part.")
    expect(tab.locator("#annonce")).to_be_in_viewport(ratio=1)
    expect(told).to_have_count(0)


@pytest.mark.parametrize("button", ["envoyer", "relire"])
def test_a_file_that_is_too_heavy_does_not_even_leave(tab, site, lena, three, tmp_path, button):
    heavy = tmp_path / "écran.png"
    heavy.write_bytes(b"\0" * 8_000_001)
    opened(tab, site, lena, three[0])
    tab.locator("#reponse").fill("Voilà.")
    tab.get_by_text("Joindre des fichiers").click()
    tab.get_by_label("Photos ou PDF").set_input_files(heavy)
    tab.locator(f"#{button}").click()
    expect(tab.locator("#ecrire").get_by_role("alert")).to_contain_text("écran.png » dépasse 8 Mo : rien n’est parti")
    expect(tab.locator("#reponse")).to_have_value("Voilà.")
    assert not Message.objects.filter(author=lena).exists()


def test_one_answers_and_goes_on_by_keyboard(tab, site, lena, three, settings):
    settings.RECALL_SECONDS = 30
    opened(tab, site, lena, three[0])
    assert_sound_at_each_size(tab, "demande-dans-sa-liste")
    tab.set_viewport_size(SMALL_SCREEN)
    subject = tab.locator("h1")
    subjects = [row.subject for row in Ticket.objects.order_by("-updated_at", "-pk")]
    here = subjects.index("Souci un")
    for key, place in (("k", here - 1), ("j", here)):
        subject.click()
        follow(tab, key)
        expect(subject).to_have_text(subjects[place])
    tab.keyboard.press("r")
    tab.keyboard.type("Voilà.")
    tab.keyboard.press("Control+Enter")
    said = tab.locator("#annonce")
    expect(said).to_contain_text("Votre réponse part.")
    expect(said).to_be_in_viewport(ratio=1)  # one is still where one writes
    assert Message.objects.filter(author=lena).count() == 1
    tab.locator("#reponse").focus()
    tab.keyboard.press("Shift+Tab")  # back up the page, under what was said
    for _ in range(25):
        tab.keyboard.press("Shift+Tab")
        assert not tab.evaluate(COVERED), tab.evaluate("document.activeElement.outerHTML")


COVERED = """() => {
  const said = document.getElementById("annonce"), has = document.activeElement;
  if (has === document.body || said.contains(has)) return false;
  const over = said.getBoundingClientRect(), under = has.getBoundingClientRect();
  return under.top >= over.top && under.bottom <= over.bottom && under.bottom > 0;
}"""


@pytest.mark.parametrize("script", [True, False])
def test_one_answers_and_the_next_one_opens(site, new_context, lena, three, settings, script):
    settings.RECALL_SECONDS = 30
    tab = new_context(java_script_enabled=script).new_page()
    opened(tab, site, lena, max(three, key=lambda ticket: ticket.pk))
    tab.locator("#reponse").fill("Voilà.")
    tab.get_by_label("la marquer résolue").check()
    press(tab, "Envoyer, puis la suivante")
    expect(tab.locator("h1")).to_have_text("Souci deux")
    back = tab.get_by_role("link", name=f"Revenir à {three[2].reference} pour la rappeler")
    if script:
        assert_sound_at_each_size(tab, "demande-suivante")
    follow(tab, back)
    press_recall = tab.get_by_role("button", name="Rappeler")
    expect(press_recall).to_be_in_viewport()
    press_recall.click()
    expect(tab.locator("main")).to_contain_text("Votre réponse est rappelée")
    assert not Message.objects.filter(author=lena).exists()


def test_the_list_of_keys_opens_at_its_top(tab, site, lena, three):
    opened(tab, site, lena, three[0])
    tab.set_viewport_size({"width": 1280, "height": 400})
    tab.locator("h1").click()
    tab.keyboard.press("?")
    shown = tab.get_by_role("dialog", name="Raccourcis clavier")
    expect(shown).to_be_visible()
    assert shown.evaluate("dialog => dialog.scrollTop") == 0
    expect(shown.get_by_role("heading")).to_be_focused()
    expect(shown.get_by_role("heading")).to_be_in_viewport()
