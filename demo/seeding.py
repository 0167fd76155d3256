"""Invented tickets by the hundred thousand, for the bench and for trying the desk: made by the database, in bulk.

Their fields agree with each other as those of real ones do, and a search finds them by the very words that
`support.tickets` would have indexed. Texts are drawn from a pool: the same ones come back in other tickets.
"""

import io
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import connection, transaction

from accounts.addresses import address_of
from accounts.models import Contact, Mailbox, Organisation, User
from accounts.models.organisations import search_key
from accounts.words import fold
from demo import seeding_words as words
from migration.campaigns import saved_campaign
from migration.phases import Phase
from support.models import Ticket
from support.models.tickets import REFERENCE_SIGNS
from support.tickets.common import CONFIG, reckon, targets_of

SEED = 2026
UNITS = 4000  # made where the register is empty; the real one has about as many
FIRST_FASE = 90_001
POOL = 20_000  # texts
AGENTS = 4  # of each team that has none
Status = Ticket.Status
TEAMS = Contact.Team
NEEDS = {  # who has them now that every mailbox has migrated, and how many of a hundred
    "technique": (TEAMS.ETNIC, 32),
    "configuration": (TEAMS.ETNIC, 16),
    "reception": (TEAMS.ETNIC, 16),
    "nouveau-mot-de-passe": (TEAMS.ETNIC, 10),
    "cerbere": (TEAMS.ETNIC, 6),
    "internet": (TEAMS.ETNIC, 4),
    "procedure": (TEAMS.SGNE, 8),
    "panne": (TEAMS.PRIMINFO, 8),
}
STATUSES = {Status.CLOSED: 83, Status.SOLVED: 7, Status.NEW: 3, Status.OPEN: 4, Status.WAITING: 3}
REASON = "Transmis par le générateur de demandes inventées : aucune règle n’a été appliquée."


@dataclass(frozen=True)
class Made:
    tickets: int
    messages: int
    units: int
    agents: int


def seed(count: int, *, messages: int, at: datetime) -> Made:
    """That many tickets of that many messages each, all or none; the same rows for the same database and moment."""
    drawn = random.Random(SEED)
    with transaction.atomic(), connection.cursor() as cursor:
        units = 0 if Mailbox.objects.exists() else _units(cursor, at)
        agents, made = _agents()
        mailboxes = list(_mailboxes())
        _stage(cursor, "seeded_text", "n int, text text, folded text", _texts(drawn))
        _stage(cursor, "seeded_kind", "status text, k int, kind text", _kinds(messages))
        _stage(cursor, "seeded", _COLUMNS, _rows(drawn, count, mailboxes, agents, at))
        cursor.execute(_PREPARE, {"config": CONFIG})
        cursor.execute("SELECT pg_get_indexdef('ticket_search'::regclass)")
        index = cursor.fetchone()[0]
        cursor.execute(
            "SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL work_mem = '64MB'; DROP INDEX ticket_search"
        )
        cursor.execute(_TICKETS, {"config": CONFIG, "messages": messages, "reason": REASON, "pool": POOL})
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(index)  # made at once: word by word it takes most of the time
        cursor.execute(_MESSAGES, {"messages": messages, "pool": POOL})
        written = cursor.rowcount
        cursor.execute("DROP TABLE seeded, seeded_text, seeded_kind; DROP AGGREGATE pg_temp.seeded_words (tsvector)")
    with connection.cursor() as cursor:  # else the first pages are planned on what was known before
        cursor.execute("ANALYZE support_ticket; ANALYZE support_message; ANALYZE accounts_organisation")
    return Made(count, written, units, made)


# What there must be first


def _units(cursor: Any, at: datetime) -> int:
    """Establishments with their mailbox, migrated in the nights of 2024, the four mails delivered."""
    kind = Organisation.Kind.EC
    stems, ends = (
        ("Tilleuls", "Grives", "Encriers", "Sorbiers", "Fabliaux"),
        ("Valfictive", "Montfictif", "Sartfictif"),
    )
    rows = [
        Organisation(
            kind=kind, fase=FIRST_FASE + n, name=f"École fictive des {stems[n % 5]} {n}", municipality=ends[n % 3],
            unit_types=["Maternel ordinaire", "Primaire ordinaire"], levels=["Fondamental"],
            search_key=search_key(f"École fictive des {stems[n % 5]} {n}", ends[n % 3], ""),
        )
        for n in range(UNITS)
    ]  # fmt: skip
    found = Organisation.objects.bulk_create(rows, batch_size=1000)
    Mailbox.objects.bulk_create(
        (Mailbox(organisation=unit, address=address_of(unit.kind, unit.fase)) for unit in found), batch_size=1000
    )
    cursor.execute(_MIGRATION, {"campaign": saved_campaign().pk})
    return len(rows)


