import secrets

import pytest

from demo.exchange.control import StandIn
from demo.exchange.rights import SERVICE
from tests.demo.mailer import Mailer

# exchangelib keeps one protocol per address and credentials for the life of the process, and the system may hand out
# a port again: a password of our own keeps these tests away from anybody else's connections.
PASSWORD = secrets.token_urlsafe(12)
OTHER = "autre@exemple.test"


@pytest.fixture(scope="session")
def running_exchange():
    with StandIn.start(users=[(SERVICE[0], PASSWORD), (OTHER, PASSWORD)]) as exchange:
        yield exchange


@pytest.fixture
def exchange(running_exchange):
    running_exchange.reset()
    yield running_exchange
    running_exchange.reset()


@pytest.fixture
def mailer(exchange):
    return Mailer(exchange.ews, SERVICE[0], PASSWORD)
