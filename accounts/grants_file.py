"""A file of permissions, GIAs and holders as MODE exports them: read, checked whole, then applied whole or not at all.

One row: who (Cerbère's identifier), what (`role`), for which unit, from when to when. The same file twice changes
nothing: a row already recorded, even if it was withdrawn or ended since, is left as it is.
"""

import csv
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from django.db import transaction

from accounts import holders, people
from accounts.addresses import parse
from accounts.deeds import Deeds
from accounts.grants import check_period, facts_of
from accounts.models import Gia, Holder, Organisation, ResetGrant, User
from accounts.units import unit_of
from bma_portal import audit
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal

PERMISSION, GIA, HOLDER = "permission", "gia", "titulaire"
ROLES = (GIA, HOLDER, PERMISSION)  # in this order: whoever grants is known before what was granted
REQUIRED = ("identifiant", "fase", "debut")
COLUMNS = ("role", "identifiant", "nom", "prenom", "fase", "debut", "fin", "accorde_par", "source")
LARGEST_FILE = 20 * 1024 * 1024
LONGEST_NAME = 150
LONGEST_SOURCE = 200


@dataclass(frozen=True)
class Row:
    line: int
    role: str
    subject: str
    first_name: str
    last_name: str
    number: str
    starts_on: date
    ends_on: date | None
    granted_by: str
    source: str


@dataclass
class Report:
    """What a file did, or would do."""

    rows: int = 0
    made: Counter = field(default_factory=Counter)  # by role
    already: int = 0
    people: int = 0  # made known by this file
    errors: list[tuple[int, str]] = field(default_factory=list)


class _Undone(Exception):
    """Raised to take back all that a trial wrote."""


def apply(rows: list[Row], report: Report, *, source: str, by: str, at: datetime, write: bool) -> None:
    """Apply what `read` found in one transaction if `write` and if no row is at fault, else say what it would do.

    `source` is the name of the file. Raises nothing for a row: its fault is in the report.
    """
    try:
        with transaction.atomic():
            deeds = Deeds()
            _apply(rows, report, deeds, by=by, at=at, source=source)
            if report.errors or not write:
                raise _Undone
            deeds.write()
    except _Undone:
        if write:
            lines = {"rows": report.rows, "errors": len(report.errors)}
            audit.record("grant.imported", at=at, by=by, why=source[:200], result="refused", details=lines)


def read(path: Path, report: Report) -> list[Row]:
    """The rows that can be read; the others are in `report.errors`. Raises Refusal."""
    text = _text(path)
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    try:
        lines = list(csv.reader(text.splitlines(), delimiter=delimiter, strict=True))
    except csv.Error:
        raise Refusal("Ce fichier n’est pas un CSV lisible.") from None
    header = [cell.strip().lower() for cell in (lines[0] if lines else [])]
    if unknown := sorted({name for name in header if name not in COLUMNS}):
        shown = ", ".join(f"« {_shown(name)} »" for name in unknown)
        raise Refusal(f"Colonne inconnue : {shown}. Les colonnes sont : {' ; '.join(COLUMNS)}.")
    if missing := [name for name in REQUIRED if name not in header]:
        raise Refusal(f"Il manque la colonne « {missing[0]} ». Les colonnes sont : {' ; '.join(COLUMNS)}.")
    if len(set(header)) != len(header):
        raise Refusal("Une colonne est donnée deux fois.")
    rows = []
    for line, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        report.rows += 1
        try:
            rows.append(_row(line, header, cells))
        except Refusal as refusal:
            report.errors.append((line, str(refusal)))
    if not report.rows:
        raise Refusal("Ce fichier ne contient aucune ligne.")
    return rows


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise Refusal("Ce fichier dépasse 20 Mo : ce n’est pas une liste de permissions.")
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise Refusal("Ce fichier n’est pas en UTF-8.") from None
        raise Refusal(f"Le fichier « {_shown(str(path))} » ne peut pas être lu.") from None


