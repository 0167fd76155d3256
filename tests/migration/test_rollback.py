"""A mailbox put back on the old server (B21): the reason, the phase that goes back, and who reads `migrated_at`."""

from datetime import date, timedelta

import pytest
from django.db import transaction
from django.urls import reverse

from accounts.models import Credential, Mailbox
from bma_portal import clock
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import cutover, planning, preflight, sequence
from migration.cutover import Result
from migration.mails import RECALLED
from migration.models import Batch, Mailing, Move
from migration.phases import Phase, Programme, facts_at, phase_at, programme_at, with_phase
from support.status import Progress, Where, status_of
from support.tickets import opening
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, in_force, night_result
from tests.together import together

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
WHY = "Agenda perdu : la direction demande l’ancienne interface."


@pytest.fixture
def move():
    """Migrated on the morning of 8 November; its mail 4 recalled the password."""
    made = MoveFactory(migrated=True, batch__status=Batch.Status.FINISHED)
    in_force(made)
    Credential.objects.update(sealed="", destroyed_at=made.migrated_at, destroyed_why=RECALLED)
    return made


@pytest.fixture
def undone(move):
    cutover.roll_back(move, by="etnic", at=after(move), why=WHY)
    return move


def after(move: Move):
    return night_result(move.batch) + timedelta(days=3)


def test_it_leaves_a_reason_a_date_a_line_of_the_log_and_of_the_audit(undone):
    at = after(undone)
    assert (undone.status, undone.rolled_back_at) == (Move.Status.ROLLED_BACK, at)
    assert undone.migrated_at == night_result(undone.batch)  # a fact stays one
    change = StateChange.objects.get(object_type="migration.move")
    assert (change.old, change.new, change.by, change.at, change.note) == ("migrated", "rolled_back", "etnic", at, WHY)
    (line,) = AuditEntry.objects.filter(action="move.rolled_back")
    assert (line.actor, line.why, line.details["boîte"]) == ("etnic", WHY, undone.mailbox.address)
    undone.batch.refresh_from_db()
    assert undone.batch.status == Batch.Status.FINISHED_WITH_ERRORS


def test_a_batch_under_way_stays_so_until_it_ends_with_errors():
    move = MoveFactory(migrated=True, batch__status=Batch.Status.RUNNING)
    waits = MoveFactory(batch=move.batch)
    cutover.roll_back(move, by="sgne", at=after(move), why=WHY)
    move.batch.refresh_from_db()
    assert move.batch.status == Batch.Status.RUNNING
    waits.move_to(Move.Status.CANCELLED, by="sgne", at=after(move))
    sequence.finish_batches(move.batch.campaign, at=after(move))
    move.batch.refresh_from_db()
    assert move.batch.status == Batch.Status.FINISHED_WITH_ERRORS


def refused(move: Move, words: str, **said) -> None:
    with pytest.raises(Refusal, match=words), transaction.atomic():
        cutover.roll_back(move, **({"by": "etnic", "at": after(move), "why": WHY} | said))


def test_what_cannot_be_put_back_is_refused_in_words(move):
    refused(move, "Dites pourquoi", why="  ")
    refused(move, "n’avait pas encore migré", at=move.migrated_at - SECOND)
    refused(move, "est fermé depuis le 25/04/2025", at=brussels(date(2025, 4, 25)))
    for other in (MoveFactory(confirmed=True), MoveFactory(failed=True)):
        refused(other, "seule une boîte migrée")
    stale = Move.objects.get(pk=move.pk)
    cutover.roll_back(move, by="etnic", at=after(move), why=WHY)
    refused(stale, "quelqu’un d’autre vient de le faire")
    assert AuditEntry.objects.filter(action="move.rolled_back").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_put_it_back_at_once_one_does_it_and_the_other_is_told():
    made = MoveFactory(migrated=True)

    def act() -> str:
        try:
            cutover.roll_back(Move.objects.get(pk=made.pk), by="etnic", at=after(made), why=WHY)
        except Refusal as refusal:
            return str(refusal)
        return "fait"

    assert sorted(said.partition(" ")[0] for said in together(act, act)) == ["Cette", "fait"]


def test_what_was_not_carried_over_has_nobody_to_wait_for_any_more():
    move = MoveFactory(migrated=True, skipped_items=3, batch__status=Batch.Status.RUNNING)
    cutover.roll_back(move, by="etnic", at=after(move), why=WHY)
    assert (move.skipped_by, move.skipped_at) == ("etnic", after(move))
    sequence.finish_batches(move.batch.campaign, at=after(move))
    move.batch.refresh_from_db()
    assert move.batch.status == Batch.Status.FINISHED_WITH_ERRORS


# Whoever reads `migrated_at`, before and after


