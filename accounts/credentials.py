"""A password's life: made once, set in the directory before it is announced, recalled, destroyed.

A retry sets the same password, never a new one; the clear text exists only in the process that needs it.
"""

import logging
import secrets
import string
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import QuerySet

from accounts.directory import by_hand, directory
from accounts.models import Credential, DirectoryPause, Mailbox
from bma_portal import vault
from bma_portal.errors import Refusal
from bma_portal.rotation import Holding
from bma_portal.secret import Secret, leaving_no_trace
from bma_portal.verdicts import Outcome, Verdict

log = logging.getLogger(__name__)

# No vowel (no word, hence neither « ec » nor « po »), none of 0 O 1 l I. 16 of 46 signs: 88 bits.
LETTERS = "bcdfghjkmnpqrstvwxz"
ALPHABET = LETTERS + LETTERS.upper() + "23456789"
GROUPS, GROUP = 4, 4
CHUNK = 50
DENIED_IN_A_ROW = 3  # so many objects that the service account may not touch: it is the account's own matter


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


def renew(mailbox: Mailbox, *, at: datetime, purpose: Credential.Purpose = Credential.Purpose.RESET) -> Credential:
    """A new password in the place of the one in force, which is superseded and whose secret is destroyed.

    Two at once make one after the other: the second supersedes the first. In the caller's transaction, if any.
    """
    while True:
        with transaction.atomic():
            Mailbox.objects.select_for_update(of=("self",), no_key=True).get(pk=mailbox.pk)
            Credential.objects.filter(mailbox=mailbox, superseded_at=None).update(superseded_at=at)
            destroy(Credential.objects.filter(mailbox=mailbox, destroyed_at=None), why="remplacé", at=at)
            row = Credential(mailbox=mailbox, issued_at=at, purpose=purpose)
            _seal_new_password(row)
            try:
                with transaction.atomic():
                    row.save(force_insert=True)
            except IntegrityError:
                continue  # `issue` made one in between: superseded at the next turn
            return row


def make_again(row: Credential, *, at: datetime) -> None:
    """Another password in the same row, which was never in force: what a person has seen is no longer one."""
    _seal_new_password(row)
    row.issued_at, row.taken_by, row.taken_at = at, None, None
    row.save(update_fields=["sealed", "issued_at", "taken_by", "taken_at"])


def give_up_refused(mailbox: Mailbox, *, at: datetime) -> bool:
    """Put aside the password that the directory refused, so that another is made. True if there was one."""
    refused = Credential.objects.filter(mailbox=mailbox, refused_at__isnull=False, superseded_at=None)
    pks = list(refused.values_list("pk", flat=True))
    destroy(refused, why="refusé par l'annuaire", at=at)
    return bool(Credential.objects.filter(pk__in=pks).update(superseded_at=at))


def reveal(credential: Credential) -> Secret:
    """The clear text, for a draft being made or the directory. Raises VaultError."""
    return vault.unseal(credential.sealed, bound_to=credential.bound_to)


def reveal_once(credential: Credential, *, why: str, at: datetime) -> Secret:
    """The clear text of a reset's password, which is destroyed by this: nobody is told it twice.

    Inside the caller's transaction. Raises Refusal if it was shown, replaced, or is not in force yet; VaultError.
    """
    row = Credential.objects.select_for_update(of=("self",)).get(pk=credential.pk)
    if row.purpose != Credential.Purpose.RESET:
        raise Refusal("Ce mot de passe ne s’affiche pas.")
    if row.superseded_at:
        raise Refusal("Ce mot de passe a été remplacé depuis : il ne s’affiche plus.")
    if row.destroyed_at:
        raise Refusal("Ce mot de passe a déjà été affiché, ou a été détruit : il ne s’affiche pas deux fois.")
    if not row.applied_at:
        raise Refusal("Ce mot de passe n’est pas encore en vigueur dans l’annuaire.")
    with leaving_no_trace():
        clear = reveal(row)
        destroy([row], why=why, at=at)
        return clear


def destroy(credentials: Iterable[Credential], *, why: str, at: datetime) -> int:
    """Erase the secrets; the rows stay as certificates. Inside the caller's transaction. Returns how many."""
    pks = [c.pk for c in credentials]
    return Credential.objects.filter(pk__in=pks, destroyed_at=None).update(
        sealed="", destroyed_at=at, destroyed_why=why
    )


def pending() -> QuerySet[Credential]:
    """Passwords that the directory does not have yet and that it has not refused."""
    return Credential.objects.live().filter(applied_at=None, refused_at=None)


