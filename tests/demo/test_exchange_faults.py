"""Every fault the stand-in can play, and what the real exchangelib makes of it."""

import random
import time
import uuid

import pytest
from exchangelib.errors import (
    ErrorBatchProcessingStopped,
    ErrorInternalServerError,
    ErrorInvalidPropertySet,
    ErrorInvalidRecipients,
    ErrorItemNotFound,
    ErrorMailboxMoveInProgress,
    ErrorServerBusy,
    ErrorTimeoutExpired,
)
from exchangelib.items import BulkCreateResult

from tests.demo.mailer import HttpFailure, causes


@pytest.fixture
def draft(mailer):
    (draft,) = mailer.draft(mailer.message())
    return draft


@pytest.mark.parametrize(
    ("action", "delivered", "evidence"),
    [("drop_before", 0, "ProtocolError"), ("drop_after", 1, "ProtocolError"), ("truncate", 1, "IncompleteRead")],
)
def test_a_cut_connection_is_a_timeout_whose_cause_tells(exchange, mailer, draft, action, delivered, evidence):
    exchange.faults([{"op": "SendItem", "action": action, "times": 1}])
    with pytest.raises(ErrorTimeoutExpired) as caught:
        mailer.send(draft)
    assert evidence in causes(caught.value)
    assert exchange.counts()["delivered"] == delivered
    # What settles the doubt: is the draft still there?
    seen = mailer.fetch(draft)
    assert isinstance(seen, ErrorItemNotFound) is bool(delivered)
    (again,) = mailer.send(draft)
    assert again is True or isinstance(again, ErrorItemNotFound)
    assert exchange.counts()["delivered"] == 1
    assert exchange.faults()[0]["fired"] == 1


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("status", [503, 504, 429])
def test_a_status_keeps_its_retry_after_and_may_hide_a_success(exchange, mailer, draft, status, after):
    exchange.faults(
        [{"op": "SendItem", "action": "status", "status": status, "retry_after": 7, "after": after, "times": 1}]
    )
    with pytest.raises(HttpFailure) as caught:
        mailer.send(draft)
    assert (caught.value.status, caught.value.retry_after) == (status, "7")
    assert exchange.counts()["delivered"] == int(after)


def test_a_proxys_answer_closes_the_connection_and_the_next_request_passes(exchange, mailer, draft):
    exchange.faults([{"op": "SendItem", "action": "status", "status": 502, "close": True, "times": 1}])
    with pytest.raises(HttpFailure):
        mailer.send(draft)
    assert mailer.send(draft) == [True]


@pytest.mark.parametrize("after", [True, False])
def test_a_busy_server_says_how_long_to_wait(exchange, mailer, draft, after):
    exchange.faults([{"op": "SendItem", "action": "busy", "ms": 2500, "after": after, "times": 1}])
    with pytest.raises(ErrorServerBusy) as caught:
        mailer.send(draft)
    assert caught.value.back_off == 2.5
    assert exchange.counts()["delivered"] == int(after)


def test_busy_for_one_item_of_a_chunk_is_that_items_answer(exchange, mailer):
    exchange.faults([{"op": "CreateItem", "action": "busy_item", "times": 1, "match": {"key": "second"}}])
    results = mailer.draft(mailer.message(), mailer.message(key="second"), mailer.message())
    assert [type(result) for result in results] == [BulkCreateResult, ErrorServerBusy, BulkCreateResult]


@pytest.mark.parametrize("after", [True, False])
def test_an_items_error_may_come_after_the_work_was_done(exchange, mailer, draft, after):
    exchange.faults(
        [{"op": "SendItem", "action": "error", "code": "ErrorInternalServerError", "after": after, "times": 1}]
    )
    (result,) = mailer.send(draft)
    assert isinstance(result, ErrorInternalServerError)
    assert exchange.counts()["delivered"] == int(after)
    assert isinstance(mailer.fetch(draft), ErrorItemNotFound) is after


def test_a_soap_fault_of_any_code_can_be_played(exchange, mailer, draft):
    exchange.faults([{"op": "SendItem", "action": "fault", "code": "ErrorMailboxMoveInProgress", "times": 1}])
    with pytest.raises(ErrorMailboxMoveInProgress):
        mailer.send(draft)
    assert mailer.send(draft) == [True]


def test_401_for_a_while(exchange, mailer, draft):
    exchange.faults([{"op": "*", "action": "unauthorized", "times": 2}])
    for _ in range(2):
        with pytest.raises(HttpFailure) as caught:
            mailer.send(draft)
        assert caught.value.status == 401
    assert mailer.send(draft) == [True]


