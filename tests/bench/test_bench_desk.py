"""The measures of the desk: each side does what it is told, and says what went wrong. Never the time."""

import smtplib
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import crowd, desk, peer
from bench.report import Line
from bench.sides import calls
from bench.stage import ROOT, Broken, Stage

TINY = desk.Size(tickets=60, larger=120, turns=1, calls=1, clients=2, asked=16)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Stage.open(tmp_path_factory.mktemp("bench-desk"), durable=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def seeded(stage) -> str:
    return desk.seeded(stage, TINY.tickets)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def absent() -> Path:
        raise peer.Absent("PyPI n’est pas joint")

    monkeypatch.setattr(peer, "environment", absent)


@pytest.mark.slow
def test_without_pypi_the_lines_say_so_and_are_not_kept(stage, seeded):
    lines = desk._against_the_peer(stage, TINY, seeded)
    assert [line.figure for line in lines] == ["—"] * 5
    assert {line.kept for line in lines} == {None}
    assert all("PyPI n’est pas joint" in line.detail for line in lines)


@pytest.mark.slow
def test_every_page_of_ours_answers_in_few_statements_and_the_form_writes_a_ticket(stage, seeded):
    with desk.ours(stage, seeded) as we:
        we.wait_until_ready()
        before = _tickets(stage, seeded)
        for act in desk.PAGES:
            assert len(we.ask(act, 2, count=True)["seconds"]) == 2
            we.warm(act, 1)
        assert max(we.statements.values()) <= 8
        assert we.ask("post", 2, count=True)["statements"] <= 12
        assert _tickets(stage, seeded) == before + 3
    found = stage.servers.postgres.execute(
        "SELECT count(*) FROM mail_outgoingmail WHERE kind = 'ticket.received' AND status = 'queued'", name=seeded
    )
    assert found == [(3,)]


def _tickets(stage, name: str) -> int:
    return stage.servers.postgres.execute("SELECT count(*) FROM support_ticket", name=name)[0][0]


@pytest.mark.slow
def test_several_people_are_served_by_a_real_server(stage, seeded):
    line = crowd.line(stage, TINY, seeded)
    assert line.figure.endswith(" ms")
    assert "16 pages" in line.detail


@pytest.mark.slow
def test_a_side_that_fails_says_why(stage):
    command = [sys.executable, "-c", "raise SystemExit('rien ici')"]
    with desk._side(stage, command, {}) as side, pytest.raises(Broken, match="rien ici"):
        side.wait_until_ready()


def test_the_relay_takes_mails():
    with peer.relay() as port, smtplib.SMTP("127.0.0.1", port, timeout=5) as relay:
        assert relay.sendmail("a@exemple.test", ["b@exemple.test"], "Subject: essai\r\n\r\nTexte") == {}


def test_its_versions_are_all_fixed():
    lines = [line for line in peer.REQUIREMENTS.read_text().splitlines() if line and not line.startswith("#")]
    assert "django-helpdesk==2.6.1" in lines
    assert all("==" in line for line in lines)


def test_a_caller_is_a_browser_for_the_application():
    seen: list[dict] = []

    def application(environ, start):
        seen.append(environ)
        start("302 Found", [("Location", "/fini/"), ("Set-Cookie", "s=1; Path=/")])
        return _Answer([b"a", b"b"])

    caller = calls.Caller(application, csrf_cookie="jeton")
    status, headers, page = caller.post("/ici/?x=1", {"a": "é"})
    assert (status, headers["Location"], page) == (302, "/fini/", b"ab")
    assert (seen[0]["PATH_INFO"], seen[0]["QUERY_STRING"]) == ("/ici/", "x=1")
    assert seen[0]["wsgi.input"].read().startswith(b"a=%C3%A9&csrfmiddlewaretoken=bbb")
    assert seen[0]["HTTP_COOKIE"] == f"jeton={calls.CSRF}"
    with pytest.raises(SystemExit, match="302 au lieu de 200"):
        calls.expect((status, headers, page), 200)


class _Answer(list):
    def close(self) -> None:
        pass


def test_small_measures_promise_nothing(monkeypatch):
    kept = [Line("liste", "9,00", "≥ 5,00", True, "détail")]
    monkeypatch.setattr(desk, "seeded", lambda stage, tickets: f"t{tickets}")
    monkeypatch.setattr(desk, "_against_the_peer", lambda *a: kept)
    monkeypatch.setattr(desk, "_whatever_the_relay", lambda *a: kept[0])
    monkeypatch.setattr(desk, "_larger", lambda *a: kept)
    monkeypatch.setattr(crowd, "line", lambda *a: kept[0])
    postgres = types.SimpleNamespace(execute=lambda *a, **k: [])
    lines = desk.lines(types.SimpleNamespace(servers=types.SimpleNamespace(postgres=postgres)), TINY, promised=False)
    assert {(line.target, line.kept) for line in lines} == {("", None)}


def test_the_command_that_measures_all_begins():
    """It says what it takes: each part is there, and a size for each."""
    from bench import __main__ as command

    assert set(command.SIZES) == {"quick", "normal", "long"}
    assert isinstance(command.SIZES["normal"].tickets, desk.Size)
    asked = [sys.executable, "-m", "bench", "--help"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--quick" in done.stdout
