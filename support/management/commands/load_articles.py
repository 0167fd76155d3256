"""`load_articles [--json]`: publishes the files of `articles/`; each `migrate` does it too."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from bma_portal.commands import PortalCommand, not_ahead
from bma_portal.errors import Refusal
from support.articles.loading import load
from support.articles.reading import FOLDER


class Command(PortalCommand):
    help = "Publie les articles d’aide tels que leurs fichiers les donnent ; deux fois de suite ne change rien."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("folder", metavar="DOSSIER", type=Path, nargs="?", default=FOLDER)
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, *, folder: Path, **options: Any) -> None:
        if not folder.is_dir():
            raise Refusal(f"Le dossier {folder} n’existe pas.")
        done = load(not_ahead(options["at"]), folder=folder)
        if options["json"]:
            self.write_json(asdict(done))
            return
        self.stdout.write(
            f"{done.new} nouveaux, {done.changed} changés ({done.versions} versions nouvelles), "
            f"{done.withdrawn} retirés, {done.same} inchangés."
        )
