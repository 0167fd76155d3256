"""The inboxes of the two senders through Exchange: the changes of a folder since a state, then each mail's MIME.

Shares account, session, faults and their classification with `ews.py`. One page of changes is one request; the state
is the caller's to keep.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formataddr
from typing import Any

from exchangelib import folders
from exchangelib.errors import ErrorItemNotFound, EWSError
from exchangelib.services import GetItem, SyncFolderItems
from exchangelib.services.common import EWSAccountService
from exchangelib.util import MNS

from bma_portal.mail.backends.ews import account, folder, guarded
from bma_portal.mail.inbox import MOST_BYTES, Changes, Received
from bma_portal.verdicts import Outcome, Verdict

FORGOTTEN = {"ErrorInvalidSyncStateData"}  # the state is of another server, or too old
PAGE_OF_CHANGES = 200  # changes in one answer; the server's own limit is 512
AT_ONCE = 10  # mails fetched by one request, and their weight together
HEAVIER = "Ce message dépasse 25 Mo : son contenu n’a pas été lu."
NOT_GIVEN = "Exchange n’a pas pu donner le contenu de ce message."
FIELDS = ("size", "datetime_received", "subject", "author", "message_id")
UNKNOWN = datetime(9999, 1, 1, tzinfo=UTC)  # when: whoever reads it takes their own moment
# What Exchange answers for one item that it cannot turn into a mail: the same every time.
BROKEN = {"ErrorMimeContentConversionFailed", "ErrorContentConversionFailed", "ErrorCorruptData", "ErrorItemCorrupt"}


class OnePage(SyncFolderItems):
    def _get_element_container(self, message: Any, name: str | None = None) -> Any:
        if message.find(f"{{{MNS}}}SyncState") is None:  # a refusal: exchangelib would stumble before it names it
            return EWSAccountService._get_element_container(self, message, name)
        return super()._get_element_container(message, name)

    def _elem_to_obj(self, elem: Any) -> tuple[str, Any]:
        try:
            return super()._elem_to_obj(elem)
        except ValueError:  # a kind of item that exchangelib does not know: no mail
            return "unknown", None


class EachGetItem(GetItem):
    ERRORS_TO_CATCH_IN_RESPONSE = (EWSError,)  # each item's own answer, in order


class ExchangeInbox:
    def changes(
        self,
        sender: str,
        state: str,
        *,
        limit: int,
        unknown: Callable[[Sequence[tuple[str, datetime]]], set[str]],
        insist: bool = True,
    ) -> Changes | Outcome:
        page = self._page(sender, state, limit)
        if isinstance(page, Outcome) and state and page.code in FORGOTTEN:
            page = self._page(sender, "", limit)
        if isinstance(page, Outcome):
            return page
        items, reached, more = page
        items.sort(key=_received_at)
        wanted = unknown([(item.id, _received_at(item)) for item in items]) if items else set()
        found: list[Received] = []
        for chunk in _chunks([item for item in items if item.id in wanted]):
            read = self._read(sender, chunk, insist=insist)
            if isinstance(read, Outcome):
                return read
            found += read
        return Changes(found, reached, more)

    def _page(self, sender: str, state: str, limit: int) -> tuple[list[Any], str, bool] | Outcome:
        owner = account(sender)
        box = folder(owner, folders.Inbox)
        service = OnePage(account=owner)

        def ask() -> list[Any]:
            return list(
                service.call(
                    folder=box,
                    shape="IdOnly",
                    additional_fields=box.normalize_fields(fields=FIELDS),
                    sync_state=state or None,
                    ignore=None,
                    max_changes_returned=min(limit, PAGE_OF_CHANGES),
                    sync_scope=None,
                )
            )

        answers = guarded(ask)
        if isinstance(answers, Outcome):
            return answers
        refused = next((answer for answer in answers if isinstance(answer, Outcome)), None)
        if refused:
            return refused
        reached = service.sync_state or ""
        if not reached:
            return Outcome(Verdict.AMBIGUOUS, "no-state", "Exchange n'a pas dit où il en est de cette boîte.")
        items = [item for change, item in answers if change == SyncFolderItems.CREATE and item and item.id]
        # The same state with « more to come »: exchangelib's own code met such servers. There is nothing to go on to.
        more = service.includes_last_item_in_range is False and reached != state
        return items, reached, more

    def _read(self, sender: str, items: list[Any], *, insist: bool) -> list[Received] | Outcome:
        heavy = [item for item in items if (item.size or 0) > MOST_BYTES]
        light = [item for item in items if (item.size or 0) <= MOST_BYTES]
        found = [_head_alone(item, HEAVIER) for item in heavy]
        if not light:
            return found
        owner = account(sender)
        fields = folder(owner, folders.Inbox).normalize_fields(fields=["mime_content"])

        def ask() -> list[Any]:
            ids = [(item.id, item.changekey) for item in light]
            return list(EachGetItem(account=owner).call(items=ids, additional_fields=fields, shape="IdOnly"))

        answers = guarded(ask)
        if isinstance(answers, Outcome):
            return answers
        if len(answers) != len(light):
            return Outcome(Verdict.AMBIGUOUS, "short-answer", "Exchange n'a pas répondu pour chaque courriel.")
        for item, answer in zip(light, answers, strict=True):
            if isinstance(answer, Outcome):
                if answer.code == ErrorItemNotFound.__name__:
                    continue  # deleted or moved by a person since: nothing of ours any more
                lost_for_good = answer.code in BROKEN or answer.verdict is Verdict.AMBIGUOUS
                if not lost_for_good or (insist and answer.code not in BROKEN):
                    return answer
                found.append(_head_alone(item, NOT_GIVEN))
            elif answer.mime_content:
                mime = bytes(answer.mime_content)
                found.append(Received(item.id, mime, _received_at(item), item.size or len(mime)))
            else:
                found.append(_head_alone(item, NOT_GIVEN))
        return sorted(found, key=lambda mail: mail.received_at)


def _received_at(item: Any) -> datetime:
    at = getattr(item, "datetime_received", None)
    return datetime.fromtimestamp(at.timestamp(), UTC) if at else UNKNOWN


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    weight = 0
    for item in items:
        size = min(item.size or 0, MOST_BYTES)
        if chunk and (len(chunk) == AT_ONCE or weight + size > MOST_BYTES):
            yield chunk
            chunk, weight = [], 0
        chunk.append(item)
        weight += size
    if chunk:
        yield chunk


def _head_alone(item: Any, why: str) -> Received:
    """Who, what about, which number: as Exchange says them, in the form of a mail without content."""
    message = EmailMessage()
    author = getattr(item, "author", None)
    values = {
        "From": formataddr((author.name or "", author.email_address)) if author and author.email_address else "",
        "Subject": getattr(item, "subject", "") or "",
        "Message-ID": getattr(item, "message_id", "") or "",
    }
    for name, value in values.items():
        line = " ".join(value.split())[:900]
        if line:
            try:
                message[name] = line
            except (ValueError, IndexError, RecursionError):  # Python's parser of addresses is easily lost
                continue
    return Received(item.id, message.as_bytes(), _received_at(item), item.size or 0, whole=False, why=why)
