"""The door to Exchange; with `evidence.py` and `ews_inbox.py`, the only code that imports exchangelib.

Drafts are made in chunks, then sent one by one by their id, which Exchange accepts once. exchangelib never retries
here; one process holds one session; an account is made in the process that uses it.
"""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from exchangelib import BASIC, DELEGATE, IMPERSONATION, NTLM, Account, Configuration, Credentials, EWSTimeZone, Message
from exchangelib.errors import ErrorItemNotFound, EWSError, TransportError
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.folders import Drafts, Inbox, Root, SentItems
from exchangelib.items import SAVE_ONLY, SEND_TO_NONE
from exchangelib.properties import DistinguishedFolderId, Mailbox
from exchangelib.protocol import BaseProtocol, FailFast, close_connections
from exchangelib.services import CreateItem, DeleteItem, SendItem
from exchangelib.util import is_xml
from exchangelib.version import Build, Version

from bma_portal.mail.backends.evidence import HttpFailure, classify
from bma_portal.mail.compose import Letter
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.mail.outbox import Gone, RemoteId
from bma_portal.settings.base import is_loopback
from bma_portal.verdicts import Outcome, Verdict

logging.getLogger("exchangelib").setLevel(logging.WARNING)
logging.getLogger("exchangelib.util").setLevel(logging.CRITICAL)

PROPERTY_SET = "4f2a7c1e-6b0d-4c55-9a3e-2d8f51b7c9e4"  # ours, for the key that lets us find a mail again
# What exchangelib stumbles over in an answer that it did not expect: as doubtful as no answer at all.
UNREADABLE = (AttributeError, LookupError, SyntaxError, TypeError, ValueError)
ADMINISTRATION_DOMAIN = "@adm.cfwb.be"


class BmaKey(ExtendedProperty):
    property_set_id = PROPERTY_SET
    property_name = "X-BMA-Key"
    property_type = "String"


Message.register("bma_key", BmaKey)


class OneTry(FailFast):
    """Every HTTP status is raised at once, with its Retry-After; nothing is repeated behind our back."""

    def raise_response_errors(self, response: requests.Response) -> None:
        if response.status_code == 200:
            return
        if response.status_code == 500 and response.content and is_xml(response.content):
            return  # a SOAP fault: exchangelib names it
        value = response.headers.get("Retry-After", "")
        raise HttpFailure(response.status_code, float(value) if value.isdigit() else None)


class EachCreateItem(CreateItem):
    ERRORS_TO_CATCH_IN_RESPONSE = (EWSError,)  # each item's own answer, in order


class EachSendItem(SendItem):
    ERRORS_TO_CATCH_IN_RESPONSE = (EWSError,)


class EachDeleteItem(DeleteItem):
    ERRORS_TO_CATCH_IN_RESPONSE = (EWSError,)


_accounts: dict[tuple[int, str], Account] = {}


def forget_accounts() -> None:
    """After a fork: sockets of the parent are not ours."""
    _accounts.clear()
    close_connections()


def address_of(sender: str) -> str:
    return {Sender.SGNE: settings.EXCHANGE_SGNE_ADDRESS, Sender.ETNIC: settings.EXCHANGE_ETNIC_ADDRESS}[Sender(sender)]


def account(sender: str) -> Account:
    """This process's account for one sender. Both share one configuration, hence one session and one retry policy."""
    key = (os.getpid(), sender)
    if key not in _accounts:
        BaseProtocol.TIMEOUT = settings.EXCHANGE_TIMEOUT
        BaseProtocol.USERAGENT = "bma-portal/1.0"
        if settings.EXCHANGE_CA:
            os.environ["REQUESTS_CA_BUNDLE"] = settings.EXCHANGE_CA
        config = Configuration(
            service_endpoint=settings.EXCHANGE_URL,
            credentials=Credentials(settings.EXCHANGE_USER, settings.EXCHANGE_PASSWORD),
            auth_type={"basic": BASIC, "ntlm": NTLM}[settings.EXCHANGE_AUTH],
            version=Version(Build(15, 2)),
            retry_policy=OneTry(),
            max_connections=1,
        )
        _accounts[key] = Account(
            address_of(sender),
            config=config,
            autodiscover=False,
            access_type={"delegate": DELEGATE, "impersonation": IMPERSONATION}[settings.EXCHANGE_ACCESS],
            default_timezone=EWSTimeZone("UTC"),
        )
    return _accounts[key]


