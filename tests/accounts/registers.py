"""Small registers made for one test, and the way to the real ones (which are not in the repository)."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from accounts import fase

REAL = Path(os.environ.get("FASE_DATA") or Path(__file__).resolve().parents[2] / "../shared/data/fase")
NEWEST = "odwb_fase_2026-08_secondary-and-below.csv"
COMPLETE = "odwb_signaletique-fase_2023-10_full.csv"
needs_real_registers = pytest.mark.skipif(
    not (REAL / "expected_counts.json").is_file(), reason="les registres réels ne sont pas ici (FASE_DATA)"
)

LABELS = {
    "fase": "N° FASE de l'établissement",
    "name": "Nom d'établissement",
    "network": "Réseau",
    "po_fase": "N° FASE du PO",
    "po_name": "Nom du PO",
    "bce": "Numéro BCE de l'établissement",
    "type": "Type d'enseignement",
    "level": "Niveau",
    "municipality": "Commune de l'établissement",
    "postal_code": "code_postal_de_l_etablissement",
    "address": "Adresse de l'établissement",
    "site_fase": "N° FASE de l'implantation",
    "site_address": "Adresse de l'implantation",
    "po_bce": "Numéro BCE du PO",
}
ROW = {"fase": "1", "name": "École A", "network": "WBE", "po_fase": "9", "po_name": "PO fictif"}


def real(name: str) -> bytes:
    return (REAL / name).read_bytes()


def expected() -> dict:
    return json.loads((REAL / "expected_counts.json").read_text(encoding="utf-8"))


def table(*rows: dict, delimiter: str = ",", labels: dict | None = None) -> bytes:
    """A CSV of these rows; each is completed from ROW, and its columns are those that some row names."""
    labels = LABELS | (labels or {})
    columns = list(dict.fromkeys([*ROW, *(name for row in rows for name in row)]))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(labels[name] for name in columns)
    writer.writerows([(ROW | row).get(name, "") for name in columns] for row in rows)
    return out.getvalue().encode()


def read(*rows: dict, **options) -> fase.Register:
    return fase.read(table(*rows, **options))


def many(count: int, **facts) -> list[dict]:
    return [{"fase": str(n), "name": f"École {n}", **facts} for n in range(1, count + 1)]
