"""National register numbers are recognised however they are written, and telephone numbers are not taken for one."""

import random

import pytest
from django import forms

from bma_portal.identity import MESSAGE, holds_national_number, refuse_national_number


def number(birth: str, serial: int, *, from_2000: bool = False) -> str:
    """An invented number: its check digits are right, nobody bears it."""
    nine = int(f"{birth}{serial:03d}")
    return f"{birth}{serial:03d}{97 - ((2_000_000_000 if from_2000 else 0) + nine) % 97:02d}"


OLD, YOUNG, BIS = number("850730", 33), number("050730", 33, from_2000=True), number("854730", 12)


@pytest.mark.parametrize("digits", [OLD, YOUNG, BIS, number("000000", 1), number("400000", 999)])
@pytest.mark.parametrize(
    "written",
    [
        "{0}",
        "{0[0]}{0[1]}.{0[2]}{0[3]}.{0[4]}{0[5]}-{0[6]}{0[7]}{0[8]}.{0[9]}{0[10]}",
        "{0[0]}{0[1]} {0[2]}{0[3]} {0[4]}{0[5]} {0[6]}{0[7]}{0[8]} {0[9]}{0[10]}",
        "{0[0]}{0[1]}/{0[2]}{0[3]}/{0[4]}{0[5]} – {0[6]}{0[7]}{0[8]} / {0[9]}{0[10]}",
        "{0[0]} {0[1]} {0[2]} {0[3]} {0[4]} {0[5]} {0[6]} {0[7]} {0[8]} {0[9]} {0[10]}",
        "Mon numéro est {0}, merci",
        "a{0}@exemple.test",
        "GSM 0470 12 34 56 {0}",
        "ligne\n{0}\nligne",
    ],
)
def test_a_number_is_found_however_it_is_written(digits, written):
    assert holds_national_number(written.format(digits))


def test_digits_of_other_scripts_are_read_too():
    assert holds_national_number("".join(chr(ord("０") + int(sign)) for sign in OLD))
    assert holds_national_number("".join(chr(0x0660 + int(sign)) for sign in OLD))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Camille Fictive",
        "0470 12 34 56",
        "02/800.10.10",
        "+32 2 800 10 10",
        "BE68 5390 0754 7034",  # an account
        "0123.456.749",  # an enterprise
        "ec000247, FASE 1234, le 12/05/2025 à 14:30",
        OLD[:-1],
        OLD + "1",
        "1" + OLD,
        OLD[:9] + f"{(int(OLD[9:]) + 1) % 97:02d}",
        number("855330", 33),  # no such month, in no series
        number("850732", 33),  # no such day
    ],
)
def test_other_numbers_are_left_alone(text):
    assert not holds_national_number(text)


def test_no_telephone_number_with_its_country_is_taken_for_one():
    drawn = random.Random(3)
    for _ in range(3000):
        rest = f"4{drawn.randrange(10**8):08d}"
        for text in (f"+32{rest}", f"+32 {rest}", f"0032 {rest}", f"00 32 {rest}", f"+(32){rest}", f"0{rest}"):
            assert not holds_national_number(text)


def test_a_field_says_what_to_do_and_never_repeats_the_number():
    class Form(forms.Form):
        name = forms.CharField(validators=[refuse_national_number])

    assert Form({"name": "Camille"}).is_valid()
    form = Form({"name": f"Camille {OLD}"})
    assert form.errors["name"] == [MESSAGE]
    assert OLD not in MESSAGE
