"""`import_grants FILE`: permissions, GIAs and holders from MODE; checks the file, and applies it with `--wet-run`."""

from pathlib import Path
from typing import Any

from accounts import grants_file
from accounts.grants_file import GIA, HOLDER, PERMISSION
from bma_portal.commands import PortalCommand, Refus, not_ahead
from bma_portal.errors import Refusal

FIRST = 50


class Command(PortalCommand):
    help = "Reprend de MODE des permissions, des GIA et des titulaires ; n’écrit qu’avec --wet-run."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help=f"CSV en UTF-8 : {';'.join(grants_file.COLUMNS)}")
        parser.add_argument("--wet-run", action="store_true", help="enregistrer (sinon : vérifier seulement)")
        parser.add_argument(
            "--by", default="import_grants", metavar="NOM", help="la personne qui reprend ce fichier, pour l’audit"
        )
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, *, file: Path, **options: Any) -> None:
        by, wet = options["by"].strip(), options["wet_run"]
        if not by or len(by) > 60 or not by.isprintable():
            raise Refus("--by attend un nom, de 60 caractères au plus.", returncode=2)
        report = grants_file.Report()
        rows = grants_file.read(file, report)
        grants_file.apply(rows, report, source=file.name, by=by, at=not_ahead(options["at"]), write=wet)
        errors = sorted(report.errors)
        if options["json"]:
            self.write_json(
                {
                    "applied": wet and not errors,
                    "rows": report.rows,
                    "permissions": report.made[PERMISSION],
                    "gias": report.made[GIA],
                    "holders": report.made[HOLDER],
                    "people": report.people,
                    "already": report.already,
                    "errors": [{"line": line, "reason": reason} for line, reason in errors],
                }
            )
        else:
            self.report(report, errors, wet)
        if errors:
            raise Refusal(f"{len(errors)} lignes sont à corriger : rien n’est enregistré.")

    def report(self, report: grants_file.Report, errors: list[tuple[int, str]], wet: bool) -> None:
        made, write = report.made, self.stdout.write
        write(
            f"{report.rows} lignes : {made[PERMISSION]} permissions, {made[GIA]} GIA et {made[HOLDER]} titulaires "
            f"à enregistrer, {report.already} déjà connus ; {report.people} personnes nouvelles."
        )
        for line, reason in errors[:FIRST]:
            write(f"  ligne {line} : {reason}")
        if len(errors) > FIRST:
            write(f"  … et {len(errors) - FIRST} de plus (--json les donne toutes)")
        if errors:
            return
        if not sum(made.values()):
            write("\nRien ne change.")
        elif wet:
            write("\nC’est fait.")
        else:
            write("\nEssai à blanc : rien n’est enregistré. Relancez avec --wet-run pour enregistrer.")
