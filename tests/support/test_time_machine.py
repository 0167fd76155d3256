"""« Que voyait ce titulaire ? »: any mailbox, any moment, nothing written, an address to share (H2)."""

from datetime import date, timedelta

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import Mailbox
from bma_portal.clock import brussels
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import decisions, sequence
from migration.models import Batch, Move
from support.time_machine import moves_as_of, seen_by
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, MoveFactory, night_result
from tests.support.staff_stage import reader

pytestmark = pytest.mark.django_db


def on(day: int, month: int = 11, hour: int = 12):
    return brussels(date(2024, month, day), hour)


def number(mailbox: Mailbox) -> str:
    return mailbox.address.partition("@")[0]


@pytest.fixture
def migrated() -> Move:
    return MoveFactory(batch__establishments=True, migrated=True)


@pytest.mark.parametrize(
    ("day", "phase"),
    [
        (on(1), "not_started"),
        (on(4), "announced"),
        (on(15), "credentials_sent"),
        (on(4, 12), "confirmed"),
        (on(6, 12), "migrated"),
    ],
)
def test_each_day_shows_the_phase_the_step_and_the_route_of_that_day(migrated, day, phase):
    seen = seen_by(Mailbox.objects.select_related("organisation").get(), at=day)
    assert seen.status.phase == phase
    answers = {line.need.slug: line.route for line in seen.answers}
    assert answers["ancien-mot-de-passe"] is None or answers["ancien-mot-de-passe"].reason
    assert (
        len([line for line in seen.mails if line.readable])
        == {
            "not_started": 0,
            "announced": 1,
            "credentials_sent": 2,
            "confirmed": 3,
            "migrated": 4,
        }[phase]
    )


def test_a_batch_is_seen_as_it_stood_then_not_as_it_stands():
    batch = BatchFactory(status=Batch.Status.DRAFT, released_at=None)
    move = MoveFactory(batch=batch)
    box = Mailbox.objects.select_related("organisation").get()
    sequence.approve(batch, by="sgne", at=on(1, 10))
    decisions.pause(batch, by="sgne", at=on(3, 10), note="Service Desk débordé")
    decisions.cancel(Batch.objects.get(), by="sgne", at=on(5, 10), note="à replanifier")
    statuses = [
        (day, found.batch.status, found.status)
        for day in (1, 2, 4, 6)
        for found in moves_as_of(box, at=on(day, 10) - timedelta(hours=6))
    ]
    assert statuses == [
        (1, "draft", "planned"),
        (2, "approved", "planned"),
        (4, "paused", "planned"),
        (6, "cancelled", "cancelled"),
    ]
    assert seen_by(box, at=on(1, 10, 6)).status.night_on is None, "un brouillon ne promet rien"
    assert seen_by(box, at=on(2, 10)).status.night_on == batch.night_on
    assert seen_by(box, at=on(4, 10)).status.suspended
    move.refresh_from_db()
    assert move.status == Move.Status.CANCELLED


def test_the_page_answers_by_its_address_alone_and_writes_nothing(migrated):
    client = reader("SGNE")
    address = f"{reverse('time_machine')}?numero={number(migrated.mailbox)}&date=2024-11-15"
    before = (AuditEntry.objects.count(), StateChange.objects.count())
    with connection.execute_wrapper(_only_reads):
        page = client.get(address).content.decode()
    assert (AuditEntry.objects.count(), StateChange.objects.count()) == before
    assert "Simulation" in page
    assert "15 novembre 2024" in page
    assert "Le mot de passe de la nouvelle interface a été envoyé" in page
    assert migrated.mailbox.address in page
    again = client.get(address.replace("2024-11-15", "15/11/2024")).content.decode()
    shown, shown_again = (body.partition("<main")[2].partition("</main>")[0] for body in (page, again))
    assert shown_again == shown.replace("2024-11-15", "15/11/2024")


def _only_reads(execute, sql, params, many, context):
    words = sql.lstrip("( ").upper()
    session = "django_session" in sql or "usersessions" in sql
    assert session or words.startswith(("SELECT", "WITH", "SAVEPOINT", "RELEASE")), sql
    return execute(sql, params, many, context)


def test_a_day_to_come_says_that_it_is_foreseen():
    move = MoveFactory(announced=True)
    far = {"numero": number(move.mailbox), "date": "15/11/2098"}
    assert "verrait, d’après ce qui est enregistré aujourd’hui" in (
        reader("ETNIC").get(reverse("time_machine"), far).content.decode()
    )


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"numero": "", "date": ""}, "Indiquez le jour."),
        ({"numero": "ec000001", "date": "31/02/2024"}, "Écrivez le jour comme 15/11/2024."),
        ({"numero": "ec000001", "date": "15/11/0001"}, "Donnez une année entre 2000 et 2099."),
        ({"numero": "ec000001", "date": "15/11/2024", "heure": "25:99"}, "Écrivez l’heure comme 9:30."),
        ({"numero": "ec999999", "date": "15/11/2024"}, "999999"),
        ({"numero": "x" * 5000, "date": "9" * 5000}, "Écrivez le jour"),
        ({"numero": "\0", "date": "\0"}, "Écrivez le jour"),
    ],
)
def test_what_cannot_be_read_is_said_and_kept(typed, said):
    page = reader("SGNE").get(reverse("time_machine"), typed).content.decode()
    assert "<title>Erreur : " in page
    assert said in page


def test_the_same_digits_for_two_units_are_told_apart():
    box = MailboxFactory()
    other = MailboxFactory(po=True, organisation__fase=box.organisation.fase)
    typed = {"numero": str(box.organisation.fase), "date": "15/11/2024"}
    page = reader("SGNE").get(reverse("time_machine"), typed).content.decode()
    assert number(box) in page
    assert number(other) in page


def test_reading_costs_the_same_however_long_the_history(migrated, django_assert_max_num_queries):
    box = Mailbox.objects.select_related("organisation").get()
    with django_assert_max_num_queries(14):
        seen_by(box, at=night_result(migrated.batch))
