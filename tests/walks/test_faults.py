"""Whatever breaks, each mail leaves once, in order, and nothing stays stuck: real workers, servers and kills."""

import os
import random
import signal
import time

import pytest
import redis

from tests.walks.theatre import LEASE, Theatre

pytestmark = pytest.mark.slow


def test_workers_killed_ten_times_at_random_moments(theatre: Theatre) -> None:
    chance = random.Random(20241007)
    theatre.exchange.latency(4)
    theatre.act("queue", 120, 5)
    theatre.beat()
    workers = [theatre.worker(), theatre.worker()]
    theatre.wait_sent(5)
    for n in range(10):
        time.sleep(chance.uniform(0.05, 0.6))
        theatre.kill(workers[n % 2])
        workers[n % 2] = theatre.worker()
    assert theatre.waiting(), "les ouvriers ont été tués trop tard pour rien prouver"
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()


@pytest.mark.parametrize("operation", ["CreateItem", "SendItem"])
@pytest.mark.parametrize(
    "fault",
    [
        {"action": "drop_after"},
        {"action": "drop_before"},
        {"action": "truncate"},
        {"action": "status", "status": 503, "retry_after": 1, "after": False},
        {"action": "status", "status": 503, "retry_after": 1, "after": True},
        {"action": "status", "status": 504, "after": True, "close": True},
        {"action": "busy", "ms": 700},
        {"action": "busy_item", "after": False},
        {"action": "error", "code": "ErrorInternalServerError", "after": True},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_a_fault_of_exchange_costs_time_only(at_work: Theatre, operation: str, fault: dict) -> None:
    at_work.exchange.faults([{"op": operation, **fault, "times": 3}])
    at_work.act("queue", 20, 3)
    at_work.wait_drained()
    assert at_work.exchange.faults()[0]["fired"] == 3
    at_work.assert_each_once_and_in_order()


def test_random_faults_everywhere(theatre: Theatre) -> None:
    actions = [("drop_after", {}), ("drop_before", {}), ("truncate", {}), ("busy", {"ms": 100})]
    theatre.exchange.faults(
        [{"op": "*", "action": a, "probability": 0.04, "seed": n, **more} for n, (a, more) in enumerate(actions)]
    )
    theatre.act("queue", 60, 4)
    theatre.beat()
    theatre.worker()
    theatre.worker()
    theatre.wait_drained()
    theatre.exchange.faults([])
    theatre.assert_each_once_and_in_order()


def test_refused_for_a_while_the_sender_waits_and_goes_on(at_work: Theatre) -> None:
    at_work.exchange.faults([{"op": "*", "action": "unauthorized", "times": 2}])
    at_work.act("queue", 30, 2)
    at_work.wait_drained()
    at_work.assert_each_once_and_in_order()


def test_refused_three_times_the_sender_stops_until_a_person_resumes_it(at_work: Theatre) -> None:
    theatre = at_work
    # Its inboxes are read once a minute by the same account: that is told apart from what its sending asks.
    reading = [{"op": op, "action": "unauthorized"} for op in ("SyncFolderItems", "GetFolder", "GetItem")]
    theatre.exchange.faults([*reading, {"op": "*", "action": "unauthorized"}])
    theatre.act("queue", 30, 2)
    paused = "SELECT count(*) FROM mail_senderstate WHERE paused_at IS NOT NULL"
    theatre.wait(lambda: theatre.ask(paused)[0][0] == 1, "expéditeur arrêté")
    time.sleep(1)
    refused = theatre.exchange.faults()[-1]["fired"]
    assert 3 <= refused <= 6, "un compte refusé ne se martèle pas"
    time.sleep(3)
    assert theatre.exchange.faults()[-1]["fired"] == refused, "arrêté veut dire arrêté"
    theatre.exchange.faults([])
    theatre.act("resume")
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()


def test_one_invalid_recipient_does_not_stop_the_others(at_work: Theatre) -> None:
    wrong = {"recipient": "ec000007@adm.cfwb.be"}
    at_work.exchange.faults([{"op": "CreateItem", "action": "invalid_recipient", "match": wrong}])
    at_work.act("queue", 40, 1)
    at_work.wait_drained()
    at_work.assert_each_once_and_in_order(failed=1)
    reason = at_work.ask("SELECT last_error FROM mail_outgoingmail WHERE status = 'failed'")[0][0]
    assert reason == "Exchange refuse cette adresse."


def test_exchange_away_at_first(theatre: Theatre) -> None:
    away = theatre.exchange
    port = int(away.url.rsplit(":", 1)[1])
    away.stop()
    theatre.act("queue", 20, 2)
    theatre.beat()
    theatre.worker()
    theatre.wait(
        lambda: theatre.ask("SELECT count(*) FROM mail_throttle WHERE streak > 0")[0][0] == 1, "allure bloquée"
    )
    assert theatre.waiting() == 40
    theatre.exchange = type(away).start(port)
    try:
        theatre.wait_drained()
        theatre.assert_each_once_and_in_order()
    finally:
        theatre.exchange.stop()


def test_redis_emptied_in_the_middle(theatre: Theatre) -> None:
    theatre.exchange.latency(5)
    theatre.act("queue", 60, 4)
    theatre.beat()
    theatre.worker()
    broker = redis.Redis.from_url(theatre.env["REDIS_URL"].replace("redis+socket", "unix"))
    for sent in (20, 80, 140):
        theatre.wait_sent(sent)
        broker.flushall()
    theatre.wait_drained()
    broker.close()
    theatre.assert_each_once_and_in_order()


def test_redis_restarted_three_times(theatre: Theatre) -> None:
    """A worker that does not survive it (kombu may give up) is restarted by what watches over it."""
    theatre.exchange.latency(5)
    theatre.act("queue", 60, 4)
    theatre.beat()
    theatre.worker()
    for sent in (20, 80, 140):
        theatre.wait_sent(sent)
        theatre.servers.restart_valkey()

    def drained() -> bool:
        theatre.restart_the_dead()
        return not theatre.waiting()

    theatre.wait(drained, "file vide")
    theatre.assert_each_once_and_in_order()


@pytest.mark.durable
def test_postgresql_restarted_in_the_middle(theatre: Theatre) -> None:
    theatre.exchange.latency(5)
    theatre.act("queue", 60, 4)
    theatre.beat()
    theatre.worker()
    for sent in (20, 80, 140):
        theatre.wait_sent(sent)
        theatre.servers.restart_postgres("immediate")
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()


def test_two_beats_and_two_hosts_of_workers(theatre: Theatre) -> None:
    theatre.act("queue", 80, 3)
    for _ in range(2):
        theatre.beat()
        theatre.worker()
        theatre.worker()
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()


def test_a_worker_that_comes_back_after_its_lease_sends_nothing_twice(theatre: Theatre) -> None:
    theatre.exchange.latency(10)
    theatre.act("queue", 60, 3)
    theatre.beat()
    asleep = theatre.worker()
    theatre.wait_sent(20)
    os.killpg(asleep.pid, signal.SIGSTOP)
    time.sleep(LEASE + 1)
    theatre.worker()
    theatre.wait_sent(120)
    os.killpg(asleep.pid, signal.SIGCONT)
    theatre.wait_drained()
    theatre.assert_each_once_and_in_order()


def test_a_draft_answered_after_the_lease_leaves_one_mail_and_no_stray(theatre: Theatre) -> None:
    """The draft was made, its answer lost for longer than the lease: another is adopted or made, one mail leaves."""
    theatre.exchange.faults([{"op": "CreateItem", "action": "delay", "ms": (LEASE + 2) * 1000, "times": 1}])
    theatre.act("queue", 20, 1)
    theatre.beat()
    theatre.worker()
    theatre.worker()
    theatre.wait_drained()
    time.sleep(1)
    theatre.assert_each_once_and_in_order()
