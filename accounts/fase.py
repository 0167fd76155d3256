"""Reads the FASE register in all the shapes it comes in; knows nothing of the database.

Two CSV exports of the open data (labels of three vintages, comma or semicolon, zero to two byte-order marks, numbers
written `5464`, `5464.0` or `005464`) and the JSON of its API give one `Register`. Establishments, POs and sites are
three separate spaces of numbers. One row is one (establishment, site, type of education).

What cannot be read is never guessed. A file at fault as a whole raises `Unreadable`; a row at fault is rejected with
its reason; a number for which the rows disagree is a `Conflict`, and the fact in dispute is left out (None), which
the register's application understands as « keep what is stored ».
"""

import gc
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple

from accounts.addresses import EC, PO
from accounts.fase_files import BY_LABEL, REQUIRED, Unreadable, decode, label, rows_of, shown

SITE = "site"
LONGEST = 250  # characters of a text; the longest seen has 140
LONGEST_POSTAL_CODE = 10

_NUMBER = re.compile(r"([0-9]{1,6})(?:\.0)?", re.ASCII)
_BCE = re.compile(r"([0-9]{9,10})(?:\.0)?", re.ASCII)


class Unit(NamedTuple):
    """An establishment or a PO as the register has it; None where the register does not say."""

    kind: str
    fase: int
    name: str | None
    network: str | None
    bce: str | None
    address: str | None
    postal_code: str | None
    locality: str | None
    municipality: str | None
    zone: str | None
    district: str | None
    po: int | None
    unit_types: list[str] | None
    levels: list[str] | None
    sites: list[int] | None


class Site(NamedTuple):
    """An « implantation »: a place. It has a number of its own, and no mailbox."""

    fase: int
    address: str | None
    postal_code: str | None
    locality: str | None
    municipality: str | None


class Rejected(NamedTuple):
    line: int  # of the file; for JSON, the rank of the record
    reason: str


class Conflict(NamedTuple):
    kind: str
    fase: int
    field: str
    values: tuple[tuple[str, int], ...]  # each value with the first line that gives it


@dataclass
class Register:
    establishments: dict[int, Unit]
    pos: dict[int, Unit]
    sites: dict[int, Site]
    rows: int  # of data, rejected ones included
    rejected: list[Rejected]
    conflicts: list[Conflict]
    mentioned: set[tuple[str, int]]  # named by a rejected row: not read, yet not absent either
    read: list[list[str]]  # the rows that were not rejected, as they are written
    places: dict[str, int]  # of the columns in them
    sha256: str = field(default="")

    def units(self) -> Iterator[Unit]:
        """POs first: establishments refer to them."""
        yield from self.pos.values()
        yield from self.establishments.values()

    def tally(self, column: str) -> Counter[str]:
        """How many rows have each value of a column (a name of COLUMNS)."""
        return Counter(map(itemgetter(self.places[column]), self.read))


@contextmanager
def collector_paused() -> Iterator[None]:
    """A hundred thousand small tuples and no cycle: the collector would only walk the whole process's heap, in vain.

    It doubled the time of an import.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@collector_paused()
def read(data: bytes) -> Register:
    """Read a register, CSV or JSON. Raises `Unreadable` when the file itself is at fault."""
    header, rows, lines = rows_of(decode(data))
    register = _Reader(header).read(rows, lines)
    if not register.rows:
        raise Unreadable("Ce fichier a des intitulés de colonnes, mais aucune ligne de données.")
    register.sha256 = hashlib.sha256(data).hexdigest()
    return register


# From cells to facts, column by column: what a cell says is found once for each distinct text, and the loops that
# remain run inside the interpreter. 8,300 rows take a tenth of a second.


class _Bad(ValueError):
    """A cell that cannot be read; the message is the reason, in French."""


def _text(raw: str) -> str:
    """Outer and doubled spaces go, the Unicode form is one, nothing invisible is let in."""
    if not raw.isprintable():
        for char in raw:
            if not char.isprintable() and unicodedata.category(char) != "Zs":
                raise _Bad(f"« {shown(raw)} » contient un caractère de contrôle ou invisible (U+{ord(char):04X})")
        raw = " ".join(raw.split())
    elif "  " in raw or raw[:1] == " " or raw[-1:] == " ":
        raw = " ".join(raw.split())
    if len(raw) > LONGEST:
        raise _Bad(f"« {shown(raw)} » dépasse {LONGEST} caractères")
    return raw if raw.isascii() else unicodedata.normalize("NFC", raw)


def _required(what: str) -> Callable[[str], str]:
    def text(raw: str) -> str:
        if clean := _text(raw):
            return clean
        raise _Bad(f"{what} est vide")

    return text


def _number(what: str) -> Callable[[str], int]:
    def number(raw: str) -> int:
        match = _NUMBER.fullmatch(raw) or _NUMBER.fullmatch(raw.strip())
        if match is None or not (value := int(match[1])):
            raise _Bad(f"{what} « {shown(raw)} » : un nombre de 1 à 999999 est attendu")
        return value

    return number


def _number_or_none(what: str) -> Callable[[str], int]:
    """0 for an empty cell: an establishment may have no site yet."""
    number = _number(what)
    return lambda raw: number(raw) if raw.strip() else 0


def _bce(raw: str) -> str:
    """Ten digits; a spreadsheet eats the leading zero of nearly every PO's number."""
    clean = _text(raw)
    if not clean:
        return ""
    match = _BCE.fullmatch(clean)
    if match is None:
        raise _Bad(f"numéro BCE « {shown(clean)} » : dix chiffres sont attendus")
    return match[1].zfill(10)


