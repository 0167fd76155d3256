"""How Celery is set (SEC-J5 to J7), and what a bell costs whoever rings it (SEC-H6)."""

import socket
import time

import pytest
from celery import current_app
from django.conf import settings

from bma_portal import bells
from bma_portal.celery import app
from bma_portal.mail.tasks import drain


def test_the_visibility_timeout_is_the_same_in_its_three_places():
    seconds = settings.CELERY_VISIBILITY_TIMEOUT
    assert app.conf.visibility_timeout == seconds
    assert app.conf.broker_transport_options["visibility_timeout"] == seconds
    assert app.conf.result_backend_transport_options["visibility_timeout"] == seconds
    assert seconds > app.conf.task_time_limit > app.conf.task_soft_time_limit


def test_a_killed_task_is_given_again_and_none_is_taken_in_advance():
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1
    assert 0 < app.conf.worker_soft_shutdown_timeout <= 30


def test_nothing_but_json_goes_through_the_broker_and_nothing_comes_back():
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.task_ignore_result
    assert not app.conf.result_backend
    assert not app.conf.worker_send_task_events
    assert not app.conf.task_send_sent_event


def test_a_worker_reconnects_for_ever_and_whoever_rings_does_not_wait():
    assert app.conf.broker_connection_max_retries is None
    assert app.conf.broker_connection_retry_on_startup
    assert not app.conf.task_publish_retry
    assert app.conf.broker_transport_options["max_retries"] == 0


def test_beat_counts_seconds_and_no_hour_of_the_clock():
    from bma_portal.settings import base  # the tests' own schedule is empty

    app.loader.import_default_modules()
    assert app.conf.timezone == "UTC"
    for entry in base.CELERY_BEAT_SCHEDULE.values():
        assert type(entry["schedule"]).__name__ == "schedule"  # a crontab would lose an hour, or do it twice
        assert entry["task"] in current_app.tasks
        assert set(entry) == {"task", "schedule"}


class Elsewhere:
    """The task `mail.drain`, rung through another broker."""

    name = drain.name

    def __init__(self, url: str) -> None:
        self.url = url

    def delay(self, *args):
        with app.connection_for_write(self.url) as connection:
            drain.apply_async(args, connection=connection)


@pytest.mark.database
@pytest.mark.parametrize("answers", [False, True], ids=["is away", "accepts and says nothing"])
def test_whoever_rings_goes_on_although_redis(answers, django_capture_on_commit_callbacks, db, caplog):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answers:
            listener.listen(1)
        began = time.monotonic()
        with django_capture_on_commit_callbacks(execute=True):
            bells.ring(Elsewhere(f"redis://127.0.0.1:{listener.getsockname()[1]}/0"), "sgne", times=4)
        assert time.monotonic() - began < (7 if answers else 1)
    assert [record.message for record in caplog.records if record.name == "bma_portal.bells"] == ["sonnette muette"]
