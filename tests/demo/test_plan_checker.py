"""The planner held against a checker that knows nothing of it, on settings of all kinds; and the checker sabotaged."""

import ast
import json
import os
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from accounts import fase
from accounts.addresses import address_of
from bma_portal.clock import brussels
from demo import plan_checker, story
from demo.management.commands import replay_campaign
from demo.plan_checker import Row, check
from migration import plan_settings, planning
from migration.calendar import Avoided
from migration.campaigns import default_campaign
from migration.models import Mailing
from migration.plan_settings import Settings
from migration.planning import Box
from tests.factories import MailboxFactory
from tests.factories_migration import deliver

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "demo" / "campaign_2024_published.json"
REAL = "odwb_signaletique-fase_2023-10_full.csv"


def boxes(pos: int, establishments: int) -> list[Box]:
    zones, networks = ["", "Brabant", "Huy"], ["libre", "communal"]
    counts = [("po", n) for n in range(1, pos + 1)] + [("ec", n) for n in range(1, establishments + 1)]
    return [
        Box(pk, kind, address_of(kind, n), zones[n % 3], networks[n % 2]) for pk, (kind, n) in enumerate(counts, 1)
    ]


def violations(settings: Settings, given: list[Box], *, windows: bool = True) -> set[str]:
    plan = planning.lay_out(settings, given)
    rows = plan_checker.rows_of(plan, {box.pk: box.address for box in given})
    assert len(rows) == len(given)
    return {violation.rule for violation in check(rows, settings, windows=windows)}


DAYS = st.dates(date(2024, 1, 1), date(2026, 6, 30))


@st.composite
def windows(draw: st.DrawFn, *, optional: bool) -> tuple[date | None, date | None]:
    first = draw(DAYS)
    last = first + timedelta(days=draw(st.integers(0, 120)))
    if not optional:
        return first, last
    return draw(st.sampled_from([(None, None), (first, None), (None, last), (first, last)]))


@st.composite
def any_settings(draw: st.DrawFn) -> Settings:
    po, ec = draw(windows(optional=False)), draw(windows(optional=False))
    po_nights, ec_nights = draw(windows(optional=True)), draw(windows(optional=True))
    least = draw(st.integers(1, 40))
    tickets = draw(st.sampled_from([(None, None), (20, 2), (30, 4)]))
    avoided = [
        Avoided(first, first + timedelta(days=draw(st.integers(0, 25))), draw(st.sampled_from(["", "ec", "po"])))
        for first in draw(st.lists(DAYS, max_size=4))
    ]
    return Settings(
        po_first_mail_from=po[0], po_first_mail_to=po[1], ec_first_mail_from=ec[0], ec_first_mail_to=ec[1],
        po_moves_from=po_nights[0], po_moves_until=po_nights[1],
        ec_moves_from=ec_nights[0], ec_moves_until=ec_nights[1],
        old_server_closes_on=draw(st.dates(date(2025, 1, 1), date(2027, 12, 31))),
        mail2_after_days=draw(st.integers(1, 14)), mail3_after_days_min=least,
        mail3_after_days_max=least + draw(st.integers(0, 70)), night_after_days=draw(st.integers(0, 15)),
        weekly_mailboxes=draw(st.none() | st.integers(1, 40)), tickets_per_hundred=tickets[0],
        weekly_tickets=tickets[1], avoided=(*avoided, *(draw(st.booleans()) * plan_settings.school_holidays())),
    )  # fmt: skip


@hypothesis_settings(max_examples=150, deadline=None)
@given(any_settings(), st.integers(0, 40), st.integers(0, 60))
def test_every_plan_keeps_the_hard_rules_and_says_which_window_gives_way(settings, pos, establishments):
    given = boxes(pos, establishments)
    plan = planning.lay_out(settings, given)
    rows = plan_checker.rows_of(plan, {box.pk: box.address for box in given})
    assert sorted(row.address for row in rows) == sorted(box.address for box in given)
    assert check(rows, settings, windows=False) == []
    broken = {(violation.rule, violation.address[:2]) for violation in check(rows, settings)}
    told = {finding.kind for finding in plan.findings if finding.rule != "school_calendar"}
    assert {kind for _, kind in broken} == told
    assert {kind for rule, kind in broken if rule == "closing"} == {
        finding.kind for finding in plan.findings if finding.rule == "closing"
    }
    for finding in plan.findings:
        assert finding.text.endswith("une décision signée est attendue.")
        assert finding.source