def test_one_invalid_recipient_in_a_chunk_of_fifty_is_refused_alone(exchange, mailer):
    bad = "ec000012@adm.cfwb.be"
    exchange.faults([{"op": "CreateItem", "action": "invalid_recipient", "match": {"recipient": bad}}])
    results = mailer.draft(*[mailer.message(f"ec{number:06}@adm.cfwb.be") for number in range(1, 51)])
    assert [number for number, result in enumerate(results, 1) if isinstance(result, ErrorInvalidRecipients)] == [12]
    assert exchange.counts()["drafts"] == 49
    assert exchange.faults()[0]["fired"] == 1


def test_an_invalid_recipient_may_show_only_when_sent(exchange, mailer):
    bad = "ec000012@adm.cfwb.be"
    exchange.faults([{"op": "SendItem", "action": "invalid_recipient", "match": {"recipient": bad}}])
    drafts = mailer.draft(mailer.message(bad), mailer.message("ec000013@adm.cfwb.be"))
    assert [type(result) for result in mailer.send(*drafts)] == [ErrorInvalidRecipients, bool]
    assert exchange.counts()["drafts"] == 1


def test_a_server_may_refuse_or_replace_the_message_id(exchange, mailer):
    exchange.faults([{"op": "CreateItem", "action": "refuse_message_id"}])
    with_id, without = mailer.draft(mailer.message(), mailer.message(message_id=None))
    assert isinstance(with_id, ErrorInvalidPropertySet)
    assert isinstance(without, BulkCreateResult)
    exchange.faults([{"op": "CreateItem", "action": "replace_message_id"}])
    (draft,) = mailer.draft(mailer.message(key="mine"))
    assert "mine" not in mailer.fetch(draft).message_id


def test_a_batch_that_lasts_too_long_is_stopped(exchange, mailer):
    exchange.faults([{"op": "CreateItem", "action": "max_batch", "size": 3, "times": 1}])
    results = mailer.draft(*[mailer.message() for _ in range(5)])
    assert [type(result) for result in results] == [BulkCreateResult] * 3 + [ErrorBatchProcessingStopped] * 2


def test_a_held_mail_is_submitted_and_leaves_later(exchange, mailer, draft):
    exchange.faults([{"op": "SendItem", "action": "hold", "ms": 300}])
    assert mailer.send(draft) == [True]
    seen = mailer.fetch(draft)
    assert (seen.is_draft, seen.is_submitted) == (True, True)
    assert isinstance(mailer.send(draft)[0], ErrorItemNotFound)
    assert exchange.counts()["delivered"] == 0
    assert eventually(lambda: exchange.counts()["delivered"] == 1)
    assert exchange.counts()["drafts"] == 0


def test_a_copy_may_show_up_late(exchange, mailer):
    exchange.faults([{"op": "SendItem", "action": "late_copy", "ms": 300}])
    (draft,) = mailer.draft(mailer.message(key="late"))
    assert mailer.send(draft, save=True) == [True]
    assert exchange.counts()["delivered"] == 1
    assert mailer.find(mailer.sent, "late") == []
    assert eventually(lambda: mailer.find(mailer.sent, "late"))


def test_a_bounce_comes_back_to_the_senders_inbox_with_our_marks(exchange, mailer):
    bad = "ec000012@adm.cfwb.be"
    exchange.faults([{"op": "SendItem", "action": "bounce", "match": {"recipient": bad}, "status": "5.1.1"}])
    key = str(uuid.uuid4())
    drafts = mailer.draft(mailer.message(bad, key=key), mailer.message("ec000013@adm.cfwb.be"))
    assert mailer.send(*drafts) == [True, True]
    assert [row["to"] for row in exchange.deliveries()] == ["ec000013@adm.cfwb.be"]
    (report,) = mailer.inbox.filter(item_class__startswith="REPORT.IPM.Note.NDR").only("mime_content", "item_class")
    assert report.item_class == "REPORT.IPM.Note.NDR"
    for mark in (f"Final-Recipient: rfc822;{bad}", "Status: 5.1.1", f"X-BMA-Key: {key}", f"<{key}@bma.test>"):
        assert mark.encode() in report.mime_content


