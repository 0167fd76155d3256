"""Who holds which mail: mailboxes, folders, ids, the log of deliveries, the directory, the moves, the clock."""

import asyncio
import base64
import hashlib
import hmac
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from demo.exchange.archive import Archive
from demo.exchange.messages import Mail

HOLDER = re.compile(r"(ec|po)[0-9]{6}@adm\.cfwb\.be")
FLUSH_EVERY = 0.05
CHANGEKEY = "CQAAABYAAAD{:024x}"


class Place:
    """One mail in one folder of one mailbox, under its own id."""

    __slots__ = ("at", "changekey", "ews_id", "folder", "mail", "mailbox", "old", "seq", "submitted")

    def __init__(self, seq: int, mail: Mail, mailbox: str, folder: str, ews_id: str, at: datetime, old: bool):
        self.seq = seq
        self.mail = mail
        self.mailbox = mailbox
        self.folder = folder
        self.ews_id = ews_id
        self.changekey = CHANGEKEY.format(seq)
        self.at = at
        self.old = old  # it arrived while the mailbox was read on the old interface
        self.submitted = False  # accepted, and waiting to leave


class Delivery(tuple):
    """seq, time (the business clock's), real, key, message_id, from, to, subject."""

    NAMES = ("seq", "time", "real", "key", "message_id", "from", "to", "subject")

    def as_dict(self) -> dict:
        return dict(zip(self.NAMES, self, strict=True))


