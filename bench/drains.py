"""The queue against the limit of exchangelib, and what must hold while several processes drain it."""

import contextlib
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bench import report
from bench.report import Line, number
from bench.stage import ROOT, Broken, Stage

SENDERS = ("etnic", "sgne")
TURN = "1.0"  # seconds
SPREAD = 0.15  # of the ratios around their median; above it a repetition is added
Pair = tuple[float, float]


def repeat(measure: Callable[[int], Pair], *, times: int, seconds: float) -> list[Pair]:
    """`times` repetitions, and up to two more while the ratios disagree and `seconds` are not used up.

    Whether the ratios are good has no say in it.
    """
    limit = time.monotonic() + seconds
    pairs: list[Pair] = []
    while len(pairs) < times or (
        len(pairs) < times + 2 and times > 1 and _disagree(pairs) and time.monotonic() < limit
    ):
        pairs.append(measure(len(pairs)))
    return pairs


def _disagree(pairs: list[Pair]) -> bool:
    ratios = [ours / theirs for ours, theirs in pairs]
    return max(ratios) - min(ratios) > SPREAD * statistics.median(ratios)


def ratios(pairs: list[Pair]) -> list[float]:
    return [ours / theirs for ours, theirs in pairs]


# What became of the mails


@dataclass
class Reckoning:
    lost: int
    twice: int
    overtaken: int
    left: int


def reckon(rows: dict[str, str], log: list[dict]) -> Reckoning:
    """Hold the queue (each mail's key and status) against the stand-in's own log of what it delivered."""
    received = Counter(delivery["key"] for delivery in log)
    last: dict[str, int] = {}
    overtaken = 0
    for delivery in log:
        if delivery["subject"].isdigit():
            rank = int(delivery["subject"])
            overtaken += rank < last.get(delivery["to"], 0)
            last[delivery["to"]] = max(rank, last.get(delivery["to"], 0))
    return Reckoning(
        lost=len(rows.keys() - received.keys()),
        twice=sum(times - 1 for times in received.values()) + len(received.keys() - rows.keys()),
        overtaken=overtaken,
        left=sum(status != "sent" for status in rows.values()),
    )


def _reckoned(stage: Stage, database: str) -> Reckoning:
    rows = stage.servers.postgres.execute("SELECT uuid::text, status FROM mail_outgoingmail", name=database)
    return reckon(dict(rows), stage.exchange.deliveries())


def _beside_the_limit(stage: Stage, mails: int, *, first: int) -> list[dict[str, Any]]:
    """What our worker and exchangelib alone say of the same queue, each in its copy, turn by turn of a second."""
    crowd = ("crowd", str(mails))
    with stage.database(*crowd) as ours, stage.database(*crowd) as theirs:
        stage.exchange.reset()
        acts = [(ours, ("drain", SENDERS[0], TURN)), (theirs, ("raw", TURN))]
        done = stage.in_turns(acts[::-1] if first else acts)
        _expect(stage, 2 * mails)
    return done[::-1] if first else done


def _expect(stage: Stage, mails: int) -> None:
    counts = stage.exchange.counts()
    if (counts["delivered"], counts["by_key_max"]) != (mails, 1):
        raise Broken(f"{mails} courriels attendus, la doublure a vu : {counts}")


def _drained(stage: Stage, mails: int, *, workers: int = 1, latency: float = 0) -> tuple[float, int]:
    """Mails per second, and the peak of one process in KiB, over a fresh queue of that many mails."""
    with stage.database("crowd", str(mails)) as database:
        stage.exchange.reset()
        stage.exchange.latency(latency)
        done = stage.together(database, [("drain", SENDERS[n % 2]) for n in range(workers)])
        _expect(stage, mails)
    seconds = max(act["ended"] for act in done) - min(act["started"] for act in done)
    return mails / seconds, max(act["memory"] for act in done)


# The measures


def against_the_limit(
    stage: Stage, *, mails: int, times: int, seconds: float, smaller: int, larger: int = 0
) -> list[Line]:
    """One worker against exchangelib alone; then the peak of memory over queues of several sizes."""
    peaks: dict[int, int] = {}

    def pair(turn: int) -> Pair:
        ours, theirs = _beside_the_limit(stage, mails, first=turn % 2)
        peaks[mails] = max(peaks.get(mails, 0), ours["memory"])
        return mails / ours["worked"], mails / theirs["worked"]

    pairs = repeat(pair, times=times, seconds=seconds)
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    for size in filter(None, (smaller, larger)):
        peaks[size] = _drained(stage, size)[1]
    least = min(peaks)
    told = ", ".join(f"{size} courriels {number(peaks[size] / 1024, 1)} Mio" for size in sorted(peaks))
    detail = f"{mails} courriels, un processus : {ours:.0f} courriels/s contre {theirs:.0f} pour exchangelib seul ;"
    return [
        report.ratio("débit d’un ouvrier / limite d’exchangelib", ratios(pairs), 0.8, detail),
        report.at_most(
            "mémoire, plus longue file / plus courte", peaks[max(peaks)] / peaks[least], 1.1, f"Au plus haut : {told}."
        ),
    ]


