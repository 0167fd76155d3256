"""The dashboard: each mailbox counts once, what waits for a person is named and linked, the cost does not grow."""

import re
from datetime import date

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from migration import dashboard
from migration.dashboard import Counts
from migration.models import Batch, Campaign, Move
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory
from tests.migration.board_stage import MORNING, stage

pytestmark = pytest.mark.django_db
STATEMENTS = 12
PAGE = 25  # with the session, the person and the page's own frame


@pytest.fixture(autouse=True)
def morning(db):
    clock.set_for_every_process(MORNING)


@pytest.fixture
def board():
    return stage()


def url_of(campaign: Campaign) -> str:
    return reverse("admin:migration_campaign_dashboard", args=[campaign.pk])


def test_each_mailbox_counts_once_where_it_now_stands(board):
    found = dashboard.dashboard(board.campaign, at=MORNING)
    assert found.total == Counts(done=2, moving=4, stopped=2, future=1, failed=1)
    assert found.total.total == Move.objects.values("mailbox").distinct().count()
    assert found.whole == found.total.total + 1
    for groups in (found.networks, found.types, found.by_kind):
        assert sum(groups.values(), Counts()) == found.total
    assert found.networks["Libre"] == Counts(done=1)
    assert found.types["PO"].done == 2
    assert sum((counts for weeks in found.by_week.values() for counts in weeks.values()), Counts()) == found.total
    assert list(found.by_week["po"]) == [date(2024, 11, 4)]
    assert found.nights[date(2024, 11, 7)] == 4
    assert found.reached == {1: 7, 2: 5, 3: 5, 4: 4}


def test_what_waits_for_a_person_is_named_with_whose_it_is(board):
    found = dashboard.dashboard(board.campaign, at=MORNING)
    said = {(todo.what, todo.count, todo.team) for todo in found.todo}
    assert said == {
        ("sender", 1, "etnic"), ("red", 1, "sgne"), ("paused", 1, "sgne"), ("result", 1, "etnic"),
        ("release", 1, "sgne"), ("approve", 1, "sgne"), ("held", 3, "etnic"), ("waiting", 1, "sgne"),
        ("failed", 1, "sgne"), ("aside", 1, "sgne"), ("text", 1, "sgne"), ("unplanned", 2, "sgne"),
    }  # fmt: skip
    assert found.todo[0].what == "sender"
    assert found.night is not None
    assert (found.night.day, found.night.boxes, found.night.red) == (date(2024, 11, 8), 1, 1)
    assert [wait.move for wait in found.waits] == [board.came_back]


def test_a_night_under_way_is_the_next_one_and_waits_for_no_result_yet(board):
    found = dashboard.dashboard(board.campaign, at=brussels(date(2024, 11, 8), 3))
    assert found.night is not None
    assert found.night.day == date(2024, 11, 7)
    assert "result" not in {todo.what for todo in found.todo}
    later = dashboard.dashboard(board.campaign, at=brussels(date(2024, 11, 20), 9))
    assert later.night is None


def test_a_pilot_that_is_over_waits_for_its_evaluation():
    batch = BatchFactory(number=1, pilot=True, status=Batch.Status.FINISHED)
    MoveFactory(batch=batch, migrated=True)
    assert [todo.what for todo in dashboard.dashboard(batch.campaign, at=MORNING).todo] == ["evaluate"]


def test_days_off_are_those_of_the_weeks_that_are_drawn(board):
    avoided, holidays = dashboard.dashboard(board.campaign, at=MORNING).days_off
    assert avoided[date(2024, 12, 10)] == "Comptage (établissements)"
    assert holidays == {date(2024, 11, 11): "jour férié"}


def test_the_forecast_rests_on_what_is_left(board):
    found = dashboard.dashboard(board.campaign, at=MORNING).forecast
    assert found.left == 9
    assert found.planned_end == date(2024, 12, 18)
    assert found.latest is not None
    assert found.latest >= found.earliest >= found.planned_end  # type: ignore[operator]


def test_another_campaign_is_left_out(board):
    other = CampaignFactory(slug="autre", name="Une autre")
    MoveFactory(batch=BatchFactory(campaign=other, number=1), confirmed=True)
    assert dashboard.dashboard(board.campaign, at=MORNING).total.total == 10
    assert dashboard.dashboard(other, at=MORNING).total == Counts(moving=1)


