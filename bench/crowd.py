"""Several people at the desk at once, on a real server: gunicorn as the image starts it."""

import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from bench import desk
from bench.report import Line, number
from bench.stage import ROOT, Broken, Stage

LONGEST = 200  # milliseconds, for 95 answers of a hundred
WORKERS = ["--workers", "3", "--threads", "4", "--no-control-socket"]


def line(stage: Stage, size: Any, database: str) -> Line:
    known = _told(stage, database)
    with _server(stage, database) as port:
        _asked(port, known, size.clients, size.clients * 4)  # each worker has answered once
        started = time.monotonic()
        seconds = _asked(port, known, size.clients, size.asked)
        rate = len(seconds) / (time.monotonic() - started)
    slowest = statistics.quantiles(seconds, n=20)[-1] * 1000
    return Line(
        f"bureau, {size.clients} personnes à la fois : 95 réponses sur 100",
        f"{number(slowest, 0)} ms",
        f"≤ {LONGEST} ms",
        slowest <= LONGEST,
        f"{len(seconds)} pages (liste, vue, recherche, demande) à {size.larger} demandes, gunicorn à 3 ouvriers de 4 "
        f"fils : médiane {number(statistics.median(seconds) * 1000, 0)} ms, {number(rate, 0)} pages/s.",
    )


def _told(stage: Stage, database: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.sides.portal_side", "told"]
    environment = desk.portal_environment(stage, database)
    with stage.journal.open("ab") as journal:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=journal, check=False)
    if done.returncode:
        raise Broken(stage.last_words())
    return json.loads(done.stdout)


@contextlib.contextmanager
def _server(stage: Stage, database: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with stage.journal.open("ab") as journal:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "bma_portal.wsgi", "--bind", f"127.0.0.1:{port}", *WORKERS],
            cwd=ROOT, env=desk.portal_environment(stage, database), stdout=journal, stderr=journal,
        )  # fmt: skip
    try:
        limit = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if time.monotonic() > limit or process.poll() is not None:
                raise Broken(f"gunicorn n’a pas démarré. {stage.last_words()}")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _asked(port: int, known: dict[str, Any], clients: int, total: int) -> list[float]:
    """Each client asks its pages one after the other, on one connection kept open."""
    references, seconds, wrong = known["references"], [], []

    def addresses(client: int) -> Iterator[str]:
        for n in range(client, total, clients):
            word = quote(desk.WORDS[n % len(desk.WORDS)])
            reference = references[n % len(references)]
            yield (
                "/desk/?file=toutes",
                "/desk/vues/vue-de-la-mesure/",
                f"/desk/?q={word}",
                f"/desk/demande/{reference}/",
            )[n // clients % 4]

    def run(client: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            for address in addresses(client):
                started = time.perf_counter()
                connection.request("GET", address, headers={"Cookie": known["cookie"], "Host": "testserver"})
                answer = connection.getresponse()
                answer.read()
                seconds.append(time.perf_counter() - started)
                if answer.status != 200:
                    wrong.append(f"{address} : {answer.status}")
        except OSError as error:
            wrong.append(f"client {client} : {error}")
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise Broken(f"{len(wrong)} réponses inattendues, dont {wrong[0]}")
    return seconds
