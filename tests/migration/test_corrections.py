"""C4: the night moves; unsent steps follow, sent ones stay, and who had read the old date is told once."""

from datetime import date, timedelta

import pytest

from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.compose import Withdrawn, letters
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import corrections, decisions, sequence
from migration.corrections import Correction
from migration.models import AvoidedPeriod, Batch, Mailing, Move
from migration.sheet import sheet_of
from migration.timeline import story_of
from tests.factories_migration import BatchFactory, MoveFactory
from tests.migration.test_mails import compare

pytestmark = pytest.mark.django_db

NOON = brussels(date(2024, 10, 22), 12)  # mails 1 and 2 have left, mail 3 is for 5 November, the night for the 7th
OLD, NEW, OTHER = date(2024, 11, 7), date(2024, 11, 14), date(2024, 11, 20)
CORRECTION = "migration.correction"


def move_to(batch: Batch, night: date, *, at=NOON, **fields) -> int:
    return corrections.move_dates(batch, night_on=night, by="camille", at=at, why="Le CTA est fermé.", **fields)


def waiting() -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(kind=CORRECTION, status="queued").order_by("pk"))


def leaves(*mails: OutgoingMail, at=NOON) -> None:
    """What the outbox records when Exchange took them."""
    assert not any(isinstance(letter, Withdrawn) for letter in letters(mails, at=at).values())
    OutgoingMail.objects.filter(pk__in=[mail.pk for mail in mails]).update(
        status="sent", sent_at=at, proof="answer", claim=None, not_before=None
    )
    Correction.accepted(mails, at=at)


@pytest.fixture
def batch() -> Batch:
    """Two mailboxes that know the night, one that was told nothing."""
    batch = BatchFactory(number=3, status=Batch.Status.RUNNING)
    MoveFactory(batch=batch, credentials_sent=True, announced_night=OLD)
    MoveFactory(batch=batch, credentials_sent=True, announced_night=OLD)
    MoveFactory(batch=batch)
    return batch


def test_unsent_steps_follow_the_night_and_sent_ones_stay(batch):
    assert move_to(batch, NEW) == 2
    batch.refresh_from_db()
    assert (batch.mail1_on, batch.mail2_on) == (date(2024, 10, 7), date(2024, 10, 14))
    assert (batch.mail3_on, batch.night_on, batch.by_hand) == (date(2024, 11, 12), NEW, True)
    known = Move.objects.filter(announced_night=OLD)
    for step, day, hour in (
        (1, date(2024, 10, 7), 9),
        (2, date(2024, 10, 14), 9),
        (3, date(2024, 11, 12), 9),
        (4, NEW, 22),
    ):
        assert set(Mailing.objects.filter(move__in=known, step=step).values_list("due_at", flat=True)) == {
            brussels(day, hour)
        }
    line = AuditEntry.objects.get(action="batch.decided")
    assert (line.actor, line.why, line.details["corrections"]) == ("camille", "Le CTA est fermé.", 2)
    change = StateChange.objects.get(object_type="migration.batch")
    assert (change.old, change.new) == ("nuit du 07/11/2024", "nuit du 14/11/2024")


def test_exactly_one_correction_answers_the_last_mail_that_told_the_date(batch):
    move_to(batch, NEW)
    mail = waiting()[0]
    move = Move.objects.get(pk=mail.object_id)
    told = move.mailings.get(step=2).mail
    assert (mail.sender, mail.stream, mail.to) == (Sender.SGNE, f"mailbox:{move.mailbox_id}", [move.mailbox.address])
    assert mail.headers == {"In-Reply-To": told.message_id, "References": told.message_id}
    assert "dans la nuit du jeudi 7 au vendredi 8 novembre 2024, n’est plus la bonne" in mail.text
    assert "La migration : dans la nuit du jeudi 14 au vendredi 15 novembre 2024." in mail.text
    for words in ("vendredi 15 novembre 2024", move.mailbox.address, "migrationBMA@cfwb.be"):
        assert words in mail.text
        assert words in mail.html
    assert {mail.object_id for mail in waiting()} == set(
        Move.objects.filter(announced_night=OLD).values_list("pk", flat=True)
    )


def test_the_whole_mail_is_as_it_was_last_read(batch):
    move = Move.objects.filter(batch=batch).select_related("mailbox__organisation", "batch__campaign").first()
    type(move.mailbox.organisation).objects.update(name="Commune de l’Étang & du Pré")
    move = Move.objects.select_related("mailbox__organisation", "batch__campaign").get(pk=move.pk)
    move.mailbox.address = "po000467@adm.cfwb.be"
    text, html = Correction(move, before=date(2024, 11, 4), answers="<m@x>", number=1).render(at=NOON)
    compare("correction.txt", f"Objet : {Correction.subject(None)}\n\n{text}")
    compare("correction.html", html)


