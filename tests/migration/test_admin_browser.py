"""The staff's pages in a real browser: nothing for axe to say, no breach of the content policy, decisions by hand."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page

from accounts import credentials
from bma_portal import clock
from bma_portal.mail.models import Sender, SenderState
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, MoveFactory
from tests.walks.sound import at_each_size, enter, follow, hear, press, violations

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    # pytest-base-url, which pytest-playwright brings, is not ready for pytest 10.
    pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning"),
]


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
def staff_page(page: Page, live_server, person) -> Page:
    """A browser signed in as SGNE."""
    enter(page.context, live_server.url, person("sgne"))
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
        "nuit": reverse("admin:migration_batch_decide", args=[move.batch.pk, "nuit"]),
        "report": reverse("admin:migration_batch_steer", args=[move.batch.pk, move.pk, "reporter"]),
        "mails": reverse("admin:migration_mailing_changelist") + "?decision=attendue",
        "courriels": reverse("admin:mail_outgoingmail_changelist"),
        "courriel": reverse("admin:mail_outgoingmail_change", args=[move.mailings.get(step=1).mail_id]),
        "expéditeurs": reverse("admin:mail_senderstate_changelist"),
        "campagne": reverse("admin:migration_campaign_change", args=[move.batch.campaign_id]),
        "pré-vol": reverse("admin:migration_batch_preflight", args=[move.batch.pk]),
        "remise": reverse("admin:migration_move_deed", args=[Move.objects.get(status="migrated").pk, "remise"]),
        "fermeture": reverse("admin:migration_move_closing"),
    }


def test_axe_has_nothing_to_say_and_no_page_breaks_the_content_policy(staff_page, live_server, story):
    said = hear(staff_page)
    found = []
    for name, url in urls(story).items():
        staff_page.goto(live_server.url + url)
        for size in at_each_size(staff_page):
            found.extend(f"{name}, {size}: {violation}" for violation in violations(staff_page))
    assert found == []
    staff_page.goto(live_server.url + reverse("admin:accounts_organisation_add"))  # the widgets that are Django's own
    staff_page.wait_for_load_state("networkidle")
    assert said == []


def test_axe_has_nothing_to_say_of_the_sign_in_page(page, live_server):
    page.goto(live_server.url + "/admin/")
    assert violations(page) == []


def test_the_page_does_not_scroll_sideways_on_a_phone(staff_page, live_server, story):
    staff_page.set_viewport_size({"width": 320, "height": 800})
    for name in ("accueil", "fiche", "lot", "décision"):
        staff_page.goto(live_server.url + urls(story)[name])
        assert staff_page.evaluate("document.documentElement.scrollWidth") <= 320, name


def test_a_batch_is_paused_by_keyboard(staff_page, live_server, story):
    staff_page.goto(live_server.url + urls(story)["lot"])
    staff_page.get_by_role("link", name="Suspendre").focus()
    follow(staff_page, "Enter")
    staff_page.get_by_label("Motif").focus()
    staff_page.keyboard.type("Le Service Desk est débordé.")
    staff_page.keyboard.press("Tab")
    follow(staff_page, "Enter")
    staff_page.get_by_text("Le lot 3 (PO) est suspendu.").wait_for()
    assert staff_page.get_by_text("Le Service Desk est débordé.").is_visible()
    story.batch.refresh_from_db()
    assert story.batch.status == Batch.Status.PAUSED


def test_a_held_mail_is_let_go_from_the_list(staff_page, live_server, story):
    staff_page.goto(live_server.url + urls(story)["fiche"])
    follow(staff_page, staff_page.get_by_role("link", name="Décider"))
    staff_page.locator("input.action-select").check()
    staff_page.get_by_role("combobox").select_option(label="Envoyer malgré le retard")
    press(staff_page, "Appliquer")
    press(staff_page, "Envoyer")
    staff_page.get_by_text("1 mail(s) partiront malgré le retard.").wait_for()
    assert Mailing.objects.get(move=story, step=3).held_at is None
