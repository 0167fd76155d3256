"""A memory in the place of the senders' inboxes."""

import pytest

from bma_portal.mail import inbox
from demo.inbox import MemoryInbox


@pytest.fixture
def memory(settings) -> type[MemoryInbox]:
    settings.MAIL_INBOX = "demo.inbox.MemoryInbox"
    settings.EXCHANGE_URL = "https://exchange.exemple.test/EWS/Exchange.asmx"
    inbox._inbox.cache_clear()
    MemoryInbox.forget()
    return MemoryInbox
