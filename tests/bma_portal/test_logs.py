"""One JSON object a line, whatever the text (SEC-F7); no text of an exception, no secret."""

import io
import json
import logging
from pathlib import Path
from urllib.parse import quote

import pytest

from bma_portal.logs import JsonLines
from bma_portal.secret import Secret

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def journal():
    """A logger of our own, and the lines that it wrote."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.Logger(
        "tests.journal"
    )  # apart from the others: pytest's own handlers quote what they cannot write
    logger.addHandler(handler)
    return logger, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


PAYLOADS = [
    'ec000123\n{"level": "INFO", "message": "mot de passe placé"}',
    "\r\n2026-01-01 ERROR",
    "\x1b[2J\x1b]0;titre\x07",
    "\x00",
    "\x9b31m",
    "  ",
    "\ud800",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", PAYLOADS, ids=repr)
@pytest.mark.parametrize("where", ["message", "argument", "extra"])
def test_a_text_from_outside_stays_within_its_line(journal, text, where):
    logger, lines = journal
    if where == "message":
        logger.warning(text)
    elif where == "argument":
        logger.warning("numéro %s", text)
    else:
        logger.warning("numéro", extra={"motif": text})
    (line,) = lines()
    written = json.dumps(line)
    assert all(" " <= sign <= "~" for sign in written)  # plain ASCII: nothing that a terminal obeys
    assert (line["level"], line["logger"]) == ("WARNING", "tests.journal")
    assert len(line["message"]) <= 2000


def test_what_is_on_disk_is_plain_ascii_too(capsys):
    record = logging.makeLogRecord({"msg": "é\x1b[31m\u2028\n", "levelname": "INFO", "name": "x"})
    written = JsonLines().format(record)
    assert written.isascii()
    assert written.isprintable()


def test_only_the_named_extras_are_kept(journal):
    logger, lines = journal
    logger.info("envoi", extra={"id": 7, "verdict": "sent", "mot_de_passe": "canari", "corps": "canari"})
    (line,) = lines()
    assert (line["id"], line["verdict"]) == (7, "sent")
    assert "canari" not in json.dumps(line)


def test_an_exception_gives_its_class_and_place_but_not_its_words(journal):
    logger, lines = journal

    def fails(mot_de_passe):
        raise ValueError(f"refusé : {mot_de_passe}")

    try:
        fails("canari")
    except ValueError:
        logger.exception("placement manqué")
    (line,) = lines()
    assert line["exception"] == "ValueError"
    assert line["where"][-1].startswith("test_logs.py:")
    assert line["where"][-1].endswith(" fails")
    assert "canari" not in json.dumps(line)


@pytest.mark.parametrize("how", ["%s", "%d", "%r", "%s et %s"])
def test_a_message_that_cannot_be_written_still_gives_one_line_without_the_secret(journal, how, capsys):
    logger, lines = journal
    logger.warning(f"mot de passe {how}", Secret("canari"))
    (line,) = lines()
    assert line["message"].startswith("mot de passe ")
    assert "canari" not in json.dumps(line) + capsys.readouterr().err


def test_the_libraries_that_print_passwords_are_kept_quiet(settings):
    levels = {name: logger.get("level") for name, logger in settings.LOGGING["loggers"].items()}
    assert levels["exchangelib"] == "WARNING"
    assert levels["exchangelib.util"] == "CRITICAL"
    assert levels["urllib3"] == "WARNING"
    for name in ("exchangelib", "exchangelib.util", "urllib3"):
        assert logging.getLogger(name).level >= logging.WARNING


# The ends of addresses that serve once (SEC-D4)

TOKEN = "Zm9v-_YmFyYmF6cXV4Y2FuYXJpNzdR"


@pytest.mark.parametrize(
    "text",
    [
        f"Not Found: /mot-de-passe/retrait/{TOKEN}/",
        f"Forbidden (CSRF): /mot-de-passe/arret/{TOKEN}",
        f"https://portail.invalid/mot-de-passe/retrait/{TOKEN}/?x=1",
        f'"GET /mot-de-passe/retrait/{TOKEN}/ HTTP/1.1" 200',
        f"/connexion/?next=/mot-de-passe/arret/{TOKEN}/",
        f"/connexion/?next=%2Fmot-de-passe%2Fretrait%2F{TOKEN}%2F",
        f"/connexion/?next=%2fMOT-DE-PASSE%2fretrait%2f{TOKEN}",
        f'"GET /demandes/avis/{TOKEN}/ HTTP/1.1" 200',
        f"/connexion/?next=%2Fdemandes%2Favis%2F{TOKEN}%2F",
        f"deux : /mot-de-passe/arret/{TOKEN}/ et /mot-de-passe/retrait/{TOKEN}/",
        "x" * 1960 + f"/mot-de-passe/retrait/{TOKEN}",
    ],
)
@pytest.mark.parametrize("where", ["message", "argument", "extra", "many"])
def test_the_address_of_a_link_that_serves_once_is_masked(journal, text, where):
    logger, lines = journal
    match where:
        case "message":
            logger.warning(text)
        case "argument":
            logger.warning("%s", text)
        case "extra":
            logger.warning("refus", extra={"motif": text})
        case "many":
            logger.warning("refus", extra={"ids": [text, {"chemin": text}]})
    (line,) = lines()
    assert TOKEN[:6] not in json.dumps(line)
    if len(text) < 1000:
        assert "•••" in json.dumps(line, ensure_ascii=False)


@pytest.mark.parametrize("before", ["", "state=Zx-_&", "state=Zx&iss=http%3A%2F%2F127.0.0.1%3A8002&"])
def test_the_code_of_cerbere_is_masked_where_one_comes_back(journal, before):
    logger, lines = journal
    logger.info('"GET /connexion/retour/?%scode=%s&state=Zx HTTP/1.1" 302', before, TOKEN)
    assert lines()[0]["message"] == f'"GET /connexion/retour/?{before}code=•••&state=Zx HTTP/1.1" 302'


@pytest.mark.parametrize(
    "text",
    [
        "Not Found: /mot-de-passe/mode/000247/ puis /mot-de-passe/retrait/",
        "GET /connexion/retour/?error=access_denied&state=Zx puis /ma-boite/?code=1060",
    ],
)
def test_other_addresses_stay_readable(journal, text):
    logger, lines = journal
    logger.warning(text)
    assert lines()[0]["message"] == text


@pytest.fixture
def portal_log(settings):
    """What the portal itself writes of requests, as it is set up to."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().split("\n") if line]
    logging.getLogger().removeHandler(handler)


