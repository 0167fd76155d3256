"""The results of a night: what a file may say, what is refused, who wins, and the nights when the clocks change."""

import random
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import cutover, results_file, sequence
from migration.cutover import Fate, Result
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, deliver, in_force
from tests.together import together

pytestmark = pytest.mark.django_db

NIGHT = brussels(date(2024, 11, 7), 22)
AT = brussels(date(2024, 11, 8), 2)


def closed(**facts) -> Move:
    """A mailbox whose mail 4 has left: ETNIC may move it."""
    move = MoveFactory(**({"confirmed": True} | facts))
    deliver(Mailing.objects.get(move=move, step=4), brussels(move.batch.night_on, 22))
    return move


def fates(report: cutover.Report) -> list[str]:
    return [line.fate for line in report.lines]


# Reading


def read(text: str | bytes):
    return results_file.results(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize("head", ["adresse;resultat;detail;ignores", "ADRESSE ;Resultat", "resultat;adresse",
                                  "adresse,resultat,detail", "\ufeffadresse;resultat"])  # fmt: skip
def test_columns_come_in_any_order_with_either_separator(head):
    separator = ";" if ";" in head else ","
    cells = {"adresse": "EC000247@adm.cfwb.be", "resultat": "OK"}
    names = [name.strip().lower().lstrip("\ufeff") for name in head.split(separator)]
    found = read(f"{head}\r\n" + separator.join(cells.get(name, "") for name in names) + "\r\n\r\n")
    assert found.rows == [Result("ec000247@adm.cfwb.be", moved=True, line=2)]
    assert found.faults == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a;b\n", "Colonne inconnue : « a », « b »"),
        ("adresse;resultat;mdp\n", "Colonne inconnue : « mdp »"),
        ("adresse;detail\n", "Il manque la colonne « resultat »"),
        ("adresse;resultat;resultat\n", "donnée deux fois"),
        ("adresse;resultat\n\n;\n", "aucune ligne"),
        ("", "Il manque la colonne"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("adresse;resultat\n" + '"' + "x" * 200_000, "CSV lisible"),
        ("adresse;resultat\n" + "ec000001@adm.cfwb.be;ok\n" * 30_000, "dépasse 500 ko"),
        ("adresse;resultat\n" + "x;y\n" * 100_000, "Plus de 1000 lignes sont à corriger, dès la ligne 2"),
    ],
)
def test_what_is_no_such_file_is_refused_whole(content, words):
    with pytest.raises(Refusal, match=words):
        read(content)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ec000001@adm.cfwb.be;peut-être", "« peut-être » n’est pas un résultat"),
        ("ec000001@adm.cfwb.be;", "le résultat manque"),
        ("ec000001@adm.cfwb.be", "le résultat manque"),
        (";ok", "l’adresse manque"),
        ("1234;ok", "écrivez l’adresse entière"),
        ("ec000001@exemple.be;ok", "ce n’est pas l’adresse"),
        ("ec000001@adm.cfwb.be;ok;vu\u200bici", "caractère invisible"),
        ("ec000001@adm.cfwb.be;ok;a\x00b", "caractère invisible"),
        ("ec000001@adm.cfwb.be;ok;;1;2", "5 cellules"),
        ("ec000001@adm.cfwb.be;ok;;-1", "n’est pas un nombre"),
        ("ec000001@adm.cfwb.be;ok;;٣", "n’est pas un nombre"),
        ("ec000001@adm.cfwb.be;ok;;1,5", "n’est pas un nombre possible"),
        ("ec000001@adm.cfwb.be;ok;;" + "9" * 400, "n’est pas un nombre possible"),
        ("ec000247@adm.cfwb.be;echec", "déjà à la ligne 2"),
        ("EC 247;ok", "déjà à la ligne 2"),
    ],
)
def test_a_line_at_fault_is_named_by_its_number(line, words):
    found = read(f"adresse;resultat;detail;ignores\nec000247@adm.cfwb.be;ok;;\n\n{line}\n")
    (fault,) = found.faults
    assert fault.line == 4
    assert words in fault.why
    assert len(found.rows) == 1


def test_no_bytes_break_the_reader():
    chance = random.Random(5)
    start = time.perf_counter()
    for n in range(300):
        noise = bytes(chance.choices(b'ok;,"\n\r\x00\xe9\xc3\xa9ec0247@', k=chance.randrange(400)))
        try:
            found = read((b"adresse;resultat\n" if n % 2 else b"") + noise)
        except Refusal:
            continue
        assert found.rows or found.faults
    assert time.perf_counter() - start < 5


# Recording


