from datetime import date, timedelta

import pytest

from accounts.models import Mailbox
from bma_portal.clock import brussels
from migration.models import Mailing
from migration.phases import Phase, Programme, phase_at, programme_at, with_phase
from tests.factories import MailboxFactory
from tests.factories_migration import MoveFactory

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def both(mailbox: Mailbox, at) -> Phase:
    """The two writings of the rule must agree."""
    one = phase_at(mailbox, at)
    assert with_phase(Mailbox.objects.filter(pk=mailbox.pk), at).get().phase == one
    return one


def test_each_phase_begins_at_the_second_when_its_fact_does():
    move = MoveFactory(migrated=True)
    box = move.mailbox
    sent = dict(Mailing.objects.filter(move=move).values_list("step", "mail__sent_at"))
    steps = [(sent[1], Phase.ANNOUNCED), (sent[2], Phase.CREDENTIALS_SENT), (sent[3], Phase.CONFIRMED)]
    before = Phase.NOT_STARTED
    for moment, after in [*steps, (move.migrated_at, Phase.MIGRATED)]:
        assert both(box, moment - SECOND) == before
        assert both(box, moment) == after
        before = after
    assert both(box, move.migrated_at + timedelta(days=400)) == Phase.MIGRATED


def test_mail_4_alone_does_not_migrate():
    move = MoveFactory(sent=4)
    assert both(move.mailbox, brussels(date(2025, 6, 1))) == Phase.CONFIRMED


def test_a_mail_2_that_came_back_was_not_delivered():
    move = MoveFactory(credentials_sent=True)
    mail = move.mailings.get(step=2).mail
    mail.bounced_at = mail.sent_at + timedelta(hours=2)
    mail.save()
    assert both(move.mailbox, mail.sent_at) == Phase.CREDENTIALS_SENT
    assert both(move.mailbox, mail.bounced_at) == Phase.ANNOUNCED


def test_a_mailbox_in_no_batch_has_not_started():
    assert both(MailboxFactory(), brussels(date(2025, 1, 1))) == Phase.NOT_STARTED


def test_the_programme_is_over_once_all_have_migrated_and_closed_on_the_day():
    move = MoveFactory(migrated=True)
    campaign = move.batch.campaign
    assert programme_at(campaign, move.migrated_at - SECOND) == Programme.RUNNING
    assert programme_at(campaign, move.migrated_at) == Programme.OVER
    assert programme_at(campaign, brussels(date(2025, 4, 24), 23)) == Programme.OVER
    assert programme_at(campaign, brussels(date(2025, 4, 25))) == Programme.CLOSED


def test_phases_of_all_mailboxes_in_one_statement(django_assert_num_queries):
    for _ in range(3):
        MoveFactory(confirmed=True)
    with django_assert_num_queries(1):
        list(with_phase(Mailbox.objects.all(), brussels(date(2024, 12, 1))))
