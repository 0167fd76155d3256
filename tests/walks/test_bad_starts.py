"""Started badly, a program says so in French and stops: no traceback, nothing half done."""

import subprocess
import sys

import pytest

from tests.walks.theatre import ROOT, Theatre

pytestmark = pytest.mark.slow


def start(theatre: Theatre, *command: str, **env: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**theatre.env, **env}, capture_output=True, text=True, timeout=60
    )


def test_exchange_unreachable_at_the_start_of_a_replay(theatre: Theatre) -> None:
    theatre.act("register", 2, 1)
    span = ["--from", "2024-10-07", "--to", "2024-10-08"]
    nowhere = "http://127.0.0.1:9/EWS/Exchange.asmx"
    done = start(theatre, "manage.py", "replay_campaign", *span, "--json", EXCHANGE_URL=nowhere)
    assert done.returncode == 1
    assert "Exchange ne répond pas à l'adresse" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert theatre.statuses() == {}


def test_the_wrong_vault_key_starts_nothing(theatre: Theatre) -> None:
    theatre.run("-c", "import django; django.setup(); from bma_portal import vault; vault.verify()")
    wrong = "test:" + "A" * 43 + "="
    span = ["--from", "2024-10-07", "--to", "2024-10-08"]
    for command in (
        ["-m", "celery", "-A", "bma_portal", "worker", "-l", "WARNING", "--concurrency", "1"],
        ["manage.py", "replay_campaign", *span],
    ):
        done = start(theatre, *command, BMA_VAULT_KEYS=wrong, DJANGO_SETTINGS_MODULE="tests.walks.settings_with_keys")
        assert done.returncode != 0
        assert "la clé n'est pas la bonne" in done.stderr
        assert "Traceback" not in done.stderr
        assert wrong[5:] not in done.stderr


def test_a_register_that_is_not_one(theatre: Theatre) -> None:
    span = ["--from", "2024-10-07", "--to", "2024-10-08"]
    done = start(theatre, "manage.py", "replay_campaign", *span, "--register", "README.md")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert theatre.ask("SELECT count(*) FROM accounts_organisation")[0][0] == 0


@pytest.mark.parametrize("dates", [["2024-13-01", "2024-12-01"], ["2024-12-02", "2024-12-01"]])
def test_dates_that_are_none_are_a_bad_usage(theatre: Theatre, dates: list[str]) -> None:
    done = start(theatre, "manage.py", "replay_campaign", "--from", dates[0], "--to", dates[1])
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
