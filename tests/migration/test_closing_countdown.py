"""The end of SMAIL2 (B20, S3 §3): who is still on it, the days left, and no link to it once it is closed."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.models import RateCount
from migration import cutover
from migration.closing_countdown import NOWHERE, countdown
from migration.models import Batch, Mailing, Move
from support.articles import loading
from support.models import Article
from support.questions import all_ways
from support.questions.ways import Leaf
from support.views.showing import where_it_serves
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_holders import HolderFactory, PasswordResetFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, night_result
from tests.support.pages import Page

pytestmark = pytest.mark.django_db

CLOSING = date(2025, 4, 25)
LAST_DAY = brussels(date(2025, 4, 24), 12)
OLD = "webmail.adm.cfwb.be"
LINK = f"http://{OLD}"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def left():
    """What is left on 24 April: in a batch, failed, put back, in no batch; what is not: migrated, closed, replaced."""
    planned = MoveFactory(confirmed=True, batch=BatchFactory(night_on=CLOSING, mail3_on=date(2025, 4, 20)))
    failed = MoveFactory(failed=True)
    back = MoveFactory(migrated=True, batch=failed.batch)
    cutover.roll_back(back, by="etnic", at=night_result(back.batch) + timedelta(days=1), why="Agenda perdu.")
    never = MailboxFactory()
    cancelled = MoveFactory(batch__status=Batch.Status.CANCELLED, status=Move.Status.CANCELLED)
    MoveFactory(migrated=True)
    MailboxFactory(organisation=OrganisationFactory(closed_on=date(2025, 1, 1)))
    MailboxFactory(organisation=OrganisationFactory(successor=never.organisation))
    return {"planned": planned, "failed": failed, "back": back, "never": never, "cancelled": cancelled}


def test_the_countdown_tells_who_is_left_by_batch_and_for_how_long(left):
    found = countdown(CampaignFactory(), at=LAST_DAY)
    assert (found.days_left, found.total, found.is_closed, found.more) == (1, 5, False, 0)
    told = [(group.batch, group.count, group.too_late) for group in found.groups]
    assert told == [(None, 2, False), (left["failed"].batch, 2, False), (left["planned"].batch, 1, True)]
    boxes = {left["never"], *(left[name].mailbox for name in ("planned", "failed", "back", "cancelled"))}
    assert set(found.mailboxes) == boxes
    narrowed = countdown(CampaignFactory(), at=LAST_DAY, lot=str(left["failed"].batch_id))
    assert set(narrowed.mailboxes) == {left["failed"].mailbox, left["back"].mailbox}
    assert set(countdown(CampaignFactory(), at=LAST_DAY, lot=NOWHERE).mailboxes) == {
        left["never"],
        left["cancelled"].mailbox,
    }
    for odd in ("0", "9" * 30, "x", "٣"):
        assert countdown(CampaignFactory(), at=LAST_DAY, lot=odd).total == 5


def test_it_is_a_function_of_the_moment(left):
    during = night_result(left["back"].batch) + timedelta(hours=1)
    assert left["back"].mailbox not in countdown(CampaignFactory(), at=during).mailboxes
    for day, days_left in ((date(2025, 4, 1), 24), (CLOSING, 0), (date(2026, 1, 1), 0)):
        found = countdown(CampaignFactory(), at=brussels(day))
        assert (found.days_left, found.is_closed) == (days_left, day >= CLOSING)


def test_it_asks_the_same_questions_whatever_the_size():
    counts = []
    for size in (1, 9):
        for _ in range(size):
            MoveFactory(confirmed=True)
        with CaptureQueriesContext(connection) as asked:
            countdown(CampaignFactory(), at=LAST_DAY)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 4


def test_whoever_reads_the_campaign_has_the_list(signed_in, left):
    clock.set_for_every_process(LAST_DAY)
    url = reverse("admin:migration_move_closing")
    for role in ("sgne", "etnic", "auditeur"):
        page = signed_in(role).get(url).content.decode()
        for words in ("vendredi 25 avril 2025", "Dans aucun lot", "après la fermeture", left["never"].address):
            assert words in page
    assert left["never"].address not in signed_in("sgne").get(url, {"lot": left["failed"].batch_id}).content.decode()
    assert signed_in("personnel").get(url).status_code == 403
    assert url in signed_in("sgne").get(reverse("admin:migration_move_changelist")).content.decode()
    clock.set_for_every_process(brussels(CLOSING))
    assert "est fermé depuis le" in signed_in("sgne").get(url).content.decode()


# No link to the old webmail any more


@pytest.fixture
def pages(left):
    """By its address, every public page that may name an interface, for a mailbox of each kind; their visitors."""
    loading.load(LAST_DAY, folder=ROOT / "articles")
    moves = [left["planned"], left["failed"], left["back"], MoveFactory(migrated=True), MoveFactory(announced=True)]
    boxes = [left["never"], *(move.mailbox for move in moves)]
    numbers = [box.address[:8] for box in boxes]
    person = UserFactory()
    for box in boxes:
        HolderFactory(user=person, organisation=box.organisation)
    mine = Client()
    mine.force_login(person)
    visitor = Client()
    found = [(mine, reverse("my_mailboxes")), (visitor, reverse("home")), (visitor, reverse("aide"))]
    found += [(visitor, f"{reverse('mailbox_status')}?numero={number}") for number in numbers]
    for which in ("", "ancien", "nouveau"):
        found += [(visitor, f"{reverse('password_door')}?lequel={which}&numero={n}") for n in numbers[:3]]
    named = len(found)
    each = {way.node: way for way in all_ways() if isinstance(way.node, Leaf)}.values()
    kept = f"?numero={numbers[0]}&livraison=2024-03-01"  # of migrated mailboxes: tests/support/test_assistant.py
    found += [(visitor, f"/assistant/{way.path}/{kept}") for way in each]
    articles = Article.objects.values_list("slug", flat=True)
    found += [(visitor, reverse("aide_article", args=[slug])) for slug in articles]
    return found, named


def links_of(client: Client, url: str) -> list[str]:
    RateCount.objects.all().delete()  # one visitor asks more than a visitor may
    response = client.get(url, follow=True)
    assert response.status_code in {200, 404}, (url, response.status_code)  # 404: an article that ended
    return [link for link in Page(response).links if OLD in link]


def test_after_the_closing_no_page_links_the_old_webmail(pages):
    every, named = pages
    clock.set_for_every_process(LAST_DAY)
    before = [url for client, url in every[:named] if links_of(client, url)]
    assert len(before) > 5  # the walk sees them
    clock.set_for_every_process(brussels(CLOSING))
    assert [url for client, url in every if links_of(client, url)] == []


def test_after_the_closing_a_password_that_is_shown_leads_to_the_new_interface(left):
    """Also that of a mailbox whose migration nobody recorded."""
    for move in (left["planned"], left["back"]):
        PasswordResetFactory(mode=True, ready=True, path="mode", mailbox=move.mailbox)
        assert not where_it_serves(move.mailbox, at=LAST_DAY)["usable"]
        assert where_it_serves(move.mailbox, at=brussels(CLOSING))["usable"]
    html = (ROOT / "templates/support/reset/_after.html").read_text()
    usable, _, later = html.partition("{% else %}")
    assert "old_webmail" not in usable
    assert "old_webmail" in later


def test_no_text_of_the_four_mails_links_it():
    """They may be read again years later; the link of the old interface is in none."""
    texts = [*(ROOT / "migration/texts").rglob("*.md"), *(ROOT / "templates/migration/mails").rglob("*")]
    assert len(texts) > 4
    for text in texts:
        if text.is_file():
            assert OLD not in text.read_text(), text
            assert "old_webmail" not in text.read_text(), text
    assert Mailing.Step.values == [1, 2, 3, 4]