def _agents() -> tuple[dict[str, list[tuple[int, str]]], int]:
    """Who works for each team; invented ones where nobody does."""
    found: dict[str, list[tuple[int, str]]] = {}
    made = 0
    for team in TEAMS:
        group = Group.objects.get(name=team.label)
        people = list(group.user_set.filter(is_active=True).order_by("pk"))
        if not people:
            for n in range(1, AGENTS + 1):
                user = User(username=f"fictif-{team}-{n}", first_name="Agent", last_name=f"Fictif {n}", is_staff=True)
                user.set_unusable_password()
                user.save()
                user.groups.add(group)
                people.append(user)
                made += 1
        found[team] = [(person.pk, person.get_full_name() or person.username) for person in people]
    return found, made


def _mailboxes() -> Iterator[tuple[int, str, str, int | None]]:
    """Each with what names its unit in a search, folded, its phase and its batch."""
    rows = Mailbox.objects.order_by("pk").values_list(
        "pk", "address", "organisation__fase", "organisation__name", "organisation__municipality"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (mailbox_id) mailbox_id, batch_id, status FROM migration_move ORDER BY 1, id DESC"
        )
        moves = {mailbox: (batch, status) for mailbox, batch, status in cursor.fetchall()}
    for pk, address, fase, name, municipality in rows:
        batch, status = moves.get(pk, (None, ""))
        phase = Phase.MIGRATED if status == "migrated" else Phase.NOT_STARTED
        yield pk, fold(f"{address} {fase} {name} {municipality}"), phase, batch


# The rows


def _stage(cursor: Any, name: str, columns: str, rows: Iterator[Sequence[Any]]) -> None:
    cursor.execute(f"CREATE TEMPORARY TABLE {name} ({columns})")
    file = io.StringIO()
    for row in rows:
        file.write("\t".join("\\N" if value is None else _escaped(value) for value in row) + "\n")
    file.seek(0)
    cursor.copy_expert(f"COPY {name} FROM STDIN", file)
    cursor.execute(f"ANALYZE {name}")


def _escaped(value: Any) -> str:
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def _filled(drawn: random.Random, sentence: str) -> str:
    if "{" not in sentence:
        return sentence
    text = sentence.format(
        a=drawn.choice(words.DEVICES),
        l=drawn.choice(words.PROGRAMS),
        q=drawn.choice(words.MOMENTS),
        o=drawn.choice(words.PLACES),
        p=drawn.choice(words.PERSONS),
        r=drawn.choice(words.RARE),
        n=drawn.randint(2, 999),
    )
    return text[0].upper() + text[1:]


def _texts(drawn: random.Random) -> Iterator[tuple[int, str, str]]:
    """Odd ones ask, even ones answer."""
    for n in range(POOL):
        sentences = words.SENTENCES if n % 2 else words.ANSWERS
        said = " ".join(_filled(drawn, sentence) for sentence in drawn.sample(sentences, drawn.randint(2, 4)))
        text = f"{drawn.choice(words.GREETINGS)}\n\n{said}\n\n{drawn.choice(words.THANKS)}"
        yield n, text, fold(text)


def _kinds(messages: int) -> Iterator[tuple[str, int, str]]:
    """Whose each message is, so that the thread ends as the status says."""
    for status in STATUSES:
        for k in range(messages):
            if k == 0:
                kind = "request"
            elif status == Status.NEW:
                kind = "request" if k % 2 == 0 else "note"
            elif k == messages - 1:
                kind = "request" if status == Status.OPEN else "answer"
            else:
                kind = ("request", "answer", "note")[k % 3]
            yield status, k, kind


_COLUMNS = """n int, reference text, public uuid, mailbox bigint, unit text, need text, subject text, status text,
    priority text, first_name text, last_name text, email text, phone text, team text, answers jsonb, phase text,
    batch bigint, assignee bigint, agent bigint, agent_name text, opened_at timestamptz, answered_at timestamptz,
    asked_at timestamptz, held_since timestamptz, due_at timestamptz, due_for text, warn_at timestamptz, late bool,
    updated_at timestamptz, solved_at timestamptz, closed_at timestamptz, named text"""


