"""`python -m bench [--quick | --long]`: measure, print, write `bench/results.md`.

Exit status 1 if a promise is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import admin, desk, drains, forms, imports, planning, report
from bench.report import Line
from bench.stage import Broken, Stage
from bma_portal.embedded.errors import EmbeddedError
from bma_portal.embedded.places import Scratch
from demo.exchange.control import NotStarted


@dataclass(frozen=True)
class Size:
    """How much is measured. `seconds` is what a measure may take before it gives up further repetitions."""

    mails: int
    times: int
    seconds: float
    larger: int = 0
    each: int = 200
    boxes: int = 60
    forms: int = 40
    tickets: desk.Size = desk.NORMAL
    lists: admin.Size = admin.NORMAL


SIZES = {
    "quick": Size(mails=1000, times=1, seconds=0, each=100, boxes=30, forms=5, tickets=desk.QUICK, lists=admin.QUICK),
    "normal": Size(mails=4000, times=3, seconds=110),
    "long": Size(mails=4000, times=5, seconds=600, larger=16_000, tickets=desk.Size(turns=25), lists=admin.LONG),
}


def import_lines(stage: Stage, *, times: int) -> list[Line]:
    file = imports.real_register()
    if file is not None:
        return imports.lines(stage, file, times=times)
    invented = stage.folder / "registre.csv"
    with stage.database() as database:
        stage.run(database, "invented_register", str(invented))
    why = "le registre réel n’est pas ici (FASE_DATA) ; l’inventé le remplace, trop petit pour engager."
    return [
        Line("import du registre réel", "—", detail=why),
        *imports.lines(stage, invented, times=times, promised=False),
    ]


def measure(size: Size, say: Callable[[str], None]) -> tuple[list[Line], str]:
    """All the measures, and the version of PostgreSQL they ran on."""
    lines: list[Line] = []
    scratch = Scratch("bma-bench-")
    try:
        with Stage.open(scratch.folder) as stage:
            version = stage.servers.postgres.execute("SHOW server_version")[0][0]
            say("import du registre…")
            lines += import_lines(stage, times=size.times)
            say("plan d’une campagne…")
            lines += planning.lines(stage, times=size.times)
            say("temps de réponse du formulaire hors MODE…")
            lines.append(forms.line(stage, times=size.forms))
            say("débit d’un ouvrier et mémoire…")
            lines += drains.against_the_limit(
                stage, mails=size.mails, times=size.times, seconds=size.seconds, smaller=500, larger=size.larger
            )
            say("quatre ouvriers, 50 ms de latence…")
            lines.append(drains.four_against_one(stage, each=size.each, times=size.times, seconds=size.seconds / 2))
            say("ordre sous pannes…")
            lines += drains.in_order(stage, boxes=size.boxes, mails=4)
            say("deux hôtes d’ouvriers…")
            lines += drains.two_hosts(stage, boxes=size.mails // 8, mails=4)
            say("le bureau, à côté de django-helpdesk…")
            lines += desk.lines(stage, size.tickets, promised=size.tickets is not desk.QUICK)
            say("les listes de l’administration, pleines…")
            lines += admin.lines(stage, size.lists, promised=size.lists is not admin.QUICK)
    finally:
        scratch.remove()
    return lines, version


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Mesure ce que le portail promet.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--quick", action="store_true", help="une minute : moins de courriels, une répétition, rien d’écrit"
    )
    choice.add_argument("--long", action="store_true", help="cinq répétitions, et une file de 16 000 courriels")
    options = parser.parse_args()
    name = "quick" if options.quick else "long" if options.long else "normal"
    started, load = time.monotonic(), report.load()

    def say(step: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {step}", file=sys.stderr, flush=True)

    try:
        lines, version = measure(SIZES[name], say)
    except EmbeddedError as error:
        print(error.for_a_person(), file=sys.stderr)
        return 1
    except (Broken, NotStarted) as error:
        print(f"La mesure n’a pas abouti : {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    print(report.table(lines))
    print()
    for line in lines:
        print(f"{line.what} : {line.detail}")
    if name != "quick":
        command = "python -m bench" + (" --long" if name == "long" else "")
        report.RESULTS.write_text(
            report.markdown(lines, postgres=version, seconds=seconds, command=command, load_before=load),
            encoding="utf-8",
        )
        print(f"\nÉcrit dans bench/{report.RESULTS.name}, en {seconds:.0f} s.")
    return 1 if any(line.kept is False for line in lines) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
