"""Files for a spreadsheet: they open right in a French Excel, and no cell of them is a formula (SEC-F6).

A CSV begins with a byte-order mark, separates by semicolons and ends its lines as Windows does. An XLSX types what
is written as text, whatever it begins with; whole numbers stay numbers, so that a column can be summed.
"""

import csv
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter

from bma_portal.clock import BRUSSELS

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
CSV, XLSX = "csv", "xlsx"
CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
LONGEST_CELL = 32_767  # signs; Excel calls a longer cell a damaged file
LARGEST_NUMBER = 10**15  # beyond, Excel rounds
MOST_ROWS = 1_048_575  # of a sheet, under its headings
IN_MEMORY = 5_000_000

Cell = str | int
BEGIN_FORMULAS = {"=", "+", "-", "@"}
HIDDEN = {"Cc", "Cs"}  # control signs, halves of a pair
NOT_XML = {"\ufffe", "\uffff"}


def safe(text: str) -> str:
    """A cell that a spreadsheet reads as words: control signs are gone, what begins a formula comes after a quote.

    Full-width forms begin one too, and so does what stands behind spaces or signs that nobody sees.
    """
    plain = text
    if not text.isprintable():
        plain = "".join(" " if unicodedata.category(s) in HIDDEN or s in NOT_XML else s for s in text)
    begins = text[:1] in {"\t", "\r", "\n", "\0"}
    for sign in plain:
        if sign.isspace() or unicodedata.category(sign) == "Cf":
            continue
        begins = begins or unicodedata.normalize("NFKC", sign)[:1] in BEGIN_FORMULAS
        break
    return f"'{plain}" if begins else plain


def written(value: Any) -> Cell:
    """A value as a cell: oui or non, a day or a moment of Brussels, a whole number, else words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "oui" if value else "non"
    if isinstance(value, datetime):
        return f"{value.astimezone(BRUSSELS):%d/%m/%Y %H:%M}"
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    if isinstance(value, int):
        return int(value)
    if isinstance(value, list | tuple | set | frozenset):
        return safe(", ".join(map(str, value)))
    return safe(str(value))


class _Echo:
    """What csv writes into: it gives the line back."""

    def write(self, line: str) -> str:
        return line


def csv_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of the file, as they come."""
    writer = csv.writer(_Echo(), delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    yield BOM + writer.writerow([safe(heading) for heading in headings])
    for row in rows:
        yield writer.writerow([written(value) for value in row])


def xlsx_rows(headings: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "Export") -> IO[bytes]:
    """The whole file, at its beginning; past a few megabytes it stands on the disk, and goes when it is closed.

    What a sheet cannot hold is left out: a list of a million rows is for the CSV.
    """
    book = Workbook(write_only=True)
    book.properties.creator = "Portail BMA"
    sheet = book.create_sheet(_sheet_name(title))
    sheet.freeze_panes = "A2"
    for column, heading in enumerate(headings, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = max(14, min(40, len(heading) + 4))
    text = WriteOnlyCell(sheet, "")
    text.number_format = "@"  # stays text when someone edits it in Excel

    def cells(row: Sequence[Any]) -> Iterator[Any]:
        for value in row:
            cell = written(value)
            if cell == "" or (isinstance(cell, int) and abs(cell) < LARGEST_NUMBER):
                yield None if cell == "" else cell
                continue
            typed = WriteOnlyCell(sheet)
            typed._style = text._style
            typed._value, typed.data_type = str(cell)[:LONGEST_CELL], "s"
            yield typed

    sheet.append(list(cells([safe(heading) for heading in headings])))
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            break
        sheet.append(list(cells(row)))
    file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  whoever sends it closes it
    book.save(file)
    file.seek(0)
    return file


def _sheet_name(title: str) -> str:
    """At most thirty-one signs, and none of those that Excel refuses."""
    kept = "".join(" " if sign in r"[]:*?/\'" or not sign.isprintable() else sign for sign in title).strip()
    return kept[:31] or "Export"
