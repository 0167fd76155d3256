"""The sentence that says why (E4): text written by staff, and a closed list of `{facts}` put in their place (SEC-F5).

A text may name those and nothing else: it is never evaluated, nor can it reach into an object.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

from accounts.models import Contact
from bma_portal.templatetags.french import sans_semaine
from support.conditions import last_covered_day

if TYPE_CHECKING:
    from support.facts import Facts

Team = Contact.Team
Answers = Mapping[str, str]

TO = {
    Team.SGNE: "à l’équipe « Migration BMA » du SGNE",
    Team.ETNIC: "à l’ETNIC",
    Team.PRIMINFO: "à Priminfo",
    Team.ENSEIGNEMENT_BE: "au service Enseignement.be",
}


def _situation(facts: "Facts") -> str:
    """Where the mailbox stands, as a clause: « votre boîte a migré le 14 novembre 2024 »."""
    if facts.migrated_on:
        return f"votre boîte a migré le {sans_semaine(facts.migrated_on)}"
    match facts.stage:
        case "P6":
            return f"l’ancien serveur est fermé depuis le {sans_semaine(facts.closes_on)}"
        case "P5":
            return "toutes les boîtes ont migré"
        case "P4":
            return "votre boîte a migré"
    if facts.closing_sent:
        return "la nuit de votre migration a commencé"
    match facts.stage:
        case "P3":
            return "la date de votre migration est confirmée"
        case "P2":
            return f"votre boîte a reçu le mail 2{_on(facts.mail_2_on)}"
        case "P1":
            return f"votre boîte a reçu le premier mail{_on(facts.mail_1_on)}, mais pas encore le mail 2"
    return "la migration de votre boîte n’a pas encore commencé"


def _on(day: date | None) -> str:
    return f" le {sans_semaine(day)}" if day else ""


def _mail_2(facts: "Facts", day: date) -> str:
    """When the new password comes, as far as that may be told."""
    if facts.suspended:
        return "le calendrier de cette boîte est suspendu pour l’instant"
    if facts.expected_on is None:
        return "il arrive dans la boîte une semaine environ après le premier mail"
    if facts.expected_on < day:
        return f"il était prévu le {sans_semaine(facts.expected_on)} et va suivre"
    return f"il est prévu le {sans_semaine(facts.expected_on)}, dans la boîte elle-même"


def _first_mails(facts: "Facts") -> str:
    start, end = facts.window
    return f"entre le {sans_semaine(start)} et le {sans_semaine(end)}"


def _mode(facts: "Facts") -> str:
    """The sentence of the MODE perimeter, as a clause."""
    sentence = facts.perimeter.sentence.rstrip(".")
    return sentence[:1].lower() + sentence[1:]


def _delivered(answers: Answers) -> date | None:
    return date.fromisoformat(answers["livraison"]) if answers.get("livraison") else None


def _delivery(answers: Answers) -> str:
    day = _delivered(answers)
    return sans_semaine(day) if day else "(date inconnue)"


def _warranty(answers: Answers) -> str:
    day = _delivered(answers)
    return sans_semaine(last_covered_day(day)) if day else "(date inconnue)"


# name → (what it becomes, an example for whoever writes a text)
PLACEHOLDERS: dict[str, tuple[Callable[["Facts", Answers, date, str], str], str]] = {
    "destinataire": (lambda facts, answers, day, team: TO.get(Team(team), "") if team else "", "à l’ETNIC"),
    "situation": (lambda facts, answers, day, team: _situation(facts), "votre boîte a migré le 14 novembre 2024"),
    "mail_2": (lambda facts, answers, day, team: _mail_2(facts, day), "il est prévu le 12 novembre 2024"),
    "premiers_mails": (lambda facts, answers, day, team: _first_mails(facts), "entre le 4 et le 30 novembre 2024"),
    "fermeture": (lambda facts, answers, day, team: sans_semaine(facts.closes_on), "25 avril 2025"),
    "mode": (lambda facts, answers, day, team: _mode(facts), "une unité de type « CTA » n’est pas dans MODE"),
    "capacite": (lambda facts, answers, day, team: "2 Go" if facts.migrated else "80 Mo", "80 Mo"),
    "livraison": (lambda facts, answers, day, team: _delivery(answers), "7 novembre 2023"),
    "garantie": (lambda facts, answers, day, team: _warranty(answers), "7 novembre 2026"),
}

# The same rule for Python and for PostgreSQL: no brace but around a name of the list.
ONLY_PLACEHOLDERS = r"^([^{}]|\{(" + "|".join(PLACEHOLDERS) + r")\})*$"
_NAMED = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")


def refuse_unknown(text: str) -> None:
    """Raises ValidationError if a brace stands for anything but a name of the list."""
    if "{" in (rest := _NAMED.sub("", text)) or "}" in rest:
        names = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValidationError(f"Entre accolades, seuls ces noms sont remplacés : {names}.", code="placeholder")


def told(text: str, facts: "Facts", answers: Answers, *, day: date, team: str) -> str:
    """The text with the facts of that mailbox; each name always has a value."""
    return _NAMED.sub(lambda found: PLACEHOLDERS[found[1]][0](facts, answers, day, team), text)
