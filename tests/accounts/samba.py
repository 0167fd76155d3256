"""A real Active Directory for the tests: Samba's domain controller, on a loopback address of this run's own.

Its ports are fixed (389, 636…), so each run takes another address of 127.0.0.0/8; it needs root and Debian's samba.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import ldap3
import pytest
from ldap3.protocol.formatters.formatters import format_sid

from accounts.directory import directory
from accounts.directory_ldap import ActiveDirectory
from bma_portal.verdicts import Outcome, Verdict
from demo.processes import die_with_parent
from tests.accounts.certificates import Authority

REALM, BASE = "ad.exemple.test", "DC=ad,DC=exemple,DC=test"
BOXES, ELSEWHERE = f"OU=Boites,{BASE}", f"OU=Ailleurs,{BASE}"
NAME = f"dc1.{REALM}"
ADDRESS = "ec000012@adm.cfwb.be"
FIRST, SECOND = "Xk7m-Wd3x-Tn9r-Vb4h", "Bc2d-Fg3h-Jk4m-Np5q"
ADMIN_PASSWORD = "Essai-Admin-2024x"
SERVICE, SERVICE_PASSWORD = f"svc-reset@{REALM}", "Essai-Service-2024x"
POWERLESS = f"svc-sans-droit@{REALM}"
# On the users of one OU: « Reset Password », and to write pwdLastSet and lockoutTime.
RIGHTS = "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;{user};{sid})" + "".join(
    f"(OA;CIIO;RPWP;{attribute};{{user}};{{sid}})"
    for attribute in ("bf967a0a-0de6-11d0-a285-00aa003049e2", "28630ebf-41d5-11d1-a9c1-0000f80367c1")
)
USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"


def why_not() -> str | None:
    if shutil.which("samba") is None or shutil.which("samba-tool") is None:
        return "samba (contrôleur de domaine) n'est pas installé ici"
    return None if os.geteuid() == 0 else "samba ne peut créer un domaine que sous root"


class Domain:
    """The domain, provisioned; `start()` and `kill()` at will."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(2, 254)}"
        self.authority = Authority("Autorité fictive du domaine")
        self.ca = folder / "autorite.pem"
        self.ca.write_bytes(self.authority.pem)
        self.process: subprocess.Popen | None = None
        self._provision()

    def _provision(self) -> None:
        own = [f"interfaces={self.host}/8", "bind interfaces only=yes", "server services=ldap"]
        self._tool(
            "domain", "provision", "-q", f"--targetdir={self.folder}", f"--realm={REALM.upper()}", "--domain=EXEMPLE",
            "--server-role=dc", "--dns-backend=NONE", f"--adminpass={ADMIN_PASSWORD}", "--host-name=dc1",
            f"--host-ip={self.host}", *(f"--option={option}" for option in own),
        )  # fmt: skip
        certificate, key = self.authority.issue(NAME)
        (self.folder / "dc1.pem").write_bytes(certificate)
        (self.folder / "dc1.key").write_bytes(key)
        (self.folder / "dc1.key").chmod(0o600)
        options = {
            "pid directory": self.folder, "ncalrpc dir": self.folder / "ncalrpc", "log file": self.folder / "log.%m",
            "winbindd socket directory": self.folder / "wb", "ntp signd socket directory": self.folder / "ntp",
            "old password allowed period": 0, "tls certfile": self.folder / "dc1.pem",
            "tls keyfile": self.folder / "dc1.key", "tls cafile": self.ca,
        }  # fmt: skip
        lines = [line for line in self.conf.read_text().splitlines() if "log file" not in line]
        at = lines.index("[global]") + 1
        self.conf.write_text("\n".join([*lines[:at], *(f"\t{k} = {v}" for k, v in options.items()), *lines[at:]]))

    @property
    def conf(self) -> Path:
        return self.folder / "etc" / "smb.conf"

    @property
    def url(self) -> str:
        return f"ldaps://{self.host}"

    def _tool(self, *arguments: str) -> None:
        subprocess.run(["samba-tool", *arguments], check=True, capture_output=True, text=True, timeout=120)

    def start(self) -> None:
        with (self.folder / "samba.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["samba", "-i", "-M", "single", "--no-process-group", f"--configfile={self.conf}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent,
            )  # fmt: skip
        limit = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError), socket.create_connection((self.host, 636), timeout=1):
                return
            assert time.monotonic() < limit, (self.folder / "samba.log").read_text()[-2000:]
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    # What is in it

    def bound(self, user: str, password: str) -> ldap3.Connection:
        tls = ldap3.Tls(validate=ssl.CERT_NONE)
        server = ldap3.Server(self.host, 636, use_ssl=True, tls=tls, get_info=ldap3.NONE, connect_timeout=5)
        connection = ldap3.Connection(server, user, password, receive_timeout=20)
        connection.bind()
        return connection

    def admin(self) -> ldap3.Connection:
        connection = self.bound(f"Administrator@{REALM}", ADMIN_PASSWORD)
        assert connection.bound, connection.result
        return connection

    def furnish(self) -> None:
        admin = self.admin()
        for unit in (BOXES, ELSEWHERE):
            assert admin.add(unit, "organizationalUnit"), admin.result
        for account in (SERVICE, POWERLESS):
            name = account.partition("@")[0]
            assert self._add(admin, f"CN={name},CN=Users,{BASE}", name, account, SERVICE_PASSWORD), admin.result
        admin.search(BASE, "(sAMAccountName=svc-reset)", attributes=["objectSid"])
        sid = format_sid(admin.response[0]["raw_attributes"]["objectSid"][0])
        admin.unbind()
        database = str(self.folder / "private" / "sam.ldb")
        sddl = RIGHTS.format(user=USER_CLASS, sid=sid)
        self._tool("dsacl", "set", "-H", database, "-s", str(self.conf), f"--objectdn={BOXES}", f"--sddl={sddl}")

    def _add(self, admin: ldap3.Connection, dn: str, name: str, principal: str, password: str, **more: object) -> bool:
        facts = {"sAMAccountName": name, "userPrincipalName": principal, "userAccountControl": 512}
        facts["unicodePwd"] = f'"{password}"'.encode("utf-16-le")
        return admin.add(dn, ["top", "person", "organizationalPerson", "user"], {**facts, **more})

    def add_mailbox(self, address: str, *, unit: str = BOXES, principal: str | None = None, **facts: object) -> str:
        """Its DN. The address is its `mail`; its principal name is another one, as it may be."""
        admin = self.admin()
        name = f"b{random.getrandbits(60):x}"
        dn = f"CN={name},{unit}"
        done = self._add(admin, dn, name, principal or f"{name}@{REALM}", "Avant-Essai-2024x", mail=address, **facts)
        assert done, admin.result
        admin.unbind()
        return dn

    def change(self, dn: str, **facts: object) -> None:
        admin = self.admin()
        assert admin.modify(dn, {name: [(ldap3.MODIFY_REPLACE, [value])] for name, value in facts.items()})
        admin.unbind()

    def opens(self, dn: str, password: str) -> bool:
        connection = self.bound(dn, password)
        if connection.bound:
            connection.unbind()
            return True
        return False