def test_the_sheet_and_the_evidence_tell_of_the_correction(batch):
    move_to(batch, NEW)
    leaves(*waiting())
    box = Move.objects.get(pk=waiting_or_sent()[0].object_id).mailbox
    later = NOON + timedelta(hours=1)
    batch.refresh_from_db()
    told = [fact for fact in story_of(box).facts(at=later) if fact.what == f"correction de la date ({batch})"]
    assert [fact.new for fact in told] == ["mis en file", f"envoyé à {box.address}"]
    assert [fact for fact in sheet_of(box, at=later).timeline if fact in told] == told[::-1], "la fiche le dit aussi"


def waiting_or_sent() -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(kind=CORRECTION).order_by("pk"))


def test_moved_twice_before_the_first_correction_left_gives_one_with_the_last_date(batch):
    move_to(batch, NEW)
    assert move_to(batch, OTHER) == 2
    assert OutgoingMail.objects.filter(kind=CORRECTION).count() == 2
    assert all("20 au jeudi 21 novembre 2024" in mail.text and "jeudi 7" in mail.text for mail in waiting())


def test_moved_back_before_it_left_gives_none(batch):
    move_to(batch, NEW)
    assert move_to(batch, OLD) == 0
    assert not OutgoingMail.objects.filter(kind=CORRECTION).exists()
    assert set(Mailing.objects.filter(step=4).values_list("due_at", flat=True)) == {brussels(OLD, 22)}


def test_moved_back_after_it_left_gives_a_second_one_that_answers_the_first(batch):
    move_to(batch, NEW)
    first = waiting()
    leaves(*first)
    assert set(Move.objects.filter(pk__in=[m.object_id for m in first]).values_list("announced_night", flat=True)) == {
        NEW
    }
    assert move_to(batch, OLD) == 2
    assert {mail.headers["In-Reply-To"] for mail in waiting()} == {mail.message_id for mail in first}
    leaves(*waiting())
    assert move_to(batch, NEW) == 2, "la même date qu’une ancienne correction"


def test_a_correction_that_exchange_has_already_counts_as_read(batch):
    move_to(batch, NEW)
    held = waiting()[0]
    OutgoingMail.objects.filter(pk=held.pk).update(status="sending", claim=held.uuid, claimed_at=NOON, not_before=NOON)
    assert move_to(batch, OLD) == 1, "celle-là seule doit être corrigée"
    assert waiting()[0].object_id == held.object_id


def test_a_correction_does_not_leave_once_its_mailbox_was_cancelled_or_suspended_or_moved_again(batch):
    move_to(batch, NEW)
    one, two = waiting()
    Move.objects.filter(pk=one.object_id).update(status=Move.Status.CANCELLED)
    Move.objects.filter(pk=two.object_id).update(paused_at=NOON, paused_by="camille", paused_why="à voir")
    found = letters([one, two], at=NOON)
    assert [type(found[mail.pk]) for mail in (one, two)] == [Withdrawn, Withdrawn]
    Move.objects.filter(pk=two.object_id).update(paused_at=None, paused_by="", paused_why="")
    assert not isinstance(letters([two], at=NOON)[two.pk], Withdrawn)
    Batch.objects.update(night_on=OTHER)
    assert "encore changé" in str(letters([two], at=NOON)[two.pk])


def test_cancelling_the_batch_takes_its_corrections_with_it(batch):
    move_to(batch, NEW)
    decisions.cancel(batch, by="camille", at=NOON, note="On recommence.")
    assert waiting() == []


def test_mails_that_left_before_the_night_was_noted_count_as_read():
    batch = BatchFactory(status=Batch.Status.RUNNING)
    MoveFactory(batch=batch, announced=True, announced_night=None)
    assert move_to(batch, NEW) == 1


def test_a_night_told_only_by_mails_that_were_taken_back_was_told_to_nobody():
    batch = BatchFactory()
    MoveFactory(batch=batch)
    nine = brussels(batch.mail1_on, 9)
    assert sequence.advance(at=nine) == 1
    assert Move.objects.get().announced_night == OLD
    assert move_to(batch, NEW, at=nine) == 0
    assert Move.objects.get().announced_night is None
    assert sequence.advance(at=nine) == 0, "rien n’était parti : le mail 1 suit la nuit"
    assert sequence.advance(at=brussels(date(2024, 10, 14), 9)) == 1
    assert "14 au vendredi 15 novembre" in OutgoingMail.objects.get().text


