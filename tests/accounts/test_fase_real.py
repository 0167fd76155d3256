"""What must come out of the real registers, as `expected_counts.json` says."""

import pytest

from accounts import fase
from accounts.addresses import address_of
from tests.accounts.registers import COMPLETE, NEWEST, expected, needs_real_registers, real

pytestmark = needs_real_registers


@pytest.fixture(scope="module", params=[NEWEST, COMPLETE])
def both(request):
    return fase.read(real(request.param)), expected()[request.param]


def test_the_numbers_of_everything(both):
    register, counts = both
    ecs, pos, sites = register.establishments, register.pos, register.sites
    assert register.rows == counts["rows"]
    assert len(ecs) == counts["establishments"] == counts["ec_mailboxes"]
    assert len(pos) == counts["pos"] == counts["po_mailboxes"]
    assert len(sites) == counts["sites"]
    assert len(ecs.keys() & pos.keys()) == counts["numbers_used_by_both_an_establishment_and_a_po"]
    assert len(ecs.keys() & sites.keys()) == counts["numbers_used_by_both_an_establishment_and_a_site"]
    assert (min(ecs), max(ecs)) == (counts["smallest_establishment_fase"], counts["largest_establishment_fase"])
    assert (min(pos), max(pos)) == (counts["smallest_po_fase"], counts["largest_po_fase"])
    assert register.rejected == []
    assert register.conflicts == []  # so no establishment has two POs
    assert register.mentioned == set()


def test_the_rows_by_value(both):
    register, counts = both
    assert register.tally("type") == counts["rows_by_type_d_enseignement"]
    assert register.tally("level") == counts["rows_by_niveau"]
    assert register.tally("genre") == counts["rows_by_genre"]
    assert register.tally("network") == counts["rows_by_reseau"]
    assert register.tally("latitude")[""] == counts["rows_without_coordinates"]


def test_the_units_by_network(both):
    register, counts = both
    for units, name in ((register.establishments, "establishments_by_reseau"), (register.pos, "pos_by_reseau")):
        found: dict[str, int] = {}
        for unit in units.values():
            found[unit.network] = found.get(unit.network, 0) + 1
        assert found == counts[name]


def test_every_bce_number_has_ten_digits_or_none(both):
    register, _ = both
    assert {len(unit.bce) for unit in register.units()} <= {0, 10}


def test_the_spot_checks_of_2026():
    register = fase.read(real(NEWEST))
    for check in expected()["spot_checks_2026"]:
        unit = register.establishments[check["fase"]]
        assert (unit.name, unit.po) == (check["name"], check["po_fase"])
        assert register.pos[unit.po].name == check["po_name"]
        assert (address_of("ec", unit.fase), address_of("po", unit.po)) == (check["ec"], check["po"])


def test_the_api_s_json_says_the_same_as_the_csv():
    sample, whole = fase.read(real("odwb_api_format_sample.json")), fase.read(real(NEWEST))
    assert sample.rows == 64
    assert sample.rejected == sample.conflicts == []
    assert all(unit._replace(unit_types=None, levels=None, sites=None)
               == whole.establishments[fase]._replace(unit_types=None, levels=None, sites=None)
               for fase, unit in sample.establishments.items())  # fmt: skip
    assert sample.pos.items() <= whole.pos.items()
    assert sample.sites.items() <= whole.sites.items()