def four_against_one(stage: Stage, *, each: int, times: int, seconds: float, latency: float = 50) -> Line:
    def pair(turn: int) -> Pair:
        rates = {n: _drained(stage, each * n, workers=n, latency=latency)[0] for n in ((1, 4), (4, 1))[turn % 2]}
        return rates[4], rates[1]

    pairs = repeat(pair, times=times, seconds=seconds)
    four, one = (statistics.median(side) for side in zip(*pairs, strict=True))
    detail = f"{each} courriels par ouvrier : {number(four, 1)} courriels/s à quatre, {number(one, 1)} à un ;"
    return report.ratio(f"quatre ouvriers / un, à {latency:.0f} ms de latence", ratios(pairs), 3.5, detail)


# Lost answers first: a draft or a mail of which nobody knows. Drafts are few requests: they fail more often.
FAULTS = [
    ("CreateItem", "drop_after", 0.2, {}),
    ("*", "drop_after", 0.04, {}),
    ("*", "drop_before", 0.02, {}),
    ("*", "truncate", 0.02, {}),
    ("*", "busy", 0.015, {"ms": 100}),
    ("*", "status", 0.01, {"status": 503, "retry_after": 1, "after": True}),
    ("*", "busy_item", 0.01, {}),
    ("*", "error", 0.015, {"code": "ErrorInternalServerError", "after": True}),
]


def in_order(stage: Stage, *, boxes: int, mails: int, workers: int = 4) -> list[Line]:
    """Several mails queued for each mailbox, by both senders; Exchange fails at random, a worker is killed."""
    stage.lease = 3  # the killed one's mails are taken over after that
    try:
        with stage.database("streams", str(boxes), str(mails)) as database:
            stage.exchange.reset()
            stage.exchange.faults(
                [
                    {"op": op, "action": action, "probability": chance, "seed": seed, **more}
                    for seed, (op, action, chance, more) in enumerate(FAULTS)
                ]
            )
            acts = [("drain", SENDERS[n % 2]) for n in range(workers)]
            done = stage.together(database, acts, kill_after=0.4)
            fired = sum(rule["fired"] for rule in stage.exchange.faults())
            stage.exchange.faults([])
            found = _reckoned(stage, database)
    finally:
        stage.lease = 0
    killed = sum(not act for act in done)
    detail = (
        f"{boxes} boîtes × {mails} courriels, {workers} ouvriers dont {killed} tué en route, "
        f"{fired} pannes d’Exchange ; {found.left} encore en file à la fin."
    )
    return [
        report.none("courriels d’une boîte partis dans le désordre, sous pannes", found.overtaken, detail),
        report.none("courriels perdus ou doublés, sous pannes", found.lost + found.twice + found.left, detail),
    ]


def two_hosts(stage: Stage, *, boxes: int, mails: int, hosts: int = 2, children: int = 4) -> list[Line]:
    """Celery workers of two hosts on one queue, rung as the portal rings."""
    with stage.database("streams", str(boxes), str(mails)) as database, contextlib.ExitStack() as stack:
        stage.exchange.reset()
        for host in range(hosts):
            stack.enter_context(_celery(stage, database, f"hote{host + 1}", children))
        started = time.monotonic()
        stage.run(database, "ring", str(hosts))
        _wait_until_empty(stage, database)
        seconds = time.monotonic() - started
        found = _reckoned(stage, database)
    total = boxes * mails
    detail = (
        f"{total} courriels, {hosts} ouvriers Celery de {children} processus, vidés en {seconds:.0f} s : "
        f"{found.twice} doublés, {found.lost} perdus, {found.overtaken} dans le désordre."
    )
    wrong = found.lost + found.twice + found.overtaken
    return [report.none("courriels perdus, doublés ou déplacés, deux hôtes d’ouvriers", wrong, detail)]


@contextlib.contextmanager
def _celery(stage: Stage, database: str, name: str, children: int) -> Iterator[None]:
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    command = ["celery", "-A", "bma_portal", "worker", "--concurrency", str(children), "-n", f"{name}@%h", *options]
    with stage.journal.open("ab") as journal:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=stage.environment(stage.servers.postgres.url(database)),
            stdin=subprocess.DEVNULL, stdout=journal, stderr=journal,
        )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_empty(stage: Stage, database: str, seconds: float = 120) -> None:
    limit = time.monotonic() + seconds
    waiting = "SELECT count(*) FROM mail_outgoingmail WHERE status IN ('queued', 'sending')"
    while (left := stage.servers.postgres.execute(waiting, name=database)[0][0]) > 0:
        if time.monotonic() > limit:
            raise Broken(f"{left} courriels attendent encore après {seconds:.0f} s. {stage.last_words()}")
        time.sleep(0.1)
