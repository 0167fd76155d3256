"""What a hostile reading of the steering of a campaign found: each test failed before it was mended."""

from datetime import date, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.compose import Withdrawn, letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from migration import (
    by_hand,
    corrections,
    cutover,
    decisions,
    plan_changes,
    planning,
    progress,
    sequence,
    steering,
    waiting,
)
from migration.models import Batch, Mailing, Move
from support import time_machine
from support.status import status_of
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, in_force, night_result

pytestmark = pytest.mark.django_db

NINE = brussels(date(2024, 10, 7), 9)
NOON = brussels(date(2024, 10, 22), 12)  # mails 1 and 2 have left, mail 3 is for 5 November, the night for the 7th
NIGHT = brussels(date(2024, 11, 7), 22)
AT = brussels(date(2024, 9, 30), 10)
BY = {"by": "camille", "why": "La direction est absente."}
LATER = {
    "mail1_on": date(2024, 10, 14), "mail2_on": date(2024, 10, 21), "mail3_on": date(2024, 11, 12),
    "night_on": date(2024, 11, 14),
}  # fmt: skip


def of_step(move: Move, step: int) -> OutgoingMail:
    mail = Mailing.objects.get(move=move, step=step).mail
    assert mail is not None
    return mail


def come_back(move: Move, step: int, at=NIGHT) -> None:
    OutgoingMail.objects.filter(mailing__move=move, mailing__step=step).update(bounced_at=at)


# Mails: none twice, none in spite of what came back


def test_a_mail_4_that_waits_does_not_leave_once_mail_2_came_back():
    move = MoveFactory(confirmed=True)
    in_force(move)
    assert sequence.advance(at=NIGHT) == 1
    closing = of_step(move, 4)
    assert not isinstance(letters([closing], at=NIGHT)[closing.pk], Withdrawn)
    come_back(move, 2)
    why = letters([closing], at=NIGHT)[closing.pk]
    assert isinstance(why, Withdrawn)
    assert "revenu" in str(why)


def test_nor_once_the_mail_2_of_the_batch_before_came_back():
    move = MoveFactory(credentials_sent=True)
    in_force(move)
    batch = BatchFactory(**LATER)
    new = steering.postpone(move, to=batch, at=NOON, **BY).move
    OutgoingMail.objects.filter(kind="migration.correction").update(status="sent", sent_at=NOON)
    assert sequence.advance(at=brussels(LATER["mail3_on"], 9)) == 1
    confirmation = of_step(new, 3)
    come_back(move, 2)
    assert isinstance(letters([confirmation], at=NIGHT)[confirmation.pk], Withdrawn)


def test_a_mail_that_was_put_aside_is_not_sent_again_beside_the_one_that_took_its_place():
    batch = MoveFactory().batch
    sequence.advance(at=NINE)
    OutgoingMail.objects.update(claimed_at=NINE, attempts=2)
    decisions.pause(batch, by="camille", at=NINE, note="")
    decisions.resume(batch, by="camille", at=NINE)
    former = OutgoingMail.objects.get()
    assert sequence.advance(at=NINE) == 1
    result = requeue.requeue([former.pk], by="camille", at=NINE)
    assert result.done == 0
    assert "autre courriel" in result.refused[0]
    assert OutgoingMail.objects.filter(status="queued").count() == 1


def test_a_correction_that_another_replaced_is_not_sent_again():
    move = MoveFactory(credentials_sent=True)
    corrections.move_dates(move.batch, night_on=date(2024, 11, 12), at=NOON, **BY)
    OutgoingMail.objects.filter(kind="migration.correction").update(claimed_at=NOON)
    corrections.move_dates(move.batch, night_on=date(2024, 11, 14), at=NOON, **BY)
    former = OutgoingMail.objects.get(kind="migration.correction", status="cancelled")
    corrections.move_dates(move.batch, night_on=date(2024, 11, 12), at=NOON, **BY)
    assert requeue.requeue([former.pk], by="camille", at=NOON).done == 0


