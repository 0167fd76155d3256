"""A batch that is suspended, cancelled or planned anew while its mails are on their way; what outlives it."""

import threading
from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from accounts import credentials
from accounts.models import Credential
from bma_portal import vault
from bma_portal.clock import brussels
from bma_portal.mail.compose import Unsendable, Withdrawn, letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.verdicts import Outcome
from demo.directory import MemoryDirectory
from migration import cutover, decisions, sequence
from migration.cutover import Result
from migration.mails import Closing
from migration.models import Batch, Mailing, Move
from migration.texts.rendering import Both, of_recall
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, deliver, in_force

pytestmark = pytest.mark.django_db
NINE = brussels(date(2024, 10, 7), 9)
CLAIMED = """UPDATE mail_outgoingmail
             SET status = 'sending', claim = gen_random_uuid(), claimed_at = now(), not_before = now()
             WHERE id = ANY(%s)"""


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


def claimed(*pks: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIMED, [list(pks)])


def given_back() -> None:
    """What the outbox writes when Exchange was busy, or when a worker had no time left."""
    OutgoingMail.objects.filter(status="sending").update(status="queued", claim=None, not_before=None)


def test_a_mail_on_its_way_when_its_batch_is_cancelled_does_not_leave_later():
    move = MoveFactory()
    sequence.advance(at=NINE)
    mail = OutgoingMail.objects.get()
    claimed(mail.pk)
    sequence.cancel(move.batch, by="sgne", at=NINE, note="report")
    given_back()
    mail.refresh_from_db()
    assert isinstance(letters([mail], at=NINE)[mail.pk], Withdrawn)


def test_mail_4_of_a_cancelled_batch_does_not_leave_in_its_night():
    move = MoveFactory(confirmed=True)
    in_force(move)
    night = brussels(move.batch.night_on, 22)
    sequence.advance(at=night)
    mail = OutgoingMail.objects.get(status="queued")
    claimed(mail.pk)
    sequence.cancel(move.batch, by="sgne", at=night, note="report")
    given_back()
    mail.refresh_from_db()
    assert isinstance(letters([mail], at=night)[mail.pk], Withdrawn)


def test_suspending_takes_back_what_nobody_has_taken_yet():
    batch = BatchFactory()
    for _ in range(4):
        MoveFactory(batch=batch)
    assert sequence.advance(at=NINE) == 4
    on_its_way = OutgoingMail.objects.order_by("pk")[0]
    claimed(on_its_way.pk)
    decisions.pause(batch, by="sgne", at=NINE, note="une faute dans le texte")
    assert list(OutgoingMail.objects.all()) == [on_its_way]
    assert Mailing.objects.filter(step=1, mail=None).count() == 3
    assert sequence.advance(at=NINE) == 0
    sequence.approve(batch, by="sgne", at=NINE)
    assert sequence.advance(at=NINE) == 3


def test_a_batch_that_suspends_itself_keeps_back_what_was_queued():
    batch = BatchFactory()
    for _ in range(10):
        MoveFactory(batch=batch)
    sequence.advance(at=NINE)
    OutgoingMail.objects.filter(pk=OutgoingMail.objects.order_by("pk")[0].pk).update(status="failed", claimed_at=NINE)
    sequence.advance(at=NINE)
    assert Batch.objects.get().status == Batch.Status.PAUSED
    assert not OutgoingMail.objects.filter(status="queued", kind="migration.announcement").exists()


def test_what_was_taken_back_waits_for_a_decision_if_the_batch_starts_again_too_late():
    batch = BatchFactory()
    MoveFactory(batch=batch)
    sequence.advance(at=NINE)
    decisions.pause(batch, by="sgne", at=NINE, note="à revoir")
    later = NINE + timedelta(days=10)
    sequence.approve(batch, by="sgne", at=later)
    assert sequence.advance(at=later) == 0
    assert Mailing.objects.get(step=1).held_at == later


def test_no_secret_outlives_its_delay_once_the_campaign_is_over():
    move = MoveFactory(failed=True)
    credentials.issue([move.mailbox], at=NINE)
    Batch.objects.update(status=Batch.Status.FINISHED)
    sequence.advance(at=NINE + timedelta(days=200))
    assert Credential.objects.live().count() == 0
    assert Credential.objects.get().destroyed_why == "délai dépassé"


