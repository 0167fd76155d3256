"""French as one writes it: « vendredi 1er novembre 2024 », and no line that begins with a colon."""

import re
from datetime import date, timedelta

from django import template

from bma_portal.french_names import MONTHS, WEEKDAYS

register = template.Library()


@register.filter(expects_localtime=True)
def jour(value: date) -> str:
    """« vendredi 8 novembre 2024 »; a moment is taken at Brussels time."""
    return f"{_without_year(value)} {value.year}"


@register.filter(expects_localtime=True)
def sans_semaine(value: date) -> str:
    """« 8 novembre 2024 »."""
    return f"{_day(value)} {MONTHS[value.month]} {value.year}"


@register.filter
def lendemain(value: date) -> date:
    """The day after: the morning that ends the night begun on `value`."""
    return value + timedelta(days=1)


@register.filter
def nuit(evening: date) -> str:
    """« dans la nuit du jeudi 7 au vendredi 8 novembre 2024 »: what both days share is said once."""
    morning = lendemain(evening)
    start = f"{WEEKDAYS[evening.weekday()]} {_day(evening)}"
    if evening.year != morning.year:
        start = jour(evening)
    elif evening.month != morning.month:
        start = _without_year(evening)
    return f"dans la nuit du {start} au {jour(morning)}"


@register.filter(is_safe=True)
def insecable(sentence: str) -> str:
    """A sentence made in Python, with the no-break spaces that templates write themselves."""
    return re.sub(r" (?=[:;?!»])|(?<=«) ", "\N{NO-BREAK SPACE}", sentence)


@register.filter(is_safe=True)
def sans_code(source: str) -> str:
    """A source without the code that staff know its document by: « FAQ d’octobre 2024, §5 (S1) »."""
    return re.sub(r"[ \N{NO-BREAK SPACE}]\(S[0-4]\)", "", source)


def _without_year(value: date) -> str:
    return f"{WEEKDAYS[value.weekday()]} {_day(value)} {MONTHS[value.month]}"


def _day(value: date) -> str:
    return "1er" if value.day == 1 else str(value.day)
