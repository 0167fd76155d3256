"""`check_exchange` against the stand-in: what is wrong is said in French, for each sender, and no secret with it."""

import datetime as dt
import json
import secrets
import socket
import ssl
import threading
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import CommandError, call_command

from bma_portal.mail import check
from bma_portal.mail.backends import ews
from demo.exchange.control import StandIn
from demo.exchange.rights import SENDERS, SERVICE

pytestmark = pytest.mark.django_db

PASSWORD = secrets.token_urlsafe(12)


@pytest.fixture(scope="module")
def running():
    with StandIn.start(users=[(SERVICE[0], PASSWORD)]) as exchange:
        yield exchange


@pytest.fixture
def exchange(running, settings):
    running.reset()
    settings.EXCHANGE_URL = running.ews
    settings.EXCHANGE_USER, settings.EXCHANGE_PASSWORD = SERVICE[0], PASSWORD
    settings.EXCHANGE_SGNE_ADDRESS, settings.EXCHANGE_ETNIC_ADDRESS = SENDERS
    ews.forget_accounts()
    yield running
    ews.forget_accounts()
    running.reset()


def look(*arguments: str) -> dict:
    """What the command says, and how it ends; its password is never part of it."""
    out, status, error = StringIO(), 0, ""
    try:
        call_command("check_exchange", "--json", *arguments, stdout=out)
    except CommandError as refusal:
        status, error = refusal.returncode, str(refusal)
    report = json.loads(out.getvalue())
    assert PASSWORD not in out.getvalue() + error
    return {**report, "status": status}


def test_all_is_well_and_nothing_is_left_behind(exchange):
    report = look()
    assert report["status"] == 0, report
    assert report["wrong"] == report["warnings"] == []
    assert [line for line in report["fine"] if "fait puis effacé" in line and ("SGNE" in line or "ETNIC" in line)]
    assert len(report["fine"]) == 3
    assert exchange.deliveries() == []
    assert exchange.counts()["drafts"] == 0


def test_the_words_for_a_person(exchange):
    out = StringIO()
    call_command("check_exchange", stdout=out)
    assert "Bien      SGNE" in out.getvalue()
    assert "check_exchange --send" in out.getvalue()


def test_a_wrong_password_is_tried_once(exchange, settings):
    settings.EXCHANGE_PASSWORD = "faux-" + PASSWORD[::-1]
    report = look()
    assert report["status"] == 1
    assert len(report["wrong"]) == 1
    assert "vérifiez EXCHANGE_USER et EXCHANGE_PASSWORD" in report["wrong"][0]
    assert settings.EXCHANGE_PASSWORD not in json.dumps(report)
    assert "le compte de service est le même" in report["warnings"][0]


def test_an_unknown_sender_is_named_and_the_other_is_well(exchange, settings):
    settings.EXCHANGE_ETNIC_ADDRESS = "inconnue@etnic.be"
    ews.forget_accounts()
    report = look()
    assert report["status"] == 1
    assert report["wrong"] == ["ETNIC (inconnue@etnic.be) : cette boîte n’existe pas sur ce serveur."]
    assert any("SGNE" in line for line in report["fine"])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"op": "CreateItem", "action": "fault", "code": "ErrorPasswordExpired"}, "service est expiré"),
        ({"op": "CreateItem", "action": "error", "code": "ErrorAccessDenied"}, "n'a pas accès à la boîte"),
        ({"op": "CreateItem", "action": "error", "code": "ErrorQuotaExceeded"}, "est pleine"),
        ({"op": "CreateItem", "action": "busy"}, "occupé"),
        ({"op": "CreateItem", "action": "drop_before"}, "s'est coupée"),
        ({"op": "CreateItem", "action": "status", "status": 503}, "a répondu 503"),
    ],
)  # fmt: skip
def test_each_fault_is_said_in_french(rule, words, exchange):
    exchange.faults([rule])
    report = look()
    assert report["status"] == 1
    assert words in report["wrong"][0]


