"""The register's files, from bytes to a header and numbered rows: encoding, separator, JSON, labels of three vintages.

`fase.py` makes facts of them.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from accounts.words import fold
from bma_portal.errors import Refusal

Rows = tuple[list[str], list[list[str]], Sequence[int]]  # the header, the rows, the line of each

# What we call a column → its folded labels. The dataset changed its words twice; the API has its own.
COLUMNS = {
    "fase": ("n fase de l etablissement",),
    "name": ("nom d etablissement", "nom de l etablissement"),
    "bce": ("n bce de l etablissement",),
    "type": ("type d enseignement",),
    "level": ("niveau",),
    "genre": ("genre",),
    "network": ("reseau",),
    "address": ("adresse de l etablissement",),
    "postal_code": ("code postal de l etablissement",),
    "locality": ("localite de l etablissement",),
    "municipality": ("commune de l etablissement",),
    "zone": ("bassin",),
    "district": ("arrondissement administratif",),
    "site_fase": ("n fase de l implantation",),
    "site_address": ("adresse de l implantation",),
    "site_postal_code": ("code postal de l implantation",),
    "site_locality": ("localite de l implantation",),
    "site_municipality": ("commune de l implantation",),
    "latitude": ("latitude",),
    "longitude": ("longitude",),
    "po_fase": ("n fase du po",),
    "po_name": ("nom du po", "nom de po"),
    "po_bce": ("n bce du po",),
    "po_address": ("adresse du po",),
    "po_postal_code": ("code postal du po",),
    "po_locality": ("localite du po",),
    "po_municipality": ("commune du po",),
}
REQUIRED = {
    "fase": "N° FASE de l’établissement",
    "name": "Nom de l’établissement",
    "network": "Réseau",
    "po_fase": "N° FASE du PO",
    "po_name": "Nom du PO",
}
BY_LABEL = {label: column for column, labels in COLUMNS.items() for label in labels}


class Unreadable(Refusal):
    """The file as a whole is at fault; `line` where that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def shown(text: str, longest: int = 60) -> str:
    """A value as it may be printed: short, on one line, nothing that drives a terminal (SEC-F7)."""
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def decode(data: bytes) -> str:
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise Unreadable("Ce fichier est vide.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Unreadable("Ce fichier est en UTF-16 dès la ligne 1 : enregistrez-le en UTF-8, puis recommencez.", 1)
    if (nul := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, nul) + 1
        raise Unreadable(
            f"La ligne {line} contient un octet nul : ce fichier n’est pas un texte, ou il est abîmé.", line
        )
    try:
        return data.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"La ligne {line} n’est pas en UTF-8 (octet 0x{data[error.start]:02x}) : "
            "enregistrez le fichier en UTF-8, puis recommencez.",
            line,
        ) from None


def rows_of(text: str) -> Rows:
    """The header and the numbered rows: lines of a CSV, ranks of the API's JSON."""
    return _from_json(text) if text.lstrip()[:1] in ("[", "{") else _from_csv(text)


def _from_csv(text: str) -> Rows:
    first = text.lstrip().partition("\n")[0]
    delimiter = max(";,", key=lambda mark: _columns_named(first, mark))

    def reader():
        # `strict` refuses a quote that is never closed, which would otherwise swallow the rows after it.
        return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    numbered = reader()
    try:
        rows = list(numbered)
        lines: Sequence[int] = range(1, len(rows) + 1)
        if numbered.line_num != len(rows):  # a cell holds line breaks: count again, row by row
            numbered = reader()
            ends = [numbered.line_num for _ in numbered]
            lines = [1, *(end + 1 for end in ends[:-1])]
    except csv.Error:
        line = _last_line_read(reader()) + 1
        raise Unreadable(
            f"La ligne {line} ne se lit pas (guillemets mal fermés, ou cellule démesurée) : "
            "la suite du fichier ne peut pas être comprise sans risque.",
            line,
        ) from None
    start = next(place for place, row in enumerate(rows) if any(row))
    return rows[start], rows[start + 1 :], lines[start + 1 :]


def _last_line_read(reader) -> int:
    line = 0
    try:
        for _ in reader:
            line = reader.line_num
    except csv.Error:
        return line
    return line


def _columns_named(line: str, delimiter: str) -> int:
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return 0
    return sum(label(cell) in BY_LABEL for cell in cells)


def _from_json(text: str) -> Rows:
    try:
        # Numbers stay as they are written: 5464.0 is read by the same rule as in the CSV, NaN and 1e3 are refused.
        records = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"Le JSON de ce fichier s’interrompt ou se contredit à la ligne {error.lineno}.", error.lineno
        ) from None
    except RecursionError:
        raise Unreadable("Le JSON de ce fichier est trop imbriqué pour être un registre FASE.") from None
    if isinstance(records, dict):
        records = records.get("results")
    if not isinstance(records, list) or not any(isinstance(record, dict) for record in records):
        raise Unreadable("Ce JSON n’est pas une liste d’enregistrements du registre FASE.")
    header = list(dict.fromkeys(key for record in records if isinstance(record, dict) for key in record))

    rows = []
    for rank, record in enumerate(records, 1):
        if not isinstance(record, dict):
            raise Unreadable(f"L’enregistrement {rank} de ce JSON n’est pas une ligne du registre FASE.", rank)
        rows.append([_scalar(record.get(key)) for key in header])
    return header, rows, range(1, len(rows) + 1)


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return value if isinstance(value, str) else str(value)


def label(text: str) -> str:
    """A label without case, accents, apostrophes or dots; `N° FASE`, `ndeg_fase` and `ndegfase` are one."""
    folded = fold(text[:200].replace(".", ""))
    folded = re.sub(r"^n(deg|umero|o)? ?(?=fase|bce)", "n ", folded)
    return re.sub(r"\bp o$", "po", folded)
