"""The invented register: like the real one in its shape, unlike it in everything it says."""

from datetime import UTC, datetime

import pytest

from accounts import fase, register
from accounts.models import Mailbox, Organisation
from demo import sample
from tests.accounts.registers import COMPLETE, NEWEST, needs_real_registers, real


@pytest.fixture(scope="module", params=["2023", "2026"])
def data(request):
    return sample.content(vintage=request.param)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    once = sample.write(tmp_path / "a.csv").read_bytes()
    assert sample.write(tmp_path / "b.csv").read_bytes() == once
    assert sample.write(tmp_path / "c.csv", seed=7).read_bytes() != once


def test_it_is_read_without_a_reject_or_a_conflict(data):
    found = fase.read(data)
    assert (len(found.establishments), len(found.pos)) == (300, 100)
    assert found.rejected == found.conflicts == []
    assert all(unit.po in found.pos for unit in found.establishments.values())


def test_both_vintages_tell_of_the_same_units():
    older, newer = (fase.read(sample.content(vintage=vintage)) for vintage in ("2023", "2026"))
    assert older.pos == newer.pos
    assert older.sites == newer.sites
    assert older.establishments.keys() == newer.establishments.keys()


def test_it_has_the_quirks_of_the_real_one(data):
    found = fase.read(data)
    schools = found.establishments.values()
    assert data.startswith(b"\xef\xbb\xbf\xef\xbb\xbf") or b"97001.0," in data
    assert b"\r\n" in data
    assert b"  " in data
    assert b'""' in data
    assert found.establishments.keys() & found.pos.keys()
    assert found.establishments.keys() & found.sites.keys()
    assert found.establishments[97_150].po == 97_150
    assert any(len(school.unit_types) > 2 for school in schools)
    assert any(len(school.name) > 40 for school in schools)
    assert any(len(unit.name) > 120 for unit in found.pos.values())
    placed = [site for school in schools for site in school.sites]
    assert len(placed) > len(set(placed))
    assert len({school.name for school in schools}) < len(schools)
    assert found.tally("latitude")[""] > 0
    assert any(school.bce == "" for school in schools)
    assert all(school.locality == school.locality.upper() for school in schools)


def test_it_says_that_it_is_invented(data):
    found = fase.read(data)
    assert found.pos[97_150].name == "Commune de Valfictive"
    for unit in found.units():
        said = f"{unit.name} {unit.zone} {unit.municipality}".lower()
        assert any(word in said for word in ("ficti", "imagin", "rêv", "invent", "songe", "conte", "fable")), said


@needs_real_registers
@pytest.mark.parametrize("name", [NEWEST, COMPLETE])
def test_nothing_in_it_is_in_a_real_register(data, name):
    ours, theirs = fase.read(data), fase.read(real(name))
    for mine, real_ones in ((ours.establishments, theirs.establishments), (ours.pos, theirs.pos)):
        assert not mine.keys() & real_ones.keys()
        assert not {unit.name for unit in mine.values()} & {unit.name for unit in real_ones.values()}
        assert not {unit.municipality for unit in mine.values()} & {unit.municipality for unit in real_ones.values()}
        assert not {unit.bce for unit in mine.values()} - {""} & {unit.bce for unit in real_ones.values()}


@pytest.mark.django_db
def test_the_demo_imports_it_and_adds_what_the_register_lacks():
    at = datetime(2024, 9, 30, 8, tzinfo=UTC)
    register.apply(fase.read(sample.content()), at=at)
    for unit in sample.extra_units():
        unit.full_clean(exclude=["search_key"])
        register.add_by_hand(unit, at=at)
    types = {kind for unit in Organisation.objects.all() for kind in unit.unit_types}
    assert types >= {"CPMS", "Service PSE", "Internat", "Home d'accueil", "CTA", "CAF", "CDPA"}
    assert types >= {"Haute École", "Université", "Artistique à horaire réduit", "Secondaire CEFA"}
    assert Mailbox.objects.count() == 300 + 100 + len(sample.extra_units())
