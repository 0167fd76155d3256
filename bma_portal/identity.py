"""No national register number is kept anywhere: law of 8 August 1983, article 8 (SEC-E11)."""

import re
import unicodedata

from django.core.exceptions import ValidationError

# Eleven digits, whatever stands between them; neither more digits before nor after.
_SIGNS = r"[\s.,:;/_\\|()\-\u2010-\u2015]"
_ELEVEN = re.compile(rf"(?<!\d)(?=((?:\d{_SIGNS}{{0,3}}){{10}}\d)(?!\d))")
# A telephone number in the international form is eleven digits too, after its + or its 00.
_COUNTRY = re.compile(r"(?:\+|(?<!\d)00)[\s./(-]{0,2}$")
_COUNTRIES = ("32", "33", "31", "49", "352")

MESSAGE = (
    "Ce texte contient un numéro de registre national, que la loi interdit de noter ici : retirez-le. Si c’est un "
    "numéro de téléphone, écrivez-le avec un 0 ou avec +32."
)


def holds_national_number(text: str) -> bool:
    """True if eleven digits in a row, however separated, are a valid register (or BIS) number."""
    plain = unicodedata.normalize("NFKC", text)
    for found in _ELEVEN.finditer(plain):
        digits = "".join(str(int(sign)) for sign in found[1] if sign.isdecimal())
        before = plain[max(0, found.start() - 6) : found.start()]
        telephone = digits.startswith(_COUNTRIES) and _COUNTRY.search(before)
        if _is_valid(digits) and not telephone:
            return True
    return False


def _is_valid(digits: str) -> bool:
    """YYMMDD, a serial, then 97 less the rest of the nine digits by 97: with a 2 before them from 2000 on.

    The month of a BIS number is 20 or 40 higher; an unknown day or month is 00.
    """
    month, day, nine, check = int(digits[2:4]), int(digits[4:6]), int(digits[:9]), int(digits[9:])
    if month > 52 or month % 20 > 12 or day > 31:
        return False
    return check in {97 - nine % 97, 97 - (2_000_000_000 + nine) % 97}


def refuse_national_number(text: str) -> None:
    """A validator for every field in which somebody may write freely."""
    if holds_national_number(text):
        raise ValidationError(MESSAGE, code="national_number")
