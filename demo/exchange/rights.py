"""Who may do what: one service account, and the sender mailboxes on which it has Full Access and Send As."""

import base64
import binascii
import hmac
from collections.abc import Iterable

from demo.exchange.soap import EwsError, SoapFault, T
from demo.exchange.store import HOLDER

SERVICE = ("svc-bma@exemple.test", "demo-exchange")
SENDERS = ("migrationBMA@cfwb.be", "support@etnic.be")


class Principal:
    """The account a request acts as: the one that signed in, or the one it impersonates."""

    __slots__ = ("address", "delegate")

    def __init__(self, address: str, delegate: bool):
        self.address = address
        self.delegate = delegate  # may open and use the sender mailboxes


class Rights:
    """The first user is the service account; any other user has a mailbox and no right on the senders."""

    def __init__(self, users: Iterable[tuple[str, str]] = (SERVICE,), senders: Iterable[str] = SENDERS):
        self.passwords = dict(users)
        self.service = next(iter(self.passwords)).lower()
        self.spelling = {address.lower(): address for address in senders}
        self.senders = set(self.spelling)
        self.accounts = {name.lower() for name in self.passwords} | self.senders
        self._known_headers: dict[str, str] = {}

    def exists(self, address: str) -> bool:
        return address in self.accounts or HOLDER.fullmatch(address) is not None

    def sign_in(self, header: str) -> str | None:
        """The account named by an Authorization header, or None. Basic only."""
        if (known := self._known_headers.get(header)) is not None:
            return known
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            name, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        for user, expected in self.passwords.items():
            if user.lower() == name.lower() and hmac.compare_digest(password.encode(), expected.encode()):
                self._known_headers[header] = user.lower()
                return user.lower()
        return None

    def principal(self, account: str, header) -> Principal:
        impersonation = None if header is None else header.find(f"{T}ExchangeImpersonation/{T}ConnectingSID")
        if impersonation is None or not len(impersonation):
            return Principal(account, account == self.service)
        wanted = (impersonation[0].text or "").strip().lower()
        if not self.exists(wanted):
            raise SoapFault("ErrorNonExistentMailbox")
        if account != self.service or wanted not in self.senders | {account}:
            raise SoapFault("ErrorImpersonateUserDenied")
        return Principal(wanted, False)

    def open(self, principal: Principal, mailbox: str) -> str:
        """The mailbox to work in; « » is one's own."""
        mailbox = mailbox.strip().lower() or principal.address
        if mailbox == principal.address or (principal.delegate and mailbox in self.senders):
            return mailbox
        raise EwsError("ErrorAccessDenied" if self.exists(mailbox) else "ErrorNonExistentMailbox")

    def send_as(self, principal: Principal, author: str) -> str:
        """The address a mail leaves from, as it is usually written. Without an author that is the account itself, as
        on the real one."""
        author = author.lower() or principal.address
        if author == principal.address or (principal.delegate and author in self.senders):
            return self.spelling.get(author, author)
        raise EwsError("ErrorSendAsDenied")