def test_a_search_can_fail_too(exchange, mailer):
    exchange.faults([{"op": "FindItem", "action": "error", "code": "ErrorServerBusy", "times": 1}])
    with pytest.raises(ErrorServerBusy):
        mailer.find(mailer.drafts, "key")
    assert mailer.find(mailer.drafts, "key") == []


def test_latency_and_delay_hold_the_answer_back_but_not_the_work(exchange, mailer, draft):
    exchange.latency(120)
    exchange.faults([{"op": "SendItem", "action": "delay", "ms": 130, "times": 1}])
    start = time.monotonic()
    assert mailer.send(draft) == [True]
    assert 0.25 <= time.monotonic() - start < 2


def test_a_rule_with_a_match_leaves_other_requests_alone(exchange, mailer):
    exchange.faults([{"op": "SendItem", "action": "drop_before", "match": {"key": "unlucky"}}])
    lucky, unlucky = mailer.draft(mailer.message(key="lucky"), mailer.message(key="unlucky"))
    assert mailer.send(lucky) == [True]
    with pytest.raises(ErrorTimeoutExpired):
        mailer.send(unlucky)


def test_the_same_seed_tells_the_same_story(exchange, mailer):
    def story(seed):
        exchange.reset()
        exchange.faults([{"op": "SendItem", "action": "busy_item", "probability": 0.5, "seed": seed}])
        drafts = mailer.draft(*[mailer.message() for _ in range(24)])
        return [isinstance(result, Exception) for result in mailer.send(*drafts)]

    assert story(3) == story(3)
    assert story(3) != story(4)
    assert any(story(3))
    assert not all(story(3))


@pytest.mark.parametrize(
    "rules",
    [
        {"op": "SendItem"},
        [{"op": "SendItem", "action": "explode"}],
        [{"op": "Teleport", "action": "busy"}],
        [{"op": "SendItem", "action": "busy", "times": "three"}],
        [{"op": "SendItem", "action": "error"}],
        [{"op": "SendItem", "action": "busy", "match": {"colour": "blue"}}],
        ["busy"],
    ],
)
def test_a_rule_that_means_nothing_is_refused_and_changes_nothing(exchange, rules):
    exchange.faults([{"op": "SendItem", "action": "busy"}])
    with pytest.raises(ValueError, match=r"\w"):
        exchange.faults(rules)
    assert len(exchange.faults()) == 1


def test_every_mail_arrives_exactly_once_under_random_faults(exchange, mailer):
    """The protocol of the portal in miniature: draft, keep the id, send by id, settle doubts by asking."""
    rules = []
    for seed, op in enumerate(("CreateItem", "SendItem", "GetItem", "FindItem")):
        for rank, rule in enumerate(
            (
                {"action": "drop_before"},
                {"action": "drop_after"},
                {"action": "truncate"},
                {"action": "status", "status": 503, "after": True},
                {"action": "busy"},
                {"action": "busy", "after": True},
                {"action": "unauthorized"},
                {"action": "error", "code": "ErrorInternalServerError", "after": True},
            )
        ):
            rules.append({"op": op, "probability": 0.05, "seed": seed * 100 + rank} | rule)
    exchange.faults(rules)
    keys = [str(uuid.uuid4()) for _ in range(60)]
    order = random.Random(1)
    for key in keys:
        deliver(mailer, key, save=order.random() < 0.5)
    counts = exchange.counts()
    assert (counts["delivered"], counts["by_key_max"]) == (60, 1)
    assert {row["key"] for row in exchange.deliveries()} == set(keys)
    assert sum(rule["fired"] for rule in exchange.faults()) > 30


def deliver(mailer, key, *, save):
    draft = None
    while draft is None:
        found = insist(lambda: mailer.find(mailer.drafts, key))
        draft = found[0] if found else attempt(lambda: mailer.draft(mailer.message(key=key))[0])
    while attempt(lambda: mailer.send(draft, save=save)[0]) is not True:
        seen = insist(lambda: mailer.fetch(draft), accept=ErrorItemNotFound)
        if isinstance(seen, ErrorItemNotFound):
            break


def attempt(work):
    try:
        result = work()
    except (ErrorTimeoutExpired, ErrorServerBusy, HttpFailure, ErrorInternalServerError):
        return None
    return None if isinstance(result, Exception) else result


def insist(work, accept=()):
    while True:
        try:
            result = work()
        except (ErrorTimeoutExpired, ErrorServerBusy, HttpFailure, ErrorInternalServerError):
            continue
        if not isinstance(result, Exception) or isinstance(result, accept):
            return result


def eventually(condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
