"""A password on its way to the directory: one call at a time for a mailbox, the last one made is the last one set."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction

from accounts import credentials
from accounts.models import Credential
from bma_portal import vault
from bma_portal.errors import Refusal
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from tests.factories import MailboxFactory
from tests.together import together

pytestmark = pytest.mark.django_db
AT = datetime(2024, 10, 14, 7, tzinfo=UTC)
RESET, LOCK, MIGRATION = Credential.Purpose.RESET, Credential.Purpose.LOCK, Credential.Purpose.MIGRATION


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


@pytest.fixture
def box(db):
    return MailboxFactory()


@pytest.fixture
def slow(monkeypatch):
    """The next call waits in the directory until it is let go; the others pass."""
    arrived, let_go = threading.Event(), threading.Event()
    setting = MemoryDirectory.set_password
    first = threading.Lock()

    def slowly(self, address: str, password: Secret) -> Outcome:
        if first.acquire(blocking=False):
            arrived.set()
            assert let_go.wait(10)
        return setting(self, address, password)

    monkeypatch.setattr(MemoryDirectory, "set_password", slowly)
    return arrived, let_go


def in_a_thread(deed: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        try:
            deed()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def later() -> None:
    """Waits and leases are over."""
    Credential.objects.update(not_before=None, claimed_until=None)


# In the request


def test_the_person_who_waits_is_served_at_once_and_nobody_else_is(box, directory):
    other = MailboxFactory()
    credentials.issue([other], at=AT)
    mine = credentials.renew(box, at=AT)
    credentials.set_now(mine, at=AT)
    assert mine.applied_at == AT
    assert directory.calls == [box.address]
    assert directory.passwords[box.address] == credentials.reveal(mine)


@pytest.mark.parametrize(
    "answer",
    [
        Outcome(Verdict.RETRY, "busy", "L'annuaire est occupé."),
        Outcome(Verdict.RETRY, "away", "L'annuaire est injoignable.", wide=True),
        Outcome(Verdict.AMBIGUOUS, "timeout", "L'annuaire n'a pas répondu.", wide=True),
    ],
)
def test_a_directory_that_is_away_keeps_the_request_waiting_and_gets_the_same_password_later(box, directory, answer):
    mine = credentials.renew(box, at=AT)
    clear = credentials.reveal(mine)
    directory.answers.append(answer)
    credentials.set_now(mine, at=AT)
    assert mine.applied_at is None
    assert mine.last_error == answer.reason
    Credential.objects.update(not_before=None)
    assert credentials.set_passwords(at=AT + timedelta(minutes=1)) == 1
    assert directory.passwords == {box.address: clear}


def test_a_refused_password_is_said_on_its_row(box, directory):
    mine = credentials.renew(box, at=AT)
    directory.answers.append(Outcome(Verdict.PERMANENT, "weak", "L'annuaire refuse ce mot de passe."))
    credentials.set_now(mine, at=AT)
    assert (mine.applied_at, mine.refused_at, mine.last_error) == (None, AT, "L'annuaire refuse ce mot de passe.")


def test_a_breakdown_of_ours_is_logged_and_the_request_waits(box, monkeypatch, caplog):
    def breaks(self, address: str, password: Secret) -> Outcome:
        raise RuntimeError("panne")

    mine = credentials.renew(box, at=AT)
    clear = credentials.reveal(mine).reveal()
    monkeypatch.setattr(MemoryDirectory, "set_password", breaks)
    credentials.set_now(mine, at=AT)
    assert mine.applied_at is None
    assert mine.last_error == "Panne inattendue du portail."
    assert "RuntimeError" in caplog.text
    assert clear not in caplog.text


def test_the_wrong_key_leaves_the_request_waiting(box, directory, settings):
    vault.verify()
    mine = credentials.renew(box, at=AT)
    settings.BMA_VAULT_KEYS = "test:" + "A" * 43 + "="
    credentials.set_now(mine, at=AT)
    assert mine.applied_at is None
    assert mine.refused_at is None
    assert directory.calls == []


def test_without_a_directory_the_request_waits(box, settings):
    mine = credentials.renew(box, at=AT)
    settings.DIRECTORY_BACKEND = ""
    with pytest.raises(Refusal, match="DIRECTORY_URL"):
        credentials.set_passwords(at=AT)
    credentials.set_now(mine, at=AT)
    assert mine.applied_at is None


@pytest.mark.django_db(transaction=True)
def test_the_request_and_the_sweeps_call_the_directory_once(directory, slow):
    arrived, let_go = slow
    mine = credentials.renew(MailboxFactory(), at=AT)
    first = in_a_thread(lambda: credentials.set_now(Credential.objects.get(), at=AT))
    assert arrived.wait(10)
    together(*[lambda: credentials.set_passwords(at=AT)] * 4)
    together(*[lambda: credentials.set_now(Credential.objects.get(), at=AT)] * 4)
    let_go.set()
    first.join()
    mine.refresh_from_db()
    assert mine.applied_at == AT
    assert len(directory.calls) == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_once_call_the_directory_once(directory):
    credentials.renew(MailboxFactory(), at=AT)
    together(*[lambda: credentials.set_now(Credential.objects.get(), at=AT)] * 6)
    assert len(directory.calls) == 1
    assert Credential.objects.get().applied_at == AT


# One after the other


@pytest.mark.django_db(transaction=True)
def test_a_new_password_waits_for_the_former_one_that_is_on_its_way(directory, slow):
    arrived, let_go = slow
    box = MailboxFactory()
    credentials.issue([box], at=AT)
    sweep = in_a_thread(lambda: credentials.set_passwords(at=AT))
    assert arrived.wait(10)
    newer = credentials.renew(box, at=AT + timedelta(minutes=1))
    credentials.set_now(newer, at=AT)
    assert newer.applied_at is None, "l'ancien peut encore arriver après lui"
    let_go.set()
    sweep.join()
    credentials.set_passwords(at=AT)
    newer.refresh_from_db()
    assert newer.applied_at == AT
    assert len(directory.calls) == 2
    assert directory.passwords[box.address] == credentials.reveal(newer)


def test_after_a_doubtful_answer_a_new_password_waits_for_the_lease_of_the_former(box, directory):
    credentials.issue([box], at=AT)
    directory.answers.append(Outcome(Verdict.AMBIGUOUS, "timeout", "Sans réponse.", wide=True))
    credentials.set_passwords(at=AT)
    newer = credentials.renew(box, at=AT)
    credentials.set_now(newer, at=AT)
    assert len(directory.calls) == 1
    later()
    credentials.set_now(newer, at=AT)
    assert newer.applied_at == AT


def test_after_a_plain_refusal_it_does_not(box, directory):
    credentials.issue([box], at=AT)
    directory.answers.append(Outcome(Verdict.RETRY, "busy", "Occupé."))
    credentials.set_passwords(at=AT)
    newer = credentials.renew(box, at=AT)
    credentials.set_now(newer, at=AT)
    assert newer.applied_at == AT


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_at_once_get_one_after_the_other_and_the_last_stays():
    box = MailboxFactory()
    credentials.issue([box], at=AT)
    made = together(*[lambda: credentials.renew(box, at=AT)] * 8)
    assert len({row.pk for row in made}) == 8
    assert Credential.objects.filter(superseded_at=None).count() == 1
    assert Credential.objects.live().count() == 1
    assert Credential.objects.filter(destroyed_why="remplacé").count() == 8


@pytest.mark.django_db(transaction=True)
def test_a_first_password_made_meanwhile_is_superseded_like_another():
    for _ in range(5):
        box = MailboxFactory()
        deeds = [lambda: credentials.issue([box], at=AT), lambda: credentials.renew(box, at=AT)]  # noqa: B023
        together(*deeds * 2)
        current = Credential.objects.get(mailbox=box, superseded_at=None)
        assert current.purpose == RESET


def test_what_the_caller_takes_back_was_never_made(box, directory):
    credentials.issue([box], at=AT)
    with transaction.atomic():
        credentials.renew(box, at=AT)
        transaction.set_rollback(True)
    assert Credential.objects.get().purpose == MIGRATION
    assert credentials.set_passwords(at=AT) == 1


def asleep(box, monkeypatch) -> Credential:
    """A process claims a password, sleeps beyond its lease, and wakes up after a reset was set and shown."""
    credentials.issue([box], at=AT)
    setting = MemoryDirectory.set_password
    newer = []

    def slowly(self, address: str, password: Secret) -> Outcome:
        monkeypatch.setattr(MemoryDirectory, "set_password", setting)
        Credential.objects.update(claimed_until=datetime(2024, 1, 1, tzinfo=UTC))
        newer.append(credentials.renew(box, at=AT))
        credentials.set_now(newer[0], at=AT)
        credentials.reveal_once(newer[0], why="affiché", at=AT)
        return setting(self, address, password)

    monkeypatch.setattr(MemoryDirectory, "set_password", slowly)
    credentials.set_passwords(at=AT)
    return newer[0]


def test_an_old_password_set_after_a_reset_was_shown_does_not_stay(box, directory, monkeypatch):
    shown = asleep(box, monkeypatch)
    assert shown.applied_at == AT
    credentials.set_passwords(at=AT)
    current = Credential.objects.get(superseded_at=None)
    assert (current.purpose, current.sealed) == (LOCK, "")
    assert current.applied_at == AT
    assert len(directory.calls) == 3
    assert len(Credential.objects.all()) == 3


# A lock


def test_a_lock_is_known_to_nobody_once_it_is_set(box, directory):
    credentials.issue([box], at=AT)
    credentials.set_passwords(at=AT)
    announced = directory.passwords[box.address]
    lock = credentials.renew(box, at=AT, purpose=LOCK)
    assert lock.sealed
    credentials.set_now(lock, at=AT)
    assert (lock.sealed, lock.destroyed_at, lock.applied_at) == ("", AT, AT)
    assert directory.passwords[box.address] != announced
    assert Credential.objects.exclude(sealed="").count() == 0


def test_a_lock_that_waits_keeps_its_password_until_it_is_set(box, directory):
    lock = credentials.renew(box, at=AT, purpose=LOCK)
    directory.answers.append(Outcome(Verdict.AMBIGUOUS, "timeout", "Sans réponse.", wide=True))
    credentials.set_now(lock, at=AT)
    first = directory.passwords[box.address]
    assert lock.sealed
    later()
    credentials.set_passwords(at=AT)
    lock.refresh_from_db()
    assert lock.sealed == ""
    assert directory.passwords[box.address] == first, "le même, jamais un autre"


# Shown once


@pytest.fixture
def ready(box):
    credential = credentials.renew(box, at=AT)
    credentials.set_now(credential, at=AT)
    return credential


def shown(credential: Credential) -> Secret:
    with transaction.atomic():
        return credentials.reveal_once(credential, why="affiché", at=AT)


def test_it_is_shown_once_and_is_the_one_in_force(ready, directory):
    assert shown(ready) == directory.passwords[ready.mailbox.address]
    ready.refresh_from_db()
    assert (ready.sealed, ready.destroyed_at, ready.destroyed_why) == ("", AT, "affiché")
    with pytest.raises(Refusal, match="déjà été affiché"):
        shown(ready)


@pytest.mark.django_db(transaction=True)
def test_fifty_at_once_show_it_to_one(directory):
    credential = credentials.renew(MailboxFactory(), at=AT)
    credentials.set_now(credential, at=AT)
    told = together(*[lambda: shown(credential)] * 50)
    secrets = [answer for answer in told if isinstance(answer, Secret)]
    assert secrets == [directory.passwords[credential.mailbox.address]]
    assert len([answer for answer in told if isinstance(answer, Refusal)]) == 49


@pytest.mark.parametrize(
    ("purpose", "facts", "why"),
    [
        (RESET, {"applied_at": None}, "pas encore en vigueur"),
        (RESET, {"superseded_at": AT}, "a été remplacé"),
        (RESET, {"sealed": "", "destroyed_at": AT}, "déjà été affiché"),
        (MIGRATION, {}, "ne s’affiche pas"),
        (LOCK, {}, "ne s’affiche pas"),
    ],
)
def test_what_is_not_shown(ready, purpose, facts, why):
    Credential.objects.update(purpose=purpose, **facts)
    with pytest.raises(Refusal, match=why):
        shown(ready)


def test_what_was_not_committed_was_not_shown(ready):
    with transaction.atomic():
        credentials.reveal_once(ready, why="affiché", at=AT)
        transaction.set_rollback(True)
    assert isinstance(shown(ready), Secret)
