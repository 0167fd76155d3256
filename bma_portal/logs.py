"""Logs: one JSON object a line. A text from outside cannot forge a line nor drive a terminal."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime

from bma_portal import origin

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
    "empreinte",
    "requete",
}
# Whoever has such an address has the password, stops a request (SEC-D4), or speaks for a requester. A `next=` quotes
# its slashes. Cerbère's code stands in the address where one comes back.
_TOKEN = re.compile(
    r"((?:mot-de-passe(?:/|%2F)(?:retrait|arret)|demandes(?:/|%2F)avis)(?:/|%2F)"
    r"|connexion/retour/?\?(?:[^\s\"&]*&)*code=)[\w.~=%-]+",
    re.ASCII | re.IGNORECASE,
)
_MASK = json.dumps("•••")[1:-1]


def _message(record: logging.LogRecord) -> str:
    """A message whose values do not fit it (a Secret refuses to be written) keeps its own words."""
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


class JsonLines(logging.Formatter):
    """Keeps the message, the named extras of `_WANTED` and, of an exception, its class and where it was raised.

    Neither the exception's text (it may quote a request) nor any local variable is written, nor the address of a
    link that serves once. A line written during a request, a command or a task bears its number.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record)[:2000],
        }
        if request_id := origin.current().request_id:
            line["requete"] = request_id
        line |= {k: v for k, v in record.__dict__.items() if k in _WANTED and k not in _STANDARD}
        if record.exc_info and record.exc_info[1]:
            error = record.exc_info[1]
            line["exception"] = type(error).__name__
            line["where"] = [
                f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-8:]
            ]
        return _TOKEN.sub(lambda found: found[1] + _MASK, json.dumps(line, default=repr))