def _claim(only: int | None = None) -> list[Credential]:
    """Take what is due, committed, for the length of a lease.

    Never the password of a mailbox for which a former one may still be on its way: the last one made is the last
    one set.
    """
    with transaction.atomic():
        return list(
            Credential.objects.raw(
                """WITH due AS MATERIALIZED (
                    SELECT id FROM accounts_credential c
                    WHERE applied_at IS NULL AND refused_at IS NULL AND destroyed_at IS NULL AND superseded_at IS NULL
                      AND (not_before IS NULL OR not_before <= clock_timestamp())
                      AND (%(only)s::bigint IS NULL OR id = %(only)s)
                      AND NOT EXISTS (SELECT FROM accounts_credential former WHERE former.mailbox_id = c.mailbox_id
                                      AND former.id <> c.id AND former.claimed_until > clock_timestamp())
                      AND NOT EXISTS (SELECT FROM accounts_directorypause WHERE until > clock_timestamp())
                    ORDER BY id LIMIT %(chunk)s FOR UPDATE SKIP LOCKED)
                UPDATE accounts_credential c
                SET not_before = clock_timestamp() + make_interval(secs => %(lease)s),
                    claimed_until = clock_timestamp() + make_interval(secs => %(lease)s)
                FROM due WHERE c.id = due.id RETURNING c.*""",
                {"only": only, "chunk": CHUNK, "lease": settings.DIRECTORY_LEASE_SECONDS},
            )
        )


def set_passwords(*, at: datetime) -> int:
    """Set in the directory every password that waits for it; returns how many were set.

    A directory that is away leaves them waiting: nothing is lost, and the same password is set later. Killed at
    any point, the next run sets the same password again.
    """
    if by_hand():
        return 0
    directory()  # none configured: nothing is claimed
    done, ends = 0, time.monotonic() + settings.DIRECTORY_RUN_SECONDS
    while time.monotonic() < ends and (chunk := _claim()):
        applied, stop = _set_each(chunk, at=at)
        done += applied
        if stop:
            break
    return done


def set_now(credential: Credential, *, at: datetime) -> None:
    """Try once to set this one password, in the request of the person who waits for it; then look at the row again.

    Outside any transaction. Whatever fails leaves it waiting for the sweep, as does a sweep that has it in hand or a
    directory set by hand. Only a fault of our own database is raised.
    """
    if not by_hand():
        chunk = _claim(only=credential.pk)
        try:
            if chunk:
                _set_each(chunk, at=at)
        except DatabaseError:
            raise
        except Exception as error:  # the person sees a page that says « it waits », never an error
            log.exception("mot de passe en attente", extra={"id": credential.pk, "code": type(error).__name__})
            _postpone(
                [credential.pk], Outcome(Verdict.AMBIGUOUS, type(error).__name__, "Panne inattendue du portail.")
            )
    credential.refresh_from_db()


def _set_each(chunk: Sequence[Credential], *, at: datetime) -> tuple[int, bool]:
    """One call for each, recorded; how many were set, and whether to stop there.

    No call starts in the second half of the lease: when it is over, none is on its way.
    """
    door = directory()
    applied: list[int] = []
    denied, stop = 0, False
    latest = time.monotonic() + settings.DIRECTORY_LEASE_SECONDS / 2
    mailboxes = Mailbox.objects.in_bulk([c.mailbox_id for c in chunk])
    for n, credential in enumerate(chunk):
        if n and time.monotonic() > latest:
            _give_back([c.pk for c in chunk[n:]])
            break
        try:
            with leaving_no_trace():
                outcome = door.set_password(mailboxes[credential.mailbox_id].address, reveal(credential))
        except vault.VaultError as error:
            try:
                vault.verify(after=error)
            except vault.VaultError:
                record_applied(applied, at=at)
                _postpone([c.pk for c in chunk[n:]], Outcome(Verdict.RETRY, "VaultError", str(error)))
                raise
            outcome = Outcome(Verdict.PERMANENT, "VaultError", "Ce secret a été modifié : il ne s'ouvre plus.")
        denied = denied + 1 if outcome.verdict is Verdict.SENDER else 0
        match outcome.verdict:
            case Verdict.SENT:
                applied.append(credential.pk)
            case Verdict.PERMANENT:
                log.error("mot de passe refusé", extra={"id": credential.pk, "code": outcome.code})
                Credential.objects.filter(pk=credential.pk).update(
                    refused_at=at, last_error=outcome.reason, claimed_until=None
                )
            case Verdict.SENDER:
                log.error("annuaire", extra={"id": credential.pk, "code": outcome.code})
                _postpone([credential.pk], replace(outcome, retry_after=settings.DIRECTORY_PAUSE_SECONDS))
                if stop := outcome.wide or denied >= DENIED_IN_A_ROW:
                    _pause(outcome)
            case _:
                log.warning("annuaire", extra={"id": credential.pk, "code": outcome.code})
                _postpone([credential.pk], outcome)
                stop = outcome.wide
        if stop:
            _postpone([c.pk for c in chunk[n + 1 :]], replace(outcome, verdict=Verdict.RETRY))
            break
    return record_applied(applied, at=at), stop


