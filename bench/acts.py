"""What one process of a measure does: `python -m bench.acts NAME ARG…`.

It prepares itself, prints « ready », waits for a line, works, and prints what it found as one JSON object. Two that
are compared may work in turns: each prints « turn » after a while, and waits to be told to go on.
"""

import gc
import json
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import django

SAMPLE = "Unité fictive"


def wait_for_the_signal() -> None:
    _say("ready")


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
    if not sys.stdin.readline():
        raise SystemExit("nobody is there any more")


class Turns:
    """The time this process worked; with `seconds`, it gives way to the other one after about as long."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        wait_for_the_signal()
        self.started = self.since = time.monotonic()
        self.worked = 0.0

    def over(self) -> bool:
        return bool(self.seconds) and time.monotonic() - self.since >= self.seconds

    def give_way(self) -> None:
        self.worked += time.monotonic() - self.since
        _say("turn")
        self.since = time.monotonic()

    def done(self) -> dict[str, Any]:
        ended = time.monotonic()
        worked = self.worked + ended - self.since
        return {"started": self.started, "ended": ended, "worked": worked, "memory": peak_memory()}


def peak_memory() -> int:
    """This program's own peak, in KiB. Not `ru_maxrss` on Linux: that one keeps what the starter of a process held."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


# Filling a database


def crowd(count: str) -> dict[str, Any]:
    """That many mails of as many mailboxes, half of them mails 1 (stored bodies), half mails 2 (sealed passwords)."""
    from accounts import credentials
    from accounts.addresses import address_of
    from accounts.models import Credential, Mailbox, Organisation
    from accounts.models.organisations import search_key
    from bma_portal import clock
    from bma_portal.mail.models import OutgoingMail
    from migration.campaigns import default_campaign
    from migration.mails import BY_STEP
    from migration.models import Batch, Mailing, Move

    wait_for_the_signal()
    at, total = clock.now(), int(count)
    campaign = default_campaign()
    campaign.save()
    today = clock.brussels_date(at)
    days = [today + timedelta(days=n) for n in (-7, 0, 21, 23)]  # mail 2 is announced before its night only
    batch = Batch.objects.create(
        campaign=campaign, number=1, kind="ec", status=Batch.Status.APPROVED,
        mail1_on=days[0], mail2_on=days[1], mail3_on=days[2], night_on=days[3],
    )  # fmt: skip
    units = Organisation.objects.bulk_create(
        Organisation(
            kind="ec", fase=n, name=f"{SAMPLE} {n}", municipality="Valfictive",
            search_key=search_key(f"{SAMPLE} {n}", "Valfictive", ""),
        )
        for n in range(1, total + 1)
    )  # fmt: skip
    boxes = Mailbox.objects.bulk_create(
        Mailbox(organisation=unit, address=address_of(unit.kind, unit.fase)) for unit in units
    )
    moves = Move.objects.bulk_create(
        Move(batch=batch, mailbox=box, position=n) for n, box in enumerate(boxes, start=1)
    )
    mailings = Mailing.objects.bulk_create(
        Mailing(move=move, step=1 + n % 2, due_at=at) for n, move in enumerate(moves)
    )
    told = [mailing.move.mailbox for mailing in mailings if mailing.step == Mailing.Step.CREDENTIALS]
    credentials.issue(told, at=at)
    Credential.objects.update(applied_at=at)
    for step in (Mailing.Step.ANNOUNCEMENT, Mailing.Step.CREDENTIALS):
        kind = BY_STEP[step]
        mails = [kind(mailing) for mailing in mailings if mailing.step == step]
        kind.prepare(mails, at=at)
        rows = OutgoingMail.objects.bulk_create([mail.row(at=at) for mail in mails], batch_size=1000)
        for mail, row in zip(mails, rows, strict=True):
            mail.mailing.mail = row
    Mailing.objects.bulk_update(mailings, ["mail"], batch_size=1000)
    return {"mails": OutgoingMail.objects.count()}


def streams(boxes: str, mails: str) -> dict[str, Any]:
    """For each mailbox, mails that must leave in their order (the subject says which), the two senders in turn."""
    from bma_portal import clock
    from bma_portal.mail.compose import outgoing
    from bma_portal.mail.models import OutgoingMail, Sender

    wait_for_the_signal()
    at = clock.now()
    OutgoingMail.objects.bulk_create(
        (
            outgoing(
                key=f"bench:{box}:{n}", kind="plain", stream=f"box:{box}", queued_at=at,
                sender=Sender.SGNE if n % 2 else Sender.ETNIC, to=[f"ec{box:06d}@adm.cfwb.be"],
                subject=f"{n}", text=f"Courriel {n} de la boîte {box}.\n" * 20,
            )
            for n in range(1, int(mails) + 1)
            for box in range(1, int(boxes) + 1)
        ),
        batch_size=1000,
    )  # fmt: skip
    return {"mails": OutgoingMail.objects.count()}


def invented_register(path: str) -> dict[str, Any]:
    """The demo's invented register, for where the real one is not."""
    from demo import sample

    wait_for_the_signal()
    return {"size": sample.write(Path(path)).stat().st_size}


# Sending


def ring(workers: str) -> dict[str, Any]:
    """Wait until that many Celery workers answer, then ring for both senders as the portal does."""
    from bma_portal.celery import app
    from bma_portal.mail.models import Sender
    from bma_portal.mail.tasks import ring as ring_for

    wait_for_the_signal()
    limit = time.monotonic() + 60
    while len(app.control.ping(timeout=1.0)) < int(workers):
        if time.monotonic() > limit:
            raise SystemExit("the workers did not start")
    for sender in Sender.values:
        ring_for(sender)
    return {"rung": len(Sender.values)}