def test_the_cost_does_not_grow_with_the_campaign(board, django_assert_max_num_queries, signed_in):
    for number in range(10, 14):
        batch = BatchFactory(campaign=board.campaign, number=number, status=Batch.Status.RUNNING)
        MoveFactory.create_batch(3, batch=batch, announced=True)
    with django_assert_max_num_queries(STATEMENTS):
        dashboard.dashboard(board.campaign, at=MORNING)
    client = signed_in("sgne")
    client.get(url_of(board.campaign))
    with django_assert_max_num_queries(PAGE):
        assert client.get(url_of(board.campaign)).status_code == 200


# The page


@pytest.mark.parametrize("role", ["sgne", "etnic", "auditeur"])
def test_whoever_reads_the_campaign_sees_it_and_every_line_leads_where_one_acts(board, signed_in, role):
    client = signed_in(role)
    page = client.get(url_of(board.campaign)).content.decode()
    for words in (
        "L’envoi de l’ETNIC est arrêté", "ne peut pas migrer la prochaine nuit", "Lot 4 (établissements) suspendu",
        "Lot 1 (PO) : 1 boîte attend le résultat de sa nuit", "ses cinq premières boîtes sont parties",
        "Lot 5 (établissements) : son mail 1 est proche", "mails 2 en attente de décision", "Boîte inconnue.",
        "texte du mail 1 à approuver", "boîte en échec dans le lot 1 (PO), à reprendre", "mise de côté", "Par réseau",
        "2 boîtes migrées sur 11",
    ):  # fmt: skip
        assert words in page, words
    assert "style=" not in page
    acting = {"sgne": 200, "etnic": 200, "auditeur": 200}
    todo = page.split('class="todo"')[1].split("</ul>")[0]
    links = re.findall(r'href="([^"#]+)"', todo.replace("&amp;", "&"))
    assert len(links) == 11
    for link in links:
        assert client.get(link).status_code in {acting[role], 403}, link  # a decision asks for its own right
    if role == "sgne":
        refused = [link for link in links if client.get(link).status_code == 403]
        assert refused == [reverse("admin:migration_move_record_cutover")]  # ETNIC's


def test_a_list_that_is_linked_holds_what_was_counted(board, signed_in):
    client = signed_in("sgne")
    page = client.get(url_of(board.campaign))
    lines = {line.deed: line for line in page.context["todo"]}
    for deed in ("Reprendre ou reporter", "Relire", "Ouvrir la liste"):
        assert client.get(lines[deed].url).context["cl"].result_count == lines[deed].count, deed
    held = next(line for line in page.context["todo"] if "en attente de décision" in line.sentence)
    assert client.get(held.url).context["cl"].result_count == held.count
    assert not held.mine
    assert lines["Lire et approuver"].mine


def test_an_empty_campaign_says_what_to_do_first(signed_in):
    campaign = CampaignFactory()
    client = signed_in("sgne")
    page = client.get(url_of(campaign))
    assert [step.done for step in page.context["begins"]] == [False, False, False, False]
    assert "Par où commencer" in page.content.decode()
    assert "Rien n’attend de décision." in page.content.decode()
    MailboxFactory()
    page = client.get(url_of(campaign))
    assert [step.done for step in page.context["begins"]] == [True, False, False, False]
    for step in page.context["begins"]:
        assert client.get(step.url).status_code == 200, step.label
    MoveFactory(batch=BatchFactory(campaign=campaign, status=Batch.Status.APPROVED, mail1_on=date(2024, 10, 1)))
    assert [step.done for step in client.get(url_of(campaign)).context["begins"]] == [True] * 4


def test_a_campaign_that_is_over_says_so(signed_in):
    batch = BatchFactory(status=Batch.Status.FINISHED)
    MoveFactory.create_batch(2, batch=batch, migrated=True)
    page = signed_in("etnic").get(url_of(batch.campaign)).content.decode()
    assert "Toutes les boîtes ont migré." in page
    assert "100\N{NO-BREAK SPACE}%" in page


def test_the_first_page_of_the_admin_leads_to_the_latest_campaign_s(board, signed_in):
    client = signed_in("etnic")
    address = reverse("admin:dashboard")
    assert address == "/admin/tableau-de-bord/"
    assert address in client.get(reverse("admin:index")).content.decode()
    latest = CampaignFactory(slug="2025", name="La suivante")
    assert client.get(address).url == url_of(latest)
    assert address not in signed_in("personnel").get(reverse("admin:index")).content.decode()


def test_with_no_campaign_one_is_led_to_where_it_begins(signed_in):
    assert signed_in("sgne").get(reverse("admin:dashboard")).url == reverse("admin:migration_campaign_add")
    assert signed_in("etnic").get(reverse("admin:dashboard")).url == reverse("admin:migration_campaign_changelist")
    assert signed_in("sgne").get(reverse("admin:migration_campaign_dashboard", args=[999_999])).status_code == 404
