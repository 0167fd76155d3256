"""The campaign's commands and the vault's: exit status, French words, nothing else on the output of `--json`."""

import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts import credentials
from accounts.models import Credential
from bma_portal import vault
from bma_portal.clock import brussels
from bma_portal.commands import moment
from bma_portal.states import StateChange
from migration.models import Batch, Campaign, Mailing, Move
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import BatchFactory, MoveFactory, deliver

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
AT = "2024-09-30T09:00"


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def answer(*arguments: str) -> dict:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def register():
    for _ in range(7):
        MailboxFactory()
    for _ in range(4):
        MailboxFactory(po=True)


# plan_campaign


def test_the_plan_is_shown_and_not_written(register):
    text = run("plan_campaign", "--at", AT)
    assert "11 boîtes en" in text
    assert "07/10/2024" in text
    assert "Ce qui ne tient pas" not in text
    assert "rien n’est écrit" in text
    assert not Campaign.objects.exists()
    assert not Batch.objects.exists()


def test_the_plan_is_written_as_it_was_shown(register):
    shown = answer("plan_campaign", "--at", AT)
    written = answer("plan_campaign", "--at", AT, "--wet-run")
    assert shown["batches"] == written["batches"]
    assert shown["mailboxes"] == written["mailboxes"]
    assert (shown["written"], written["written"]) == (False, True)
    assert len(written["mailboxes"]) == Move.objects.count() == 11
    assert Mailing.objects.count() == 44
    assert set(Batch.objects.values_list("status", flat=True)) == {Batch.Status.DRAFT}
    before = list(Batch.objects.values_list("pk", "mail1_on"))
    assert answer("plan_campaign", "--at", AT, "--wet-run")["batches"] == written["batches"]
    assert list(Batch.objects.values_list("pk", "mail1_on")) == before


def test_the_new_batches_are_approved_if_asked(register):
    result = answer("plan_campaign", "--at", AT, "--wet-run", "--approve")
    assert result["approved"] == Batch.objects.filter(status=Batch.Status.APPROVED).count() > 0
    assert set(StateChange.objects.values_list("by", flat=True)) == {"plan_campaign"}
    assert not Batch.objects.filter(released_at__isnull=False).exists()


def test_approving_without_writing_is_badly_asked(register):
    with pytest.raises(CommandError) as error:
        run("plan_campaign", "--approve")
    assert error.value.returncode == 2


def test_a_plan_without_mailboxes_says_what_to_do():
    assert "importez le registre" in run("plan_campaign", "--at", AT)


def test_closed_units_are_not_planned():
    MailboxFactory(organisation=OrganisationFactory(closed_on=datetime(2024, 9, 1, tzinfo=UTC).date()))
    assert answer("plan_campaign", "--at", AT)["mailboxes"] == []


# queue_due_mails


@pytest.fixture
def due():
    """A batch whose first mails are due, its templates being others' business: mail 1 is queued without rendering."""
    return [MoveFactory(batch=batch) for batch in [BatchFactory()] for _ in range(3)]


def test_what_is_due_is_queued_once(due):
    assert answer("queue_due_mails", "--at", "2024-10-07T09:00") == {
        "at": "2024-10-07T07:00:00+00:00",
        "queued": 3,
        "held": 0,
    }
    assert answer("queue_due_mails", "--at", "2024-10-07T07:00:00+00:00")["queued"] == 0


def test_what_waits_for_a_decision_is_counted(due):
    text = run("queue_due_mails", "--at", "2024-10-15T09:00")
    assert "0 mails mis en file." in text
    assert "3 mails attendent une décision" in text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("2024-10-07T09:00", brussels(datetime(2024, 10, 7).date(), 9)),
        ("2024-12-07 09:00", datetime(2024, 12, 7, 8, tzinfo=UTC)),
        ("2024-10-07T09:00+02:00", datetime(2024, 10, 7, 7, tzinfo=UTC)),
        ("2024-10-07T07:00:00Z", datetime(2024, 10, 7, 7, tzinfo=UTC)),
        ("2024-10-07", datetime(2024, 10, 6, 22, tzinfo=UTC)),
        ("2025-03-30T02:30", datetime(2025, 3, 30, 1, 30, tzinfo=UTC)),  # an hour that the clocks skip
    ],
)
def test_a_moment_without_offset_is_brussels_time(typed, meant):
    assert moment(typed) == meant


