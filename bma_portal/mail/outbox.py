"""From the queue to Exchange, each mail exactly once (architecture.md, « Exactly once through Exchange »).

Claim, commit, call, close: no transaction is open while the network thinks. Whatever dies on the way leaves claims;
when they are too old, whoever comes next asks Exchange what became of them before doing anything.
"""

import logging
import time
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from bma_portal import clock
from bma_portal.mail import claims
from bma_portal.mail.claims import FREE, Claim
from bma_portal.mail.compose import KINDS, Letter, Unsendable, Withdrawn, letters
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.secret import leaving_no_trace
from bma_portal.vault import VaultError
from bma_portal.verdicts import Outcome, Verdict

log = logging.getLogger(__name__)
Status = OutgoingMail.Status
Proof = OutgoingMail.Proof

RemoteId = tuple[str, str]  # Exchange's id and change key of a draft


class Gone:
    """Exchange has no such draft any more: the mail left."""

    def __init__(self, proof: str) -> None:
        self.proof = proof


class Transport(Protocol):
    """The door to Exchange. Every answer is a value; nothing is raised for a fault of the other side."""

    def locate(self, sender: str, mails: list[OutgoingMail]) -> dict[int, RemoteId | Gone | Outcome | None]:
        """What became of mails that may have left: still a draft (its id), gone, no trace (None), or no answer."""

    def draft(self, sender: str, items: list[Letter]) -> list[RemoteId | Outcome]:
        """Make drafts in one request; one answer for each, in order."""

    def send(self, sender: str, remote: RemoteId, *, keep_copy: bool) -> Outcome:
        """Send one draft by its id. An id can be sent only once; a missing one was sent (SENT, code « absence »)."""

    def discard(self, sender: str, remotes: list[RemoteId]) -> None:
        """Delete drafts for good, as far as Exchange answers."""

    def stray_drafts(self, sender: str) -> dict[str, RemoteId]:
        """The drafts that carry one of our keys, by that key; empty if Exchange does not answer.

        Not those that Exchange accepted and keeps there until it may send them: deleted, they would be lost.
        """


@lru_cache(maxsize=2)
def _transport(path: str) -> Transport:
    return import_string(path)()


def transport() -> Transport:
    """The one look-up of the transport: `MAIL_TRANSPORT`."""
    return _transport(settings.MAIL_TRANSPORT)


def drain(sender: str) -> bool:
    """Send this sender's due mails for a while. True if it did something, which may have freed other mails."""
    busy = False
    end = time.monotonic() + settings.MAIL_DRAIN_SECONDS
    while time.monotonic() < end:
        held = claims.claim(sender, doubtful=True) or claims.claim(sender, doubtful=False)
        if held:
            deliver(held)
            busy = True
            continue
        wait = _seconds_to_next(sender)
        if wait is None or wait > 5:
            break
        time.sleep(max(wait, 0.05))
    return busy


def _seconds_to_next(sender: str) -> float | None:
    """How long until it is worth looking again; None if nothing is due soon.

    None too while a person must act first, or while the account's pace is used up: the sweep will ring.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT extract(epoch FROM next - clock_timestamp()) FROM (
                    SELECT CASE WHEN count(moment) > 0 THEN greatest(
                        min(moment),
                        (SELECT wait_until FROM mail_senderstate WHERE sender = %(sender)s),
                        (SELECT blocked_until FROM mail_throttle WHERE account = %(account)s)) END AS next
                    FROM (SELECT CASE WHEN not_before > clock_timestamp() THEN not_before
                                      WHEN {FREE} THEN clock_timestamp() END AS moment
                          FROM mail_outgoingmail m
                          WHERE sender = %(sender)s AND status IN ('queued', 'sending')) AS due
                ) AS soonest
                WHERE NOT EXISTS (SELECT 1 FROM mail_senderstate WHERE sender = %(sender)s AND paused_at IS NOT NULL)
                  AND NOT (%(paced)s AND EXISTS (
                      SELECT 1 FROM mail_throttle WHERE account = %(account)s AND tokens < 1))""",  # noqa: S608
            {"sender": sender, "account": claims.account_name(), "paced": bool(settings.EXCHANGE_MAX_PER_MINUTE)},
        )
        row = cursor.fetchone()
    return float(row[0]) if row and row[0] is not None else None