def test_a_failed_mail_1_is_not_sent_again_with_the_night_that_was_left():
    """Its body was written when it was queued; a correction would not follow, for nobody had read it."""
    move, other = MoveFactory(), MoveFactory()
    Move.objects.filter(pk=other.pk).update(batch=move.batch)
    sequence.advance(at=NINE)
    failed = of_step(move, 1)
    OutgoingMail.objects.filter(pk=failed.pk).update(status="failed", last_error="Exchange refuse cette adresse.")
    OutgoingMail.objects.exclude(pk=failed.pk).update(status="sent", sent_at=NINE)
    corrections.move_dates(move.batch, night_on=date(2024, 11, 14), at=NOON - timedelta(days=10), **BY)
    assert requeue.requeue([failed.pk], by="camille", at=NOON).done == 0
    waits = Mailing.objects.get(move=move, step=1)
    assert (waits.mail, waits.held_at is None) == (None, False), "une personne en décide"
    decisions.send_despite_delay([waits.pk], by="camille", at=NOON)
    sequence.queue_step(move.batch.campaign, 1, at=NOON)
    assert "vendredi 15 novembre 2024, dès le matin" in of_step(move, 1).text
    assert Move.objects.get(pk=move.pk).announced_night == date(2024, 11, 14)


def test_a_mail_3_that_failed_waits_and_does_not_move_the_day_of_those_that_left():
    batch = MoveFactory(confirmed=True).batch
    late = MoveFactory(batch=batch, confirmed=True)
    OutgoingMail.objects.filter(mailing__move=late, mailing__step=3).update(status="failed", sent_at=None, proof="")
    corrections.move_dates(batch, night_on=date(2024, 11, 26), at=NIGHT - timedelta(days=1), **BY)
    assert Batch.objects.get().mail3_on == date(2024, 11, 5)
    held = Mailing.objects.get(move=late, step=3)
    assert (held.mail, held.held_at is None) == (None, False)


def test_a_mail_that_a_recorded_night_overtook_is_no_failure():
    """Exchange was away all night, ETNIC's results are signed: the batch must not suspend itself."""
    move = MoveFactory(confirmed=True, batch__status=Batch.Status.RUNNING)
    in_force(move)
    sequence.advance(at=NIGHT)
    closing = of_step(move, 4)
    Move.objects.get().move_to("migrated", by="etnic", at=NIGHT, migrated_at=NIGHT)
    why = letters([closing], at=NIGHT)[closing.pk]
    OutgoingMail.objects.filter(pk=closing.pk).update(status="cancelled", last_error=str(why))
    sequence.advance(at=NIGHT)
    assert Batch.objects.get().status == Batch.Status.FINISHED


# Plans


@pytest.fixture
def campaign():
    return CampaignFactory()


def accepted(campaign, by="sgne"):
    plan = planning.propose(campaign, at=AT)
    plan_changes.accept(campaign, by=by, at=AT, fingerprint=plan.fingerprint())


def test_an_approval_given_since_one_read_the_plan_is_not_lost_unseen(campaign):
    for _ in range(3):
        MailboxFactory(po=True)
    accepted(campaign)
    MailboxFactory(po=True)
    read = planning.propose(campaign, at=AT)
    batch = campaign.batches.get(number=1)
    decisions.approve(batch, by="dominique", at=AT)
    with pytest.raises(Refusal, match="relisez"):
        plan_changes.accept(campaign, by="camille", at=AT, fingerprint=read.fingerprint())
    assert Batch.objects.get(number=1).status == Batch.Status.APPROVED
    read = planning.propose(campaign, at=AT).fingerprint()  # again, with what it costs
    plan_changes.accept(campaign, by="camille", at=AT, fingerprint=read)
    assert Batch.objects.get(number=1).status == Batch.Status.DRAFT
    with pytest.raises(Refusal, match="déjà accepté, par camille"):
        plan_changes.accept(campaign, by="dominique", at=AT, fingerprint=read)


def test_a_suspended_batch_is_not_replaced_by_a_new_plan(campaign):
    """Its queued mails were taken back: nothing of it has begun, but a person stopped it, and said why."""
    MailboxFactory(po=True)
    accepted(campaign)
    batch = campaign.batches.get(number=1)
    decisions.approve(batch, by="dominique", at=AT)
    decisions.pause(batch, by="dominique", at=AT, note="Un recours est pendant.")
    MailboxFactory(po=True)
    accepted(campaign)
    assert Batch.objects.get(pk=batch.pk).status == Batch.Status.PAUSED


# The end of a batch


def test_an_approved_batch_that_all_its_mailboxes_left_ends():
    batch = BatchFactory(planned_by="sgne")
    moves = [MoveFactory(batch=batch) for _ in range(2)]
    for move in moves:
        steering.postpone(move, to=None, at=AT, **BY)
    sequence.advance(at=AT)
    assert Batch.objects.get(pk=batch.pk).status == Batch.Status.FINISHED


