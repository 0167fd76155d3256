"""Reads the table of docs/routage.md: the tests check the rules against the very lines that people read."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path

from accounts.models import Contact, ModePeriod
from accounts.perimeter import Perimeter
from support.models.routing import Outcome, RoutingRule
from support.rules import S3_FROM, initial

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "routage.md"
COLUMNS = ("P0", "P1", "P2", "P3", "P4", "P5", "P6", "P6 dès le 01/09/2025")

# The days on which each column is checked: the first and the last that it may hold, and around what dates decide.
DAYS = {
    "P0": [date(2024, 9, 30), date(2024, 11, 30), date(2024, 12, 1), date(2025, 4, 24)],
    "P1": [date(2024, 10, 7), date(2025, 4, 24)],
    "P2": [date(2024, 10, 14), date(2025, 4, 24)],
    "P3": [date(2024, 11, 5), date(2025, 4, 24)],
    "P4": [date(2024, 11, 8), date(2025, 4, 24)],
    "P5": [date(2024, 12, 6), date(2025, 4, 24)],
    "P6": [date(2025, 4, 25), S3_FROM - timedelta(days=1)],
    "P6 dès le 01/09/2025": [S3_FROM, date(2026, 11, 22), date(2030, 1, 1)],
}
TEAMS = {str(team.label): str(team) for team in Contact.Team}
OUTCOMES = {
    "demande": Outcome.TICKET,
    "formulaire MODE": Outcome.FORM_MODE,
    "formulaire hors MODE": Outcome.FORM_HORS_MODE,
    "explication": Outcome.EXPLAIN,
    "fournisseur": Outcome.PROVIDER,
    "fonds propres": Outcome.OWN_FUNDS,
    "règle": Outcome.RULE,
}
VERDICTS = {
    "MODE": ModePeriod.Verdict.MODE,
    "hors MODE": ModePeriod.Verdict.OUT,
    "une personne décide": ModePeriod.Verdict.PERSON,
}


@dataclass(frozen=True)
class Cell:
    team: str
    also: tuple[str, ...]
    outcome: Outcome
    cited: str


@dataclass(frozen=True)
class Row:
    need: str
    when: str
    cells: dict[str, Cell] = field(hash=False)

    def perimeter(self) -> Perimeter:
        return perimeter(self.when)

    def answers(self, day: date) -> dict[str, str]:
        """What the holder answers in that row, asked that day."""
        if self.when == "livraison : dernier jour de garantie":
            return {"livraison": years_before(day).isoformat()}
        if self.when == "livraison : le lendemain du dernier jour":
            return {"livraison": (years_before(day) - timedelta(days=1)).isoformat()}
        return dict(part.split("=") for part in self.when.split(", ") if "=" in part)

    def holds_on(self, column: str, day: date) -> bool:
        """Only the lines about the period of the first mails depend on the day within one column."""
        over = day > date(2024, 11, 30)
        return column != "P0" or {"période en cours": not over, "période finie": over}.get(self.when, True)


def perimeter(when: str) -> Perimeter:
    verdict = VERDICTS.get(when, ModePeriod.Verdict.MODE)
    return Perimeter(verdict, "source d’essai", "Une unité de type « essai » se trouve ici.", ours=False)


def years_before(day: date, years: int = 3) -> date:
    return day.replace(year=day.year - years)


def rows() -> Iterator[Row]:
    text = DOCUMENT.read_text()
    table = [line for line in text[text.index("| besoin |") :].splitlines() if line.startswith("|")]
    head = cells_of(table[0])
    assert head == ["besoin", "quand", *COLUMNS]
    need = ""
    for line in table[2:]:
        first, when, *cells = cells_of(line)
        need = first.strip("`") or need
        yield Row(need, when, dict(zip(COLUMNS, map(cell_of, _filled(cells)), strict=True)))


def _filled(cells: list[str]) -> list[str]:
    """« ← » is the cell at its left."""
    return list(accumulate(cells, lambda left, cell: left if cell == "←" else cell))


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def cell_of(text: str) -> Cell:
    teams, outcome, cited = text.split(" · ")
    names = [] if teams == "—" else teams.split(" + ")
    team, also = (names[0], names[1:]) if names else ("", [])
    if team.startswith("(voir "):
        team, also = "", [team.removeprefix("(voir ").removesuffix(")")]
    return Cell(TEAMS.get(team, ""), tuple(TEAMS[name] for name in also), OUTCOMES[outcome], cited)


def cited(source: str) -> str:
    """« FAQ d’octobre 2024, §6 et §7 (S1) » → « S1 §6 §7 »: as the table writes it."""
    found = []
    for part in source.split(" ; "):
        document = re.search(r"\((S\d)\)", part)
        words = re.findall(r"« [^»]+ »|(?:second )?§[\d.]+", part)
        ours = ["décision"] if "otre décision" in part else []
        found.append(" ".join([*ours, *([document[1]] if document else re.findall(r"K\d+", part)), *words]))
    return " ; ".join(found)


def written(rule: RoutingRule) -> str:
    """A cell of the table, from a rule."""
    label = dict(Contact.Team.choices)
    team = " + ".join(str(label[name]) for name in [rule.team, *rule.also] if name)
    if not rule.team and rule.also:
        team = f"(voir {team})"
    outcome = next(name for name, value in OUTCOMES.items() if value == rule.outcome)
    return f"{team or '—'} · {outcome} · {cited(rule.source)}"


def initial_rules() -> list[RoutingRule]:
    """The rules of the documents, without a database."""
    return [RoutingRule(pk=number, **values) for number, values in enumerate(initial(), 1)]