@hypothesis_settings(max_examples=50, deadline=None)
@given(any_settings(), st.integers(1, 60), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_nothing(settings, count, random):
    given = boxes(count // 3, count)
    shuffled = random.sample(given, len(given))
    plan = planning.lay_out(settings, given)
    assert planning.lay_out(settings, shuffled) == plan
    assert planning.lay_out(settings, shuffled).fingerprint() == plan.fingerprint()


def test_the_default_plan_keeps_every_rule_windows_included():
    settings = plan_settings.default()
    assert violations(settings, boxes(40, 90)) == set()
    assert planning.lay_out(settings, boxes(40, 90)).findings == []


def test_the_published_plan_breaks_the_windows_and_nothing_else():
    settings = plan_settings.read(PUBLISHED)
    assert violations(settings, boxes(40, 90)) == {"window"}


def real_boxes() -> list[Box]:
    folder = Path(os.environ.get("FASE_DATA") or ROOT.parent / "shared" / "data" / "fase")
    if not (folder / REAL).is_file():
        pytest.skip("le registre réel de 2023 n’est pas ici (FASE_DATA)")
    units = fase.read((folder / REAL).read_bytes()).units()
    return [
        Box(pk, unit.kind, address_of(unit.kind, unit.fase), unit.zone or "", unit.network or "")
        for pk, unit in enumerate(units, start=1)
    ]


def test_the_plan_of_the_real_register_keeps_every_rule_that_it_claims():
    given, settings = real_boxes(), plan_settings.default()
    assert len(given) > 4000
    assert violations(settings, given) == set()
    assert violations(replace(settings, weekly_mailboxes=400), given, windows=False) == set()
    published = planning.lay_out(plan_settings.read(PUBLISHED), given)
    assert [(finding.rule, finding.kind, finding.earliest) for finding in published.findings] == [
        ("spacing", "po", date(2024, 11, 4)),
        ("spacing", "ec", date(2024, 12, 2)),
        ("public_holiday", "ec", date(2024, 12, 3)),
    ]


# The checker must see what is broken

FIRST = {"mail_1": date(2024, 11, 4), "mail_2": date(2024, 11, 12), "mail_3": date(2024, 12, 3)}
GOOD = Row("ec000001@adm.cfwb.be", "ec", **FIRST, night=date(2024, 12, 5))
PO = Row("po000001@adm.cfwb.be", "po", date(2024, 10, 7), date(2024, 10, 14), date(2024, 11, 4), date(2024, 11, 6))


def told(*rows: Row, **changes) -> set[str]:
    return {violation.rule for violation in check(rows, replace(plan_settings.default(), **changes))}


def test_a_good_plan_is_told_nothing():
    assert told(GOOD, PO) == set()
    assert check([], plan_settings.default()) == []


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (replace(GOOD, mail_2=date(2024, 11, 13)), "spacing"),  # a day too late
        (replace(GOOD, mail_2=date(2024, 11, 11)), "working_day"),  # Armistice day
        (replace(GOOD, mail_3=date(2024, 12, 2)), "spacing"),  # twenty days
        (replace(GOOD, mail_3=date(2025, 2, 5), night=date(2025, 2, 10)), "spacing"),  # eighty-five days
        (replace(GOOD, night=date(2024, 12, 4)), "spacing"),  # one day after mail 3
        (replace(GOOD, night=date(2024, 12, 6)), "working_day"),  # a Friday: nobody is there on the morning after
        (replace(GOOD, night=date(2024, 12, 7)), "working_day"),
        (replace(GOOD, night=date(2024, 12, 24)), "avoided"),
        (replace(GOOD, mail_1=date(2024, 10, 28), mail_2=date(2024, 11, 4)), "avoided"),
        (replace(GOOD, mail_1=date(2024, 12, 2), mail_2=date(2024, 12, 9)), "window"),
        (replace(GOOD, night=date(2025, 4, 25), mail_3=date(2025, 2, 3)), "closing"),
        (replace(GOOD, address=PO.address), "duplicate"),
        (replace(GOOD, kind="po", address="po000009@adm.cfwb.be"), "window"),
    ],
)
def test_each_broken_row_is_seen(row, rule):
    assert rule in told(row, PO)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"weekly_mailboxes": 1}, "capacity"),
        ({"weekly_tickets": 1, "tickets_per_hundred": 60}, "capacity"),
        ({"ec_moves_until": date(2024, 12, 4)}, "window"),
        ({"ec_moves_from": date(2024, 12, 6)}, "window"),
        ({"avoided": (Avoided(date(2024, 12, 5), date(2024, 12, 5), name="comptage"),)}, "avoided"),
    ],
)
def test_each_broken_setting_is_seen(changes, rule):
    assert told(GOOD, replace(GOOD, address="ec000002@adm.cfwb.be")) == set()
    assert told(GOOD, replace(GOOD, address="ec000002@adm.cfwb.be"), **changes) == {rule}


