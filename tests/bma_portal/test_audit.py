"""The audit: one line a deed, in its transaction, in one chain, which nothing changes (SEC-I1, I2, I4, I5, I7)."""

import json
import logging
import threading
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError, OperationalError, connection, transaction

from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.audit import Origin, Thing, coming_from
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry, AuditHead
from bma_portal.secret import Secret
from tests.factories import MailboxFactory, UserFactory
from tests.together import together

pytestmark = pytest.mark.database

AT = datetime(2024, 10, 21, 8, tzinfo=UTC)
REFUSED_BY_THE_DATABASE = "journal d'audit ne se modifie pas|suit la précédente"


def lines() -> list[AuditEntry]:
    return list(AuditEntry.objects.order_by("seq"))


# What a line says


def test_a_line_says_who_what_when_why_and_from_where(db):
    person, mailbox = UserFactory(username="camille"), MailboxFactory()
    at = datetime(2024, 10, 21, 10, tzinfo=ZoneInfo("Europe/Brussels"))
    with coming_from(Origin("192.0.2.7", "abc123", person)):
        audit.record("sheet.viewed", at=at, about=mailbox, why="appel de l’école", details={"page": 1})
    (line,) = lines()
    assert (line.seq, line.actor, line.actor_id, line.action) == (1, "camille", person.pk, "sheet.viewed")
    assert (line.object_type, line.object_id) == ("accounts.mailbox", str(mailbox.pk))
    assert (line.about, line.why, line.result) == (str(mailbox), "appel de l’école", "ok")
    assert (line.address, line.request_id, line.details) == ("192.0.2.7", "abc123", {"page": 1})
    assert line.at == AT
    assert abs(line.recorded_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (line.previous, AuditHead.objects.get().hash, AuditHead.objects.get().seq) == (audit.START, line.hash, 1)


def test_nobody_is_the_portal_and_a_person_without_a_name_is_a_visitor(db):
    person = UserFactory(username="camille")
    said = [
        (Origin(), None, "portail", None),
        (Origin(actor=AnonymousUser()), None, "visiteur", None),
        (Origin(actor=person), None, "camille", person.pk),
        (Origin(actor=person), "camille", "camille", person.pk),  # a use case that is given names only
        (Origin(actor=person), "portail", "portail", None),
        (Origin(actor=AnonymousUser()), "visiteur", "visiteur", None),
        (Origin(actor="commande plan_campaign"), None, "commande plan_campaign", None),
        (Origin(actor="commande record_cutover"), "Nadia", "Nadia (commande record_cutover)", None),
        (Origin(), person, "camille", person.pk),
    ]
    for origin, by, _, _ in said:
        with coming_from(origin):
            audit.record("sign_in", at=AT, by=by)
    assert [(line.actor, line.actor_id) for line in lines()] == [(name, pk) for *_, name, pk in said]


def test_inside_a_request_its_number_its_address_and_its_person_remain(db):
    person = UserFactory(username="camille")
    with coming_from(Origin("192.0.2.7", "abc", person)), coming_from(Origin(request_id="def")):
        audit.record("sign_out", at=AT)
    with coming_from(Origin("192.0.2.7", "abc", person)), coming_from(Origin("198.51.100.1", "", "commande x")):
        audit.record("sign_out", at=AT)
    assert [(line.address, line.request_id, line.actor) for line in lines()] == [
        ("192.0.2.7", "abc", "camille"),
        ("198.51.100.1", "abc", "commande x"),
    ]


def test_what_has_no_row_is_named_all_the_same(db):
    audit.record("admin.delete", at=AT, about=Thing("accounts.contact", "7", "Équipe fictive"))
    (line,) = lines()
    assert (line.object_type, line.object_id, line.about) == ("accounts.contact", "7", "Équipe fictive")


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "a\x1b[2Jb", "a\u202eb", "a\u2028b", "é’ “ b", "x" * 5000])
def test_any_text_makes_a_line_that_verifies_and_drives_nothing(db, text):
    with coming_from(Origin(text, text, text)):
        audit.record("sign_in", at=AT, about=Thing(text, text, text), why=text, details={text: [text]})
    (line,) = lines()
    assert audit.verify().sound
    written = json.dumps([line.why, line.actor, line.details], ensure_ascii=False)
    assert not set(written) & {"\x00", "\ud800", "\x1b", "\u202e"}


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        1e22,
        float("nan"),
        10**30,
        -0.0,
        {10: 1, 9: 2},
        (1, 2),
        {3},
        None,
        True,
        AT,
        date(2024, 1, 1),
        [[{"a": ()}]],
    ],
    ids=repr,
)
def test_details_of_any_kind_come_back_as_they_were_chained(db, value):
    audit.record("export", at=AT, details={"valeur": value})
    assert audit.verify().sound


def test_a_secret_is_never_written(db):
    with pytest.raises(TypeError):
        audit.record("reset.shown", at=AT, details={"mot": Secret("canari")})
    assert lines() == []


