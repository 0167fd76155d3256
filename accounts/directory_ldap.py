"""Active Directory over LDAPS: the one file that knows ldap3.

The mailbox's object is found by its address under DIRECTORY_BASE, then its `unicodePwd` is replaced, by a service
account to which « Reset Password » is delegated on that OU. AD answers once the change is committed there: no sign-in
as the mailbox follows, it would count as a failed one on a disabled account.
"""

import logging
import os
import re
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from ldap3 import BASE, MODIFY_REPLACE, NONE, SUBTREE, Connection, Server, Tls
from ldap3.core import results as codes
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.log import OFF, set_library_log_detail_level, set_library_log_hide_sensitive_data

from bma_portal.secret import Secret, leaving_no_trace
from bma_portal.verdicts import Outcome, Verdict

log = logging.getLogger(__name__)

set_library_log_detail_level(OFF)  # in detail it prints each message, passwords included
set_library_log_hide_sensitive_data(True)

IDLE_SECONDS = 120  # AD drops a connection that sleeps: then one is made anew
AWAY = "L'annuaire est injoignable : les mots de passe attendent, ils seront posés dès son retour."
BUSY = "L'annuaire est occupé ou indisponible : les mots de passe attendent."
UNTRUSTED = (
    "Le certificat de l'annuaire n'est pas reconnu (autorité, nom ou dates) : rien ne lui est confié. Vérifiez "
    "DIRECTORY_CA, DIRECTORY_URL et DIRECTORY_SERVER_NAME."
)
NO_BASE = "DIRECTORY_BASE ne désigne rien que le compte de service puisse lire dans l'annuaire."
WEAK = "L'annuaire refuse ce mot de passe : trop faible pour ses règles, ou déjà utilisé."
NO_RIGHT = (
    "Le compte de service n'a pas le droit « Réinitialiser le mot de passe » sur cette boîte : déléguez-le sur l'OU "
    "des boîtes, et vérifiez que celle-ci s'y trouve."
)
# What AD adds to « invalid credentials », in hexadecimal after `data`.
SIGN_IN = {
    "525": "L'annuaire ne connaît pas le compte de service : vérifiez DIRECTORY_USER.",
    "52e": "L'annuaire refuse le compte de service : vérifiez DIRECTORY_USER et DIRECTORY_PASSWORD.",
    "530": "Le compte de service n'a pas le droit de se connecter à cette heure.",
    "531": "Le compte de service n'a pas le droit de se connecter depuis cette machine.",
    "532": "Le mot de passe du compte de service est expiré : changez-le, puis DIRECTORY_PASSWORD.",
    "533": "Le compte de service est désactivé dans l'annuaire.",
    "701": "Le compte de service est expiré dans l'annuaire.",
    "773": "L'annuaire exige que le compte de service change son mot de passe : changez-le, puis DIRECTORY_PASSWORD.",
    "775": "Le compte de service est verrouillé : déverrouillez-le, et cherchez qui emploie un faux mot de passe.",
}


class Trouble(Exception):
    """What prevents the work, classified. Its text is the outcome's: never a secret."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.code)
        self.outcome = outcome


@dataclass(frozen=True)
class Found:
    """The object of a mailbox."""

    dn: str
    locked: bool
    disabled: bool


class StrictTls(Tls):
    """The authority, the dates and the one host name that is expected, checked by Python's own `ssl`."""

    def __init__(self, name: str) -> None:
        """Raises OSError if DIRECTORY_CA is not a file of authorities."""
        super().__init__(validate=ssl.CERT_REQUIRED)
        self.name = name
        self.context = ssl.create_default_context(cafile=settings.DIRECTORY_CA or None)
        self.refused: ssl.SSLCertVerificationError | None = None

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        try:
            connection.socket = self.context.wrap_socket(connection.socket, server_hostname=self.name)
        except ssl.SSLCertVerificationError as error:
            self.refused = error
            raise