def test_a_request_to_such_an_address_is_logged_without_its_end(db, client, portal_log):
    for path in (f"/mot-de-passe/retrait/{TOKEN}/nulle-part/", f"/mot-de-passe/arret/{TOKEN}/nulle-part/"):
        assert client.get(path).status_code == 404
    written = json.dumps(portal_log(), ensure_ascii=False)
    assert "/mot-de-passe/retrait/•••/nulle-part/" in written
    assert TOKEN not in written


@pytest.mark.parametrize("text", [payload for payload in PAYLOADS if "\ud800" not in payload], ids=repr)
def test_a_number_or_a_browser_s_name_cannot_forge_a_line(db, client, portal_log, text):
    """SEC-F7: a line break, an ESC in the FASE number, in the path, in the User-Agent."""
    client.get("/ma-boite/", {"numero": text[:500]}, headers={"User-Agent": text[:5000]})
    client.post("/ma-boite/", {"numero": text[:5000]}, headers={"User-Agent": text[:5000]})
    client.get(f"/ma-boite/{quote(text[:500])}/", headers={"User-Agent": text[:5000]})
    lines = portal_log()  # each is one JSON object
    assert any("/ma-boite/" in line["message"] for line in lines)
    assert all(set(line) >= {"at", "level", "logger", "message"} for line in lines)
    assert all(json.dumps(line).isprintable() for line in lines)
    assert "mot de passe placé" not in {line["message"] for line in lines}


@pytest.mark.parametrize("name", ["django.server", "gunicorn.error", "gunicorn.access"])
def test_the_servers_own_lines_go_through_the_same_form(settings, name):
    """They name the addresses that were asked: in plain text, theirs would not be masked."""
    logger = settings.LOGGING["loggers"][name]
    assert (logger["handlers"], logger["propagate"]) == (["stderr"], False)
    ours = [handler for handler in logging.getLogger(name).handlers if type(handler) is logging.StreamHandler]
    assert [type(handler.formatter) for handler in ours] == [JsonLines]


def test_no_access_log_is_written_beside(settings):
    commands = "".join((ROOT / name).read_text() for name in ("docker-compose.yml", "Dockerfile", "demo/processes.py"))
    assert "access-log" not in commands


def test_the_digests_of_the_audit_are_logged_whatever_the_level(settings):
    assert settings.LOGGING["loggers"]["bma.audit"] == {"level": "INFO"}
    assert logging.getLogger("bma.audit").level == logging.INFO