def test_a_po_after_an_establishment_is_seen():
    late = replace(GOOD, address=PO.address, kind="po", night=date(2024, 12, 9))
    assert "order" in told(GOOD, late)


def test_a_sabotaged_planner_is_caught(monkeypatch):
    """One rule taken away from the planner at a time: the checker says which."""
    from migration import calendar, laying_out

    settings, given = plan_settings.default(), boxes(20, 400)
    tight = replace(settings, weekly_mailboxes=60)

    def sabotaged(of: Settings, target: object, name: str, value: object) -> set[str]:
        with monkeypatch.context() as patched:
            patched.setattr(target, name, value)
            return violations(of, given, windows=False)

    assert violations(tight, given, windows=False) == set()
    assert "avoided" in sabotaged(settings, calendar.Calendar, "avoids", lambda self, day, kind: False)
    assert "working_day" in sabotaged(
        settings, calendar.Calendar.__init__, "__kwdefaults__", {"works": lambda day: True}
    )
    assert "capacity" in sabotaged(
        tight, laying_out.Layout, "_night", lambda self, kind, day, *rest: self.calendar.night(day, kind)
    )
    assert "spacing" in sabotaged(
        settings,
        laying_out,
        "slot",
        lambda s, c, mail1: laying_out.Slot(
            mail1, c.working_day(mail1 + timedelta(3)), c.working_day(mail1 + timedelta(30))
        ),
    )
    early = replace(settings, po_first_mail_from=date(2024, 11, 4), po_first_mail_to=date(2024, 11, 30))
    assert violations(early, given, windows=False) == set()
    assert "order" in sabotaged(early, laying_out.Layout, "take", lambda self, kind, weeks: None)


# A replay holds it against what the database says


@pytest.fixture
def planned(db):
    """A plan of nine mailboxes in the database, and a summary to be filled."""
    for n in range(9):
        MailboxFactory(po=n % 3 == 0)
    campaign = default_campaign()
    summary = story.Summary(warnings=planning.apply(campaign, at=brussels(date(2024, 9, 30))).warnings)
    return campaign, summary


def test_a_replay_finds_its_plan_whole(planned):
    story._check_the_plan(*planned)
    assert (planned[1].plan_broken, planned[1].broken) == (0, [])


def test_a_replay_sees_a_plan_that_was_spoilt(planned):
    campaign, summary = planned
    Mailing.objects.filter(step=3).update(due_at=brussels(date(2025, 6, 9), 9))  # Whit Monday, months too late
    story._check_the_plan(campaign, summary)
    assert summary.plan_broken >= 18
    assert len(summary.broken) == story.TOLD
    assert not summary.kept


def test_a_replay_sees_a_mail_that_was_sent_on_a_wrong_day(planned):
    campaign, summary = planned
    one, two, *_ = Mailing.objects.filter(step=1).order_by("due_at")
    deliver(one, one.due_at)
    story._check_what_was_delivered(campaign, summary)
    assert (summary.spacing_broken, summary.rules_broken) == (0, 0)
    deliver(two, two.due_at)
    second = Mailing.objects.get(move=two.move, step=2)
    deliver(second, second.due_at + timedelta(days=1))
    story._check_what_was_delivered(campaign, summary)
    assert (summary.spacing_broken, summary.rules_broken) == (1, 0)
    third = Mailing.objects.get(move=two.move, step=3)
    deliver(third, brussels(date(2024, 12, 25), 9))
    story._check_what_was_delivered(campaign, summary)
    assert summary.rules_broken == 1


def test_a_replay_shows_what_the_published_plan_cannot_keep():
    finding = planning.Finding("spacing", "S1 §5 ; S4", "po", date(2024, 11, 4), "PO : dix jours trop tard.")
    command = replay_campaign.Command(stdout=StringIO(), stderr=StringIO())
    summary = story.Summary(published=[finding.as_dict()], broken=["le plan : deux nuits"])
    command.show(summary, as_json=False)
    assert "ne tient pas :\n- délais entre les mails (S1 §5 ; S4). PO : dix jours" in command.stdout.getvalue()
    assert "Règle rompue : le plan : deux nuits" in command.stderr.getvalue()
    command.show(summary, as_json=True)
    assert json.loads(command.stdout.getvalue().splitlines()[-1])["published"][0]["earliest"] == "2024-11-04"


def test_the_checker_knows_nothing_of_the_planner():
    tree = ast.parse((ROOT / "demo" / "plan_checker.py").read_text(encoding="utf-8"))
    modules = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"collections", "collections.abc", "dataclasses", "datetime", "typing", "holidays"}