# In the transaction of the deed


class ChangedMind(Exception):
    pass


def half_done(action: str) -> None:
    """A deed and its line, then something that undoes them."""
    with transaction.atomic():
        MailboxFactory()
        audit.record(action, at=AT)
        raise ChangedMind


def test_what_is_rolled_back_leaves_no_line_and_no_gap(transactional_db):
    audit.record("sign_in", at=AT)
    with pytest.raises(ChangedMind):
        half_done("reset.shown")
    with transaction.atomic():
        audit.record("sign_out", at=AT)
        with pytest.raises(ChangedMind):  # a part of it only
            half_done("export")
    assert [(line.seq, line.action) for line in lines()] == [(1, "sign_in"), (2, "sign_out")]
    assert audit.verify().sound


def test_what_is_refused_leaves_a_line_although_nothing_was_done(transactional_db):
    mailbox = MailboxFactory()

    def use_case():
        with audit.refusals("reset.asked", at=AT, about=mailbox, by="camille"), transaction.atomic():
            MailboxFactory()
            audit.record("reset.asked", at=AT, about=mailbox)
            raise Refusal("Aucune permission à cette date.")

    with pytest.raises(Refusal):
        use_case()
    (line,) = lines()
    assert (line.action, line.result, line.why) == ("reset.asked", "refused", "Aucune permission à cette date.")
    assert (line.actor, line.object_id) == ("camille", str(mailbox.pk))
    assert Mailbox.objects.count() == 1


def test_what_is_not_a_refusal_leaves_none(transactional_db):
    with pytest.raises(ValueError), audit.refusals("reset.asked", at=AT):  # noqa: PT011
        raise ValueError
    with audit.refusals("reset.asked", at=AT):
        pass
    assert lines() == []


def test_refusals_inside_a_transaction_are_a_mistake_seen_at_once(transactional_db):
    with transaction.atomic(), pytest.raises(RuntimeError), audit.refusals("reset.asked", at=AT):
        raise AssertionError("entered")


def test_a_line_that_cannot_be_written_stops_the_deed(transactional_db, caplog):
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # nothing moves the head any more
        cursor.execute("DELETE FROM bma_portal_audithead")
        cursor.execute("RESET session_replication_role")
    with pytest.raises(audit.Unavailable):
        half_done("reset.asked")
    assert not Mailbox.objects.exists()
    assert "ligne d’audit impossible" in caplog.text
    assert issubclass(audit.Unavailable, OperationalError)  # the page is the 503


def test_each_line_s_number_and_digest_go_to_the_machine_s_log_once_committed(transactional_db, caplog):
    caplog.set_level(logging.INFO, "bma.audit")
    with pytest.raises(ChangedMind):
        half_done("sign_in")
    assert caplog.records == []
    line = audit.record("reset.shown", at=AT, about=MailboxFactory(), why="canari", by="canari")
    (record,) = caplog.records
    assert (record.id, record.empreinte) == (1, line.hash)
    assert "canari" not in caplog.text


# Many at once


def test_fifty_who_write_at_once_make_one_chain_without_gap(transactional_db):
    def deed(number: int) -> None:
        for turn in range(4):
            with suppress(ChangedMind), transaction.atomic():
                audit.record("sign_in", at=AT, by=f"personne{number}", details={"tour": turn})
                if turn == 2 or number % 10 == 0:
                    raise ChangedMind

    assert together(*[lambda n=n: deed(n) for n in range(50)]) == [None] * 50
    written = lines()
    assert [line.seq for line in written] == list(range(1, 45 * 3 + 1))
    assert [line.recorded_at for line in written] == sorted(line.recorded_at for line in written)
    assert audit.verify() == audit.Checked(135, audit.Mark(135, written[-1].hash))


def test_a_transaction_that_forgets_to_end_holds_the_others_for_a_while_only(transactional_db, monkeypatch):
    monkeypatch.setattr(audit, "WAIT", "300ms")
    forgotten, over = threading.Event(), threading.Event()

    def forget() -> None:
        with transaction.atomic():
            audit.record("sign_in", at=AT, by="oubli")
            forgotten.set()
            over.wait(30)

    thread = threading.Thread(target=together, args=[forget])
    thread.start()
    assert forgotten.wait(30)
    started = time.monotonic()
    try:
        with pytest.raises(audit.Unavailable), transaction.atomic():
            audit.record("sign_in", at=AT)
        assert 0.2 < time.monotonic() - started < 5
        assert MailboxFactory().pk  # who writes no line waits for nobody
    finally:
        over.set()
        thread.join(30)
    audit.record("sign_out", at=AT)
    assert [line.actor for line in lines()] == ["oubli", "portail"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)  # the wait ended with its transaction


# What the database refuses


@pytest.fixture
def two_lines(db):
    audit.record("sign_in", at=AT)
    audit.record("sign_out", at=AT)