def test_one_altered_secret_does_not_keep_the_other_passwords_from_the_directory(directory):
    boxes = [MailboxFactory() for _ in range(4)]
    vault.verify()
    credentials.issue(boxes, at=NINE)
    first, second, *_ = Credential.objects.order_by("pk")
    Credential.objects.filter(pk=first.pk).update(sealed=second.sealed)
    assert credentials.set_passwords(at=NINE) == 3
    first.refresh_from_db()
    assert first.refused_at == NINE
    assert "modifié" in first.last_error


def test_a_key_taken_away_too_early_stops_the_sender_and_fails_no_mail(settings):
    vault.verify()
    move = MoveFactory(announced=True)
    credentials.issue([move.mailbox], at=NINE)
    Credential.objects.update(applied_at=NINE)
    at = brussels(move.batch.mail2_on, 9)
    sequence.advance(at=at)
    settings.BMA_VAULT_KEYS = "neuve:" + "B" * 42 + "A="
    mail = OutgoingMail.objects.get(status="queued")
    with pytest.raises(vault.VaultError, match="test"):
        letters([mail], at=at)
    settings.BMA_VAULT_KEYS = "test:dGVzdC1jbGVmLWRlLTMyLW9jdGV0cy1wYXMtc2VjcmU="
    Credential.objects.update(sealed="jamais-vue.AAAA")
    assert isinstance(letters([mail], at=at)[mail.pk], Unsendable)


def test_mail_4_does_not_announce_a_night_that_a_returned_mail_2_forbids():
    move = MoveFactory(confirmed=True, batch__excused=1)
    OutgoingMail.objects.filter(mailing__step=2).update(bounced_at=NINE)
    sequence.advance(at=brussels(move.batch.night_on, 22))
    assert Mailing.objects.get(step=4).mail is None


def replanned(*, sent: int) -> Move:
    """A mailbox whose first night failed, in a second batch of which so many mails were delivered."""
    first = MoveFactory(failed=True)
    later = {
        f"{name}_on": getattr(first.batch, f"{name}_on") + timedelta(days=35)
        for name in ("mail1", "mail2", "mail3", "night")
    }
    again = MoveFactory(mailbox=first.mailbox, batch=BatchFactory(campaign=CampaignFactory(), **later))
    again.mailings.filter(step__lt=3).delete()
    for mailing in again.mailings.filter(step__lte=sent):
        deliver(mailing, mailing.due_at)
    return again


def test_in_a_later_batch_mail_4_waits_for_that_batchs_own_mail_3():
    again = replanned(sent=2)
    night = brussels(again.batch.night_on, 22)
    Mailing.objects.filter(move=again, step=3).update(held_at=night, held_why="en retard")
    sequence.advance(at=night)
    assert again.mailings.get(step=4).mail is None


def test_in_a_later_batch_the_night_asks_for_that_nights_own_mail_4():
    again = replanned(sent=3)
    at = brussels(again.batch.night_on + timedelta(days=1), 2)
    report = cutover.record([Result(again.mailbox.address, moved=True)], by="etnic", at=at)
    assert report.migrated == 0
    assert "mail 4" in report.refused[0][1]


def test_an_old_password_set_late_does_not_stay_in_force(directory, monkeypatch):
    """A slow worker sets what it had claimed after a reset: the newer password is set again."""
    box = MailboxFactory()
    credentials.issue([box], at=NINE)
    setting = MemoryDirectory.set_password

    def slowly(self, address, password) -> Outcome:
        if not directory.calls:
            monkeypatch.setattr(MemoryDirectory, "set_password", setting)
            credentials.renew(box, at=NINE)
            credentials.set_passwords(at=NINE)
        return setting(self, address, password)

    monkeypatch.setattr(MemoryDirectory, "set_password", slowly)
    credentials.set_passwords(at=NINE)
    credentials.set_passwords(at=NINE)
    newest = Credential.objects.get(superseded_at=None)
    assert directory.passwords[box.address] == credentials.reveal(newest)
    assert newest.applied_at is not None


