"""`record_cutover FILE --by NAME`: the results of a night; checks them, and records them with `--wet-run`."""

import csv
from pathlib import Path
from typing import Any

from bma_portal.commands import PortalCommand, Refus, not_ahead
from bma_portal.errors import Refusal
from migration import cutover

SIGNATURE_MAX = 150
FIRST = 50


class Command(PortalCommand):
    help = "Enregistre ce que les outils de l’ETNIC disent d’une nuit ; n’écrit qu’avec --wet-run."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="CSV : adresse;resultat;detail (ok ou echec)")
        parser.add_argument("--by", required=True, metavar="NOM", help="la personne qui enregistre ces résultats")
        parser.add_argument(
            "--sign",
            default="",
            metavar="MOTIF",
            help="accepter une boîte dont le mail 2 ou 4 n’est pas parti ; le motif et le nom restent au journal",
        )
        parser.add_argument("--wet-run", action="store_true", help="enregistrer (sinon : vérifier seulement)")
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, *, file: Path, **options: Any) -> None:
        by, why = options["by"].strip(), options["sign"].strip()
        if not by or len(by) > 60 or not by.isprintable():
            raise Refus("--by attend un nom, de 60 caractères au plus.", returncode=2)
        signed = f"{by} : {why}" if why else ""
        if len(signed) > SIGNATURE_MAX or not signed.isprintable():
            raise Refus(f"--sign est trop long : {SIGNATURE_MAX} caractères au plus, nom compris.", returncode=2)
        results = _read(file)
        at = not_ahead(options["at"])
        report = cutover.record(results, by=by, at=at, signed=signed, write=options["wet_run"])
        if options["json"]:
            self.write_json(
                {
                    "at": at.isoformat(),
                    "written": options["wet_run"],
                    "migrated": report.migrated,
                    "failed": report.failed,
                    "already": report.already,
                    "refused": [{"line": line, "reason": reason} for line, reason in report.refused],
                }
            )
            return
        write = self.stdout.write
        write(f"{report.migrated} boîtes migrées, {report.failed} en échec, {report.already} déjà enregistrées.")
        if report.refused:
            write(f"\nLignes refusées : {len(report.refused)}")
        for line, reason in report.refused[:FIRST]:
            write(f"  {line} : {reason}")
        if len(report.refused) > FIRST:
            write(f"  … et {len(report.refused) - FIRST} de plus (--json les donne toutes)")
        if not options["wet_run"]:
            write("\nVérification seulement : rien n’est enregistré. Relancez avec --wet-run pour enregistrer.")


def _read(file: Path) -> list[cutover.Result]:
    """Raises Refusal if nothing can be read there."""
    try:
        results = cutover.read_results(file)
    except (csv.Error, ValueError):
        raise Refusal("Ce fichier n’est pas un CSV lisible.") from None
    if not results:
        raise Refusal("Ce fichier ne contient aucun résultat.")
    return results
