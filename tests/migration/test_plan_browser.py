"""The plan as SGNE sees it in a real browser: at 1366 × 768 and on a phone, read by axe, accepted by keyboard."""

from datetime import date

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from bma_portal import clock
from bma_portal.clock import brussels
from migration.models import Campaign, PlanDecision
from tests.factories import MailboxFactory
from tests.factories_migration import CampaignFactory, MoveFactory
from tests.walks.sound import enter, follow, hear, photograph, press, violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # pytest-base-url, which pytest-playwright brings, is not ready for pytest 10.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning"),
]

SCREENS = {"ordinateur": (1366, 768), "telephone": (390, 844)}


@pytest.fixture
def campaign() -> Campaign:
    """As the circular announced it: its nights cannot be (K4). One batch of POs has begun."""
    campaign = CampaignFactory(
        po_moves_from=date(2024, 10, 1), po_moves_until=date(2024, 10, 25),
        ec_moves_from=date(2024, 11, 4), ec_moves_until=date(2024, 11, 30),
    )  # fmt: skip
    MoveFactory(announced=True, batch__campaign=campaign, batch__number=1)
    for n in range(6):
        MailboxFactory(po=n % 2 == 0)
    return campaign


@pytest.fixture
def sgne(page: Page, live_server, person) -> Page:
    clock.set_for_every_process(brussels(date(2024, 10, 8), 10))
    enter(page.context, live_server.url, person("sgne"))
    return page


def look(page: Page, name: str) -> None:
    """Nothing for axe to say, nothing that overflows sideways, nothing in the page too small to press."""
    photograph(page, name)
    assert violations(page) == [], name
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, name
    pressed = ".plan button, .plan input:not([type=hidden]), .plan summary, .plan .object-tools a"
    small = """targets => [...document.querySelectorAll(targets)].filter(e => e.getClientRects().length)
        .filter(e => e.type != "checkbox" && Math.min(e.offsetHeight, e.offsetWidth) < 24).map(e => e.outerHTML)"""
    assert page.evaluate(small, pressed) == [], name


def test_the_plan_is_sound_at_each_size_and_accepted_by_keyboard(sgne, live_server, campaign):
    said = hear(sgne, within=live_server.url)
    plan = live_server.url + reverse("admin:migration_campaign_plan", args=[campaign.pk])
    pages = {
        "plan": plan,
        "plan-essai": f"{plan}?weekly_mailboxes=2&po_moves_until=",
        "plan-impossible": f"{plan}?weekly_mailboxes=0&po_first_mail_from=2024-12-01",
        "plan-liste": live_server.url + reverse("admin:migration_campaign_import", args=[campaign.pk]),
        "plan-pilote": live_server.url
        + reverse("admin:migration_campaign_pilot", args=[campaign.pk])
        + "?size=4&first_mail=2024-11-12",
        "plan-repetition": live_server.url
        + reverse("admin:migration_batch_rehearsal", args=[campaign.batches.get().pk]),
        "plan-jours": live_server.url + reverse("admin:migration_avoidedperiod_changelist"),
    }
    for name, url in pages.items():
        sgne.goto(url)
        for size, (width, height) in SCREENS.items():
            sgne.set_viewport_size({"width": width, "height": height})
            look(sgne, f"{name}-{size}")
    sgne.goto(plan)
    press(sgne, "Accepter ce plan")
    sgne.get_by_role("link", name="Signez votre décision").focus()
    sgne.keyboard.press("Enter")  # the summary leads to the field
    sgne.keyboard.type("Le comité du 7 octobre accepte ces nuits.")
    look(sgne, "plan-refuse")
    sgne.keyboard.press("Tab")
    follow(sgne, "Enter")
    sgne.get_by_text("Le plan est accepté.").wait_for()
    assert PlanDecision.objects.get().note == "Le comité du 7 octobre accepte ces nuits."
    assert said == []
