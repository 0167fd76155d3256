"""The dry run of a batch says what `sequence` then does, event by event, and writes nothing."""

from datetime import date, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import credentials
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from bma_portal.states import StateChange
from demo.directory import MemoryDirectory
from migration import cutover, decisions, planning, rehearsal, sequence
from migration.models import Batch, Mailing, Move
from migration.rehearsal import Event
from migration.results_file import Result
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, deliver

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 10, 4), 10)


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield
    MemoryDirectory.forget()


@pytest.fixture
def batch():
    """A draft of six mailboxes: 7, 14 October, 5 November 2024, night of the 7th."""
    batch = BatchFactory(status=Batch.Status.DRAFT, released_at=None, released_by="", approved_by="", approved_at=None)
    planning.fill(batch.campaign, batch, [MailboxFactory(po=True).pk for _ in range(6)])
    return batch


def start(batch, at=AT) -> None:
    decisions.approve(batch, by="ada", at=at)
    decisions.open_to_all(batch, by="ada", at=at)


def tick(at: datetime) -> None:
    """What beat and the workers do at a moment; Exchange accepts everything at once."""
    sequence.advance(at=at)
    if credentials.pending().exists():
        credentials.set_passwords(at=at)
        sequence.advance(at=at)
    OutgoingMail.objects.filter(status="queued").update(status="sent", sent_at=at, proof="answer")


def walk(batch, rehearsed: list[Event], first: datetime, *, until: datetime | None = None) -> None:
    """The minute before each moment of the rehearsal, that moment and the hour after; results as the night ends."""
    _, night_ends = batch.campaign.night(batch.night_on)
    around = (-timedelta(minutes=1), timedelta(0), timedelta(hours=1))
    moments = {event.at + shift for event in rehearsed for shift in around}
    for at in sorted(moment for moment in moments if first <= moment and (until is None or moment < until)):
        if at == night_ends:
            four_left = batch.moves.filter(mailings__step=4, mailings__mail__isnull=False, status=Move.Status.PLANNED)
            results = [Result(move.mailbox.address, True) for move in four_left.select_related("mailbox")]
            if results:
                cutover.record(results, by="etnic", at=at)
        tick(at)


def happened(batch, since: datetime) -> list[Event]:
    """What the tables say was done from then on, in the words of the rehearsal."""
    found = [
        Event(mailing.mail.queued_at, "mail", step=mailing.step, address=mailing.move.mailbox.address)
        for mailing in Mailing.objects.filter(move__batch=batch, mail__queued_at__gte=since).select_related(
            "mail", "move__mailbox"
        )
    ]
    addresses = dict(batch.moves.values_list("pk", "mailbox__address"))
    of_batch = Q(object_type="migration.batch", object_id=batch.pk)
    of_moves = Q(object_type="migration.move", object_id__in=addresses)
    by_itself = ["approved", "running", "planned"]  # the rest are decisions
    changes = StateChange.objects.filter(of_batch | of_moves, at__gte=since, old__in=by_itself)
    for change in changes:
        what = change.object_type.rpartition(".")[2]
        address = addresses[change.object_id] if what == "move" else ""
        found.append(Event(change.at, what, old=change.old, new=change.new, address=address))
    return sorted(found)


def test_the_rehearsal_is_what_then_happens(batch):
    rehearsed = rehearsal.events(batch, at=AT)
    start(batch)
    walk(batch, rehearsed, AT)
    assert rehearsed == happened(batch, AT)
    assert [event.what for event in rehearsed].count("mail") == 24
    assert [event.what for event in rehearsed].count("move") == 6
    batch.refresh_from_db()
    assert batch.status == Batch.Status.FINISHED
    assert rehearsal.events(batch, at=brussels(date(2024, 11, 10), 9)) == []


@pytest.mark.parametrize(
    "at",
    [
        brussels(date(2024, 10, 8), 15),  # a day late: mail 1 leaves now, mail 2 waits its week
        brussels(date(2024, 10, 8), 20),  # the desk is closed: mail 1 leaves the morning after
        brussels(date(2024, 10, 9), 8),
    ],
)
def test_a_batch_that_starts_late_follows_its_spacings(batch, at):
    rehearsed = rehearsal.events(batch, at=at)
    start(batch, at=at)
    walk(batch, rehearsed, at)
    assert rehearsed == happened(batch, at)
    days = {event.step: event.at for event in rehearsed if event.what == "mail"}
    assert (days[2].date() - days[1].date()).days >= 7
    assert (days[3].date() - days[2].date()).days >= 21


