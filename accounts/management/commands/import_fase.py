"""`import_fase FILE`: shows what a FASE register would change; with `--wet-run`, changes it."""

import csv
import json
from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import transaction

from accounts import fase, register
from accounts.fase import Rejected, Unreadable, shown
from accounts.models import OrganisationChange
from bma_portal import audit, clock
from bma_portal.commands import PortalCommand
from bma_portal.errors import Refusal

LARGEST_FILE = 100 * 1024 * 1024  # bytes; the whole register has three millions
FIRST = 20
Field = OrganisationChange.Field
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"« {shown(text)} » n’est pas une date (AAAA-MM-JJ)") from None


class Command(PortalCommand):
    help = "Compare un registre FASE (CSV ou JSON) à ce que le portail connaît ; n’écrit qu’avec --wet-run."

    def add_arguments(self, parser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, help="registre FASE, CSV ou JSON de l’API")
        parser.add_argument("--wet-run", action="store_true", help="appliquer la différence (sinon : la montrer)")
        parser.add_argument(
            "--accept-absences", action="store_true", help="accepter que plus de 5 %% des unités aient disparu"
        )
        parser.add_argument(
            "--rejects", metavar="OUT.csv", type=Path, help="écrire ici les lignes rejetées (line,reason)"
        )
        parser.add_argument("--json", action="store_true", help="un objet JSON sur la sortie standard, rien d’autre")
        parser.add_argument(
            "--date", metavar="AAAA-MM-JJ", type=day, help="date du registre (par défaut : aujourd’hui)"
        )

    def handle(self, *, file: Path, rejects: Path | None, **options: Any) -> None:
        self.run(file, rejects, options)

    def run(self, file: Path, rejects: Path | None, options: dict[str, Any]) -> None:
        if rejects is not None and file.exists() and rejects.exists() and rejects.samefile(file):
            raise CommandError("--rejects désigne le registre lui-même : donnez un autre fichier.", returncode=2)
        try:
            found = fase.read(_bytes(file))
        except Unreadable as refusal:
            _write_rejects(rejects, [Rejected(refusal.line or 0, str(refusal))])
            raise
        except Refusal:
            _write_rejects(rejects, [])
            raise
        _write_rejects(rejects, found.rejected)
        at = clock.now()
        wet, accepted = options["wet_run"], options["accept_absences"]
        refused: Refusal | None = None
        if wet:
            name = shown(file.name, 255)
            about = audit.Thing("accounts.registerimport", "", name)
            try:
                with audit.refusals("register.imported", at=at, about=about), transaction.atomic():
                    difference = register.apply(
                        found, at=at, on=options["date"], accept_absences=accepted, file_name=name
                    )
                    audit.record("register.imported", at=at, about=about, details=difference.counts())
            except Refusal as refusal:
                refused = refusal
        if not wet or refused:
            difference = register.difference(found, at=at, on=options["date"])
            if not accepted and not refused:
                try:
                    difference.refuse_mass_disappearance()
                except Refusal as refusal:
                    refused = refusal
        if options["json"]:
            summary = {"applied": wet and not refused, "date": str(difference.date), **difference.counts()}
            self.stdout.write(json.dumps(summary | ({"refused": str(refused)} if refused else {}), ensure_ascii=False))
        else:
            self.report(difference, rejects)
            if not refused:
                self.stdout.write(self.conclusion(difference, wet))
        if refused:
            raise refused

    def report(self, difference: register.Difference, rejects: Path | None) -> None:
        counts = difference.counts()
        write = self.stdout.write
        write(
            f"Registre du {difference.date:%d/%m/%Y} : {counts['rows']} lignes, {counts['establishments']} "
            f"établissements, {counts['pos']} pouvoirs organisateurs, {counts['sites']} implantations."
        )
        self.several("À créer", [f"{change.number} {change.new}" for change in difference.of(Field.CREATED)])
        self.several(
            "Changent de nom",
            [f"{change.number} « {change.old} » → « {change.new} »" for change in difference.of(Field.NAME)],
        )
        self.several(
            "Changent de pouvoir organisateur",
            [
                f"{change.number} {change.name} : PO {change.old or 'inconnu'} → PO {change.new}"
                for change in difference.of(Field.PO)
            ],
        )
        self.several(
            f"Absents du registre depuis le {difference.date:%d/%m/%Y} (rien n’est supprimé)",
            [f"{change.number} {change.name}" for change in difference.of(Field.ABSENT)],
        )
        self.several(
            "De retour dans le registre",
            [
                f"{change.number} {change.name}, absent depuis le {change.old}"
                for change in difference.of(Field.RETURNED)
            ],
        )
        told = {Field.CREATED, Field.NAME, Field.PO, Field.ABSENT, Field.RETURNED}
        others = [change for change in difference.changes if change.field not in told]
        self.several(
            "Autres faits qui changent",
            [f"{c.number} {Field(c.field).label} : « {shown(c.old)} » → « {shown(c.new)} »" for c in others],
        )
        self.several(
            "Contradictions dans le registre (la valeur connue est gardée, une unité sans nom sûr n’est pas créée)",
            [_told(conflict) for conflict in difference.register.conflicts],
        )
        told_where = "" if rejects else " ; --rejects FICHIER les donne toutes"
        self.several(
            f"Lignes rejetées{told_where}", [f"ligne {line} : {why}" for line, why in difference.register.rejected]
        )

    def several(self, title: str, lines: list[str]) -> None:
        if not lines:
            return
        self.stdout.write(f"\n{title} : {len(lines)}")
        for line in lines[:FIRST]:
            self.stdout.write(f"  {line}")
        if len(lines) > FIRST:
            self.stdout.write(f"  … et {len(lines) - FIRST} de plus")

    def conclusion(self, difference: register.Difference, wet: bool) -> str:
        if not difference:
            return "\nRien ne change."
        if wet:
            return "\nC’est fait : la différence est appliquée."
        return "\nEssai à blanc : rien n’est écrit. Relancez avec --wet-run pour appliquer."


def _bytes(file: Path) -> bytes:
    name = shown(str(file), 300)
    try:
        if file.is_dir():
            raise Refusal(f"« {name} » est un dossier : donnez un fichier du registre.")
        if not file.exists():
            raise Refusal(f"Le fichier « {name} » n’existe pas.")
        if not file.is_file():
            raise Refusal(f"« {name} » n’est pas un fichier ordinaire.")
        if file.stat().st_size > LARGEST_FILE:
            raise Refusal(f"« {name} » dépasse 100 Mo : ce n’est pas le registre FASE.")
        return file.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refusal(f"« {name} » ne peut pas être lu : {reason}.") from None


def _write_rejects(path: Path | None, rejected: list[Rejected]) -> None:
    """Before anything is applied: an import whose rejects cannot be kept does not take place."""
    if path is None:
        return
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["line", "reason"])
            writer.writerows([line or "", _safe(reason)] for line, reason in rejected)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refusal(f"« {shown(str(path), 300)} » ne peut pas être écrit : {reason}.") from None


def _safe(cell: str) -> str:
    """A spreadsheet must not take it for a formula (SEC-F6)."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _told(conflict: fase.Conflict) -> str:
    label = Field(conflict.field).label if conflict.field in Field.values else conflict.field
    number = (
        f"{conflict.kind.upper()} {conflict.fase:06d}"
        if conflict.kind != fase.SITE
        else f"implantation {conflict.fase}"
    )
    values = ", ".join(f"« {shown(value)} » (ligne {line})" for value, line in conflict.values)
    return f"{number}, {label} : {values}"
