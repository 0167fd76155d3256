"""What arrives for the two senders: the door to their inboxes, read by changes since a state.

Reading harms nothing: whatever fails is read again from the same state. Nothing is deleted, moved or marked as read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from bma_portal.verdicts import Outcome

MOST_BYTES = 25_000_000  # of one mail; of a heavier one only the head is read


@dataclass(frozen=True)
class Received:
    """A mail as it lies in the inbox. `whole` is False if `mime` holds its head only: `why` says the reason."""

    item_id: str
    mime: bytes = field(repr=False)
    received_at: datetime
    size: int
    whole: bool = True
    why: str = ""


@dataclass(frozen=True)
class Changes:
    """New mails, and the state to go on from. `more`: others wait behind these."""

    items: Sequence[Received]
    state: str
    more: bool


class Inbox(Protocol):
    """Every answer is a value; nothing is raised for a fault of the other side."""

    def changes(
        self,
        sender: str,
        state: str,
        *,
        limit: int,
        unknown: Callable[[Sequence[tuple[str, datetime]]], set[str]],
        insist: bool = True,
    ) -> Changes | Outcome:
        """The mails that came since that state, the oldest first; an empty state, or one that the server has
        forgotten, begins with the first mail of the inbox.

        `unknown` is asked, of the ids and moments of what came, which are to be read: only those are fetched. Mails
        that are deleted or changed are not told. Without `insist`, a mail that the server cannot give is handed over
        as its head alone; with it, that is a failure, to be tried again.
        """


@lru_cache(maxsize=2)
def _inbox(path: str) -> Inbox:
    return import_string(path)()


def inbox() -> Inbox:
    """The one look-up of the door: `MAIL_INBOX`."""
    return _inbox(settings.MAIL_INBOX)
