"""Who holds which mail. All the SQL of the outbox: claims, pace, and what is written back.

Times here are the database's clock, so that a worker whose own clock is wrong changes nothing.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from bma_portal.mail.models import OutgoingMail, SenderState, Throttle
from bma_portal.verdicts import Outcome

Status = OutgoingMail.Status
ATTEMPTS_MAX = 48  # many short tries rather than a few long ones, then a person
MOST_COUNTED = 1000  # a mail in doubt is asked about for as long as it takes; its count stays small


@dataclass
class Claim:
    """Mails of one sender held by one worker until the lease ends. `doubtful`: Exchange must be asked first."""

    token: UUID
    sender: str
    mails: list[OutgoingMail]
    doubtful: bool


def account_name() -> str:
    return settings.EXCHANGE_USER or "-"


def may_send(sender: str) -> bool:
    """Neither the sender nor the account is told to wait; a refused account must not be hammered."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT NOT EXISTS (SELECT 1 FROM mail_senderstate WHERE sender = %s
                                  AND (paused_at IS NOT NULL OR wait_until > clock_timestamp()))
                  AND NOT EXISTS (SELECT 1 FROM mail_throttle WHERE account = %s AND blocked_until > clock_timestamp())
            """,
            [sender, account_name()],
        )
        return cursor.fetchone()[0]


def _take_tokens(wanted: int) -> int:
    """How many mails the account's pace allows now, out of `wanted`; they are spent. Inside a transaction."""
    per_minute = settings.EXCHANGE_MAX_PER_MINUTE
    if not per_minute:
        return wanted
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO mail_throttle (account, tokens, refilled_at, streak)
               VALUES (%s, %s, clock_timestamp(), 0) ON CONFLICT (account) DO NOTHING""",
            [account_name(), per_minute / 6],
        )
        # The bucket holds ten seconds' worth (one mail at least), so that no minute sees a burst of twice the pace.
        cursor.execute(
            """UPDATE mail_throttle SET refilled_at = clock_timestamp(), tokens = least(greatest(%s / 6.0, 1), tokens
                   + %s / 60.0 * extract(epoch FROM clock_timestamp() - coalesce(refilled_at, clock_timestamp())))
               WHERE account = %s RETURNING tokens""",
            [per_minute, per_minute, account_name()],
        )
        granted = min(wanted, int(cursor.fetchone()[0]))
        cursor.execute("UPDATE mail_throttle SET tokens = tokens - %s WHERE account = %s", [granted, account_name()])
    return granted


def give_back_tokens(count: int) -> None:
    if settings.EXCHANGE_MAX_PER_MINUTE and count > 0:
        Throttle.objects.filter(account=account_name()).update(tokens=F("tokens") + count)


# No earlier mail of its stream is queued or being sent; a mail that is being sent already was free.
FREE = """(m.status = 'sending' OR m.stream = '' OR NOT EXISTS (
        SELECT 1 FROM mail_outgoingmail e
        WHERE e.stream = m.stream AND e.id < m.id AND e.status IN ('queued', 'sending')))"""
_NEW = f"""
    SELECT id FROM mail_outgoingmail m
    WHERE sender = %(sender)s AND status = 'queued' AND (not_before IS NULL OR not_before <= clock_timestamp())
      AND {FREE}
    ORDER BY id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED"""  # noqa: S608  FREE is a constant
_DOUBTFUL = """
    SELECT id FROM mail_outgoingmail m
    WHERE sender = %(sender)s AND status = 'sending' AND not_before <= clock_timestamp()
    ORDER BY id LIMIT %(limit)s FOR UPDATE OF m SKIP LOCKED"""


def claim(sender: str, *, doubtful: bool) -> Claim | None:
    """Take a chunk: new mails, or mails whose claim is too old. Committed before it returns; None if there is none.

    A mail waits while an earlier one of its stream is queued or being sent.
    """
    if not may_send(sender):
        return None
    token = uuid4()
    with transaction.atomic():
        limit = _take_tokens(settings.MAIL_CHUNK)
        if not limit:
            return None
        mails = list(
            OutgoingMail.objects.raw(
                f"""WITH due AS MATERIALIZED ({_DOUBTFUL if doubtful else _NEW})
                UPDATE mail_outgoingmail m SET status = 'sending', claim = %(token)s, claimed_at = clock_timestamp(),
                       not_before = clock_timestamp() + make_interval(secs => %(lease)s)
                FROM due WHERE m.id = due.id RETURNING m.*""",  # noqa: S608  both parts are constants above
                {"sender": sender, "limit": limit, "token": token, "lease": settings.MAIL_LEASE_SECONDS},
            )
        )
        give_back_tokens(limit - len(mails))
    mails.sort(key=lambda mail: mail.pk)
    return Claim(token, sender, mails, doubtful) if mails else None


def keep_ids(held: Claim, ids: dict[int, tuple[str, str]]) -> set[int]:
    """Store the drafts' ids and commit. Returns the mails that are still ours: only those may be sent."""
    if not ids:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE mail_outgoingmail m SET ews_id = v.ews_id, ews_changekey = v.changekey
               FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS v(id, ews_id, changekey)
               WHERE m.id = v.id AND m.claim = %s RETURNING m.id""",
            [list(ids), [i for i, _ in ids.values()], [k for _, k in ids.values()], held.token],
        )
        return {row[0] for row in cursor.fetchall()}


def record_sent(held: Claim, proofs: dict[int, str], *, at: datetime) -> list[int]:
    """Mark as sent those still ours; returns their ids. Inside the caller's transaction."""
    if not proofs:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE mail_outgoingmail m SET status = 'sent', sent_at = %s, proof = v.proof, claim = NULL,
                      not_before = NULL, last_error = '', last_code = ''
               FROM unnest(%s::bigint[], %s::text[]) AS v(id, proof)
               WHERE m.id = v.id AND m.claim = %s RETURNING m.id""",
            [at, list(proofs), list(proofs.values()), held.token],
        )
        return [row[0] for row in cursor.fetchall()]


def record_end(held: Claim, pks: Sequence[int], status: str, outcome: Outcome) -> None:
    """FAILED or CANCELLED, for good."""
    OutgoingMail.objects.filter(pk__in=pks, claim=held.token).update(
        status=status, claim=None, not_before=None, last_error=outcome.reason, last_code=outcome.code
    )


def postpone(held: Claim, mail: OutgoingMail, outcome: Outcome, *, doubt: bool) -> None:
    """Back to the queue, or (`doubt`) kept as being sent until Exchange has been asked; in both cases not at once."""
    attempts = min(mail.attempts + (0 if outcome.wide else 1), MOST_COUNTED)
    if attempts >= ATTEMPTS_MAX and not doubt:
        reason = f"Abandonné après {attempts} essais. {outcome.reason}"
        return record_end(held, [mail.pk], Status.FAILED, Outcome(outcome.verdict, outcome.code, reason))
    wait = outcome.retry_after if outcome.retry_after is not None else _growing(attempts)
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE mail_outgoingmail SET status = %s, claim = CASE WHEN %s THEN claim END, attempts = %s,
                      not_before = clock_timestamp() + make_interval(secs => %s), last_error = %s, last_code = %s
               WHERE id = %s AND claim = %s""",
            [
                Status.SENDING if doubt else Status.QUEUED,
                doubt,
                attempts,
                wait,
                outcome.reason,
                outcome.code,
                mail.pk,
                held.token,
            ],
        )
    return None


