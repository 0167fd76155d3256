"""Two people at once, people while the workers send, runs that die: one does it, nothing twice, nothing lost.

SEC-K1 to K4, B12. The workers are real drains against the Exchange stand-in, in threads of this process.
"""

# ruff: noqa: F401, F811  the outbox's own fixtures
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta

import pytest
from django.db import connection, transaction

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import outbox, requeue
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.models import AuditEntry
from demo.exchange.control import StandIn
from migration import corrections, decisions, planning, progress, resending, sequence, steering
from migration.mails import Announcement
from migration.models import Batch, Mailing, Move
from tests.factories_migration import BatchFactory, MoveFactory
from tests.mail.conftest import exchange, no_bells, stand_in
from tests.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("no_bells")]

NINE = brussels(date(2024, 10, 7), 9)
LATER = {
    "mail1_on": date(2024, 10, 14), "mail2_on": date(2024, 10, 21), "mail3_on": date(2024, 11, 12),
    "night_on": date(2024, 11, 14),
}  # fmt: skip
MORNING = brussels(date(2024, 11, 8), 10)
PEOPLE = 20


# SEC-K1


def some_batch(status: str, **traits) -> tuple[Batch, Move]:
    batch = BatchFactory(number=1, status=status)
    first, *_ = [MoveFactory(batch=batch, **traits) for _ in range(3)]
    return batch, first


DEEDS: dict[str, tuple[str, dict, Callable[[Batch, Move, str], object]]] = {
    "approve": ("draft", {}, lambda batch, move, by: decisions.approve(batch, by=by, at=NINE)),
    "pause": ("running", {}, lambda batch, move, by: decisions.pause(batch, by=by, at=NINE, note="")),
    "resume": ("paused", {}, lambda batch, move, by: decisions.resume(batch, by=by, at=NINE)),
    "cancel": ("running", {}, lambda batch, move, by: decisions.cancel(batch, by=by, at=NINE, note="non")),
    "move the night": (
        "running",
        {"announced": True},
        lambda batch, move, by: corrections.move_dates(
            batch, night_on=date(2024, 11, 14), by=by, at=NINE + timedelta(days=1), why="congé"
        ),
    ),
    "pause one": ("running", {}, lambda batch, move, by: steering.pause_move(move, by=by, at=NINE, why="congé")),
    "resend one": (
        "running",
        {"announced": True},
        lambda batch, move, by: resending.resend(
            move, OutgoingMail.objects.earliest("pk"), by=by, at=NINE + timedelta(hours=1), why="place faite"
        ),
    ),
    "postpone one": ("running", {}, lambda batch, move, by: steering.postpone(move, by=by, at=NINE, why="congé")),
    "retry": ("finished", {"failed": True}, lambda batch, move, by: steering.retry_failed(batch, by=by, at=MORNING)),
}


@pytest.mark.parametrize("name", DEEDS)
def test_twenty_people_do_the_same_at_once_one_does_it_the_others_are_told_who_and_when(name):
    status, traits, deed = DEEDS[name]
    some_batch(status, **traits)
    if name == "resend one":
        first = OutgoingMail.objects.order_by("pk")[:1]
        OutgoingMail.objects.filter(pk__in=first.values("pk")).update(bounced_at=NINE + timedelta(minutes=30))

    def by(person: str) -> Callable[[], object]:
        batch = Batch.objects.get()
        move = batch.moves.order_by("position")[0]
        return lambda: deed(batch, move, person)

    answers = together(*[by(f"personne {n}") for n in range(PEOPLE)])
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert len(refused) == PEOPLE - 1
    winner = next(n for n, answer in enumerate(answers) if not isinstance(answer, Refusal))
    assert all(f"par personne {winner}, le " in str(refusal) for refusal in refused), refused[0]
    assert AuditEntry.objects.filter(action__in=["batch.decided", "move.steered"]).count() == 1
    assert Move.objects.live().values("mailbox").distinct().count() == Move.objects.live().count()
    sent = OutgoingMail.objects.filter(kind="migration.correction").values_list("object_id", flat=True)
    assert len(sent) == len(set(sent)) == (3 if name == "move the night" else 0)
    if name == "resend one":
        assert sequence.advance(at=NINE + timedelta(hours=1)) == 1
        assert OutgoingMail.objects.filter(status="queued").count() == 1


def test_a_mail_sent_again_from_two_pages_at_once_leaves_once():
    """One puts the failed mail back in its queue (the list of mails), the other has it made anew (the sheet)."""
    at = NINE + timedelta(hours=1)
    for turn in range(6):
        move = MoveFactory(batch=BatchFactory(status="running"), announced=True)
        mail = move.mailings.get(step=1).mail
        OutgoingMail.objects.filter(pk=mail.pk).update(status="failed", sent_at=None, proof="")
        deeds: list[Callable[[], object]] = [
            lambda move=move, mail=mail: resending.resend(move, mail, by="camille", at=at, why="place faite"),
            lambda mail=mail: requeue.requeue([mail.pk], by="dominique", at=at),
        ]
        together(*(deeds if turn % 2 else deeds[::-1]))
        sequence.advance(at=at)
        on_its_way = OutgoingMail.objects.filter(status="queued", to=[move.mailbox.address])
        assert on_its_way.count() == 1, turn
        assert move.mailings.get(step=1).mail == on_its_way.get()


