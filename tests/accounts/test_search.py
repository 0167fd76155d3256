"""A unit is found however it is named: accents, commune, every spelling of its number; and nothing else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.admin_search import of_units
from accounts.models import Mailbox, Organisation
from tests.factories import MailboxFactory, OrganisationFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def school():
    OrganisationFactory(fase=21, name="Athénée d’Aubépine", municipality="Bas-Œillet", locality="BAS-ŒILLET")
    OrganisationFactory(fase=1234, po_unit=True, name="Commune de Songe", municipality="Songe", locality="SONGE")
    return OrganisationFactory(
        fase=1234, name="École « L’Éperon » du Cœur", municipality="Châtelet", locality="CHATELINEAU", mailbox=True
    )


@pytest.mark.parametrize(
    "typed",
    ["eperon", "ÉPERON", "E\u0301peron", "l’éperon du coeur", "cœur châtelet", "chatelineau ecole", "éper", "hatel",
     "ec1234", "EC 1234", "ec001234", "ec001234@", "ec001234@adm.cf", "EC001234@ADM.CFWB.BE", "ec 00 12 34",
     "\u00a0ec001234\u202f"],
)  # fmt: skip
def test_a_school_is_found_by_its_words_and_its_number(typed, school):
    assert list(Organisation.objects.matching(typed)) == [school]


def test_digits_alone_are_those_of_a_school_and_of_a_po(school):
    assert {unit.kind for unit in Organisation.objects.matching("001234")} == {"ec", "po"}
    assert {unit.kind for unit in Organisation.objects.matching("po1234")} == {"po"}
    assert {unit.fase for unit in Organisation.objects.matching("œillet")} == {21}


@pytest.mark.parametrize(
    "typed",
    ["%", "_", "' OR 1=1 --", "\\", "\x00", "١٢٣٤", "1234567", "0", "000000", "ec001234@exemple.test",
     "eperon introuvable", "\u202e", "zq " * 3000, "é" * 100_000],
)  # fmt: skip
def test_what_names_none_finds_none(typed, school):
    assert list(Organisation.objects.matching(typed)) == []


def test_nothing_typed_is_no_search(school):
    other = MailboxFactory()
    assert set(of_units(Mailbox.objects.all(), "  ", "organisation")) == {school.mailbox, other}
    assert set(of_units(Mailbox.objects.all(), "éperon", "organisation")) == {school.mailbox}
    assert set(of_units(Mailbox.objects.all(), "?!", "organisation")) == set()


class Hostile(TestCase):
    @settings(max_examples=40, deadline=None)
    @given(st.text(max_size=300))
    def test_whatever_is_typed_is_answered(self, typed):
        list(of_units(Mailbox.objects.all(), typed, "organisation"))
