"""`record_cutover BATCH FILE`: the results of a batch's night; checks them, and records them with `--wet-run`."""

from pathlib import Path
from typing import Any

from bma_portal import audit
from bma_portal.commands import PortalCommand, Refus, not_ahead
from bma_portal.errors import Refusal
from migration import cutover, results_file
from migration.models import Batch

BY = "record_cutover"
SIGNATURE_MAX = 150
FIRST = 50


class Command(PortalCommand):
    help = "Enregistre ce que les outils de l’ETNIC disent d’une nuit ; n’écrit qu’avec --wet-run."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "batch",
            metavar="BATCH",
            help="campagne/numéro (2024/3), numéro dans la dernière campagne, ou sa clé",
        )
        parser.add_argument(
            "file", metavar="FILE", type=Path, help="CSV : adresse;resultat;detail[;ignores], resultat : ok ou echec"
        )
        parser.add_argument("--by", default=BY, metavar="NOM", help="la personne qui enregistre ces résultats")
        parser.add_argument(
            "--sign",
            default="",
            metavar="MOTIF",
            help="accepter une boîte dont le mail 2 ou 4 n’est pas parti ; motif et nom (--by) restent au journal",
        )
        parser.add_argument("--wet-run", action="store_true", help="enregistrer (sinon : vérifier seulement)")
        self.add_at(parser)
        self.add_json(parser)

    def handle(self, *, batch: str, file: Path, **options: Any) -> None:
        by, why = options["by"].strip(), options["sign"].strip()
        if not by or len(by) > 60 or not by.isprintable():
            raise Refus("--by attend un nom, de 60 caractères au plus.", returncode=2)
        if why and by == BY:
            raise Refus("--sign demande --by : une personne signe, pas une commande.", returncode=2)
        signed = f"{by} : {why}" if why else ""
        if len(signed) > SIGNATURE_MAX or not signed.isprintable():
            raise Refus(f"--sign est trop long : {SIGNATURE_MAX} caractères au plus, nom compris.", returncode=2)
        found = results_file.results(results_file.bytes_of(file))
        lot = cutover.batch_named(batch, [result.address for result in found.rows])
        at, wet = not_ahead(options["at"]), options["wet_run"]
        said: dict[str, Any] = {"batch": lot, "by": by, "at": at, "signed": signed, "faults": found.faults}
        refused: Refusal | None = None
        if wet:
            try:
                with audit.refusals("cutover.recorded", about=lot, by=by, at=at):
                    report = cutover.record(found.rows, **said)
            except Refusal as refusal:
                refused = refusal
        if not wet or refused:
            report = cutover.record(found.rows, write=False, **said)  # raises what is no fault of the file
            refused = refused or (cutover.nothing_is_recorded(report) if report.faults else None)
        written = wet and not refused
        if options["json"]:
            self.write_json(_summary(report, lot) | {"at": at.isoformat(), "written": written})
        else:
            self.report(report, lot, written)
        if refused:
            raise refused

    def report(self, report: cutover.Report, batch: Batch, written: bool) -> None:
        write = self.stdout.write
        counts = f"{report.migrated} boîtes migrées, {report.failed} en échec, {report.already} déjà enregistrées."
        write(f"{str(batch).capitalize()} : {counts}")
        for title, fate in (("Lignes refusées", cutover.Fate.REFUSED), ("Lignes à corriger", cutover.Fate.FAULT)):
            lines = report.of(fate)
            if lines:
                write(f"\n{title} : {len(lines)}")
            for line in lines[:FIRST]:
                write(f"  ligne {line.number} ({line.address}) : {line.words}")
            if len(lines) > FIRST:
                write(f"  … et {len(lines) - FIRST} de plus (--json les donne toutes)")
        if not written and not report.faults:
            write("\nVérification seulement : rien n’est enregistré. Relancez avec --wet-run pour enregistrer.")


def _summary(report: cutover.Report, batch: Batch) -> dict[str, Any]:
    def told(fate: cutover.Fate) -> list[dict[str, Any]]:
        return [{"line": line.number, "address": line.address, "reason": line.words} for line in report.of(fate)]

    return {
        "batch": f"{batch.campaign.slug}/{batch.number}",
        "migrated": report.migrated,
        "failed": report.failed,
        "already": report.already,
        "refused": told(cutover.Fate.REFUSED),
        "errors": told(cutover.Fate.FAULT),
    }
