"""The MODE perimeter: each type at each date, the day before and after, several types, POs, the real registers."""

from collections import Counter
from datetime import date

import pytest

from accounts import fase, register
from accounts.mode import perimeter_of
from accounts.models import ModePeriod, Organisation
from accounts.perimeter import Rules, judge, open_on
from bma_portal.clock import brussels
from tests.accounts.registers import COMPLETE, NEWEST, needs_real_registers, real
from tests.factories import OrganisationFactory
from tests.factories_holders import ModePeriodFactory

pytestmark = pytest.mark.django_db
MODE, OUT, PERSON = ModePeriod.Verdict.MODE, ModePeriod.Verdict.OUT, ModePeriod.Verdict.PERSON

BEFORE, FIRST = date(2024, 9, 30), date(2024, 10, 1)
LAST_OF_2024, FIRST_OF_2025 = date(2025, 8, 31), date(2025, 9, 1)
# type → from 1 October 2024, from 1 September 2025 (domain.md §3; K7 for the higher schools of arts)
TABLE = {
    "Maternel ordinaire": (MODE, MODE),
    "Primaire ordinaire": (MODE, MODE),
    "Secondaire ordinaire": (MODE, MODE),
    "Secondaire CEFA": (MODE, MODE),
    "Maternel spécialisé": (MODE, MODE),
    "Primaire spécialisé": (MODE, MODE),
    "Secondaire spécialisé": (MODE, MODE),
    "CPMS": (OUT, MODE),
    "Service PSE": (OUT, MODE),
    "Artistique à horaire réduit": (OUT, MODE),
    "ESAHR": (OUT, MODE),
    "Internat": (OUT, MODE),
    "Internats secondaire ordinaire": (OUT, MODE),
    "Haute École": (OUT, MODE),
    "Enseignement secondaire pour Adultes": (PERSON, MODE),
    "Enseignement pour Adultes en alternance": (PERSON, MODE),
    "Enseignement supérieur pour Adultes": (PERSON, MODE),
    "Promotion sociale secondaire": (PERSON, MODE),
    "Promotion sociale supérieur": (PERSON, MODE),
    "Promotion sociale CEFA": (PERSON, MODE),
    "CTA": (OUT, OUT),
    "Université": (OUT, OUT),
    "École supérieure des Arts": (OUT, PERSON),
    "CDPA": (OUT, PERSON),
    "CAF": (OUT, PERSON),
    "Home d’accueil": (OUT, PERSON),
    "Centre technique": (PERSON, PERSON),
    "Un type inventé": (PERSON, PERSON),
}


@pytest.mark.parametrize(("unit_type", "verdicts"), TABLE.items(), ids=list(TABLE))
def test_each_type_on_the_days_around_each_date(unit_type, verdicts):
    school = OrganisationFactory(unit_types=[unit_type])
    then, now = verdicts
    days = {BEFORE: PERSON, FIRST: then, LAST_OF_2024: then, FIRST_OF_2025: now, date(2030, 1, 1): now}
    assert {day: perimeter_of(school, brussels(day, 12)).verdict for day in days} == days


def test_the_date_changes_at_midnight_in_brussels():
    school = OrganisationFactory(unit_types=["CPMS"])
    assert perimeter_of(school, brussels(LAST_OF_2024, 23, 59)).verdict == OUT
    assert perimeter_of(school, brussels(FIRST_OF_2025)).verdict == MODE


@pytest.mark.parametrize("written", ["cpms", " CPMS ", "HAUTE ECOLE", "haute école", "home d'accueil"])
def test_accents_capitals_and_apostrophes_do_not_matter(written):
    assert Rules(FIRST).of(written).verdict == OUT


def test_what_a_document_says_is_cited_and_what_is_ours_is_marked():
    said = perimeter_of(OrganisationFactory(unit_types=["CPMS"]), brussels(FIRST_OF_2025, 12))
    assert (said.ours, said.source) == (False, "Circulaire du 01/09/2025, §2.1 (S3)")
    assert said.sentence == "Une unité de type « CPMS » est dans MODE."
    silent = perimeter_of(OrganisationFactory(unit_types=["CAF"]), brussels(FIRST_OF_2025, 12))
    assert silent.ours
    assert "ne cite pas" in silent.source
    assert silent.sentence == "Les documents ne disent pas si le type « CAF » est dans MODE : une personne décide."
    unknown = perimeter_of(OrganisationFactory(unit_types=["Autre"]), brussels(FIRST_OF_2025, 12))
    assert (unknown.ours, unknown.source) == (True, "Aucun document ne le dit")


@pytest.mark.parametrize(
    ("types", "verdict", "ours"),
    [
        (["Primaire ordinaire", "Maternel ordinaire"], MODE, False),
        (["Primaire ordinaire", "Université"], MODE, True),
        (["Primaire ordinaire", "Inconnu"], MODE, True),
        (["Université", "CTA"], OUT, False),
        (["Université", "Inconnu"], PERSON, True),
        (["CAF", "CTA"], PERSON, True),
        ([], PERSON, True),
    ],
)
def test_an_establishment_of_several_types_is_in_mode_if_one_is(types, verdict, ours):
    found = judge(types, Rules(FIRST_OF_2025))
    assert (found.verdict, found.ours) == (verdict, ours)


