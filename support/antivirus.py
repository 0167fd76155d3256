"""What clamd says of some bytes. Where one is configured, silence is never taken for consent (SEC-E8)."""

import io
import logging
import time
from collections.abc import Sequence
from enum import Enum
from urllib.parse import urlsplit

from clamav_client.clamd import ClamdError, ClamdNetworkSocket, ClamdUnixSocket
from django.conf import settings

log = logging.getLogger(__name__)

SECONDS = 20


class Found(Enum):
    OFF = "off"  # no antivirus is configured
    CLEAN = "clean"
    INFECTED = "infected"
    AWAY = "away"  # configured, and gave no verdict


def examine(parts: Sequence[bytes]) -> Found:
    """The verdict on all of these together: one infected part is enough, one without a verdict too."""
    if not settings.CLAMD:
        return Found.OFF
    started = time.monotonic()
    verdict = Found.CLEAN if parts else Found.AWAY
    for part in parts:
        one = _examine(part)
        if one is not Found.CLEAN:
            verdict = one
            break
    log.info("antivirus", extra={"verdict": verdict.value, "duree": round(time.monotonic() - started, 3)})
    return verdict


def _examine(data: bytes) -> Found:
    try:
        # The library's own words of the answer: {"stream": ("FOUND", "Eicar-Signature")}
        answers = list(_client().instream(io.BytesIO(data)).values())
    except (ClamdError, OSError, ValueError) as error:
        log.error("antivirus injoignable", extra={"code": type(error).__name__})
        return Found.AWAY
    if any(status == "FOUND" for status, _ in answers):
        return Found.INFECTED
    if answers and all(status == "OK" for status, _ in answers):
        return Found.CLEAN
    log.error("antivirus sans verdict", extra={"code": "ERROR"})
    return Found.AWAY


def _client() -> ClamdNetworkSocket:
    where = urlsplit(settings.CLAMD)
    if where.scheme == "unix":
        return ClamdUnixSocket(where.path, timeout=SECONDS)
    return ClamdNetworkSocket(where.hostname, where.port, timeout=SECONDS)
