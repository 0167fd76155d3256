"""The files of a night, from bytes to rows: what ETNIC's tools say before it and after it.

A file is read whole and judged line by line: one line at fault, and nothing of the file is recorded (`faults`). What
the portal's rules think of a row that reads well is not decided here.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from accounts.addresses import address_of, parse
from bma_portal.errors import Refusal

LARGEST = 500_000  # bytes: ten times a night; read at once, and sent back signed by the page that asks to confirm
MOST_FAULTS = 1000  # beyond, the file is another one
MOST_ITEMS = 10_000_000
LONGEST_DETAIL = 300
COLUMNS, NEEDED = ("adresse", "resultat", "detail", "ignores"), ("adresse", "resultat")
WORDS = {"ok": True, "echec": False, "échec": False}
BEFORE_COLUMNS, BEFORE_NEEDED = ("adresse", "ancien", "nouveau", "taille_mo"), ("adresse",)
YES_NO = {"oui": True, "non": False, "": None}

Row = TypeVar("Row")


@dataclass(frozen=True)
class Result:
    """What ETNIC says of one mailbox; `line` is where it was read. `skipped`: items that its tools left behind."""

    address: str
    moved: bool
    detail: str = ""
    line: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class Finding:
    """What ETNIC's tools found of one mailbox before its night. None: they do not say."""

    address: str
    on_old_server: bool | None = None
    on_new_server: bool | None = None
    size_mb: int | None = None
    line: int = 0


@dataclass(frozen=True)
class Fault:
    """A line that does not say what it must, or speaks of a mailbox that has nothing to do here."""

    line: int
    address: str
    why: str


@dataclass
class Read(Generic[Row]):
    """A file: what it says, and the lines that cannot be read."""

    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def bytes_of(path: Path) -> bytes:
    """Raises Refusal."""
    try:
        if path.stat().st_size > LARGEST:
            raise Refusal(too_large())
        return path.read_bytes()
    except (OSError, ValueError):
        raise Refusal(f"Le fichier « {shown(str(path))} » ne peut pas être lu.") from None


def results(content: bytes) -> Read[Result]:
    """The results of a night, `adresse;resultat;detail[;ignores]`. Raises Refusal if it is not such a file."""
    return _read(content, COLUMNS, NEEDED, _result)


def findings(content: bytes) -> Read[Finding]:
    """What was found before a night, `adresse;ancien;nouveau;taille_mo`. Raises Refusal if it is not such a file."""
    return _read(content, BEFORE_COLUMNS, BEFORE_NEEDED, _finding)


def too_large() -> str:
    return f"Ce fichier dépasse {LARGEST // 1000} ko : ce n’est pas la liste d’une nuit."


def shown(text: str) -> str:
    """What was typed, short enough and harmless to repeat."""
    return "".join(char if char.isprintable() else "?" for char in text[:60])


def _read(
    content: bytes,
    columns: Sequence[str],
    needed: Sequence[str],
    row_of: Callable[[int, str, dict[str, str]], Row],
) -> Read[Row]:
    found: Read[Row] = Read()
    places: dict[str, int] = {}  # address → the line that has it first
    for line, cells in _table(content, columns, needed, found.faults):
        try:
            address = _address(cells["adresse"])
            if address in places:
                raise Refusal(f"cette adresse est déjà à la ligne {places[address]}.")
            places[address] = line
            found.rows.append(row_of(line, address, cells))
        except Refusal as refusal:
            _blame(found.faults, line, cells["adresse"], str(refusal))
    if not found.rows and not found.faults:
        raise Refusal("Ce fichier ne contient aucune ligne.")
    return found