def test_a_file_speaks_of_its_batch_only():
    mine = closed()
    other = closed()
    ec = closed(batch=BatchFactory(establishments=True))
    free = MoveFactory(confirmed=True, batch=mine.batch, status=Move.Status.POSTPONED)
    boxes = [str(move.mailbox) for move in (mine, other, ec)] + ["po999999@adm.cfwb.be", str(free.mailbox)]
    given = [Result(box, True, line=n) for n, box in enumerate(boxes, start=2)]
    report = cutover.record(given, by="etnic", at=AT, batch=mine.batch, write=False)
    assert fates(report) == [Fate.MIGRATED, Fate.FAULT, Fate.FAULT, Fate.FAULT, Fate.REFUSED]
    words = [line.words for line in report.lines]
    assert f"est dans le lot {other.batch.number}" in words[1]
    assert "ce n’est pas une boîte de ce lot" in words[2]
    assert "aucune boîte connue" in words[3]
    assert "reportée" in words[4]
    with pytest.raises(Refusal, match="3 lignes sont à corriger : rien n’est enregistré"):
        cutover.record(given, by="etnic", at=AT, batch=mine.batch)
    assert not Move.objects.filter(status=Move.Status.MIGRATED).exists()
    assert cutover.record(given[:1], by="etnic", at=AT, batch=mine.batch).migrated == 1


def test_the_same_file_twice_changes_nothing_and_a_contradiction_is_refused():
    done, failed = closed(), closed()
    Move.objects.filter(pk=failed.pk).update(batch=done.batch)
    given = [Result(done.mailbox.address, True), Result(failed.mailbox.address, False, "quota")]
    first = cutover.record(given, by="etnic", at=AT, batch=done.batch)
    again = cutover.record(given, by="nadia", at=AT + timedelta(hours=1), batch=done.batch)
    assert (first.changes, again.changes, again.already) == (2, 0, 2)
    assert StateChange.objects.filter(object_type="migration.move").count() == 2
    turned = [Result(done.mailbox.address, False), Result(failed.mailbox.address, True)]
    report = cutover.record(turned, by="etnic", at=AT, batch=done.batch)
    assert fates(report) == [Fate.REFUSED, Fate.REFUSED]
    assert "remettez-la sur l’ancien serveur" in report.lines[0].words
    assert "reprenez-la dans un autre lot" in report.lines[1].words


@pytest.mark.parametrize("status", [Batch.Status.DRAFT, Batch.Status.CANCELLED])
def test_a_batch_that_has_no_night_has_no_result(status):
    move = closed(batch__status=status)
    with pytest.raises(Refusal, match="aucune de ses nuits"):
        cutover.record([Result(move.mailbox.address, True)], by="etnic", at=AT, batch=move.batch)


def test_a_result_does_not_come_before_its_night():
    move = closed()
    given = [Result(move.mailbox.address, True)]
    with pytest.raises(Refusal, match="n’a pas encore commencé"):
        cutover.record(given, by="etnic", at=NIGHT - timedelta(minutes=1), batch=move.batch)
    assert cutover.record(given, by="etnic", at=NIGHT, batch=move.batch).migrated == 1


def bounced(step: int, at: datetime):
    return lambda move: OutgoingMail.objects.filter(mailing__move=move, mailing__step=step).update(bounced_at=at)


@pytest.mark.parametrize(
    ("happens", "missing"),
    [
        (bounced(2, NIGHT - timedelta(days=20)), "mail 2"),
        (bounced(2, NIGHT + timedelta(hours=3)), "mail 2"),  # late: after mail 4 has left
        (bounced(2, AT + timedelta(hours=1)), ""),  # after the result: what was recorded stays
        (bounced(4, NIGHT + timedelta(minutes=5)), "mail 4"),
        (lambda move: Mailing.objects.filter(move=move, step=4).update(mail=None), "mail 4"),
        (lambda move: Mailing.objects.filter(move=move, step__in=[2, 4]).update(mail=None), "mail 2 et mail 4"),
    ],
)
def test_no_night_without_a_delivered_mail_2(happens, missing):
    """B18: it is refused, and a person who signs for it is named on the mailbox."""
    move = closed()
    happens(move)
    given = [Result(move.mailbox.address, True)]
    report = cutover.record(given, by="etnic", at=AT, batch=move.batch)
    assert (report.migrated == 1) is (missing == "")
    assert report.may_be_signed is (missing != "")
    if missing:
        assert report.lines[0].words.startswith(missing)
        cutover.record(given, by="etnic", at=AT, batch=move.batch, signed="etnic : vue avec l’école")
    move.refresh_from_db()
    assert move.status == Move.Status.MIGRATED
    assert move.signed_by == ("etnic : vue avec l’école" if missing else "")


def test_a_night_of_many_is_judged_in_a_fixed_number_of_statements():
    counts = []
    batch = BatchFactory()
    for size in (2, 12):
        moves = [closed(batch=batch) for _ in range(size)]
        given = [Result(move.mailbox.address, True, line=n) for n, move in enumerate(moves)]
        with CaptureQueriesContext(connection) as asked:
            report = cutover.record(given, by="etnic", at=AT, batch=batch, write=False)
        assert report.migrated == size
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 8


