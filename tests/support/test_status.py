"""What a holder is told, at each step of the way and on either side of each date."""

from datetime import date, timedelta

import pytest

from bma_portal.clock import brussels
from migration.models import Batch, Mailing, Move
from migration.phases import Phase, Programme
from support.status import Progress, Where, programme_on, status_of
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, deliver

pytestmark = pytest.mark.django_db
D, N, L, LATE, SKIPPED = Progress.DONE, Progress.NEXT, Progress.LATER, Progress.LATE, Progress.SKIPPED


def progress(status):
    return [stage.progress for stage in status.stages]


WAY = [
    # day (at noon), phase, interface, mails 1 to 4 and the move
    (date(2024, 10, 6), Phase.NOT_STARTED, Where.OLD, [N, L, L, L, L]),
    (date(2024, 10, 7), Phase.ANNOUNCED, Where.OLD, [D, N, L, L, L]),
    (date(2024, 10, 13), Phase.ANNOUNCED, Where.OLD, [D, N, L, L, L]),
    (date(2024, 10, 14), Phase.CREDENTIALS_SENT, Where.OLD, [D, D, N, L, L]),
    (date(2024, 11, 4), Phase.CREDENTIALS_SENT, Where.OLD, [D, D, N, L, L]),
    (date(2024, 11, 5), Phase.CONFIRMED, Where.OLD, [D, D, D, N, L]),
    (date(2024, 11, 7), Phase.CONFIRMED, Where.OLD, [D, D, D, N, L]),
    (date(2024, 11, 8), Phase.MIGRATED, Where.NEW, [D, D, D, D, D]),
    (date(2025, 4, 24), Phase.MIGRATED, Where.NEW, [D, D, D, D, D]),
    (date(2025, 4, 25), Phase.MIGRATED, Where.NEW, [D, D, D, D, D]),
]


@pytest.mark.parametrize(("day", "phase", "where", "stages"), WAY)
def test_each_fact_changes_what_is_told_from_its_own_day(day, phase, where, stages):
    box = MoveFactory(migrated=True).mailbox
    status = status_of(box, brussels(day, 12))
    assert (status.phase, status.where, progress(status)) == (phase, where, stages)


LIVE = [
    # mails delivered so far, day, interface, mails 1 to 4 and the move
    (0, date(2024, 10, 6), Where.OLD, [N, L, L, L, L]),
    (0, date(2024, 10, 8), Where.OLD, [LATE, L, L, L, L]),
    (1, date(2024, 10, 14), Where.OLD, [D, N, L, L, L]),
    (1, date(2024, 10, 15), Where.OLD, [D, LATE, L, L, L]),
    (2, date(2024, 11, 6), Where.OLD, [D, D, LATE, L, L]),
    (2, date(2024, 11, 20), Where.OLD, [D, D, LATE, L, L]),  # no confirmation, no night
    (3, date(2024, 11, 7), Where.OLD, [D, D, D, N, L]),
    (3, date(2024, 11, 9), Where.UNSURE, [D, D, D, LATE, L]),
    (4, date(2024, 11, 8), Where.UNSURE, [D, D, D, D, LATE]),
    (4, date(2025, 4, 25), Where.NOWHERE, [D, D, D, D, LATE]),
]


@pytest.mark.parametrize(("sent", "day", "where", "stages"), LIVE)
def test_a_step_whose_day_is_past_is_said_to_be_late(sent, day, where, stages):
    box = MoveFactory(sent=sent).mailbox
    status = status_of(box, brussels(day, 12))
    assert (status.where, progress(status)) == (where, stages)


@pytest.mark.parametrize(
    ("at", "where"),
    [
        (brussels(date(2024, 11, 7), 21, 59), Where.OLD),
        (brussels(date(2024, 11, 7), 22), Where.NIGHT),
        (brussels(date(2024, 11, 8), 5, 59), Where.NIGHT),
        (brussels(date(2024, 11, 8), 6), Where.UNSURE),
    ],
)
def test_the_night_begins_and_ends_at_its_hour(at, where):
    status = status_of(MoveFactory(confirmed=True).mailbox, at)
    assert status.where == where
    assert status.phase == Phase.CONFIRMED


