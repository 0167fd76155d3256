"""One JSON object a line, whatever the text (SEC-F7); no text of an exception, no secret."""

import io
import json
import logging

import pytest

from bma_portal.logs import JsonLines
from bma_portal.secret import Secret


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
    levels = {name: logger["level"] for name, logger in settings.LOGGING["loggers"].items()}
    assert levels["exchangelib"] == "WARNING"
    assert levels["exchangelib.util"] == "CRITICAL"
    assert levels["urllib3"] == "WARNING"
    for name in ("exchangelib", "exchangelib.util", "urllib3"):
        assert logging.getLogger(name).level >= logging.WARNING
