"""A password's life: made once, set in the directory before it is announced, recalled, destroyed.

A retry sets the same password, never a new one; the clear text exists only in the process that needs it.
"""

import logging
import secrets
import string
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.directory import directory
from accounts.models import Credential, Mailbox
from bma_portal import vault
from bma_portal.secret import Secret, leaving_no_trace
from bma_portal.verdicts import Outcome, Verdict

log = logging.getLogger(__name__)

# No vowel (no word, hence neither « ec » nor « po »), none of 0 O 1 l I. 16 of 46 signs: 88 bits.
LETTERS = "bcdfghjkmnpqrstvwxz"
ALPHABET = LETTERS + LETTERS.upper() + "23456789"
GROUPS, GROUP = 4, 4
CHUNK = 50


def new_password(*, fase: int) -> Secret:
    """Four groups of four, such as `xxxx-xxxx-xxxx-xxxx`: lower case, upper case, a digit and a dash in each one.

    Never holds the FASE number (written with three digits or more).
    """
    while True:
        drawn = [secrets.choice(ALPHABET) for _ in range(GROUPS * GROUP)]
        text = "-".join("".join(drawn[i : i + GROUP]) for i in range(0, len(drawn), GROUP))
        classes = (string.ascii_lowercase, string.ascii_uppercase, string.digits)
        complete = all(any(c in kind for c in drawn) for kind in classes)
        if complete and not (fase >= 100 and str(fase) in "".join(drawn)):
            return Secret(text)


def issue(mailboxes: Sequence[Mailbox], *, at: datetime) -> int:
    """Make a migration password for those that have none in force. Returns how many were made; twice is once.

    One whose secret was destroyed before it served (a cancelled batch) is superseded.
    """
    Credential.objects.filter(mailbox__in=mailboxes, superseded_at=None, destroyed_at__isnull=False).update(
        superseded_at=at
    )
    rows = []
    for mailbox in mailboxes:
        row = Credential(mailbox=mailbox, issued_at=at)
        _seal_new_password(row)
        rows.append(row)
    before = Credential.objects.filter(mailbox__in=mailboxes).count()
    Credential.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)
    return Credential.objects.filter(mailbox__in=mailboxes).count() - before


def _seal_new_password(row: Credential) -> None:
    with leaving_no_trace():
        row.sealed = vault.seal(new_password(fase=row.mailbox.organisation.fase), bound_to=row.bound_to)


def renew(mailbox: Mailbox, *, at: datetime) -> Credential:
    """A new password for a mailbox that lost its own; the former one is superseded and its secret destroyed."""
    with transaction.atomic():
        former = Credential.objects.select_for_update(of=("self",)).filter(mailbox=mailbox, superseded_at=None)
        former.update(superseded_at=at)
        destroy(Credential.objects.filter(mailbox=mailbox, destroyed_at=None), why="remplacé", at=at)
        row = Credential(mailbox=mailbox, issued_at=at, purpose=Credential.Purpose.RESET)
        _seal_new_password(row)
        row.save(force_insert=True)
        return row


def give_up_refused(mailbox: Mailbox, *, at: datetime) -> bool:
    """Put aside the password that the directory refused, so that another is made. True if there was one."""
    refused = Credential.objects.filter(mailbox=mailbox, refused_at__isnull=False, superseded_at=None)
    pks = list(refused.values_list("pk", flat=True))
    destroy(refused, why="refusé par l'annuaire", at=at)
    return bool(Credential.objects.filter(pk__in=pks).update(superseded_at=at))


def reveal(credential: Credential) -> Secret:
    """The clear text, for a draft being made or the directory. Raises VaultError."""
    return vault.unseal(credential.sealed, bound_to=credential.bound_to)


def destroy(credentials: Iterable[Credential], *, why: str, at: datetime) -> int:
    """Erase the secrets; the rows stay as certificates. Inside the caller's transaction. Returns how many."""
    pks = [c.pk for c in credentials]
    return Credential.objects.filter(pk__in=pks, destroyed_at=None).update(
        sealed="", destroyed_at=at, destroyed_why=why
    )


def pending() -> QuerySet[Credential]:
    """Passwords that the directory does not have yet and that it has not refused."""
    return Credential.objects.live().filter(applied_at=None, refused_at=None)