class ActiveDirectory:
    """One bound connection per thread of a process, made anew when it broke or slept."""

    def __init__(self) -> None:
        self._mine = threading.local()

    def set_password(self, address: str, password: Secret) -> Outcome:
        try:
            connection, found = self.reach(address)
        except Trouble as trouble:
            return trouble.outcome
        try:
            value = f'"{password.reveal()}"'.encode("utf-16-le")
            connection.modify(found.dn, {"unicodePwd": [(MODIFY_REPLACE, [value])]})
            outcome = after_modify(connection.result)
            if outcome.verdict is Verdict.SENT and found.locked:
                self._unlock(connection, found)
        except LDAPException as error:  # it was sent: it may be in force
            self.forget()
            return Outcome(
                Verdict.AMBIGUOUS, type(error).__name__, "L'annuaire n'a pas répondu à temps : le même mot de passe "
                "lui sera donné de nouveau.", wide=True,
            )  # fmt: skip
        _wipe(connection)
        if outcome.wide:
            self.forget()
        return outcome

    def _unlock(self, connection: Connection, found: Found) -> None:
        """A person who lost a password has often locked the mailbox by trying. Best effort: the password is set."""
        try:
            connection.modify(found.dn, {"lockoutTime": [(MODIFY_REPLACE, [b"0"])]})
        except LDAPException:
            self.forget()
            return
        if connection.result["result"] != codes.RESULT_SUCCESS:
            log.warning("boîte restée verrouillée", extra={"code": connection.result["description"]})

    def reach(self, address: str) -> tuple[Connection, Found]:
        """A bound connection and that mailbox's object. A connection that was kept may have died: one more try."""
        kept = self._kept()
        if kept is not None:
            try:
                return kept, find(kept, address)
            except LDAPException:
                self.forget()
        connection = self._connect()
        try:
            return connection, find(connection, address)
        except LDAPException as error:
            self.forget()
            raise Trouble(Outcome(Verdict.RETRY, type(error).__name__, AWAY, wide=True)) from None
        except Trouble as trouble:
            if trouble.outcome.wide:
                self.forget()
            raise

    def _kept(self) -> Connection | None:
        mine = self._mine
        if getattr(mine, "pid", None) != os.getpid() or mine.connection.closed:
            return None
        if time.monotonic() - mine.used > IDLE_SECONDS:
            self.forget()
            return None
        mine.used = time.monotonic()
        return mine.connection

    def _connect(self) -> Connection:
        connection = connect()
        sign_in(connection)
        self._mine.pid, self._mine.connection, self._mine.used = os.getpid(), connection, time.monotonic()
        return connection

    def forget(self) -> None:
        """Close what this thread holds; the next call connects anew."""
        connection = getattr(self._mine, "connection", None)
        if connection is not None and self._mine.pid == os.getpid():
            close(connection)
        self._mine.__dict__.clear()


def connect(user: str = "", password: str = "") -> Connection:
    """Open TLS to the directory, without signing in. Raises Trouble."""
    url = urlsplit(settings.DIRECTORY_URL)
    if url.scheme != "ldaps" or not url.hostname:
        raise Trouble(Outcome(Verdict.SENDER, "url", "DIRECTORY_URL doit être une adresse ldaps://.", wide=True))
    user, password = user or settings.DIRECTORY_USER, password or settings.DIRECTORY_PASSWORD
    if not user or not password:  # without a password AD would call it a success, for nobody
        reason = "DIRECTORY_USER ou DIRECTORY_PASSWORD n'est pas défini."
        raise Trouble(Outcome(Verdict.SENDER, "nobody", reason, wide=True))
    opens, answers = settings.DIRECTORY_TIMEOUT
    try:
        tls = StrictTls(settings.DIRECTORY_SERVER_NAME or url.hostname)
        server = Server(url.hostname, url.port or 636, use_ssl=True, tls=tls, get_info=NONE, connect_timeout=opens)
        connection = Connection(
            server, user, password, auto_referrals=False, check_names=False, receive_timeout=answers
        )
    except OSError as error:
        reason = "DIRECTORY_CA ne désigne pas un fichier d'autorités lisible."
        raise Trouble(Outcome(Verdict.SENDER, type(error).__name__, reason, wide=True)) from None
    except (LDAPException, ValueError) as error:
        reason = "DIRECTORY_URL n'est pas une adresse utilisable."
        raise Trouble(Outcome(Verdict.SENDER, type(error).__name__, reason, wide=True)) from None
    try:
        connection.open(read_server_info=False)
    except (LDAPException, OSError) as error:
        close(connection)
        if tls.refused:
            raise Trouble(Outcome(Verdict.SENDER, tls.refused.verify_message, UNTRUSTED, wide=True)) from None
        raise Trouble(Outcome(Verdict.RETRY, type(error).__name__, AWAY, wide=True)) from None
    return connection


