"""A command's side: ask the checkout's supervisor for the servers, and keep them for as long as this process lives.

Who holds what:

- A process that calls ``ensure_environment`` holds one connection to the supervisor: its lease. It ends with the
  process, whatever ends it. The connection closes on exec, so a program started by a command holds nothing of it.
- A forked child (a Celery or gunicorn worker) inherits the connection with its memory. Calling again there changes
  nothing, and the servers stay while any of the family lives.
- A program started by a command (the demo's web, worker, beat) inherits DATABASE_URL and REDIS_URL. They are
  recognised, because a checkout's addresses follow from its folder alone, and it takes its own lease: it can outlive
  the command that started it in good order. Any other address was given by somebody, and nothing is started for it.
- If the supervisor is killed, its servers stop and leases are void: the next command, or the next call here, starts
  anew at the same addresses.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from . import places
from .errors import EmbeddedError

TAKEN = 3  # the supervisor's exit status when there is one already; its module is not imported here, for speed
START_SECONDS = 90  # to find or start a supervisor: another command's may be stopping
ANSWER_SECONDS = 600  # a first start migrates an empty database
QUIET_SECONDS = 0.5

_leases: dict[Path, int] = {}  # data folder → descriptor of our connection


def ensure_environment(
    environ: MutableMapping[str, str] | None = None, *, migrate: bool = True, start: bool = True
) -> None:
    """Make DATABASE_URL and REDIS_URL usable, starting the embedded servers for those that nobody gave.

    Called by manage.py, celery.py and wsgi.py before Django reads its settings. Does nothing with
    ``BMA_EMBEDDED=no``, or under the production settings. ``migrate=False`` leaves the schema alone; ``start=False``
    only names the addresses, for a command that reads the settings and connects to nothing.

    Says in French what is wrong, then exits with status 1.
    """
    environ = os.environ if environ is None else environ
    if environ.get("BMA_EMBEDDED", "").lower() in {"no", "non", "0"}:
        return
    if environ.get("DJANGO_SETTINGS_MODULE", "").endswith("production"):
        return
    home = places.data_folder(environ)
    ours = {"DATABASE_URL": places.database_url(home), "REDIS_URL": places.redis_url(home)}
    given = _env_file(environ) | {name: environ[name] for name in ours if environ.get(name)}
    wanted = {name for name in ours if given.get(name, ours[name]) == ours[name]}
    if not wanted:
        return
    if start:
        wish = {
            "postgres": "DATABASE_URL" in wanted,
            "valkey": "REDIS_URL" in wanted,
            "migrate": migrate,
            "settings": environ.get("DJANGO_SETTINGS_MODULE"),
            "redis_url": None if "REDIS_URL" in wanted else given["REDIS_URL"],
        }
        try:
            obtain(home, wish)
        except EmbeddedError as error:
            sys.stderr.write(error.for_a_person())
            raise SystemExit(1) from None
    for name in wanted:
        environ[name] = ours[name]


def _env_file(environ: Mapping[str, str]) -> dict[str, str]:
    """The addresses given by the checkout's ``.env``, which the development settings read after us."""
    if not environ.get("DJANGO_SETTINGS_MODULE", "development").endswith("development"):
        return {}
    found = {}
    try:
        lines = (places.ROOT / ".env").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        name, _, value = line.strip().removeprefix("export ").partition("=")
        if name.strip() in {"DATABASE_URL", "REDIS_URL"} and value.strip("\"' \t"):
            found[name.strip()] = value.strip("\"' \t")
    return found


def obtain(home: Path, wish: Mapping[str, object]) -> None:
    """Take a lease on the servers of a data folder, unless this process holds a live one."""
    if (held := _leases.get(home)) is not None:
        if _alive(held):
            return
        os.close(_leases.pop(home))
    limit = time.monotonic() + START_SECONDS
    while True:
        connection = _reach(home, limit)
        answer = _ask(connection, wish)
        if answer is not None:
            break
        connection.close()  # it was leaving as we arrived
        if time.monotonic() > limit:
            raise _unreachable(home)
    if "error" in answer:
        connection.close()
        raise EmbeddedError(answer["error"], answer.get("detail", ""))
    # A bare descriptor: open until the process ends, without a complaint from Python when it does.
    _leases[home] = connection.detach()


def release(home: Path) -> None:
    """Give the lease back before the process ends."""
    if (held := _leases.pop(home, None)) is not None:
        os.close(held)


def _alive(descriptor: int) -> bool:
    """The supervisor never speaks first: something to read is its end."""
    watch = select.poll()
    watch.register(descriptor, select.POLLIN)
    return not watch.poll(0)


def _reach(home: Path, limit: float) -> socket.socket:
    path = places.socket_folder(home) / "control.sock"
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionError, NotADirectoryError):
            connection.close()
        except PermissionError:
            connection.close()
            raise EmbeddedError(
                f"Les serveurs de {home} ont été démarrés par un autre utilisateur : reprenez sous ce compte."
            ) from None
        else:
            return connection
        if time.monotonic() > limit:
            raise _unreachable(home)
        if not _start_supervisor(home):
            time.sleep(0.1)


def _unreachable(home: Path) -> EmbeddedError:
    return EmbeddedError(
        f"Les serveurs embarqués de {home} ne répondent pas. Voyez {home / 'supervisor.log'} ; le processus à arrêter "
        f"est nommé dans {home / 'supervisor.lock'}."
    )


def _start_supervisor(home: Path) -> bool:
    """Start one; False when another has the folder (just started, or about to leave)."""
    environ = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
    started = subprocess.run(
        [sys.executable, "-m", __package__, "serve", home],
        cwd=places.ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=environ | {"BMA_EMBEDDED": "no"},
    )
    if started.returncode not in {0, TAKEN}:
        message, _, detail = started.stderr.strip().partition("\n")
        raise EmbeddedError(message or "Les serveurs embarqués ne démarrent pas.", detail)
    return started.returncode == 0


# The supervisor outlives the command that starts it: it must not keep that command's own choices.
_NOT_INHERITED = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PYTHONSAFEPATH", "PYTHONWARNINGS"}


def _ask(connection: socket.socket, wish: Mapping[str, object]) -> dict[str, str] | None:
    """Say what we want and wait for the answer; None when the supervisor left without one."""
    received = b""
    try:
        connection.sendall(json.dumps(wish).encode() + b"\n")
        connection.settimeout(QUIET_SECONDS)
        limit = time.monotonic() + ANSWER_SECONDS
        while not received.endswith(b"\n"):
            try:
                if not (part := connection.recv(65536)):
                    return None
                received += part
            except TimeoutError:
                if connection.gettimeout() == QUIET_SECONDS:
                    sys.stderr.write("Démarrage de PostgreSQL et Valkey…\n")
                    sys.stderr.flush()
                    connection.settimeout(5)
                if time.monotonic() > limit:
                    raise EmbeddedError("PostgreSQL et Valkey ne sont pas prêts après dix minutes.") from None
    except ConnectionError:
        return None
    return json.loads(received)
