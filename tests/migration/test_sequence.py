"""What is queued and when; the outbox itself is not needed, its answers are written by hand."""

from datetime import date, datetime, timedelta

import pytest

from accounts import credentials
from accounts.models import Credential
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from migration import decisions, planning, sequence
from migration.campaigns import default_campaign
from migration.models import Batch, Mailing, Move
from tests.factories import MailboxFactory

pytestmark = pytest.mark.django_db

MONDAY = date(2024, 10, 7)
MAILS_1_TO_3 = (MONDAY, date(2024, 10, 14), date(2024, 11, 4))  # the days between are lived through by the first test
NINE = brussels(MONDAY, 9)


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


@pytest.fixture
def batch():
    """One PO week of 8 mailboxes, approved and open to all: 7, 14 October, 4 November, night of the 6th."""
    for _ in range(8):
        MailboxFactory(po=True)
    campaign = default_campaign()
    campaign.po_first_mail_to = date(2024, 10, 11)
    planning.apply(campaign, at=NINE)
    batch = campaign.batches.get()
    sequence.approve(batch, by="sgne", at=NINE)
    sequence.release(batch, by="sgne", at=NINE)
    return Batch.objects.get()


def exchange_accepts(at: datetime) -> None:
    """What the outbox records when Exchange takes everything."""
    from bma_portal.mail.compose import KINDS, letters

    rows = list(OutgoingMail.objects.filter(status="queued"))
    letters(rows, at=at)
    OutgoingMail.objects.filter(pk__in=[r.pk for r in rows]).update(status="sent", sent_at=at, proof="answer")
    for kind in {r.kind for r in rows}:
        KINDS[kind].accepted([r for r in rows if r.kind == kind], at=at)


def live_on(*days: date) -> None:
    """Each morning and each evening, what beat and the workers do."""
    for day in days:
        for hour in (9, 22):
            at = brussels(day, hour)
            sequence.advance(at=at)
            credentials.set_passwords(at=at)
            sequence.advance(at=at)
            exchange_accepts(at)


def sent_days(step: int) -> set[date]:
    return {m.mail.sent_at.date() for m in Mailing.objects.filter(step=step, mail__sent_at__isnull=False)}


def test_the_four_mails_leave_on_their_days(batch):
    live_on(*(MONDAY + timedelta(days=n) for n in range(32)))  # each day until 7 November
    assert [sent_days(step) for step in (1, 2, 3, 4)] == [
        {MONDAY}, {date(2024, 10, 14)}, {date(2024, 11, 4)}, {date(2024, 11, 6)},
    ]  # fmt: skip
    assert OutgoingMail.objects.filter(status="sent").count() == 32


def test_the_same_moment_twice_queues_once(batch):
    assert sequence.advance(at=NINE) == 8
    assert sequence.advance(at=NINE) == 0
    assert OutgoingMail.objects.count() == 8


def test_nothing_leaves_a_second_before_it_is_due(batch):
    assert sequence.advance(at=NINE - timedelta(seconds=1)) == 0


@pytest.mark.parametrize(("hour", "leaves"), [(7, 0), (8, 0), (9, 8), (16, 8), (17, 0), (22, 0)])
def test_mails_1_to_3_leave_while_the_desk_is_open(batch, hour, leaves):
    assert sequence.advance(at=brussels(MONDAY, hour)) == leaves


def test_nothing_leaves_from_a_batch_that_nobody_approved():
    MailboxFactory(po=True)
    planning.apply(default_campaign(), at=NINE)
    assert sequence.advance(at=NINE) == 0


def test_five_first_then_a_person(batch):
    Batch.objects.update(released_at=None, released_by="")
    assert sequence.advance(at=NINE) == 5
    assert sequence.advance(at=NINE) == 0
    sequence.release(Batch.objects.get(), by="sgne", at=NINE)
    assert sequence.advance(at=NINE) == 3


def test_mail_2_waits_for_the_password_to_be_in_the_directory(batch, directory):
    live_on(MONDAY)
    at = brussels(date(2024, 10, 14), 9)
    assert sequence.advance(at=at) == 0
    assert Credential.objects.count() == 8
    credentials.set_passwords(at=at)
    assert sequence.advance(at=at) == 8
    assert set(directory.calls) == set(Move.objects.values_list("mailbox__address", flat=True))


def test_mail_2_is_never_queued_before_mail_1_was_accepted(batch):
    sequence.advance(at=NINE)
    at = brussels(date(2024, 10, 14), 9)
    sequence.advance(at=at)
    credentials.set_passwords(at=at)
    sequence.advance(at=at)
    assert not Mailing.objects.filter(step=2, mail__isnull=False).exists()


def test_mail_3_keeps_three_weeks_from_the_day_mail_2_really_left(batch):
    live_on(MONDAY)
    late = date(2024, 10, 16)  # Exchange was away for two days
    live_on(late)
    assert sent_days(2) == {late}
    live_on(date(2024, 11, 4), date(2024, 11, 5))
    assert sent_days(3) == set()
    live_on(date(2024, 11, 6))
    assert sent_days(3) == {date(2024, 11, 6)}


def test_mail_4_belongs_to_its_night_and_is_held_in_the_morning(batch):
    live_on(*MAILS_1_TO_3)
    morning = brussels(date(2024, 11, 7), 10)
    assert sequence.advance(at=morning) == 0
    assert Mailing.objects.filter(step=4, held_at=morning).count() == 8
    assert sequence.advance(at=brussels(date(2024, 11, 7), 23)) == 0