def test_a_batch_that_a_mailbox_enters_meanwhile_does_not_end(monkeypatch):
    target, move = BatchFactory(**LATER), MoveFactory(credentials_sent=True)
    gone = MoveFactory(batch=target, status=Move.Status.POSTPONED)
    lock = sequence._still_moving

    def just_before(batch):
        if Move.objects.live().filter(pk=move.pk).exists():
            steering.postpone(move, to=target, at=NOON, **BY)
        return lock(batch)

    monkeypatch.setattr(sequence, "_still_moving", just_before)
    sequence.finish_batches(target.campaign, at=NOON)
    assert Batch.objects.get(pk=target.pk).status == Batch.Status.APPROVED, gone


def test_no_night_is_made_once_the_old_server_is_closed(campaign):
    """A second try, a postponement or a list at the end of the campaign."""
    campaign.old_server_closes_on = date(2024, 11, 8)
    campaign.save()
    moves = [MoveFactory(confirmed=True, batch__number=1), MoveFactory(failed=True, batch__number=2)]
    at = brussels(date(2024, 11, 6), 12)
    with pytest.raises(Refusal, match="ferme le 08/11/2024"):
        steering.postpone(moves[0], at=at, **BY)
    with pytest.raises(Refusal, match="ferme le 08/11/2024"):
        steering.retry_failed(moves[1].batch, by="camille", at=at)
    with pytest.raises(Refusal, match="ferme le 08/11/2024"):
        by_hand.dates(campaign, "po", date(2024, 11, 7), at=at)
    assert Batch.objects.count() == 2


def test_the_figures_count_a_mailbox_that_was_put_back():
    move = MoveFactory(migrated=True, batch__status=Batch.Status.FINISHED)
    move.move_to("rolled_back", by="etnic", at=night_result(move.batch), rolled_back_at=night_result(move.batch))
    tally = progress.tallies([move.batch_id])[move.batch_id]
    assert (tally.boxes, tally.migrated, tally.rolled_back) == (1, 0, 1)


# What the holder is told


def test_the_holder_of_a_suspended_mailbox_is_told_so_and_at_that_moment_only():
    move = MoveFactory(credentials_sent=True)
    steering.pause_move(move, at=NOON, **BY)
    assert status_of(move.mailbox, NOON).suspended
    steering.resume_move(move, by="camille", at=NOON + timedelta(hours=2))
    assert not status_of(move.mailbox, NOON + timedelta(hours=3)).suspended
    for hours, suspended in ((-1, False), (1, True), (3, False)):
        seen = time_machine.seen_by(move.mailbox, at=NOON + timedelta(hours=hours))
        assert seen.status.suspended is suspended


@pytest.mark.parametrize("phase", ["credentials_sent", "confirmed"])
def test_the_holder_of_a_postponed_mailbox_is_told_neither_the_old_night_nor_a_drafts(phase):
    move = MoveFactory(**{phase: True})
    at = brussels(date(2024, 11, 4 if phase == "credentials_sent" else 6), 12)
    new = steering.postpone(move, at=at, **BY).move
    assert new.batch.status == Batch.Status.DRAFT
    status = status_of(move.mailbox, at + timedelta(hours=1))
    assert status.sentence == "La date de la migration a changé. Un mail confirmera bientôt la nouvelle."
    assert status.night_on is None
    assert not any(stage.on for stage in status.stages if stage.number > 3)


def test_a_bounce_after_a_postponement_is_not_lost_from_sight():
    move = MoveFactory(credentials_sent=True)
    new = steering.postpone(move, to=BatchFactory(**LATER), at=NOON, **BY).move
    come_back(move, 2, at=NOON)
    assert [(wait.move.mailbox_id, wait.step) for wait in waiting.waits(at=NOON)] == [(new.mailbox_id, 2)]
    assert waiting.count(at=NOON) == 1


# Bad input


