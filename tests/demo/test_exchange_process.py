"""The stand-in as a process: how it starts, refuses, remembers and ends; and its JSON door."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
import requests

from demo.exchange.control import ROOT, NotStarted, StandIn
from demo.exchange.rights import SERVICE
from tests.demo.mailer import Mailer

BOX = "ec000123@adm.cfwb.be"


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "demo.exchange", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20
    )


def mailer_for(exchange, password=SERVICE[1]):
    return Mailer(exchange.ews, SERVICE[0], password)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "exemple.test"])
def test_only_the_loopback_is_served(host):
    result = command("--host", host)
    assert result.returncode == 2
    assert "n'est pas une adresse locale" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout


def test_a_taken_port_is_said_in_one_french_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = command("--port", str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert "est déjà pris" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout


def test_it_says_where_it_is_in_one_line_and_stops_cleanly():
    for number in (signal.SIGTERM, signal.SIGINT):
        start = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-m", "demo.exchange", "--port", "0"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            line = json.loads(process.stdout.readline())
            assert time.monotonic() - start < 2
            assert line["ews"] == line["url"] + "/EWS/Exchange.asmx"
            assert requests.get(line["url"] + "/_demo/health", timeout=5).json()["ok"]
            process.send_signal(number)
            assert process.wait(5) == 0
            assert process.stdout.read() == process.stderr.read() == ""


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path):
    night = datetime(2024, 11, 4, 19, 30, tzinfo=UTC)
    with StandIn.start(data=tmp_path) as exchange:
        mailer = mailer_for(exchange)
        kept, sent = mailer.draft(mailer.message(BOX, key="kept"), mailer.message(BOX, key="sent"))
        mailer.send(sent, save=True)
        exchange.set_password(BOX, "Tilleul")
        exchange.clock(night)
        exchange.move([BOX], night)
        before = exchange.counts(), exchange.deliveries(), exchange.mailbox(BOX)
    with StandIn.start(data=tmp_path) as exchange:
        mailer = mailer_for(exchange)
        assert (exchange.counts(), exchange.deliveries(), exchange.mailbox(BOX)) == before
        assert before[2]["mails"][0]["text"] == "Bonjour & bienvenue"
        assert exchange.verify(BOX, "Tilleul")
        assert [found.id for found in mailer.find(mailer.drafts, "kept")] == [kept.id]
        assert len(mailer.find(mailer.sent, "sent")) == 1
        assert mailer.send(kept) == [True]
        assert "ErrorItemNotFound" in type(mailer.send(sent)[0]).__name__
        assert exchange.counts()["by_key_max"] == 1


def test_the_passwords_on_disk_are_hashed(tmp_path):
    with StandIn.start(data=tmp_path) as exchange:
        exchange.set_password(BOX, "Velours-Tilleul-42")
    for path in tmp_path.iterdir():
        assert b"Velours-Tilleul-42" not in path.read_bytes()


def test_a_kill_loses_a_moment_at_most(tmp_path):
    with StandIn.start(data=tmp_path) as exchange:
        mailer = mailer_for(exchange)
        mailer.send(*mailer.draft(mailer.message(BOX)))
        time.sleep(0.3)
        exchange.process.kill()
        exchange.process.wait()
    with StandIn.start(data=tmp_path) as exchange:
        assert exchange.counts()["delivered"] == 1
        assert exchange.mailbox(BOX)["mails"][0]["text"]


def test_a_folder_serves_one_stand_in_at_a_time(tmp_path):
    with StandIn.start(data=tmp_path), pytest.raises(NotStarted, match="travaille déjà"):
        StandIn.start(data=tmp_path)


def test_a_folder_that_cannot_be_used_is_said(tmp_path):
    (tmp_path / "fichier").write_text("")
    with pytest.raises(NotStarted, match="ne peut pas être utilisé"):
        StandIn.start(data=tmp_path / "fichier")


def test_without_a_folder_nothing_is_written_and_reset_forgets_everything(tmp_path):
    with StandIn.start() as exchange:
        mailer = mailer_for(exchange)
        (draft,) = mailer.draft(mailer.message(BOX))
        exchange.faults([{"op": "SendItem", "action": "busy"}])
        exchange.latency(10)
        exchange.set_password(BOX, "x")
        exchange.reset()
        assert exchange.counts()["drafts"] == 0
        assert exchange.faults() == []
        assert not exchange.verify(BOX, "x")
        # An id of the past never comes to mean another mail.
        mailer.draft(mailer.message(BOX))
        assert "ErrorItemNotFound" in type(mailer.send(draft)[0]).__name__


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="la mort du parent n'est signalée que sous Linux")
def test_it_dies_with_the_process_that_started_it():
    script = (
        "from demo.exchange.control import StandIn; import sys, time; e = StandIn.start();"
        "print(e.process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    end = time.monotonic() + 5
    while time.monotonic() < end and alive(child):
        time.sleep(0.02)
    assert not alive(child)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_running_one_can_be_spoken_to_and_outlives_its_visitor():
    with StandIn.start() as exchange:
        visitor = StandIn.at(exchange.url)
        assert visitor.ews == exchange.ews
        assert visitor.health()["pid"] == exchange.process.pid
        visitor.stop()
        assert exchange.health()["ok"]


def test_the_log_is_read_page_by_page(exchange, mailer):
    mailer.send(*mailer.draft(*[mailer.message(key=f"{n}") for n in range(12)]))
    assert [row["seq"] for row in exchange.deliveries(after=9)] == [10, 11, 12]
    assert [row["key"] for row in exchange.deliveries(after=2, limit=3)] == ["2", "3", "4"]
    assert exchange.deliveries(after=12) == []


def test_mail_is_received_at_the_business_time(exchange, mailer):
    at = datetime(2024, 10, 14, 7, 5, tzinfo=UTC)
    exchange.clock(at)
    mailer.send(*mailer.draft(mailer.message(BOX)))
    exchange.clock(None)
    mailer.send(*mailer.draft(mailer.message(BOX)))
    first, second = exchange.deliveries()
    assert datetime.fromisoformat(first["time"]) == at
    assert abs(datetime.fromisoformat(second["time"]) - datetime.now(UTC)).total_seconds() < 60
    assert abs(datetime.fromisoformat(first["real"]) - datetime.now(UTC)).total_seconds() < 60
    assert datetime.fromisoformat(exchange.mailbox(BOX)["mails"][0]["received"]) == at


def test_moving_twice_keeps_the_first_night(exchange):
    assert exchange.move([BOX, BOX, "po000123@adm.cfwb.be"], "2024-11-04T20:30:00+01:00") == {"moved": 2, "already": 0}
    assert exchange.move([BOX], "2024-11-05T20:30:00+01:00") == {"moved": 0, "already": 1}
    assert exchange.mailbox(BOX)["moved_at"].startswith("2024-11-04")
    with pytest.raises(ValueError, match="boîte inconnue"):
        exchange.move(["nul@exemple.test"])


def test_a_password_is_set_as_often_as_one_likes(exchange):
    for _ in range(2):
        assert exchange.set_password(BOX, "Tilleul-42").status_code == 204
    assert exchange.verify(BOX, "Tilleul-42")
    assert exchange.set_password(BOX, "Velours-43").status_code == 204
    assert not exchange.verify(BOX, "Tilleul-42")
    assert not exchange.verify("ec000999@adm.cfwb.be", "Tilleul-42")
    assert exchange.set_password("nul@exemple.test", "x").status_code == 404
    assert exchange.set_password(BOX, "").status_code == 400


def test_the_directory_has_faults_of_its_own(exchange):
    other = "po000123@adm.cfwb.be"
    exchange.faults(
        [
            {"op": "SetPassword", "action": "refuse", "match": {"recipient": BOX}},
            {"op": "SetPassword", "action": "unavailable", "times": 1},
            {"op": "SetPassword", "action": "apply_then_drop", "times": 1},
        ]
    )
    refused = exchange.set_password(BOX, "court")
    assert (refused.status_code, refused.json()["code"]) == (422, "weak")
    assert exchange.set_password(other, "Tilleul").status_code == 503
    assert not exchange.verify(other, "Tilleul")
    with pytest.raises(requests.ConnectionError):
        exchange.set_password(other, "Tilleul")
    assert exchange.verify(other, "Tilleul")
    assert exchange.set_password(other, "Velours").status_code == 204


def test_thousands_of_passwords_a_minute_are_no_burden(exchange):
    before = exchange.health()["cpu"]
    for number in range(200):
        exchange.set_password(f"ec{number:06}@adm.cfwb.be", "Tilleul-42")
    assert exchange.health()["cpu"] - before < 0.5


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nowhere", None, 404),
        ("POST", "clock", b"{", 400),
        ("POST", "clock", b'{"at": "hier"}', 400),
        ("POST", "latency", b'{"ms": -1}', 400),
        ("POST", "moves", b'{"addresses": "ec"}', 400),
        ("GET", "deliveries?after=x", None, 400),
        ("POST", "directory/ec000123@adm.cfwb.be/verify", b"{}", 400),
    ],
)
def test_nonsense_is_answered_with_a_message(exchange, method, path, body, status):
    answer = requests.request(method, f"{exchange.url}/_demo/{path}", data=body, timeout=5)
    assert answer.status_code == status
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -4\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"BONJOUR\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70000, b"431"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(exchange, head, status):
    host, port = exchange.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(head)
        answer = b""
        while part := peer.recv(4096):
            answer += part
    assert answer.split(b" ")[1] == status


def test_requests_that_arrive_in_pieces_or_together_are_answered_in_order(exchange):
    host, port = exchange.url.removeprefix("http://").split(":")
    one = f"GET /_demo/counts HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    last = one.replace(b"/_demo/counts", b"/_demo/faults").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with socket.create_connection((host, int(port)), timeout=5) as peer:
        peer.sendall(one[:20])
        time.sleep(0.05)
        peer.sendall(one[20:] + one + last)
        answer = b""
        while part := peer.recv(4096):
            answer += part
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.endswith(b"[]")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="la mémoire d'un autre processus se lit dans /proc")
def test_bodies_are_let_go_from_memory_once_on_disk(tmp_path):
    def resident():
        time.sleep(0.2)
        with open(f"/proc/{exchange.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def send(chunks):
        for _ in range(chunks):
            mailer.send(*mailer.draft(*[mailer.message(BOX, body="x" * 200_000) for _ in range(20)]))

    with StandIn.start(data=tmp_path) as exchange:
        mailer = mailer_for(exchange)
        send(4)
        before = resident()
        send(16)
        assert resident() - before < 25_000_000  # of 64 million characters
    with closing(sqlite3.connect(tmp_path / "exchange.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM mails").fetchone() == (400,)
