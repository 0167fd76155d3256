"""The two stand-ins for the directory keep one contract (SEC-L6); the real one will join this suite."""

import pytest

from bma_portal.secret import Secret
from bma_portal.verdicts import Verdict
from demo.directory import MemoryDirectory, TwinDirectory
from demo.exchange.control import StandIn

ADDRESS = "ec000012@adm.cfwb.be"


@pytest.fixture(params=["twin", "memory"])
def door(request, settings):
    if request.param == "memory":
        MemoryDirectory.forget()
        yield MemoryDirectory(), lambda text: MemoryDirectory.passwords.get(ADDRESS) == Secret(text)
        MemoryDirectory.forget()
    else:
        with StandIn.start() as exchange:
            settings.EXCHANGE_URL = exchange.ews
            yield TwinDirectory(), lambda text: exchange.verify(ADDRESS, text)


def test_a_password_that_was_set_is_in_force_and_only_the_last_one(door):
    directory, opens = door
    assert directory.set_password(ADDRESS, Secret("Xk7m-Wd3x-Tn9r-Vb4h")).verdict is Verdict.SENT
    assert opens("Xk7m-Wd3x-Tn9r-Vb4h")
    assert directory.set_password(ADDRESS, Secret("Bc2d-Fg3h-Jk4m-Np5q")).verdict is Verdict.SENT
    assert opens("Bc2d-Fg3h-Jk4m-Np5q")
    assert not opens("Xk7m-Wd3x-Tn9r-Vb4h")


def test_the_same_password_twice_is_once(door):
    directory, opens = door
    for _ in range(2):
        assert directory.set_password(ADDRESS, Secret("Xk7m-Wd3x-Tn9r-Vb4h")).verdict is Verdict.SENT
    assert opens("Xk7m-Wd3x-Tn9r-Vb4h")


@pytest.mark.parametrize(
    ("fault", "verdict", "in_force"),
    [
        ({"action": "refuse", "code": "weak"}, Verdict.PERMANENT, False),
        ({"action": "unavailable"}, Verdict.RETRY, False),
        ({"action": "apply_then_drop"}, Verdict.AMBIGUOUS, True),
    ],
)
def test_each_fault_of_the_twin_has_its_verdict_and_says_nothing_secret(settings, fault, verdict, in_force):
    with StandIn.start() as exchange:
        settings.EXCHANGE_URL = exchange.ews
        exchange.faults([{"op": "SetPassword", **fault, "times": 1}])
        outcome = TwinDirectory().set_password(ADDRESS, Secret("Xk7m-Wd3x-Tn9r-Vb4h"))
        assert outcome.verdict is verdict
        assert "Xk7m" not in outcome.reason + outcome.code
        assert exchange.verify(ADDRESS, "Xk7m-Wd3x-Tn9r-Vb4h") is in_force


def test_a_directory_that_is_away_is_a_matter_of_time(settings):
    settings.EXCHANGE_URL = "http://127.0.0.1:9/EWS/Exchange.asmx"
    outcome = TwinDirectory().set_password(ADDRESS, Secret("Xk7m-Wd3x-Tn9r-Vb4h"))
    assert outcome.verdict in {Verdict.RETRY, Verdict.AMBIGUOUS}
    assert outcome.wide
    assert outcome.reason.startswith("L'annuaire est injoignable")


def test_the_twin_refuses_any_other_machine(settings):
    settings.EXCHANGE_URL = "https://mail.exemple.test/EWS/Exchange.asmx"
    assert TwinDirectory().set_password(ADDRESS, Secret("x")).verdict is Verdict.SENDER
