"""2023, then 2026: the differences that `expected_counts.json` lists, neither more nor fewer."""

from datetime import UTC, date, datetime

import pytest

from accounts import fase, register
from accounts.models import Mailbox, Organisation, Site, SitePlacement
from tests.accounts.registers import COMPLETE, NEWEST, expected, needs_real_registers, real

pytestmark = [needs_real_registers, pytest.mark.django_db, pytest.mark.database]
AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


def import_real(name, on):
    return register.apply(fase.read(real(name)), at=AT, on=on, file_name=name)


def numbers(changes, kind):
    return sorted(change.fase for change in changes if change.kind == kind)


def test_2023_then_2026_changes_what_is_listed_and_a_second_time_nothing():
    counts, between = expected()[COMPLETE], expected()["import_2023_then_2026"]
    first = import_real(COMPLETE, date(2023, 10, 20))
    assert first.counts()["created"] == counts["establishments"] + counts["pos"]
    assert Organisation.objects.establishments().count() == counts["ec_mailboxes"]
    assert Mailbox.objects.count() == counts["ec_mailboxes"] + counts["po_mailboxes"]
    assert Site.objects.count() == counts["sites"]
    assert not import_real(COMPLETE, date(2023, 10, 20))

    second = import_real(NEWEST, date(2026, 8, 20))
    created, absent, renamed = second.of("created"), second.of("absent"), second.of("name")
    assert numbers(created, "ec") == between["establishments_only_in_2026"]
    assert numbers(created, "po") == between["pos_only_in_2026"]
    assert len(numbers(absent, "ec")) == between["establishments_only_in_2023"]
    assert len(numbers(absent, "po")) == between["pos_only_in_2023"]
    assert len(numbers(renamed, "ec")) == between["establishments_renamed"]
    assert len(numbers(renamed, "po")) == between["pos_renamed"]
    moved = [{"fase": c.fase, "po_2023": int(c.old), "po_2026": int(c.new)} for c in second.of("po")]
    assert sorted(moved, key=lambda move: move["fase"]) == between["establishments_whose_po_changed"]
    lower = [
        unit.fase
        for unit in Organisation.objects.establishments().absent().order_by("fase")
        if set(unit.levels) != {"Supérieur"}
    ]
    assert lower == between["of_those_with_some_lower_level_in_2023"]
    both = Organisation.objects.filter(absent_since=None)
    assert (
        both.establishments().count() - len(created_ec := numbers(created, "ec")) == between["establishments_in_both"]
    )
    assert both.pos().count() - len(numbers(created, "po")) == between["pos_in_both"]
    assert len(second.of("sites")) == 242  # the data's README
    assert created_ec

    assert not import_real(NEWEST, date(2026, 8, 20))
    for check in expected()["spot_checks_2026"]:
        school = Organisation.objects.select_related("mailbox", "po__mailbox").get(kind="ec", fase=check["fase"])
        assert (school.name, school.mailbox.address) == (check["name"], check["ec"])
        assert (school.po.fase, school.po.name, school.po.mailbox.address) == (
            check["po_fase"],
            check["po_name"],
            check["po"],
        )


def test_a_register_cut_short_is_refused():
    import_real(COMPLETE, date(2023, 10, 20))
    whole = real(NEWEST)
    cut = whole[: whole.rindex(b"\r\n", 0, 400_000)]
    with pytest.raises(register.Refusal, match="établissements connus manquent"):
        register.apply(fase.read(cut), at=AT)
    assert not Organisation.objects.absent().exists()


def test_the_sites_of_the_largest_establishment():
    import_real(NEWEST, date(2026, 8, 20))
    assert SitePlacement.objects.filter(establishment__fase=1841).count() == 30