def sign_in(connection: Connection) -> None:
    """Bind. Raises Trouble, of which each refusal concerns the account and brings it nearer to its lock."""
    try:
        connection.bind(read_server_info=False)
    except LDAPException as error:
        close(connection)
        raise Trouble(Outcome(Verdict.RETRY, type(error).__name__, AWAY, wide=True)) from None
    result = connection.result
    _wipe(connection)
    if result["result"] != codes.RESULT_SUCCESS:
        close(connection)
        raise Trouble(after_bind(result))


def after_bind(result: dict[str, Any]) -> Outcome:
    """What a refused sign-in means: an account that is refused is not tried again before a person looked."""
    match result["result"]:
        case codes.RESULT_BUSY | codes.RESULT_UNAVAILABLE | codes.RESULT_TIME_LIMIT_EXCEEDED:
            return Outcome(Verdict.RETRY, result["description"], BUSY, wide=True)
        case codes.RESULT_INVALID_CREDENTIALS:
            said = re.search(r"\bdata ([0-9a-f]{2,4})\b", result["message"] or "", re.ASCII | re.IGNORECASE)
            code = said[1].lower() if said else ""
            return Outcome(Verdict.SENDER, code or result["description"], SIGN_IN.get(code, SIGN_IN["52e"]), wide=True)
        case codes.RESULT_STRONGER_AUTH_REQUIRED | codes.RESULT_CONFIDENTIALITY_REQUIRED:
            reason = "L'annuaire refuse cette manière de se connecter : il demande un lien plus sûr."
        case _:
            reason = "L'annuaire refuse la connexion du compte de service."
    return Outcome(Verdict.SENDER, result["description"], reason, wide=True)


def find(connection: Connection, address: str) -> Found:
    """The one object whose mail or principal name is that address. Raises Trouble, and LDAPException if it broke."""
    wanted = escape_filter_chars(address)
    connection.search(
        settings.DIRECTORY_BASE,
        f"(&(objectCategory=person)(objectClass=user)(|(mail={wanted})(userPrincipalName={wanted})))",
        search_scope=SUBTREE,
        attributes=["lockoutTime", "userAccountControl"],
        size_limit=2,
        time_limit=settings.DIRECTORY_TIMEOUT[1],
    )
    result = connection.result
    if result["result"] not in {codes.RESULT_SUCCESS, codes.RESULT_SIZE_LIMIT_EXCEEDED}:
        raise Trouble(after_search(result))
    entries = [entry for entry in connection.response if entry["type"] == "searchResEntry"]
    _wipe(connection)
    if not entries:
        raise Trouble(
            Outcome(Verdict.PERMANENT, "noSuchObject", "Aucun compte de l'annuaire ne porte cette adresse de boîte.")
        )
    if len(entries) > 1:
        reason = "Plusieurs comptes de l'annuaire portent cette adresse : une personne doit dire lequel est la boîte."
        raise Trouble(Outcome(Verdict.PERMANENT, "several", reason))
    facts = entries[0]["raw_attributes"]
    flags = int(facts.get("userAccountControl", [b"0"])[0] or 0) if facts.get("userAccountControl") else 0
    locked = (facts.get("lockoutTime") or [b"0"])[0] not in {b"0", b""}
    return Found(entries[0]["dn"], locked=locked, disabled=bool(flags & 2))


