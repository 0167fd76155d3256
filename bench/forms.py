"""The hors-MODE form: does its answer take as long whatever the mailbox has under way? (D7, SEC-A2)

The promise that tests hold is that the answers, the headers, the mails and the statements are the same; the time is
told here, because a timed test would lie on a busy machine.
"""

import statistics
import time
from typing import Any

from bench.report import Line, number
from bench.stage import Stage

MILLISECONDS = 15  # between the medians (SEC-A2)


def line(stage: Stage, *, times: int) -> Line:
    """The same form sent for a bare mailbox and for one with a request, a titulaire and a permission, in turn."""
    with stage.database() as database:
        figures = stage.run(database, "forms", str(times))
    apart = abs(figures["bare"] - figures["busy"]) * 1000
    return Line(
        "formulaire hors MODE : écart selon ce que la boîte a en cours",
        f"{number(apart, 1)} ms",
        f"≤ {MILLISECONDS} ms",
        apart <= MILLISECONDS,
        f"médianes de {times} envois en alternance : {number(figures['bare'] * 1000, 0)} ms sans rien en cours, "
        f"{number(figures['busy'] * 1000, 0)} ms avec une demande, un titulaire et une permission ; l’essentiel est "
        "la copie de carte d’identité, refaite dans les deux cas.",
    )


def forms(times: str) -> dict[str, Any]:
    """What the process of the measure does: the median seconds of an answer, by kind of mailbox."""
    from django.test import Client

    from bench.acts import wait_for_the_signal
    from bma_portal import clock
    from bma_portal.models import RateCount
    from tests.support.hors_mode_stage import send
    from tests.support.resets_stage import AT, granted, holder, hors_mode_box, received

    clock.set_for_every_process(AT, seconds=3600)
    bare, busy = hors_mode_box(), hors_mode_box()
    received(busy, email="autre@exemple.test")
    granted(busy, holder(busy))
    spent: dict[str, list[float]] = {"bare": [], "busy": []}
    wait_for_the_signal()
    for turn in range(int(times) + 1):
        for name, mailbox in (("bare", bare), ("busy", busy))[:: 1 if turn % 2 else -1]:
            RateCount.objects.all().delete()
            client = Client()
            started = time.perf_counter()
            answer = send(client, mailbox)
            elapsed = time.perf_counter() - started
            if answer.status_code != 302:
                raise SystemExit(f"le formulaire a répondu {answer.status_code}")
            if turn:  # the first of each warms up
                spent[name].append(elapsed)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}