@pytest.fixture(scope="session")
def running_domain() -> Iterator[Domain]:
    if reason := why_not():
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="bma-ad-") as folder:
        domain = Domain(Path(folder))
        try:
            domain.start()
            domain.furnish()
            yield domain
        finally:
            domain.stop()


@pytest.fixture
def domain(running_domain: Domain, settings) -> Iterator[Domain]:
    """The domain, up, and the portal's settings towards it."""
    if running_domain.process is None:
        running_domain.start()
    settings.DIRECTORY_BACKEND, settings.DIRECTORY = "", "ldaps"
    settings.DIRECTORY_URL, settings.DIRECTORY_SERVER_NAME = running_domain.url, NAME
    settings.DIRECTORY_CA, settings.DIRECTORY_BASE = str(running_domain.ca), BOXES
    settings.DIRECTORY_USER, settings.DIRECTORY_PASSWORD = SERVICE, SERVICE_PASSWORD
    directory().forget()  # type: ignore[attr-defined]  # the line that another test left open
    yield running_domain
    if running_domain.process is not None:
        running_domain.process.send_signal(signal.SIGCONT)


@pytest.fixture
def box(domain: Domain) -> Iterator[str]:
    """The DN of the mailbox ec000012."""
    dn = domain.add_mailbox(ADDRESS)
    yield dn
    if domain.process is None:
        domain.start()
    domain.process.send_signal(signal.SIGCONT)
    assert domain.admin().delete(dn)


@pytest.fixture
def ad() -> Iterator[ActiveDirectory]:
    one = ActiveDirectory()
    yield one
    one.forget()


def said(outcome: Outcome) -> tuple[Verdict, bool]:
    """Its verdict, once seen that it tells a person why and tells no secret."""
    assert not any(secret in outcome.reason + outcome.code for secret in (FIRST, SECOND, SERVICE_PASSWORD))
    assert outcome.verdict is Verdict.SENT or len(outcome.reason) > 20
    return outcome.verdict, outcome.wide
