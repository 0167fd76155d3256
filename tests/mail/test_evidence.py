"""Causes before classes: the same class of exchangelib may hide a mail that left and one that did not."""

import pytest
import requests
from exchangelib import errors
from urllib3.exceptions import MaxRetryError, NewConnectionError

from bma_portal.mail.backends.evidence import HttpFailure, classify
from bma_portal.verdicts import Verdict


def raised(outer: Exception, cause: Exception) -> Exception:
    try:
        raise outer from cause
    except Exception as error:
        return error


REFUSED = requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused")))


@pytest.mark.parametrize(
    ("error", "verdict", "wide"),
    [
        (raised(errors.ErrorTimeoutExpired("x"), REFUSED), Verdict.RETRY, True),
        (raised(errors.ErrorTimeoutExpired("x"), requests.ConnectTimeout()), Verdict.RETRY, True),
        (raised(errors.ErrorTimeoutExpired("x"), requests.exceptions.SSLError()), Verdict.RETRY, True),
        (raised(errors.ErrorTimeoutExpired("x"), requests.ReadTimeout()), Verdict.AMBIGUOUS, False),
        (raised(errors.ErrorServerBusy("x"), requests.ConnectionError("cut")), Verdict.AMBIGUOUS, False),
        (raised(errors.ErrorServerBusy("x"), ConnectionResetError()), Verdict.AMBIGUOUS, False),
        (HttpFailure(401, None), Verdict.SENDER, False),
        (HttpFailure(403, None), Verdict.SENDER, False),
        (HttpFailure(413, None), Verdict.PERMANENT, False),
        (HttpFailure(429, 3), Verdict.AMBIGUOUS, True),
        (HttpFailure(503, 3), Verdict.AMBIGUOUS, True),
        (errors.ErrorServerBusy("x", back_off=2), Verdict.RETRY, True),
        (errors.ErrorSubmissionQuotaExceeded("x"), Verdict.RETRY, True),
        (errors.ErrorInvalidRecipients("x"), Verdict.PERMANENT, False),
        (errors.ErrorMessageSizeExceeded("x"), Verdict.PERMANENT, False),
        (errors.UnauthorizedError("x"), Verdict.SENDER, False),
        (errors.ErrorSendAsDenied("x"), Verdict.SENDER, False),
        (errors.ErrorQuotaExceeded("x"), Verdict.SENDER, False),
        (errors.ErrorPasswordExpired("x"), Verdict.SENDER, False),
        (errors.ErrorInternalServerError("x"), Verdict.AMBIGUOUS, False),
        (errors.MalformedResponseError("x"), Verdict.AMBIGUOUS, False),
        (errors.TransportError("jamais vu"), Verdict.AMBIGUOUS, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_evidence_has_its_verdict(error, verdict, wide):
    outcome = classify(error)
    assert (outcome.verdict, outcome.wide) == (verdict, wide)
    assert outcome.reason.endswith(".")


def test_what_the_server_asked_is_obeyed():
    assert classify(HttpFailure(503, 7.0)).retry_after == 7
    assert classify(errors.ErrorServerBusy("x", back_off=2)).retry_after == 2
    assert classify(errors.ErrorServerBusy("x")).retry_after is None
    assert classify(errors.ErrorSubmissionQuotaExceeded("x")).retry_after == 3600


def test_the_reason_never_quotes_the_evidence():
    secret = "<Body>mot-de-passe</Body>"
    outcome = classify(raised(errors.MalformedResponseError(secret), requests.ReadTimeout(secret)))
    assert secret not in outcome.reason + outcome.code
