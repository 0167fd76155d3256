"""The pure part of the plan: four dates, weeks, sizes, strata, capacity, and the proofs of what cannot hold."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bma_portal.clock import is_working_day
from bma_portal.errors import Refusal
from migration import plan_settings, planning
from migration.calendar import Avoided, Calendar, school_year, week_of
from migration.laying_out import Kept
from migration.plan_findings import RULES, label
from migration.planning import Box

DEFAULT = plan_settings.default()
PUBLISHED = plan_settings.read(Path(__file__).resolve().parents[2] / "demo" / "campaign_2024_published.json")


def boxes(pos: int = 0, establishments: int = 0, zones: int = 3, networks: int = 2) -> list[Box]:
    kinds = ["po"] * pos + ["ec"] * establishments
    return [
        Box(n, kind, f"{kind}{n:06d}", f"zone {n % zones}", f"réseau {n % networks}")
        for n, kind in enumerate(kinds, 1)
    ]


def found(settings, *arguments, **options) -> list[tuple[str, str, date]]:
    plan = planning.lay_out(settings, boxes(*arguments), **options)
    return [(finding.rule, finding.kind, finding.earliest) for finding in plan.findings]


# The four dates of a week


def test_the_first_po_batch_has_the_earliest_dates_that_the_faq_allows():
    week = planning.week(DEFAULT, "po", date(2024, 10, 7))
    assert (week.mail1_on, week.mail2_on, week.mail3_on) == (date(2024, 10, 7), date(2024, 10, 14), date(2024, 11, 4))
    assert week.night_on == date(2024, 11, 6)


def test_armistice_day_moves_mail_2_and_what_follows():
    week = planning.week(DEFAULT, "ec", date(2024, 11, 4))
    assert week.mail2_on == date(2024, 11, 12)  # Monday the 11th is a public holiday
    assert week.mail3_on == date(2024, 12, 3)


def test_a_night_is_not_before_a_day_when_the_desk_is_closed():
    week = planning.week(DEFAULT, "po", date(2024, 11, 25))
    assert week.mail3_on == date(2024, 12, 23)
    assert week.night_on == date(2024, 12, 26)  # not the 25th


def test_establishments_do_not_move_during_school_holidays_and_mail_3_comes_nearer_to_the_night():
    week = planning.week(DEFAULT, "ec", date(2024, 11, 25))
    assert (week.mail2_on, week.mail3_on, week.night_on) == (date(2024, 12, 2), date(2025, 1, 3), date(2025, 1, 6))


def test_no_first_mail_to_establishments_on_an_avoided_day():
    assert planning.week(DEFAULT, "ec", date(2024, 10, 21)).mail1_on == date(2024, 11, 4)
    assert planning.week(DEFAULT, "po", date(2024, 10, 21)).mail1_on == date(2024, 10, 21)


@given(st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(1, 30), st.integers(7, 60), st.integers(0, 40))
def test_every_week_keeps_the_spacings(first, to_mail2, to_mail3, slack):
    settings = replace(
        DEFAULT, mail2_after_days=to_mail2, mail3_after_days_min=to_mail3, mail3_after_days_max=to_mail3 + slack + 6
    )
    week = planning.week(settings, "ec", first)
    assert week.mail1_on >= first
    assert week.mail2_on >= week.mail1_on + timedelta(days=to_mail2)
    assert to_mail3 <= (week.mail3_on - week.mail2_on).days <= settings.mail3_after_days_max
    assert week.night_on > week.mail3_on
    assert all(is_working_day(day) for day in (week.mail1_on, week.mail2_on, week.mail3_on, week.night_on))


def test_spacings_that_leave_no_working_day_are_refused():
    with pytest.raises(Refusal, match="Aucun jour ouvré"):
        planning.week(
            replace(DEFAULT, mail3_after_days_min=20, mail3_after_days_max=20), "po", date(2024, 10, 7)
        )  # a Sunday


# Weeks and sizes


def test_batches_are_weekly_level_and_pos_come_first():
    plan = planning.lay_out(DEFAULT, boxes(10, 103))
    assert [(b.kind, len(b.mailbox_ids)) for b in plan.batches] == [
        ("po", 3), ("po", 3), ("po", 2), ("po", 2), ("ec", 26), ("ec", 26), ("ec", 26), ("ec", 25),
    ]  # fmt: skip
    assert [b.mail1_on for b in plan.batches[:4]] == [date(2024, 10, day) for day in (7, 14, 21, 28)]
    assert [b.mail1_on for b in plan.batches[4:]] == [date(2024, 11, day) for day in (4, 12, 18, 25)]
    assert max(b.night_on for b in plan.batches if b.kind == "po") < min(
        b.night_on for b in plan.batches if b.kind == "ec"
    )
    assert sorted(pk for b in plan.batches for pk in b.mailbox_ids) == list(range(1, 114))
    assert plan.findings == []


def test_fewer_mailboxes_than_weeks_make_as_many_batches():
    assert [len(b.mailbox_ids) for b in planning.lay_out(DEFAULT, boxes(2, 1)).batches] == [1, 1, 1]
    assert planning.lay_out(DEFAULT, []).batches == []


def test_each_batch_has_its_share_of_each_zone_and_network():
    given = boxes(0, 400, zones=7, networks=3)
    plan = planning.lay_out(DEFAULT, given)
    stratum = {box.pk: (box.zone, box.network) for box in given}
    totals = Counter(stratum.values())
    for batch in plan.batches:
        shares = Counter(stratum[pk] for pk in batch.mailbox_ids)
        for key, total in totals.items():
            assert abs(shares[key] - total / len(plan.batches)) < 1
        assert len({stratum[pk] for pk in batch.mailbox_ids[:5]}) == 5, "the first five are not of one place"


def test_capacity_is_never_exceeded_and_what_does_not_fit_goes_beyond_the_window():
    settings = replace(DEFAULT, weekly_mailboxes=20)
    plan = planning.lay_out(settings, boxes(0, 130))
    weeks = Counter()
    for batch in plan.batches:
        weeks[week_of(batch.night_on)] += len(batch.mailbox_ids)
    assert max(weeks.values()) <= 20
    assert [len(b.mailbox_ids) for b in plan.batches] == [19, 19, 19, 19, 18, 18, 18]
    (finding,) = plan.findings
    assert (finding.rule, finding.kind) == ("capacity", "ec")
    assert finding.earliest == max(batch.night_on for batch in plan.batches)
    assert "20 boîtes par semaine" in finding.text
    assert "7 lots" in finding.text


def test_the_capacity_in_tickets_is_a_capacity_in_mailboxes():
    assert replace(DEFAULT, weekly_tickets=7, tickets_per_hundred=30).capacity == 23
    assert replace(DEFAULT, weekly_tickets=7, tickets_per_hundred=30, weekly_mailboxes=9).capacity == 9


def test_nights_do_not_pile_up_after_the_winter_holidays():
    settings = replace(DEFAULT, ec_first_mail_to=date(2024, 12, 20), weekly_mailboxes=30)
    plan = planning.lay_out(settings, boxes(0, 180))
    weeks = [week_of(batch.night_on) for batch in plan.batches]
    assert len(set(weeks)) == len(weeks) == 7
    assert max((batch.mail3_on - batch.mail2_on).days for batch in plan.batches) <= 84
    assert plan.findings == []


def test_fewer_larger_batches_rather_than_one_outside_its_window():
    settings = replace(DEFAULT, ec_moves_until=date(2024, 12, 12))
    plan = planning.lay_out(settings, boxes(0, 40))
    assert [len(b.mailbox_ids) for b in plan.batches] == [20, 20]
    assert plan.findings == []
    assert found(replace(settings, weekly_mailboxes=15), 0, 40) == [("capacity", "ec", date(2024, 12, 18))]


def test_only_later_days_are_used_after_what_has_begun():
    plan = planning.lay_out(DEFAULT, boxes(4, 0), after={"po": date(2024, 10, 20)})
    assert [b.mail1_on for b in plan.batches] == [date(2024, 10, 21), date(2024, 10, 28)]
    assert found(DEFAULT, 4, 0, after={"po": date(2024, 11, 3)}) == [("window", "po", date(2024, 11, 4))]


def test_kept_nights_take_their_room():
    settings = replace(DEFAULT, weekly_mailboxes=10)
    kept = [Kept("po", date(2024, 11, 7), 9)]
    plan = planning.lay_out(settings, boxes(2, 0), kept=kept)
    assert [b.night_on for b in plan.batches] == [date(2024, 11, 6), date(2024, 11, 14)]
    plan = planning.lay_out(settings, boxes(8, 0), kept=kept)
    assert [week_of(b.night_on) for b in plan.batches] == [date(2024, 11, 11) + timedelta(7 * n) for n in range(4)]


# What cannot hold


def test_the_published_plan_is_proved_impossible_rule_by_rule():
    plan = planning.lay_out(PUBLISHED, boxes(40, 100))
    assert [(f.rule, f.source, f.kind, f.earliest) for f in plan.findings] == [
        ("spacing", "S1 §5 ; S4", "po", date(2024, 11, 4)),
        ("spacing", "S1 §5 ; S4", "ec", date(2024, 12, 2)),
        ("public_holiday", "S0 §7 ; S1 §5 ; S4", "ec", date(2024, 12, 3)),
    ]
    spacing, _, holiday = plan.warnings
    assert spacing == (
        "PO : les délais entre les mails (S1 §5), à eux seuls, mettent la première nuit au 04/11/2024, 10 jours après "
        "la fin annoncée des nuits (25/10/2024, S4), que 4 lots sur 4 dépassent : une décision signée est attendue."
    )
    assert "jour férié du 11/11/2024" in holiday
    assert "encore d’un jour" in holiday
    assert {label(finding.rule) for finding in plan.findings} == {"délais entre les mails", "jour férié"}


@pytest.mark.parametrize(
    ("changes", "rule", "earliest"),
    [
        # a window of first mails without one allowed day
        ({"ec_first_mail_from": date(2024, 11, 9), "ec_first_mail_to": date(2024, 11, 10)}, "working_day", (11, 12)),
        (
            {"ec_first_mail_from": date(2024, 11, 9), "ec_first_mail_to": date(2024, 11, 11)},
            "public_holiday",
            (11, 12),
        ),
        ({"ec_first_mail_from": date(2024, 10, 21), "ec_first_mail_to": date(2024, 11, 1)}, "avoided_days", (11, 4)),
        # a window of nights that something keeps shut
        ({"ec_moves_until": date(2024, 12, 3)}, "spacing", (12, 4)),
        ({"ec_moves_until": date(2024, 12, 4)}, "public_holiday", (12, 5)),
        ({"ec_moves_from": date(2024, 12, 7), "ec_moves_until": date(2024, 12, 8)}, "working_day", (12, 9)),
        (
            {"ec_moves_until": date(2024, 12, 5), "avoided": (Avoided(date(2024, 12, 5), date(2024, 12, 5), "ec"),)},
            "avoided_days",
            (12, 9),
        ),
    ],
)
def test_each_rule_that_shuts_a_window_is_named(changes, rule, earliest):
    settings = replace(DEFAULT, **{**changes, "avoided": DEFAULT.avoided + changes.get("avoided", ())})
    assert (rule, "ec", date(2024, *earliest)) in found(settings, 0, 4)


def test_establishments_that_wait_for_the_pos():
    settings = replace(DEFAULT, po_first_mail_to=date(2024, 11, 15), ec_moves_until=date(2024, 12, 10))
    assert found(settings, 40, 40) == [("order", "ec", date(2024, 12, 16))]  # after Thursday the 12th


def test_nights_after_the_closing_of_the_old_server():
    settings = replace(DEFAULT, old_server_closes_on=date(2024, 12, 20), weekly_mailboxes=10)
    told = found(settings, 0, 40)
    assert ("closing", "ec", date(2025, 1, 6)) in told
    assert all(rule in RULES for rule, _, _ in told)


def test_a_school_year_without_data_is_said_not_guessed():
    settings = replace(
        DEFAULT,
        ec_first_mail_from=date(2026, 9, 7),
        ec_first_mail_to=date(2026, 9, 25),
        old_server_closes_on=date(2027, 4, 1),
    )
    plan = planning.lay_out(settings, boxes(3, 3))
    assert [(f.rule, f.kind, f.earliest) for f in plan.findings] == [("school_calendar", "ec", date(2026, 9, 7))]
    assert "calendrier inconnu" in plan.findings[0].text
    assert "2026-2027" in plan.findings[0].text


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(2024, 9, 1), "2024-2025"),
        (date(2025, 7, 4), "2024-2025"),
        (date(2025, 7, 5), "2025-2026"),
        (date(2026, 1, 1), "2025-2026"),
        (date(2026, 7, 4), "2026-2027"),
    ],
)
def test_a_school_year_ends_on_the_first_friday_of_july(day, year):
    assert school_year(day) == year
    known = Calendar(DEFAULT.avoided).unknown_year(day) == ""
    assert known == (year != "2026-2027")


# What no plan can do


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"avoided": (Avoided(date(2024, 1, 1), date(2030, 1, 1)),)}, "périodes à éviter"),
        ({"weekly_mailboxes": 1}, "600 semaines"),
    ],
)
def test_what_no_plan_can_do_is_refused_in_french(changes, words):
    with pytest.raises(Refusal, match=words):
        planning.lay_out(replace(DEFAULT, **changes), boxes(0, 600))


def test_a_plan_of_a_hundred_thousand_mailboxes_takes_seconds():
    plan = planning.lay_out(replace(DEFAULT, weekly_mailboxes=2000), boxes(10_000, 90_000, zones=11, networks=5))
    assert plan.mailboxes == 100_000
    assert max(len(batch.mailbox_ids) for batch in plan.batches) <= 2000
