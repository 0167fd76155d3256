"""A stand-in in a process of its own: started, waited for, stopped."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class NotStarted(Exception):
    """The stand-in refused to start; the message is the French line it gave."""


def launch(command: list[str], *, timeout: float) -> tuple[dict, subprocess.Popen]:
    """Start it and wait for the line of JSON that says where it listens. Raises NotStarted."""
    # Its own session: a Ctrl-C typed in a terminal is for the parent, which then stops it in good order.
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        encoding="utf-8", env={**os.environ, "PYTHONIOENCODING": "utf-8"}, start_new_session=True,
    )  # fmt: skip
    watchdog = threading.Timer(timeout, process.kill)
    watchdog.start()
    try:
        line = process.stdout.readline()
    finally:
        watchdog.cancel()
    if not line:
        process.wait()
        message = process.stderr.read().strip() or f"pas de réponse en {timeout:g} s"
        process.stdout.close()
        process.stderr.close()
        raise NotStarted(message)
    # From here on what it says goes where ours goes; a full pipe must never stop it.
    threading.Thread(target=_pass_on, args=(process.stderr,), daemon=True).start()
    return json.loads(line), process


def end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    process.stdout.close()


def _pass_on(stream) -> None:
    with stream:
        for line in stream:
            sys.stderr.write(line)
