"""Whom the portal tells a password to, what becomes of it when the directory breaks, and what nobody may read."""

import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime

import ldap3
import pytest
from ldap3.utils.log import EXTENDED, OFF, set_library_log_detail_level

from accounts import credentials, directory_ldap
from accounts.directory import directory
from accounts.models import Credential
from bma_portal.secret import Secret
from bma_portal.verdicts import Verdict
from tests.accounts.certificates import Authority
from tests.accounts.relay import Relay, relay
from tests.accounts.samba import ADDRESS, BOXES, FIRST, NAME, SECOND, SERVICE, SERVICE_PASSWORD, said
from tests.factories import MailboxFactory
from tests.walks.canary import traces
from tests.walks.test_reports import reports

AT = datetime(2024, 10, 14, 7, tzinfo=UTC)


def quickly(settings) -> None:
    settings.DIRECTORY_TIMEOUT = (1, 1)


# Whom it speaks to


@pytest.fixture
def impostor() -> Iterator[Callable[..., int]]:
    """A TLS server on 127.0.0.1 with that certificate; its port. It keeps what is said to it after the handshake."""
    servers: list[socket.socket] = []

    def start(certificate: bytes, key: bytes, folder) -> int:
        (folder / "serveur.pem").write_bytes(certificate + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "serveur.pem")
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def greet() -> None:
            while True:
                try:
                    visitor, _ = server.accept()
                except OSError:
                    return
                with visitor:
                    try:
                        with context.wrap_socket(visitor, server_side=True) as talk:
                            heard.append(talk.recv(1000))
                    except OSError:
                        pass

        threading.Thread(target=greet, daemon=True).start()
        return server.getsockname()[1]

    heard: list[bytes] = []
    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    assert not any(heard), "rien n'est confié à un serveur non reconnu"


UNTRUSTED = {
    "expired": (lambda ours: ours.issue(NAME, expired=True), NAME, "expired"),
    "another name": (lambda ours: ours.issue("dc2.ad.exemple.test"), NAME, "Hostname mismatch"),
    "an address for a name": (lambda ours: ours.issue(NAME), "", "IP address mismatch"),
    "nobody's": (lambda _: Authority("Inconnue").issue(NAME), NAME, "unable to get local issuer"),
}


@pytest.mark.parametrize("case", UNTRUSTED)
def test_nothing_is_confided_to_a_server_that_is_not_the_expected_one(case, impostor, ad, settings, tmp_path):
    made, name, code = UNTRUSTED[case]
    ours = Authority("Autorité fictive")
    (tmp_path / "ca.pem").write_bytes(ours.pem)
    port = impostor(*made(ours), tmp_path)
    settings.DIRECTORY_URL, settings.DIRECTORY_SERVER_NAME = f"ldaps://127.0.0.1:{port}", name
    settings.DIRECTORY_CA, settings.DIRECTORY_BASE = str(tmp_path / "ca.pem"), BOXES
    settings.DIRECTORY_USER, settings.DIRECTORY_PASSWORD = SERVICE, SERVICE_PASSWORD
    outcome = ad.set_password(ADDRESS, Secret(FIRST))
    assert said(outcome) == (Verdict.SENDER, True)
    assert code in outcome.code
    assert "DIRECTORY_CA" in outcome.reason


def test_the_system_s_authorities_do_not_vouch_for_ours(domain, box, ad, settings):
    settings.DIRECTORY_CA = ""
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.SENDER, True)


def test_another_name_than_the_expected_one_is_refused_by_the_real_server_too(domain, box, ad, settings):
    settings.DIRECTORY_SERVER_NAME = "dc9.ad.exemple.test"
    assert "Hostname mismatch" in ad.set_password(ADDRESS, Secret(FIRST)).code


@pytest.mark.parametrize("text", [None, "", "pas un certificat"])
def test_an_authority_file_that_is_not_one_is_said(domain, ad, settings, tmp_path, text):
    settings.DIRECTORY_CA = str(tmp_path / "ca.pem")
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    outcome = ad.set_password(ADDRESS, Secret(FIRST))
    assert said(outcome) == (Verdict.SENDER, True)
    assert "DIRECTORY_CA" in outcome.reason


@pytest.mark.parametrize("url", ["ldap://{host}", "{host}", "ldaps://", "http://{host}:389", ""])
def test_nothing_is_said_in_clear(domain, box, ad, settings, url):
    settings.DIRECTORY_URL = url.format(host=domain.host)
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.SENDER, True)


