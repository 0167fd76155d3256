"""The dashboard as one sees it, on a desk's screen and on a phone: no script, nothing for axe to say, printable."""

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from bma_portal import clock
from tests.migration.board_stage import MORNING, stage
from tests.walks.sound import enter, follow, hear, photograph, violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # pytest-base-url, which pytest-playwright brings, is not ready for pytest 10.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning"),
]
SCREENS = {"bureau": (1366, 768), "telephone": (390, 844)}


def test_the_dashboard_on_each_screen_on_paper_and_without_script(new_context, live_server, person):
    clock.set_for_every_process(MORNING, seconds=600)
    board = stage()
    address = live_server.url + reverse("admin:migration_campaign_dashboard", args=[board.campaign.pk])
    context = new_context()
    enter(context, live_server.url, person("sgne"))
    page = context.new_page()
    said = hear(page)
    page.goto(live_server.url + reverse("admin:index"))
    follow(page, page.get_by_role("link", name="Tableau de bord"))
    assert page.url == address
    for name, (width, height) in SCREENS.items():
        page.set_viewport_size({"width": width, "height": height})
        photograph(page, f"tableau-de-bord-{name}")
        assert violations(page) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        for drawing in page.locator("svg.chart-bar, svg.chart-calendar, svg.chart-span").all():
            box = drawing.bounding_box()
            assert box is not None, name
            assert box["width"] > 100, name
            assert box["x"] + box["width"] <= width, name
    page.emulate_media(media="print")
    expect(page.locator(".chart-figures").first).to_be_hidden()
    expect(page.get_by_role("heading", name="Les nuits")).to_be_visible()
    page.emulate_media(media="screen")
    follow(page, page.get_by_role("link", name="Reprendre", exact=True))
    assert page.url.endswith(reverse("admin:migration_batch_change", args=[board.night.pk]))
    assert said == []
    bare = new_context(java_script_enabled=False)  # no script runs there, axe neither
    bare.add_cookies(context.cookies())
    page = bare.new_page()
    page.goto(address)
    expect(page.get_by_role("img", name="Calendrier des nuits de migration")).to_be_visible()
    page.locator("summary", has_text="Boîtes par semaine de migration").click()
    expect(page.get_by_role("rowheader", name="Pouvoirs organisateurs : sem. du 4 nov")).to_be_visible()
