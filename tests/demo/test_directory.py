"""The demo's directory of passwords; what every directory promises is in tests/accounts/test_directory_contract."""

import pytest

from bma_portal.secret import Secret
from bma_portal.verdicts import Verdict
from demo.directory import TwinDirectory
from demo.exchange.control import StandIn

ADDRESS = "ec000012@adm.cfwb.be"


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