@pytest.mark.parametrize(
    ("types", "verdict"),
    [
        ([["Primaire ordinaire"]], MODE),
        ([["Université"], ["Primaire ordinaire"]], MODE),
        ([["Université"], ["Inconnu"]], PERSON),
        ([["Université"], ["CTA"]], OUT),
        ([[]], PERSON),
        ([], PERSON),
    ],
)
def test_a_po_follows_its_establishments(types, verdict, django_assert_max_num_queries):
    po = OrganisationFactory(po_unit=True)
    for of_one in types:
        OrganisationFactory(po=po, unit_types=of_one)
    OrganisationFactory(unit_types=["Secondaire ordinaire"])  # another's
    with django_assert_max_num_queries(2):
        found = perimeter_of(po, brussels(FIRST_OF_2025, 12))
    assert (found.verdict, found.ours) == (verdict, True)


def test_a_po_forgets_an_establishment_the_day_it_closes():
    po = OrganisationFactory(po_unit=True)
    OrganisationFactory(po=po, unit_types=["Primaire ordinaire"], closed_on=date(2026, 7, 5))
    OrganisationFactory(po=po, unit_types=["Primaire ordinaire"], successor=OrganisationFactory())
    OrganisationFactory(po=po, unit_types=["Université"])
    assert perimeter_of(po, brussels(date(2026, 7, 4), 12)).verdict == MODE
    assert perimeter_of(po, brussels(date(2026, 7, 5), 12)).verdict == OUT


def test_a_po_without_establishment_goes_by_its_own_types():
    po = OrganisationFactory(po_unit=True, unit_types=["CTA"])
    found = perimeter_of(po, brussels(FIRST_OF_2025, 12))
    assert (found.verdict, found.sentence) == (OUT, "Une unité de type « CTA » n’est pas dans MODE.")


def test_of_two_periods_that_overlap_the_later_one_holds():
    ModePeriodFactory(unit_types=["cta"], valid_from=date(2026, 9, 1))
    cta = OrganisationFactory(unit_types=["CTA"])
    assert perimeter_of(cta, brussels(date(2026, 8, 31), 12)).verdict == OUT
    assert perimeter_of(cta, brussels(date(2026, 9, 1), 12)).verdict == MODE


def test_the_documents_leave_no_gap_and_no_overlap_between_their_two_dates():
    for category in set(ModePeriod.objects.values_list("category", flat=True)):
        periods = ModePeriod.objects.filter(category=category).order_by("valid_from")
        dates = [(period.valid_from, period.valid_to) for period in periods]
        assert dates == [(FIRST, FIRST_OF_2025), (FIRST_OF_2025, None)], category
    assert set(ModePeriod.objects.filter(ours=True).values_list("verdict", flat=True)) == {PERSON}
    assert not ModePeriod.objects.filter(source="").exists()


def verdicts(day):
    """How many units of each kind get each answer on that day, by the very rules of a page."""
    rules, counts, types_of_po = Rules(day), Counter(), {}
    for po, types in Organisation.objects.establishments().filter(open_on(day)).values_list("po", "unit_types"):
        counts["ec", judge(types, rules).verdict.value] += 1
        types_of_po.setdefault(po, set()).update(types)
    for po in Organisation.objects.pos().values_list("pk", flat=True):
        counts["po", judge(sorted(types_of_po.get(po, ())), rules, po=True).verdict.value] += 1
    return counts


# Counted apart on the files themselves for the establishments: 2023's, then 2023's and 2026's together.
EXPECTED_2024 = {
    ("ec", "mode"): 2726, ("ec", "hors_mode"): 153, ("ec", "person"): 150,
    ("po", "mode"): 985, ("po", "hors_mode"): 28, ("po", "person"): 22,
}  # fmt: skip
EXPECTED_2025 = {
    ("ec", "mode"): 3006, ("ec", "hors_mode"): 7, ("ec", "person"): 16,
    ("po", "mode"): 1026, ("po", "hors_mode"): 6, ("po", "person"): 3,
}  # fmt: skip
EXPECTED_2026 = {
    ("ec", "mode"): 3024, ("ec", "hors_mode"): 7, ("ec", "person"): 16,
    ("po", "mode"): 1023, ("po", "hors_mode"): 6, ("po", "person"): 16,
}  # fmt: skip


@needs_real_registers
@pytest.mark.database
def test_every_unit_of_the_real_registers_has_an_answer_at_both_dates():
    register.apply(fase.read(real(COMPLETE)), at=brussels(FIRST, 9), on=date(2023, 10, 20), file_name=COMPLETE)
    then, now = verdicts(FIRST), verdicts(FIRST_OF_2025)
    assert then == EXPECTED_2024
    assert now == EXPECTED_2025
    register.apply(fase.read(real(NEWEST)), at=brussels(FIRST_OF_2025, 9), on=date(2026, 8, 20), file_name=NEWEST)
    with_2026 = verdicts(date(2026, 9, 1))
    assert with_2026 == EXPECTED_2026
    listed = {name for names in Organisation.objects.values_list("unit_types", flat=True) for name in names}
    assert [name for name in listed if not Rules(FIRST).of(name).said] == []
    for unit in Organisation.objects.pos().order_by("fase")[:40]:  # the count above is the pages' answer
        types = {name for names in unit.establishments.values_list("unit_types", flat=True) for name in names}
        assert perimeter_of(unit, brussels(FIRST, 12)).verdict == judge(sorted(types), Rules(FIRST)).verdict
