"""Killed before or after any commit and any call: nothing is lost, doubled or changed (SEC-C11, J4, K2)."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import zip_longest

import pytest

from bma_portal.clock import brussels
from tests.walks.theatre import ROOT, Theatre

pytestmark = pytest.mark.slow

BOXES = 2
DIED = 9
MOMENTS = {
    "mail 1": brussels(date(2024, 10, 7), 9),
    "mail 2": brussels(date(2024, 10, 14), 9),
    "mail 3": brussels(date(2024, 11, 4), 9),
    "mail 4": brussels(date(2024, 11, 6), 22),
}


class Victim:
    """A process whose children do the portal's work, and die where they are told to."""

    def __init__(self, theatre: Theatre) -> None:
        self.theatre = theatre
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.walks.crashes"], cwd=ROOT, env=theatre.env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.process.stdout.readline() == "prêt\n"

    def does(self, action: str, *arguments: object, crash: str = "") -> dict:
        self.process.stdin.write(json.dumps({"do": action, "arguments": arguments, "crash": crash}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def lives(self, action: str, *arguments: object) -> dict[str, int]:
        done = self.does(action, *arguments)
        assert done["status"] == 0
        return done["points"]

    def dies(self, crash: str, action: str, *arguments: object) -> bool:
        """Whether it did: a rescuer may have nothing left to do there. Then its leases are over."""
        status = self.does(action, *arguments, crash=crash)["status"]
        assert status in (0, DIED)
        mails = "UPDATE mail_outgoingmail SET not_before = clock_timestamp() WHERE status = 'sending' RETURNING id"
        passwords = "UPDATE accounts_credential SET not_before = NULL WHERE applied_at IS NULL RETURNING id"
        self.theatre.ask(mails)
        self.theatre.ask(passwords)
        return status == DIED

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def victim(theatre: Theatre) -> Iterator[Victim]:
    stage_hand = Victim(theatre)
    yield stage_hand
    stage_hand.close()


def campaign(victim: Victim, number: int, crashes: Sequence[str]) -> None:
    """A whole campaign; at each moment the run dies at one point, its rescuer there too, and the third ends."""
    victim.lives("prepare", number, BOXES)
    for (name, at), crash in zip(MOMENTS.items(), crashes, strict=True):
        victim.theatre.set_clock(at)
        if crash:
            assert victim.dies(crash, "moment", at.isoformat()), f"{name} : {crash} n'est jamais atteint"
            victim.dies(crash, "moment", at.isoformat())
        victim.lives("moment", at.isoformat())


def test_killed_before_and_after_every_commit_and_every_call(theatre: Theatre, victim: Victim) -> None:
    victim.lives("prepare", 1, BOXES)
    points: list[list[str]] = []
    for at in MOMENTS.values():
        theatre.set_clock(at)
        passed = sorted(victim.lives("moment", at.isoformat()).items())
        points.append([f"{point}:{n}" for point, times in passed for n in range(1, times + 1)])
    met = {crash.rpartition(":")[0] for crashes in points for crash in crashes}
    watched = ("commit", "keep_ids", "record_applied", "draft", "send", "set_password")
    assert met == {f"{point}.{side}" for point in watched for side in ("before", "after")}
    campaigns = list(zip_longest(*points, fillvalue=""))  # the first point of each moment, then the second…
    for number, crashes in enumerate(campaigns, start=2):
        campaign(victim, number, crashes)
    assert_every_campaign_is_whole(theatre, campaigns=len(campaigns) + 1)


def assert_every_campaign_is_whole(theatre: Theatre, *, campaigns: int) -> None:
    steps = dict(
        theatre.ask(
            """SELECT uuid::text, step FROM mail_outgoingmail AS mail JOIN migration_mailing ON mail_id = mail.id"""
        )
    )
    assert Counter(steps.values()) == dict.fromkeys((1, 2, 3, 4), campaigns * BOXES)
    received: dict[str, list[int]] = {}
    for delivery in theatre.exchange.deliveries():
        received.setdefault(delivery["to"], []).append(steps[delivery["key"]])
    assert set(map(tuple, received.values())) == {(1, 2, 3, 4)}, "chaque boîte : chaque mail une fois, dans l'ordre"
    theatre.assert_each_once_and_in_order()
    theatre.assert_passwords_kept(campaigns * BOXES)


def test_killed_at_each_of_the_fifty_mails_of_a_batch(theatre: Theatre, victim: Victim) -> None:
    theatre.act("queue", 50, 1)
    at = datetime.fromisoformat("2024-10-07T08:00:00+00:00")
    theatre.set_clock(at)
    for n in range(50):
        crash = "send.before:2" if n % 2 else "send.after:1"
        died = victim.dies(crash, "moment", at.isoformat())
        assert died or n == 49, "le dernier n'a pas de deuxième envoi"
        assert theatre.exchange.counts()["delivered"] == n + 1
    victim.lives("moment", at.isoformat())
    theatre.assert_each_once_and_in_order()


def test_killed_at_each_of_the_fifty_passwords_of_a_batch(theatre: Theatre, victim: Victim) -> None:
    theatre.act("register", 50, 0)
    at = datetime.fromisoformat("2024-10-07T08:00:00+00:00")
    theatre.set_clock(at)
    victim.lives("issue")
    sealed = dict(theatre.ask("SELECT id, sealed FROM accounts_credential"))
    for n in range(1, 51):
        side = "before" if n % 2 else "after"
        assert victim.dies(f"set_password.{side}:{n}", "moment", at.isoformat())
    victim.lives("issue")
    victim.lives("moment", at.isoformat())
    assert dict(theatre.ask("SELECT id, sealed FROM accounts_credential")) == sealed, "jamais un nouveau mot de passe"
    assert theatre.ask("SELECT count(*) FROM accounts_credential WHERE applied_at IS NULL") == [(0,)]
    assert theatre.act("directory_agrees") == "50"
