"""An error report that prints every local variable shows no password, wherever the error came (SEC-C5)."""

import itertools
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import requests
from django.views.debug import ExceptionReporter

from accounts import credentials
from accounts.models import Mailbox
from bma_portal.clock import brussels
from bma_portal.mail import outbox
from bma_portal.mail.backends.ews import forget_accounts
from bma_portal.secret import Secret
from demo.exchange.control import StandIn
from migration.mails import NewPassword
from migration.models import Mailing
from tests.factories_migration import MoveFactory
from tests.walks.canary import traces

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

CANARY = "bcdF-23gH-jkmN-pq4R"
AT = brussels(date(2024, 10, 14), 9)
NEW_KEY = "neuve:dW5lLW5vdXZlbGxlLWNsZWYtZGUtMzItb2N0ZXRzLTE="


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn.start() as running:
        yield running


@pytest.fixture
def box(stand_in: StandIn, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Mailbox:
    """A mailbox whose mail 2 is due, and whose password will be the canary."""
    stand_in.reset()
    settings.EXCHANGE_URL = stand_in.ews
    settings.DIRECTORY_BACKEND = "demo.directory.TwinDirectory"
    forget_accounts()
    drawn = itertools.cycle(CANARY.replace("-", ""))
    monkeypatch.setattr(credentials.secrets, "choice", lambda signs: next(drawn))
    return MoveFactory(announced=True).mailbox


def issue(box: Mailbox) -> None:
    credentials.issue([box], at=AT)


def renew(box: Mailbox) -> None:
    credentials.renew(box, at=AT)


def place(box: Mailbox) -> None:
    credentials.set_passwords(at=AT)


def rotate(box: Mailbox) -> None:
    credentials.rotate()


def send(box: Mailbox) -> None:
    outbox.drain("etnic")


BEFORE: dict[Callable[[Mailbox], None], tuple[Callable[[Mailbox], None], ...]] = {
    issue: (), renew: (), place: (issue,), rotate: (issue,), send: (issue, place),
}  # fmt: skip


@pytest.mark.parametrize(
    ("step", "place_of_error", "time"),
    [
        (issue, "accounts.credentials.Secret", 1),
        (issue, "bma_portal.vault.seal", 1),
        (renew, "bma_portal.vault.seal", 1),
        (rotate, "bma_portal.vault.seal", 1),
        (rotate, "bma_portal.vault.Secret", 1),
        (place, "bma_portal.vault.Secret", 1),
        (place, "bma_portal.secret.Secret.reveal", 1),
        (place, "requests.Session.put", 1),
        (place, "requests.Session.send", 1),
        (send, "bma_portal.vault.Secret", 1),
        (send, "bma_portal.secret.Secret.reveal", 1),
        (send, "bma_portal.secret.Secret.reveal", 2),
        (send, "bma_portal.mail.compose.Letter", 1),
        (send, "bma_portal.mail.backends.ews.mime", 1),
        (send, "bma_portal.mail.backends.ews.Message", 1),
        (send, "requests.Session.send", 1),
        (send, "requests.Session.send", 2),
        (send, "bma_portal.mail.claims.keep_ids", 1),
        (send, "bma_portal.mail.claims.record_sent", 1),
    ],
)
def test_no_report_shows_a_password(
    box: Mailbox,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    step: Callable[[Mailbox], None],
    place_of_error: str,
    time: int,
) -> None:
    for earlier in BEFORE[step]:
        earlier(box)
    if step is send:
        mailing = Mailing.objects.get(move__mailbox=box, step=2)
        mailing.mail = NewPassword(mailing).row(at=AT)
        mailing.mail.save()
        mailing.save()
        monkeypatch.setattr("bma_portal.clock.now", lambda: AT)
    if step is rotate:
        settings.BMA_VAULT_KEYS = f"{NEW_KEY},{settings.BMA_VAULT_KEYS}"
    owner, _, name = place_of_error.rpartition(".")
    target = Secret if owner.endswith(".Secret") else requests.Session if owner.endswith(".Session") else None
    module = target or sys.modules[owner]
    monkeypatch.setattr(module, name, failing(getattr(module, name), time))
    caplog.set_level("DEBUG")
    errors = errors_of(step, box, caplog)
    monkeypatch.undo()
    assert errors, "l'erreur provoquée n'a pas eu lieu"
    written = [report for error in errors for report in reports(error, settings)]
    assert any(place_of_error.rpartition(".")[2] in report or "failing" in report for report in written)
    for report in written:
        assert traces(CANARY, report.encode()) == []
    assert traces(CANARY, caplog.text.encode()) == []


def failing(original: Callable, time: int) -> Callable:
    """Fails at that call, with the result and the arguments at hand."""
    calls = itertools.count(1)

    def fails(*arguments: Any, **named: Any) -> Any:
        in_hand = original(*arguments, **named)
        if next(calls) == time:
            raise RuntimeError("panne")
        return in_hand

    return fails


def errors_of(step: Callable, box: Mailbox, caplog: pytest.LogCaptureFixture) -> list[BaseException]:
    """What was raised, and what was caught and logged: a handler of logs sees its frames too."""
    errors: list[BaseException] = []
    try:
        step(box)
    except RuntimeError as error:
        errors.append(error)
    errors += [record.exc_info[1] for record in caplog.records if record.exc_info and record.exc_info[1]]
    return [error for error in errors if isinstance(error, RuntimeError)]


def reports(error: BaseException, settings: Any) -> Iterator[str]:
    """Django's page and text, open and closed, and a traceback with the local variables of each frame."""
    for debug in (True, False):
        settings.DEBUG = debug
        reporter = ExceptionReporter(None, type(error), error, error.__traceback__)
        yield reporter.get_traceback_html()
        yield reporter.get_traceback_text()
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def test_these_reports_do_show_what_a_frame_holds(settings: Any) -> None:
    def careless(password: str) -> None:
        raise RuntimeError("panne")

    with pytest.raises(RuntimeError) as raised:
        careless(CANARY)
    shown = [traces(CANARY, report.encode()) for report in reports(raised.value, settings)]
    assert ["clair"] in shown
    assert shown[-1] == ["clair"]
