"""A mailbox whose mail came back waits for its holder, is listed with its age, and does not migrate (B18)."""

from datetime import timedelta

import pytest

from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from migration import cutover, waiting
from migration.cutover import Result
from migration.models import Batch, Move
from tests.factories_migration import BatchFactory, MoveFactory, night_result

pytestmark = pytest.mark.django_db


def come_back(move: Move, step: int, at) -> None:
    OutgoingMail.objects.filter(mailing__move=move, mailing__step=step).update(
        bounced_at=at, delivery_code="5.2.2", delivery_text="552 boite pleine"
    )


def test_only_the_mailbox_whose_mail_came_back_waits_with_its_age_in_working_days():
    batch = BatchFactory(status=Batch.Status.RUNNING)
    MoveFactory(batch=batch, credentials_sent=True)
    full = MoveFactory(batch=batch, credentials_sent=True)
    friday = brussels(batch.mail2_on, 10) + timedelta(days=4)
    come_back(full, 2, friday)
    assert waiting.waits(at=friday - timedelta(minutes=1)) == []
    [wait] = waiting.waits(at=friday + timedelta(days=4))  # Tuesday: Monday and Tuesday have gone
    assert (wait.move, wait.step, wait.since, wait.code) == (full, 2, friday, "5.2.2")
    assert (wait.working_days, wait.is_old) == (2, False)
    assert waiting.waits(at=friday + timedelta(days=5))[0].is_old
    assert waiting.count(at=friday + timedelta(days=4)) == 1
    assert waiting.count(at=friday + timedelta(days=4), batches=[]) == 0


def test_a_mailbox_with_two_returns_is_one_line_the_oldest_first():
    move = MoveFactory(credentials_sent=True)
    start = brussels(move.batch.mail2_on, 12)
    come_back(move, 2, start + timedelta(hours=2))
    come_back(move, 1, start)
    [wait] = waiting.waits(at=start + timedelta(days=1))
    assert wait.step == 1


def test_what_exchange_refused_waits_too(failed_mail):
    mail = failed_mail(step=2)
    [wait] = waiting.waits(at=mail.queued_at + timedelta(days=1))
    assert wait.words == "Exchange refuse cette adresse."


@pytest.mark.parametrize("status", ["cancelled", "finished"])
def test_nobody_waits_in_a_batch_that_is_over(status):
    move = MoveFactory(credentials_sent=True)
    come_back(move, 2, brussels(move.batch.mail2_on, 12))
    Batch.objects.filter(pk=move.batch_id).update(status=status)
    assert waiting.waits(at=night_result(move.batch)) == []


def test_a_late_return_of_mail_2_refuses_the_result_of_the_night_without_a_signature():
    move = MoveFactory(sent=4)
    at = night_result(move.batch)
    come_back(move, 2, at - timedelta(minutes=5))
    results = [Result(move.mailbox.address, moved=True, line=2)]
    report = cutover.record(results, by="etnic", at=at)
    assert report.migrated == 0
    assert "mail 2" in report.refused[0][1]
    assert cutover.record(results, by="etnic", at=at, signed="etnic : mot de passe donné au guichet").migrated == 1


def test_the_list_is_two_statements_however_long(django_assert_num_queries):
    batch = BatchFactory()
    for _ in range(5):
        come_back(MoveFactory(batch=batch, credentials_sent=True), 2, brussels(batch.mail2_on, 12))
    with django_assert_num_queries(2):
        assert len(waiting.waits(at=night_result(batch))) == 5
