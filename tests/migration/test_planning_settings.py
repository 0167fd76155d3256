"""The settings of a plan: the documented file, each refusal naming its key, and the campaign they come from."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bma_portal.errors import Refusal
from migration import plan_settings
from migration.calendar import Avoided
from migration.campaigns import AUTUMN_2024
from migration.models import AvoidedPeriod, Campaign
from tests.factories_migration import CampaignFactory

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "demo" / "campaign_2024_published.json"


@pytest.fixture
def file(tmp_path: Path):
    def of(content) -> Path:
        path = tmp_path / "campagne.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return of


def test_the_published_campaign_is_read(file):
    settings = plan_settings.read(PUBLISHED)
    assert settings.nights("po") == (date(2024, 10, 1), date(2024, 10, 25))
    assert settings.nights("ec") == (date(2024, 11, 4), date(2024, 11, 30))
    assert settings.first_mails("po") == (date(2024, 10, 7), date(2024, 10, 31))
    assert (settings.night_after_days, settings.capacity) == (0, None)
    assert settings.avoided[-1] == Avoided(
        date(2024, 10, 21), date(2024, 11, 1), "ec", "school", "Congé d’automne", "S4"
    )


def test_what_a_file_leaves_out_is_as_before(file):
    base = replace(plan_settings.default(), weekly_mailboxes=300, ec_moves_until=date(2025, 1, 31))
    settings = plan_settings.read(file({"ec": {"nights": {"to": None}}, "spacings": {"night_after": 4}}), base=base)
    assert settings == replace(base, ec_moves_until=None, night_after_days=4)
    assert plan_settings.read(file({})) == plan_settings.default()
    assert plan_settings.read(file(b"\xef\xbb\xbf{}")) == plan_settings.default()


def test_periods_to_avoid_are_added(file):
    row = {"from": "2025-01-15", "to": "2025-01-15", "reason": "count", "source": "circulaire fictive"}
    settings = plan_settings.read(file({"avoided": [row]}))
    assert settings.avoided[:-1] == plan_settings.school_holidays()
    assert settings.avoided[-1].kind == ""


AVOIDED = {"from": "2025-01-15", "to": "2025-01-15", "source": "x"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"semaine": 1}, "« semaine »"),
        ({"po": {"premier": {}}}, "« po.premier »"),
        ({"po": {"nights": {"until": "2024-10-25"}}}, "« po.nights.until »"),
        ({"spacings": {"mail_5": 1}}, "« spacings.mail_5 »"),
        ({"po": None}, "« po »"),
        ({"po": {"first_mails": {"from": None}}}, "« po.first_mails.from » ne peut pas rester vide"),
        ({"po": {"first_mails": {"from": "07/10/2024"}}}, "« po.first_mails.from » vaut « 07/10/2024 »"),
        ({"po": {"first_mails": {"from": 20241007}}}, "« po.first_mails.from »"),
        ({"ec": {"first_mails": {"from": "2024-12-01"}}}, "« ec.first_mails.from » .* dépasse « ec.first_mails.to »"),
        ({"ec": {"nights": {"from": "2024-12-01", "to": "2024-11-01"}}}, "« ec.nights.from »"),
        ({"ec": {"first_mails": {"to": "2027-11-30"}}}, "« ec.first_mails » dure plus de deux ans"),
        ({"old_server_closes_on": "1824-01-01"}, "« old_server_closes_on »"),
        ({"spacings": {"mail_3_after_min": 85}}, "« spacings.mail_3_after_min » .* dépasse"),
        ({"spacings": {"mail_2_after": 0}}, "« spacings.mail_2_after » vaut 0"),
        ({"spacings": {"mail_2_after": True}}, "« spacings.mail_2_after »"),
        ({"spacings": {"night_after": 2.5}}, "« spacings.night_after »"),
        ({"capacity": {"weekly_mailboxes": 0}}, "« capacity.weekly_mailboxes » vaut 0"),
        ({"capacity": {"weekly_mailboxes": -5}}, "« capacity.weekly_mailboxes » vaut -5"),
        ({"capacity": {"weekly_mailboxes": "300"}}, "« capacity.weekly_mailboxes »"),
        ({"capacity": {"weekly_tickets": 10}}, "« capacity.tickets_per_hundred »"),
        ({"capacity": {"weekly_tickets": 1, "tickets_per_hundred": 200}}, "aucune boîte"),
        ({"avoided": {}}, "« avoided »"),
        ({"avoided": [AVOIDED, {"from": "2025-01-15"}]}, "« avoided.2.to » manque"),
        ({"avoided": [{**AVOIDED, "to": "2025-01-14"}]}, "« avoided.1.from »"),
        ({"avoided": [{**AVOIDED, "to": "2085-01-14"}]}, "deux ans"),
        ({"avoided": [{**AVOIDED, "kind": "ecole"}]}, "« avoided.1.kind »"),
        ({"avoided": [{**AVOIDED, "reason": ["count"]}]}, "« avoided.1.reason »"),
        ({"avoided": [{**AVOIDED, "source": "a\nb"}]}, "« avoided.1.source »"),
        ({"avoided": ["2025-01-15"]}, "« avoided.1 »"),
        ({"name": 3}, "« name »"),
        ([], "objet JSON"),
        (b'{"po": {}, "po": {}}', "deux fois"),
        (b"po,ec\n1,2\n", "JSON"),
        (b"", "JSON"),
        (b"\xff\xfe{", "UTF-8"),
        (b"[" * 100_000, "JSON"),
        (b'{"capacity": {"weekly_mailboxes": ' + b"9" * 10_000 + b"}}", "JSON|nombre"),
        (b"\x00" * 2_000_000, "500 ko"),
    ],
)
def test_a_bad_file_is_refused_and_its_key_named(content, words, file):
    with pytest.raises(Refusal, match=words) as refusal:
        plan_settings.read(file(content))
    assert len(str(refusal.value)) < 300


KEYS = sorted(
    {part for key in plan_settings.KEYS for part in key.split(".")} | {"avoided", "kind", "reason", "source"}
)
VALUES = st.none() | st.booleans() | st.integers(-5, 200) | st.floats() | st.sampled_from(["2024-10-07", "ec", ""])
ANYTHING = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


@given(ANYTHING)
def test_whatever_is_given_is_settings_or_a_refusal(given):
    with suppress(Refusal):
        assert isinstance(plan_settings.parse(given, base=plan_settings.default()), plan_settings.Settings)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    for path in (tmp_path / "absent.json", tmp_path):
        with pytest.raises(Refusal, match="ne peut pas être lu"):
            plan_settings.read(path)


def test_the_default_settings_are_the_campaign_of_2024(db):
    """The school holidays that a new database begins with are those of the code."""
    campaign = Campaign(slug="2024", **AUTUMN_2024)
    one, other = plan_settings.from_campaign(campaign), plan_settings.default()
    assert replace(one, avoided=()) == replace(other, avoided=())
    assert {(p.first, p.last, p.kind, p.reason) for p in one.avoided} == {
        (p.first, p.last, p.kind, p.reason) for p in other.avoided
    }


def test_a_campaign_with_impossible_settings_is_refused(db):
    with pytest.raises(Refusal, match="weekly_mailboxes"):
        plan_settings.from_campaign(CampaignFactory.build(weekly_mailboxes=0))


def test_what_staff_enter_is_avoided(db):
    AvoidedPeriod.objects.create(
        reason="dacce", name="DAccE", first=date(2024, 12, 2), last=date(2024, 12, 3), source="note fictive"
    )
    found = [p for p in plan_settings.from_campaign(CampaignFactory.build()).avoided if p.reason == "dacce"]
    assert found == [Avoided(date(2024, 12, 2), date(2024, 12, 3), "", "dacce", "DAccE", "note fictive")]