@pytest.mark.django_db(transaction=True)
def test_nothing_is_queued_behind_the_back_of_a_person_who_is_suspending():
    move = MoveFactory()
    suspended, seen = threading.Event(), threading.Event()

    def suspend() -> None:
        try:
            with transaction.atomic():
                decisions.pause(Batch.objects.get(), by="sgne", at=NINE, note="")
                suspended.set()
                seen.wait(10)
        finally:
            connection.close()

    person = threading.Thread(target=suspend)
    person.start()
    assert suspended.wait(10)
    try:
        assert sequence.advance(at=NINE) == 0
    finally:
        seen.set()
        person.join()
    assert sequence.advance(at=NINE) == 0
    assert move.mailings.filter(mail__isnull=False).count() == 0


def test_a_draft_that_waits_with_a_replaced_password_does_not_leave():
    move = MoveFactory(announced=True)
    at = brussels(move.batch.mail2_on, 9)
    credentials.issue([move.mailbox], at=at)
    Credential.objects.update(applied_at=at)
    sequence.advance(at=at)
    OutgoingMail.objects.filter(status="queued").update(ews_id="AAMk", ews_changekey="CQ", claimed_at=at)
    mail = OutgoingMail.objects.get(status="queued")
    assert not isinstance(letters([mail], at=at)[mail.pk], Withdrawn)
    later = at + timedelta(hours=1)
    newer = credentials.renew(move.mailbox, at=later, purpose=Credential.Purpose.MIGRATION)
    Credential.objects.filter(pk=newer.pk).update(applied_at=later)
    assert isinstance(letters([mail], at=later)[mail.pk], Withdrawn)
    mail.ews_id = ""  # sent again by a person: drafted anew, with the password in force
    assert credentials.reveal(newer).reveal() in letters([mail], at=later)[mail.pk].text


@pytest.mark.parametrize("purpose", [Credential.Purpose.RESET, Credential.Purpose.LOCK])
def test_no_mail_tells_the_password_of_a_reset_nor_of_a_lock(purpose):
    move = MoveFactory(announced=True)
    at = brussels(move.batch.mail2_on, 9)
    credentials.issue([move.mailbox], at=at)
    credentials.set_passwords(at=at)
    sequence.advance(at=at)
    mail = OutgoingMail.objects.get(status="queued")
    newer = credentials.renew(move.mailbox, at=at, purpose=purpose)
    told = letters([mail], at=at)[mail.pk]
    assert isinstance(told, Withdrawn)
    credentials.set_now(newer, at=at)
    assert isinstance(letters([mail], at=at)[mail.pk], Withdrawn)
    if purpose == Credential.Purpose.RESET:
        Mailing.objects.filter(step=2).update(mail=None)
        mail.delete()
        assert sequence.advance(at=at) == 0, "le mail 2 attend une personne"
    closing = Mailing.objects.select_related("move__mailbox", "move__batch__campaign").get(step=4)
    mail4 = Closing.load([closing.pk], at=at)[closing.pk]
    context = mail4.context(at=brussels(move.batch.night_on, 22))
    assert context["rappel_mot_de_passe"] == of_recall(None, move.batch.mail2_on)


def test_what_a_reset_needs_outlives_a_cancelled_batch(directory):
    move = MoveFactory(credentials_sent=True)
    lock = credentials.renew(move.mailbox, at=NINE, purpose=Credential.Purpose.LOCK)
    sequence.cancel(move.batch, by="sgne", at=NINE, note="report")
    assert credentials.set_passwords(at=NINE) == 1
    lock.refresh_from_db()
    assert lock.applied_at == NINE


def test_mail_4_recalls_only_what_is_in_force():
    move = MoveFactory(confirmed=True)
    credentials.issue([move.mailbox], at=NINE)
    closing = Mailing.objects.select_related("move__mailbox", "move__batch__campaign").get(step=4)
    night = brussels(move.batch.night_on, 22)

    def recalled() -> Both:
        return Closing.load([closing.pk], at=night)[closing.pk].context(at=night)["rappel_mot_de_passe"]

    assert recalled() == of_recall(None, None)
    credentials.set_passwords(at=NINE)
    assert recalled() == of_recall(credentials.reveal(Credential.objects.get()), None)