def _claim() -> list[Credential]:
    with transaction.atomic():
        return list(
            Credential.objects.raw(
                """WITH due AS MATERIALIZED (
                    SELECT id FROM accounts_credential c
                    WHERE applied_at IS NULL AND refused_at IS NULL AND destroyed_at IS NULL AND superseded_at IS NULL
                      AND (not_before IS NULL OR not_before <= clock_timestamp())
                    ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
                UPDATE accounts_credential c SET not_before = clock_timestamp() + make_interval(secs => %s)
                FROM due WHERE c.id = due.id RETURNING c.*""",
                [CHUNK, settings.DIRECTORY_LEASE_SECONDS],
            )
        )


def set_passwords(*, at: datetime) -> int:
    """Set in the directory every password that waits for it; returns how many were set.

    A directory that is away leaves them waiting: nothing is lost, and the same password is set later. Killed at
    any point, the next run sets the same password again.
    """
    done = 0
    door = directory()
    while chunk := _claim():
        applied: list[int] = []
        stop: Outcome | None = None
        mailboxes = Mailbox.objects.in_bulk([c.mailbox_id for c in chunk])
        for n, credential in enumerate(chunk):
            try:
                with leaving_no_trace():
                    outcome = door.set_password(mailboxes[credential.mailbox_id].address, reveal(credential))
            except vault.VaultError as error:
                try:
                    vault.verify(after=error)
                except vault.VaultError:
                    _record_applied(applied, at=at)
                    _postpone([c.pk for c in chunk[n:]], Outcome(Verdict.RETRY, "VaultError", str(error)))
                    raise
                outcome = Outcome(Verdict.PERMANENT, "VaultError", "Ce secret a été modifié : il ne s'ouvre plus.")
            match outcome.verdict:
                case Verdict.SENT:
                    applied.append(credential.pk)
                case Verdict.PERMANENT:
                    log.error("mot de passe refusé", extra={"id": credential.pk, "code": outcome.code})
                    Credential.objects.filter(pk=credential.pk).update(refused_at=at, last_error=outcome.reason)
                case _:
                    log.warning("annuaire", extra={"id": credential.pk, "code": outcome.code})
                    _postpone([credential.pk], outcome)
                    if outcome.wide or outcome.verdict is Verdict.SENDER:
                        stop = outcome
                        _postpone([c.pk for c in chunk[n + 1 :]], outcome)
                        break
        done += _record_applied(applied, at=at)
        if stop:
            break
    return done


def _record_applied(pks: list[int], *, at: datetime) -> int:
    """Those that were replaced while a slow call set them are in force there: the newer ones must be set again."""
    replaced = Credential.objects.filter(pk__in=pks, superseded_at__isnull=False).values("mailbox")
    Credential.objects.live().filter(mailbox__in=replaced).update(applied_at=None)
    return Credential.objects.filter(pk__in=pks, applied_at=None).update(applied_at=at, not_before=None, last_error="")


def _postpone(pks: list[int], outcome: Outcome) -> None:
    """Try again later: after what the directory asked, else after 1, 2, 4… seconds, a quarter of an hour at most."""
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE accounts_credential SET attempts = least(attempts + 1, 1000), last_error = %s,
                   not_before = clock_timestamp()
                       + make_interval(secs => coalesce(%s, least(power(2, least(attempts, 10)), %s)))
               WHERE id = ANY(%s)""",
            [outcome.reason, outcome.retry_after, settings.DIRECTORY_WAIT_MAX_SECONDS, pks],
        )


def rotate(*, batch: int = 200) -> int:
    """Seal again under the current key what an older one sealed; how many rows. Killed, rerun it."""
    key_id = vault.current_key_id()
    done = 0
    while True:
        with transaction.atomic():
            rows = list(
                Credential.objects.select_for_update(skip_locked=True, of=("self",))
                .filter(destroyed_at=None)
                .exclude(Q(sealed__startswith=f"{key_id}."))
                .order_by("pk")[:batch]
            )
            for row in rows:
                with leaving_no_trace():
                    row.sealed = vault.seal(reveal(row), bound_to=row.bound_to)
            Credential.objects.bulk_update(rows, ["sealed"])
        if not rows:
            return done
        done += len(rows)
