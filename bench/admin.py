"""The staff's lists and searches when they are long: ten times reality, and a hundred times.

Each page is asked many times over, of the whole WSGI application, by an agent who is signed in; what counts is the
95th percentile of all its calls. In between, a bare SELECT of as many rows says how busy the machine was.
"""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.desk import Side, _side, portal_environment
from bench.report import Line, number
from bench.stage import Stage

WHATS = {
    "list": "listes, première page",
    "batches": "liste des lots, avec ses chiffres",
    "deep": "listes, pages du milieu et de la fin",
    "sorted": "listes, triées autrement",
    "filtered": "listes, filtrées",
    "phase": "liste des boîtes, filtrée par phase",
    "words": "recherche par des mots du nom ou de la commune",
    "numbers": "recherche par numéro FASE ou adresse",
    "sheet": "fiche d’une boîte",
}
PROMISED = {"sheet": 1000.0}  # milliseconds; the others
LIST, SEARCH = 300.0, 100.0


@dataclass(frozen=True)
class Size:
    """Mailboxes (each has four mails), turns, and calls of a turn. `larger`: the same told of, without a promise."""

    mailboxes: int = 40_000
    larger: int = 0
    turns: int = 6
    calls: int = 10


NORMAL = Size()
QUICK = Size(mailboxes=500, turns=1, calls=3)
LONG = Size(larger=400_000, turns=10)


@dataclass
class Figures:
    """Milliseconds of every call, and statements of the page that asks the most."""

    taken: dict[str, list[float]]
    statements: dict[str, int]

    def p95(self, act: str) -> float:
        return percentile(self.taken[act], 95)

    def median(self, act: str) -> float:
        return percentile(self.taken[act], 50)


def percentile(values: Sequence[float], share: int) -> float:
    """The smallest value that so many in a hundred do not exceed."""
    ranked = sorted(values)
    return ranked[max(0, -(-len(ranked) * share // 100) - 1)]


def seeded(stage: Stage, mailboxes: int) -> str:
    name = stage._copy("bma")
    stage.manage(stage.servers.postgres.url(name), "seed_volume", str(mailboxes))
    stage.servers.postgres.execute("VACUUM ANALYZE", name=name)
    return name


def agent(stage: Stage, database: str) -> contextlib.AbstractContextManager[Side]:
    return _side(stage, [sys.executable, "-m", "bench.sides.admin_side"], portal_environment(stage, database))


def measured(stage: Stage, database: str, size: Size) -> Figures:
    acts = [*WHATS, "raw", "rows"]
    found = Figures({act: [] for act in acts}, {})
    with agent(stage, database) as side:
        side.wait_until_ready()
        for act in acts:
            # Every address once before it counts; « raw » and « rows » are no pages
            counts = [side.ask(act, 1, count=True)["statements"] for _ in range(max(6, size.calls))]
            found.statements[act] = max(counts)
        for _ in range(size.turns):
            for act in acts:
                found.taken[act] += [seconds * 1000 for seconds in side.ask(act, size.calls)["seconds"]]
    return found


# The measures


def lines(stage: Stage, size: Size, *, promised: bool = True) -> list[Line]:
    found: list[Line] = []
    for mailboxes in filter(None, (size.mailboxes, size.larger)):
        database = seeded(stage, mailboxes)
        figures = measured(stage, database, size)
        stage.servers.postgres.execute(f'DROP DATABASE "{database}" WITH (FORCE)')
        found += _told(figures, mailboxes, promised=promised and mailboxes == size.mailboxes)
    return found


def _told(figures: Figures, mailboxes: int, *, promised: bool) -> list[Line]:
    found = []
    raw = figures.median("raw")
    for act, what in WHATS.items():
        limit = PROMISED.get(act, LIST)
        p95 = figures.p95(act)
        detail = (
            f"médiane {number(figures.median(act), 0)} ms, 95 pages sur cent sous {number(p95, 0)} ms, sur "
            f"{len(figures.taken[act])} ; {number(p95 / raw, 0)} fois un SELECT nu de cent lignes "
            f"({number(raw, 1)} ms) ; {figures.statements[act]} instructions SQL au plus."
        )
        found.append(_line(f"{what}, à {mailboxes} boîtes", p95, limit, detail, promised=promised))
    rows = figures.p95("rows")
    detail = (
        "cent lignes trouvées par un mot, un numéro ou une adresse, sans la page, dans les boîtes, les passages et "
        f"les mails ; médiane {number(figures.median('rows'), 1)} ms ; {number(rows / raw, 1)} fois un SELECT nu."
    )
    found.append(_line(f"recherche elle-même, à {mailboxes} boîtes", rows, SEARCH, detail, promised=promised))
    return found


def _line(what: str, value: float, limit: float, detail: str, *, promised: bool) -> Line:
    figure = f"{number(value, 0)} ms"
    if not promised:
        return Line(what, figure, detail=detail)
    return Line(what, figure, f"< {number(limit, 0)} ms", value < limit, detail)
