"""The chain read again: whatever was altered by whoever owns the database is found, and named in French (SEC-I2)."""

import io
import json
import time
import tracemalloc
from datetime import UTC, datetime

import pytest
from django.conf import settings as portal
from django.core.management import CommandError, call_command
from django.db import connection

from bma_portal import audit, chain
from bma_portal.audit import Mark, Origin, coming_from
from bma_portal.models import AuditEntry, AuditHead
from tests.factories import UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.database]

AT = datetime(2024, 10, 21, 8, tzinfo=UTC)
FIELDS = [field.attname for field in AuditEntry._meta.fields]
OTHER = {
    "seq": "99",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "at": "at - interval '1 second'",
    "actor_id": "actor_id + 1",
    "details": """details || '{"x": 1}'""",
}


@pytest.fixture
def journal() -> list[AuditEntry]:
    """Seven lines, each field of which says something."""
    person = UserFactory(username="camille")
    with coming_from(Origin("192.0.2.7", "abc", person)):
        for number in range(1, 8):
            about = audit.Thing("accounts.mailbox", str(number), f"boîte {number}")
            audit.record("sheet.viewed", at=AT, about=about, why="appel", details={"page": number})
    return list(AuditEntry.objects.order_by("seq"))


def as_owner(*statements: str) -> None:
    """As somebody who owns the database does it: no trigger stops them."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for sql in statements:
            cursor.execute(sql.replace("ENTRY", "bma_portal_auditentry").replace("HEAD", "bma_portal_audithead"))
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_a_chain_that_nobody_touched_is_sound(journal):
    assert audit.verify() == audit.Checked(7, Mark(7, journal[-1].hash))
    assert audit.verify(last=3) == audit.Checked(3, Mark(7, journal[-1].hash))
    assert audit.verify(last=100).lines == 7
    assert audit.verify(expect=Mark(4, journal[3].hash)).sound
    assert audit.verify(since=Mark(4, journal[3].hash)).lines == 3


def test_a_journal_without_a_line_is_sound():
    assert audit.verify() == audit.Checked(0, Mark(0, audit.START))


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_that_is_altered_is_found(field, journal):
    other = OTHER.get(field, f"left({field}, -1) || 'z'")
    as_owner(f"UPDATE ENTRY SET {field} = {other} WHERE seq = 4")
    found = audit.verify()
    assert not found.sound
    assert found.line == 4
    assert "4" in found.fault
    assert not audit.verify(last=5).sound


ALTERED = {
    "the first removed": (["DELETE FROM ENTRY WHERE seq = 1"], 1, "La ligne 1 manque"),
    "the first two removed": (["DELETE FROM ENTRY WHERE seq < 3"], 1, "La ligne 1 manque"),
    "one in the middle removed": (["DELETE FROM ENTRY WHERE seq = 4"], 4, "La ligne 4 manque"),
    "the last removed": (["DELETE FROM ENTRY WHERE seq = 7"], 7, "La ligne 7 manque"),
    "all removed": (["DELETE FROM ENTRY"], 1, "La ligne 1 manque"),
    "one removed, the others moved up": (
        ["DELETE FROM ENTRY WHERE seq = 4", "UPDATE ENTRY SET seq = seq - 1 WHERE seq > 4", "UPDATE HEAD SET seq = 6"],
        4, "La ligne 4 a été modifiée"),
    "two exchanged": (
        ["UPDATE ENTRY SET seq = -seq WHERE seq IN (3, 5)", "UPDATE ENTRY SET seq = 8 + seq WHERE seq < 0"],
        3, "La ligne 3 a été modifiée"),
    "one added before the first": (
        ["INSERT INTO ENTRY SELECT 0, recorded_at, at, actor, actor_id, action, object_type, object_id, about, why,"
         " result, address, request_id, details, previous, repeat('a', 64) FROM ENTRY WHERE seq = 1"],
        0, "La ligne 0 n’a pas été écrite par le portail"),
    "one added after the head": (
        ["INSERT INTO ENTRY SELECT 8, recorded_at, at, actor, actor_id, action, object_type, object_id, about, why,"
         " result, address, request_id, details, previous, repeat('a', 64) FROM ENTRY WHERE seq = 1"],
        8, "La ligne 8 suit la tête"),
    "the head moved back": (["UPDATE HEAD SET seq = 5, hash = (SELECT hash FROM ENTRY WHERE seq = 5)"], 6, "suit la"),
    "the head moved on": (["UPDATE HEAD SET seq = 9"], 8, "La ligne 8 manque"),
    "the head's digest altered": (["UPDATE HEAD SET hash = repeat('a', 64)"], 7, "La tête du journal ne correspond"),
    "the head removed": (["DELETE FROM HEAD"], None, "La tête du journal a disparu"),
}  # fmt: skip


@pytest.mark.parametrize("case", ALTERED)
def test_what_is_removed_added_or_moved_is_found(case, journal):
    statements, line, words = ALTERED[case]
    as_owner(*statements)
    found = audit.verify()
    assert found.line == line
    assert words in found.fault


def test_an_old_state_put_back_is_found_by_a_head_noted_elsewhere(journal):
    """The end of the journal and its head, cut off together: a chain that is sound, but too short."""
    noted = Mark(7, journal[6].hash)
    as_owner("DELETE FROM ENTRY WHERE seq > 5", f"UPDATE HEAD SET seq = 5, hash = '{journal[4].hash}'")
    assert audit.verify().sound
    found = audit.verify(expect=noted)
    assert found.line == 6
    assert "coupée" in found.fault
    assert not audit.verify(since=noted).sound
    for _ in range(4):  # and written over since
        audit.record("sign_in", at=AT)
    assert audit.verify().sound
    assert audit.verify(expect=noted).fault == "La ligne 7 n’est plus celle qui avait été notée."
    assert audit.verify(since=noted).fault == "La ligne 7 n’est plus celle qui avait été notée."


def test_without_the_key_nobody_can_write_a_line_again(journal):
    line = journal[3]
    line.why = "autre"
    as_owner(f"UPDATE ENTRY SET why = 'autre', hash = '{audit.digest(line, 'une autre clé')}' WHERE seq = 4")
    assert audit.verify().line == 4


def test_lines_of_a_former_key_verify_while_it_is_kept(journal, settings):
    former = portal.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "nouvelle" * 10, [former]
    with coming_from(Origin("192.0.2.7", "def", None)):
        line = audit.record("sign_in", at=AT)
    assert audit.verify() == audit.Checked(8, Mark(8, line.hash))
    assert line.hash == audit.digest(line, "nouvelle" * 10)
    settings.SECRET_KEY_FALLBACKS = []  # taken away: from a line noted that day on, it can still be read
    assert audit.verify().line == 1
    assert audit.verify(since=Mark(7, journal[6].hash)).lines == 1


def test_lines_written_while_it_reads_disturb_nothing(journal, monkeypatch):
    read = chain._lines

    def and_write(**bounds):
        yield from read(**bounds)
        audit.record("sign_in", at=AT)

    monkeypatch.setattr(chain, "_lines", and_write)
    assert audit.verify().lines == 7
    assert audit.verify().lines == 8


def test_a_hundred_thousand_lines_take_seconds_and_little_memory(db):
    template = audit.record("sheet.viewed", at=AT, why="appel de l’école", details={"page": 1, "mot": "é"})
    previous, rows = template.hash, []
    values = [getattr(template, name) for name in FIELDS]
    written = {"None": "\\N", str(template.details): json.dumps(template.details, ensure_ascii=False)}
    for seq in range(2, 100_001):
        template.seq, template.previous = seq, previous
        template.hash = previous = audit.digest(template, portal.SECRET_KEY)
        values[0], values[-2], values[-1] = seq, template.previous, template.hash
        rows.append("\t".join(written.get(text, text) for text in map(str, values)))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.copy_expert("COPY bma_portal_auditentry FROM STDIN", io.StringIO("\n".join(rows)))
        cursor.execute("UPDATE bma_portal_audithead SET seq = %s, hash = %s", [100_000, previous])
        cursor.execute("SET LOCAL session_replication_role = origin")
    del rows
    started = time.thread_time()  # its own work: the machine of the tests does other things too
    assert audit.verify().lines == 100_000
    assert time.thread_time() - started < 15
    tracemalloc.start()
    audit.verify(last=10_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000_000
    as_owner("UPDATE ENTRY SET actor = 'autre' WHERE seq = 77777")
    assert audit.verify(last=30_000).line == 77_777


# The command


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("verify_audit", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_command_says_that_the_chain_is_sound_and_its_head(journal):
    text = run()
    assert "La chaîne est intacte : 7 lignes relues." in text
    head = f"7:{journal[6].hash}"
    assert text.splitlines()[-1] == head
    assert "intacte" in run("--expect", head)
    assert "3 lignes" in run("--from", f"4:{journal[3].hash}")
    assert AuditEntry.objects.count() == 7  # it writes nothing


def test_the_command_names_the_first_bad_line_and_fails(journal):
    as_owner("UPDATE ENTRY SET why = 'autre' WHERE seq IN (3, 6)")
    with pytest.raises(CommandError, match=r"La chaîne est rompue\. La ligne 3 a été modifiée") as error:
        run()
    assert error.value.returncode == 1


def test_the_command_finds_that_the_end_was_cut_off(journal):
    as_owner("DELETE FROM ENTRY WHERE seq > 5", f"UPDATE HEAD SET seq = 5, hash = '{journal[4].hash}'")
    with pytest.raises(CommandError, match="La fin du journal a été coupée"):
        run("--expect", f"7:{journal[6].hash}")


def test_for_machines_it_is_one_object(journal, capsys):
    head = AuditHead.objects.get()
    assert json.loads(run("--json")) == {
        "sound": True, "lines": 7, "seq": 7, "hash": head.hash, "line": None, "fault": "",
    }  # fmt: skip
    as_owner("DELETE FROM ENTRY WHERE seq = 2")
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("verify_audit", "--json", stdout=out)
    assert error.value.returncode == 1
    said = json.loads(out.getvalue())
    assert (said["sound"], said["line"], said["fault"]) == (False, 2, "La ligne 2 manque.")


@pytest.mark.parametrize(
    "typed", ["", "7", "7:abc", ":", "x:" + "a" * 64, "7:" + "g" * 64, "-1:" + "a" * 64, "é" * 70]
)
def test_a_head_badly_typed_is_badly_asked(typed, journal):
    with pytest.raises(CommandError):
        run(f"--expect={typed}")


def test_what_is_noted_before_the_part_that_is_read_is_badly_asked(journal):
    with pytest.raises(CommandError) as error:
        run("--from", f"4:{journal[3].hash}", "--expect", f"2:{journal[1].hash}")
    assert error.value.returncode == 2
