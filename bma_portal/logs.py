"""Logs: one JSON object a line. A text from outside cannot forge a line nor drive a terminal."""

import json
import logging
import traceback
from datetime import UTC, datetime

_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_WANTED = {
    "objet",
    "id",
    "ids",
    "de",
    "vers",
    "verdict",
    "code",
    "expediteur",
    "nombre",
    "cle",
    "par",
    "motif",
    "duree",
}


def _message(record: logging.LogRecord) -> str:
    """A message whose values do not fit it (a Secret refuses to be written) keeps its own words."""
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


class JsonLines(logging.Formatter):
    """Keeps the message, the named extras of `_WANTED` and, of an exception, its class and where it was raised.

    Neither the exception's text (it may quote a request) nor any local variable is written.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record)[:2000],
        }
        line |= {k: v for k, v in record.__dict__.items() if k in _WANTED and k not in _STANDARD}
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            line["exception"] = type(error).__name__
            line["where"] = [
                f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-8:]
            ]
        return json.dumps(line, default=repr)