def senders_with_work() -> list[str]:
    """Senders with a mail that can be taken now: new, or claimed too long ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT DISTINCT sender FROM mail_outgoingmail m WHERE status IN ('queued', 'sending')
                AND (not_before IS NULL OR not_before <= clock_timestamp()) AND {FREE}
                AND NOT EXISTS (SELECT 1 FROM mail_senderstate s WHERE s.sender = m.sender AND paused_at IS NOT NULL)
            """  # noqa: S608  FREE is a constant
        )
        return [row[0] for row in cursor.fetchall()]


def tidy_drafts(sender: str) -> int:
    """Delete the drafts of mails that are over: a late first draft, after another one was made and sent."""
    if not all(claims.may_send(other) for other in Sender.values):
        return 0  # housekeeping waits while anything is wrong: both senders sign in with one account
    drafts = transport().stray_drafts(sender)
    over = OutgoingMail.objects.filter(uuid__in=drafts, status__in=[Status.SENT, Status.FAILED, Status.CANCELLED])
    stray = [drafts[str(key)] for key in over.values_list("uuid", flat=True)]
    if stray:
        transport().discard(sender, stray)
    return len(stray)


def deliver(held: Claim) -> None:
    """Carry one claim to its end: ask if in doubt, make drafts, keep their ids, send by id, record."""
    at = clock.now()
    # Half the lease is left for the last call, and a task ends well before Celery's limit.
    stop_at = time.monotonic() + min(settings.MAIL_LEASE_SECONDS / 2, settings.MAIL_DRAIN_SECONDS)
    door = transport()
    run = _Run(held, at)
    todo = {mail.pk: mail for mail in held.mails}

    if held.doubtful:
        drafts: dict[int, RemoteId] = {}
        for pk, found in door.locate(held.sender, held.mails).items():
            if isinstance(found, Gone):
                run.sent[pk] = found.proof
            elif isinstance(found, Outcome):
                # That Exchange could not be asked is not the mail's fault: a real try is left to it.
                todo[pk].attempts = min(todo[pk].attempts, claims.ATTEMPTS_MAX - 2)
                run.settle(todo[pk], found, doubt=True)
            elif todo[pk].attempts >= claims.ATTEMPTS_MAX:
                run.give_up(todo[pk], found)
            else:
                run.ready[pk] = todo[pk]
                if found:
                    drafts[pk] = found
        _keep(run, drafts)
    else:
        run.ready = dict(todo)

    composed = _compose(run, at=at)
    if composed:
        with leaving_no_trace():
            _draft(run, composed, door)
        for pk, mail in list(run.ready.items()):
            if run.stopped or time.monotonic() > stop_at:
                break
            outcome = door.send(held.sender, (mail.ews_id, mail.ews_changekey), keep_copy=not mail.sensitive)
            del run.ready[pk]
            if outcome.verdict is Verdict.SENT:
                run.sent[pk] = outcome.code or Proof.ANSWER
            else:
                run.settle(mail, outcome, doubt=outcome.verdict is Verdict.AMBIGUOUS)
    _close(run)


def _named(mail: OutgoingMail) -> dict[str, object]:
    """For the log: the mail, and the request that queued it rather than the task that carries it."""
    named = {"id": mail.pk, "expediteur": mail.sender}
    return named | ({"requete": mail.request_id} if mail.request_id else {})


class _Run:
    """The state of one claim being carried: what is ready, what is sent, what must be written back."""

    def __init__(self, held: Claim, at: datetime) -> None:
        self.held = held
        self.at = at
        self.ready: dict[int, OutgoingMail] = {}
        self.sent: dict[int, str] = {}
        self.later: list[tuple[OutgoingMail, Outcome, bool]] = []
        self.ended: list[tuple[OutgoingMail, str, Outcome]] = []
        self.refusal: Outcome | None = None
        self.block: Outcome | None = None
        self.stopped = False

    def give_up(self, mail: OutgoingMail, draft: RemoteId | None) -> None:
        """Exchange says that it did not leave, and it was tried often enough: a person must look."""
        mail.ews_id, mail.ews_changekey = draft or ("", "")
        reason = f"Abandonné après {mail.attempts} essais. {mail.last_error}"
        self.ended.append((mail, Status.FAILED, Outcome(Verdict.PERMANENT, mail.last_code, reason)))

    def settle(self, mail: OutgoingMail, outcome: Outcome, *, doubt: bool) -> None:
        """File one answer that is not a success."""
        match outcome.verdict:
            case Verdict.PERMANENT:
                self.ended.append((mail, Status.FAILED, outcome))
            case Verdict.SENDER:
                self.refusal, self.stopped = outcome, True
                self.later.append((mail, outcome, doubt))
            case _:
                self.later.append((mail, outcome, doubt))
        if outcome.wide and outcome.verdict in {Verdict.RETRY, Verdict.AMBIGUOUS}:
            self.block, self.stopped = outcome, True
        log.warning(
            "courriel non envoyé",
            extra={"verdict": str(outcome.verdict), "code": outcome.code, **_named(mail)},
        )


