"""A bell rings once until a worker hears it, on a real Redis; without Redis it is mute."""

import socket
import time

import pytest
from celery import Celery
from django.db import transaction
from kombu.exceptions import OperationalError

from bma_portal import bells
from bma_portal.celery import app

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture
def task(monkeypatch):
    """A task of this test alone, which notes what is published."""

    @app.task(name="essai.sonnette", shared=False)
    def essai(sender: str) -> str:
        return sender

    essai.published = []
    monkeypatch.setattr(essai, "delay", lambda *args: essai.published.append(args))
    for sender in ("sgne", "etnic"):
        bells.heard(essai, (sender,))
    yield essai
    app.tasks.pop(essai.name)


def test_it_rings_once_until_it_is_heard(task):
    for _ in range(3):
        bells.ring(task, "sgne")
    bells.ring(task, "etnic")
    assert task.published == [("sgne",), ("etnic",)]
    bells.heard(task, ("sgne",))
    for sender in ("sgne", "etnic"):
        bells.ring(task, sender)
    assert task.published == [("sgne",), ("etnic",), ("sgne",)]


def test_it_rings_again_by_itself_after_a_while(task, monkeypatch):
    """A worker may have taken the task and died before it heard anything."""
    monkeypatch.setattr(bells, "RINGS", 1)
    bells.ring(task, "sgne")
    time.sleep(1.2)
    bells.ring(task, "sgne")
    assert task.published == [("sgne",)] * 2


def test_several_workers_are_called_whatever_rings(task):
    bells.ring(task, "sgne")
    bells.ring(task, "sgne", times=3)
    assert task.published == [("sgne",)] * 4


def test_nothing_rings_before_the_commit_nor_after_a_failure(task):
    with transaction.atomic():
        bells.ring(task, "sgne")
        assert task.published == []
    assert task.published == [("sgne",)]
    bells.heard(task, ("sgne",))
    with transaction.atomic():
        bells.ring(task, "sgne")
        transaction.set_rollback(True)
    assert task.published == [("sgne",)]


def test_a_worker_hears_before_it_works(task):
    """Whoever rings while it works is heard by the next one."""
    found = []
    task.run = lambda sender: found.append(bells._begins(task, (sender,)))
    bells.ring(task, "sgne")
    task.push_request(id="3f0c", args=("sgne",))
    try:
        task("sgne")
    finally:
        task.pop_request()
    assert found == [True]
    task("sgne")  # called by a command or a test, and not by a worker: what rings goes on ringing
    assert found == [True, False]


def test_one_that_could_not_be_published_does_not_silence_the_next(task, monkeypatch):
    def broken(*args: object) -> None:
        raise OperationalError("la publication a échoué")

    published = task.delay
    monkeypatch.setattr(task, "delay", broken)
    bells.ring(task, "sgne")
    monkeypatch.setattr(task, "delay", published)
    bells.ring(task, "sgne")
    assert task.published == [("sgne",)]


def test_without_redis_it_is_mute(task, caplog, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        elsewhere = Celery("ailleurs", broker=f"redis://127.0.0.1:{nobody.getsockname()[1]}/0")
        elsewhere.conf.broker_transport_options = app.conf.broker_transport_options
        monkeypatch.setattr(type(task), "app", elsewhere)
        began = time.monotonic()
        bells.ring(task, "sgne")
        bells.heard(task, ("sgne",))
        assert time.monotonic() - began < 2
    assert task.published == []
    assert [record.message for record in caplog.records if record.name == "bma_portal.bells"] == ["sonnette muette"]