def after_search(result: dict[str, Any]) -> Outcome:
    """A search that fails concerns every mailbox alike."""
    match result["result"]:
        case (
            codes.RESULT_NO_SUCH_OBJECT
            | codes.RESULT_INVALID_DN_SYNTAX
            | codes.RESULT_REFERRAL
            | codes.RESULT_INSUFFICIENT_ACCESS_RIGHTS
            | codes.RESULT_NAMING_VIOLATION
        ):
            return Outcome(Verdict.SENDER, result["description"], NO_BASE, wide=True)
        case _:
            return Outcome(Verdict.RETRY, result["description"], BUSY, wide=True)


def after_modify(result: dict[str, Any]) -> Outcome:
    """The verdict on one reset. AD says « too weak » in two ways, constraintViolation and unwillingToPerform."""
    code, description, message = result["result"], result["description"], (result["message"] or "").upper()
    match code:
        case codes.RESULT_SUCCESS:
            return Outcome(Verdict.SENT)
        case codes.RESULT_CONSTRAINT_VIOLATION:
            return Outcome(Verdict.PERMANENT, description, WEAK)
        case codes.RESULT_UNWILLING_TO_PERFORM if "0000052D" in message:
            return Outcome(Verdict.PERMANENT, description, WEAK)
        case codes.RESULT_UNWILLING_TO_PERFORM:
            reason = "L'annuaire refuse d'exécuter cette demande, sans que le mot de passe soit en cause."
            return Outcome(Verdict.SENDER, f"{description} {message[:8]}".strip(), reason)
        case codes.RESULT_NO_SUCH_OBJECT:
            return Outcome(Verdict.PERMANENT, description, "Cette boîte vient de disparaître de l'annuaire.")
        case codes.RESULT_INSUFFICIENT_ACCESS_RIGHTS:
            return Outcome(Verdict.SENDER, description, NO_RIGHT)
        case codes.RESULT_REFERRAL:
            reason = "Ce serveur de l'annuaire ne fait que lire : DIRECTORY_URL doit en nommer un qui écrit."
            return Outcome(Verdict.SENDER, description, reason, wide=True)
        case codes.RESULT_UNDEFINED_ATTRIBUTE_TYPE | codes.RESULT_NO_SUCH_ATTRIBUTE:
            return Outcome(Verdict.SENDER, description, "Ce serveur n'est pas un Active Directory.", wide=True)
        case _:  # busy, unavailable, operationsError, other…
            return Outcome(Verdict.RETRY, description, BUSY, wide=True)


# For `check_directory`


def certificate_ends(connection: Connection) -> datetime:
    """Until when the directory's own certificate is good."""
    ends = ssl.cert_time_to_seconds(connection.socket.getpeercert()["notAfter"])
    return datetime.fromtimestamp(ends, tz=UTC)


def may_unlock(connection: Connection, found: Found) -> bool:
    """Whether the account may write `lockoutTime` there: what AD says of itself. Raises LDAPException."""
    connection.search(found.dn, "(objectClass=*)", search_scope=BASE, attributes=["allowedAttributesEffective"])
    allowed = connection.response[0]["raw_attributes"].get("allowedAttributesEffective", [])
    return b"lockouttime" in {name.lower() for name in allowed}


def opens(found: Found, password: Secret) -> Outcome:
    """Sign in as the mailbox itself: the proof that this password is in force."""
    try:
        with leaving_no_trace():
            connection = connect(found.dn, password.reveal())
            sign_in(connection)
    except Trouble as trouble:
        return trouble.outcome
    close(connection)
    return Outcome(Verdict.SENT)


def _wipe(connection: Connection) -> None:
    """What ldap3 keeps of the last exchange holds the password: a report of errors could print it."""
    connection.request = connection.response = None


def close(connection: Connection) -> None:
    _wipe(connection)
    try:
        connection.strategy.close()  # not unbind(): nothing more is said on a line that may be broken
    except (LDAPException, OSError):
        log.info("annuaire : connexion déjà coupée")