def test_the_corrections_of_a_suspended_batch_wait_for_its_resumption(batch):
    decisions.pause(batch, by="camille", at=NOON, note="")
    assert move_to(batch, NEW) == 0
    assert decisions.resume(batch, by="camille", at=NOON).corrected == 2
    assert len(waiting()) == 2


def test_a_correction_refused_by_its_worker_during_a_pause_leaves_after_it(batch):
    move_to(batch, NEW)
    OutgoingMail.objects.filter(kind=CORRECTION).update(
        claimed_at=NOON, status="sending", claim=waiting()[0].uuid, not_before=NOON
    )
    decisions.pause(batch, by="camille", at=NOON, note="")
    mails = list(OutgoingMail.objects.filter(kind=CORRECTION))
    reasons = {str(letter) for letter in letters(mails, at=NOON).values()}
    decisions.resume(batch, by="camille", at=NOON)
    OutgoingMail.objects.filter(kind=CORRECTION).update(
        status="cancelled", claim=None, not_before=None, last_error=reasons.pop()
    )
    sequence.advance(at=NOON)
    sequence.advance(at=NOON)
    assert len(waiting()) == 2


def test_a_mail_that_waited_because_its_night_was_over_follows_the_new_one():
    batch = BatchFactory(status=Batch.Status.RUNNING)
    move = MoveFactory(batch=batch, confirmed=True, announced_night=OLD)
    morning = brussels(date(2024, 11, 8), 10)
    sequence.advance(at=morning)
    assert move.mailings.get(step=4).held_at == morning
    assert move_to(batch, NEW, at=morning) == 1
    closing = move.mailings.get(step=4)
    assert (closing.held_at, closing.due_at) == (None, brussels(NEW, 22))
    assert move.mailings.get(step=3).mail.sent_at, "le mail 3 n’est pas répété"


@pytest.mark.parametrize(
    ("night", "fields", "words"),
    [
        (date(2024, 11, 7), {}, "migre déjà la nuit du 07/11/2024"),
        (date(2024, 11, 9), {}, "la première possible est le 13/11/2024"),  # the 11th is a holiday, the 12th kept out
        (date(2024, 10, 21), {}, "est passée"),
        (date(2025, 4, 25), {}, "ferme le 25/04/2025"),
        (date(2024, 10, 31), {}, "ne convient pas à une nuit"),
        (date(2024, 10, 24), {}, "la première nuit possible est le 04/11/2024"),
        (NEW, {"mail3_on": date(2024, 11, 2)}, "trop tôt ou non ouvré"),
        (NEW, {"mail2_on": date(2024, 10, 12)}, "trop tôt ou non ouvré"),
        (date(2025, 2, 13), {}, "de 21 à 84 jours"),
    ],
)
def test_a_night_that_cannot_be_is_refused_in_words(batch, night, fields, words):
    AvoidedPeriod.objects.create(
        reason="count", name="Comptage", first=date(2024, 11, 12), last=date(2024, 11, 12), source="SGNE"
    )
    with pytest.raises(Refusal, match=words):
        move_to(batch, night, **fields)
    assert not OutgoingMail.objects.filter(kind=CORRECTION).exists()
    assert set(Mailing.objects.filter(step=4).values_list("due_at", flat=True)) == {brussels(OLD, 22)}


def test_a_reason_is_asked_and_a_batch_that_is_over_does_not_move(batch):
    with pytest.raises(Refusal, match="Dites pourquoi"):
        corrections.move_dates(batch, night_on=NEW, by="camille", at=NOON, why="  ")
    Batch.objects.update(status=Batch.Status.FINISHED)
    with pytest.raises(Refusal, match="terminé"):
        move_to(batch, NEW)


def test_a_batch_of_which_nothing_left_moves_whole():
    batch = BatchFactory()
    MoveFactory(batch=batch)
    assert move_to(batch, OLD + timedelta(days=7), at=brussels(date(2024, 10, 1), 9)) == 0
    batch.refresh_from_db()
    assert [batch.mail1_on, batch.mail2_on] == [date(2024, 10, 14), date(2024, 10, 21)]
    assert [batch.mail3_on, batch.night_on] == [date(2024, 11, 12), NEW]
    assert Mailing.objects.get(step=1).due_at == brussels(date(2024, 10, 14), 9)
