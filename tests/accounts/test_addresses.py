import re
import time

import pytest

from accounts import addresses
from bma_portal.errors import Refusal


@pytest.mark.parametrize(
    ("kind", "fase", "address"),
    [
        ("ec", 247, "ec000247@adm.cfwb.be"),
        ("ec", 95765, "ec095765@adm.cfwb.be"),
        ("po", 1347, "po001347@adm.cfwb.be"),
        ("po", 999_999, "po999999@adm.cfwb.be"),
    ],
)
def test_an_address_is_the_kind_and_six_digits(kind, fase, address):
    assert addresses.address_of(kind, fase) == address
    assert re.fullmatch(addresses.ADDRESS_PATTERN, address)


@pytest.mark.parametrize(("kind", "fase"), [("ec", 0), ("ec", -1), ("ec", 1_000_000), ("site", 12), ("EC", 12)])
def test_no_address_follows_from_a_number_that_cannot_be(kind, fase):
    with pytest.raises(ValueError, match="no address"):
        addresses.address_of(kind, fase)


@pytest.mark.parametrize(
    ("typed", "kind", "fase"),
    [
        ("1234", None, 1234),
        ("00 1234", None, 1234),
        ("001234", None, 1234),
        (" 1234 ", None, 1234),
        ("1 234", None, 1234),
        ("ec001234", "ec", 1234),
        ("EC 1234", "ec", 1234),
        ("EC001234@adm.cfwb.be", "ec", 1234),
        ("Po001234@ADM.CFWB.BE", "po", 1234),
        ("ec001234@adm.cfwb.be.", "ec", 1234),
        ("ec001234@adm.cfwb.be,", "ec", 1234),
        ("‹ec001234@adm.cfwb.be›", "ec", 1234),
        ("<mailto:ec001234@adm.cfwb.be>.", "ec", 1234),
        ("FASE 1234", None, 1234),
        ("n° 1234", None, 1234),
        ("Numéro FASE : 1234", None, 1234),
        ("ec-001234", "ec", 1234),
        ("ec00247@adm.cfwb.be", "ec", 247),  # five digits, as the documents once write it (K10)
    ],
)
def test_what_people_type_gives_the_same_number(typed, kind, fase):
    assert addresses.parse(typed) == (kind, fase)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "0",
        "000000",
        "ec000000@adm.cfwb.be",
        "1234567",
        "0001234",
        "-5",
        "12.0",
        "1_000",
        "1e3",
        "nan",
        "١٢٣",
        "０１２",
        "¹²³",
        "1234\n",
        "1234\r\n",
        "12\t34",
        "1234\0",
        "\0",
        "\ud800",
        "12\u200b34",
        "ec001234@example.org",
        "ec001234@adm.cfwb.be.example.org",
        "001234@adm.cfwb.be",
        "po ec 1234",
        "fase",
        "...",
        "ec--1234",
        "-001234",
        "n° ec001234@example.org.",
        "éc001234",
        "ec001234@adm.cfwb.be\nBcc: x@example.org",
        "1" * 100_000,
        "9" * 10**6,
    ],
    ids=lambda typed: repr(typed[:30]),
)
def test_anything_else_is_refused_in_french_and_quickly(typed):
    started = time.perf_counter()
    with pytest.raises(Refusal) as refusal:
        addresses.parse(typed)
    assert time.perf_counter() - started < 0.1
    assert "FASE" in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_a_masked_address_keeps_the_kind_and_hides_the_number():
    assert addresses.masked("ec001234@adm.cfwb.be") == "ec00••••@adm.cfwb.be"


def test_the_number_read_is_shown_back_on_six_digits():
    assert str(addresses.parse("ec 247")) == "ec000247"
    assert str(addresses.parse("247")) == "000247"
