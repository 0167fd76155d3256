"""`plan_campaign`: what it prints, what it refuses, and the signature without which a broken plan is not written."""

import json
import os
import subprocess
import sys
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

import manage
from accounts.models import Organisation
from bma_portal.models import AuditEntry
from migration.models import AvoidedPeriod, Batch, Campaign, Move, PlanDecision
from tests.factories import MailboxFactory
from tests.factories_migration import CampaignFactory

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = str(ROOT / "demo" / "campaign_2024_published.json")
AT = "2024-09-30T09:00"
FOUND = [("spacing", "po", "2024-11-04"), ("spacing", "ec", "2024-12-02"), ("public_holiday", "ec", "2024-12-03")]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("plan_campaign", *arguments, "--at", AT, stdout=out)
    return out.getvalue()


def answer(*arguments: str) -> dict:
    return json.loads(run(*arguments, "--json"))


def refused(*arguments: str, status: int = 1) -> str:
    with pytest.raises(CommandError) as error:
        run(*arguments)
    assert error.value.returncode == status
    return str(error.value)


@pytest.fixture(autouse=True)
def register():
    return [*(MailboxFactory() for _ in range(7)), *(MailboxFactory(po=True) for _ in range(4))]


def test_without_a_campaign_the_plan_keeps_every_rule(register):
    plan = answer()
    assert set(plan) == {"campaign", "written", "approved", "mailboxes", "findings", "batches", "warnings"}
    assert plan["findings"] == plan["warnings"] == []
    assert {row["address"] for row in plan["mailboxes"]} == {box.address for box in register}
    first = plan["mailboxes"][0]
    assert first == {
        "address": first["address"], "kind": "po", "batch": 1, "mail_1": "2024-10-07", "mail_2": "2024-10-14",
        "mail_3": "2024-11-04", "night": "2024-11-06",
    }  # fmt: skip
    assert not Campaign.objects.exists()


def test_the_plan_does_not_depend_on_today():
    out = StringIO()
    call_command("plan_campaign", "--json", stdout=out)
    assert json.loads(out.getvalue())["mailboxes"] == answer()["mailboxes"]


def test_the_published_plan_is_found_impossible_unaided():
    plan = answer("--settings", PUBLISHED)
    assert [(f["rule"], f["kind"], f["earliest"]) for f in plan["findings"]] == FOUND
    assert all(set(f) == {"rule", "source", "kind", "earliest", "text"} for f in plan["findings"])
    assert plan["warnings"] == [f["text"] for f in plan["findings"]]
    text = run("--settings", PUBLISHED)
    assert "Ce qui ne tient pas :" in text
    assert "- jour férié (S0 §7 ; S1 §5 ; S4). Établissements : le jour férié du 11/11/2024" in text
    assert "--sign" in text


def test_a_campaign_is_named_by_its_slug():
    CampaignFactory(slug="2026", name="Deuxième")
    CampaignFactory(slug="2025", name="Première", po_first_mail_from=date(2024, 10, 14))
    assert answer("2025")["mailboxes"][0]["mail_1"] == "2024-10-14"
    assert answer("2026")["campaign"] == "2026"
    assert "Aucune campagne n’a l’identifiant « 2031 ». Campagnes : 2025, 2026." in refused("2031")
    assert "« ?? »" in refused("\x00\n")
    assert not Batch.objects.exists()


def test_a_plan_that_cannot_hold_is_not_written_unsigned():
    words = refused("--settings", PUBLISHED, "--wet-run")
    assert "04/11/2024" in words
    assert "--sign" in words
    assert not Campaign.objects.exists()
    assert not Batch.objects.exists()
    assert AvoidedPeriod.objects.filter(source="S4").count() == 0