def folder(owner: Account, kind: type[Drafts] | type[SentItems] | type[Inbox]) -> Any:
    """A distinguished folder without asking the server for it; its id is given at once (exchange.md §2)."""
    box = Mailbox(email_address=owner.primary_smtp_address)
    identity = DistinguishedFolderId(id=kind.DISTINGUISHED_FOLDER_ID, mailbox=box)
    return kind(root=Root(account=owner), _distinguished_id=identity)


def mime(letter: Letter) -> bytes:
    """The mail as it leaves: our own text and HTML, our Message-ID, our key in a header."""
    message = EmailMultiAlternatives(
        subject=letter.subject,
        body=letter.text,
        from_email=f"{letter.sender.label} <{address_of(letter.sender)}>",
        to=letter.to,
        cc=letter.cc,
        reply_to=letter.reply_to,
        headers={
            **letter.headers,
            "Message-ID": letter.message_id,
            "X-BMA-Key": str(letter.uuid),
            "Auto-Submitted": "auto-generated",
        },
    )
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    for name, content, mimetype in letter.attachments:
        message.attach(name, content, mimetype)
    return message.message().as_bytes(linesep="\r\n")


def guarded(call: Callable[[], list[Any]]) -> list[Any] | Outcome:
    """Run one request; a fault of the whole request, or of one item, comes back classified."""
    try:
        answers = call()
    except (EWSError, TransportError, requests.RequestException, OSError, *UNREADABLE) as error:
        return classify(error)
    return [classify(answer) if isinstance(answer, Exception) else answer for answer in answers]


def forbidden(letter: Letter) -> Outcome | None:
    """Outside production nothing leaves for a real BMA, unless Exchange is a stand-in on this machine (C15)."""
    if settings.PRODUCTION or is_loopback(settings.EXCHANGE_URL):
        return None
    everyone = [*letter.to, *letter.cc, *letter.bcc]
    if any(address.lower().endswith(ADMINISTRATION_DOMAIN) for address in everyone):
        host = urlsplit(settings.EXCHANGE_URL).hostname
        reason = f"Hors production, rien ne part vers adm.cfwb.be par {host} : seulement par cette machine."
        return Outcome(Verdict.PERMANENT, "outside-production", reason)
    return None