@pytest.mark.parametrize("name", ["DIRECTORY_USER", "DIRECTORY_PASSWORD"])
def test_nobody_signs_in_without_a_name_or_a_password(domain, box, ad, settings, name):
    setattr(settings, name, "")
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.SENDER, True)
    assert not domain.opens(box, FIRST)


# When it is away


def test_a_closed_port_is_a_matter_of_time(ad, settings, domain):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        settings.DIRECTORY_URL = f"ldaps://127.0.0.1:{free.getsockname()[1]}"
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.RETRY, True)


def test_a_host_that_does_not_exist_is_a_matter_of_time(ad, settings, domain):
    settings.DIRECTORY_URL = "ldaps://annuaire.invalid"
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.RETRY, True)


def test_a_port_that_never_answers_does_not_hold_the_call(ad, settings, domain):
    quickly(settings)
    with closing(socket.create_server(("127.0.0.1", 0))) as hole:
        settings.DIRECTORY_URL = f"ldaps://127.0.0.1:{hole.getsockname()[1]}"
        assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.RETRY, True)


def test_a_directory_that_freezes_gets_the_password_when_it_thaws(domain, box, ad, settings):
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    ad._kept().socket.settimeout(1)
    quickly(settings)
    domain.process.send_signal(signal.SIGSTOP)
    assert said(ad.set_password(ADDRESS, Secret(SECOND))) == (Verdict.RETRY, True)
    domain.process.send_signal(signal.SIGCONT)
    settings.DIRECTORY_TIMEOUT = (3, 10)
    assert ad.set_password(ADDRESS, Secret(SECOND)).verdict is Verdict.SENT
    assert domain.opens(box, SECOND)


def test_a_directory_that_was_restarted_is_called_anew_without_a_word(domain, box, ad):
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    domain.stop(signal.SIGKILL)
    assert said(ad.set_password(ADDRESS, Secret(SECOND))) == (Verdict.RETRY, True)
    domain.start()
    assert ad.set_password(ADDRESS, Secret(SECOND)).verdict is Verdict.SENT
    assert domain.opens(box, SECOND)


@pytest.fixture
def between(domain, settings, ad) -> Iterator[Relay]:
    """A relay before the domain; what `deed` does to it happens once the object is found, before the reset."""
    with relay(domain.host, 636) as running:
        settings.DIRECTORY_URL = f"ldaps://127.0.0.1:{running.port}"
        yield running
        ad.forget()


def before_the_reset(monkeypatch, deed: Callable[[], object]) -> None:
    finding = directory_ldap.find

    def find(line, address):
        found = finding(line, address)
        monkeypatch.setattr(directory_ldap, "find", finding)
        line.socket.settimeout(1)  # for the answer that is lost, and for it alone: a busy machine is slow elsewhere
        deed()
        return found

    monkeypatch.setattr(directory_ldap, "find", find)


def test_applied_but_never_answered_is_asked_again_with_the_same_password(between, domain, box, ad, monkeypatch):
    before_the_reset(monkeypatch, between.lose_answers)
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.AMBIGUOUS, True)
    assert domain.opens(box, FIRST), "il est pourtant en vigueur"
    between.lose_answers(False)
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert domain.opens(box, FIRST)


def test_cut_once_it_was_applied(between, domain, box, ad, monkeypatch):
    def cut_soon() -> None:
        between.lose_answers()
        threading.Thread(target=between.cut).start()

    before_the_reset(monkeypatch, cut_soon)
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.AMBIGUOUS, True)
    assert domain.opens(box, FIRST)
    between.lose_answers(False)
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT


def test_killed_during_the_reset(between, domain, box, ad, monkeypatch):
    before_the_reset(monkeypatch, lambda: domain.stop(signal.SIGKILL))
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.AMBIGUOUS, True)
    assert not domain.process
    assert said(ad.set_password(ADDRESS, Secret(FIRST))) == (Verdict.RETRY, True)
    domain.start()
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert domain.opens(box, FIRST)


@pytest.mark.django_db
def test_a_timeout_after_it_was_applied_ends_in_one_outcome(between, domain, monkeypatch):
    mailbox = MailboxFactory()
    dn = domain.add_mailbox(mailbox.address)
    mine = credentials.renew(mailbox, at=AT)
    clear = credentials.reveal(mine)
    before_the_reset(monkeypatch, between.lose_answers)
    credentials.set_now(mine, at=AT)
    assert mine.applied_at is None
    assert "n'a pas répondu à temps" in mine.last_error
    between.lose_answers(False)
    between.cut()
    Credential.objects.update(not_before=None)
    assert credentials.set_passwords(at=AT) == 1
    mine.refresh_from_db()
    assert mine.applied_at == AT
    assert domain.opens(dn, clear.reveal())
    assert Credential.objects.count() == 1


