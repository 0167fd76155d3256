"""A directory that refuses the service account, or one mailbox, or is slow: who waits, and how long."""

import time
from datetime import UTC, datetime

import pytest
from django.db import connection

from accounts import credentials
from accounts.models import Credential, DirectoryPause
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from tests.factories import MailboxFactory

pytestmark = pytest.mark.django_db
AT = datetime(2024, 10, 14, 7, tzinfo=UTC)
REFUSED_ACCOUNT = Outcome(Verdict.SENDER, "52e", "L'annuaire refuse le compte de service.", wide=True)
NO_RIGHT = Outcome(Verdict.SENDER, "insufficientAccessRights", "Le compte de service n'a pas ce droit.")


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


@pytest.fixture
def box(db):
    return MailboxFactory()


def later() -> None:
    """Waits and leases are over; a pause is not."""
    Credential.objects.update(not_before=None, claimed_until=None)


# The service account


def test_a_refused_account_is_not_tried_again_by_anybody(box, directory):
    boxes = [MailboxFactory() for _ in range(4)]
    credentials.issue(boxes, at=AT)
    directory.answers.append(REFUSED_ACCOUNT)
    assert credentials.set_passwords(at=AT) == 0
    mine = credentials.renew(box, at=AT)
    later()
    credentials.set_now(mine, at=AT)
    credentials.set_passwords(at=AT)
    assert len(directory.calls) == 1, "chaque refus rapproche le compte de son verrouillage"
    assert DirectoryPause.objects.get().reason == REFUSED_ACCOUNT.reason
    assert mine.applied_at is None


def test_when_the_pause_is_over_one_call_shows_whether_it_is_corrected(directory):
    credentials.issue([MailboxFactory() for _ in range(3)], at=AT)
    for tries in (1, 2):
        directory.answers.append(REFUSED_ACCOUNT)
        credentials.set_passwords(at=AT)
        assert len(directory.calls) == tries
        later()
        DirectoryPause.objects.update(until=datetime(2024, 1, 1, tzinfo=UTC))
    assert credentials.set_passwords(at=AT) == 3


def test_the_pause_outlasts_the_counter_of_refusals(settings, directory):
    credentials.issue([MailboxFactory()], at=AT)
    directory.answers.append(REFUSED_ACCOUNT)
    credentials.set_passwords(at=AT)
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM until - clock_timestamp()) FROM accounts_directorypause")
        assert cursor.fetchone()[0] > 30 * 60


def test_a_person_who_corrected_it_ends_the_pause(directory):
    credentials.issue([MailboxFactory()], at=AT)
    directory.answers.append(REFUSED_ACCOUNT)
    credentials.set_passwords(at=AT)
    assert credentials.resume()
    assert not credentials.resume()
    assert credentials.set_passwords(at=AT) == 1


def test_one_mailbox_out_of_reach_does_not_keep_the_others_waiting(directory):
    credentials.issue([MailboxFactory() for _ in range(4)], at=AT)
    directory.answers += [Outcome(Verdict.SENT), NO_RIGHT]
    assert credentials.set_passwords(at=AT) == 3
    assert credentials.set_passwords(at=AT) == 0
    assert len(directory.calls) == 4
    assert not DirectoryPause.objects.exists()
    assert credentials.pending().get().last_error == NO_RIGHT.reason


def test_three_in_a_row_are_the_accounts_own_matter(directory):
    credentials.issue([MailboxFactory() for _ in range(9)], at=AT)
    directory.answers += [NO_RIGHT] * 3
    assert credentials.set_passwords(at=AT) == 0
    assert len(directory.calls) == 3
    assert DirectoryPause.objects.exists()


# Slowly


def test_no_call_starts_when_half_of_the_lease_is_over(settings, directory, monkeypatch):
    credentials.issue([MailboxFactory() for _ in range(5)], at=AT)
    passing = iter(range(0, 10_000, 25))
    monkeypatch.setattr(credentials.time, "monotonic", lambda: float(next(passing)))
    settings.DIRECTORY_RUN_SECONDS = 40
    assert credentials.set_passwords(at=AT) == 3
    monkeypatch.setattr(credentials.time, "monotonic", time.perf_counter)
    assert credentials.pending().filter(not_before=None, claimed_until=None).count() == 2
    assert credentials.set_passwords(at=AT) == 2