def test_in_the_middle_of_its_way_too(batch):
    start(batch)
    at = brussels(date(2024, 10, 20), 12)
    walk(batch, rehearsal.events(batch, at=AT), AT, until=at)
    rehearsed = rehearsal.events(batch, at=at)
    assert {event.step for event in rehearsed if event.what == "mail"} == {3, 4}
    walk(batch, rehearsed, at)
    assert rehearsed == happened(batch, at)


def test_what_is_too_late_waits_for_a_person(batch):
    at = brussels(date(2024, 10, 14), 10)
    rehearsed = rehearsal.events(batch, at=at)
    start(batch, at=at)
    walk(batch, rehearsed, at)
    assert {event.what for event in rehearsed} == {"held"}
    held = Mailing.objects.filter(move__batch=batch, held_at__isnull=False).select_related("move__mailbox")
    assert {(event.step, event.address) for event in rehearsed} == {(m.step, m.move.mailbox.address) for m in held}
    assert {event.at.date() for event in rehearsed} == {m.held_at.date() for m in held}


def test_a_mailbox_that_is_paused_red_or_already_told_goes_its_own_way(batch):
    paused, red, told, *others = batch.moves.order_by("position")
    Move.objects.filter(pk=paused.pk).update(paused_at=AT, paused_by="sgne", paused_why="Congé du titulaire.")
    Move.objects.filter(pk=red.pk).update(on_old_server=False)
    earlier = MoveFactory(
        mailbox=told.mailbox, credentials_sent=True, status=Move.Status.FAILED, batch__status="finished_errors"
    )
    told.mailings.filter(step__lte=2).delete()  # as a new batch writes it
    OutgoingMail.objects.filter(mailing__move=earlier).update(sent_at=AT - timedelta(days=40))
    rehearsed = rehearsal.events(batch, at=AT)
    mails = {event.address: set() for event in rehearsed if event.address}
    for event in rehearsed:
        if event.what == "mail":
            mails[event.address].add(event.step)
    assert paused.mailbox.address not in mails
    assert mails[red.mailbox.address] == {1, 2, 3}
    assert mails[told.mailbox.address] == {3, 4}
    assert mails[others[0].mailbox.address] == {1, 2, 3, 4}
    assert [event.step for event in rehearsed if event.what == "held"] == [4]
    assert not any(event.what == "batch" and event.new == "finished" for event in rehearsed)


def test_a_mail_that_came_back_stops_its_mailbox(batch):
    move = batch.moves.first()
    deliver(move.mailings.get(step=1), AT)
    OutgoingMail.objects.update(bounced_at=AT)
    rehearsed = rehearsal.events(batch, at=AT)
    assert {event.what for event in rehearsed if event.address == move.mailbox.address} == {"held"}


# The page


def test_the_page_lists_each_event_and_writes_nothing(batch, signed_in):
    clock.set_for_every_process(AT)
    client, url = signed_in("auditeur"), reverse("admin:migration_batch_rehearsal", args=[batch.pk])
    with CaptureQueriesContext(connection) as asked:
        response = client.get(url)
    clock.release()
    page = response.content.decode().replace("\xa0", " ")
    for words in ("lundi 7 octobre 2024, 09:00", "mail 1 : annonce part", "jeudi 7 novembre 2024, 22:00",
                  "vendredi 8 novembre 2024, 06:00", "le lot passe à « en cours »", "le lot passe à « terminé »",
                  batch.moves.first().mailbox.address):  # fmt: skip
        assert words in page
    assert page.index("« en cours »") < page.index("mail 1 : annonce part")
    assert page.index("passent à « migrée »") < page.index("« terminé »")
    written = [query["sql"] for query in asked if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert [sql for sql in written if "session" not in sql] == []
    assert len(asked) <= 14
    batch.refresh_from_db()
    assert batch.status == Batch.Status.DRAFT


def test_the_page_asks_as_many_questions_for_many_mailboxes(batch, signed_in):
    client, url = signed_in("sgne"), reverse("admin:migration_batch_rehearsal", args=[batch.pk])

    def questions() -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(url)
        return len(asked)

    questions()
    few = questions()
    for n in range(12):
        MoveFactory(batch=batch, position=100 + n)
    assert questions() == few


def test_a_batch_that_is_over_says_so(signed_in):
    over = BatchFactory(campaign=CampaignFactory(), status=Batch.Status.CANCELLED)
    page = signed_in("etnic").get(reverse("admin:migration_batch_rehearsal", args=[over.pk])).content.decode()
    assert "n’a plus rien à faire" in page