class Store:
    def __init__(self, folder: Path | None = None):
        self.archive = Archive(folder)
        self._flush_planned = False
        self._begin()
        self._load()

    def _begin(self) -> None:
        self.seq = 0
        self.places: dict[str, Place] = {}
        self.folders: dict[tuple[str, str], dict[str, Place]] = {}
        self.marks: dict[tuple, dict[str, Place]] = {}  # drafts and copies by extended property
        self.deletions: list[tuple[int, int, str, str, str]] = []
        self.log: list[Delivery] = []
        self.copies: Counter[tuple[str, str]] = Counter()
        self.duplicates: dict[str, None] = {}
        self.passwords: dict[str, tuple[bytes, bytes]] = {}
        self.moves: dict[str, datetime] = {}
        self.clock: datetime | None = None
        self.drafts = 0
        # Ids are long, as real ones, and never those of another life of the stand-in.
        self.id_prefix = "AAMkAD" + base64.b64encode(os.urandom(96), b"-_").decode()

    def _load(self) -> None:
        settings = dict(self.archive.rows("settings"))
        mails = {mail.ref: mail for mail in self.archive.load_mails()}
        self.seq = max([int(settings.get("seq", 0)), *mails], default=0)
        self.id_prefix = settings.get("id_prefix", self.id_prefix)
        if settings.get("clock"):
            self.clock = datetime.fromisoformat(settings["clock"])
        for seq, ref, mailbox, name, at, old in self.archive.rows("places"):
            self.seq = max(self.seq, seq)
            self._put(Place(seq, mails[ref], mailbox, name, self._id(seq), datetime.fromtimestamp(at, UTC), bool(old)))
        for row in self.archive.rows("deliveries"):
            self._note(Delivery(row))
        self.passwords = {address: (salt, digest) for address, salt, digest in self.archive.rows("directory")}
        self.moves = {address: datetime.fromisoformat(at) for address, at in self.archive.rows("moves")}
        self._set("id_prefix", self.id_prefix)

    def reset(self) -> None:
        """Forget everything: mails, log, passwords, moves, clock. Old ids stay unknown for ever."""
        self.archive.clear()
        self._begin()
        self._set("id_prefix", self.id_prefix)

    def close(self) -> None:
        self._set("seq", str(self.seq))
        self.archive.close()

    def flush_soon(self) -> None:
        if self._flush_planned:
            return
        self._flush_planned = True
        asyncio.get_running_loop().call_later(FLUSH_EVERY, self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        # Deleted items must not lend their numbers to new ones after a restart.
        self.archive.settings["seq"] = str(self.seq)
        self.archive.flush()

    def _set(self, name: str, value: str) -> None:
        self.archive.settings[name] = value

    # Time

    def now(self) -> datetime:
        return self.clock or datetime.now(UTC)

    def set_clock(self, at: datetime | None) -> None:
        self.clock = at
        self._set("clock", at.isoformat() if at else "")
        self.flush_soon()

    # Mails and folders

    def _id(self, seq: int) -> str:
        return f"{self.id_prefix}{seq:014x}AAA="

    def is_id(self, ews_id: str) -> bool:
        return len(ews_id) == 152 and ews_id.startswith("AAMkAD")

    def _put(self, place: Place) -> None:
        place.mail.places += 1
        self.places[place.ews_id] = place
        folder = self.folders.get((place.mailbox, place.folder))
        if folder is None:
            folder = self.folders[place.mailbox, place.folder] = {}
        folder[place.ews_id] = place
        if place.folder == "drafts":
            self.drafts += 1
        if place.folder != "inbox":
            for name, value in place.mail.properties.items():
                if isinstance(value, str):
                    self.marks.setdefault((place.mailbox, place.folder, name, value), {})[place.ews_id] = place

    def add(self, mail: Mail, mailbox: str, folder: str, *, old: bool = False) -> Place:
        self.seq += 1
        place = Place(self.seq, mail, mailbox, folder, self._id(self.seq), self.now(), old)
        if not mail.ref:
            mail.ref = self.seq
            self.archive.mails[mail.ref] = mail
        self._put(place)
        self.archive.places[place.seq] = (place.seq, mail.ref, mailbox, folder, place.at.timestamp(), old)
        self.flush_soon()
        return place

    def add_later(self, delay: float, mail: Mail, mailbox: str, folder: str) -> None:
        mail.places += 1  # keeps the content while nothing else does
        life = self.id_prefix

        def arrive():
            mail.places -= 1
            if self.id_prefix == life:
                self.add(mail, mailbox, folder)

        asyncio.get_running_loop().call_later(delay, arrive)

    def remove(self, place: Place) -> None:
        mail = place.mail
        del self.places[place.ews_id]
        del self.folders[place.mailbox, place.folder][place.ews_id]
        if place.folder == "drafts":
            self.drafts -= 1
        if place.folder != "inbox":
            for name, value in mail.properties.items():
                if isinstance(value, str):
                    mark = (place.mailbox, place.folder, name, value)
                    self.marks[mark].pop(place.ews_id, None)
                    if not self.marks[mark]:
                        del self.marks[mark]
        self.seq += 1
        if place.folder != "drafts":
            # Only readers of a synchronised folder ask what was deleted; drafts come and go by the thousand.
            self.deletions.append((self.seq, place.seq, place.mailbox, place.folder, place.ews_id))
        self.archive.drop_place(place.seq)
        mail.places -= 1
        if not mail.places:
            self.archive.drop_mail(mail.ref)
        self.flush_soon()

    def changed(self, mail: Mail) -> None:
        """Write the head of a mail again."""
        if mail.stored:
            self.archive.heads[mail.ref] = mail
            self.flush_soon()

    def folder(self, mailbox: str, name: str) -> dict[str, Place]:
        return self.folders.get((mailbox, name), {})

    def marked(self, mailbox: str, name: str, prop: str, values: Iterable[str]) -> list[Place]:
        """The drafts or copies that carry one of these values."""
        found: dict[str, Place] = {}
        for value in values:
            found.update(self.marks.get((mailbox, name, prop, value), {}))
        return sorted(found.values(), key=lambda place: place.seq)

    def filled(self, mail: Mail) -> Mail:
        """The mail with its body, MIME and attachments."""
        if not mail.stored:
            return mail
        copy = replace(mail)
        self.archive.fill(copy)
        return copy

    # Deliveries

    def deliver(self, mail: Mail, recipients: Iterable[str]) -> None:
        """Put the mail in each recipient's inbox, and note it in the log."""
        now = self.now()
        time, real = now.isoformat(timespec="seconds"), datetime.now(UTC).isoformat(timespec="milliseconds")
        for address in recipients:
            if HOLDER.fullmatch(address):
                self.add(mail, address, "inbox", old=not self.moved(address))
            else:  # a sender's own, or an address of elsewhere, which one reads here too
                self.add(mail, address.lower(), "inbox")
            row = Delivery(
                (len(self.log) + 1, time, real, mail.key, mail.message_id, mail.sent_by, address, mail.subject)
            )
            self._note(row)
            self.archive.deliveries.append(row)
        self.flush_soon()

    def _note(self, row: Delivery) -> None:
        self.log.append(row)
        key = row[3] or row[4]
        self.copies[key, row[6]] += 1
        if self.copies[key, row[6]] == 2:
            self.duplicates[key] = None

    def counts(self) -> dict:
        return {
            "delivered": len(self.log),
            "by_key_max": max(self.copies.values(), default=0),
            "drafts": self.drafts,
            "sent_items": sum(len(found) for (_, name), found in self.folders.items() if name == "sentitems"),
            "duplicates": list(self.duplicates),
        }

    # The directory: passwords of the new interface

    def set_password(self, address: str, password: str) -> None:
        salt = os.urandom(16)
        self.passwords[address] = self.archive.passwords[address] = (salt, _digest(salt, password))
        self.flush_soon()

    def verify(self, address: str, password: str) -> bool:
        salt, digest = self.passwords.get(address, (b"-" * 16, b""))
        return hmac.compare_digest(_digest(salt, password), digest)

    # The night of the move

    def move(self, addresses: Iterable[str], at: datetime) -> int:
        """Say when these mailboxes move; one that has moved already keeps its date. Returns how many are new."""
        fresh = 0
        for address in addresses:
            if not self.moved(address):
                fresh += 1
                self.moves[address] = at
                self.archive.moves[address] = at.isoformat()
        self.flush_soon()
        return fresh

    def moved(self, address: str) -> bool:
        at = self.moves.get(address)
        return at is not None and at <= self.now()

    def received(self, address: str, *, old_only: bool) -> list[Place]:
        """What the holder sees, newest first: until the night on the old interface, everything on the new one."""
        places = [place for place in self.folder(address, "inbox").values() if place.old or not old_only]
        return places[::-1]


def _digest(salt: bytes, password: str) -> bytes:
    """For the demo only: a real directory would use a slow function. This one must take thousands of passwords a
    minute beside the mail, and the passwords it holds are invented and long."""
    return hashlib.blake2b(password.encode(), key=salt).digest()