def _row(line: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise Refusal(f"cette ligne a {len(cells)} cellules, l’en-tête en a {len(header)}.")
    if not all(cell.isprintable() for cell in cells):
        raise Refusal("un signe invisible s’y trouve : le fichier est peut-être abîmé.")
    of = dict.fromkeys(COLUMNS, "") | {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    role = of["role"].lower() or PERMISSION
    if role not in ROLES:
        raise Refusal(f"rôle « {_shown(of['role'])} » : {', '.join(ROLES)} sont attendus.")
    starts_on, ends_on = _day("debut", of["debut"]), _day("fin", of["fin"]) if of["fin"] else None
    if ends_on is None and role == PERMISSION:
        raise Refusal("une permission a une fin : remplissez la colonne « fin ».")
    if ends_on is not None and ends_on < starts_on:
        raise Refusal("la fin suit le début.")
    if of["accorde_par"] and role != PERMISSION:
        raise Refusal("« accorde_par » ne vaut que pour une permission.")
    if max(len(of["nom"]), len(of["prenom"])) > LONGEST_NAME or len(of["source"]) > LONGEST_SOURCE:
        raise Refusal("un nom ou une source est trop long.")
    return Row(
        line, role, people.subject_of(of["identifiant"]), of["prenom"], of["nom"], of["fase"], starts_on, ends_on,
        people.subject_of(of["accorde_par"]) if of["accorde_par"] else "", of["source"],
    )  # fmt: skip


def _day(name: str, text: str) -> date:
    """`2026-09-01`, or `01/09/2026` as a French spreadsheet writes it."""
    for pattern in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            found = datetime.strptime(text, pattern).date()  # noqa: DTZ007  a day has no time zone
        except ValueError:
            continue
        if 2000 <= found.year <= 2100:
            return found
    raise Refusal(f"« {_shown(text)} » dans « {name} » n’est pas une date (AAAA-MM-JJ).")


def _apply(rows: list[Row], report: Report, deeds: Deeds, *, by: str, at: datetime, source: str) -> None:
    acts: dict[str, Callable[..., bool]] = {PERMISSION: _permission, GIA: _gia, HOLDER: _holder}
    # Holders in the order of time: each one ends the period of the one before, wherever they stand in the file.
    for row in sorted(rows, key=lambda row: (ROLES.index(row.role), row.starts_on, row.line)):
        with _reported(report, row):
            unit = _unit(row.number)
            known = people.person_of(row.subject)
            if known is None and not (row.first_name and row.last_name):
                raise Refusal("cette personne n’est pas encore connue : donnez son nom et son prénom.")
            user = known or people.known_as(row.subject, first_name=row.first_name, last_name=row.last_name)
            facts = {"by": by, "at": at, "source": row.source or source[:LONGEST_SOURCE]}
            if acts[row.role](row, unit, user, deeds, **facts):
                report.made[row.role] += 1
            else:
                report.already += 1
            report.people += known is None


@contextmanager
def _reported(report: Report, row: Row):
    """A row at fault writes nothing and does not hide the faults of the next ones."""
    try:
        with transaction.atomic():
            yield
    except Refusal as refusal:
        report.errors.append((row.line, str(refusal)))


def _unit(text: str) -> Organisation:
    found = unit_of(parse(text))
    return Organisation.objects.select_for_update(of=("self",), no_key=True).get(pk=found.pk)


def _permission(row: Row, unit: Organisation, user: User, deeds: Deeds, *, by: str, at: datetime, source: str) -> bool:
    assert row.ends_on is not None
    same = {"user": user, "organisation": unit, "starts_on": row.starts_on, "ends_on": row.ends_on}
    if ResetGrant.objects.filter(**same).exists():
        return False
    if row.ends_on < brussels_date(at):
        raise Refusal("cette permission est déjà arrivée à sa fin.")
    check_period(unit, to=user, starts_on=row.starts_on, ends_on=row.ends_on, at=at)
    granter = _granter(row, unit, user) if row.granted_by else None
    made = ResetGrant.objects.create(**same, granted_by=granter, recorded_at=at, recorded_by=by, source=source)
    deeds.note("grant.made", about=made, by=by, at=at, why=source, details=facts_of(made))
    return True


def _granter(row: Row, unit: Organisation, user: User) -> User:
    """A GIA of that unit or of its PO on the first day: the rule of the portal holds for a file too (SEC-B5)."""
    granter = people.person_of(row.granted_by)
    if granter == user:
        raise Refusal("on ne s’accorde pas une permission à soi-même.")
    units = [unit.pk, unit.po_id] if unit.po_id else [unit.pk]
    periods = Gia.objects.filter(user=granter, organisation__in=units, starts_on__lte=row.starts_on)
    if granter is None or not any(gia.ends_on is None or gia.ends_on >= row.starts_on for gia in periods):
        raise Refusal("la personne de « accorde_par » n’est pas GIA de cette unité à la date de début.")
    return granter


def _gia(row: Row, unit: Organisation, user: User, deeds: Deeds, *, by: str, at: datetime, source: str) -> bool:
    if Gia.objects.filter(user=user, organisation=unit, starts_on=row.starts_on).exists():
        return False
    dates = {"starts_on": row.starts_on, "ends_on": row.ends_on}
    holders.make_gia(unit, to=user, by=by, at=at, source=source, deeds=deeds, **dates)
    return True


def _holder(row: Row, unit: Organisation, user: User, deeds: Deeds, *, by: str, at: datetime, source: str) -> bool:
    if Holder.objects.filter(user=user, organisation=unit, starts_on=row.starts_on).exists():
        return False
    if row.ends_on is not None:
        raise Refusal("un ou une titulaire n’a pas de fin : la période finit quand commence celle d’un autre.")
    if row.starts_on > brussels_date(at):
        raise Refusal("un changement de titulaire se consigne le jour où il a lieu, ou après.")
    holders.replace(unit, to=user, by=by, on=row.starts_on, at=at, source=source, deeds=deeds)
    return True


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:60])
