"""The plan of a campaign: seconds for ten times the real number of mailboxes, growth for a hundred times, raw limit.

The raw limit is what no plan can do without: the same list sorted by address, then cut into as many slices.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

from bench import report
from bench.report import Line, number
from bench.stage import Stage

FEW, MANY = 40_000, 400_000
SECONDS = 5.0  # to propose a plan of FEW mailboxes, the reading of the database included
GROWTH = 1.3  # for one mailbox, from FEW to MANY, against what sorting the same lists grows by
SHARE = 12  # weeks that the capacity asks for: more than the windows have, so that every rule has something to do


def boxes(count: int) -> list[Any]:
    """As `planning.plannable` gives them: by address, a quarter of them POs, in eleven zones and five networks."""
    from migration.planning import Box

    return [
        Box(n, "po" if n % 4 == 0 else "ec", f"{n:07d}@adm.cfwb.be", f"zone {n * 7 % 11}", f"réseau {n * 3 % 5}")
        for n in range(1, count + 1)
    ]


def _settings(count: int) -> Any:
    from migration import plan_settings

    return replace(plan_settings.default(), weekly_mailboxes=min(count // SHARE, 100_000))


def _spent(work: Callable[[], object], times: int) -> float:
    """Processor seconds of one: what others do on the machine at the same time counts less."""
    started = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - started) / times


def plan(few: str, many: str, times: str) -> dict[str, Any]:
    """What the process of the measure does, without a database: processor seconds of each side, turn by turn."""
    from bench.acts import wait_for_the_signal
    from migration import planning

    sizes = (int(few), int(many))
    lists = {count: boxes(count) for count in sizes}
    found: dict[str, list[float]] = {"few": [], "many": [], "raw": [], "raw_many": []}
    lots = len(planning.lay_out(_settings(sizes[0]), lists[sizes[0]]).batches)
    again = max(1, sizes[1] // sizes[0])
    wait_for_the_signal()
    for _ in range(int(times)):
        for name, count, turns in (("few", sizes[0], again), ("many", sizes[1], 1)):
            settings = _settings(count)
            work = partial(_planned, settings, lists[count])
            found[name].append(_spent(work, turns))
        found["raw"].append(_spent(partial(_sorted_and_sliced, lists[sizes[0]], lots), again))
        found["raw_many"].append(_spent(partial(_sorted_and_sliced, lists[sizes[1]], lots), 1))
    return {**found, "lots": lots}


def _planned(settings: Any, given: list[Any]) -> str:
    """What a proposal takes once it has read the mailboxes: the plan, and the fingerprint that a person signs."""
    from migration import planning

    return planning.lay_out(settings, given).fingerprint()


def _sorted_and_sliced(given: list[Any], lots: int) -> list[list[Any]]:
    ordered = sorted(given, key=lambda box: box.address)
    cuts = [len(ordered) * n // lots for n in range(lots + 1)]
    return [ordered[start:end] for start, end in pairwise(cuts)]


def plan_written(count: str) -> dict[str, Any]:
    """In a database with so many mailboxes: seconds to propose, to write, and to find that nothing changes."""
    from accounts.addresses import address_of
    from accounts.models import Mailbox, Organisation
    from bench.acts import wait_for_the_signal
    from bma_portal.clock import brussels
    from migration import planning
    from migration.campaigns import AUTUMN_2024, default_campaign
    from migration.models import Mailing

    units = Organisation.objects.bulk_create(
        (
            Organisation(
                kind="po" if n % 4 == 0 else "ec", fase=n, name=f"Unité fictive {n}", zone=f"zone {n * 7 % 11}",
                network=f"réseau {n * 3 % 5}", search_key=f"unite fictive {n}",
            )
            for n in range(1, int(count) + 1)
        ),
        batch_size=5000,
    )  # fmt: skip
    Mailbox.objects.bulk_create(
        (Mailbox(organisation=unit, address=address_of(unit.kind, unit.fase)) for unit in units), batch_size=5000
    )
    campaign = default_campaign()
    campaign.save()
    at = brussels(AUTUMN_2024["po_first_mail_from"])
    wait_for_the_signal()
    found = {}
    for name, use_case in (("propose", planning.propose), ("apply", planning.apply), ("again", planning.apply)):
        started = time.perf_counter()
        use_case(campaign, at=at)
        found[name] = time.perf_counter() - started
    return {**found, "mails": Mailing.objects.count()}


def lines(stage: Stage, *, times: int, few: int = FEW, many: int = MANY, promised: bool = True) -> list[Line]:
    with stage.database() as database:
        pure = stage.run(database, "plan", str(few), str(many), str(max(times, 3) * 3))
    with stage.database() as database:
        written = stage.run(database, "plan_written", str(few))
    growth = [(large / many) / (small / few) for small, large in zip(pure["few"], pure["many"], strict=True)]
    sorting = [(large / many) / (small / few) for small, large in zip(pure["raw"], pure["raw_many"], strict=True)]
    beyond = [ours / bare for ours, bare in zip(growth, sorting, strict=True)]
    raw = [few_s / raw_s for few_s, raw_s in zip(pure["few"], pure["raw"], strict=True)]
    seconds, hundred = statistics.median(pure["few"]), statistics.median(pure["many"])
    shown = f"{few:,}".replace(",", " ")
    found = [
        Line(
            f"plan de {shown} boîtes, de la base à la proposition",
            f"{number(written['propose'])} s",
            f"≤ {number(SECONDS, 0)} s",
            written["propose"] <= SECONDS,
            f"{number(written['apply'])} s pour l’écrire aussi ({written['mails']} mails à venir), "
            f"{number(written['again'])} s pour constater que rien ne change.",
        ),
        report.at_most(
            "plan, temps par boîte, cent fois la réalité / dix fois, rapporté à celui d’un tri",
            statistics.median(beyond),
            GROWTH,
            f"sans la base : {number(seconds * 1000, 0)} ms pour {few} boîtes ({pure['lots']} lots), "
            f"{number(hundred * 1000, 0)} ms pour {many}, temps du processeur, donc "
            f"{number(statistics.median(growth))} fois par boîte ; un tri nu des mêmes listes, "
            f"{number(statistics.median(sorting))} fois ; {len(growth)} répétitions, de {number(min(beyond))} à "
            f"{number(max(beyond))}.",
        ),
        Line(
            "plan / tri et découpe de la même liste",
            number(statistics.median(raw), 1),
            detail="la limite : un tri par adresse et des tranches, sans zones, sans réseaux, sans dates.",
        ),
    ]
    return found if promised else [replace(line, target="", kept=None) for line in found]
