"""What a routing rule may look at, beside phase and unit: a closed set of operators on answers, a closed set of facts.

A condition is data (JSON), read by staff and kept with its rule; anything outside the two sets is refused at save.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError

from bma_portal.errors import Refusal
from bma_portal.templatetags.french import sans_semaine
from support.needs import NEEDS, Answer, Need

if TYPE_CHECKING:
    from support.facts import Facts

LONGEST_ANSWER = 200
YEARS = range(1, 21)
FACTS = {
    "issued": ("le mail 2 est arrivé", "le mail 2 n’est pas arrivé"),
    "window_over": ("la période des premiers mails est finie", "la période des premiers mails n’est pas finie"),
    "migrated": ("la boîte a migré", "la boîte n’a pas migré"),
}


def last_covered_day(delivered: date, years: int = 3) -> date:
    """The last day of a warranty: the same day of the month, that many years on (28 February for a 29th)."""
    year = delivered.year + years
    return date(year, delivered.month, min(delivered.day, monthrange(year, delivered.month)[1]))


def answers_match(conditions: Mapping[str, Mapping[str, Any]], answers: Mapping[str, str], day: date) -> bool:
    return all(
        _holds(operator, wanted, answers.get(key, ""), day)
        for key, tests in conditions.items()
        for operator, wanted in tests.items()
    )


def _holds(operator: str, wanted: Any, answer: str, day: date) -> bool:
    match operator:
        case "is":
            return bool(answer == wanted)
        case "in":
            return answer in wanted
        case "given":
            return bool(answer) is wanted
        case "within_years":
            return bool(answer) and day <= last_covered_day(date.fromisoformat(answer), wanted)
        case "beyond_years":
            return bool(answer) and day > last_covered_day(date.fromisoformat(answer), wanted)
    raise ValueError(f"unknown operator {operator!r}")


def facts_match(conditions: Mapping[str, bool], facts: "Facts") -> bool:
    return all(getattr(facts, name) is wanted for name, wanted in conditions.items())


def checked(need: Need, answers: Mapping[str, str], day: date) -> dict[str, str]:
    """The answers as rules read them: known, trimmed, days in ISO, empty ones left out. Raises Refusal, in French."""
    found = {}
    for key, typed in answers.items():
        answer = need.answer(key)
        if answer is None:
            known = ", ".join(a.key for a in need.answers) or "aucune"
            raise Refusal(f"« {_shown(key)} » n’est pas une réponse de ce besoin (réponses connues : {known}).")
        if value := _value(answer, typed, day):
            found[key] = value
    return found


def _value(answer: Answer, typed: str, day: date) -> str:
    value = typed.strip()
    if not value:
        return ""
    if len(value) > LONGEST_ANSWER or any(not char.isprintable() for char in value):
        raise Refusal(f"« {answer.label} » : cette réponse est trop longue ou contient des signes illisibles.")
    if answer.choices and value not in {choice.value for choice in answer.choices}:
        choices = ", ".join(choice.value for choice in answer.choices)
        raise Refusal(f"« {answer.label} » : « {_shown(value)} » n’est pas un choix (choix : {choices}).")
    return _day(answer, value, day).isoformat() if answer.date else value


def _day(answer: Answer, value: str, day: date) -> date:
    try:
        found = date.fromisoformat(value)
    except ValueError:
        shown = _shown(value)
        raise Refusal(f"« {answer.label} » : « {shown} » n’est pas une date (exemple : 2024-11-07).") from None
    if found > day:
        raise Refusal(f"« {answer.label} » : le {sans_semaine(found)} n’est pas encore passé.")
    if found.year < 1990:
        raise Refusal(f"« {answer.label} » : le {sans_semaine(found)} est trop ancien pour être juste.")
    return found


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:40])


# At save


def refuse_unknown_answers(need: str, conditions: Any) -> None:
    """Raises ValidationError unless each condition is an operator of the closed set, on an answer of that need."""
    if not isinstance(conditions, dict):
        raise ValidationError("Les conditions sur les réponses sont mal écrites.")
    for key, tests in conditions.items():
        answer = NEEDS[need].answer(key) if need in NEEDS else None
        if answer is None or not isinstance(tests, dict) or not tests:
            raise ValidationError(f"« {_shown(str(key))} » n’est pas une réponse de ce besoin.")
        for operator, wanted in tests.items():
            if not _is_sound(answer, operator, wanted):
                raise ValidationError(f"« {key} » : cette condition n’est pas connue.")


def _is_sound(answer: Answer, operator: str, wanted: Any) -> bool:
    values = {choice.value for choice in answer.choices}
    match operator:
        case "is":
            return isinstance(wanted, str) and wanted in values
        case "in":
            return isinstance(wanted, list) and bool(wanted) and set(map(str, wanted)) <= values
        case "given":
            return isinstance(wanted, bool)
        case "within_years" | "beyond_years":
            return answer.date and type(wanted) is int and wanted in YEARS
    return False


def refuse_unknown_facts(conditions: Any) -> None:
    if not isinstance(conditions, dict) or not all(
        name in FACTS and isinstance(wanted, bool) for name, wanted in conditions.items()
    ):
        raise ValidationError("Les conditions sur la boîte sont mal écrites.")


# For people


def told(need: str, answers: Mapping[str, Mapping[str, Any]], facts: Mapping[str, bool]) -> list[str]:
    """The same conditions in French, one phrase each."""
    phrases = [FACTS[name][0 if wanted else 1] for name, wanted in facts.items()]
    for key, tests in answers.items():
        answer = NEEDS[need].answer(key)
        labels = {choice.value: choice.label for choice in answer.choices} if answer else {}
        question = answer.label if answer else key
        for operator, wanted in tests.items():
            phrases.append(f"{question} {_told(operator, wanted, labels)}")
    return phrases


def _told(operator: str, wanted: Any, labels: dict[str, str]) -> str:
    match operator:
        case "is":
            return labels.get(wanted, wanted)
        case "in":
            return " ou ".join(labels.get(value, value) for value in wanted)
        case "given":
            return "Date ou réponse connue" if wanted else "Sans réponse"
        case "within_years":
            return f"Il y a {wanted} ans au plus"
        case _:
            return f"Il y a plus de {wanted} ans"