def test_the_right_to_send_as_shows_only_when_sending(exchange):
    exchange.faults(
        [{"op": "SendItem", "action": "error", "code": "ErrorSendAsDenied", "match": {"sender": SENDERS[1]}}]
    )
    assert look()["status"] == 0
    report = look("--send")
    assert report["status"] == 1
    assert len(report["wrong"]) == 1
    assert "Envoyer en tant que" in report["wrong"][0]
    assert "ETNIC" in report["wrong"][0]
    assert len(exchange.deliveries()) == 1
    assert exchange.counts()["drafts"] == 0


def test_a_draft_that_stays_is_told(exchange):
    exchange.faults([{"op": "DeleteItem", "action": "error", "code": "ErrorAccessDenied"}])
    report = look()
    assert report["status"] == 0
    assert "n’a pas pu être effacé" in report["warnings"][0]


def test_a_closed_port_is_unreachable(exchange, settings):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    settings.EXCHANGE_URL = f"http://127.0.0.1:{port}/EWS/Exchange.asmx"
    report = look()
    assert report["status"] == 1
    assert report["wrong"] == [
        f"127.0.0.1:{port} est injoignable : vérifiez le nom, le port, le pare-feu et le réseau."
    ]


def test_a_server_that_never_answers_does_not_hold_the_command(exchange, settings):
    settings.EXCHANGE_TIMEOUT = (0.5, 0.5)
    with closing(socket.create_server(("127.0.0.1", 0))) as hole:
        settings.EXCHANGE_URL = f"http://127.0.0.1:{hole.getsockname()[1]}/EWS/Exchange.asmx"
        report = look()
    assert report["status"] == 1
    assert "ne répond pas" in report["wrong"][0]


def test_a_path_that_does_not_exist_is_told(exchange, settings):
    settings.EXCHANGE_URL = exchange.url + "/nulle-part"
    report = look()
    assert report["status"] == 1
    assert "404" in report["wrong"][0]
    assert "Exchange.asmx" in report["warnings"][0]


@pytest.fixture
def stranger(tmp_path: Path):
    """A TLS server whose certificate nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "inconnu.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                visitor, _ = server.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(visitor, server_side=True):
                    pass
            except OSError:  # the visitor hung up, as expected
                visitor.close()

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(5)


def test_a_certificate_that_nobody_signed_is_told_from_a_dead_server(exchange, settings, stranger):
    settings.EXCHANGE_URL = f"https://localhost:{stranger}/EWS/Exchange.asmx"
    report = look()
    assert report["status"] == 1
    assert "certificat" in report["wrong"][0]
    assert "EXCHANGE_CA" in report["wrong"][0]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EXCHANGE_URL", "", "n’est pas défini"),
        ("EXCHANGE_URL", "exchange.exemple.test", "n’est pas une adresse"),
        ("EXCHANGE_URL", "http://exchange.exemple.test/EWS/Exchange.asmx", "https"),
        ("EXCHANGE_USER", "", "EXCHANGE_USER"),
        ("EXCHANGE_PASSWORD", "", "EXCHANGE_PASSWORD"),
        ("EXCHANGE_AUTH", "oauth", "basic ou ntlm"),
        ("EXCHANGE_ACCESS", "owner", "delegate ou impersonation"),
        ("EXCHANGE_SGNE_ADDRESS", "migration", "EXCHANGE_SGNE_ADDRESS"),
        ("EXCHANGE_CA", "/nulle/part.pem", "EXCHANGE_CA"),
    ],
)
def test_a_wrong_setting_is_named_before_anybody_is_called(name, value, words, exchange, settings):
    setattr(settings, name, value)
    report = look()
    assert report["status"] == 1
    assert any(words in line for line in report["wrong"])
    assert report["fine"] == []


def warned(settings, url: str) -> str:
    settings.EXCHANGE_URL = url
    report = check.Report()
    check.configuration(report)
    return " ".join(report.warnings)


def test_exchange_online_is_warned_of_its_end(exchange, settings):
    assert "01/04/2027" in warned(settings, "https://outlook.office365.com/EWS/Exchange.asmx")


def test_a_foreign_server_outside_production_is_warned_of(exchange, settings):
    url = "https://exchange.exemple.test/EWS/Exchange.asmx"
    assert "Hors production" in warned(settings, url)
    settings.PRODUCTION = True
    assert "Hors production" not in warned(settings, url)
    settings.EXCHANGE_MAX_PER_MINUTE = 0
    assert "aucune limite" in warned(settings, url)
