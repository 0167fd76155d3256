"""`lint_articles [FOLDER] [--json]`: what keeps the articles from being published; exit status 1 if something does."""

from pathlib import Path
from typing import Any

from bma_portal import clock
from bma_portal.clock import brussels_date
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal
from support.articles.linting import lint
from support.articles.reading import FOLDER, files


class Command(PortalCommand):
    help = "Vérifie les articles d’aide : adresses, dates, liens, en-têtes, fautes connues."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("folder", metavar="DOSSIER", type=Path, nargs="?", default=FOLDER)
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, *, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            raise Refusal(f"Le dossier {folder} n’existe pas.")
        found = lint(folder, day=brussels_date(options["at"] or clock.now()))
        faults = [fault for fault in found if not fault.warning]
        if options["json"]:
            shown = [{"file": f.file, "line": f.line, "message": f.message, "warning": f.warning} for f in found]
            self.write_json({"articles": len(files(folder)), "faults": len(faults), "found": shown})
        else:
            for fault in found:
                self.stdout.write(f"{'à revoir' if fault.warning else 'faute'}  {fault}")
            self.stdout.write(
                f"{len(files(folder))} articles, {len(faults)} faute(s), {len(found) - len(faults)} à revoir."
            )
        if faults:
            raise Refusal(f"{len(faults)} faute(s) : ces articles ne seraient pas publiés.")