@pytest.mark.parametrize(
    "typed", ["hier", "", "2024-13-01", "0001-01-01", "9999-12-31T23:59", "٢٠٢٤-10-07", "\x00", "1" * 9999]
)
def test_a_moment_that_is_none_is_refused(typed):
    with pytest.raises(CommandError):
        run("queue_due_mails", "--at", typed)


def test_in_production_nothing_is_queued_ahead_of_time(settings, due):
    settings.CLOCK_CAN_BE_SET = False
    with pytest.raises(CommandError, match="futur") as error:
        run("queue_due_mails", "--at", "2099-10-07T09:00")
    assert error.value.returncode == 1


# record_cutover


def night(tmp_path: Path, *lines: str) -> str:
    file = tmp_path / "nuit.csv"
    file.write_text("\n".join(["adresse;resultat;detail", *lines, ""]), encoding="utf-8")
    return str(file)


def test_a_night_is_checked_then_recorded_with_its_refusals(tmp_path):
    batch = BatchFactory(number=3)
    done, failed, early = (MoveFactory(batch=batch, confirmed=n < 2, announced=n == 2) for n in range(3))
    for move in (done, failed):
        deliver(Mailing.objects.get(move=move, step=4), brussels(move.batch.night_on, 22))
    file = night(
        tmp_path,
        f"{done.mailbox.address};ok;",
        f"{failed.mailbox.address};echec;quota",
        f"{early.mailbox.address};ok;",
    )
    arguments = ("record_cutover", "2024/3", file, "--by", "Nadia", "--at", "2024-11-08T03:00")
    result = answer(*arguments)
    assert (result["batch"], result["migrated"], result["failed"], result["written"]) == ("2024/3", 1, 1, False)
    assert [(line["line"], line["address"]) for line in result["refused"]] == [(4, early.mailbox.address)]
    assert Move.objects.filter(status=Move.Status.PLANNED).count() == 3
    text = run(*arguments, "--wet-run")
    assert "Lignes refusées : 1" in text
    done.refresh_from_db()
    failed.refresh_from_db()
    assert (done.status, done.migrated_at) == (Move.Status.MIGRATED, datetime(2024, 11, 8, 2, tzinfo=UTC))
    assert (failed.status, failed.failure) == (Move.Status.FAILED, "quota")
    assert answer(*arguments, "--wet-run")["already"] == 2
    signed = answer(*arguments, "--wet-run", "--sign", "boîte vide")
    assert signed["migrated"] == 1
    early.refresh_from_db()
    assert early.signed_by == "Nadia : boîte vide"


def test_a_file_with_faults_is_told_line_by_line_and_records_nothing(tmp_path):
    move = MoveFactory(confirmed=True)
    deliver(Mailing.objects.get(move=move, step=4), brussels(move.batch.night_on, 22))
    file = night(tmp_path, f"{move.mailbox.address};ok;", "po999999@adm.cfwb.be;ok;", "po000001@adm.cfwb.be;bof;")
    out = StringIO()
    with pytest.raises(CommandError, match="2 lignes sont à corriger : rien n’est enregistré") as error:
        call_command("record_cutover", str(move.batch.pk), file, "--wet-run", "--json", stdout=out)
    assert error.value.returncode == 1
    result = json.loads(out.getvalue())
    assert (result["written"], [line["line"] for line in result["errors"]]) == (False, [3, 4])
    move.refresh_from_db()
    assert move.status == Move.Status.PLANNED


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "ne peut pas être lu"),
        (b"a;b\n", "Colonne inconnue"),
        (b"\xff\xfe", "UTF-8"),
        (b"adresse;resultat;detail\n", "aucune ligne"),
        (b"adresse;resultat;detail\nec000001@adm.cfwb.be;bof;\n", "à corriger"),
        (b'adresse;resultat;detail\nec000001@adm.cfwb.be;ok;"' + b"x" * 200_000, "CSV"),
        (b"\xe9" * 2_000_000, "dépasse"),
    ],
)
def test_a_file_without_results_is_refused(content, words, tmp_path):
    file = tmp_path / "nuit.csv"
    if content is not None:
        file.write_bytes(content)
    batch = BatchFactory()
    with pytest.raises(CommandError, match=words) as error:
        run("record_cutover", str(batch.pk), str(file), "--by", "Nadia", "--wet-run")
    assert error.value.returncode == 1