def _table(
    content: bytes, columns: Sequence[str], needed: Sequence[str], faults: list[Fault]
) -> Iterable[tuple[int, dict[str, str]]]:
    """The rows under a header that is known; those that are no row of that table go to `faults`."""
    names = ";".join(columns)
    rows = _rows(content)
    header = [cell.strip().lower() for cell in next(rows, (0, []))[1]]
    if unknown := sorted({name for name in header if name not in columns}):
        listed = ", ".join(f"« {shown(name)} »" for name in unknown[:5])
        raise Refusal(f"Colonne inconnue : {listed}. La première ligne nomme les colonnes : {names}.")
    if missing := [name for name in needed if name not in header]:
        raise Refusal(f"Il manque la colonne « {missing[0]} ». La première ligne nomme les colonnes : {names}.")
    if len(set(header)) != len(header):
        raise Refusal("Une colonne est donnée deux fois.")
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        address = cells[header.index("adresse")] if len(cells) > header.index("adresse") else ""
        if not all(cell.isprintable() for cell in cells):
            _blame(faults, line, address, "un caractère invisible s’y trouve, le fichier est peut-être abîmé.")
        elif len(cells) > len(header):
            _blame(faults, line, address, f"cette ligne a {len(cells)} cellules, la première en a {len(header)}.")
        else:
            short = [cell.strip() for cell in cells] + [""] * (len(header) - len(cells))
            yield line, dict.fromkeys(columns, "") | dict(zip(header, short, strict=True))


def _blame(faults: list[Fault], line: int, address: str, why: str) -> None:
    """Raises Refusal for a file of which so much is at fault that it is another file."""
    faults.append(Fault(line, shown(address), why))
    if len(faults) > MOST_FAULTS:
        first = faults[0]
        words = f"Plus de {MOST_FAULTS} lignes sont à corriger, dès la ligne {first.line} : {first.why}"
        raise Refusal(words) from None


def _rows(content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Numbered as a text editor numbers them. Raises Refusal."""
    if len(content) > LARGEST:
        raise Refusal(too_large())
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal("Ce fichier n’est pas en UTF-8 : enregistrez-le en « CSV UTF-8 ».") from None
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error:
        raise Refusal(f"Ce fichier n’est pas un CSV lisible (ligne {reader.line_num}).") from None


def _address(text: str) -> str:
    if not text:
        raise Refusal("l’adresse manque.")
    try:
        parsed = parse(text)
    except Refusal:
        raise Refusal("ce n’est pas l’adresse d’une boîte administrative.") from None
    if parsed.kind is None:
        raise Refusal("ce numéro peut être celui d’un établissement ou d’un PO : écrivez l’adresse entière.")
    return address_of(parsed.kind, parsed.fase)


def _result(line: int, address: str, cells: dict[str, str]) -> Result:
    if not cells["resultat"]:
        raise Refusal("le résultat manque : « ok » ou « echec » est attendu.")
    moved = WORDS.get(cells["resultat"].lower())
    if moved is None:
        raise Refusal(f"« {shown(cells['resultat'])} » n’est pas un résultat : « ok » ou « echec » est attendu.")
    skipped = _count("ignores", cells["ignores"], MOST_ITEMS) or 0
    return Result(address, moved, cells["detail"][:LONGEST_DETAIL], line, skipped)


def _finding(line: int, address: str, cells: dict[str, str]) -> Finding:
    said = {}
    for name in ("ancien", "nouveau"):
        word = cells[name].lower()
        if word not in YES_NO:
            raise Refusal(f"« {shown(word)} » dans « {name} » : « oui » ou « non » est attendu.")
        said[name] = YES_NO[word]
    return Finding(address, said["ancien"], said["nouveau"], _count("taille_mo", cells["taille_mo"], MOST_ITEMS), line)


def _count(name: str, text: str, most: int) -> int | None:
    """A whole number; a size may have decimals, as French spreadsheets write them."""
    if not text:
        return None
    whole, _, decimals = text.replace(",", ".").partition(".")
    if not (whole + decimals).isascii() or not whole.isdigit() or (decimals and not decimals.isdigit()):
        raise Refusal(f"« {shown(text)} » dans « {name} » n’est pas un nombre.")
    if (decimals and name != "taille_mo") or len(whole) > len(str(most)) or int(whole) > most:
        raise Refusal(f"« {shown(text)} » dans « {name} » n’est pas un nombre possible.")
    return int(whole) + bool(decimals.strip("0"))
