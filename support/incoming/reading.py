"""The inboxes of the two senders, read by changes since a state: what the worker does every minute.

A page of mails is read with no transaction open; each mail is taken in by its own; then the state moves on, if nobody
moved it meanwhile. Killed in between, the same page is read again and its mails are found done. Two readers at once do
twice the reading and once the rest.
"""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DataError, IntegrityError, connection
from django.db import Error as AnyDatabaseError

from bma_portal.mail import claims
from bma_portal.mail.inbox import Received, inbox
from bma_portal.mail.models import Sender
from bma_portal.vault import VaultError
from bma_portal.verdicts import Outcome, Verdict
from support.incoming import receiving
from support.incoming.files import ReaderBusy
from support.models import InboxState, IncomingMail

log = logging.getLogger(__name__)

PAGE = 50  # changes asked for at once
RUN_SECONDS = 60  # of one inbox; the rest waits for the next minute
LEASE_SECONDS = 90  # of a reader that is at work on a page
FIRST_DAYS = 1  # the first reading goes back that far, and leaves what is older to those who read by hand
INSIST = 5  # failures in a row, after which a mail that the server cannot give is passed over
WAIT_MOST = 900
ACCOUNT_REFUSED = {"HTTP 401", "UnauthorizedError"}
REFUSED_WAITS = (300, 1800, 3600)  # each refused sign-in brings the service account nearer to its lock


@dataclass
class Reading:
    """What was done of one inbox: mails by verdict; the failure, if one ended it."""

    sender: str
    taken: Counter[str] = field(default_factory=Counter)
    failure: str = ""
    busy: bool = False  # another reader is at it, or it is not time yet

    @property
    def count(self) -> int:
        return sum(self.taken.values())


def tick(*, at: datetime, forced: bool = False) -> list[Reading]:
    """Read both inboxes; one that fails does not stop the other, unless it is their common account that is refused.

    `forced`: without regard to waits and leases.
    """
    if not settings.EXCHANGE_URL:
        return []
    readings: list[Reading] = []
    refused: Outcome | None = None
    for sender in Sender.values:
        reading = Reading(sender)
        readings.append(reading)
        if refused:  # another sign-in would bring it nearer to its lock
            reading.failure = refused.reason
            _wait(sender, refused, at=at)
            continue
        try:
            outcome = _read(reading, at=at, forced=forced)
            refused = outcome if outcome and outcome.code in ACCOUNT_REFUSED else None
        except (AnyDatabaseError, SoftTimeLimitExceeded):
            raise
        except (VaultError, ReaderBusy) as error:  # nothing is lost: the state has not moved
            reading.failure = str(error) or "Le lecteur de documents est occupé."
            _wait(sender, Outcome(Verdict.RETRY, type(error).__name__, reading.failure), at=at)
        except Exception as error:
            log.exception("boîte non lue", extra={"expediteur": sender, "code": type(error).__name__})
            reading.failure = "Panne inattendue du portail : la boîte sera relue."
            _wait(sender, Outcome(Verdict.RETRY, type(error).__name__, reading.failure), at=at)
    return readings


def _read(reading: Reading, *, at: datetime, forced: bool) -> Outcome | None:
    """What ended it, if that was a failure of the other side."""
    sender = reading.sender
    ends = time.monotonic() + RUN_SECONDS
    if not forced and not claims.may_send(sender):  # Exchange refuses the account, or is busy: not the time to ask
        reading.busy = True
        return None
    state = _claim(sender, at=at, forced=forced)
    if state is None:
        reading.busy = True
        return None
    try:
        while time.monotonic() < ends:
            answer = inbox().changes(
                sender,
                state.state,
                limit=PAGE,
                unknown=lambda items, since=state.since: _unknown(sender, since, items),  # type: ignore[misc]
                insist=state.failures < INSIST,
            )
            if isinstance(answer, Outcome):
                reading.failure = answer.reason
                _wait(sender, answer, at=at)
                return answer
            for received in answer.items:
                if row := _take(sender, received, at=at):
                    reading.taken[row.verdict] += 1
            if not _advance(state, answer.state, at=at) or not answer.more:
                break
        return None
    finally:
        InboxState.objects.filter(pk=sender).update(reading_until=None)


def _state(sender: str, *, at: datetime) -> InboxState:
    """The first time, from a day before."""
    return InboxState.objects.get_or_create(pk=sender, defaults={"since": at - timedelta(days=FIRST_DAYS)})[0]


def _claim(sender: str, *, at: datetime, forced: bool) -> InboxState | None:
    """How far it was read, if it may be read now."""
    _state(sender, at=at)
    found = InboxState.objects.raw(
        """UPDATE support_inboxstate SET reading_until = clock_timestamp() + make_interval(secs => %s)
           WHERE sender = %s AND (%s OR coalesce(greatest(not_before, reading_until) <= clock_timestamp(), true))
           RETURNING *""",
        [LEASE_SECONDS, sender, forced],
    )
    return next(iter(found), None)


def _unknown(sender: str, since: datetime, items: Sequence[tuple[str, datetime]]) -> set[str]:
    keys = {receiving.item_key(sender, item_id): item_id for item_id, received_at in items if received_at >= since}
    known = IncomingMail.objects.filter(item_key__in=keys).values_list("item_key", flat=True)
    return set(keys.values()) - {keys[key] for key in known}


def _take(sender: str, received: Received, *, at: datetime) -> IncomingMail | None:
    try:
        return receiving.receive(sender, received, at=at)
    except (VaultError, ReaderBusy, SoftTimeLimitExceeded):
        raise
    except (DataError, IntegrityError) as error:  # what this one mail holds; any other fault is the database's own
        failed: Exception = error
    except AnyDatabaseError:
        raise
    except Exception as error:
        failed = error
    log.error("courriel reçu illisible", extra={"expediteur": sender, "code": type(failed).__name__})
    return receiving.set_aside(sender, received, at=at)


def _advance(state: InboxState, reached: str, *, at: datetime) -> bool:
    """Go on from there, unless another reader did. A page that was read ends the failures in a row."""
    moved = InboxState.objects.filter(pk=state.pk, state=state.state).update(
        state=reached, read_at=at, failures=0, not_before=None, last_error="", last_code=""
    )
    state.state, state.failures = reached, 0
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE support_inboxstate SET reading_until = clock_timestamp() + make_interval(secs => %s) "
            "WHERE sender = %s",
            [LEASE_SECONDS, state.pk],
        )
    return bool(moved)


def _wait(sender: str, outcome: Outcome, *, at: datetime) -> None:
    """Not before what the server asked for, else longer after each failure in a row."""
    log.warning("boîte non lue", extra={"expediteur": sender, "verdict": str(outcome.verdict), "code": outcome.code})
    failures = _state(sender, at=at).failures
    if outcome.retry_after is not None:
        wait: float = outcome.retry_after
    elif outcome.verdict is Verdict.SENDER:
        wait = REFUSED_WAITS[min(failures, len(REFUSED_WAITS) - 1)]
    else:
        wait = min(30 * 2 ** min(failures, 10), WAIT_MOST)
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE support_inboxstate SET failures = least(failures + 1, 1000), last_error = %s, last_code = %s,
                      not_before = clock_timestamp() + make_interval(secs => %s) WHERE sender = %s""",
            [outcome.reason, outcome.code, min(wait, 3600), sender],
        )
