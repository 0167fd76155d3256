"""What a replay needs around it: a register, an Exchange, workers."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import requests
from django.conf import settings

from accounts import fase, register
from accounts.models import Organisation
from bma_portal.errors import Refusal
from bma_portal.settings.base import is_loopback
from demo import sample
from demo.exchange.control import NotStarted, StandIn
from demo.processes import data_folder, free_port


def load_register(path: Path | None, *, at: datetime) -> None:
    """The register of that file; without one, the database's, or else the invented sample with its extra units.

    Raises Refusal if the file cannot be used.
    """
    if path is not None:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Refusal(f"Le fichier {path} ne peut pas être lu.") from error
        register.apply(fase.read(data), at=at, accept_absences=True, file_name=path.name)
    elif not Organisation.objects.exists():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "registre-fictif.csv"
            sample.write(file)
            register.apply(fase.read(file.read_bytes()), at=at, file_name=file.name)
        for unit in sample.extra_units():
            register.add_by_hand(unit, at=at)


@contextlib.contextmanager
def exchange() -> Iterator[StandIn | None]:
    """The Exchange that the settings name: None if it is a real one, else its stand-in, started here if it is not."""
    url = settings.EXCHANGE_URL
    if not is_loopback(url):
        yield None
        return
    parts = urlsplit(url)
    running = StandIn.at(f"{parts.scheme}://{parts.netloc}")
    try:
        running.health()
    except (requests.RequestException, ValueError):
        if "EXCHANGE_URL" in os.environ:
            raise Refusal(f"Exchange ne répond pas à l'adresse {url}.") from None
    else:
        yield running
        return
    try:
        started = StandIn.start(free_port(parts.port or 8001, set()), data_folder() / "exchange")
    except (NotStarted, OSError) as error:
        raise Refusal(f"Le double d'Exchange n'a pas démarré : {error}") from None
    with started:
        settings.EXCHANGE_URL = os.environ["EXCHANGE_URL"] = started.ews
        yield started
