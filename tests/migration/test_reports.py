"""The nightly report: once per Brussels date and organisation, its own words, never for a past date (B17, H9)."""

from datetime import date, datetime, timedelta

import pytest
from django.conf import settings

from bma_portal import clock
from bma_portal.clock import BRUSSELS, brussels
from bma_portal.mail.admin import KIND_LABELS
from bma_portal.mail.models import OutgoingMail, Sender
from migration import dashboard, reports, tasks
from migration.dashboard import Todo
from migration.models import Batch
from tests.factories_migration import BatchFactory, MoveFactory
from tests.migration.board_stage import Board, stage

pytestmark = pytest.mark.django_db
FRIDAY = date(2024, 11, 8)  # after the night of the 7th


@pytest.fixture
def board() -> Board:
    return stage()


def queued() -> list[tuple[str, str]]:
    rows = OutgoingMail.objects.filter(kind="migration.report").order_by("key")
    return [(row.key, row.to[0]) for row in rows]


def mail_to(sender: Sender) -> OutgoingMail:
    return OutgoingMail.objects.get(kind="migration.report", sender=sender)


def test_each_organisation_gets_its_own_once_from_half_past_six(board):
    assert reports.queue(at=brussels(FRIDAY, 6, 29)) == 0
    assert reports.queue(at=brussels(FRIDAY, 6, 30)) == 2
    assert reports.queue(at=brussels(FRIDAY, 6, 30)) == 0
    assert reports.queue(at=brussels(FRIDAY, 11)) == 0
    assert queued() == [
        ("report:etnic:2024-11-08", settings.EXCHANGE_ETNIC_ADDRESS),
        ("report:sgne:2024-11-08", settings.EXCHANGE_SGNE_ADDRESS),
    ]


def test_it_tells_the_night_the_day_and_what_waits(board):
    reports.queue(at=brussels(FRIDAY, 7))
    sgne, etnic = mail_to(Sender.SGNE), mail_to(Sender.ETNIC)
    assert sgne.subject == "Migration des BMA, 08/11/2024 : 2 migrées, 2 en échec, 9 points pour vous"
    assert etnic.subject == "Migration des BMA, 08/11/2024 : 2 migrées, 2 en échec, 3 points pour vous"
    for row in (sgne, etnic):
        assert "- lot 1 (PO) : 2 migrées, 2 en échec, 1 sans résultat." in row.text
        assert "dans la nuit du jeudi 7 au vendredi 8 novembre 2024" in row.text
        assert "1 × mail 4 : clôture" in row.text
        assert "1 boîte, 1 en rouge au pré-vol." in row.text
        assert "Fin prévue entre le" in row.text
        assert "2 migrées sur 11" in row.text
        assert "<table" in row.html
        assert row.sensitive is False
    assert "Le lot 4 (établissements) est suspendu." in sgne.text
    assert "L’envoi de l’ETNIC est arrêté" in etnic.text
    assert "L’envoi de l’ETNIC" not in sgne.text
    assert "3 mails 2 en attente de décision." in etnic.text
    assert "3 mails 2" not in sgne.text
    assert "et 3 points pour l’autre organisation." in sgne.text


def test_a_quiet_day_says_so():
    batch = BatchFactory(number=1, night_on=date(2024, 11, 20))
    MoveFactory(batch=batch)
    reports.queue(at=brussels(date(2024, 9, 30), 8))
    row = mail_to(Sender.ETNIC)
    assert row.subject == "Migration des BMA, 30/09/2024 : rien à décider"
    assert "aucune boîte ne devait migrer" in row.text
    assert "- rien." in row.text
    assert "aucun mail de la migration n’est prévu" in row.text


@pytest.mark.parametrize("status", [Batch.Status.DRAFT, Batch.Status.FINISHED, Batch.Status.CANCELLED])
def test_without_a_campaign_under_way_nothing_is_written(status):
    MoveFactory(batch=BatchFactory(status=status))
    assert reports.queue(at=brussels(FRIDAY, 8)) == 0
    assert queued() == []


def test_a_morning_that_was_missed_is_not_told_afterwards(board):
    reports.queue(at=brussels(FRIDAY, 23))  # the portal comes back late in the evening
    assert queued() == []
    reports.queue(at=brussels(FRIDAY + timedelta(days=3), 12))
    assert {key for key, _to in queued()} == {"report:etnic:2024-11-11", "report:sgne:2024-11-11"}


@pytest.mark.parametrize("night", [date(2024, 10, 26), date(2025, 3, 29)])
def test_each_date_has_its_report_once_whatever_the_clocks_do(night):
    """Beat rings every five minutes, twice at once now and then; that night has twenty-three or twenty-five hours."""
    MoveFactory(batch=BatchFactory(night_on=date(2025, 6, 5)))
    at, end = brussels(night, 22), brussels(night + timedelta(days=2), 12)
    while at < end:
        reports.queue(at=at)
        if at.minute == 30:
            reports.queue(at=at)
        at += timedelta(minutes=5)
    days = [night + timedelta(days=1), night + timedelta(days=2)]
    assert [key for key, _to in queued()] == [f"report:{who}:{day}" for who in ("etnic", "sgne") for day in days]
    for row in OutgoingMail.objects.filter(kind="migration.report"):
        local = row.queued_at.astimezone(BRUSSELS)
        assert (local.hour, local.minute) == (6, 30)


def test_of_two_who_ring_at_the_same_moment_one_writes(board, monkeypatch):
    once = dashboard.dashboard
    at = brussels(FRIDAY, 8)

    def overtaken(campaign, *, at):
        monkeypatch.setattr(dashboard, "dashboard", once)
        assert reports.queue(at=at) == 2
        return once(campaign, at=at)

    monkeypatch.setattr(dashboard, "dashboard", overtaken)
    reports.queue(at=at)
    assert len(queued()) == 2


def test_the_bell_is_in_the_schedule_and_asks_the_clock(board, monkeypatch):
    entry = settings.CELERY_BEAT_SCHEDULE["rapport"]
    assert entry["task"] == tasks.report.name
    assert entry["schedule"].run_every <= timedelta(minutes=10)
    clock.set_for_every_process(brussels(FRIDAY, 7))
    tasks.report()
    assert len(queued()) == 2
    assert KIND_LABELS["migration.report"] == "rapport de la nuit"


def test_everything_that_may_wait_has_its_sentence(board):
    from migration.admin.dashboard import SAID

    for what in SAID:
        for count in (1, 3):
            said = reports.sentence(Todo(what, count, "sgne", 2, "lot 2 (PO)"))
            assert said.endswith(".")
            assert said[:1].isupper() or said[:1].isdigit()


def test_a_report_costs_no_more_for_a_larger_campaign(board, django_assert_max_num_queries):
    MoveFactory.create_batch(6, batch=board.running, announced=True)
    with django_assert_max_num_queries(20):
        reports.queue(at=brussels(FRIDAY, 8))
    with django_assert_max_num_queries(1):
        reports.queue(at=brussels(FRIDAY, 9))
    assert isinstance(OutgoingMail.objects.first().queued_at, datetime)
