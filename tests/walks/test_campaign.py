"""A whole campaign with real workers and beats, undisturbed and disturbed: every promise is kept."""

import json
import random
import time
from datetime import date, datetime

import pytest

from bma_portal.clock import brussels
from tests.walks.theatre import Theatre

pytestmark = pytest.mark.slow

EC, PO = 24, 8
BOXES = EC + PO
LAST_NIGHT = "2024-12-13"  # of a campaign in one week for the POs and two for the schools (`acts.campaign`)


def assert_kept(summary: dict, boxes: int) -> None:
    assert summary["kept"], summary
    assert summary["mailboxes"] == summary["migrated"] == boxes
    assert summary["delivered"] == 4 * boxes
    assert summary["pos_before_establishments"]


def test_the_password_of_mail_2_opens_the_mailbox_and_mail_4_recalls_it(theatre: Theatre) -> None:
    theatre.act("register", EC, PO)
    theatre.beat()
    theatre.worker()
    theatre.wait_ready()
    assert_kept(theatre.summary(theatre.replay()), BOXES)
    theatre.assert_each_once_and_in_order()
    theatre.assert_passwords_kept(BOXES)
    box = theatre.exchange.mailbox("ec000001@adm.cfwb.be")
    assert len(box["mails"]) == 4
    assert all(mail["old"] for mail in box["mails"]), "les quatre se lisent avant la nuit, sur l'ancienne interface"
    assert box["moved_at"] is not None


def test_workers_killed_ten_times_during_the_campaign(theatre: Theatre) -> None:
    chance = random.Random(20241104)
    theatre.act("register", EC, PO)
    theatre.act("campaign")
    theatre.env |= {"MAIL_LEASE_SECONDS": "1", "DIRECTORY_LEASE_SECONDS": "1"}
    theatre.exchange.latency(40)
    theatre.beat()
    workers = [theatre.worker(), theatre.worker()]
    theatre.wait_ready(2)
    replay = theatre.replay(last=LAST_NIGHT)
    theatre.wait_sent(2)
    for n in range(10):
        time.sleep(chance.uniform(0.1, 1))
        theatre.kill(workers[n % 2])
        workers[n % 2] = theatre.worker()
    assert replay.poll() is None, "les ouvriers ont été tués trop tard pour rien prouver"
    theatre.exchange.latency(0)
    assert_kept(theatre.summary(replay), BOXES)
    theatre.assert_each_once_and_in_order()
    theatre.assert_passwords_kept(BOXES)


def test_faults_of_the_directory_and_of_exchange_together(theatre: Theatre) -> None:
    rules = [
        {"op": "SetPassword", "action": "unavailable", "times": 2, "probability": 0.5},
        {"op": "SetPassword", "action": "apply_then_drop", "times": 2, "probability": 0.5},
        {"op": "CreateItem", "action": "drop_after", "times": 2, "probability": 0.3},
        {"op": "SendItem", "action": "drop_after", "times": 3, "probability": 0.2},
        {"op": "SendItem", "action": "busy", "ms": 300, "times": 3, "probability": 0.2},
        {"op": "*", "action": "status", "status": 503, "retry_after": 1, "times": 2, "probability": 0.1},
    ]
    theatre.exchange.faults([{**rule, "seed": n} for n, rule in enumerate(rules)])
    theatre.act("register", EC, PO)
    theatre.act("campaign")
    theatre.beat()
    theatre.worker()
    theatre.wait_ready()
    assert_kept(theatre.summary(theatre.replay(last=LAST_NIGHT)), BOXES)
    assert all(rule["fired"] == rule["times"] for rule in theatre.exchange.faults())
    theatre.assert_each_once_and_in_order()
    theatre.assert_passwords_kept(BOXES)


