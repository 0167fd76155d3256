"""The command: what it prints, what it writes, and how it ends."""

import csv
import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Organisation, RegisterImport
from tests.accounts.registers import COMPLETE, expected, many, needs_real_registers, real, table

pytestmark = [pytest.mark.django_db, pytest.mark.database]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def file(tmp_path):
    def write(*rows, data=None):
        path = tmp_path / "registre.csv"
        path.write_bytes(table(*rows) if data is None else data)
        return path

    return write


def run(path, *options):
    out = StringIO()
    call_command("import_fase", str(path), *options, stdout=out)
    return out.getvalue()


def refused(path, *options):
    out = StringIO()
    with pytest.raises(CommandError) as refusal:
        call_command("import_fase", str(path), *options, stdout=out)
    return str(refusal.value), refusal.value.returncode, out.getvalue()


def rejects_of(path):
    with path.open(encoding="utf-8", newline="") as rows:
        return list(csv.DictReader(rows))


def test_it_is_dry_by_default(file):
    said = run(file(*many(30)))
    assert "À créer : 31" in said
    assert "… et 11 de plus" in said  # the first twenty are shown
    assert "Essai à blanc : rien n’est écrit. Relancez avec --wet-run" in said
    assert not Organisation.objects.exists()


def test_a_wet_run_applies_and_a_second_one_changes_nothing(file):
    path = file(*many(30))
    assert "C’est fait" in run(path, "--wet-run")
    assert Organisation.objects.count() == 31
    assert "Rien ne change." in run(path, "--wet-run")
    assert RegisterImport.objects.get().file_name == "registre.csv"


def test_the_report_tells_renames_moves_absences_and_returns(file):
    run(file(*many(60)), "--wet-run", "--date", "2024-09-30")
    rows = many(59)
    rows[0] |= {"name": "École rebaptisée"}
    rows[1] |= {"po_fase": "8", "po_name": "Nouveau PO"}
    path = file(*rows)
    said = run(path, "--wet-run", "--date", "2024-10-07")
    assert "EC 000001 « École 1 » → « École rebaptisée »" in said
    assert "EC 000002 École 2 : PO 9 → PO 8" in said
    assert "Absents du registre depuis le 07/10/2024 (rien n’est supprimé) : 1\n  EC 000060 École 60" in said
    assert "De retour dans le registre : 1" in run(file(*many(60)), "--accept-absences", "--date", "2024-10-14")


def test_json_is_one_object_and_nothing_else(file):
    said = json.loads(run(file(*many(3), {"fase": "0"}, {"fase": "1", "name": "Autre"}), "--json"))
    assert (
        said
        | {
            "applied": False,
            "establishments": 3,
            "pos": 1,
            "sites": 0,
            "created": 3,
            "changed": 0,
            "absent": 0,
            "rejected": 1,
            "conflicts": 1,
        }
        == said
    )


def test_rejected_rows_go_to_a_file_and_do_not_make_the_run_fail(file, tmp_path):
    out = tmp_path / "rejets.csv"
    said = run(file(*many(2), {"fase": "0"}, {"fase": "=1+1", "network": ""}), "--wet-run", "--rejects", str(out))
    assert "Lignes rejetées : 2" in said
    found = rejects_of(out)
    assert [row["line"] for row in found] == ["4", "5"]
    assert found[0]["reason"] == "numéro FASE de l’établissement « 0 » : un nombre de 1 à 999999 est attendu"
    assert Organisation.objects.establishments().count() == 2


def test_no_cell_of_the_rejects_is_a_formula():
    from accounts.management.commands.import_fase import _safe

    for cell in ("=1+1", "+1", "-1", "@a", "\ta", "\ra", "＝1"):
        assert _safe(cell) == f"'{cell}"
    assert _safe("le réseau est vide") == "le réseau est vide"


def test_the_rejects_are_written_for_a_refused_disappearance_too(file, tmp_path):
    run(file(*many(40)), "--wet-run")
    out = tmp_path / "rejets.csv"
    for options in ([], ["--wet-run"]):
        out.unlink(missing_ok=True)
        message, status, said = refused(file(*many(10), {"fase": "zéro"}), "--rejects", str(out), *options)
        assert "30 des 40 établissements connus" in message
        assert status == 1
        assert "Absents du registre" in said
        assert len(rejects_of(out)) == 1
    assert not Organisation.objects.absent().exists()
    assert "C’est fait" in run(file(*many(10)), "--wet-run", "--accept-absences")


def test_a_refused_run_in_json_says_why(file):
    run(file(*many(40)), "--wet-run")
    message, status, said = refused(file(*many(10)), "--wet-run", "--json")
    assert (json.loads(said)["applied"], json.loads(said)["refused"], status) == (False, message, 1)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "vide"), (b"\x89PNG\r\n\x1a\n\0\0", "octet nul"), (b"a,b\n1,2\n", "Il manque les colonnes")],
)
def test_a_file_at_fault_ends_with_one_french_sentence(file, tmp_path, data, said):
    out = tmp_path / "rejets.csv"
    message, status, printed = refused(file(data=data), "--rejects", str(out))
    assert said in message
    assert (status, printed) == (1, "")
    [row] = rejects_of(out)
    assert said in row["reason"]


def test_a_file_that_cannot_be_opened_ends_with_one_french_sentence(tmp_path):
    assert "n’existe pas" in refused(tmp_path / "rien.csv")[0]
    assert "est un dossier" in refused(tmp_path)[0]
    assert "n’est pas un fichier ordinaire" in refused("/dev/null")[0]
    assert "n’existe pas" in refused("nom\x1b[2J\n.csv")[0]
    assert "\x1b" not in refused("nom\x1b[2J\n.csv")[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root lit tout")
def test_a_file_that_may_not_be_read_is_refused(file):
    path = file(*many(2))
    path.chmod(0)
    assert "ne peut pas être lu" in refused(path)[0]


def test_rejects_that_cannot_be_written_stop_everything(file, tmp_path):
    message, status, _ = refused(file(*many(2)), "--wet-run", "--rejects", str(tmp_path / "absent" / "rejets.csv"))
    assert "ne peut pas être écrit" in message
    assert status == 1
    assert not Organisation.objects.exists()


def test_the_rejects_never_overwrite_the_register(file):
    path = file(*many(2))
    before = path.read_bytes()
    assert refused(path, "--rejects", str(path))[1] == 2
    assert path.read_bytes() == before


@needs_real_registers
def test_the_summary_of_the_complete_register(tmp_path):
    path = tmp_path / "complet.csv"
    path.write_bytes(real(COMPLETE))
    said, counts = json.loads(run(path, "--json", "--wet-run")), expected()[COMPLETE]
    assert {name: said[name] for name in ("rows", "establishments", "pos", "sites")} == {
        name: counts[name] for name in ("rows", "establishments", "pos", "sites")
    }
    assert (said["created"], said["rejected"], said["conflicts"]) == (3029 + 1035, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["rien.csv"], 1), ([], 2), (["rien.csv", "--date", "hier"], 2), (["--inconnu", "rien.csv"], 2)],
)
def test_the_exit_status_tells_a_refusal_from_a_usage_error(arguments, status):
    done = subprocess.run(
        [sys.executable, "manage.py", "import_fase", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
