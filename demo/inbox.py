"""A memory in the place of the senders' inboxes: for tests in one process. Its real twin is the Exchange stand-in."""

from collections.abc import Callable, Sequence
from datetime import datetime

from bma_portal.mail.inbox import MOST_BYTES, Changes, Received
from bma_portal.verdicts import Outcome


class MemoryInbox:
    mails: dict[str, list[Received]] = {}
    answers: list[Outcome] = []  # given first, one for each call
    calls: list[tuple[str, str]] = []  # sender, state
    forgotten: set[str] = set()  # states that the server does not know any more

    @classmethod
    def forget(cls) -> None:
        for held in (cls.mails, cls.answers, cls.calls, cls.forgotten):
            held.clear()

    @classmethod
    def put(cls, sender: str, mime: bytes, *, at: datetime, size: int | None = None) -> str:
        """A mail arrives. Returns its item's id."""
        held = cls.mails.setdefault(sender, [])
        weight = len(mime) if size is None else size
        whole = weight <= MOST_BYTES
        head = mime if whole else mime.partition(b"\n\n")[0] + b"\n\n"
        item_id = f"memoire-{sender}-{len(held)}"
        held.append(Received(item_id, head, at, weight, whole, "" if whole else "Ce message dépasse 25 Mo."))
        return item_id

    def changes(
        self,
        sender: str,
        state: str,
        *,
        limit: int,
        unknown: Callable[[Sequence[tuple[str, datetime]]], set[str]],
        insist: bool = True,
    ) -> Changes | Outcome:
        self.calls.append((sender, state))
        if self.answers:
            return self.answers.pop(0)
        held = self.mails.get(sender, [])
        start = 0 if state in self.forgotten or not state else int(state)
        page = held[start : start + limit]
        wanted = unknown([(mail.item_id, mail.received_at) for mail in page])
        reached = start + len(page)
        return Changes([mail for mail in page if mail.item_id in wanted], str(reached), reached < len(held))