def test_dates_are_those_of_the_facts_then_those_of_the_mailing_then_those_of_the_batch():
    move = MoveFactory(sent=0)
    first = move.mailings.get(step=1)
    deliver(first, brussels(date(2024, 10, 9), 10))  # two days late
    move.mailings.filter(step=2).update(due_at=brussels(date(2024, 10, 17), 9))
    status = status_of(move.mailbox, brussels(date(2024, 10, 10)))
    assert [stage.on for stage in status.stages] == [
        date(2024, 10, 9),
        date(2024, 10, 17),
        date(2024, 11, 5),
        date(2024, 11, 7),
        date(2024, 11, 7),
    ]


def test_a_draft_batch_promises_nothing():
    box = MoveFactory(batch__status=Batch.Status.DRAFT).mailbox
    status = status_of(box, brussels(date(2024, 10, 1)))
    assert status.night_on is None
    assert {stage.on for stage in status.stages} == {None}
    assert status.window == (date(2024, 10, 7), date(2024, 10, 31))
    assert not status.window_over


@pytest.mark.parametrize(("kind", "last"), [("po", date(2024, 10, 31)), ("ec", date(2024, 11, 30))])
def test_the_window_of_the_first_mail_is_that_of_the_kind_and_ends_with_its_last_day(kind, last):
    box = MailboxFactory(po=kind == "po")
    assert not status_of(box, brussels(last, 23)).window_over
    assert status_of(box, brussels(last + timedelta(days=1))).window_over


def test_without_any_campaign_a_mailbox_has_not_started_until_the_old_server_closes():
    box = MailboxFactory()
    before = status_of(box, brussels(date(2025, 4, 24), 23))
    assert (before.phase, before.where) == (Phase.NOT_STARTED, Where.OLD)
    after = status_of(box, brussels(date(2025, 4, 25)))
    assert after.where == Where.NOWHERE
    assert "ancien serveur est fermé" in after.sentence


def test_a_failed_night_is_said_and_promises_no_date():
    status = status_of(MoveFactory(failed=True).mailbox, brussels(date(2024, 11, 9)))
    assert status.failed
    assert status.where == Where.OLD
    assert "n’a pas pu se faire" in status.sentence
    assert status.next_stage.on is None


def test_after_a_failed_night_the_next_batch_gives_its_own_dates():
    box = MoveFactory(failed=True).mailbox
    again = BatchFactory(mail3_on=date(2024, 11, 19), night_on=date(2024, 11, 21))
    move = Move.objects.create(batch=again, mailbox=box, position=1)
    for step, due in ((3, brussels(again.mail3_on, 9)), (4, brussels(again.night_on, 22))):
        Mailing.objects.create(move=move, step=step, due_at=due)
    status = status_of(box, brussels(date(2024, 11, 12)))
    assert not status.failed
    assert status.night_on == date(2024, 11, 21)
    assert "La date de la migration a changé" in status.sentence
    assert progress(status) == [D, D, N, L, L]
    assert status.stages[2].on == date(2024, 11, 19)


def test_a_suspended_batch_says_so_and_opens_no_night():
    box = MoveFactory(confirmed=True, batch__status=Batch.Status.PAUSED).mailbox
    status = status_of(box, brussels(date(2024, 11, 7), 23))
    assert status.suspended
    assert status.where == Where.OLD


def test_a_mail_that_came_back_has_not_arrived():
    move = MoveFactory(announced=True)
    mail = move.mailings.get(step=1).mail
    mail.bounced_at = mail.sent_at + timedelta(hours=1)
    mail.save()
    status = status_of(move.mailbox, brussels(date(2024, 10, 9)))
    assert status.phase == Phase.NOT_STARTED
    assert status.stages[0].progress == LATE


def test_a_mailbox_migrated_without_a_mail_says_that_it_was_not_sent():
    move = MoveFactory(sent=3)
    move.status, move.migrated_at = Move.Status.MIGRATED, brussels(date(2024, 11, 8), 2)
    move.save()
    assert progress(status_of(move.mailbox, brussels(date(2024, 11, 9)))) == [D, D, D, SKIPPED, D]


def test_a_closing_to_come_is_told_until_it_has_come():
    school = OrganisationFactory(closed_on=date(2025, 9, 1))
    box = MailboxFactory(organisation=school)
    assert status_of(box, brussels(date(2025, 1, 1))).closes_on == date(2025, 9, 1)
    assert status_of(box, brussels(date(2025, 9, 1))).closes_on is None


def test_the_programme_is_known_before_any_campaign_is():
    assert programme_on(brussels(date(2024, 10, 1))) == Programme.RUNNING
    assert programme_on(brussels(date(2025, 4, 25))) == Programme.CLOSED
    CampaignFactory()
    assert programme_on(brussels(date(2024, 10, 1))) == Programme.RUNNING