def drain(first: str, turn: str = "0") -> dict[str, Any]:
    """The task's own call, for the two senders one after the other (`first` begins), until nothing is left."""
    from django.conf import settings
    from django.db import connection

    from bma_portal.mail import outbox
    from bma_portal.mail.backends import ews
    from bma_portal.mail.models import OutgoingMail, Sender

    senders = sorted(Sender.values, key=lambda sender: sender != first)
    for sender in senders:
        ews.account(sender)
    connection.ensure_connection()
    settings.MAIL_DRAIN_SECONDS = float(turn) or settings.MAIL_DRAIN_SECONDS
    turns = Turns(float(turn))
    while True:
        for sender in senders:
            while outbox.drain(sender):
                if turns.seconds:
                    turns.give_way()
        if not OutgoingMail.objects.filter(status__in=["queued", "sending"]).exists():
            return turns.done()
        time.sleep(0.02)


def raw(turn: str = "0") -> dict[str, Any]:
    """The same mails by exchangelib alone: one process, the same chunks, no database once the rows are read."""
    from django.db import connection

    from bma_portal import clock
    from bma_portal.mail.compose import KINDS
    from bma_portal.mail.models import OutgoingMail

    at = clock.now()
    rows = list(OutgoingMail.objects.filter(status="queued").order_by("sender", "id"))
    facts: dict[str, dict[int, Any]] = {}
    for kind in {row.kind for row in rows if row.sensitive}:
        facts[kind] = KINDS[kind].load([row.object_id for row in rows if row.kind == kind], at=at)
    for row in rows:
        row.uuid = uuid4()  # the other side uses those of the rows, on the same stand-in
    connection.close()
    sender = _RawSender()
    gc.collect()
    gc.freeze()  # what was read beforehand must not slow the collector: this is to be the limit
    turns = Turns(float(turn))
    with connection.execute_wrapper(_no_database):
        for name in dict.fromkeys(row.sender for row in rows):
            for chunk in _chunks([row for row in rows if row.sender == name]):
                sender.send(name, [(row, *_bodies(row, facts, at)) for row in chunk])
                if turns.over():
                    turns.give_way()
    return turns.done()


def _chunks(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    from django.conf import settings

    for start in range(0, len(rows), settings.MAIL_CHUNK):
        yield rows[start : start + settings.MAIL_CHUNK]


def _bodies(row: Any, facts: dict[str, dict[int, Any]], at: Any) -> tuple[str, str]:
    """The text and the HTML; the sealed password is opened here, as our own side does."""
    return facts[row.kind][row.object_id].render(at=at, code=row.code or "") if row.sensitive else (row.text, row.html)


def _no_database(execute: Any, sql: str, *arguments: Any) -> None:
    raise RuntimeError(f"the raw side asked the database: {sql}")


class _RawSender:
    """What one would write with exchangelib alone: drafts in one request, each sent by its id, nothing recorded."""

    def __init__(self) -> None:
        from django.conf import settings
        from exchangelib import BASIC, DELEGATE, Account, Configuration, Credentials, EWSTimeZone
        from exchangelib.protocol import FailFast
        from exchangelib.version import Build, Version

        from bma_portal.mail.backends.ews import address_of
        from bma_portal.mail.models import Sender

        config = Configuration(
            service_endpoint=settings.EXCHANGE_URL,
            credentials=Credentials(settings.EXCHANGE_USER, settings.EXCHANGE_PASSWORD),
            auth_type=BASIC,
            version=Version(Build(15, 2)),
            retry_policy=FailFast(),
            max_connections=1,
        )
        self.accounts = {
            name: Account(
                address_of(name), config=config, autodiscover=False, access_type=DELEGATE,
                default_timezone=EWSTimeZone("UTC"),
            )
            for name in Sender.values
        }  # fmt: skip

    def send(self, name: str, mails: list[tuple[Any, str, str]]) -> None:
        from exchangelib import Mailbox, Message
        from exchangelib.folders import Drafts, SentItems
        from exchangelib.items import SAVE_ONLY, SEND_TO_NONE
        from exchangelib.services import CreateItem, SendItem

        from bma_portal.mail.backends.ews import address_of, folder, mime
        from bma_portal.mail.compose import Letter
        from bma_portal.mail.models import Sender

        account, label = self.accounts[name], Sender(name)
        messages = [
            Message(
                mime_content=mime(
                    Letter(row.uuid, row.message_id, label, row.to, row.subject, text, html, headers=row.headers)
                ),
                author=Mailbox(email_address=address_of(name), name=label.label),
                to_recipients=[Mailbox(email_address=address) for address in row.to],
                bma_key=str(row.uuid),
            )
            for row, text, html in mails
        ]
        drafts = list(
            CreateItem(account=account).call(
                items=messages, folder=folder(account, Drafts), message_disposition=SAVE_ONLY,
                send_meeting_invitations=SEND_TO_NONE,
            )
        )  # fmt: skip
        for (row, _, _), draft in zip(mails, drafts, strict=True):
            copies = None if row.sensitive else folder(account, SentItems)
            sent = list(SendItem(account=account).call(items=[(draft.id, draft.changekey)], saved_item_folder=copies))
            if sent != [True]:
                raise RuntimeError(f"the raw side was refused: {sent}")


def main(name: str, *arguments: str) -> None:
    django.setup()
    from bench import forms, imports, planning

    acts = {
        act.__name__: act
        for act in (
            crowd,
            streams,
            invented_register,
            ring,
            drain,
            raw,
            forms.forms,
            imports.compare,
            imports.statements,
            planning.plan,
            planning.plan_written,
        )
    }
    json.dump(acts[name](*arguments), sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
