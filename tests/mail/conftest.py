from collections.abc import Iterator

import pytest

from bma_portal.mail import outbox
from demo.exchange.control import StandIn


@pytest.fixture(scope="session")
def stand_in() -> Iterator[StandIn]:
    with StandIn.start() as running:
        yield running


@pytest.fixture
def exchange(stand_in: StandIn, settings) -> StandIn:
    """An Exchange with nothing in it, and the portal's own e-mail backend."""
    stand_in.reset()
    settings.EXCHANGE_URL = stand_in.ews
    settings.EMAIL_BACKEND = "bma_portal.mail.backends.outbox.OutboxBackend"
    from bma_portal.mail.backends.ews import forget_accounts

    forget_accounts()
    outbox._transport.cache_clear()
    return stand_in


@pytest.fixture
def no_bells(monkeypatch) -> list[str]:
    """The bells that rang; nobody hears them: the test drains by itself."""
    from bma_portal import bells
    from bma_portal.mail import tasks

    rung: list[str] = []
    monkeypatch.setattr(bells, "_begins", lambda *task: True)  # whatever other tests, on the same Redis, left ringing
    monkeypatch.setattr(tasks.drain, "delay", rung.append)
    return rung
