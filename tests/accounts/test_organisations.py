"""What the database itself refuses, and what the lists and searches answer."""

from datetime import UTC, date, datetime

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError

from accounts.models import Mailbox, Organisation, Site
from accounts.words import fold
from tests.factories import MailboxFactory, OrganisationFactory, SiteFactory, SitePlacementFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]
AT = datetime(2024, 10, 15, 10, tzinfo=UTC)


def test_the_same_digits_may_be_an_establishment_and_a_po_but_only_once_each():
    OrganisationFactory(fase=1050)
    OrganisationFactory(fase=1050, po_unit=True)
    with pytest.raises(IntegrityError, match="organisation_number_once_per_kind"):
        OrganisationFactory(fase=1050)


@pytest.mark.parametrize(
    ("facts", "constraint"),
    [
        ({"fase": 0}, "organisation_fase_has_six_digits"),
        ({"fase": 1_000_000}, "organisation_fase_has_six_digits"),
        ({"kind": "xx"}, "organisation_kind_known"),
        ({"bce": "123"}, "organisation_bce_ten_digits_or_none"),
        ({"bce": "123456789\n"}, "organisation_bce_ten_digits_or_none"),
        ({"by_hand": True, "absent_since": date(2024, 1, 1)}, "organisation_absent_from_register_only"),
    ],
)
def test_the_database_refuses_what_cannot_be(facts, constraint):
    with pytest.raises(IntegrityError, match=constraint):
        OrganisationFactory(**facts)


def test_a_po_depends_on_no_po():
    with pytest.raises(IntegrityError, match="organisation_po_of_establishments_only"):
        OrganisationFactory(po_unit=True, po=OrganisationFactory(po_unit=True))


def test_a_unit_does_not_succeed_itself():
    unit = OrganisationFactory()
    unit.successor = unit
    with pytest.raises(IntegrityError, match="organisation_successor_is_another"):
        unit.save()


def test_a_refusal_of_the_database_is_a_french_sentence_in_a_form():
    OrganisationFactory(fase=1050)
    with pytest.raises(ValidationError, match="Ce numéro FASE existe déjà"):
        OrganisationFactory.build(fase=1050).full_clean()


@pytest.mark.parametrize(
    "address",
    ["EC000001@adm.cfwb.be", "ec00001@adm.cfwb.be", "ec000000@adm.cfwb.be", "ec000001@adm.cfwb.be\n", "x@adm.cfwb.be"],
)
def test_no_mailbox_has_an_address_outside_the_rule(address):
    with pytest.raises(IntegrityError, match="mailbox_address_follows_the_rule"):
        MailboxFactory(address=address)


def test_a_mailbox_is_shown_masked_and_is_not_known_to_exist_until_confirmed():
    box = MailboxFactory(organisation__fase=1234)
    assert (box.address, box.masked_address) == ("ec001234@adm.cfwb.be", "ec00••••@adm.cfwb.be")
    assert not Mailbox.objects.known_to_exist().exists()
    MailboxFactory(po=True, confirmed_on=date(2024, 9, 1))
    assert Mailbox.objects.known_to_exist().count() == 1


def test_a_unit_with_a_mailbox_cannot_be_deleted():
    with pytest.raises(ProtectedError):
        MailboxFactory().organisation.delete()


def test_a_closed_or_replaced_unit_cannot_be_planned():
    going = OrganisationFactory(closed_on=date(2024, 11, 1))
    closed = OrganisationFactory(closed_on=date(2024, 10, 15))
    merged = OrganisationFactory(successor=going)
    absent = OrganisationFactory(absent_since=date(2024, 10, 1))
    assert set(Organisation.objects.plannable(AT)) == {going, absent}
    for unit in (going, closed, merged, absent):
        assert unit.is_plannable(AT) == Organisation.objects.plannable(AT).contains(unit)


def test_an_old_number_leads_to_the_last_successor():
    last = OrganisationFactory()
    middle = OrganisationFactory(successor=last)
    first = OrganisationFactory(successor=middle)
    assert first.line_of_succession() == [first, middle, last]
    last.successor = first
    with pytest.raises(ValidationError, match="en cercle"):
        last.clean()


def test_a_successor_is_of_the_same_kind_and_a_po_is_a_po():
    with pytest.raises(ValidationError, match="même nature"):
        OrganisationFactory(successor=OrganisationFactory(po_unit=True)).clean()
    with pytest.raises(ValidationError, match="Choisissez un pouvoir organisateur"):
        OrganisationFactory(po=OrganisationFactory()).clean()


def test_from_a_po_its_establishments_and_from_a_site_its_establishments():
    unit = OrganisationFactory(with_po=True)
    place = SitePlacementFactory(establishment=unit).site
    assert list(unit.po.establishments.all()) == [unit]
    assert list(Site.objects.get(fase=place.fase).establishments.all()) == [unit]
    assert "implantation" in str(SiteFactory())


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ecole", {"ec"}),
        ("ÉCOLE du prEau", {"ec"}),
        ("preau chatelet", {"ec"}),
        ("châtelineau", {"ec"}),
        ("coeur", {"ec"}),
        ("cœur", {"ec"}),
        ("1234", {"ec", "po"}),
        ("001234", {"ec", "po"}),
        ("ec 1234", {"ec"}),
        ("PO001234@adm.cfwb.be", {"po"}),
        ("123", set()),
        ("١٢٣٤", set()),
        ("%", set()),
        ("9" * 400, set()),
        ("ministère", set()),
    ],
)
def test_a_search_knows_numbers_addresses_and_words_without_accents(typed, found):
    OrganisationFactory(fase=1234, name="École du « Préau » au Cœur", municipality="Châtelet", locality="CHATELINEAU")
    OrganisationFactory(fase=1234, po_unit=True, name="Commune de Songe", municipality="Songe", locality="SONGE")
    assert {unit.kind for unit in Organisation.objects.matching(typed)} == found


def test_lists_are_sorted_without_case_or_accents():
    for name in ("Zèbre", "école B", "ECOLE C", "École A", '"L\'Académie"', "Œuvre"):
        OrganisationFactory(name=name)
    names = [unit.name for unit in Organisation.objects.all()]
    assert names == ["École A", "école B", "ECOLE C", '"L\'Académie"', "Œuvre", "Zèbre"]


def test_types_are_a_sorted_set_and_the_key_follows_a_partial_save():
    unit = OrganisationFactory(unit_types=["b", "a", "b"])
    assert unit.unit_types == ["a", "b"]
    unit.name = "Tout autre"
    unit.save(update_fields=["name"])
    assert Organisation.objects.get().search_key.startswith("tout autre")


@pytest.mark.parametrize(
    ("text", "folded"),
    [("L’École d'Art", "l ecole d art"), ("ŒUVRE", "oeuvre"), ("  (P1-M8) ", "p1 m8"), ("²", "2"), ("", "")],
)
def test_folding(text, folded):
    assert fold(text) == folded