ENTRY, HEAD = "bma_portal_auditentry", "bma_portal_audithead"
COLUMNS = (
    "seq, recorded_at, at, actor, action, object_type, object_id, about, why, result, address, request_id, details"
)


@pytest.mark.parametrize(
    "sql",
    [
        f"UPDATE {ENTRY} SET why = 'autre'",
        f"UPDATE {ENTRY} SET seq = 3 WHERE seq = 2",
        f"DELETE FROM {ENTRY}",
        f"DELETE FROM {ENTRY} WHERE seq = 2",
        f"TRUNCATE {ENTRY}",
        f"TRUNCATE {HEAD}",
        f"TRUNCATE {HEAD}, {ENTRY} CASCADE",
        f"UPDATE {HEAD} SET seq = 1",
        f"UPDATE {HEAD} SET seq = seq + 1",
        f"UPDATE {HEAD} SET hash = repeat('0', 64)",
        f"DELETE FROM {HEAD}",
        f"INSERT INTO {HEAD} VALUES (2, 0, '')",
        f"""INSERT INTO {ENTRY} ({COLUMNS}, previous, hash)
            SELECT {COLUMNS.replace("seq", "seq + 2", 1)}, previous, 'x' FROM {ENTRY} WHERE seq = 1""",
        f"""INSERT INTO {ENTRY} ({COLUMNS}, previous, hash)
            SELECT {COLUMNS.replace("seq", "0", 1)}, previous, 'x' FROM {ENTRY} WHERE seq = 1""",
        f"""INSERT INTO {ENTRY} ({COLUMNS}, previous, hash)
            SELECT {COLUMNS.replace("seq", "seq + 3", 1)}, hash, 'x' FROM {ENTRY} WHERE seq = 2""",
    ],
)
def test_the_database_refuses_to_change_the_journal(two_lines, sql):
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert [line.seq for line in lines()] == [1, 2]
    assert audit.verify().sound


@pytest.mark.parametrize(
    "act",
    [
        lambda: AuditEntry.objects.update(actor="autre"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: AuditEntry.objects.first().delete(),
        lambda: AuditEntry.objects.bulk_update([AuditEntry(seq=1, why="autre")], ["why"]),
        lambda: AuditEntry.objects.filter(seq=1).first().save(),
        lambda: AuditEntry.objects.all()._raw_delete("default"),
        lambda: AuditHead.objects.update(seq=7),
        lambda: AuditHead.objects.all().delete(),
        lambda: AuditHead.objects.get().save(),
    ],
)
def test_so_it_does_through_the_orm(two_lines, act):
    with pytest.raises(DatabaseError, match=REFUSED_BY_THE_DATABASE), transaction.atomic():
        act()
    assert audit.verify().sound


def test_a_line_written_past_the_portal_follows_but_does_not_verify(two_lines):
    """Whoever has the database but not the key can only add at the end, and is found."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO {ENTRY} ({COLUMNS}, previous, hash)
                SELECT {COLUMNS.replace("seq", "seq + 1", 1)}, hash, repeat('a', 64) FROM {ENTRY} WHERE seq = 2"""
        )
    assert audit.verify().line == 3


# Unusual reading


def test_the_hundredth_opening_within_an_hour_is_told_once(db, caplog, django_capture_on_commit_callbacks):
    curious, other = UserFactory(username="curieux"), UserFactory(username="autre")
    with django_capture_on_commit_callbacks(execute=True):
        for number in range(130):
            audit.record(("sheet.viewed", "proof.viewed")[number % 2], at=AT, by=curious)
            audit.record("sheet.viewed", at=AT, by=other if number < 99 else "visiteur")
            audit.record("sign_in", at=AT, by=other)
    told = [record for record in caplog.records if record.message == "lecture inhabituelle"]
    assert [(record.levelname, record.id, record.nombre) for record in told] == [("ERROR", curious.pk, 100)]
    (alarm,) = AuditEntry.objects.filter(action="reading.unusual")
    assert (alarm.actor, alarm.object_id, alarm.about) == ("portail", str(curious.pk), "curieux")
    assert AuditEntry.objects.filter(actor="curieux", seq__lt=alarm.seq).count() == 100
    assert audit.verify().sound


def test_a_hundred_openings_in_more_than_an_hour_are_a_day_s_work(db, caplog):
    agent = UserFactory()
    for _ in range(99):
        audit.record("sheet.viewed", at=AT, by=agent)
    with connection.cursor() as cursor:  # the first of them was an hour ago
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(f"UPDATE {ENTRY} SET recorded_at = recorded_at - interval '1 hour' WHERE seq = 1")
        cursor.execute("SET LOCAL session_replication_role = origin")
    audit.record("sheet.viewed", at=AT, by=agent)
    assert not AuditEntry.objects.filter(action="reading.unusual").exists()
    audit.record("sheet.viewed", at=AT, by=agent)
    assert AuditEntry.objects.filter(action="reading.unusual").exists()
