"""A password on the screen: in groups that the eye can follow, and said aloud, sign by sign.

A Secret has no text of its own (`str` refuses): only these filters open it, for the page being made.
"""

from django import template

from bma_portal.secret import Secret

register = template.Library()
GROUP = 4

NAMES = {
    "a": "Anatole", "b": "Bernard", "c": "Camille", "d": "Denise", "e": "Émile", "f": "François", "g": "Gérard",
    "h": "Henri", "i": "Irma", "j": "Joseph", "k": "Kléber", "l": "Louise", "m": "Marcel", "n": "Nicolas",
    "o": "Oscar", "p": "Pierre", "q": "Quentin", "r": "Robert", "s": "Suzanne", "t": "Thérèse", "u": "Ursule",
    "v": "Victor", "w": "William", "x": "Xavier", "y": "Yvonne", "z": "Zoé",
}  # fmt: skip
DIGITS = ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf")
SIGNS = {
    "-": "tiret", "_": "tiret bas", ".": "point", ",": "virgule", "+": "plus", "=": "égal", "!": "point d’exclamation",
    "?": "point d’interrogation", "#": "dièse", "@": "arobase", "*": "astérisque", "%": "pour cent",
    "&": "et commercial", "/": "barre oblique", ":": "deux-points", ";": "point-virgule",
}  # fmt: skip


@register.filter
def groups(password: Secret) -> list[str]:
    """The groups, each with the dash that ends it: put end to end they are the password, sign for sign."""
    text = password.reveal()
    if "-" in text:
        parts = text.split("-")
        return [part + "-" for part in parts[:-1]] + [parts[-1]]
    return [text[i : i + GROUP] for i in range(0, len(text), GROUP)]


@register.filter
def spelled(password: Secret) -> list[list[str]]:
    """The same groups, in words: « b minuscule comme Bernard », « 7 chiffre sept », « tiret »."""
    return [[word(sign) for sign in group] for group in groups(password)]


def word(sign: str) -> str:
    """One sign, as one says it to a person who writes it down."""
    if sign.lower() in NAMES:
        return f"{sign} {'minuscule' if sign.islower() else 'majuscule'} comme {NAMES[sign.lower()]}"
    if sign in "0123456789":
        return f"{sign} chiffre {DIGITS[int(sign)]}"
    return SIGNS.get(sign, f"signe {sign}")