class ExchangeTransport:
    def draft(self, sender: str, items: list[Letter]) -> list[RemoteId | Outcome]:
        answers: dict[int, RemoteId | Outcome] = {}
        messages: list[tuple[int, Message]] = []
        for n, letter in enumerate(items):
            refused = forbidden(letter)
            if refused:
                answers[n] = refused
                continue
            try:
                messages.append((n, self._message(sender, letter)))
            except (ValueError, TypeError, UnicodeError) as error:
                reason = "Ce courriel ne peut pas être mis en forme."
                answers[n] = Outcome(Verdict.PERMANENT, type(error).__name__, reason)
        if messages:
            results = self._call(
                sender,
                EachCreateItem,
                items=[message for _, message in messages],
                folder=folder(account(sender), Drafts),
                message_disposition=SAVE_ONLY,
                send_meeting_invitations=SEND_TO_NONE,
            )
            if isinstance(results, Outcome):
                if results.verdict is Verdict.PERMANENT and len(items) > 1:  # one of them is at fault: which one?
                    return self._one_by_one(sender, items)
                results = [results] * len(messages)
            elif len(results) != len(messages):
                short = Outcome(Verdict.AMBIGUOUS, "short-answer", "Exchange n'a pas répondu pour chaque courriel.")
                results = [short] * len(messages)
            for (n, _), result in zip(messages, results, strict=True):
                answers[n] = result if isinstance(result, Outcome) else (result.id, result.changekey)
        return [answers[n] for n in range(len(items))]

    def _one_by_one(self, sender: str, items: list[Letter]) -> list[RemoteId | Outcome]:
        """A request each; once Exchange does not answer well, the rest is answered alike and not asked."""
        answers: list[RemoteId | Outcome] = []
        for letter in items:
            last = answers[-1] if answers else None
            if isinstance(last, Outcome) and last.verdict is not Verdict.PERMANENT:
                answers.append(last)
            else:
                answers += self.draft(sender, [letter])
        return answers

    def _message(self, sender: str, letter: Letter) -> Message:
        return Message(
            mime_content=mime(letter),
            author=Mailbox(email_address=address_of(sender), name=letter.sender.label),
            to_recipients=[Mailbox(email_address=a) for a in letter.to],
            cc_recipients=[Mailbox(email_address=a) for a in letter.cc],
            bcc_recipients=[Mailbox(email_address=a) for a in letter.bcc],
            bma_key=str(letter.uuid),
        )

    def send(self, sender: str, remote: RemoteId, *, keep_copy: bool) -> Outcome:
        copies = folder(account(sender), SentItems) if keep_copy else None
        results = self._call(sender, EachSendItem, items=[remote], saved_item_folder=copies)
        if isinstance(results, Outcome):
            return results
        result = results[0] if results else Outcome(Verdict.AMBIGUOUS, "short-answer", "Exchange n'a rien répondu.")
        if result is True:
            return Outcome(Verdict.SENT)
        if isinstance(result, Outcome) and result.code == ErrorItemNotFound.__name__:
            return Outcome(Verdict.SENT, OutgoingMail.Proof.ABSENCE)
        return result

    def locate(self, sender: str, mails: list[OutgoingMail]) -> dict[int, RemoteId | Gone | Outcome | None]:
        found: dict[int, RemoteId | Gone | Outcome | None] = {}
        known = [mail for mail in mails if mail.ews_id]
        if known:
            found |= self._states(sender, known)
        unknown = {str(mail.uuid): mail.pk for mail in mails if not mail.ews_id}
        if unknown:
            drafts = self._drafts(sender, list(unknown))
            for key, pk in unknown.items():
                found[pk] = drafts if isinstance(drafts, Outcome) else drafts.get(key)
        return found

    def _states(self, sender: str, mails: list[OutgoingMail]) -> dict[int, RemoteId | Gone | Outcome | None]:
        owner = account(sender)

        def ask() -> list[Any]:
            ids = [(mail.ews_id, mail.ews_changekey) for mail in mails]
            return list(owner.fetch(ids=ids, only_fields=["is_draft", "is_submitted"]))

        answers = guarded(ask)
        if isinstance(answers, Outcome):
            return {mail.pk: answers for mail in mails}
        found: dict[int, RemoteId | Gone | Outcome | None] = {}
        for mail, answer in zip(mails, answers, strict=True):
            if isinstance(answer, Outcome):
                gone = answer.code == ErrorItemNotFound.__name__
                found[mail.pk] = Gone(OutgoingMail.Proof.ABSENCE) if gone else answer
            elif answer.is_submitted or answer.is_draft is False:
                found[mail.pk] = Gone(OutgoingMail.Proof.SUBMITTED)
            else:
                found[mail.pk] = (answer.id, answer.changekey)
        return found

    def _drafts(self, sender: str, keys: Sequence[str]) -> dict[str, RemoteId] | Outcome:
        box = folder(account(sender), Drafts)

        def ask() -> list[Any]:
            return list(box.filter(bma_key__in=list(keys)).only("id", "changekey", "bma_key"))

        answers = guarded(ask)
        if isinstance(answers, Outcome):
            return answers
        return {str(item.bma_key): (item.id, item.changekey) for item in answers if not isinstance(item, Outcome)}

    def stray_drafts(self, sender: str) -> dict[str, RemoteId]:
        box = folder(account(sender), Drafts)
        wanted = box.filter(bma_key__exists=True).only("id", "changekey", "bma_key", "is_submitted")
        answers = guarded(lambda: list(wanted[:200]))
        if isinstance(answers, Outcome):
            return {}
        drafts = [item for item in answers if not isinstance(item, Outcome) and not item.is_submitted]
        return {str(item.bma_key): (item.id, item.changekey) for item in drafts}

    def discard(self, sender: str, remotes: list[RemoteId]) -> None:
        self._call(
            sender,
            EachDeleteItem,
            items=remotes,
            delete_type="HardDelete",
            send_meeting_cancellations="SendToNone",
            affected_task_occurrences="AllOccurrences",
            suppress_read_receipts=True,
        )

    def _call(self, sender: str, service: type, **arguments: Any) -> list[Any] | Outcome:
        return guarded(lambda: list(service(account=account(sender)).call(**arguments)))
