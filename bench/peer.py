"""django-helpdesk, to compare with: an environment of its own, a database with the same tickets as ours.

An ordinary installation, as its own guide describes it. Its mails go to a relay on this machine, which takes each at
once: kept in memory they would leave out what its form does by itself, and ours writes its mail durably. Its list and
its search are opened as a person opens them, the page and then the rows that the page asks for, as its saved view is.
"""

import contextlib
import hashlib
import io
import os
import socketserver
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Iterator
from pathlib import Path

from bench.stage import ROOT, Stage

REQUIREMENTS = Path(__file__).resolve().parent / "requirements-helpdesk.txt"
NAME = "django-helpdesk 2.6.1"


class Absent(Exception):
    """It could not be installed: there is nothing to compare with. The message is a French reason."""


def environment() -> Path:
    """Its Python, installed once for these very versions, beside the caches of this person."""
    stamp = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bma-bench" / f"helpdesk-{stamp}"
    python = home / "bin" / "python"
    if (home / "complet").exists() and os.access(python, os.X_OK):
        return python
    try:
        venv.EnvBuilder(clear=True, symlinks=True, with_pip=True).create(home)
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", REQUIREMENTS]
        done = subprocess.run(install, capture_output=True, text=True, timeout=240, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise Absent(f"{NAME} n’a pas pu être installé ({type(error).__name__})") from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["raison inconnue"])[-1]
        raise Absent(f"{NAME} n’a pas pu être installé depuis PyPI : {last[:160]}")
    (home / "complet").touch()
    return python


def variables(stage: Stage, database: str, *, smtp_port: int = 25) -> dict[str, str]:
    found = {
        **os.environ, "HELPDESK_SOCKET": str(stage.servers.postgres.sockets), "HELPDESK_DATABASE": database,
        "HELPDESK_MEDIA": str(stage.folder / "media"), "HELPDESK_SMTP_PORT": str(smtp_port),
    }  # fmt: skip
    found.pop("DJANGO_SETTINGS_MODULE", None)
    return found


def prepared(stage: Stage, python: Path, ours: str) -> str:
    """A database of theirs with the tickets of that one of ours: the same words, follow-ups, states and moments."""
    name = f"helpdesk_{ours}"
    postgres = stage.servers.postgres
    postgres.execute(f'CREATE DATABASE "{name}"')
    with stage.journal.open("ab") as journal:
        command = [python, "-m", "bench.sides.helpdesk_side", "prepare"]
        subprocess.run(command, cwd=ROOT, env=variables(stage, name), stdout=journal, stderr=journal, check=True)
    for table, select in FILLED.items():
        _copied(stage, ours, select, name, table)
    for table in ("helpdesk_ticket", "helpdesk_followup"):
        postgres.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))", name=name
        )
    postgres.execute("VACUUM ANALYZE", name=name)
    return name


# Its ticket is described by the first message; the others are follow-ups.
FILLED = {
    "helpdesk_ticket (id, title, created, modified, submitter_email, status, on_hold, description, resolution, "
    "priority, due_date, assigned_to_id, queue_id, secret_key)": """
        SELECT t.id, t.subject, t.opened_at, t.updated_at, t.email,
            CASE t.status WHEN 'closed' THEN 4 WHEN 'solved' THEN 3 ELSE 1 END, t.status = 'waiting', m.text, NULL,
            CASE t.priority WHEN 'urgent' THEN 2 ELSE 3 END, t.due_at,
            CASE WHEN t.assignee_id IS NOT NULL THEN 1 + t.assignee_id % 12 END, 1, t.public::text
        FROM support_ticket t JOIN LATERAL (
            SELECT text FROM support_message WHERE ticket_id = t.id ORDER BY written_at, id LIMIT 1) m ON true""",
    "helpdesk_followup (date, title, comment, public, ticket_id, user_id, email_recipients)": """
        SELECT m.written_at, 'Suite', m.text, m.kind <> 'note', m.ticket_id,
            CASE WHEN m.author_id IS NOT NULL THEN 1 + m.author_id % 12 END, '[]'
        FROM support_message m WHERE m.id <> (
            SELECT id FROM support_message f WHERE f.ticket_id = m.ticket_id ORDER BY written_at, id LIMIT 1)""",
}


def _copied(stage: Stage, source: str, select: str, target: str, table: str) -> None:
    held = io.StringIO()
    with contextlib.closing(stage.servers.postgres._connect(source)) as ours, ours.cursor() as cursor:
        cursor.copy_expert(f"COPY ({select}) TO STDOUT", held)
    held.seek(0)
    with contextlib.closing(stage.servers.postgres._connect(target)) as theirs, theirs.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} FROM STDIN", held)


# A relay


@contextlib.contextmanager
def relay(seconds: float = 0) -> Iterator[int]:
    """An SMTP server that accepts every mail, after that long. Gives its port."""

    class Relay(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 relais\r\n")
            for line in self.rfile:
                word = line[:4].upper()
                if word == b"QUIT":
                    self.wfile.write(b"221 fin\r\n")
                    return
                if word == b"DATA":
                    self.wfile.write(b"354 oui\r\n")
                    while self.rfile.readline() not in {b".\r\n", b""}:
                        pass
                    time.sleep(seconds)
                self.wfile.write(b"250 bien\r\n")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Relay) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