def _postal_code(raw: str) -> str:
    clean = _text(raw).removesuffix(".0")
    if len(clean) > LONGEST_POSTAL_CODE:
        raise _Bad(f"code postal « {shown(clean)} » : {LONGEST_POSTAL_CODE} caractères au plus")
    return clean


class _Column(dict[str, Any]):
    """What each distinct text of a column says; `bad` has those that say nothing, with the reason."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self.read = read
        self.bad: dict[str, str] = {}

    def __missing__(self, raw: str) -> Any:
        value = None
        try:
            value = self.read(raw)
        except _Bad as bad:
            self.bad[raw] = str(bad)
        self[raw] = value
        return value


_WHERE = ("address", "postal_code", "locality", "municipality")
_WHO = ("name", "network", "bce", *_WHERE)
# The three spaces of numbers: the column of the number, then a column for each fact, in the order of Unit and Site.
_SPACES = {
    EC: ("fase", {name: name for name in (*_WHO, "zone", "district")} | {"po": "po_fase"}),
    PO: ("po_fase", {name: name if name == "network" else f"po_{name}" for name in _WHO}),
    SITE: ("site_fase", {name: f"site_{name}" for name in _WHERE}),
}


class _Reader:
    """From rows of cells to a register."""

    def __init__(self, header: list[str]) -> None:
        self.width = len(header)
        places: dict[str, int] = {}
        for place, cell in enumerate(header):
            column = BY_LABEL.get(label(cell))
            if column in places:
                raise Unreadable(f"Deux colonnes portent l’intitulé « {shown(cell.strip())} ».", 1)
            if column:
                places[column] = place
        if missing := [words for column, words in REQUIRED.items() if column not in places]:
            names = ", ".join(f"« {words} »" for words in missing)
            plural = "les colonnes" if len(missing) > 1 else "la colonne"
            raise Unreadable(f"Il manque {plural} {names} : est-ce bien le registre FASE ?", 1)
        plain = _Column(_text)
        readers: dict[str, Callable[[str], Any]] = {
            "fase": _number("numéro FASE de l’établissement"),
            "po_fase": _number("numéro FASE du PO"),
            "site_fase": _number_or_none("numéro FASE de l’implantation"),
            "name": _required("le nom de l’établissement"),
            "po_name": _required("le nom du PO"),
            "network": _required("le réseau"),
        }
        readers |= dict.fromkeys(("bce", "po_bce"), _bce)
        readers |= dict.fromkeys(("postal_code", "po_postal_code", "site_postal_code"), _postal_code)
        stored = {"type", "level"}.union(*([number, *facts.values()] for number, facts in _SPACES.values()))
        self.places = places
        self.columns = {
            name: _Column(readers[name]) if name in readers else plain for name in places if name in stored
        }
        self.rejected: list[Rejected] = []
        self.mentioned: set[tuple[str, int]] = set()
        self.conflicts: list[Conflict] = []

    def read(self, rows: list[list[str]], lines: Sequence[int]) -> Register:
        """`lines` says where each row stands in the file."""
        if set(map(len, rows)) - {self.width}:
            rows, lines = self._without(rows, lines, self._wrong_width)
        said = {kind: self._said(kind, rows) for kind in _SPACES}
        taught = self._taught(rows)
        if any(column.bad for column in self.columns.values()):
            rows, lines = self._without(rows, lines, self._bad_cells)
            said = {kind: self._said(kind, rows) for kind in _SPACES}
            taught = self._taught(rows)
        found = {kind: self._facts(kind, said[kind], rows, lines) for kind in _SPACES}
        # A PO has no zone, district, PO, types, levels or sites of its own.
        nothing_more: tuple[Any, ...] = ("", "", None, [], [], [])
        return Register(
            establishments={values[0]: Unit._make((EC, *values, *taught[values[0]])) for values in found[EC]},
            pos={values[0]: Unit._make((PO, *values, *nothing_more)) for values in found[PO]},
            sites={values[0]: Site._make(values) for values in found[SITE]},
            rows=len(rows) + len(self.rejected),
            rejected=sorted(self.rejected),
            conflicts=self.conflicts,
            mentioned=self.mentioned,
            read=rows,
            places=self.places,
        )

    def _without(
        self, rows: list[list[str]], lines: Sequence[int], reasons: Callable[[list[str]], list[str]]
    ) -> tuple[list[list[str]], Sequence[int]]:
        """The rows that nothing speaks against; the others are rejected, save those that are empty."""
        good: list[tuple[list[str], int]] = []
        for row, line in zip(rows, lines, strict=True):
            if not (why := reasons(row)):
                good.append((row, line))
            elif any(cell.strip() for cell in row):
                self.rejected.append(Rejected(line, " ; ".join(dict.fromkeys(why))))
                self._mention(row)
        return [row for row, _ in good], [line for _, line in good]

    def _wrong_width(self, row: list[str]) -> list[str]:
        return [] if len(row) == self.width else [f"{len(row)} cellules au lieu de {self.width}"]

    def _bad_cells(self, row: list[str]) -> list[str]:
        cells = ((column, row[self.places[name]]) for name, column in self.columns.items())
        return [column.bad[cell] for column, cell in cells if cell in column.bad]

    def _mention(self, row: list[str]) -> None:
        """A row that cannot be read may still say of whom it speaks."""
        for kind, column in ((EC, "fase"), (PO, "po_fase")):
            place = self.places[column]
            if place < len(row) and (number := self.columns[column][row[place]]):
                self.mentioned.add((kind, number))

    def _said(self, kind: str, rows: list[list[str]]) -> dict[tuple[Any, ...], None]:
        """Each distinct thing that the rows say of a number of that space: the number, then its facts."""
        number, facts = _SPACES[kind]
        if number not in self.places or not rows:
            return {}
        present = [name for name in (number, *facts.values()) if name in self.places]
        pick = itemgetter(*(self.places[name] for name in present), self.places[number])  # twice: never a bare cell
        groups = dict.fromkeys(map(pick, rows))
        cells = dict(zip(present, zip(*groups, strict=True), strict=False))
        read = [
            map(self.columns[name].__getitem__, cells[name]) if name in cells else repeat(None, len(groups))
            for name in (number, *facts.values())
        ]
        return dict.fromkeys(zip(*read, strict=True))

    def _facts(
        self, kind: str, said: Iterable[tuple[Any, ...]], rows: list[list[str]], lines: Sequence[int]
    ) -> Iterator[tuple[Any, ...]]:
        """Each number once; a fact on which the rows disagree becomes None, and a conflict."""
        of: dict[int, list[tuple[Any, ...]]] = {}
        for values in said:
            if values[0]:
                of.setdefault(values[0], []).append(values)
        for fase, versions in of.items():
            if len(versions) == 1:
                yield versions[0]
            else:
                names = enumerate(_SPACES[kind][1], 1)
                yield fase, *(self._agreed(kind, name, rank, versions, rows, lines) for rank, name in names)

    def _agreed(
        self,
        kind: str,
        name: str,
        rank: int,
        versions: list[tuple[Any, ...]],
        rows: list[list[str]],
        lines: Sequence[int],
    ) -> Any:
        values = list(dict.fromkeys(values[rank] for values in versions))
        stated = [value for value in values if value not in ("", None)]  # an empty cell contradicts nothing
        if len(stated) < 2:
            return stated[0] if stated else values[0]
        number, facts = _SPACES[kind]
        where: dict[Any, int] = {}
        for row, line in zip(rows, lines, strict=True):
            if self.columns[number][row[self.places[number]]] == versions[0][0]:
                where.setdefault(self.columns[facts[name]][row[self.places[facts[name]]]], line)
        self.conflicts.append(
            Conflict(kind, versions[0][0], name, tuple((str(value), where[value]) for value in stated))
        )
        return None

    def _taught(self, rows: list[list[str]]) -> dict[int, tuple[list[Any] | None, ...]]:
        """The types, the levels and the sites of each establishment; None for a column that is not there."""

        def column(name: str) -> list[Any]:
            return list(map(self.columns[name].__getitem__, map(itemgetter(self.places[name]), rows)))

        fases = column("fase")
        taught: list[dict[int, list[Any]] | None] = []
        for name in ("type", "level", "site_fase"):
            of: dict[int, list[Any]] = {fase: [] for fase in fases}
            if name in self.places:
                pairs = dict.fromkeys(zip(fases, column(name), strict=True))
                for fase, value in pairs:
                    if value:
                        of[fase].append(value)
                for values in of.values():
                    values.sort()
            taught.append(of if name in self.places else None)
        return {fase: tuple([of[fase] if of is not None else None for of in taught]) for fase in dict.fromkeys(fases)}
