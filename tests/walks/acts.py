"""What a walk does inside the portal, each act in a process of its own: `python -m tests.walks.acts`, line by line.

The walks' own process never opens the database through Django, so that the servers under it can be killed. Orders are
like [1, "queue", "40", "3"]: how many do it at once, what. Each does it in a forked child, for loading Django takes
longer than most acts. The answer gives their exit statuses and what they wrote.
"""

import json
import os
import sys
import tempfile
import traceback
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import django


def queue(boxes: str, mails: str, name: str = "walk") -> None:
    """For each mailbox, mails that must leave in their order, signed by SGNE and ETNIC in turn."""
    from bma_portal.mail.compose import outgoing
    from bma_portal.mail.models import OutgoingMail, Sender
    from bma_portal.mail.tasks import ring

    at = datetime(2024, 10, 7, 8, tzinfo=UTC)
    rows = [
        outgoing(
            key=f"{name}:{box}:{n}",
            kind="plain",
            stream=f"{name}:{box}",
            sender=Sender.SGNE if n % 2 else Sender.ETNIC,
            to=[f"ec{box:06d}@adm.cfwb.be"],
            subject=f"{n}",
            text=f"Courriel {n} de la boîte {box}.",
            queued_at=at,
        )
        for n in range(1, int(mails) + 1)
        for box in range(1, int(boxes) + 1)
    ]
    OutgoingMail.objects.bulk_create(rows)
    for sender in Sender.values:
        ring(sender)


def look_up(clients: str, times: str) -> None:
    """Several at once count their uses and look for units, by statements that PostgreSQL keeps planned."""
    import threading

    from django.db import connection

    from accounts.addresses import Parsed
    from bma_portal.errors import Refusal
    from bma_portal.limits import Limit, exceeded_by
    from support.lookup import find

    wrong: list[str] = []

    def client(number: int) -> None:
        try:
            for n in range(int(times)):
                exceeded_by("partagé", Limit("essai", 10**6, 3600 * 24 * 365))
                try:
                    find(Parsed("ec", 900_000 + n))
                except Refusal:
                    continue
                wrong.append(f"{number} : une unité inconnue est trouvée")
        except Exception as error:
            wrong.append(f"{number} : {error!r}")
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(n,)) for n in range(int(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(wrong), end="")


def resume() -> None:
    from bma_portal.mail.claims import resume_sender
    from bma_portal.mail.models import Sender, Throttle

    for sender in Sender.values:
        resume_sender(sender)
    Throttle.objects.update(blocked_until=None)


def tidy() -> None:
    from bma_portal.mail import outbox
    from bma_portal.mail.models import Sender

    for sender in Sender.values:
        outbox.tidy_drafts(sender)


def register(establishments: str, pos: str) -> None:
    """An invented register, small enough for a walk."""
    from accounts.models import Mailbox, Organisation

    for kind, count in (("po", int(pos)), ("ec", int(establishments))):
        for fase in range(1, count + 1):
            unit = Organisation.objects.create(kind=kind, fase=fase, name=f"Unité fictive {kind} {fase}")
            Mailbox.objects.create(organisation=unit, address=f"{kind}{fase:06d}@adm.cfwb.be")


def campaign(po_weeks: str = "1", ec_weeks: str = "2") -> None:
    """The campaign of 2024 in fewer batches: a replay of it has fewer moments."""
    from migration.campaigns import AUTUMN_2024
    from migration.models import Campaign

    facts = dict(AUTUMN_2024)
    for kind, weeks in (("po", po_weeks), ("ec", ec_weeks)):
        facts[f"{kind}_first_mail_to"] = facts[f"{kind}_first_mail_from"] + timedelta(weeks=int(weeks) - 1)
    Campaign.objects.create(slug="2024", **facts)


def secrets() -> None:
    """How many passwords are still sealed, and how many certificates of destruction there are."""
    from accounts.models import Credential

    destroyed = Credential.objects.filter(destroyed_at__isnull=False).count()
    json.dump({"sealed": Credential.objects.live().count(), "destroyed": destroyed}, sys.stdout)


def directory_agrees() -> None:
    """How many mailboxes open with the password that is sealed for them."""
    from urllib.parse import urlsplit

    from django.conf import settings

    from accounts import credentials
    from accounts.models import Credential
    from demo.exchange.control import StandIn

    address = urlsplit(settings.EXCHANGE_URL)
    directory = StandIn.at(f"{address.scheme}://{address.netloc}")
    rows = Credential.objects.live().select_related("mailbox")
    sys.stdout.write(str(sum(directory.verify(row.mailbox.address, credentials.reveal(row).reveal()) for row in rows)))


def command(*arguments: str) -> None:
    """As `manage.py` does it."""
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *arguments])


# The process itself


def in_children(times: int, name: str, *arguments: str) -> list[tuple[int, str, str]]:
    """The act in as many children at once: each one's exit status, and what it wrote."""
    return [end(*child) for child in [begin(name, *arguments) for _ in range(times)]]


def begin(name: str, *arguments: str) -> tuple[int, BinaryIO, BinaryIO]:
    out, errors = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115  `_read` closes them
    child = os.fork()
    if child:
        return child, out, errors
    os.dup2(out.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    status = 1
    try:
        globals()[name](*arguments)
        status = 0
    except SystemExit as left:
        status = int(left.code or 0)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def end(child: int, *written: BinaryIO) -> tuple[int, str, str]:
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    out, errors = (_read(file) for file in written)
    return status, out, errors


def _read(file: BinaryIO) -> str:
    with file:
        file.seek(0)
        return file.read().decode()


if __name__ == "__main__":
    django.setup()
    from bma_portal import celery, urls  # noqa: F401
    from bma_portal.mail.backends import ews  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(in_children(*json.loads(line))), flush=True)
