"""The plan in the database: what it takes up, what it leaves alone, what it writes."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from accounts.models import Organisation
from bma_portal.clock import brussels
from bma_portal.states import StateChange
from migration import plan_settings, planning, sequence
from migration.calendar import week_of
from migration.campaigns import AUTUMN_2024, default_campaign
from migration.models import AvoidedPeriod, Batch, Campaign, Mailing, Move
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory

AT = brussels(date(2024, 9, 30))


@pytest.fixture
def register(db):
    pos = [MailboxFactory(po=True) for _ in range(5)]
    establishments = [MailboxFactory() for _ in range(9)]
    return pos, establishments


def test_planning_twice_writes_once_and_keeps_approvals(register):
    campaign = default_campaign()
    planning.apply(campaign, at=AT)
    batch = campaign.batches.first()
    sequence.approve(batch, by="sgne", at=AT)
    before = list(Batch.objects.order_by("number").values_list("pk", "status"))
    planning.apply(campaign, at=AT)
    assert list(Batch.objects.order_by("number").values_list("pk", "status")) == before
    assert Move.objects.count() == 14
    assert Mailing.objects.count() == 14 * 4


def test_replanning_does_not_touch_a_batch_of_which_a_mail_left(register):
    campaign = default_campaign()
    planning.apply(campaign, at=AT)
    first = campaign.batches.first()
    sequence.approve(first, by="sgne", at=AT)
    sequence.release(first, by="sgne", at=AT)
    sequence.advance(at=brussels(date(2024, 10, 7), 9))
    kept = list(first.moves.values_list("pk", flat=True))
    late = MailboxFactory(po=True)
    planning.apply(campaign, at=AT)
    assert list(first.moves.values_list("pk", flat=True)) == kept
    batch = late.moves.get().batch
    assert batch.mail1_on > first.mail1_on


def test_a_closed_or_merged_unit_is_not_planned(register):
    _, (closed, merged, heir, *_) = register
    Organisation.objects.filter(pk=closed.organisation_id).update(closed_on=date(2024, 8, 31))
    Organisation.objects.filter(pk=merged.organisation_id).update(successor=heir.organisation)
    planning.apply(default_campaign(), at=AT)
    planned = set(Move.objects.values_list("mailbox", flat=True))
    assert closed.pk not in planned
    assert merged.pk not in planned
    assert heir.pk in planned


def test_no_mailbox_at_all_gives_an_empty_plan(db):
    assert planning.apply(default_campaign(), at=AT).batches == []


def test_each_mailbox_comes_with_its_zone_and_network_in_two_queries(db, django_assert_num_queries):
    po = OrganisationFactory(po_unit=True, network="Libre", mailbox=True)
    OrganisationFactory(po=po, zone="Huy-Waremme", network="Libre", mailbox=True)
    OrganisationFactory(po_unit=True, network="Communal", mailbox=True)
    with django_assert_num_queries(2):
        boxes = planning.plannable(Campaign(**AUTUMN_2024), at=AT)
    assert sorted((box.kind, box.zone, box.network) for box in boxes) == [
        ("ec", "Huy-Waremme", "Libre"), ("po", "", "Communal"), ("po", "Huy-Waremme", "Libre"),
    ]  # fmt: skip
    assert [box.address for box in boxes] == sorted(box.address for box in boxes)


def test_the_plan_is_written_in_few_statements(register, django_assert_max_num_queries):
    campaign = default_campaign()
    campaign.save()
    with django_assert_max_num_queries(25):
        planning.apply(campaign, at=AT, by="nadia")
    assert set(Batch.objects.values_list("planned_by", "status")) == {("nadia", Batch.Status.DRAFT)}
    move = Move.objects.select_related("batch").first()
    assert (move.status, move.position, move.paused_why, move.announced_night) == ("planned", 1, "", None)
    due = dict(move.mailings.values_list("step", "due_at"))
    assert due[1] == brussels(move.batch.mail1_on, 9)
    assert due[4] == brussels(move.batch.night_on, 22)
    with django_assert_max_num_queries(15):
        planning.apply(campaign, at=AT)


def test_what_was_proposed_is_what_is_written(register):
    campaign = default_campaign()
    proposed = planning.propose(campaign, at=AT)
    written = planning.apply(campaign, at=AT)
    assert written == proposed
    assert written.fingerprint() == proposed.fingerprint()
    assert planning.propose(campaign, at=AT).fingerprint() == proposed.fingerprint()
    assert proposed.findings == []
    assert list(Batch.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_a_new_plan_replaces_the_drafts_and_keeps_no_trace_of_them(register):
    campaign = default_campaign()
    planning.apply(campaign, at=AT)
    campaign.night_after_days = 9
    campaign.save()
    planning.apply(campaign, at=AT)
    assert Move.objects.count() == 14
    assert Mailing.objects.count() == 14 * 4
    first = campaign.batches.get(number=1)
    assert (first.night_on - first.mail3_on).days >= 9


def test_days_that_staff_enter_are_avoided(register):
    AvoidedPeriod.objects.create(
        reason="count", name="Comptage", first=date(2024, 10, 7), last=date(2024, 10, 8), source="circulaire fictive"
    )
    plan = planning.propose(default_campaign(), at=AT)
    assert plan.batches[0].mail1_on == date(2024, 10, 9)


def test_a_batch_that_a_person_composed_stays(register):
    campaign = CampaignFactory()
    (box, *_), _ = register
    pilot = BatchFactory(campaign=campaign, number=1, status=Batch.Status.DRAFT, pilot=True, released_at=None)
    MoveFactory(batch=pilot, mailbox=box)
    plan = planning.apply(campaign, at=AT)
    assert pilot.moves.get().mailbox == box
    assert plan.mailboxes == 13
    assert plan.first_number == 2
    assert plan.findings == [], "a pilot of POs does not say when the establishments begin"


def test_nights_that_are_taken_leave_less_room(register):
    campaign = CampaignFactory(weekly_mailboxes=5)
    kept = BatchFactory(campaign=campaign, number=1, pilot=True)  # night of 7 November
    for _ in range(4):
        MoveFactory(batch=kept)
    plan = planning.apply(campaign, at=AT)
    first = next(batch for batch in plan.batches if batch.kind == "po")
    assert week_of(first.night_on) > week_of(kept.night_on)
    for batch in plan.batches:
        assert len(batch.mailbox_ids) <= 5


@pytest.mark.parametrize(("delivered", "steps"), [(0, {1, 2, 3, 4}), (1, {2, 3, 4}), (2, {3, 4}), (3, {3, 4})])
@pytest.mark.parametrize("status", ["failed", "postponed", "cancelled"])
def test_what_was_delivered_is_not_repeated(db, delivered, steps, status):
    move = MoveFactory(sent=delivered)
    Move.objects.filter(pk=move.pk).update(status=status)
    Batch.objects.filter(pk=move.batch_id).update(status=Batch.Status.RUNNING)
    planning.apply(move.batch.campaign, at=brussels(date(2024, 11, 8)))
    again = Move.objects.live().get(mailbox=move.mailbox)
    assert set(again.mailings.values_list("step", flat=True)) == steps


def test_a_mailbox_put_back_on_the_old_server_is_planned_again(db):
    move = MoveFactory(migrated=True)
    Move.objects.filter(pk=move.pk).update(
        status=Move.Status.ROLLED_BACK, rolled_back_at=move.migrated_at + timedelta(days=1)
    )
    planning.apply(move.batch.campaign, at=brussels(date(2024, 11, 12)))
    again = Move.objects.live().get(mailbox=move.mailbox)
    assert set(again.mailings.values_list("step", flat=True)) == {3, 4}


def test_a_mail_that_came_back_is_sent_again(db):
    move = MoveFactory(sent=2)
    for mailing in move.mailings.filter(step__lte=2):
        type(mailing.mail).objects.filter(pk=mailing.mail_id).update(bounced_at=AT + timedelta(days=20))
    Move.objects.filter(pk=move.pk).update(status="failed")
    planning.apply(move.batch.campaign, at=brussels(date(2024, 11, 8)))
    assert Move.objects.live().get(mailbox=move.mailbox).mailings.count() == 4


def test_a_campaign_under_way_is_not_planned_in_the_past(register):
    campaign = default_campaign()
    planning.apply(campaign, at=AT)
    first = campaign.batches.get(number=1)
    sequence.approve(first, by="sgne", at=AT)
    sequence.release(first, by="sgne", at=AT)
    sequence.advance(at=brussels(date(2024, 10, 7), 9))
    wednesday = brussels(date(2024, 10, 23), 8)
    plan = planning.apply(campaign, at=wednesday)
    assert min(batch.mail1_on for batch in plan.batches) == date(2024, 10, 23)
    assert planning.apply(campaign, at=wednesday) == plan
    assert plan.findings == []


def test_pos_planned_once_establishments_move_is_a_finding(db):
    campaign = CampaignFactory()
    begun = BatchFactory(campaign=campaign, number=1, establishments=True)
    MoveFactory(batch=begun, announced=True)
    late = MailboxFactory(po=True)
    plan = planning.propose(campaign, at=brussels(date(2024, 11, 20)))
    assert [batch.mailbox_ids for batch in plan.batches] == [(late.pk,)]
    assert [(finding.rule, finding.kind) for finding in plan.findings] == [("window", "po"), ("order", "po")]
    assert "05/12/2024" in plan.findings[1].text


def test_the_settings_given_are_those_of_the_plan(register):
    campaign = default_campaign()
    given = plan_settings.from_campaign(campaign)
    plan = planning.propose(campaign, at=AT, settings=replace(given, night_after_days=10))
    assert all((batch.night_on - batch.mail3_on).days >= 10 for batch in plan.batches)


@pytest.mark.parametrize("decision", ["postponed away", "postponed here", "paused"])
def test_what_a_person_decided_for_a_mailbox_is_not_undone_by_a_new_plan(register, decision):
    campaign = default_campaign()
    planning.apply(campaign, at=AT)
    batch = campaign.batches.get(number=2)
    move = batch.moves.first()
    if decision == "postponed away":
        Move.objects.filter(pk=move.pk).update(status=Move.Status.POSTPONED)
    elif decision == "paused":
        Move.objects.filter(pk=move.pk).update(paused_at=AT, paused_why="école fermée")
    else:
        StateChange.objects.create(
            object_type=Move._meta.label_lower, object_id=move.pk, old="postponed", new="planned", by="nadia", at=AT
        )
    campaign.mail2_after_days = 8
    campaign.save()
    plan = planning.apply(campaign, at=AT)
    assert batch.moves.filter(pk=move.pk).exists()
    assert Batch.objects.get(pk=batch.pk).mail2_on == batch.mail2_on
    assert plan.mailboxes == 14 - batch.moves.live().count()
    others = campaign.batches.exclude(pk=batch.pk)
    assert all((other.mail2_on - other.mail1_on).days >= 8 for other in others)
    assert max(b.night_on for b in campaign.batches.filter(kind="po")) < min(
        b.night_on for b in campaign.batches.filter(kind="ec")
    )


def test_establishments_that_stay_do_not_let_the_others_pass_before_the_pos(register):
    campaign = default_campaign()
    planning.apply(campaign, at=AT)
    first = campaign.batches.filter(kind="ec").order_by("number").first()
    Move.objects.filter(pk=first.moves.first().pk).update(paused_at=AT, paused_why="école fermée")
    campaign.po_first_mail_from, campaign.po_first_mail_to = date(2024, 11, 4), date(2024, 11, 29)
    campaign.save()
    plan = planning.propose(campaign, at=AT)
    assert [(finding.rule, finding.kind) for finding in plan.findings] == [("order", "po")]
    assert max(b.night_on for b in plan.batches if b.kind == "po") < min(
        b.night_on for b in plan.batches if b.kind == "ec"
    )


def test_a_mailbox_in_the_drafts_of_another_campaign_is_not_taken_from_it(register):
    planning.apply(default_campaign(), at=AT)
    late = MailboxFactory(po=True)
    other = CampaignFactory(slug="suivante")
    plan = planning.apply(other, at=AT)
    assert [batch.mailbox_ids for batch in plan.batches] == [(late.pk,)]
    assert Move.objects.live().count() == 15
