"""The stand-in's SQLite file: everything the store knows, written behind it in small batches.

The store in memory is the truth while the process lives; the file is what a restart finds. `synchronous=OFF` and a
commit every twentieth of a second: a power cut may lose the last moment, which a demo can bear.
"""

import fcntl
import json
import sqlite3
from pathlib import Path

from demo.exchange.messages import Address, Attachment, Mail

SCHEMA = """
CREATE TABLE IF NOT EXISTS mails (
    ref INTEGER PRIMARY KEY, head TEXT NOT NULL, body TEXT NOT NULL, mime BLOB
);
CREATE TABLE IF NOT EXISTS attachments (
    mail INTEGER NOT NULL, rank INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, content BLOB NOT NULL,
    PRIMARY KEY (mail, rank)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
    seq INTEGER PRIMARY KEY, mail INTEGER NOT NULL, mailbox TEXT NOT NULL, folder TEXT NOT NULL, at REAL NOT NULL,
    old INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, time TEXT NOT NULL, real TEXT NOT NULL, key TEXT NOT NULL, message_id TEXT NOT NULL,
    sender TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS directory (address TEXT PRIMARY KEY, salt BLOB NOT NULL, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS moves (address TEXT PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
CLEAR = """
DELETE FROM mails; DELETE FROM attachments; DELETE FROM places; DELETE FROM deliveries; DELETE FROM directory;
DELETE FROM moves; DELETE FROM settings;
"""
READ = {
    "places": "SELECT * FROM places ORDER BY seq",
    "deliveries": "SELECT * FROM deliveries ORDER BY seq",
    "directory": "SELECT * FROM directory",
    "moves": "SELECT * FROM moves",
    "settings": "SELECT * FROM settings",
}

# What a mail keeps in memory, hence in `head`; bodies, MIME and attachments have columns of their own.
PLAIN = (
    "subject", "body_type", "message_id", "item_class", "categories", "importance", "sensitivity", "in_reply_to",
    "references", "properties", "attachment_names", "size", "sent_by",
)  # fmt: skip
PEOPLE = ("to", "cc", "bcc", "reply_to")


class Taken(Exception):
    """Another stand-in works in this folder."""


class Archive:
    def __init__(self, folder: Path | None):
        self.lock = None
        if folder is None:
            self.database = sqlite3.connect(":memory:", isolation_level=None)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self.lock = (folder / "exchange.lock").open("w")
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self.lock.close()
                raise Taken(folder) from error
            self.database = sqlite3.connect(folder / "exchange.sqlite3", isolation_level=None)
            self.database.execute("PRAGMA journal_mode=WAL")
            self.database.execute("PRAGMA synchronous=OFF")
        self.database.executescript(SCHEMA)
        self.forget()

    def forget(self) -> None:
        self.mails: dict[int, Mail] = {}
        self.heads: dict[int, Mail] = {}
        self.places: dict[int, tuple] = {}
        self.gone_mails: list[tuple[int]] = []
        self.gone_places: list[tuple[int]] = []
        self.deliveries: list[tuple] = []
        self.passwords: dict[str, tuple] = {}
        self.moves: dict[str, str] = {}
        self.settings: dict[str, str] = {}

    def drop_mail(self, ref: int) -> None:
        if self.mails.pop(ref, None) is None:
            self.gone_mails.append((ref,))

    def drop_place(self, seq: int) -> None:
        if self.places.pop(seq, None) is None:
            self.gone_places.append((seq,))

    def flush(self) -> None:
        """Write what waits, in one transaction, and let the bodies go from memory."""
        many = self.database.executemany
        with self.database:  # rolls back if the disk refuses; what waits is then tried again
            self.database.execute("BEGIN")
            if self.mails:
                many(
                    "INSERT OR REPLACE INTO mails VALUES (?, ?, ?, ?)",
                    [(mail.ref, head(mail), mail.body, mail.mime) for mail in self.mails.values()],
                )
                many(
                    "INSERT OR REPLACE INTO attachments VALUES (?, ?, ?, ?, ?)",
                    [
                        (mail.ref, rank, attachment.name, attachment.kind, attachment.content)
                        for mail in self.mails.values()
                        for rank, attachment in enumerate(mail.attachments)
                    ],
                )
            if self.heads:
                many(
                    "UPDATE mails SET head = ? WHERE ref = ?", [(head(mail), mail.ref) for mail in self.heads.values()]
                )
            if self.places:
                many("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?)", self.places.values())
            if self.gone_places:
                many("DELETE FROM places WHERE seq = ?", self.gone_places)
            if self.gone_mails:
                many("DELETE FROM mails WHERE ref = ?", self.gone_mails)
                many("DELETE FROM attachments WHERE mail = ?", self.gone_mails)
            if self.deliveries:
                many("INSERT INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?)", self.deliveries)
            if self.passwords:
                rows = [(address, *secret) for address, secret in self.passwords.items()]
                many("INSERT OR REPLACE INTO directory VALUES (?, ?, ?)", rows)
            if self.moves:
                many("INSERT OR REPLACE INTO moves VALUES (?, ?)", self.moves.items())
            if self.settings:
                many("INSERT OR REPLACE INTO settings VALUES (?, ?)", self.settings.items())
        for mail in self.mails.values():
            mail.stored, mail.body, mail.mime, mail.attachments = True, None, None, None
        self.forget()

    def fill(self, mail: Mail) -> None:
        """Bring back what `flush()` let go."""
        row = self.database.execute("SELECT body, mime FROM mails WHERE ref = ?", (mail.ref,)).fetchone()
        mail.body, mail.mime = row if row else ("", None)
        rows = self.database.execute(
            "SELECT name, kind, content FROM attachments WHERE mail = ? ORDER BY rank", (mail.ref,)
        )
        mail.attachments = [Attachment(*row) for row in rows]

    def load_mails(self):
        for ref, text in self.database.execute("SELECT ref, head FROM mails"):
            mail = Mail()
            mail.ref, mail.stored, mail.body, mail.attachments = ref, True, None, None
            for name, value in json.loads(text).items():
                if name in PEOPLE:
                    value = [Address(*person) for person in value]
                elif name == "author":
                    value = Address(*value)
                setattr(mail, name, value)
            yield mail

    def rows(self, table: str):
        return self.database.execute(READ[table])

    def clear(self) -> None:
        self.forget()
        self.database.executescript(CLEAR)

    def close(self) -> None:
        self.flush()
        self.database.close()
        if self.lock:
            self.lock.close()


def head(mail: Mail) -> str:
    record = {name: value for name in PLAIN if (value := getattr(mail, name))}
    for name in PEOPLE:
        if people := getattr(mail, name):
            record[name] = [[person.email, person.name] for person in people]
    if mail.author:
        record["author"] = [mail.author.email, mail.author.name]
    return json.dumps(record, ensure_ascii=False)
