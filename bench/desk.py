"""The desk and the form against django-helpdesk on the same machine, server and words; and against ourselves, larger.

Each side is a process of its own that calls its application as a server's worker does, without a socket between. They
take turns of a few calls: what slows the machine slows them alike. What is compared is the median of a turn.
"""

import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import crowd, peer, report
from bench.report import Line, number
from bench.stage import ROOT, Broken, Stage

PAGES = {"list": "liste", "view": "vue enregistrée", "search": "recherche", "ticket": "page d’une demande"}
WORDS = ("certificat", "zéphyrine", "bibliothécaire", "marjobulle", "corbeille", "orage", "xylothèque", "gymnase")
AWAY = "http://127.0.0.1:9/EWS/Exchange.asmx"  # nobody there


@dataclass(frozen=True)
class Size:
    """How many tickets, how many turns, and calls of a turn."""

    tickets: int = 10_000
    larger: int = 100_000
    turns: int = 9
    calls: int = 6
    clients: int = 8
    asked: int = 400  # by all of them


NORMAL = Size()
QUICK = Size(tickets=500, larger=1000, turns=2, calls=3, asked=64)


@dataclass
class Side:
    """A process that does what it is told and says how long it took."""

    process: subprocess.Popen
    journal: Path
    seconds: dict[str, list[float]] = field(default_factory=dict)  # the median of each turn
    statements: dict[str, int] = field(default_factory=dict)

    def ask(self, act: str, times: int, *, count: bool = False) -> dict[str, Any]:
        self.process.stdin.write(json.dumps({"act": act, "times": times, "count": count}) + "\n")  # type: ignore[union-attr]
        self.process.stdin.flush()  # type: ignore[union-attr]
        return json.loads(self._line())

    def turn(self, act: str, times: int) -> None:
        self.seconds.setdefault(act, []).append(statistics.median(self.ask(act, times)["seconds"]))

    def warm(self, act: str, times: int = 4) -> None:
        self.statements[act] = self.ask(act, times, count=True)["statements"]

    def wait_until_ready(self) -> None:
        if self._line() != "ready\n":
            raise Broken(self.journal.read_text(errors="replace")[-2500:])

    def _line(self) -> str:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise Broken(self.journal.read_text(errors="replace")[-2500:])
        return line

    def milliseconds(self, act: str) -> float:
        return statistics.median(self.seconds[act]) * 1000


@contextlib.contextmanager
def _side(stage: Stage, command: Sequence[str | Path], environment: dict[str, str]) -> Iterator[Side]:
    with stage.journal.open("ab") as journal:
        process = subprocess.Popen(
            list(map(str, command)), cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=journal, text=True,
        )  # fmt: skip
    try:
        yield Side(process, stage.journal)
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def ours(stage: Stage, database: str, **more: str) -> contextlib.AbstractContextManager[Side]:
    environment = portal_environment(stage, database) | more
    return _side(stage, [sys.executable, "-m", "bench.sides.portal_side", "serve", ",".join(WORDS)], environment)


def portal_environment(stage: Stage, database: str) -> dict[str, str]:
    found = stage.environment(stage.servers.postgres.url(database))
    return found | {"DJANGO_SETTINGS_MODULE": "bench.sides.portal_settings"}


def theirs(
    stage: Stage, python: Path, database: str, tickets: Sequence[int], *, smtp_port: int
) -> contextlib.AbstractContextManager[Side]:
    arguments = ["serve", ",".join(map(str, tickets)), ",".join(WORDS)]
    variables = peer.variables(stage, database, smtp_port=smtp_port)
    return _side(stage, [python, "-m", "bench.sides.helpdesk_side", *arguments], variables)


def seeded(stage: Stage, tickets: int) -> str:
    """A database with that many tickets of five messages."""
    name = stage._copy("bma")
    stage.manage(stage.servers.postgres.url(name), "seed_tickets", str(tickets))
    stage.servers.postgres.execute("VACUUM ANALYZE", name=name)
    return name


def in_turns(sides: Sequence[Side], acts: Sequence[str], size: Size) -> None:
    """Each act by each side, one after the other; who begins changes."""
    for act in acts:
        for side in sides:
            side.warm(act)
    for n in range(size.turns):
        for act in acts:
            for side in sides[:: 1 if n % 2 else -1]:
                if act == "post" and "clean" in side.statements:
                    side.ask("clean", 1)
                side.turn(act, size.calls)


def times_faster(fast: Side, slow: Side, act: str) -> list[float]:
    return [b / a for a, b in zip(fast.seconds[act], slow.seconds[act], strict=True)]


# The measures


def lines(stage: Stage, size: Size, *, promised: bool = True) -> list[Line]:
    small, large = seeded(stage, size.tickets), seeded(stage, size.larger)
    found = _against_the_peer(stage, size, small)
    found.append(_whatever_the_relay(stage, size, small))
    found += _larger(stage, size, small, large)
    found.append(crowd.line(stage, size, large))
    for name in (small, large):
        stage.servers.postgres.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    # A small bench shows that it works: its figures promise nothing.
    return found if promised else [Line(x.what, x.figure, detail=x.detail) for x in found]


