"""A proposal, what it changes, and its acceptance: one transaction, signed, and never twice."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import plan_changes, planning
from migration.models import AvoidedPeriod, Batch, Mailing, Move, PlanDecision
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, deliver
from tests.together import together

AT = brussels(date(2024, 9, 30), 10)
WHY = "Le comité du 27 septembre accepte le retard sur la circulaire."

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    """Without windows for the nights: every rule can be kept."""
    return CampaignFactory()


@pytest.fixture
def boxes():
    return [MailboxFactory(po=True) for _ in range(4)] + [MailboxFactory() for _ in range(8)]


def proposal(campaign, at=AT):
    plan = planning.propose(campaign, at=at)
    return plan, plan_changes.difference(campaign, plan, at=at)


def accept(campaign, *, by="sgne", at=AT, note="", plan=None):
    plan = plan or planning.propose(campaign, at=at)
    return plan_changes.accept(campaign, by=by, at=at, fingerprint=plan.fingerprint(), note=note)


def published(campaign) -> None:
    """The windows of the circular, which its own spacings break (K4)."""
    campaign.po_moves_from, campaign.po_moves_until = date(2024, 10, 1), date(2024, 10, 25)
    campaign.ec_moves_from, campaign.ec_moves_until = date(2024, 11, 4), date(2024, 11, 30)
    campaign.save()


# The difference


def test_at_first_everything_is_new(campaign, boxes):
    plan, changes = proposal(campaign)
    assert changes.new == plan.batches
    assert sorted(changes.added) == sorted(box.pk for box in boxes)
    assert not changes.gone
    assert not changes.redated
    assert not changes.empty


def test_once_accepted_nothing_changes_any_more(campaign, boxes):
    accept(campaign)
    _, changes = proposal(campaign)
    assert changes.empty
    assert changes.unchanged == len(boxes)
    assert len(changes.same) == campaign.batches.count()


def test_other_dates_show_what_goes_and_what_moves(campaign, boxes):
    accept(campaign)
    campaign.po_first_mail_from = date(2024, 10, 8)
    _, changes = proposal(campaign)
    assert [batch.mail1_on for batch in changes.gone] == [date(2024, 10, 7)]
    assert date(2024, 10, 8) in [batch.mail1_on for batch in changes.new]
    moved = {pk for group in changes.redated for pk in group.mailboxes}
    assert moved
    assert all(group.kind == "po" for group in changes.redated)
    assert changes.unchanged == len(boxes) - len(moved)
    assert not changes.added
    assert not changes.removed


def test_a_mailbox_that_comes_or_goes_is_named(campaign, boxes):
    accept(campaign)
    closed = boxes[-1].organisation
    closed.closed_on = date(2024, 9, 1)
    closed.save()
    late = MailboxFactory()
    _, changes = proposal(campaign)
    assert changes.added == [late.pk]
    assert changes.removed == [boxes[-1].pk]
    assert not changes.gone
    assert changes.changed


def test_approvals_that_would_be_lost_are_told(campaign, boxes):
    accept(campaign)
    approved = campaign.batches.first()
    Batch.objects.filter(pk=approved.pk).update(status=Batch.Status.APPROVED)
    assert proposal(campaign)[1].approvals_lost == []
    MailboxFactory(po=True)
    assert proposal(campaign)[1].approvals_lost == [approved]


def test_the_difference_asks_a_fixed_number_of_questions(campaign, boxes):
    def questions() -> int:
        plan = planning.propose(campaign, at=AT)
        with CaptureQueriesContext(connection) as asked:
            plan_changes.difference(campaign, plan, at=AT)
        return len(asked)

    accept(campaign)
    MoveFactory(announced=True, batch__campaign=campaign, batch__number=99)
    few = questions()
    for n in range(10):
        MailboxFactory(po=True)
        MoveFactory(announced=True, batch__campaign=campaign, batch__number=100 + n)
    assert questions() == few <= 6


# Batches that have begun


def test_a_batch_that_has_begun_is_left_alone_whatever_the_plan_says(campaign, boxes):
    accept(campaign)
    first = campaign.batches.first()
    first.move_to(Batch.Status.APPROVED, by="sgne", at=AT)
    mailing = Mailing.objects.filter(move__batch=first, step=1).first()
    mail = deliver(mailing, brussels(first.mail1_on, 9))
    before = list(Mailing.objects.filter(move__batch=first).order_by("pk").values_list("pk", "due_at", "mail"))
    campaign.po_first_mail_from = date(2024, 10, 9)
    campaign.mail2_after_days = 9
    campaign.save()
    at = brussels(date(2024, 10, 8), 10)
    plan, changes = proposal(campaign, at=at)
    assert first in changes.begun
    assert first not in changes.gone
    accept(campaign, at=at, note=WHY, plan=plan)
    first.refresh_from_db()
    assert list(Mailing.objects.filter(move__batch=first).order_by("pk").values_list("pk", "due_at", "mail")) == before
    mail.refresh_from_db()
    assert mail.sent_at == brussels(date(2024, 10, 7), 9)


@pytest.mark.parametrize(("kind", "told"), [("", True), ("po", True), ("ec", False)])
def test_what_a_begun_batch_would_do_on_an_avoided_day_is_told(campaign, kind, told):
    batch = MoveFactory(announced=True, batch__campaign=campaign).batch
    MoveFactory(announced=True, batch=batch)
    at = brussels(date(2024, 10, 8), 10)
    AvoidedPeriod.objects.create(
        reason="count", name="Comptage", first=batch.night_on, last=batch.night_on, kind=kind, source="M. Fictif"
    )
    lines = proposal(campaign, at=at)[1].on_avoided_days
    assert bool(lines) is told
    if told:
        (line,) = lines
        assert (line.batch, line.step, line.day, line.mails) == (batch, 4, batch.night_on, 2)
        assert "comptage des élèves" in line.why


def test_a_mail_that_left_or_a_day_gone_by_is_told_no_more(campaign):
    batch = MoveFactory(announced=True, batch__campaign=campaign).batch
    AvoidedPeriod.objects.create(reason="other", name="Pont", first=batch.mail1_on, last=batch.mail1_on, source="SGNE")
    assert proposal(campaign)[1].on_avoided_days == []
    AvoidedPeriod.objects.create(reason="other", name="Nuit", first=batch.night_on, last=batch.night_on, source="SGNE")
    after = brussels(batch.night_on + timedelta(days=1), 10)
    assert proposal(campaign, at=after)[1].on_avoided_days == []


# Accepting


def test_an_accepted_plan_is_written_with_its_decision_and_its_lines(campaign, boxes):
    decision = accept(campaign)
    assert Move.objects.count() == len(boxes)
    assert set(campaign.batches.values_list("planned_by", flat=True)) == {"sgne"}
    assert (decision.by, decision.findings, decision.note) == ("sgne", [], "")
    assert decision.counts["boîtes ajoutées"] == len(boxes)
    change = StateChange.objects.get(object_type="migration.campaign")
    assert (change.object_id, change.new, change.by) == (campaign.pk, "plan accepté", "sgne")
    line = AuditEntry.objects.get(action="plan.accepted")
    assert (line.actor, line.object_id) == ("sgne", str(campaign.pk))
    assert line.details["boîtes ajoutées"] == len(boxes)


def test_what_cannot_hold_is_accepted_only_with_a_reason(campaign, boxes):
    published(campaign)
    plan, _ = proposal(campaign)
    assert plan.findings
    for note in ("", "   ", "D’accord.", "ok ok ok"):
        with pytest.raises(Refusal, match="signez votre décision"):
            accept(campaign, note=note)
    assert not Batch.objects.exists()
    assert not PlanDecision.objects.exists()
    decision = accept(campaign, note=f"  {WHY} ")
    assert decision.note == WHY
    assert [finding["text"] for finding in decision.findings] == [finding.text for finding in plan.findings]
    assert [finding["earliest"] for finding in decision.findings] == [
        finding.earliest.isoformat() for finding in plan.findings
    ]


def test_a_plan_that_changed_meanwhile_is_not_accepted(campaign, boxes):
    plan, _ = proposal(campaign)
    MailboxFactory()
    with pytest.raises(Refusal, match="a changé entre-temps"):
        accept(campaign, plan=plan)
    assert not Batch.objects.exists()
    assert not PlanDecision.objects.exists()
    assert not AuditEntry.objects.filter(action="plan.accepted").exists()


def test_an_empty_plan_is_not_accepted(campaign):
    with pytest.raises(Refusal, match="aucun lot"):
        accept(campaign)


def test_the_same_plan_is_not_accepted_twice(campaign, boxes):
    accept(campaign, by="camille")
    with pytest.raises(Refusal, match="déjà accepté, par camille"):
        accept(campaign)
    assert PlanDecision.objects.count() == 1


def test_a_plan_that_a_command_wrote_may_still_be_signed(campaign, boxes):
    published(campaign)
    planning.apply(campaign, at=AT)
    assert accept(campaign, note=WHY).findings


def test_what_a_person_composed_stays(campaign, boxes):
    mine = BatchFactory(campaign=campaign, number=1, by_hand=True, status=Batch.Status.DRAFT)
    kept = MoveFactory(batch=mine, mailbox=boxes[0])
    accept(campaign)
    assert Move.objects.filter(pk=kept.pk).exists()
    assert Move.objects.filter(mailbox=boxes[0]).count() == 1
    assert mine in proposal(campaign)[1].begun


@pytest.mark.django_db(transaction=True)
def test_of_two_people_at_once_one_accepts_and_the_other_is_told(boxes):
    campaign = CampaignFactory()
    plan, _ = proposal(campaign)
    done = together(*(lambda by=by: accept(campaign, by=by, plan=plan) for by in ("ada", "blaise")))
    (refusal,) = [one for one in done if isinstance(one, Refusal)]
    (decision,) = [one for one in done if not isinstance(one, Refusal)]
    assert f"déjà accepté, par {decision.by}" in str(refusal)
    assert PlanDecision.objects.count() == 1
    assert Move.objects.count() == len(boxes)