def record_applied(pks: list[int], *, at: datetime) -> int:
    """They are in force. What locks a mailbox is destroyed by that: nobody is to know it."""
    with transaction.atomic():
        done = Credential.objects.filter(pk__in=pks, applied_at=None).update(
            applied_at=at, not_before=None, claimed_until=None, last_error=""
        )
        locks = Credential.objects.filter(pk__in=pks, purpose=Credential.Purpose.LOCK, destroyed_at=None)
        destroy(locks, why="en vigueur, connu de personne", at=at)
        replaced = Credential.objects.filter(pk__in=pks, superseded_at__isnull=False).values("mailbox")
        _set_again(Mailbox.objects.filter(pk__in=replaced), at=at)
        return done


def _set_again(mailboxes: QuerySet[Mailbox], *, at: datetime) -> None:
    """A former password was set although a newer one exists.

    The newer one is set (again). If it is in force and no longer known here (a process that slept through its lease
    woke up), the former one must not stay: the mailbox is locked, and its holder asks again.
    """
    Credential.objects.live().filter(mailbox__in=mailboxes).update(applied_at=None)
    forgotten = Credential.objects.filter(superseded_at=None, applied_at__isnull=False, destroyed_at__isnull=False)
    for mailbox in mailboxes.filter(credentials__in=forgotten).select_related("organisation"):
        log.error("ancien mot de passe reposé trop tard : boîte mise hors service", extra={"id": mailbox.pk})
        renew(mailbox, at=at, purpose=Credential.Purpose.LOCK)


def _give_back(pks: list[int]) -> None:
    """Claimed and not tried: due again at once."""
    Credential.objects.filter(pk__in=pks).update(not_before=None, claimed_until=None)


def _postpone(pks: list[int], outcome: Outcome) -> None:
    """Try again later: after what the directory asked, else after 1, 2, 4… seconds, a quarter of an hour at most.

    After a doubtful answer the claim stays until its lease ends: a newer password waits for it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE accounts_credential SET attempts = least(attempts + 1, 1000), last_error = %s,
                   claimed_until = CASE WHEN %s THEN claimed_until END,
                   not_before = clock_timestamp()
                       + make_interval(secs => coalesce(%s, least(power(2, least(attempts, 10)), %s)))
               WHERE id = ANY(%s)""",
            [
                outcome.reason,
                outcome.verdict is Verdict.AMBIGUOUS,
                outcome.retry_after,
                settings.DIRECTORY_WAIT_MAX_SECONDS,
                pks,
            ],
        )


def _pause(outcome: Outcome) -> None:
    """Nobody calls the directory for a while: each refused sign-in brings the service account nearer to its lock."""
    log.error("annuaire en pause : appelez une personne", extra={"code": outcome.code, "motif": outcome.reason})
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO accounts_directorypause (id, until, code, reason)
               VALUES (1, clock_timestamp() + make_interval(secs => %s), %s, %s)
               ON CONFLICT (id) DO UPDATE
               SET until = excluded.until, code = excluded.code, reason = excluded.reason""",
            [settings.DIRECTORY_PAUSE_SECONDS, outcome.code, outcome.reason],
        )


def resume() -> bool:
    """End the pause: a person corrected what was wrong, and `check_directory` saw it. True if there was one."""
    deleted, _ = DirectoryPause.objects.all().delete()
    Credential.objects.live().filter(applied_at=None, refused_at=None, claimed_until=None).update(not_before=None)
    return bool(deleted)


HOLDING = Holding(lambda: Credential.objects.filter(destroyed_at=None), "sealed")


def rotate(*, batch: int = 200) -> int:
    """Seal again under the current key what an older one sealed; how many rows. Killed, rerun it."""
    return HOLDING.seal_again(batch=batch)
