"""The whole matrix on one day: every need, every situation that a rule tells apart, every phase; what a change moves.

A cell is asked of `routing.first_match` itself, so the page that staff read and the answer that holders get cannot
differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import groupby, product

from accounts.addresses import EC, PO
from accounts.models import Contact, ModePeriod
from accounts.perimeter import Perimeter
from migration.models import Campaign
from support import conditions, reasons
from support.facts import AFTER_MAIL_2, MIGRATED, Facts
from support.models.routing import Outcome, RoutingRule, Stage
from support.needs import NEEDS
from support.routing import first_match

Verdict = ModePeriod.Verdict
ALL_STAGES = tuple(Stage)
WHATEVER = "dans tous les cas"


@dataclass(frozen=True)
class Situation:
    """What the rules of one need tell apart, the phase aside."""

    label: str = ""
    verdict: ModePeriod.Verdict = Verdict.PERSON
    window_over: bool = False
    kind: str = EC
    unit_type: str = ""
    answers: dict[str, str] = field(default_factory=dict)

    def facts(self, stage: Stage, campaign: Campaign) -> Facts:
        """An invented mailbox in that situation, without a date of its own."""
        po = self.kind == PO
        return Facts(
            stage=stage,
            kind=self.kind,
            unit_types=(self.unit_type,) if self.unit_type else (),
            perimeter=Perimeter(self.verdict, "", f"une unité {self.verdict.label}", ours=False),
            issued=stage in AFTER_MAIL_2,
            migrated=stage in MIGRATED,
            window=(
                campaign.po_first_mail_from if po else campaign.ec_first_mail_from,
                campaign.po_first_mail_to if po else campaign.ec_first_mail_to,
            ),
            window_over=self.window_over,
            closes_on=campaign.old_server_closes_on,
        )


@dataclass(frozen=True)
class Cell:
    """What one situation gets in neighbouring phases that one rule answers."""

    stages: tuple[Stage, ...]
    rule: RoutingRule | None
    reason: str = ""

    @property
    def team(self) -> str:
        return str(Contact.Team(self.rule.team).label) if self.rule and self.rule.team else ""

    @property
    def outcome(self) -> str:
        return str(Outcome(self.rule.outcome).label) if self.rule else "aucune règle"


@dataclass(frozen=True)
class Line:
    label: str
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """One need."""

    slug: str
    label: str
    lines: list[Line]


@dataclass(frozen=True)
class Difference:
    """Neighbouring cells that a change of rules gives another answer."""

    labels: tuple[str, ...]  # the situations in which that is so
    of: int  # how many situations there are
    stages: tuple[Stage, ...]
    before: Cell
    after: Cell

    @property
    def label(self) -> str:
        return " ou ".join(self.labels) if len(self.labels) < self.of else WHATEVER


def matrix(rules: Sequence[RoutingRule], day: date, campaign: Campaign) -> list[Table]:
    tables = []
    for slug, need in NEEDS.items():
        lines: list[Line] = []
        for situation in situations(slug, rules, day):
            cells = _cells(slug, situation, rules, day, campaign)
            answering = [cell.rule for cell in cells]
            if lines and [cell.rule for cell in lines[-1].cells] == answering:  # the rules do not tell them apart
                lines[-1] = replace(lines[-1], label=f"{lines[-1].label} ou {situation.label}")
            else:
                lines.append(Line(situation.label, cells))
        tables.append(Table(slug, need.label, lines if len(lines) > 1 else [replace(lines[0], label=WHATEVER)]))
    return tables


def differences(
    need: str, before: Sequence[RoutingRule], after: Sequence[RoutingRule], day: date, campaign: Campaign
) -> list[Difference]:
    """The cells of one need in which `after` answers otherwise than `before`, that day."""
    found: dict[tuple[object, ...], Difference] = {}
    known = situations(need, [*before, *after], day)
    for situation in known:
        pairs = [
            (
                stage,
                _cell(need, situation, (stage,), before, day, campaign),
                _cell(need, situation, (stage,), after, day, campaign),
            )
            for stage in ALL_STAGES
        ]
        changed = [(stage, old, new) for stage, old, new in pairs if _told(old) != _told(new)]
        for _, group in groupby(changed, key=lambda pair: (_told(pair[1]), _told(pair[2]))):
            same = list(group)
            stages = tuple(stage for stage, _, _ in same)
            key = (stages, _told(same[0][1]), _told(same[0][2]))
            former = found.get(key)
            labels = (*former.labels, situation.label) if former else (situation.label,)
            found[key] = Difference(labels, len(known), stages, same[0][1], same[0][2])
    return list(found.values())


def _told(cell: Cell) -> tuple[str, ...]:
    """What a holder and an agent would see of it."""
    if cell.rule is None:
        return ()
    rule = cell.rule
    return rule.outcome, rule.team, ",".join(rule.also), rule.reason, rule.source


def _cells(need: str, situation: Situation, rules: Sequence[RoutingRule], day: date, campaign: Campaign) -> list[Cell]:
    each = [_cell(need, situation, (stage,), rules, day, campaign) for stage in ALL_STAGES]
    cells = []
    for _, group in groupby(each, key=lambda cell: id(cell.rule) if cell.rule else 0):
        same = list(group)
        cells.append(replace(same[0], stages=tuple(stage for cell in same for stage in cell.stages)))
    return cells


def _cell(
    need: str,
    situation: Situation,
    stages: tuple[Stage, ...],
    rules: Sequence[RoutingRule],
    day: date,
    campaign: Campaign,
) -> Cell:
    facts = situation.facts(stages[0], campaign)
    rule = first_match(rules, need, facts, situation.answers, day)
    if rule is None:
        return Cell(stages, None)
    return Cell(stages, rule, reasons.told(rule.reason, facts, situation.answers, day=day, team=rule.team))


def situations(need: str, rules: Sequence[RoutingRule], day: date) -> list[Situation]:
    """Every situation that some rule of this need tells apart, in a fixed order; always at least one."""
    own = [rule for rule in rules if rule.need == need]
    # None: no rule tells them apart
    verdicts: list[Verdict | None] = list(Verdict) if any(rule.verdicts for rule in own) else [None]
    windows: list[bool | None] = [False, True] if any("window_over" in rule.facts for rule in own) else [None]
    kinds: list[str | None] = [EC, PO] if any(rule.kind for rule in own) else [None]
    types = list(dict.fromkeys(name for rule in own for name in rule.unit_types))
    found = []
    for verdict, window, kind, unit_type, (answers, said) in product(
        verdicts, windows, kinds, [*types, ""], _answers(need, own, day)
    ):
        labels = [
            str(verdict.label) if verdict else "",
            "" if window is None else conditions.FACTS["window_over"][0 if window else 1],
            {EC: "établissement", PO: "pouvoir organisateur"}.get(kind or "", ""),
            f"type {unit_type}" if unit_type else ("autre type" if types else ""),
            said,
        ]
        found.append(
            Situation(
                label=", ".join(label for label in labels if label),
                verdict=verdict or Verdict.PERSON,
                window_over=bool(window),
                kind=kind or EC,
                unit_type=unit_type,
                answers=answers,
            )
        )
    return found


def _answers(need: str, rules: Sequence[RoutingRule], day: date) -> list[tuple[dict[str, str], str]]:
    """For each set of conditions on answers, an example that meets it, with its words; then no answer at all."""
    found: list[tuple[dict[str, str], str]] = []
    for rule in rules:
        if rule.answers:
            example = {}
            for key, tests in rule.answers.items():
                if (value := _example(tests, day)) is not None:
                    example[key] = value
            if all(example != known for known, _ in found):
                found.append((example, ", ".join(conditions.told(need, rule.answers, {}))))
    if found and {} not in [example for example, _ in found]:
        found.append(({}, "sinon"))
    return found or [({}, "")]


def _example(tests: dict[str, object], day: date) -> str | None:
    match next(iter(tests.items())):
        case ("is", str(value)):
            return value
        case ("in", [str(value), *_]):
            return value
        case ("within_years", _):
            return day.isoformat()
        case ("beyond_years", int(years)):
            return (day - timedelta(days=366 * years + 1)).isoformat()
        case ("given", True):
            return day.isoformat()
    return None