# While the workers send (B12)


@contextmanager
def at_work(*, drains: int = 2) -> Iterator[None]:
    """A beat and so many workers, until the block ends and the queue is empty of what may leave."""
    over = threading.Event()
    faults: list[BaseException] = []

    def loop(work: Callable[[], object]) -> None:
        try:
            while not over.is_set():
                work()
                over.wait(0.01)
        except BaseException as fault:
            faults.append(fault)
        finally:
            connection.close()

    works: list[Callable[[], object]] = [lambda: sequence.advance(at=clock.now())]
    works += [lambda: outbox.drain(Sender.SGNE)] * drains
    threads = [threading.Thread(target=loop, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert faults == []


def until(found: Callable[[], object], what: str, *, patience: float = 60) -> None:
    limit = time.monotonic() + patience
    while not found():
        assert time.monotonic() < limit, f"en vain : {what}"
        time.sleep(0.02)


def on_the_way(**which) -> int:
    return OutgoingMail.objects.filter(status__in=["queued", "sending"], **which).count()


@pytest.fixture
def hurried(exchange: StandIn, settings) -> StandIn:
    """Small chunks and slow answers: whatever a person does falls between two mails."""
    settings.MAIL_CHUNK, settings.MAIL_DRAIN_SECONDS = 4, 1
    exchange.latency(15)
    clock.set_for_every_process(NINE, seconds=600)
    return exchange


def test_none_leaves_from_a_suspended_batch_once_that_is_acknowledged(hurried):
    """But those that Exchange had been given, of which the person is told how many; then all of them leave, once."""
    batch = BatchFactory()
    for _ in range(30):
        MoveFactory(batch=batch)
    with at_work():
        for _ in range(3):
            before = hurried.counts()["delivered"]
            until(lambda before=before: hurried.counts()["delivered"] > before, "quelques mails")
            taken = decisions.pause(batch, by="camille", at=NINE, note="")
            gone = OutgoingMail.objects.filter(status__in=["sent", "sending"]).values_list("uuid", flat=True)
            allowed = {str(key) for key in gone}
            known = {delivery["key"] for delivery in hurried.deliveries()}
            until(lambda: not on_the_way(), "les mails confiés à Exchange")
            after = {delivery["key"] for delivery in hurried.deliveries()}
            assert after <= allowed
            assert len(after - known) <= taken.entrusted
            assert not Mailing.objects.filter(mail__status="queued").exists()
            decisions.resume(batch, by="camille", at=NINE)
        until(lambda: Mailing.objects.filter(step=1, mail__status="sent").count() == 30, "tous les mails")
    assert Counter(delivery["to"] for delivery in hurried.deliveries()) == dict.fromkeys(
        Move.objects.values_list("mailbox__address", flat=True), 1
    )


def test_whatever_people_do_while_mails_leave_none_leaves_twice_and_none_is_lost(hurried):
    """Suspended, resumed, postponed, moved, planned anew, for a while and at random; then left to end."""
    chance = random.Random(20241007)
    first, later = BatchFactory(number=1), BatchFactory(number=2, by_hand=True, **LATER)
    for _ in range(16):
        MoveFactory(batch=first)
    MoveFactory(batch=later)

    def batch_deed() -> object:
        batch = Batch.objects.get(pk=first.pk)
        if batch.status == Batch.Status.PAUSED:
            return decisions.resume(batch, by="camille", at=NINE)
        return decisions.pause(batch, by="camille", at=NINE, note="")

    def box_deed() -> object:
        move = chance.choice(list(Move.objects.live().filter(batch=first).order_by("pk")))
        if move.paused_at:
            return steering.resume_move(move, by="camille", at=NINE)
        if chance.random() < 0.5:
            return steering.pause_move(move, by="camille", at=NINE, why="congé")
        return steering.postpone(move, to=later, by="camille", at=NINE, why="congé")

    def night_deed() -> object:
        night = chance.choice([date(2024, 11, 7), date(2024, 11, 13)])
        return corrections.move_dates(
            Batch.objects.get(pk=first.pk),
            night_on=night,
            mail3_on=date(2024, 11, 6),
            by="camille",
            at=NINE,
            why="congé",
        )

    def plan() -> object:
        return planning.apply(first.campaign, at=NINE)

    with at_work():
        until(lambda: hurried.counts()["delivered"], "un premier mail")  # a batch that has begun is not planned anew
        for _ in range(6):
            for deed in (batch_deed, box_deed, night_deed, plan, box_deed):
                with suppress(Refusal):
                    deed()
            time.sleep(0.03)
        for batch in Batch.objects.filter(status="paused"):
            decisions.resume(batch, by="camille", at=NINE)
        for move in Move.objects.live().filter(paused_at__isnull=False):
            steering.resume_move(move, by="camille", at=NINE)
        clock.set_for_every_process(brussels(LATER["mail1_on"], 9), seconds=600)
        Mailing.objects.filter(step=1, held_at__isnull=False).update(held_at=None, held_why="", due_at=NINE)
        Mailing.objects.filter(step=1, mail=None).update(due_at=brussels(LATER["mail1_on"], 9))
        until(
            lambda: (
                not Mailing.objects.filter(step=1, mail=None, move__status="planned").exists() and not on_the_way()
            ),
            "tous les mails 1",
        )
    ours = OutgoingMail.objects.filter(kind=Announcement.kind).values_list("uuid", flat=True)
    announcements = {str(key) for key in ours}
    received = [delivery for delivery in hurried.deliveries() if delivery["key"] in announcements]
    assert Counter(delivery["to"] for delivery in received) == dict.fromkeys(
        Move.objects.values_list("mailbox__address", flat=True), 1
    )
    assert hurried.counts()["by_key_max"] == 1
    for move in Move.objects.live().select_related("batch"):
        assert move.announced_night == move.batch.night_on, "chacun a lu la nuit de son lot"


# SEC-K2 to K4


class Killed(BaseException):
    """What a `kill -9` leaves: the transaction under way is rolled back, the ones before it are kept."""


def test_k2_killed_at_any_mailbox_the_batch_resumes_there_and_its_totals_are_counted(monkeypatch):
    """Each mail is the last one of some run; the next run goes on; the figures are those of the rows."""
    batch = BatchFactory()
    for _ in range(50):
        MoveFactory(batch=batch)
    monkeypatch.setattr(sequence, "CHUNK", 1)
    row = Announcement.row
    for _ in range(50):
        calls = iter([False, True])

        def dies_at_the_second(mail: Announcement, *, at, calls=calls) -> OutgoingMail:
            if next(calls):
                raise Killed
            return row(mail, at=at)

        monkeypatch.setattr(Announcement, "row", dies_at_the_second)
        before = Mailing.objects.filter(mail__isnull=False).count()
        with suppress(Killed):
            sequence.advance(at=NINE)
        assert Mailing.objects.filter(mail__isnull=False).count() == before + 1
        assert progress.tallies([batch.pk])[batch.pk].boxes == 50
    monkeypatch.setattr(Announcement, "row", row)
    assert sequence.advance(at=NINE) == 0
    OutgoingMail.objects.update(status="sent", sent_at=NINE, proof="answer")
    assert progress.tallies([batch.pk])[batch.pk].sent[1] == 50 == OutgoingMail.objects.count()


def test_k3_one_mailbox_in_a_hundred_that_fails_stops_no_other_one_in_ten_suspends_the_batch():
    batch = BatchFactory()
    for _ in range(40):
        MoveFactory(batch=batch)
    sequence.advance(at=NINE)
    pks = list(OutgoingMail.objects.order_by("pk").values_list("pk", flat=True))
    OutgoingMail.objects.filter(pk=pks[0]).update(status="failed", claimed_at=NINE)
    sequence.advance(at=NINE)
    assert Batch.objects.get().status == Batch.Status.RUNNING
    assert on_the_way() == 39
    OutgoingMail.objects.filter(pk__in=pks[:4]).update(status="failed", claimed_at=NINE)
    sequence.advance(at=NINE)
    assert Batch.objects.get().status == Batch.Status.PAUSED
    assert on_the_way(kind="migration.announcement") == 0
    assert on_the_way(kind="migration.batch_paused") == 1


def test_k4_the_first_five_leave_then_a_person_lets_the_others_follow():
    batch = BatchFactory(released_at=None, released_by="")
    for position in range(1, 9):
        MoveFactory(batch=batch, position=position)
    assert (sequence.advance(at=NINE), sequence.advance(at=NINE)) == (5, 0)
    decisions.open_to_all(batch, by="camille", at=NINE)
    assert sequence.advance(at=NINE) == 3


@pytest.mark.parametrize("deed", ["pause", "postpone", "move the night"])
def test_what_a_person_changes_while_the_mailings_are_being_read_is_read_again_once_they_are_locked(deed, monkeypatch):
    """The beat's statement has begun and has locked nothing yet: the deed is done, and no stale mail is queued."""
    move = MoveFactory()
    found, is_reading = sequence.ready, threading.Event()

    def slowly(campaign, step, *, at):
        if step == Mailing.Step.ANNOUNCEMENT:
            is_reading.set()
        return found(campaign, step, at=at).extra(where=["pg_sleep(0.4)::text = ''"])

    def act() -> object:
        is_reading.wait(10)
        time.sleep(0.1)
        if deed == "pause":
            return steering.pause_move(move, by="camille", at=NINE, why="congé")
        if deed == "postpone":
            return steering.postpone(move, by="camille", at=NINE, why="congé")
        return corrections.move_dates(move.batch, night_on=date(2024, 11, 14), by="camille", at=NINE, why="congé")

    monkeypatch.setattr(sequence, "ready", slowly)
    queued, _ = together(lambda: sequence.queue_step(move.batch.campaign, 1, at=NINE), act)
    assert queued == 0
    assert not OutgoingMail.objects.exists()
