from collections.abc import Iterator

import pytest
from pytest_django import Settings

from demo.cerbere.control import Cerbere
from tests.accounts.samba import ad, box, domain, running_domain  # noqa: F401  one domain for all these tests


@pytest.fixture(scope="session")
def running_cerbere() -> Iterator[Cerbere]:
    with Cerbere.start() as cerbere:
        yield cerbere


@pytest.fixture
def cerbere(running_cerbere: Cerbere, settings: Settings) -> Iterator[Cerbere]:
    """The stand-in, honest at first, as the Cerbère of the settings."""
    settings.CERBERE_ISSUER = running_cerbere.url
    running_cerbere.tamper("")
    yield running_cerbere
    running_cerbere.tamper("")