def test_a_batch_that_is_none_is_refused(tmp_path):
    with pytest.raises(CommandError, match="Aucun lot ne porte le nom « 2024/9 »") as error:
        run("record_cutover", "2024/9", night(tmp_path, "ec000001@adm.cfwb.be;ok;"))
    assert error.value.returncode == 1


@pytest.mark.parametrize(
    "extra",
    [
        ["--by", " "],
        ["--by", "x" * 61],
        ["--by", "a\nb"],
        ["--by", "N", "--sign", "x" * 200],
        ["--sign", "boîte vide"],
    ],
)
def test_a_night_is_recorded_by_somebody(extra, tmp_path):
    with pytest.raises(CommandError) as error:
        run("record_cutover", "1", night(tmp_path, "ec000001@adm.cfwb.be;ok;"), *extra)
    assert error.value.returncode == 2


# rotate_vault

OLD = "test:" + base64.b64encode(b"o" * 32).decode()
NEW = "neuve:" + base64.b64encode(b"n" * 32).decode()


@pytest.fixture
def sealed(settings):
    settings.BMA_VAULT_KEYS = OLD
    vault.verify()  # as the first start did: the key is known from now on
    boxes = [MailboxFactory() for _ in range(5)]
    credentials.issue(boxes, at=datetime(2024, 10, 14, tzinfo=UTC))
    return {c.pk: credentials.reveal(c) for c in Credential.objects.all()}


def test_secrets_are_sealed_again_and_the_old_key_may_go(sealed, settings):
    settings.BMA_VAULT_KEYS = f"{NEW},{OLD}"
    text = run("rotate_vault")
    assert "5 secrets rescellés sous la clé « neuve »." in text
    assert "« test » ne scelle plus rien : vous pouvez la retirer" in text
    settings.BMA_VAULT_KEYS = NEW
    assert all(credentials.reveal(c) == sealed[c.pk] for c in Credential.objects.all())
    assert answer("rotate_vault") == {"key": "neuve", "sealed_again": 0, "removable": [], "left": {}}


def test_a_rotation_that_stopped_half_way_is_resumed(sealed, settings, monkeypatch):
    settings.BMA_VAULT_KEYS = f"{NEW},{OLD}"
    half = list(Credential.objects.order_by("pk")[:2])
    monkeypatch.setattr("bma_portal.rotation.Holding.seal_again", lambda holding: 0)
    assert answer("rotate_vault")["left"] == {"test": 5}
    monkeypatch.undo()
    Credential.objects.filter(pk=half[0].pk).update(sealed="", destroyed_at="2024-10-15T00:00Z", destroyed_why="essai")
    result = answer("rotate_vault")
    assert (result["sealed_again"], result["removable"], result["left"]) == (4, ["test"], {})


@pytest.mark.parametrize("keys", [NEW, "test:" + base64.b64encode(b"x" * 32).decode(), "", "pas une clé"])
def test_a_wrong_or_missing_key_changes_nothing(keys, sealed, settings):
    before = set(Credential.objects.values_list("sealed", flat=True))
    settings.BMA_VAULT_KEYS = keys
    with pytest.raises(CommandError) as error:
        run("rotate_vault")
    assert error.value.returncode == 1
    assert "o" * 16 not in str(error.value)
    settings.BMA_VAULT_KEYS = OLD
    assert set(Credential.objects.values_list("sealed", flat=True)) == before


# As a person types them


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["record_cutover", "1", "absent.csv", "--by", "Nadia"], 1, "ne peut pas être lu"),
        (["record_cutover"], 2, "BATCH"),
        (["queue_due_mails", "--at", "hier"], 2, "n’est pas un moment"),
        (["plan_campaign", "--approve"], 2, "--wet-run"),
    ],
)
def test_the_exit_status_tells_a_refusal_from_a_slip(arguments, status, words):
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=env, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