def moments(move: Move) -> list[tuple]:
    """Just before and after the migration, just before and after the roll-back, long after."""
    back = after(move)
    return [
        (move.migrated_at - SECOND, Phase.CONFIRMED, Where.NIGHT),
        (move.migrated_at, Phase.MIGRATED, Where.NEW),
        (back - SECOND, Phase.MIGRATED, Where.NEW),
        (back, Phase.CONFIRMED, Where.OLD),
        (back + timedelta(days=60), Phase.CONFIRMED, Where.OLD),
        (brussels(date(2025, 4, 25)), Phase.CONFIRMED, Where.NOWHERE),
    ]


def test_the_phase_goes_back_in_both_writings_and_the_past_stays_the_past(undone):
    box = Mailbox.objects.filter(pk=undone.mailbox_id)
    for at, phase, where in moments(undone):
        assert phase_at(undone.mailbox, at) == with_phase(box, at).get().phase == phase, at
        status = status_of(undone.mailbox, at)
        assert (status.phase, status.where) == (phase, where), at
        assert (status.migrated_on is not None) is (phase == Phase.MIGRATED), at
        assert facts_at(undone.mailbox, at).night_on == (None if at >= after(undone) else undone.batch.night_on)


def test_the_programme_runs_again(undone):
    campaign = undone.batch.campaign
    assert programme_at(campaign, after(undone) - SECOND) == Programme.OVER
    assert programme_at(campaign, after(undone)) == Programme.RUNNING


def test_the_holder_is_told_that_it_was_undone_and_what_to_open(undone, client):
    status = status_of(undone.mailbox, after(undone))
    assert status.failed
    assert status.night_on is None
    assert "a été défaite" in status.sentence
    assert [stage.progress for stage in status.stages][-1] == Progress.NEXT
    url = reverse("mailbox_status") + f"?numero={undone.mailbox.address[:8]}"
    for at, words in (
        (after(undone), "elle se lit de nouveau sur l’ancienne interface"),
        (after(undone) - SECOND, "Cette boîte a migré"),
    ):
        clock.set_for_every_process(at)
        page = client.get(url).content.decode()
        assert words in page
        assert (undone.batch.campaign.old_webmail in page) is (at == after(undone))


def test_a_ticket_for_the_old_server_is_possible_again(undone):
    """Enseignement.be is never asked of a migrated mailbox (E3); of this one, it may be."""
    assert opening._is_migrated(undone.mailbox, at=after(undone) - SECOND)
    assert not opening._is_migrated(undone.mailbox, at=after(undone))


# Planned again


def test_it_is_planned_again_and_mail_2_is_not_sent_again(undone):
    campaign = undone.batch.campaign
    at = after(undone)
    planning.apply(campaign, at=at)
    again = Move.objects.live().get(mailbox=undone.mailbox)
    assert again.batch_id != undone.batch_id
    assert again.batch.night_on > brussels_date(at)
    assert sorted(again.mailings.values_list("step", flat=True)) == [3, 4]


def test_the_second_night_needs_its_own_mails_3_and_4_and_recalls_the_same_password(undone):
    days = {f"{name}_on": getattr(undone.batch, f"{name}_on") + timedelta(days=35)
            for name in ("mail1", "mail2", "mail3", "night")}  # fmt: skip
    batch = BatchFactory(campaign=CampaignFactory(), **days)
    again = MoveFactory(mailbox=undone.mailbox, batch=batch, sent=3)
    again.mailings.filter(step__lt=3).delete()
    night = batch.campaign.night(batch.night_on)[0]
    status = status_of(undone.mailbox, night - timedelta(days=10))
    assert (status.phase, status.night_on, status.failed) == (Phase.CONFIRMED, batch.night_on, False)
    assert not preflight.lines(batch, at=night)[0].is_red
    sequence.advance(at=night)
    assert Mailing.objects.get(move=again, step=4).mail is not None
    assert Mailing.objects.filter(move__mailbox=undone.mailbox, step=2).count() == 1
    OutgoingMail.objects.filter(mailing__move=again, mailing__step=4).update(
        status="sent", sent_at=night, proof=OutgoingMail.Proof.ANSWER
    )
    second = night + timedelta(hours=4)
    cutover.record([Result(undone.mailbox.address, True)], by="etnic", at=second, batch=batch)
    box = Mailbox.objects.filter(pk=undone.mailbox_id)
    for at, phase in (
        (undone.migrated_at, Phase.MIGRATED),
        (after(undone), Phase.CONFIRMED),
        (second - SECOND, Phase.CONFIRMED),
        (second, Phase.MIGRATED),
    ):
        assert phase_at(undone.mailbox, at) == with_phase(box, at).get().phase == phase
    assert status_of(undone.mailbox, second).migrated_on == brussels_date(second)