# One sign-in serves many


@pytest.fixture
def sign_ins(monkeypatch) -> list[int]:
    signing, count = directory_ldap.sign_in, []

    def sign_in(line) -> None:
        count.append(threading.get_ident())
        signing(line)

    monkeypatch.setattr(directory_ldap, "sign_in", sign_in)
    return count


@pytest.mark.django_db
def test_a_chunk_is_set_by_one_sign_in(domain, sign_ins):
    directory().forget()
    boxes = [MailboxFactory() for _ in range(12)]
    dns = {box.pk: domain.add_mailbox(box.address) for box in boxes}
    credentials.issue(boxes, at=AT)
    assert credentials.set_passwords(at=AT) == 12
    assert len(sign_ins) == 1
    assert all(domain.opens(dns[row.mailbox_id], credentials.reveal(row).reveal()) for row in Credential.objects.all())


def test_a_line_that_slept_is_made_anew(domain, box, ad, sign_ins, monkeypatch):
    for expected in (1, 2):
        assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
        assert len(sign_ins) == expected
        monkeypatch.setattr(directory_ldap, "IDLE_SECONDS", -1)


def test_each_thread_has_its_own_line(domain, box, ad, sign_ins):
    threads = [threading.Thread(target=ad.set_password, args=(ADDRESS, Secret(FIRST))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(sign_ins)) == 4
    assert domain.opens(box, FIRST)


def test_a_child_does_not_speak_on_its_parent_s_line(domain, box, ad, sign_ins):
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    child = os.fork()
    if not child:
        outcome = ad.set_password(ADDRESS, Secret(SECOND))
        os._exit(0 if outcome.verdict is Verdict.SENT and len(sign_ins) == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    assert len(sign_ins) == 1, "la ligne du parent n'a pas souffert"


# What is written down


def test_no_log_at_debug_holds_a_password(between, domain, box, ad, settings, monkeypatch, caplog):
    for name in [None, *logging.root.manager.loggerDict]:
        caplog.set_level(logging.DEBUG, logger=name)
    for deed in (lambda: None, between.lose_answers):
        before_the_reset(monkeypatch, deed)
        ad.set_password(ADDRESS, Secret(FIRST))
    between.lose_answers(False)
    settings.DIRECTORY_PASSWORD = "mauvais-" + SERVICE_PASSWORD
    ad.set_password(ADDRESS, Secret(FIRST))
    for secret in (FIRST, SERVICE_PASSWORD):
        assert traces(secret, caplog.text.encode()) == []
        assert traces(f'"{secret}"', caplog.text.encode()) == []


def test_even_with_the_library_s_own_journal_open_the_settings_keep_it_quiet(domain, box, ad, settings, caplog):
    assert settings.LOGGING["loggers"]["ldap3"]["level"] == "WARNING"
    caplog.set_level(logging.DEBUG)
    caplog.set_level(settings.LOGGING["loggers"]["ldap3"]["level"], logger="ldap3")
    set_library_log_detail_level(EXTENDED)
    try:
        assert ad.set_password(ADDRESS, Secret(FIRST)).verdict is Verdict.SENT
    finally:
        set_library_log_detail_level(OFF)
    assert not [record for record in caplog.records if record.name == "ldap3"]


@pytest.mark.django_db
@pytest.mark.parametrize("place", ["modify", "search", "bind"])
def test_no_report_of_an_error_holds_a_password(domain, settings, monkeypatch, place):
    directory().forget()
    mailbox = MailboxFactory()
    domain.add_mailbox(mailbox.address)
    credentials.issue([mailbox], at=AT)
    doing = getattr(ldap3.Connection, place)

    def fails(self, *arguments, **named):
        in_hand = (doing(self, *arguments, **named), arguments, named)
        raise RuntimeError("panne", len(in_hand))

    monkeypatch.setattr(directory_ldap.Connection, place, fails)
    with pytest.raises(RuntimeError) as raised:
        credentials.set_passwords(at=AT)
    monkeypatch.undo()
    written = list(reports(raised.value, settings))  # before this frame, which they show, knows the password
    assert any("panne" in report for report in written)
    for secret in (credentials.reveal(Credential.objects.get()).reveal(), SERVICE_PASSWORD):
        for report in written:
            assert traces(secret, report.encode()) == []
