"""A correction of the date that did not arrive: where it is seen, and sent once more (B18, C4)."""

from datetime import date, datetime, timedelta
from uuid import uuid4

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.compose import Withdrawn, letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration import corrections, decisions, failures, glance, preflight, resending, steering, waiting
from migration.corrections import Correction
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = pytest.mark.django_db

NIGHT, LATER = date(2024, 11, 7), date(2024, 11, 14)
NOON = brussels(date(2024, 10, 22), 12)
WHY = "Le titulaire a fait de la place."


def leaves(mail: OutgoingMail) -> None:
    """What the outbox records when Exchange took it."""
    OutgoingMail.objects.filter(pk=mail.pk).update(status="sent", sent_at=NOON, proof="answer")
    Correction.accepted([mail], at=NOON)


def again(move: Move, mail: OutgoingMail, at: datetime = NOON, by: str = "camille") -> datetime:
    return resending.resend(Move.objects.get(pk=move.pk), mail, by=by, at=at, why=WHY)


def second_mail(move: Move) -> OutgoingMail:
    return OutgoingMail.objects.get(mailing__move=move, mailing__step=2)


@pytest.fixture
def corrected() -> Move:
    """The night moved to the 14th; the mail that said so came back."""
    batch = BatchFactory(number=3, status=Batch.Status.RUNNING)
    move = MoveFactory(batch=batch, credentials_sent=True, announced_night=NIGHT)
    for _ in range(30):
        MoveFactory(batch=batch)  # one mailbox in thirty does not suspend the batch
    Mailing.objects.filter(mail=None).exclude(move=move).update(due_at=NOON + timedelta(days=60))
    corrections.move_dates(batch, night_on=LATER, by="camille", at=NOON, why="Le CTA est fermé.")
    mail = OutgoingMail.objects.get(kind="migration.correction")
    leaves(mail)
    OutgoingMail.objects.filter(pk=mail.pk).update(bounced_at=NOON, delivery_code="5.2.2", delivery_text="pleine")
    return Move.objects.select_related("batch", "mailbox").get(pk=move.pk)


def lost_correction() -> OutgoingMail:
    return OutgoingMail.objects.filter(kind="migration.correction").earliest("pk")


def test_a_correction_that_came_back_is_where_any_mail_that_came_back_is(corrected, signed_in):
    [wait] = waiting.waits(at=NOON + timedelta(days=1))
    assert (wait.move, wait.mail, wait.words, wait.working_days) == (corrected, "correction de la date", "pleine", 1)
    assert waiting.waits(at=NOON - timedelta(hours=1)) == []
    assert waiting.count(at=NOON, batches=[corrected.batch_id]) == 1
    assert waiting.count(at=NOON, batches=[]) == 0
    [group] = [group for group in glance.groups(corrected.batch) if group.state == "wrong"]
    [failure] = group.boxes[0].failures
    assert (failure.where, failure.told, failure.mail) == ("correction de la date", "pleine", lost_correction().pk)
    assert failure.known is failures.FULL
    [line] = [line for line in preflight.lines(corrected.batch, at=NOON) if line.move == corrected]
    assert "La correction de la date n’est pas arrivée" in " ".join(item.sentence for item in line.items)
    clock.set_for_every_process(NOON)
    address = reverse("admin:migration_batch_resend", args=[corrected.batch_id, corrected.pk, lost_correction().pk])
    client = signed_in("sgne")
    for page in (
        reverse("admin:migration_batch_change", args=[corrected.batch_id]),
        reverse("admin:accounts_mailbox_change", args=[corrected.mailbox_id]),
    ):
        assert address in client.get(page).content.decode(), page


def test_a_mailbox_with_two_returns_waits_once(corrected):
    OutgoingMail.objects.filter(pk=second_mail(corrected).pk).update(bounced_at=NOON + timedelta(hours=1))
    [wait] = waiting.waits(at=NOON + timedelta(days=1))
    assert (wait.mail, waiting.count(at=NOON + timedelta(days=1))) == ("correction de la date", 1)


def test_it_is_made_again_once_answers_what_arrived_and_says_the_night_that_was_read(corrected):
    first = lost_correction()
    assert again(corrected, first) == NOON
    mail = OutgoingMail.objects.get(kind="migration.correction", status="queued")
    assert mail.key != first.key
    assert mail.headers["In-Reply-To"] == second_mail(corrected).message_id
    assert "dans la nuit du jeudi 7 au vendredi 8 novembre 2024, n’est plus la bonne" in mail.text
    assert waiting.waits(at=NOON) == []
    with pytest.raises(Refusal, match="déjà renvoyé, par camille, le 22/10/2024 à 12:00"):
        again(corrected, first, by="dominique")
    assert not isinstance(letters([mail], at=NOON)[mail.pk], Withdrawn)
    leaves(mail)
    assert Move.objects.get(pk=corrected.pk).announced_night == LATER
    assert corrections.correct([corrected], at=NOON) == 0
    change = StateChange.objects.get(object_type="mail.outgoingmail", object_id=first.pk)
    assert (change.old, change.new, change.by, change.note) == ("revenu", "due", "camille", f"Renvoi demandé. {WHY}")


def test_taken_back_by_a_pause_it_is_made_again_when_the_mailbox_goes_on(corrected):
    again(corrected, lost_correction())
    steering.pause_move(corrected, by="camille", at=NOON, why="congé")
    assert OutgoingMail.objects.filter(kind="migration.correction", status="queued").count() == 0
    steering.resume_move(corrected, by="camille", at=NOON)
    assert OutgoingMail.objects.filter(kind="migration.correction", status="queued").count() == 1


def test_it_is_not_repeated_once_the_date_moved_again_or_another_mail_said_it(corrected):
    first = lost_correction()
    later = second_mail(corrected)
    later.pk, later.uuid, later.key = None, uuid4(), "mailing:trois"
    later.save(force_insert=True)
    corrected.mailings.filter(step=3).update(mail=later)
    with pytest.raises(Refusal, match="Un autre mail a dit la date depuis"):
        again(corrected, first)
    assert waiting.waits(at=NOON) == []
    corrected.mailings.filter(step=3).update(mail=None)
    Batch.objects.update(night_on=LATER + timedelta(days=6))
    with pytest.raises(Refusal, match="La date a encore changé"):
        again(corrected, first)
    decisions.pause(Batch.objects.get(), by="camille", at=NOON, note="")
    with pytest.raises(Refusal, match="suspendu"):
        again(corrected, first)