def test_a_nul_in_what_a_person_signs_is_said_and_is_no_error_of_ours(signed_in):
    batch = BatchFactory()
    move = MoveFactory(batch=batch, announced=True)
    clock.set_for_every_process(NIGHT + timedelta(hours=5))
    client, page = signed_in("etnic"), reverse("admin:migration_move_record_cutover")
    file = SimpleUploadedFile("nuit.csv", f"adresse;resultat\n{move.mailbox.address};ok\n".encode())
    token = client.post(page, {"batch": batch.pk, "results": file}).context["token"]
    answer = client.post(page, {"content": token, "signed": "vue\0 avec l’école"})
    assert answer.status_code == 200
    assert Move.objects.get().status == Move.Status.PLANNED
    with pytest.raises(Refusal):
        cutover.accept_skipped([move.pk], note="vu\0", by="camille", at=NIGHT)


HUGE = [9_223_372_036_854_775_808, 10**40]


@pytest.mark.parametrize("key", [*HUGE, "%00", "abc"])
def test_a_key_that_cannot_be_is_not_found_on_any_page_of_a_batch_or_a_plan(signed_in, key):
    client = signed_in("secours")
    lot, plan = f"/admin/migration/batch/{key}/", f"/admin/migration/campaign/{key}/plan/"
    pages = ["prevol/", "prevol/fichier/", "repetition/", "evaluation/", "decision/approuver/", "boite/1/suspendre/"]
    for page in [*(lot + name for name in pages), plan]:
        assert client.get(page).status_code == 404, page
        assert client.post(page, {}).status_code == 404, page


def test_a_huge_number_in_a_form_or_a_list_is_no_error_of_ours(signed_in):
    move = MoveFactory()
    client = signed_in("secours")
    steer = f"/admin/migration/batch/{move.batch_id}/boite/"
    for key in HUGE:
        assert client.get(f"{steer}{key}/reporter/").status_code == 404
        answer = client.post(f"{steer}{move.pk}/reporter/", {"to": key, "why": "Absente."})
        assert answer.status_code == 200
        assert client.get(f"/admin/migration/move/?batch__id__exact={key}").status_code in {200, 302}
        assert client.get(reverse("admin:migration_move_record_cutover"), {"lot": key}).status_code == 200
    assert client.post(f"{steer}{move.pk}/reporter/", {"to": "\0", "why": "a\0b"}).status_code == 200


# Statements


@pytest.mark.parametrize("page", ["batch/{}/change/", "batch/{}/prevol/", "batch/{}/repetition/", "campaign/{}/plan/"])
def test_a_page_asks_as_many_questions_whatever_the_mailboxes(signed_in, page):
    batch = BatchFactory()
    client, address = signed_in("sgne"), f"/admin/migration/{page}"
    address = address.format(batch.campaign_id if "campaign" in page else batch.pk)

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    for _ in range(3):
        MoveFactory(batch=batch, credentials_sent=True)
        MailboxFactory(po=True)
    client.get(address)
    few = questions()
    for _ in range(12):
        MoveFactory(batch=batch, credentials_sent=True)
        MailboxFactory(po=True)
    assert questions() <= few


# Roles


@pytest.mark.parametrize("role", ["sgne", "etnic", "auditeur", "personnel", "anonyme"])
def test_a_deed_posted_by_another_role_does_nothing(signed_in, role):
    move = MoveFactory(batch__pilot=True, batch__status=Batch.Status.RUNNING)
    lot, client = f"/admin/migration/batch/{move.batch_id}/", signed_in(role)
    of_sgne = [f"{lot}decision/{name}/" for name in ("approuver", "suspendre", "annuler", "nuit", "echecs", "ouvrir")]
    of_sgne += [f"{lot}boite/{move.pk}/{name}/" for name in ("suspendre", "reprendre", "reporter")]
    of_sgne += [f"/admin/migration/campaign/{move.batch.campaign_id}/plan/", f"{lot}evaluation/"]
    of_sgne += ["/admin/migration/mailtext/nouveau/1/", "/admin/migration/mailtext/nouveau/3/"]
    of_etnic = [f"{lot}prevol/fichier/", reverse("admin:migration_move_record_cutover")]
    of_etnic += ["/admin/migration/mailtext/nouveau/2/", "/admin/migration/mailtext/nouveau/4/"]
    others = {"sgne": of_etnic, "etnic": of_sgne}.get(role, of_sgne + of_etnic)
    before = StateChange.objects.count()
    for page in others:
        wanted = 302 if role == "anonyme" else 403
        assert client.post(page, {"note": "Absente.", "why": "Absente."}).status_code in {wanted, 403}, page
    assert StateChange.objects.count() == before
