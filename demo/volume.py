"""A whole campaign, invented, as large as one asks: for the bench, and for seeing the staff's lists full.

Units, mailboxes, weekly batches around a moment, their moves and four mails each, passwords, notes, the log of states.
The facts agree with each other as a real campaign's do, whatever the moment: mails before it are sent, failed, came
back, wait; nights before it have their result. The database makes the rows: 40,000 mailboxes take seconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from accounts.credentials import new_password
from accounts.models import Mailbox, Organisation
from accounts.words import fold
from bma_portal import vault
from bma_portal.clock import brussels, brussels_date
from bma_portal.errors import Refusal
from demo import volume_sql as sql
from demo import volume_words as words
from demo.seeding import _stage
from migration.mails import BY_STEP, RECALLED
from migration.models import Batch, Campaign, Mailing

SLUG = "volume"
PO_SHARE = 2 / 7  # as in the real register
PO_WEEKS, EC_WEEKS, PAST_WEEKS = 11, 29, 28  # at most; the last of the past ones has its night this week
Status = Batch.Status


@dataclass(frozen=True)
class Made:
    mailboxes: int
    batches: int
    moves: int
    mailings: int
    mails: int


def seed(mailboxes: int, *, at: datetime) -> Made:
    """Raises Refusal where there is already a unit: nothing invented ever mixes with what is real, nor with itself."""
    if Organisation.objects.exists():
        raise Refusal(
            "Cette base connaît déjà des unités. Le volume inventé ne se verse que dans une base vide, une seule "
            "fois : il ne se mêle à rien."
        )
    pos = max(1, round(mailboxes * PO_SHARE)) if mailboxes > 1 else 0
    counts = {"po": pos, "ec": mailboxes - pos}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'; SET LOCAL jit = off")
        _units(cursor, counts, today=brussels_date(at))
        campaign = _campaign(at)
        rows = list(_batches(campaign, counts, at))
        _stage(cursor, "volume_batch", _BATCH, iter(rows))
        _stage(cursor, "volume_step", _STEP, _steps())
        moment = {"at": at}
        cursor.execute(sql.MOVES, moment)
        cursor.execute(sql.SECOND)
        cursor.execute(sql.ENDED, {"campaign": campaign.pk})
        cursor.execute(sql.MAILS, moment)
        cursor.execute(sql.PASSWORDS, {"recalled": RECALLED})
        _stage(cursor, "volume_sealed", "uuid uuid, sealed text", _sealed(cursor))
        cursor.execute(sql.SEALED)
        cursor.execute(sql.JOURNAL, {**moment, "notes": list(words.NOTES)})
        cursor.execute("SELECT count(*), count(mail), count(DISTINCT move) FROM volume_mail")
        mailings, mails, moves = cursor.fetchone()
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(sql.DROPPED)
    with connection.cursor() as cursor:  # else the first pages are planned on what was known before
        cursor.execute(sql.ANALYZED)
    return Made(Mailbox.objects.count(), len(rows), moves, mailings, mails)


# The register


def _units(cursor: Any, counts: dict[str, int], *, today: date) -> None:
    towns = [start + end for start in words.TOWN_STARTS for end in words.TOWN_ENDS]
    zones = words.ZONES
    rows = [(n, name, fold(name), zones[n % len(zones)]) for n, name in enumerate(towns)]
    _stage(cursor, "volume_town", "n int, name text, folded text, zone text", iter(rows))
    _stage(cursor, "volume_network", "n int, network text", enumerate(words.NETWORKS))
    names = list(_names())
    columns = "kind text, n int, name text, folded text, types text[], levels text[]"
    _stage(cursor, "volume_name", columns, iter(names))
    for kind, count in counts.items():  # POs first: establishments depend on them
        values = {
            "kind": kind, "count": count, "pos": max(1, counts["po"]), "today": today - timedelta(days=250),
            "names": sum(1 for name in names if name[0] == kind), "towns": len(towns), "networks": len(words.NETWORKS),
        }  # fmt: skip
        cursor.execute(sql.UNITS, values)
    cursor.execute("ANALYZE accounts_organisation; ANALYZE accounts_mailbox")


def _names() -> Iterator[tuple[Any, ...]]:
    for n, stem in enumerate(words.STEMS):
        name = f"Pouvoir organisateur fictif des {stem}"
        yield "po", n, name, fold(name), "{}", "{}"
    schools = [(school, stem) for stem in words.STEMS for school in words.SCHOOLS]
    for n, ((name, types, levels), stem) in enumerate(schools):
        whole = f"{name} fictif « {stem} »"
        yield "ec", n, whole, fold(whole), _array(types), _array(levels)


def _array(texts: Iterable[str]) -> str:
    return "{" + ",".join(f'"{text}"' for text in texts) + "}"


# The campaign

_BATCH = """id bigint, kind text, n int, batches int, status text, over bool, paused bool, due int, night_on date,
    m1 timestamptz, m2 timestamptz, m3 timestamptz, m4 timestamptz, result timestamptz"""
_STEP = "step int, kind text, sender text, subject text, sensitive bool, body text"


def _campaign(at: datetime) -> Campaign:
    first, last = _monday(at, 0), _monday(at, PO_WEEKS + EC_WEEKS)
    between = _monday(at, PO_WEEKS)
    return Campaign.objects.create(
        slug=SLUG, name="Campagne inventée (essais de volume)", po_first_mail_from=first,
        po_first_mail_to=between - timedelta(days=1), ec_first_mail_from=between, ec_first_mail_to=last,
        announced_until=last + timedelta(days=60), old_server_closes_on=last + timedelta(days=200),
    )  # fmt: skip


def _monday(at: datetime, week: int) -> date:
    """When the mail 1 of that week leaves; its night is a month later, on a Thursday."""
    today = brussels_date(at)
    return today - timedelta(days=today.weekday()) + timedelta(weeks=week - PAST_WEEKS - 4)


def _batches(campaign: Campaign, counts: dict[str, int], at: datetime) -> Iterator[Sequence[Any]]:
    """Written, and as the statements need them: the weekly ones, then one a kind for those that go again."""
    number = 0
    for kind, start, most in (("po", 0, PO_WEEKS), ("ec", PO_WEEKS, EC_WEEKS)):
        batches = min(most, counts[kind])
        for n in range(batches):
            number += 1
            week = start + n * most // batches
            yield _batch(campaign, kind, number, _monday(at, week), at, place=(n, batches))
    for kind in counts:
        if counts[kind]:
            number += 1
            yield _batch(campaign, kind, number, _monday(at, PAST_WEEKS + 8), at, place=(-1, 1))


def _batch(
    campaign: Campaign, kind: str, number: int, monday: date, at: datetime, *, place: tuple[int, int]
) -> Sequence[Any]:
    again = place[0] < 0
    days = [monday, monday + timedelta(days=7), monday + timedelta(days=28), monday + timedelta(days=31)]
    hour, night = campaign.mails_hour, campaign.night_from_hour
    moments = [*(brussels(day, hour) for day in days[:3]), brussels(days[3], night)]
    result = brussels(days[3] + timedelta(days=1), 9)
    due = 0 if again else sum(moment <= at for moment in moments)
    over = not again and result <= at
    # One that a person suspended: its mails 2 were due last week
    paused = not over and due == Mailing.Step.CREDENTIALS and timedelta(7) <= at - moments[1] < timedelta(14)
    if over:
        status = Status.FINISHED
    elif paused:
        status = Status.PAUSED
    elif due:
        status = Status.RUNNING
    else:
        status = Status.APPROVED if not again and moments[0] - at < timedelta(days=21) else Status.DRAFT
    signed = {} if status == Status.DRAFT else {
        "approved_by": "sgne", "approved_at": min(moments[0] - timedelta(days=20), at), "released_by": "sgne",
        "released_at": min(moments[0] - timedelta(days=20), at),
    }  # fmt: skip
    batch = Batch.objects.create(
        campaign=campaign, number=number, kind=kind, status=status, mail1_on=days[0], mail2_on=days[1],
        mail3_on=days[2], night_on=days[3], planned_by="volume inventé", **signed,
    )  # fmt: skip
    # A result that is not there yet stands for none
    return (batch.pk, kind, *place, status, over, paused, due, days[3], *moments, result)


def _steps() -> Iterator[Sequence[Any]]:
    body = "\n\n".join(words.BODY) * 2
    for step, mail in BY_STEP.items():
        yield step, mail.kind, mail.sender, words.SUBJECTS[step - 1], mail.sensitive, "" if mail.sensitive else body


def _sealed(cursor: Any) -> Iterator[tuple[str, str]]:
    """True sealed passwords, of nobody."""
    cursor.execute("SELECT uuid::text FROM volume_password WHERE NOT over AND recalled_at IS NULL ORDER BY mailbox")
    for (key,) in cursor.fetchall():
        yield key, vault.seal(new_password(fase=0), bound_to=f"credential:{key}")
