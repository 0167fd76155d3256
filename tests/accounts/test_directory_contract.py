"""Every directory of passwords keeps one contract: the real one, the demo's and the tests' (SEC-L6)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from accounts import directory_ldap
from accounts.directory import Directory
from accounts.directory_ldap import ActiveDirectory
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory, TwinDirectory
from demo.exchange.control import StandIn
from tests.accounts.relay import relay
from tests.accounts.samba import ADDRESS, FIRST, SECOND, said

WEAK = Outcome(Verdict.PERMANENT, "weak", "L'annuaire refuse ce mot de passe.")
AWAY = Outcome(Verdict.RETRY, "away", "L'annuaire est injoignable.", wide=True)
LOST = Outcome(Verdict.AMBIGUOUS, "lost", "L'annuaire n'a pas répondu.", wide=True)


@dataclass
class Door:
    """A directory, how to ask whether a password opens the mailbox, and how to make the next call go wrong."""

    directory: Directory
    opens: Callable[[str], bool]
    refuse: Callable[[], object]
    away: Callable[[], object]
    lose_the_answer: Callable[[], object]
    mend: Callable[[], object]


def in_memory() -> Iterator[Door]:
    MemoryDirectory.forget()
    answer = MemoryDirectory.answers.append
    opens = lambda text: MemoryDirectory.passwords.get(ADDRESS) == Secret(text)  # noqa: E731
    mend = MemoryDirectory.answers.clear
    yield Door(MemoryDirectory(), opens, lambda: answer(WEAK), lambda: answer(AWAY), lambda: answer(LOST), mend)
    MemoryDirectory.forget()


def twin(settings) -> Iterator[Door]:
    with StandIn.start() as exchange:
        settings.EXCHANGE_URL = exchange.ews

        def fault(action: str) -> Callable[[], object]:
            return lambda: exchange.faults([{"op": "SetPassword", "action": action, "code": "weak", "times": 1}])

        yield Door(
            TwinDirectory(), lambda text: exchange.verify(ADDRESS, text), fault("refuse"), fault("unavailable"),
            fault("apply_then_drop"), lambda: exchange.faults([]),
        )  # fmt: skip


def active_directory(request, settings, monkeypatch) -> Iterator[Door]:
    domain, box = request.getfixturevalue("domain"), request.getfixturevalue("box")
    url, finding, weakening = settings.DIRECTORY_URL, directory_ldap.find, Secret.reveal
    with relay(domain.host, 636) as running:
        settings.DIRECTORY_URL = f"ldaps://127.0.0.1:{running.port}"
        ad = ActiveDirectory()

        def refuse() -> None:
            monkeypatch.setattr(Secret, "reveal", lambda secret: weakening(secret)[:3])

        def away() -> None:
            settings.DIRECTORY_URL = "ldaps://127.0.0.1:9"
            ad.forget()

        def lose_the_answer() -> None:
            def find(line, address):
                found = finding(line, address)
                line.socket.settimeout(1)
                running.lose_answers()
                return found

            monkeypatch.setattr(directory_ldap, "find", find)

        def mend() -> None:
            monkeypatch.setattr(Secret, "reveal", weakening)
            monkeypatch.setattr(directory_ldap, "find", finding)
            running.lose_answers(False)
            settings.DIRECTORY_URL = url

        yield Door(ad, lambda text: domain.opens(box, text), refuse, away, lose_the_answer, mend)
        mend()
        ad.forget()


@pytest.fixture(params=["memory", "twin", "active directory"])
def door(request, settings, monkeypatch) -> Iterator[Door]:
    match request.param:
        case "memory":
            yield from in_memory()
        case "twin":
            yield from twin(settings)
        case _:
            yield from active_directory(request, settings, monkeypatch)


def test_a_password_that_was_set_is_in_force_and_only_the_last_one(door):
    assert door.directory.set_password(ADDRESS, Secret(FIRST)) == Outcome(Verdict.SENT)
    assert door.opens(FIRST)
    assert door.directory.set_password(ADDRESS, Secret(SECOND)) == Outcome(Verdict.SENT)
    assert door.opens(SECOND)
    assert not door.opens(FIRST)


def test_the_same_password_twice_is_once(door):
    for _ in range(2):
        assert door.directory.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert door.opens(FIRST)


def test_a_refused_password_is_not_in_force_and_says_why(door):
    door.refuse()
    assert said(door.directory.set_password(ADDRESS, Secret(FIRST))) == (Verdict.PERMANENT, False)
    door.mend()
    assert not door.opens(FIRST)
    assert door.directory.set_password(ADDRESS, Secret(SECOND)).verdict is Verdict.SENT


def test_when_it_is_away_everybody_waits(door):
    door.away()
    assert said(door.directory.set_password(ADDRESS, Secret(FIRST))) == (Verdict.RETRY, True)
    door.mend()
    assert not door.opens(FIRST)
    assert door.directory.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert door.opens(FIRST)


def test_a_lost_answer_is_a_doubt_and_the_same_again_settles_it(door):
    door.lose_the_answer()
    assert said(door.directory.set_password(ADDRESS, Secret(FIRST))) == (Verdict.AMBIGUOUS, True)
    door.mend()
    assert door.opens(FIRST)
    assert door.directory.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert door.opens(FIRST)
