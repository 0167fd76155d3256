"""When a campaign should end: a pure function of what is left, what was seen and the capacity (B17)."""

from dataclasses import replace
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from migration.calendar import night_day
from migration.forecast import Facts, Week, forecast

TODAY = date(2024, 11, 13)
THURSDAYS = [date(2024, 11, 14) + timedelta(weeks=n) for n in range(4)]
PLANNED = dict.fromkeys(THURSDAYS, 100)
SEEN = [
    Week(date(2024, 10, 21) + timedelta(weeks=n), done, failed)
    for n, (done, failed) in enumerate([(98, 2), (95, 5), (100, 0)])
]


def test_a_plan_that_holds_ends_when_it_says():
    found = forecast(Facts(PLANNED, 0, 0, seen=[Week(date(2024, 11, 4), 100, 0)] * 3), today=TODAY)
    assert found.earliest == found.planned_end == THURSDAYS[-1]
    assert found.latest is not None
    assert found.latest >= found.earliest
    assert (found.left, found.failure, found.pace) == (400, 0.0, 100)


def test_nothing_left_is_over_and_nothing_planned_says_nothing():
    assert forecast(Facts({}, 0, 0, seen=SEEN), today=TODAY).is_over
    found = forecast(Facts({}, 0, 40), today=TODAY)
    assert (found.earliest, found.latest, found.left) == (None, None, 40)
    assert found.reasons == ["Aucun lot n’est encore planifié : rien ne permet de dire une date."]


def test_what_is_in_no_batch_has_the_whole_sequence_before_it():
    found = forecast(Facts({}, 0, 200, capacity=100, lead_days=30), today=TODAY)
    assert found.earliest is not None
    assert found.earliest >= TODAY + timedelta(days=30)
    assert found.latest is not None
    assert found.latest > found.earliest


def test_failures_lengthen_the_range_and_are_told():
    good = forecast(Facts(PLANNED, 0, 0, seen=SEEN), today=TODAY)
    bad = forecast(Facts(PLANNED, 60, 0, seen=[*SEEN, Week(date(2024, 11, 11), 60, 40)]), today=TODAY)
    assert good.latest is not None
    assert bad.latest is not None
    assert bad.latest > good.latest
    assert (
        "Échecs en 4 semaines : 11,8\N{NO-BREAK SPACE}% ; au pire, 40\N{NO-BREAK SPACE}% sont comptés." in bad.reasons
    )
    assert "60 boîtes sont à reprendre dans un autre lot." in bad.reasons
    assert "Rythme : 100 boîtes par semaine ; au pire, d’après la semaine la plus lente, 60." in bad.reasons


def test_what_failed_goes_beside_the_plan_where_a_week_has_room():
    crowded = Facts(PLANNED, 30, 0, seen=[Week(date(2024, 11, 4), 100, 0)] * 3)
    roomy = replace(crowded, planned={**PLANNED, THURSDAYS[2]: 20, THURSDAYS[1]: 20})
    assert forecast(crowded, today=TODAY).earliest > THURSDAYS[-1]  # type: ignore[operator]
    assert forecast(roomy, today=TODAY).earliest == THURSDAYS[-1]


def test_before_the_first_night_the_usual_share_of_failures_is_counted():
    found = forecast(Facts(PLANNED, 0, 0), today=TODAY)
    assert found.earliest == THURSDAYS[-1]
    assert found.latest is not None
    assert found.latest > found.earliest
    assert found.weeks_seen == 0
    assert any("Aucune semaine de nuits n’est encore passée" in reason for reason in found.reasons)


def test_a_week_of_disaster_is_not_taken_for_all_the_others():
    found = forecast(Facts(PLANNED, 0, 0, seen=[Week(date(2024, 11, 4), 0, 100)]), today=TODAY)
    assert found.latest is not None
    assert found.latest - TODAY < timedelta(weeks=26)


boxes = st.integers(min_value=0, max_value=3000)
weeks = st.builds(Week, st.dates(date(2024, 9, 2), date(2024, 11, 10)), boxes, boxes)
facts = st.builds(
    Facts,
    planned=st.dictionaries(st.dates(TODAY, date(2025, 6, 1)), st.integers(1, 3000), max_size=8),
    to_replan=boxes,
    unplanned=boxes,
    seen=st.lists(weeks, max_size=6),
    capacity=st.none() | st.integers(1, 3000),
)


@given(facts)
def test_the_range_is_in_order_after_today_and_on_nights_that_may_be(known):
    found = forecast(known, today=TODAY)
    if found.earliest is None or found.latest is None:
        assert found.latest is found.earliest is None
        return
    assert TODAY <= found.earliest <= found.latest
    assert found.earliest >= max(known.planned, default=TODAY)
    assert all(night_day(day) == day for day in (found.earliest, found.latest))
    assert found.reasons


@given(facts, st.integers(1, 500))
def test_more_to_do_never_ends_sooner(known, more):
    before, after = (forecast(one, today=TODAY) for one in (known, replace(known, to_replan=known.to_replan + more)))
    if before.earliest and before.latest and after.earliest and after.latest:
        assert after.earliest >= before.earliest
        assert after.latest >= before.latest