@pytest.mark.parametrize(
    ("hour", "day", "leaves"), [(22, 6, 8), (23, 6, 8), (0, 7, 8), (2, 7, 8), (5, 7, 8), (6, 7, 0)]
)
def test_a_scheduler_that_was_down_catches_up_inside_the_night_only(batch, hour, day, leaves):
    live_on(*MAILS_1_TO_3)
    assert sequence.advance(at=brussels(date(2024, 11, day), hour)) == leaves


def test_after_a_long_pause_nothing_floods_out(batch):
    batch.move_to(Batch.Status.PAUSED, by="sgne", at=NINE)
    batch.move_to(Batch.Status.APPROVED, by="sgne", at=NINE + timedelta(days=10))
    assert sequence.advance(at=brussels(date(2024, 10, 17), 9)) == 0
    assert Mailing.objects.filter(step=1, held_at__isnull=False).count() == 8


def test_one_bad_mailbox_in_thirty_goes_on_two_suspend_the_batch(settings):
    for _ in range(30):
        MailboxFactory(po=True)
    campaign = default_campaign()
    campaign.po_first_mail_to = date(2024, 10, 11)
    planning.apply(campaign, at=NINE)
    batch = campaign.batches.get()
    sequence.approve(batch, by="sgne", at=NINE)
    sequence.release(batch, by="sgne", at=NINE)
    sequence.advance(at=NINE)
    one, two, *_ = OutgoingMail.objects.values_list("pk", flat=True)
    OutgoingMail.objects.filter(pk=one).update(status="failed")
    sequence.advance(at=NINE)
    assert Batch.objects.get().status == Batch.Status.RUNNING
    OutgoingMail.objects.filter(pk=two).update(status="failed")
    sequence.advance(at=NINE)
    sequence.advance(at=NINE)
    assert Batch.objects.get().status == Batch.Status.PAUSED
    call = OutgoingMail.objects.get(kind="migration.batch_paused")
    assert call.to == [settings.EXCHANGE_SGNE_ADDRESS]
    sequence.approve(Batch.objects.get(), by="sgne", at=NINE)
    sequence.advance(at=NINE)
    assert Batch.objects.get().status == Batch.Status.RUNNING, "ce qu'une personne a vu ne suspend plus"


def test_mail_4_recalls_the_same_password_and_destroys_it(batch, directory):
    live_on(*MAILS_1_TO_3)
    sealed = {c.mailbox.address: credentials.reveal(c) for c in Credential.objects.select_related("mailbox")}
    assert sealed == directory.passwords
    live_on(date(2024, 11, 6))
    assert Credential.objects.live().count() == 0
    assert Credential.objects.filter(sealed="", destroyed_why="mail 4 envoyé").count() == 8


def test_a_cancelled_batch_destroys_its_secrets_and_withdraws_its_mails(batch):
    live_on(MONDAY, date(2024, 10, 14))
    sequence.advance(at=brussels(date(2024, 11, 4), 9))
    sequence.cancel(batch, by="sgne", at=brussels(date(2024, 11, 4), 10), note="report demandé")
    assert Credential.objects.live().count() == 0
    assert OutgoingMail.objects.filter(status="queued").count() == 0
    assert sequence.advance(at=brussels(date(2024, 11, 6), 22)) == 0
    with pytest.raises(Refusal):
        batch.move_to(Batch.Status.APPROVED, by="sgne", at=NINE)


def test_a_failed_mailbox_goes_to_a_later_batch_without_a_second_mail_2(batch):
    live_on(*MAILS_1_TO_3, date(2024, 11, 6))
    move = Move.objects.first()
    at = brussels(date(2024, 11, 7), 2)
    move.move_to(Move.Status.FAILED, by="etnic", at=at, failure="verrou")
    campaign = batch.campaign
    campaign.refresh_from_db()
    planning.apply(campaign, at=at)
    again = Move.objects.live().get(mailbox=move.mailbox)
    assert set(again.mailings.values_list("step", flat=True)) == {3, 4}


@pytest.mark.parametrize("night", [date(2024, 10, 26), date(2025, 3, 29)])
def test_a_night_with_a_change_of_clocks_is_one_night(batch, night):
    """27 October 2024 has 25 hours, 30 March 2025 has 23: minute by minute, each mail is queued once."""
    live_on(*MAILS_1_TO_3)
    Batch.objects.update(
        mail1_on=night - timedelta(60), mail2_on=night - timedelta(50), mail3_on=night, night_on=night
    )
    Mailing.objects.filter(step=4).update(due_at=brussels(night, 22))
    OutgoingMail.objects.update(sent_at=brussels(night - timedelta(1), 9))
    start, end = batch.campaign.night(night)
    assert (end - start) == timedelta(hours=9 if night.month == 10 else 7)
    queued = 0
    at = start - timedelta(minutes=30)
    while at < end + timedelta(hours=6):
        queued += sequence.advance(at=at)
        at += timedelta(minutes=15)
    assert queued == 8


def test_a_refused_password_has_a_way_out(batch, directory):
    """The directory refused one box's password: its mail 2 waits, a person decides, another password is made."""
    live_on(MONDAY)
    day = date(2024, 10, 14)
    sequence.advance(at=brussels(day, 9))
    directory.answers.append(Outcome(Verdict.PERMANENT, "refused", "L'annuaire refuse ce mot de passe."))
    credentials.set_passwords(at=brussels(day, 9))
    Batch.objects.update(excused=1)
    assert sequence.advance(at=brussels(day, 9)) == 7
    late = brussels(date(2024, 10, 18), 9)
    sequence.advance(at=late)
    held = Mailing.objects.get(step=2, held_at__isnull=False)
    assert decisions.send_despite_delay([held.pk], by="etnic", at=late).done == 1
    sequence.advance(at=late)
    credentials.set_passwords(at=late)
    assert sequence.advance(at=late) == 1
    assert Credential.objects.filter(mailbox=held.move.mailbox).count() == 2