def _rows(
    drawn: random.Random,
    count: int,
    mailboxes: list[tuple[int, str, str, int | None]],
    agents: dict[str, list[tuple[int, str]]],
    at: datetime,
) -> Iterator[tuple[Any, ...]]:
    """One line a ticket, in the order of their opening: the live ones are among the latest."""
    needs, of_need = list(NEEDS), [share for _, share in NEEDS.values()]
    targets = {team: targets_of(team, at=at) for team in TEAMS}
    known = set(Ticket.objects.values_list("reference", flat=True)) if Ticket.objects.exists() else set()
    statuses = drawn.choices(list(STATUSES), list(STATUSES.values()), k=count)
    moments = [_opened(drawn, status, at) for status in statuses]
    for n, place in enumerate(sorted(range(count), key=moments.__getitem__)):
        status, opened = statuses[place], moments[place]
        need = drawn.choices(needs, of_need)[0]
        team = NEEDS[need][0]
        pk, unit, phase, batch = mailboxes[int(len(mailboxes) * drawn.random() ** 1.3)]  # some ask more than others
        first, last = (
            drawn.choice(words.FIRST_NAMES),
            f"{drawn.choice(words.FAMILY)}-{drawn.choice(words.FAMILY_ENDS)}",
        )
        email = f"demandeur{drawn.randrange(count * 2 // 3 + 1)}@exemple.test"
        agent, agent_name = drawn.choice(agents[team])
        subject = _filled(drawn, drawn.choice(words.SUBJECTS[need]))
        reference = _reference(drawn, known)
        row = _moments(drawn, status, opened, at)
        row.team, row.priority = team, "urgent" if drawn.random() < 0.05 else "normal"
        reckon(row, targets[team])
        late = row.due_at is not None and row.due_at <= at
        named = fold(f"{reference.replace('-', '')} {reference} {subject} {first} {last} {email}")
        yield (
            n, reference, uuid.UUID(int=drawn.getrandbits(128), version=4), pk, unit, need, subject, status,
            row.priority, first, last, email, "", team, json.dumps({}), phase, batch,
            None if status == Status.NEW else agent, agent, agent_name, opened, row.first_answered_at, row.asked_at,
            row.held_since, row.due_at, row.due_for, row.warn_at, "t" if late else "f", row.updated_at, row.solved_at,
            row.closed_at, f"{named} {unit}",
        )  # fmt: skip


def _opened(drawn: random.Random, status: str, at: datetime) -> datetime:
    """Over a year; what is not settled is three weeks old at most."""
    days = 21 * drawn.random() ** 2 if status not in {Status.SOLVED, Status.CLOSED} else 12 + 353 * drawn.random()
    return at - timedelta(days=days, minutes=5)


def _moments(drawn: random.Random, status: str, opened: datetime, at: datetime) -> Ticket:
    """An unsaved ticket whose moments fit its status."""
    row = Ticket(status=status, opened_at=opened, team_since=opened, asked_at=opened, updated_at=opened)
    spent = min(timedelta(days=6 * drawn.random()), (at - opened) * 0.9)
    row.updated_at = opened + spent
    if status != Status.NEW:
        row.first_answered_at = opened + spent / 4
        row.asked_at = row.updated_at if status == Status.OPEN else None
    if status == Status.WAITING:
        row.held_since = row.updated_at
    if status in {Status.SOLVED, Status.CLOSED}:
        row.solved_at = row.updated_at
    if status == Status.CLOSED:
        row.closed_at = row.updated_at = min(row.updated_at + timedelta(days=5), at)
    return row


def _reference(drawn: random.Random, known: set[str]) -> str:
    while True:
        signs = "".join(drawn.choices(REFERENCE_SIGNS, k=8))
        reference = f"D-{signs[:4]}-{signs[4:]}"
        if reference not in known:
            known.add(reference)
            return reference


# The statements

