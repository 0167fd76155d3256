"""One mailbox suspended, postponed, tried again (B12 to B14); the second person (SEC-B7); no flood (C14)."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from accounts import credentials
from accounts.models import Credential
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.compose import Withdrawn, letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import decisions, sequence, steering
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = pytest.mark.django_db

NINE = brussels(date(2024, 10, 7), 9)
NOON = brussels(date(2024, 10, 22), 12)  # mails 1 and 2 have left, mail 3 is for 5 November, the night for the 7th
BY = {"by": "camille", "why": "La direction est absente."}
NEXT = {
    "mail1_on": date(2024, 10, 14), "mail2_on": date(2024, 10, 21), "mail3_on": date(2024, 11, 12),
    "night_on": date(2024, 11, 14),
}  # fmt: skip


def claimed(mail: OutgoingMail) -> None:
    OutgoingMail.objects.filter(pk=mail.pk).update(status="sending", claim=mail.uuid, claimed_at=NINE, not_before=NINE)


def corrections_waiting() -> int:
    return OutgoingMail.objects.filter(kind="migration.correction", status="queued").count()


# Suspended


def test_a_suspended_mailbox_sends_nothing_and_the_others_of_its_batch_go_on():
    batch = BatchFactory()
    moves = [MoveFactory(batch=batch) for _ in range(3)]
    sequence.advance(at=NINE)
    taken = steering.pause_move(moves[0], at=NINE, **BY)
    assert (taken.undone, taken.entrusted) == (1, 0)
    assert sequence.advance(at=NINE) == 0
    assert OutgoingMail.objects.count() == 2
    steering.resume_move(moves[0], by="camille", at=NINE)
    assert sequence.advance(at=NINE) == 1
    assert [line.details["décision"] for line in AuditEntry.objects.filter(action="move.steered").order_by("seq")] == [
        "suspendre", "reprendre",
    ]  # fmt: skip


def test_a_mail_in_a_workers_hands_is_said_and_does_not_leave_if_it_has_not_yet():
    move = MoveFactory()
    sequence.advance(at=NINE)
    mail = OutgoingMail.objects.get()
    claimed(mail)
    taken = steering.pause_move(move, at=NINE, **BY)
    assert (taken.undone, taken.entrusted) == (0, 1)
    mail.refresh_from_db()
    why = letters([mail], at=NINE)[mail.pk]
    assert isinstance(why, Withdrawn)
    OutgoingMail.objects.update(status="cancelled", claim=None, not_before=None, last_error=str(why))
    assert "reprenez-le" in requeue.requeue([mail.pk], by="camille", at=NINE).refused[0]
    assert not sequence.bad_moves(move.batch).exists(), "ce n’est pas un échec"
    steering.resume_move(move, by="camille", at=NINE)
    assert sequence.advance(at=NINE) == 1
    assert Mailing.objects.get(step=1).mail.status == "queued"


def test_what_a_worker_gave_back_is_not_claimed_again_once_the_pause_is_acknowledged():
    """Exchange was busy: the mail is queued with a date; it must not leave an hour after the pause."""
    batch = MoveFactory().batch
    sequence.advance(at=NINE)
    OutgoingMail.objects.update(claimed_at=NINE, attempts=2, ews_id="AAMk", ews_changekey="CQ")
    taken = decisions.pause(batch, by="camille", at=NINE, note="")
    assert (taken.undone, taken.entrusted) == (1, 0)
    assert not OutgoingMail.objects.filter(status__in=["queued", "sending"]).exists()
    former = OutgoingMail.objects.get()
    decisions.resume(batch, by="camille", at=NINE)
    assert sequence.advance(at=NINE) == 1
    again = OutgoingMail.objects.get(status="queued")
    assert again.uuid != former.uuid, "un autre courriel : le brouillon de l’ancien est balayé"


def test_the_second_of_two_people_is_told_who_was_first_and_when():
    move = MoveFactory()
    steering.pause_move(move, at=NINE, **BY)
    with pytest.raises(Refusal, match="déjà suspendue, par camille, le 07/10/2024 à 09:00"):
        steering.pause_move(Move.objects.get(), by="dominique", at=NOON, why="moi aussi")
    steering.resume_move(move, by="camille", at=NOON)
    with pytest.raises(Refusal, match="reprise par camille, le 22/10/2024 à 12:00"):
        steering.resume_move(move, by="dominique", at=NOON)
    batch = move.batch
    for deed, words in [
        (
            lambda who: decisions.pause(batch, by=who, at=NOON, note=""),
            "déjà « suspendu », par camille, le 22/10/2024",
        ),
        (lambda who: decisions.resume(batch, by=who, at=NOON), "déjà « approuvé », par camille, le 22/10/2024"),
        (lambda who: decisions.cancel(batch, by=who, at=NOON, note="non"), "déjà « annulé », par camille"),
    ]:
        deed("camille")
        with pytest.raises(Refusal, match=words):
            deed("dominique")


def test_a_person_decides_about_the_batch_as_it_is_now():
    """Read before the first mail made it « en cours »: the deed is done all the same."""
    stale = MoveFactory().batch
    sequence.advance(at=NINE)
    assert stale.status == Batch.Status.APPROVED
    decisions.pause(stale, by="camille", at=NINE, note="")
    Batch.objects.all().delete()
    with pytest.raises(Refusal, match="n’existe plus"):
        decisions.cancel(stale, by="camille", at=NINE, note="trop tard")


# A pause without flood (C14)


def test_after_ten_days_of_pause_late_mails_wait_and_the_page_says_how_many(signed_in):
    batch = BatchFactory()
    for _ in range(3):
        MoveFactory(batch=batch)
    decisions.pause(batch, by="camille", at=NINE, note="")
    later = NINE + timedelta(days=10)
    assert sequence.late_and_due(batch, at=later) == (3, 3)
    clock.set_for_every_process(later)
    page = signed_in("sgne").get(reverse("admin:migration_batch_decide", args=[batch.pk, "reprendre"]))
    assert "3 mails trop en retard attendront votre décision." in page.content.decode()
    done = decisions.resume(batch, by="camille", at=later)
    assert done.held == 3
    assert sequence.advance(at=later) == 0
    assert AuditEntry.objects.get(details__décision="reprendre").details["attendent"] == 3


# Postponed


def test_a_postponed_mailbox_enters_the_next_batch_with_the_steps_that_remain():
    first, later = BatchFactory(number=1, status=Batch.Status.RUNNING), BatchFactory(number=2, **NEXT)
    BatchFactory(number=3, establishments=True)
    move = MoveFactory(batch=first, credentials_sent=True, announced_night=first.night_on)
    MoveFactory(batch=later)
    done = steering.postpone(move, at=NOON, **BY)
    assert (done.move.batch, done.corrected, done.is_new) == (later, True, False)
    assert dict(done.move.mailings.values_list("step", "due_at")) == {
        3: brussels(later.mail3_on, 9), 4: brussels(later.night_on, 22),
    }  # fmt: skip
    move.refresh_from_db()
    assert move.status == Move.Status.POSTPONED
    change = StateChange.objects.get(object_type="migration.move", object_id=move.pk, new="postponed")
    assert (change.by, change.note) == ("camille", "La direction est absente.")
    mail = OutgoingMail.objects.get(kind="migration.correction")
    assert mail.object_id == done.move.pk
    assert mail.headers["In-Reply-To"] == move.mailings.get(step=2).mail.message_id
    with pytest.raises(Refusal, match="déjà reportée, par camille, le 22/10/2024 à 12:00"):
        steering.postpone(move, at=NOON, **BY)


def test_a_delivered_mail_1_is_not_repeated_and_mail_2_keeps_its_week():
    first = BatchFactory(number=1, status=Batch.Status.RUNNING)
    early = BatchFactory(number=2, **(NEXT | {"mail2_on": date(2024, 10, 11), "mail1_on": date(2024, 10, 4)}))
    good = BatchFactory(number=3, **(NEXT | {"night_on": date(2024, 11, 18)}))
    move = MoveFactory(batch=first, announced=True)
    at = brussels(date(2024, 10, 8), 9)
    with pytest.raises(Refusal, match="moins de 7 jours après le mail 1"):
        steering.postpone(move, to=early, at=at, **BY)
    done = steering.postpone(move, at=at, **BY)
    assert done.move.batch == good
    assert set(done.move.mailings.values_list("step", flat=True)) == {2, 3, 4}
    mail2 = done.move.mailings.get(step=2)
    ready = sequence.delivered_before(1, at=brussels(good.mail2_on, 9))
    assert Mailing.objects.filter(ready, pk=mail2.pk).exists(), "le mail 1 de l’autre lot vaut pour celui-ci"


def test_without_a_later_batch_a_new_draft_is_made_by_the_planners_rules():
    batch = BatchFactory(number=7, status=Batch.Status.RUNNING)
    move = MoveFactory(batch=batch, credentials_sent=True, announced_night=batch.night_on)
    at = brussels(date(2024, 11, 5), 8)
    done = steering.postpone(move, at=at, **BY)
    new = done.move.batch
    assert done.is_new
    assert (new.number, new.status, new.kind, new.planned_by, new.by_hand) == (8, "draft", "po", "camille", True)
    assert (new.mail3_on, new.night_on) == (date(2024, 11, 6), date(2024, 11, 12))  # the 8th, a Friday, has no morrow
    other = MoveFactory(batch=batch, credentials_sent=True)
    assert steering.postpone(other, at=at, **BY).move.batch == new, "le suivant l’y rejoint"
    whole = MoveFactory(batch=batch)
    third = steering.postpone(whole, at=at, **BY).move
    assert third.batch != new
    assert set(third.mailings.values_list("step", flat=True)) == {1, 2, 3, 4}
    assert (third.batch.mail1_on, third.batch.mail2_on) == (date(2024, 11, 6), date(2024, 11, 13))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "paused"}, "suspendu"),
        ({"status": "finished"}, "terminé"),
        ({"kind": "ec"}, "du même genre"),
        ({"night_on": date(2024, 11, 6), "mail3_on": date(2024, 11, 5)}, "ne vient pas après"),
        ({f"mail{n}_on": date(2024, 10, day) for n, day in ((1, 1), (2, 8), (3, 22))}, "avant maintenant"),
        ({"mail3_on": date(2024, 10, 30)}, "moins de 21 jours"),
    ],
)  # fmt: skip
def test_a_batch_that_does_not_fit_is_refused_in_words(fields, words):
    move = MoveFactory(batch__number=1, credentials_sent=True)
    other = BatchFactory(number=2, **(NEXT | fields))
    with pytest.raises(Refusal, match=words):
        steering.postpone(move, to=other, at=NOON, **BY)
    assert other not in steering.targets(move, at=NOON)
    move.refresh_from_db()
    assert move.status == Move.Status.PLANNED


def test_a_mailbox_whose_mail_is_leaving_is_not_postponed_yet():
    move = MoveFactory()
    sequence.advance(at=NINE)
    claimed(OutgoingMail.objects.get())
    with pytest.raises(Refusal, match="en train de partir"):
        steering.postpone(move, at=NINE, **BY)
    assert Move.objects.get().status == Move.Status.PLANNED


def test_postponed_before_its_mail_left_nobody_is_corrected_and_its_password_stays():
    move = MoveFactory(credentials_sent=True)
    credentials.issue([move.mailbox], at=NOON)
    Move.objects.update(announced_night=None)
    OutgoingMail.objects.all().update(bounced_at=NOON)
    done = steering.postpone(move, at=NOON, **BY)
    assert not done.corrected
    assert set(done.move.mailings.values_list("step", flat=True)) == {1, 2, 3, 4}, "revenus : à refaire"
    assert Credential.objects.live().count() == 1


@pytest.mark.parametrize("status", ["migrated", "cancelled", "failed"])
def test_a_mailbox_that_does_not_move_any_more_is_not_steered(status):
    facts = {"migrated_at": NOON} if status == "migrated" else {}
    move = MoveFactory(status=status, **facts)
    for deed in (steering.pause_move, steering.postpone):
        with pytest.raises(Refusal, match="ne peut pas être"):
            deed(move, at=NOON, **BY)
        with pytest.raises(Refusal, match="Dites pourquoi"):
            deed(move, at=NOON, by="camille", why=" ")


def test_a_draft_that_its_last_mailbox_leaves_is_cancelled_by_that_and_said(signed_in):
    draft = BatchFactory(number=1, status=Batch.Status.DRAFT)
    BatchFactory(number=2, **NEXT)
    one, two = MoveFactory(batch=draft), MoveFactory(batch=draft)
    assert steering.postpone(one, at=NINE - timedelta(days=1), **BY).emptied is None
    draft.refresh_from_db()
    assert draft.status == Batch.Status.DRAFT
    clock.set_for_every_process(NINE - timedelta(days=1))
    url = reverse("admin:migration_batch_steer", args=[draft.pk, two.pk, "reporter"])
    page = signed_in("sgne").post(url, {"why": "absente", "to": ""}, follow=True).content.decode()
    assert f"Le {draft}, qui n’a plus de boîte, est annulé." in page
    draft.refresh_from_db()
    assert draft.status == Batch.Status.CANCELLED
    change = StateChange.objects.get(object_type="migration.batch", object_id=draft.pk, new="cancelled")
    assert (change.by, change.note) == ("sgne", "Toutes ses boîtes sont passées dans d’autres lots.")
    assert AuditEntry.objects.filter(action="move.steered").latest("seq").details["vidé"] == 1


def test_a_batch_under_way_that_its_last_mailbox_leaves_ends_with_the_beat_as_before():
    batch = BatchFactory(number=1, status=Batch.Status.RUNNING)
    BatchFactory(number=2, **NEXT)
    done = steering.postpone(MoveFactory(batch=batch, credentials_sent=True), at=NOON, **BY)
    batch.refresh_from_db()
    assert (done.emptied, batch.status) == (None, Batch.Status.RUNNING)
    sequence.advance(at=NOON)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.FINISHED


# Tried again


def test_one_click_makes_the_failures_of_the_batch_on_the_next_dates():
    batch = BatchFactory(number=4, status=Batch.Status.FINISHED_WITH_ERRORS)
    failed = [MoveFactory(batch=batch, failed=True) for _ in range(2)]
    MoveFactory(batch=batch, migrated=True)
    at = brussels(date(2024, 11, 8), 10)
    again = steering.retry_failed(batch, by="camille", at=at)
    assert (again.again, again.number, again.status, again.planned_by) == (batch, 5, "draft", "camille")
    assert list(again.moves.values_list("mailbox", flat=True)) == [move.mailbox_id for move in failed]
    assert set(Mailing.objects.filter(move__batch=again).values_list("step", flat=True)) == {3, 4}
    assert (again.mail3_on, again.night_on) == (date(2024, 11, 12), date(2024, 11, 14))
    assert steering.attempts([move.mailbox_id for move in failed]) == {move.mailbox_id: 1 for move in failed}
    assert corrections_waiting() == 0, "sa nuit a eu lieu : le mail 3 dira la nouvelle"
    with pytest.raises(Refusal, match=r"déjà repris dans le lot 5 \(PO\), créé par camille, le 08/11/2024 à 10:00"):
        steering.retry_failed(batch, by="dominique", at=at)
    with pytest.raises(Refusal, match="rien à reprendre"):
        steering.retry_failed(again, by="dominique", at=at)
    elsewhere = MoveFactory(batch=BatchFactory(number=9, status="finished_errors"), failed=True)
    MoveFactory(batch=BatchFactory(number=10, establishments=True), mailbox=elsewhere.mailbox)
    with pytest.raises(Refusal, match="déjà dans un autre lot"):
        steering.retry_failed(elsewhere.batch, by="dominique", at=at)


# The second person (SEC-B7)


@pytest.mark.parametrize(
    ("boxes", "planner", "goes"),
    [(3, "camille", False), (3, "dominique", True), (2, "camille", True), (3, "", True)],
)
def test_who_planned_a_large_batch_does_not_approve_it(boxes, planner, goes):
    batch = BatchFactory(status=Batch.Status.DRAFT, planned_by=planner)
    for _ in range(boxes):
        MoveFactory(batch=batch)
    batch.campaign.second_person_from = 3
    batch.campaign.save()
    if goes:
        decisions.approve(batch, by="camille", at=NINE)
    else:
        with pytest.raises(
            Refusal, match=r"Vous avez planifié .* 3 boîtes. À partir de 3 boîtes, une seconde personne"
        ):
            decisions.approve(batch, by="camille", at=NINE)
    assert Batch.objects.get().status == ("approved" if goes else "draft")
