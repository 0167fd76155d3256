"""The result of a night: ETNIC's tools move the mailboxes, the portal records what they say.

Order of a night: mail 4 leaves while the address is still read on the old interface, ETNIC moves the mailbox, the
result is recorded here.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction
from django.db.models import Q

from accounts.addresses import parse
from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.errors import Refusal
from migration.models import Mailing, Move
from migration.phases import facts_at

NIGHT_LOCK = 730_002  # advisory, held to the end of the transaction


@dataclass(frozen=True)
class Result:
    """What ETNIC says of one mailbox; `line` is where it was read."""

    address: str
    moved: bool
    detail: str = ""
    line: int = 0


@dataclass
class Report:
    migrated: int = 0
    failed: int = 0
    already: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def read_results(path: Path) -> list[Result]:
    """Results from a CSV file with the columns `adresse;resultat;detail` (ok or echec), comma or semicolon.

    Raises Refusal, naming the line, if a line does not say what it must.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Refusal(f"Le fichier {path} ne peut pas être lu.") from error
    except UnicodeDecodeError as error:
        raise Refusal(f"Le fichier {path} n'est pas en UTF-8.") from error
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=delimiter))
    except csv.Error as error:
        raise Refusal(f"Le fichier {path} n'est pas un CSV lisible.") from error
    header = [cell.strip().lower() for cell in (rows[0] if rows else [])]
    if header[:2] != ["adresse", "resultat"]:
        raise Refusal("La première ligne doit nommer les colonnes : adresse;resultat;detail.")
    results = []
    for line, row in enumerate(rows[1:], start=2):
        if not all(cell.isprintable() for cell in row):
            raise Refusal(f"Ligne {line} : un caractère invisible s'y trouve, le fichier est peut-être abîmé.")
        if not any(cell.strip() for cell in row):
            continue
        word = row[1].strip().lower() if len(row) > 1 else ""
        if word not in {"ok", "echec", "échec"}:
            raise Refusal(f"Ligne {line} : le résultat doit être « ok » ou « echec ».")
        detail = row[2].strip() if len(row) > 2 else ""
        results.append(Result(row[0].strip(), word == "ok", detail[:300], line))
    return results


def record(results: Iterable[Result], *, by: str, at: datetime, signed: str = "", write: bool = True) -> Report:
    """Record each mailbox's result at `at`; one bad line does not stop the others.

    A mailbox whose mail 2 was not delivered, or whose mail 4 has not left, is refused unless a person signs for it.
    The same result twice changes nothing. All of it is written at once, with its line of audit.
    """
    report = Report()
    with transaction.atomic():
        if write:
            with connection.cursor() as cursor:  # two files of the same night, in another order: one after the other
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NIGHT_LOCK])
        for result in results:
            try:
                with transaction.atomic():
                    _record_one(result, report, by=by, at=at, signed=signed, write=write)
            except Refusal as refusal:
                report.refused.append((f"ligne {result.line} ({result.address})", str(refusal)))
        if write:
            _tell_the_audit(report, by=by, at=at, signed=signed)
    return report


def _tell_the_audit(report: Report, *, by: str, at: datetime, signed: str) -> None:
    counts = {"migrées": report.migrated, "en échec": report.failed, "déjà": report.already}
    audit.record(
        "cutover.recorded",
        by=by,
        at=at,
        why=signed,
        result="ok" if any(counts.values()) else audit.REFUSED,
        details={**counts, "refusées": len(report.refused)},
    )


def _record_one(result: Result, report: Report, *, by: str, at: datetime, signed: str, write: bool) -> None:
    parsed = parse(result.address)
    mailbox = Mailbox.objects.filter(organisation__fase=parsed.fase, organisation__kind=parsed.kind).first()
    if mailbox is None or parsed.kind is None:
        raise Refusal("cette adresse n'est celle d'aucune boîte connue.")
    # All of them are locked and read at once: of two who record the same night, the second sees what the first wrote.
    moves = list(Move.objects.select_for_update(of=("self",)).filter(mailbox=mailbox).order_by("pk"))
    if result.moved and any(move.status == Move.Status.MIGRATED for move in moves):
        report.already += 1
        return
    move = next((move for move in moves if move.status == Move.Status.PLANNED), None)
    if move is None:
        raise Refusal("cette boîte n'est dans aucun lot en cours.")
    if not result.moved:
        report.failed += 1
        if write:
            why = result.detail or "cause non précisée"
            move.move_to(Move.Status.FAILED, by=by, at=at, note=why, failure=why)
        return
    missing = [] if Mailing.Step.CREDENTIALS in facts_at(mailbox, at).delivered else ["mail 2"]
    this_night = move.mailings.filter(step=Mailing.Step.CLOSING, mail__sent_at__lte=at)  # not a former night's
    if not this_night.filter(Q(mail__bounced_at=None) | Q(mail__bounced_at__gt=at)).exists():
        missing.append("mail 4")
    if missing and not signed:
        raise Refusal(f"{' et '.join(missing)} n'est pas parti : migration refusée sans dérogation signée.")
    report.migrated += 1
    if write:
        signature = signed if missing else ""
        move.move_to(Move.Status.MIGRATED, by=by, at=at, note=signature, migrated_at=at, signed_by=signature)