@pytest.mark.django_db(transaction=True)
def test_of_two_who_record_at_once_one_does_it():
    moves = [closed(batch=batch) for batch in [BatchFactory()] for _ in range(4)]
    given = [Result(move.mailbox.address, True, line=n) for n, move in enumerate(moves)]
    orders = [given, given[::-1], given]

    def act(order):
        return lambda: cutover.record(order, by="etnic", at=AT, batch=moves[0].batch).migrated

    assert sorted(together(*map(act, orders))) == [0, 0, 4]
    assert StateChange.objects.filter(new=Move.Status.MIGRATED).count() == 4


# What was not carried over (B15)


def test_a_batch_ends_once_what_was_not_carried_over_is_accepted():
    move = closed(batch__status=Batch.Status.RUNNING)
    cutover.record([Result(move.mailbox.address, True, skipped=7)], by="etnic", at=AT, batch=move.batch)
    batch = Batch.objects.get(pk=move.batch_id)
    sequence.advance(at=AT)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.RUNNING
    for note in ("", "  "):
        with pytest.raises(Refusal, match="Dites pourquoi"):
            cutover.accept_skipped([move.pk], note=note, by="sgne", at=AT)
    assert cutover.accept_skipped([move.pk], note="Sept doublons.", by="sgne", at=AT) == 1
    with pytest.raises(Refusal, match="sgne vient de l’admettre"):
        cutover.accept_skipped([move.pk], note="Moi aussi.", by="camille", at=AT)
    (line,) = AuditEntry.objects.filter(action="move.skipped_accepted")
    assert (line.actor, line.why, line.details["éléments"]) == ("sgne", "Sept doublons.", 7)
    sequence.advance(at=AT)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.FINISHED


# Which batch


def test_a_batch_is_named_by_campaign_and_number_by_number_or_by_key():
    old = BatchFactory(campaign=CampaignFactory(slug="2023"), number=3)
    new = MoveFactory(batch=BatchFactory(number=3)).batch
    assert cutover.batch_named("2023/3") == old
    assert cutover.batch_named(" 2024/3 ") == new
    assert cutover.batch_named("3", [new.moves.get().mailbox.address]) == new
    assert cutover.batch_named(str(old.pk), []) == old
    clash = BatchFactory(number=old.pk)
    with pytest.raises(Refusal, match="deux lots"):
        cutover.batch_named(str(old.pk))
    address = MoveFactory(batch=clash).mailbox.address
    assert cutover.batch_named(str(old.pk), [address]) == clash
    for wrong in ("", "abc", "2024/", "٣", "2024/3/4", "9" * 30, "0"):
        with pytest.raises(Refusal):
            cutover.batch_named(wrong)


# Nights when the clocks change (B16)


@pytest.mark.parametrize(
    ("day", "starts", "ends"),
    [
        (date(2024, 10, 26), datetime(2024, 10, 26, 20, tzinfo=UTC), datetime(2024, 10, 27, 5, tzinfo=UTC)),
        (date(2024, 10, 27), datetime(2024, 10, 27, 21, tzinfo=UTC), datetime(2024, 10, 28, 5, tzinfo=UTC)),
        (date(2025, 3, 29), datetime(2025, 3, 29, 21, tzinfo=UTC), datetime(2025, 3, 30, 4, tzinfo=UTC)),
        (date(2025, 3, 30), datetime(2025, 3, 30, 20, tzinfo=UTC), datetime(2025, 3, 31, 4, tzinfo=UTC)),
    ],
)
def test_a_night_of_a_change_of_clocks_runs_once(day, starts, ends):
    """Nine hours in autumn, seven in spring; stored in UTC, and each quarter of an hour of it is asked."""
    days = {"mail1_on": day - timedelta(days=30), "mail2_on": day - timedelta(days=23)}
    batch = BatchFactory(mail3_on=day - timedelta(days=2), night_on=day, **days)
    assert batch.campaign.night(day) == (starts, ends)
    move = MoveFactory(batch=batch, confirmed=True)
    in_force(move)
    queued = {}
    at = starts - timedelta(hours=1)
    while at < ends + timedelta(hours=1):
        queued[at] = sequence.queue_step(batch.campaign, Mailing.Step.CLOSING, at=at)
        at += timedelta(minutes=15)
    assert {moment: count for moment, count in queued.items() if count} == {starts: 1}
    OutgoingMail.objects.filter(mailing__move=move, mailing__step=4).update(
        status="sent", sent_at=starts, proof=OutgoingMail.Proof.ANSWER
    )
    for hour in range(int((ends - starts).total_seconds() // 3600)):
        cutover.record(
            [Result(move.mailbox.address, True)], by="etnic", at=starts + timedelta(hours=hour), batch=batch
        )
    assert StateChange.objects.filter(object_type="migration.move", new="migrated").count() == 1
    move.refresh_from_db()
    assert move.migrated_at == starts