def test_a_mailbox_whose_password_is_refused_gets_no_mail_2_and_stops_nobody(theatre: Theatre) -> None:
    """In a batch large enough for one box in it to stay below the share that suspends it."""
    boxes, refused = 46, "ec000007@adm.cfwb.be"
    theatre.exchange.faults([{"op": "SetPassword", "action": "refuse", "match": {"recipient": refused}}])
    theatre.act("register", 44, 2)
    theatre.act("campaign")
    theatre.beat()
    theatre.worker()
    theatre.wait_ready()
    replay = theatre.replay(last=LAST_NIGHT)
    out, errors = replay.communicate(timeout=120)
    assert replay.returncode == 1, errors
    assert "Traceback" not in errors
    summary = json.loads(out)
    assert (summary["lost"], summary["twice"], summary["out_of_order"]) == (0, 0, 0)
    assert summary["migrated"] == boxes - 1
    assert summary["mails"] == summary["delivered"] == 4 * (boxes - 1) + 1
    assert summary["held"] == 3, "ses mails 2, 3 et 4 attendent une décision"
    assert len(theatre.exchange.mailbox(refused)["mails"]) == 1
    assert set(theatre.passwords(2)) == set(theatre.passwords(4))
    assert len(theatre.passwords(2)) == boxes - 1
    theatre.assert_each_once_and_in_order()


def test_each_command_given_twice_at_once_and_two_beats(theatre: Theatre) -> None:
    """The campaign without a replay: planned, queued and recorded by the commands, each by two people at once."""
    theatre.act("register", 5, 3)
    theatre.set_clock(brussels(date(2024, 10, 1), 9))
    given(theatre, "plan_campaign", "--wet-run")
    weeks = (
        "UPDATE migration_campaign SET po_first_mail_to = po_first_mail_from, ec_first_mail_to = ec_first_mail_from"
    )
    assert len(theatre.ask(f"{weeks} RETURNING id")) == 1, "une seule campagne"
    given(theatre, "plan_campaign", "--wet-run", "--approve")
    query = "SELECT kind, mail1_on, mail2_on, mail3_on, night_on, status FROM migration_batch ORDER BY number"
    batches = theatre.ask(query)
    assert [(kind, status) for kind, *_, status in batches] == [("po", "approved"), ("ec", "approved")]
    assert theatre.ask("SELECT count(*), count(DISTINCT (move_id, step)) FROM migration_mailing") == [(32, 32)]
    for _ in range(2):
        theatre.beat()
        theatre.worker()
    for kind, *days, night, _ in batches:
        for day in days:
            moment(theatre, brussels(day, 9))
        moment(theatre, brussels(night, 22))
        cut_over(theatre, kind, brussels(night, 23))
    to_mailboxes = [mail for mail in theatre.exchange.deliveries() if "@adm.cfwb.be" in mail["to"]]  # reports too left
    assert len(to_mailboxes) == 32
    theatre.assert_each_once_and_in_order()
    theatre.assert_passwords_kept(8)
    moment(theatre, brussels(date(2024, 12, 20), 9))
    assert set(theatre.ask("SELECT status FROM migration_batch")) == {("finished",)}
    assert "raised unexpected" not in (theatre.folder / "troupe.log").read_text()


def given(theatre: Theatre, *command: str) -> list[dict]:
    """What both answered: neither is refused."""
    both = theatre.twice_at_once(*command, "--json")
    assert [one.returncode for one in both] == [0, 0], [one.stderr for one in both]
    return [json.loads(one.stdout) for one in both]


def moment(theatre: Theatre, at: datetime) -> None:
    """All that is due then leaves: what waits for a password is queued by the beats, or by the second round."""
    theatre.set_clock(at)
    due = "SELECT count(*) FROM migration_mailing WHERE mail_id IS NULL AND due_at <= %s"
    given(theatre, "queue_due_mails", "--at", at.isoformat())
    theatre.wait(lambda: theatre.ask(due, at) == [(0,)] and not theatre.waiting(), "mails du moment")


def cut_over(theatre: Theatre, kind: str, at: datetime) -> None:
    theatre.set_clock(at)
    addresses = [row[0] for row in theatre.ask("SELECT address FROM accounts_mailbox") if row[0].startswith(kind)]
    file = theatre.folder / f"{kind}.csv"
    file.write_text("adresse;resultat;detail\n" + "".join(f"{address};ok;\n" for address in addresses))
    [(number,)] = theatre.ask("SELECT number FROM migration_batch WHERE kind = %s", kind)
    both = given(
        theatre, "record_cutover", str(number), str(file), "--by", "Camille", "--wet-run", "--at", at.isoformat()
    )
    assert sum(answer["migrated"] for answer in both) == len(addresses)
    assert sum(answer["already"] for answer in both) == len(addresses), both