def test_a_signed_plan_is_written_with_the_decision():
    plan = answer("--settings", PUBLISHED, "--wet-run", "--sign", "Nadia : le ministre est prévenu : c’est dit")
    assert plan["written"]
    assert Move.objects.count() == 11
    (decision,) = PlanDecision.objects.all()
    assert decision.by == "Nadia (commande plan_campaign)"
    assert decision.note == "le ministre est prévenu : c’est dit"
    assert [(f["rule"], f["kind"], f["earliest"]) for f in decision.findings] == FOUND
    assert len(decision.fingerprint) == 64
    line = AuditEntry.objects.get(action="plan.written")
    assert (line.why, line.details["décidé par"]) == (decision.note, "Nadia")
    campaign = Campaign.objects.get()
    assert (campaign.po_moves_until, campaign.night_after_days) == (date(2024, 10, 25), 0)
    assert answer()["mailboxes"] == plan["mailboxes"], "the settings of the file are the campaign's from now on"
    assert set(Batch.objects.values_list("planned_by", flat=True)) == {"Nadia"}
    assert answer("--wet-run", "--approve")["approved"] == 8, "the same plan needs no second signature"
    MailboxFactory()
    assert "--sign" in refused("--wet-run")


def test_a_signature_that_was_not_needed_leaves_no_decision():
    answer("--wet-run", "--sign", "Nadia : au cas où")
    assert not PlanDecision.objects.exists()


@pytest.mark.parametrize(
    "text", ["Nadia", ": motif", "Nadia :", "", "N\n: x", "x" * 101 + " : y", "N : " + "y" * 1001]
)
def test_a_signature_has_a_name_and_a_reason(text):
    assert "NOM : motif" in refused("--wet-run", "--sign", text, status=2)


def test_signing_without_writing_is_badly_asked():
    assert "--wet-run" in refused("--sign", "Nadia : x", status=2)


def test_a_bad_file_changes_nothing(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text('{"capacity": {"weekly_mailboxes": 0}}')
    assert "« capacity.weekly_mailboxes » vaut 0" in refused("--settings", str(file), "--wet-run")
    assert "ne peut pas être lu" in refused("--settings", str(tmp_path / "absent.json"))
    assert not Campaign.objects.exists()


def test_a_file_may_give_only_a_capacity(tmp_path):
    file = tmp_path / "plan.json"
    file.write_text('{"capacity": {"weekly_mailboxes": 1}}')
    plan = answer("--settings", str(file))
    assert [batch["mailboxes"] for batch in plan["batches"]] == [1] * 11
    assert [(f["rule"], f["kind"]) for f in plan["findings"]] == [("capacity", "ec")]


def test_a_plan_without_mailboxes_is_empty():
    Organisation.objects.update(closed_on=date(2024, 9, 1))
    assert answer()["mailboxes"] == answer()["batches"] == []


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        (["--settings", "a/b.json"], ["--settings-file", "a/b.json"]),
        (["--settings=b.json"], ["--settings-file=b.json"]),
        (["--settings", "bma_portal.settings.test"], ["--settings", "bma_portal.settings.test"]),
        (["--settings"], ["--settings"]),
    ],
)
def test_a_json_file_is_set_apart_from_django_s_settings(typed, read):
    assert manage.files_apart(["manage.py", "plan_campaign", *typed]) == ["manage.py", "plan_campaign", *read]


def test_typed_at_the_terminal_a_json_file_is_not_taken_for_django_s_settings():
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "manage.py", "plan_campaign", "--settings", PUBLISHED, "--sign", "x"],
        cwd=ROOT, env=env, capture_output=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "--sign ne va qu’avec --wet-run." in done.stderr


def test_a_large_batch_is_not_approved_by_whoever_plans_it(settings):
    settings.CLOCK_CAN_BE_SET = False
    CampaignFactory(second_person_from=2)
    assert "une seconde personne" in refused("--wet-run", "--approve")
    assert not Batch.objects.exists()
    CampaignFactory(slug="autre", second_person_from=50)
    assert answer("autre", "--wet-run", "--approve")["approved"] == 8