def _compose(run: _Run, *, at: datetime) -> dict[int, Letter]:
    """Render what is to be drafted or sent; a withdrawn mail is cancelled, a shut vault stops the sender."""
    try:
        composed = letters(list(run.ready.values()), at=at)
    except VaultError as error:
        outcome = Outcome(Verdict.SENDER, "VaultError", str(error), wide=True)
        log.error("coffre fermé", extra={"expediteur": run.held.sender, "code": "VaultError"})
        run.refusal, run.stopped = outcome, True
        return {}
    result: dict[int, Letter] = {}
    for pk, letter in composed.items():
        if isinstance(letter, Withdrawn | Unsendable):
            status = Status.CANCELLED if isinstance(letter, Withdrawn) else Status.FAILED
            why = Outcome(Verdict.PERMANENT, type(letter).__name__, str(letter))
            run.ended.append((run.ready.pop(pk), status, why))
        else:
            result[pk] = letter
    return result


def _draft(run: _Run, composed: dict[int, Letter], door: Transport) -> None:
    """Make the missing drafts and commit their ids; `run.ready` keeps only what may be sent."""
    missing = [pk for pk, mail in run.ready.items() if not mail.ews_id]
    if not missing:
        return
    ids: dict[int, RemoteId] = {}
    for pk, answer in zip(missing, door.draft(run.held.sender, [composed[pk] for pk in missing]), strict=True):
        if isinstance(answer, Outcome):
            mail = run.ready.pop(pk)
            # A lost answer to a draft hurts nobody, but the draft must be looked for before another is made.
            run.settle(mail, answer, doubt=answer.verdict is Verdict.AMBIGUOUS)
        else:
            ids[pk] = answer
    _keep(run, ids)


def _keep(run: _Run, drafts: dict[int, RemoteId]) -> None:
    """Commit the ids of drafts, made or found, before any is sent: a sent mail whose id is unknown would be redone."""
    ours = claims.keep_ids(run.held, drafts)
    for pk, (remote_id, changekey) in drafts.items():
        if pk in ours:
            run.ready[pk].ews_id, run.ready[pk].ews_changekey = remote_id, changekey
        else:
            del run.ready[pk]  # the lease ended meanwhile: another worker answers for it


def _close(run: _Run) -> None:
    """Write back, in one transaction, what became of each mail, with what follows from it."""
    with transaction.atomic():
        recorded = set(claims.record_sent(run.held, run.sent, at=run.at))
        by_kind: dict[str, list[OutgoingMail]] = {}
        for mail in run.held.mails:
            if mail.pk in recorded and mail.kind in KINDS:
                by_kind.setdefault(mail.kind, []).append(mail)
        for kind, mails in by_kind.items():
            KINDS[kind].accepted(mails, at=run.at)
        for mail, status, outcome in run.ended:
            claims.record_end(run.held, [mail.pk], status, outcome)
        for mail, outcome, doubt in run.later:
            claims.postpone(run.held, mail, outcome, doubt=doubt)
        if run.ready:
            claims.give_back(run.held, list(run.ready))
        if run.sent:
            claims.account_answers(run.held.sender)
    for mail in run.held.mails:
        if mail.pk in recorded:
            log.info("courriel envoyé", extra=_named(mail))
    left_over = [(mail.ews_id, mail.ews_changekey) for mail, _, _ in run.ended if mail.ews_id]
    if left_over:  # a draft that will never be sent may hold a password
        transport().discard(run.held.sender, left_over)
    if run.block:
        claims.block_account(run.block)
    if run.refusal:
        claims.refuse_sender(run.held, run.refusal)
