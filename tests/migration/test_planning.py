from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Organisation
from bma_portal.clock import brussels, is_working_day
from bma_portal.errors import Refusal
from migration import planning, sequence
from migration.campaigns import AUTUMN_2024, default_campaign
from migration.models import Batch, Campaign, Mailing, Move
from tests.factories import MailboxFactory

AT = brussels(date(2024, 9, 30))


def autumn(**settings) -> Campaign:
    return Campaign(slug="2024", **(AUTUMN_2024 | settings))


def test_the_first_po_batch_has_the_earliest_dates_that_the_faq_allows():
    week = planning.week(autumn(), "po", date(2024, 10, 7))
    assert (week.mail1_on, week.mail2_on, week.mail3_on) == (date(2024, 10, 7), date(2024, 10, 14), date(2024, 11, 4))
    assert week.night_on == date(2024, 11, 6)


def test_armistice_day_moves_mail_2_and_what_follows():
    week = planning.week(autumn(), "ec", date(2024, 11, 4))
    assert week.mail2_on == date(2024, 11, 12)  # Monday the 11th is a public holiday
    assert week.mail3_on == date(2024, 12, 3)


def test_a_night_is_not_before_a_day_when_the_desk_is_closed():
    week = planning.week(autumn(), "ec", date(2024, 11, 25))
    assert week.mail3_on == date(2024, 12, 23)
    assert week.night_on == date(2024, 12, 26)  # not the 25th


@given(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(1, 30), st.integers(7, 60), st.integers(0, 40))
def test_every_week_keeps_the_spacings(first, to_mail2, to_mail3, slack):
    campaign = autumn(
        mail2_after_days=to_mail2, mail3_after_days_min=to_mail3, mail3_after_days_max=to_mail3 + slack + 6
    )
    week = planning.week(campaign, "ec", first)
    assert week.mail1_on >= first
    assert week.mail2_on >= week.mail1_on + timedelta(days=to_mail2)
    assert to_mail3 <= (week.mail3_on - week.mail2_on).days <= campaign.mail3_after_days_max
    assert week.night_on > week.mail3_on
    assert all(is_working_day(day) for day in (week.mail1_on, week.mail2_on, week.mail3_on, week.night_on))


def test_spacings_that_leave_no_working_day_are_refused():
    with pytest.raises(Refusal, match="Aucun jour ouvré"):
        planning.week(autumn(mail3_after_days_min=20, mail3_after_days_max=20), "po", date(2024, 10, 7))


def test_batches_are_weekly_equal_and_pos_come_first():
    plan = planning.lay_out(autumn(), {"po": range(10), "ec": range(100, 203)})
    assert [(b.kind, len(b.mailbox_ids)) for b in plan.batches] == [
        ("po", 3), ("po", 3), ("po", 2), ("po", 2), ("ec", 26), ("ec", 26), ("ec", 26), ("ec", 25),
    ]  # fmt: skip
    assert [b.mail1_on for b in plan.batches[:4]] == [date(2024, 10, day) for day in (7, 14, 21, 28)]
    assert max(b.night_on for b in plan.batches if b.kind == "po") < min(
        b.night_on for b in plan.batches if b.kind == "ec"
    )
    assert [pk for b in plan.batches for pk in b.mailbox_ids] == [*range(10), *range(100, 203)]


def test_the_plan_says_where_the_documents_clash():
    plan = planning.lay_out(autumn(), {"po": [1], "ec": [2]})
    assert any("25/10/2024" in warning and "06/11/2024" in warning for warning in plan.warnings)
    assert any("30/11/2024" in warning and "05/12/2024" in warning for warning in plan.warnings)


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
