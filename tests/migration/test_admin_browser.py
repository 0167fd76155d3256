"""The staff's pages in a real browser: nothing for axe to say, no breach of the content policy, decisions by hand."""

from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Page

from accounts import credentials
from bma_portal import clock
from bma_portal.mail.models import Sender, SenderState
from migration.models import Batch, Mailing
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # pytest-base-url, which pytest-playwright brings, is not ready for pytest 10.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning"),
]

WIDTHS = (1280, 320)


@pytest.fixture
def story():
    """A batch on its way, with a mail that waits for a decision, a password, a sender that stopped."""
    batch = BatchFactory(number=3)
    move = MoveFactory(batch=batch, credentials_sent=True)
    MoveFactory(batch=batch, migrated=True)
    BatchFactory(number=4, establishments=True, status=Batch.Status.DRAFT)
    credentials.issue([move.mailbox], at=clock.now())
    Mailing.objects.filter(move=move, step=3).update(held_at=clock.now(), held_why="En retard de plus de 3 jours.")
    SenderState.objects.create(sender=Sender.ETNIC, refusals=3, paused_at=clock.now(), reason="Mot de passe expiré.")
    return move


@pytest.fixture
def staff_page(page: Page, live_server, signed_in) -> Page:
    """A browser signed in as SGNE."""
    client: Client = signed_in("sgne")
    session = client.cookies["sessionid"]
    page.context.add_cookies(
        [{"name": "sessionid", "value": session.value, "domain": urlsplit(live_server.url).hostname, "path": "/"}]
    )
    return page


def urls(move) -> dict[str, str]:
    return {
        "accueil": reverse("admin:index"),
        "boîtes": reverse("admin:accounts_mailbox_changelist"),
        "boîtes filtrées": reverse("admin:accounts_mailbox_changelist") + "?phase=credentials_sent&q=fictive",
        "fiche": reverse("admin:accounts_mailbox_change", args=[move.mailbox.pk]),
        "lots": reverse("admin:migration_batch_changelist"),
        "lot": reverse("admin:migration_batch_change", args=[move.batch.pk]),
        "décision": reverse("admin:migration_batch_decide", args=[move.batch.pk, "annuler"]),
        "mails": reverse("admin:migration_mailing_changelist") + "?decision=attendue",
        "courriels": reverse("admin:mail_outgoingmail_changelist"),
        "courriel": reverse("admin:mail_outgoingmail_change", args=[move.mailings.get(step=1).mail_id]),
        "expéditeurs": reverse("admin:mail_senderstate_changelist"),
        "campagne": reverse("admin:migration_campaign_change", args=[move.batch.campaign_id]),
    }


@pytest.mark.parametrize("width", WIDTHS)
def test_axe_has_nothing_to_say(width, staff_page, live_server, story):
    staff_page.set_viewport_size({"width": width, "height": 900})
    found = []
    for name, url in urls(story).items():
        staff_page.goto(live_server.url + url)
        for violation in Axe().run(staff_page).response["violations"]:
            nodes = "; ".join(str(node["target"]) for node in violation["nodes"][:3])
            found.append(f"{name}: {violation['id']} ({violation['help']}): {nodes}")
    assert found == []


def test_no_page_breaks_the_content_policy(staff_page, live_server, story):
    said: list[str] = []
    staff_page.on(
        "console", lambda message: said.append(message.text) if message.type in {"error", "warning"} else None
    )
    staff_page.on("pageerror", lambda error: said.append(str(error)))
    for url in [*urls(story).values(), reverse("admin:accounts_organisation_add")]:
        staff_page.goto(live_server.url + url)
        staff_page.wait_for_load_state("networkidle")
    assert said == []


def test_axe_has_nothing_to_say_of_the_sign_in_page(page, live_server):
    page.goto(live_server.url + "/admin/")
    violations = Axe().run(page).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['target']}" for v in violations] == []


def test_the_page_does_not_scroll_sideways_on_a_phone(staff_page, live_server, story):
    staff_page.set_viewport_size({"width": 320, "height": 800})
    for name in ("accueil", "fiche", "lot", "décision"):
        staff_page.goto(live_server.url + urls(story)[name])
        assert staff_page.evaluate("document.documentElement.scrollWidth") <= 320, name


def test_a_batch_is_paused_by_keyboard(staff_page, live_server, story):
    staff_page.goto(live_server.url + urls(story)["lot"])
    staff_page.get_by_role("link", name="Suspendre").focus()
    staff_page.keyboard.press("Enter")
    staff_page.get_by_label("Motif").focus()
    staff_page.keyboard.type("Le Service Desk est débordé.")
    staff_page.keyboard.press("Tab")
    staff_page.keyboard.press("Enter")
    staff_page.get_by_text("Le lot 3 (PO) est suspendu.").wait_for()
    assert staff_page.get_by_text("Le Service Desk est débordé.").is_visible()
    story.batch.refresh_from_db()
    assert story.batch.status == Batch.Status.PAUSED


def test_a_held_mail_is_let_go_from_the_list(staff_page, live_server, story):
    staff_page.goto(live_server.url + urls(story)["fiche"])
    staff_page.get_by_role("link", name="Décider").click()
    staff_page.locator("input.action-select").check()
    staff_page.get_by_role("combobox").select_option(label="Envoyer malgré le retard")
    staff_page.get_by_role("button", name="Appliquer").click()
    staff_page.get_by_role("button", name="Envoyer").click()
    staff_page.get_by_text("1 mail(s) partiront malgré le retard.").wait_for()
    assert Mailing.objects.get(move=story, step=3).held_at is None