def give_back(held: Claim, pks: Sequence[int]) -> None:
    """Untouched mails return to the queue; doubtful ones stay claimed, to be asked about soon."""
    with connection.cursor() as cursor:
        if held.doubtful:
            cursor.execute(
                """UPDATE mail_outgoingmail SET not_before = clock_timestamp() + interval '1 second'
                   WHERE id = ANY(%s) AND claim = %s""",
                [list(pks), held.token],
            )
        else:
            cursor.execute(
                """UPDATE mail_outgoingmail SET status = 'queued', claim = NULL, not_before = NULL
                   WHERE id = ANY(%s) AND claim = %s""",
                [list(pks), held.token],
            )
    give_back_tokens(len(pks))


def _growing(failures: int) -> float:
    """Seconds to wait after that many failures in a row, one at first, with a jitter of a tenth."""
    return min(2.0 ** max(failures - 1, 0), settings.MAIL_BACKOFF_MAX_SECONDS) * random.uniform(0.9, 1.1)  # noqa: S311


def block_account(outcome: Outcome) -> None:
    """Nobody sends before the time that Exchange named or, without one, a wait that grows with failures in a row."""
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO mail_throttle (account, tokens, streak) VALUES (%s, 0, 1)
               ON CONFLICT (account) DO UPDATE SET streak = least(mail_throttle.streak + 1, 30)
               RETURNING streak""",
            [account_name()],
        )
        streak = cursor.fetchone()[0]
        wait = outcome.retry_after if outcome.retry_after is not None else _growing(streak)
        cursor.execute(
            """UPDATE mail_throttle SET blocked_until =
                   greatest(coalesce(blocked_until, clock_timestamp()), clock_timestamp() + make_interval(secs => %s))
               WHERE account = %s""",
            [min(wait, 3600), account_name()],
        )


def account_answers(sender: str) -> None:
    """A success ends the counts of failures and refusals in a row."""
    Throttle.objects.filter(account=account_name(), streak__gt=0).update(streak=0)
    SenderState.objects.filter(sender=sender, refusals__gt=0).update(refusals=0, wait_until=None, reason="")


def refuse_sender(held: Claim, outcome: Outcome) -> None:
    """One more refusal in a row for this sender: it waits; at the third a person must resume it.

    Refusals of calls that began before the last wait do not count twice: four workers meet the same locked door.
    """
    waits = settings.MAIL_REFUSAL_WAIT_SECONDS
    limit = settings.MAIL_REFUSALS_BEFORE_PAUSE
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO mail_senderstate (sender, refusals, reason) VALUES (%s, 0, '') ON CONFLICT DO NOTHING",
            [held.sender],
        )
        cursor.execute(
            "SELECT refusals, wait_until > clock_timestamp() FROM mail_senderstate WHERE sender = %s FOR UPDATE",
            [held.sender],
        )
        refusals, waiting = cursor.fetchone()
        if waiting:
            return
        refusals += 1
        cursor.execute(
            """UPDATE mail_senderstate SET refusals = %s, reason = %s,
                      paused_at = CASE WHEN %s THEN clock_timestamp() END,
                      wait_until = clock_timestamp() + make_interval(secs => %s) WHERE sender = %s""",
            [refusals, outcome.reason, refusals >= limit, waits[min(refusals, len(waits)) - 1], held.sender],
        )


def resume_sender(sender: str) -> None:
    """A person says that the cause is gone."""
    SenderState.objects.filter(sender=sender).update(refusals=0, paused_at=None, wait_until=None, reason="")