def _against_the_peer(stage: Stage, size: Size, database: str) -> list[Line]:
    whats = {"post": ("envoi du formulaire", 1.5)} | {act: (what, 5.0) for act, what in PAGES.items()}
    try:
        python = peer.environment()
    except peer.Absent as absent:
        return [
            Line(f"{what} / {peer.NAME}", "—", f"≥ {number(target)}", None, f"Pas mesuré : {absent}.")
            for what, target in whats.values()
        ]
    other = peer.prepared(stage, python, database)
    rows = stage.servers.postgres.execute("SELECT id FROM support_ticket ORDER BY public LIMIT 200", name=database)
    numbers = [row[0] for row in rows]
    with (
        peer.relay() as port,
        ours(stage, database) as we,
        theirs(stage, python, other, numbers, smtp_port=port) as they,
    ):
        for side in (we, they):
            side.wait_until_ready()
        we.warm("clean", 1)
        in_turns([we, they], list(whats), size)
    found = []
    for act, (what, target) in whats.items():
        detail = (
            f"{number(we.milliseconds(act), 1)} ms et {we.statements[act]} instructions, contre "
            f"{number(they.milliseconds(act), 1)} ms et {they.statements[act]}, à {size.tickets} demandes ;"
        )
        if act == "post":
            slow = _with_a_slow_relay(stage, python, other)
            detail = f"{detail[:-2]} ({number(slow, 1)} s avec un relais qui met 1 s par mail) ;"
        found.append(
            report.ratio(f"{what} : fois plus rapide que {peer.NAME}", times_faster(we, they, act), target, detail)
        )
    stage.servers.postgres.execute(f'DROP DATABASE "{other}" WITH (FORCE)')
    return found


def _with_a_slow_relay(stage: Stage, python: Path, database: str) -> float:
    with peer.relay(1.0) as port, theirs(stage, python, database, [1], smtp_port=port) as they:
        they.wait_until_ready()
        they.ask("post", 1)
        return statistics.median(they.ask("post", 2)["seconds"])


def _whatever_the_relay(stage: Stage, size: Size, database: str) -> Line:
    """Our form while Exchange takes two seconds for each answer, and while it is away."""
    stage.exchange.reset()
    stage.exchange.latency(2000)
    try:
        with ours(stage, database) as slow, ours(stage, database, EXCHANGE_URL=AWAY) as away:
            for side in (slow, away):
                side.wait_until_ready()
                side.warm("clean", 1)
            stage.exchange.latency(0)
            with ours(stage, database) as prompt:
                prompt.wait_until_ready()
                prompt.warm("clean", 1)
                for n in range(size.turns):
                    stage.exchange.latency(0)
                    order = [(prompt, 0), (slow, 2000), (away, 0)]
                    for side, latency in order[:: 1 if n % 2 else -1]:
                        stage.exchange.latency(latency)
                        side.ask("clean", 1)
                        side.ask("post", 1)
                        side.turn("post", size.calls)
    finally:
        stage.exchange.latency(0)
    ratios = times_faster(slow, prompt, "post") + times_faster(away, prompt, "post")
    detail = (
        f"{number(prompt.milliseconds('post'), 1)} ms avec un Exchange prompt, {number(slow.milliseconds('post'), 1)} "
        f"quand il met 2 s à répondre, {number(away.milliseconds('post'), 1)} quand il ne répond pas ;"
    )
    return report.ratio("envoi du formulaire : débit avec un relais lent ou absent / prompt", ratios, 0.9, detail)


def _larger(stage: Stage, size: Size, small: str, large: str) -> list[Line]:
    with ours(stage, small) as few, ours(stage, large) as many:
        for side in (few, many):
            side.wait_until_ready()
        in_turns([few, many], list(PAGES), size)
    found = []
    for act, what in PAGES.items():
        grown = statistics.median(times_faster(few, many, act))
        detail = (
            f"{number(few.milliseconds(act), 1)} ms à {size.tickets} demandes, {number(many.milliseconds(act), 1)} à "
            f"{size.larger} et {5 * size.larger} messages ; {size.turns} répétitions."
        )
        found.append(report.at_most(f"{what} : temps à {size.larger} demandes / {size.tickets}", grown, 1.3, detail))
    most = {what: max(few.statements[act], many.statements[act]) for act, what in PAGES.items()}
    told = ", ".join(f"{what} {count}" for what, count in most.items())
    count = Line("instructions SQL d’une page du bureau", str(max(most.values())), "≤ 8", max(most.values()) <= 8)
    return [*found, Line(count.what, count.figure, count.target, count.kept, f"Au plus : {told}.")]
