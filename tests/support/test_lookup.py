from datetime import date

import pytest

from accounts.addresses import parse
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from support.lookup import find, heir, is_gone
from tests.factories import OrganisationFactory, SiteFactory, SitePlacementFactory

pytestmark = pytest.mark.django_db
TODAY = date(2024, 11, 15)


@pytest.mark.parametrize("typed", ["1234", "00 1234", "001234", "ec001234", "EC 1234", "EC001234@adm.cfwb.be"])
def test_every_spelling_leads_to_the_same_unit(typed):
    school = OrganisationFactory(fase=1234)
    assert find(parse(typed)).organisations == [school]


def test_digits_borne_by_an_establishment_and_a_po_give_both_and_a_prefix_decides():
    school, po = OrganisationFactory(fase=1234), OrganisationFactory(fase=1234, po_unit=True)
    assert find(parse("1234")).organisations == [school, po]
    assert find(parse("ec1234")).organisations == [school]
    assert find(parse("po1234")).organisations == [po]


def test_a_number_that_only_a_site_bears_names_its_establishments():
    site = SiteFactory(fase=4321)
    schools = [SitePlacementFactory(site=site).establishment for _ in range(2)]
    found = find(parse("4321"))
    assert found.organisations == []
    assert found.site == site
    assert set(found.site_of) == set(schools)


def test_a_site_does_not_hide_the_establishment_with_the_same_number():
    school = OrganisationFactory(fase=4321)
    site = SiteFactory(fase=4321)
    other = SitePlacementFactory(site=site).establishment
    found = find(parse("4321"))
    assert found.organisations == [school]
    assert found.site_of == [other]


def test_a_site_of_the_establishment_with_the_same_number_is_not_worth_a_word():
    school = OrganisationFactory(fase=4321)
    SitePlacementFactory(site=SiteFactory(fase=4321), establishment=school)
    assert find(parse("4321")).site is None


def test_a_prefix_leaves_sites_aside():
    SiteFactory(fase=4321)
    with pytest.raises(Refusal):
        find(parse("ec4321"))


def test_an_unknown_number_is_refused_padded_as_the_register_writes_it():
    with pytest.raises(Refusal, match="Aucun établissement ni pouvoir organisateur ne porte le numéro 000099"):
        find(parse("99"))


def test_the_wrong_prefix_is_told_the_right_one():
    OrganisationFactory(fase=1234, po_unit=True)
    with pytest.raises(Refusal, match=r"un pouvoir organisateur porte ce numéro : cherchez po001234"):
        find(parse("ec1234"))


def test_a_unit_is_gone_from_its_last_day_or_once_taken_over_without_a_date():
    assert not is_gone(OrganisationFactory(), TODAY)
    assert is_gone(OrganisationFactory(closed_on=TODAY), TODAY)
    assert not is_gone(OrganisationFactory(closed_on=date(2024, 11, 16)), TODAY)
    assert is_gone(OrganisationFactory(successor=OrganisationFactory()), TODAY)
    assert not is_gone(OrganisationFactory(successor=OrganisationFactory(), closed_on=date(2025, 9, 1)), TODAY)


def test_the_heir_is_the_first_of_the_line_that_lives():
    last = OrganisationFactory()
    middle = OrganisationFactory(successor=last)
    first = OrganisationFactory(successor=middle)
    at = brussels(TODAY)
    assert heir(first, at) == last
    assert heir(OrganisationFactory(closed_on=TODAY), at) is None
