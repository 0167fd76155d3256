"""Runs that die where they are told to: `python -m tests.walks.crashes`, ordered line by line by test_crash_points.

Each order runs in a forked child, as a worker's child would: {"do": "moment", …, "crash": "send.after:3"} ends
like a `kill -9` when the third mail was sent. The answer gives its exit status and, if it lived, how often it passed
each point. Nothing of this is in the portal's code: the points are put around it here.
"""

import functools
import json
import os
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import django

passed: Counter[str] = Counter()


def pass_by(point: str) -> None:
    passed[point] += 1
    if os.environ.get("BMA_CRASH_AT") == f"{point}:{passed[point]}":
        os._exit(9)


def watch(owner: Any, name: str, point: str, counts: Callable[..., bool] = lambda *_: True) -> None:
    """A point before and a point after each call of that function."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def watched(*arguments: Any, **named: Any) -> Any:
        if not counts(*arguments):
            return original(*arguments, **named)
        pass_by(f"{point}.before")
        result = original(*arguments, **named)
        pass_by(f"{point}.after")
        return result

    setattr(owner, name, watched)


def watch_everything() -> None:
    """Each commit of a transaction that wrote, each statement that commits by itself, each call to the outside."""
    from django.db import connection
    from django.db.backends.base.base import BaseDatabaseWrapper

    from accounts import credentials
    from bma_portal.mail import claims
    from bma_portal.mail.backends.ews import ExchangeTransport
    from demo.directory import TwinDirectory

    def wrote(*_: Any) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
            return cursor.fetchone()[0]

    watch(BaseDatabaseWrapper, "commit", "commit", wrote)
    watch(claims, "keep_ids", "keep_ids")
    watch(credentials, "record_applied", "record_applied")
    watch(ExchangeTransport, "draft", "draft")
    watch(ExchangeTransport, "send", "send")
    watch(TwinDirectory, "set_password", "set_password")


# What a run does


def prepare(number: int, boxes: int) -> None:
    """A campaign of its own for one crash: one batch, approved and released."""
    from accounts.models import Mailbox, Organisation
    from bma_portal.clock import brussels
    from migration import planning, sequence
    from migration.campaigns import AUTUMN_2024
    from migration.models import Batch, Campaign

    Batch.objects.update(status=Batch.Status.FINISHED)  # those of the crashes before: beat looks at the open ones only
    day = AUTUMN_2024["po_first_mail_from"]
    at = brussels(day)
    for fase in range(number * 100, number * 100 + boxes):
        unit = Organisation.objects.create(kind="po", fase=fase, name=f"Pouvoir fictif {fase}")
        Mailbox.objects.create(organisation=unit, address=f"po{fase:06d}@adm.cfwb.be")
    campaign = Campaign.objects.create(**{**AUTUMN_2024, "slug": f"chute-{number}", "po_first_mail_to": day})
    planning.apply(campaign, at=at)
    for batch in campaign.batches.all():
        sequence.approve(batch, by="essai", at=at)
        sequence.release(batch, by="essai", at=at)


def issue() -> None:
    from accounts import credentials
    from accounts.models import Mailbox
    from bma_portal import clock

    credentials.issue(list(Mailbox.objects.select_related("organisation")), at=clock.now())


def moment(at: str) -> None:
    """What beat and the workers do at that moment, in one process, until nothing is left to do."""
    from accounts import credentials
    from bma_portal.mail import outbox
    from bma_portal.mail.models import Sender
    from migration import sequence

    when = datetime.fromisoformat(at)
    busy = True
    while busy:
        queued = sequence.advance(at=when)
        placed = credentials.set_passwords(at=when)
        drained = [outbox.drain(sender) for sender in Sender.values]
        busy = bool(queued or placed or any(drained))


def in_a_child(order: dict) -> dict:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        if order.get("crash"):
            os.environ["BMA_CRASH_AT"] = order["crash"]
        watch_everything()
        globals()[order["do"]](*order.get("arguments", []))
        os.write(writing, json.dumps(passed).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        points = answer.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status, "points": json.loads(points or "{}")}


if __name__ == "__main__":
    django.setup()
    from django.db import connections

    from bma_portal import celery, clock  # noqa: F401
    from bma_portal.mail.backends import ews  # noqa: F401

    # What is slow the first time is done once here, not in each child.
    clock.is_public_holiday(date(2024, 10, 7))
    moment("2024-09-01T09:00:00+00:00")  # while there is nothing to send
    connections.close_all()
    print("prêt", flush=True)
    for line in sys.stdin:
        print(json.dumps(in_a_child(json.loads(line))), flush=True)
