"""The demo's programs: web, worker, beat, the Exchange stand-in. They end with the command that started them."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """Where the demo keeps what it must find again: the stand-in's mailboxes, logs."""
    folder = Path(os.environ.get("BMA_VAR") or ROOT / "var").absolute() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(wanted: int, taken: set[int]) -> int:
    """That port, or the first free one after it. Raises OSError if there is none in a hundred."""
    for port in range(wanted, wanted + 100):
        if port not in taken and port_is_free(port):
            taken.add(port)
            return port
    raise OSError("aucun port libre")


def die_with_parent() -> None:
    """Linux: a killed demo leaves nothing behind."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def start(name: str, *command: str, env: dict[str, str] | None = None) -> subprocess.Popen:
    """Run `python -m …` with its output in the demo's folder."""
    with open(data_folder() / f"{name}.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us: we stop them in good order
            preexec_fn=die_with_parent,
        )


def start_worker(*, children: int = 2) -> subprocess.Popen:
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    return start("worker", "celery", "-A", "bma_portal", "worker", "--concurrency", str(children), *options)


def start_beat() -> subprocess.Popen:
    return start("beat", "celery", "-A", "bma_portal", "beat", "--loglevel", "WARNING", "--pidfile=")


def start_web(port: int) -> subprocess.Popen:
    bind = f"127.0.0.1:{port}"
    return start("web", "gunicorn", "bma_portal.wsgi", "--bind", bind, "--workers", "2", "--log-level", "warning")


def stop(processes: list[subprocess.Popen], *, seconds: float = 30) -> None:
    """Ask each to end, in order, and wait; what does not listen is killed."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    limit = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(limit - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def somebody_works() -> bool:
    """Whether a Celery worker answers."""
    from bma_portal.celery import app

    return bool(app.control.ping(timeout=1.0))


@contextlib.contextmanager
def workers(*, children: int = 2) -> Iterator[None]:
    """Workers for the time of a command: those that run already, else some of our own."""
    if somebody_works():
        yield
        return
    process = start_worker(children=children)
    try:
        limit = time.monotonic() + 60
        while not somebody_works():
            if process.poll() is not None or time.monotonic() > limit:
                raise OSError(f"les ouvriers n'ont pas démarré, voir {data_folder() / 'worker.log'}")
        yield
    finally:
        stop([process])