_PREPARE = """
    ALTER TABLE seeded_text ADD COLUMN words tsvector;
    UPDATE seeded_text SET words = to_tsvector(%(config)s, folded);
    CREATE INDEX ON seeded_text (n);
    CREATE AGGREGATE pg_temp.seeded_words (tsvector) (sfunc = tsvector_concat, stype = tsvector, initcond = '');
    ANALYZE seeded_text;
"""
# Which text message k of ticket n has: odd ones ask, even ones answer
_TEXT = "((s.n::bigint * 7919 + m.k * 104729) %% (%(pool)s / 2)) * 2 + (m.kind = 'request')::int"
_TICKETS = f"""
    INSERT INTO support_ticket (
        reference, public, mailbox_id, need, subject, status, priority, channel, first_name, last_name, email, phone,
        copies, team, team_since, answers, way, reason, source, phase, batch_id, assignee_id, acted_at, version,
        opened_at, first_answered_at, asked_at, held_since, held_minutes, held_minutes_team, held_minutes_asked,
        due_at, due_for, warn_at, alerts, late, updated_at, solved_at, closed_at, reopened, reminders, code_serial,
        code_tries, opinion, search)
    SELECT s.reference, s.public, s.mailbox, s.need, s.subject, s.status, s.priority, 'form', s.first_name,
        s.last_name, s.email, s.phone, '{{}}', s.team, s.opened_at, s.answers, '[]', %(reason)s, '', s.phase, s.batch,
        s.assignee, CASE WHEN s.assignee IS NOT NULL THEN s.updated_at END, 0, s.opened_at, s.answered_at, s.asked_at,
        s.held_since, 0, 0, 0, s.due_at, s.due_for, s.warn_at, '{{}}', s.late, s.updated_at, s.solved_at, s.closed_at,
        0, 0, 0, 0, '', to_tsvector(%(config)s, s.named) || w.words
    FROM seeded s JOIN (
        SELECT s.n, pg_temp.seeded_words(x.words ORDER BY m.k) AS words
        FROM seeded s JOIN seeded_kind m ON m.status = s.status JOIN seeded_text x ON x.n = {_TEXT} GROUP BY s.n
    ) AS w ON w.n = s.n ORDER BY s.n"""  # noqa: S608 - nothing in it comes from a person
_MESSAGES = f"""
    INSERT INTO support_message (ticket_id, kind, author_id, author_name, written_at, text, quoted, html, by_mail)
    SELECT t.id, m.kind, CASE WHEN m.kind <> 'request' THEN s.agent END,
        CASE WHEN m.kind = 'request' THEN s.first_name || ' ' || s.last_name ELSE s.agent_name END,
        s.opened_at + (s.updated_at - s.opened_at) * (m.k::float / greatest(%(messages)s - 1, 1)), x.text, '', '',
        false
    FROM seeded s JOIN support_ticket t ON t.reference = s.reference
    JOIN seeded_kind m ON m.status = s.status JOIN seeded_text x ON x.n = {_TEXT}
    ORDER BY s.n, m.k"""  # noqa: S608 - nothing in it comes from a person
_MIGRATION = """
    INSERT INTO migration_batch (number, kind, status, mail1_on, mail2_on, mail3_on, night_on, approved_by,
        released_by, excused, pilot, by_hand, evaluation, evaluated_by, planned_by, campaign_id)
    VALUES (9001, 'ec', 'finished', '2024-11-04', '2024-11-06', '2024-11-20', '2024-11-25', 'générateur', '', 0,
        false, false, '', '', '', %(campaign)s);
    INSERT INTO migration_move (position, status, migrated_at, failure, signed_by, paused_by, paused_why,
        skipped_items, skipped_note, skipped_by, batch_id, mailbox_id)
    SELECT row_number() OVER (ORDER BY m.id), 'migrated', '2024-11-26 03:00+01', '', '', '', '', 0, '', '', b.id, m.id
    FROM accounts_mailbox m, migration_batch b WHERE b.number = 9001 AND b.campaign_id = %(campaign)s;
    INSERT INTO mail_outgoingmail (key, uuid, message_id, kind, object_id, stream, sender, "to", cc, bcc, reply_to,
        subject, text, html, headers, sensitive, status, queued_at, sent_at, proof, ews_id, ews_changekey, attempts,
        last_error, last_code)
    SELECT 'fictif:' || v.id || ':' || step, gen_random_uuid(), '', 'fictif', v.id, 'box:' || b.address,
        CASE step WHEN 2 THEN 'etnic' ELSE 'sgne' END, ARRAY[b.address], '{}', '{}', '{}', 'Mail inventé ' || step,
        'Mail inventé.', '', '{}', false, 'sent', sent, sent, '', '', '', 1, '', ''
    FROM migration_move v JOIN accounts_mailbox b ON b.id = v.mailbox_id,
        (VALUES (1, '2024-11-04 09:00+01'::timestamptz), (2, '2024-11-06 09:00+01'), (3, '2024-11-20 09:00+01'),
                (4, '2024-11-25 19:00+01')) AS d (step, sent);
    INSERT INTO migration_mailing (step, due_at, held_why, mail_id, move_id)
    SELECT right(key, 1)::int, sent_at, '', id, object_id FROM mail_outgoingmail WHERE kind = 'fictif';
"""
