"""A password exists in clear in the mail and in the directory, and nowhere else (SEC-C3 to C6)."""

import base64
import contextlib
import io
import json
import socket
import subprocess
import threading
from collections.abc import Iterator

import psycopg2
import pytest

from tests.walks.canary import forms, traces
from tests.walks.theatre import Theatre

pytestmark = pytest.mark.slow

EC, PO = 5, 3
CANARY = "bcdF-23gH-jkmN-pq4R"


@contextlib.contextmanager
def everything_said_to_valkey(theatre: Theatre) -> Iterator[bytearray]:
    """MONITOR, as it comes, without a client that would interpret it."""
    heard = bytearray()
    line = socket.socket(socket.AF_UNIX)
    line.connect(str(theatre.servers.valkey.socket))
    line.sendall(b"MONITOR\r\n")

    def listen() -> None:
        while said := line.recv(65536):
            heard.extend(said)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield heard
    finally:
        line.shutdown(socket.SHUT_RDWR)
        listener.join()
        line.close()


def all_tables(theatre: Theatre) -> bytes:
    """What a dump of the database holds: every row of every table."""
    out = io.BytesIO()
    tables = theatre.ask("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'")
    connection = psycopg2.connect(theatre.env["DATABASE_URL"])
    try:
        with connection.cursor() as cursor:
            for (table,) in tables:
                cursor.copy_expert(f"COPY public.{table} TO STDOUT", out)
    finally:
        connection.close()
    return out.getvalue()


def all_keys(theatre: Theatre) -> bytes:
    """What Valkey still holds, and its file of commands."""
    folder = theatre.servers.valkey.data
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    assert files, "Valkey écrit ses commandes dans un fichier"
    return b"".join(file.read_bytes() for file in files)


def test_no_trace_of_a_password_outside_the_mail_and_the_directory(theatre: Theatre) -> None:
    theatre.env["LOG_LEVEL"] = "DEBUG"
    postgres = theatre.servers.postgres
    postgres.execute("ALTER SYSTEM SET log_statement = 'all'")  # each statement with its values
    postgres.execute("SELECT pg_reload_conf()")
    theatre.act("register", EC, PO)
    theatre.act("campaign", 1, 1)
    with everything_said_to_valkey(theatre) as heard:
        theatre.beat()
        theatre.worker()
        theatre.wait_ready()
        replay = theatre.replay(last="2024-12-06")
        out, errors = replay.communicate(timeout=120)
    assert replay.returncode == 0, errors
    told = theatre.passwords(2)
    assert len(told) == EC + PO
    address, password = next(iter(told.items()))

    places = {
        "base": all_tables(theatre),
        "journal de PostgreSQL": postgres.log.read_bytes(),
        "commandes reçues par Valkey": bytes(heard),
        "clés et fichiers de Valkey": all_keys(theatre),
        "journaux du portail": (theatre.folder / "troupe.log").read_bytes(),
        "sorties du rejeu": (out + errors).encode(),
    }
    # The search finds what is there: in each place, what must be in it; and the passwords where they belong.
    assert traces(address, places["base"])
    assert traces(address, places["journal de PostgreSQL"])
    assert traces('"sgne"', places["commandes reçues par Valkey"]), "les tâches y sont, leurs arguments en base64"
    assert traces('"sgne"', places["clés et fichiers de Valkey"])
    assert traces('"level": "DEBUG"', places["journaux du portail"])
    assert traces("courriels", places["sorties du rejeu"])
    read = json.dumps(theatre.exchange.mailbox(address)).encode()
    assert "clair" in traces(password, read)

    secrets = [*told.values(), "dGVzdC1jbGVmLWRlLTMyLW9jdGV0cy1wYXMtc2VjcmU=", "demo-exchange"]
    found = {place: [traces(secret, text) for secret in secrets] for place, text in places.items()}
    assert not {place: names for place, names in found.items() if any(names)}
    assert not files_with(theatre, *told.values())
    assert files_with(theatre, address), "la recherche dans les fichiers trouve ce qui s'y trouve"
    # Copies are kept of mails 1 and 3 and of the nightly reports: of no mail that carries a secret
    theatre.wait_drained()  # the report of the real day, which beat rings once the replay gives the clock back
    [(bare,)] = theatre.ask("SELECT count(*) FROM mail_outgoingmail WHERE status = 'sent' AND NOT sensitive")
    [(steps,)] = theatre.ask("SELECT count(*) FROM mail_outgoingmail WHERE kind LIKE 'migration.%%' AND sensitive")
    assert steps == 2 * (EC + PO)
    assert theatre.exchange.counts()["sent_items"] == bare


def files_with(theatre: Theatre, *secrets: str) -> list[str]:
    """The files of this walk, PostgreSQL's own and its journal of writes included, that hold one of these."""
    needles = [form for secret in secrets for form in forms(secret).values() if 0 not in form]
    command = ["grep", "-rlaF", "-f", "-", str(theatre.folder)]
    done = subprocess.run(command, input=b"\n".join(needles), stdout=subprocess.PIPE, check=False)
    assert done.returncode in (0, 1)
    return done.stdout.decode().splitlines()


def test_the_search_knows_each_form() -> None:
    raw = CANARY.encode()
    for before in range(6):
        around = b"x" * before + raw + b"yz"
        assert traces(CANARY, base64.b64encode(around))
        assert traces(CANARY, base64.urlsafe_b64encode(around))
        assert traces(CANARY, base64.encodebytes(b"en-tete " * 8 + around)), "en lignes de 76"
        assert traces(CANARY, json.dumps(base64.encodebytes(around * 5).decode()).encode())
        assert traces(CANARY, base64.b64encode(("x" * before + CANARY + "y").encode("utf-16-le")))
    for written in (raw, raw.hex().encode(), CANARY.encode("utf-16"), raw[:7] + b"=\r\n" + raw[7:]):
        assert traces(CANARY, b"avant" + written + b"apres")
    assert traces(CANARY, "".join(f"%{byte:02x}" for byte in raw).encode())
    assert traces(CANARY, CANARY.replace("-", "").encode()) == ["sans tirets"]
    assert traces(CANARY, b"bcdF-23gH-jkmN-pq4") == []
