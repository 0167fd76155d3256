"""Whether a team is there, and when it will be: nights, week-ends, public holidays, the two changes of clocks."""

from datetime import UTC, date, datetime, time
from importlib import import_module

import pytest
from django.apps import apps

from accounts.contacts import Opening, opening_of
from accounts.models import Contact
from bma_portal.clock import brussels
from support.contacts import contacts_on
from tests.factories import ContactFactory

NBSP = "\N{NO-BREAK SPACE}"
DESK = Contact(team="etnic", name="Service Desk", email="support@etnic.be", opens_at=time(8), closes_at=time(17))

HOURS = [
    # day, hour, minute → what is said, and until when that holds
    (date(2024, 11, 8), 7, 59, "ouvre aujourd’hui à 8 h", brussels(date(2024, 11, 8), 8)),
    (date(2024, 11, 8), 8, 0, "ouvert jusqu’à 17 h", brussels(date(2024, 11, 8), 17)),
    (date(2024, 11, 8), 16, 59, "ouvert jusqu’à 17 h", brussels(date(2024, 11, 8), 17)),
    # Friday at closing: Monday 11 November is a public holiday
    (date(2024, 11, 8), 17, 0, "ouvre mardi à 8 h", brussels(date(2024, 11, 12), 8)),
    (date(2024, 11, 15), 17, 0, "ouvre lundi à 8 h", brussels(date(2024, 11, 18), 8)),
    (date(2024, 11, 16), 10, 0, "ouvre lundi à 8 h", brussels(date(2024, 11, 18), 8)),
    (date(2024, 11, 17), 23, 59, "ouvre demain à 8 h", brussels(date(2024, 11, 18), 8)),
    (date(2024, 11, 18), 0, 0, "ouvre aujourd’hui à 8 h", brussels(date(2024, 11, 18), 8)),
    (date(2024, 11, 10), 12, 0, "ouvre mardi à 8 h", brussels(date(2024, 11, 12), 8)),
    (date(2024, 11, 11), 12, 0, "ouvre demain à 8 h", brussels(date(2024, 11, 12), 8)),
    (date(2024, 11, 12), 17, 0, "ouvre demain à 8 h", brussels(date(2024, 11, 13), 8)),
    # Christmas 2026 is a Friday
    (date(2026, 12, 24), 17, 0, "ouvre lundi à 8 h", brussels(date(2026, 12, 28), 8)),
]


@pytest.mark.parametrize(("day", "hour", "minute", "sentence", "changes_at"), HOURS)
def test_the_next_opening_skips_nights_week_ends_and_public_holidays(day, hour, minute, sentence, changes_at):
    opening = opening_of(DESK, brussels(day, hour, minute))
    assert opening == Opening(sentence.startswith("ouvert"), changes_at, sentence.replace(" h", f"{NBSP}h"))


@pytest.mark.parametrize(
    ("friday", "utc_hour_of_opening"),
    [
        (date(2024, 3, 29), 6),  # summer time on Sunday 31; Monday 1 April is Easter Monday, so Tuesday the 2nd
        (date(2024, 10, 25), 7),  # winter time on Sunday 27
        (date(2025, 3, 28), 6),
        (date(2025, 10, 24), 7),
    ],
)
def test_a_change_of_clocks_over_the_week_end_keeps_the_hour_on_the_wall(friday, utc_hour_of_opening):
    opening = opening_of(DESK, brussels(friday, 17))
    assert opening.changes_at.hour == utc_hour_of_opening
    assert opening.changes_at.weekday() == (1 if friday == date(2024, 3, 29) else 0)
    assert opening.sentence.endswith(f"à 8{NBSP}h")


@pytest.mark.parametrize("hour", [0, 1, 2])
def test_the_hour_that_is_lived_twice_is_closed_both_times(hour):
    at = datetime(2024, 10, 27, hour, 30, tzinfo=UTC)  # 2:30, 2:30 again, 3:30 in Brussels
    assert opening_of(DESK, at).changes_at == brussels(date(2024, 10, 28), 8)


def test_half_hours_are_said_and_unknown_hours_say_nothing():
    short = Contact(team="sgne", opens_at=time(8, 30), closes_at=time(12, 5))
    assert opening_of(short, brussels(date(2024, 11, 8), 9)).sentence == f"ouvert jusqu’à 12{NBSP}h{NBSP}05"
    assert opening_of(short, brussels(date(2024, 11, 8), 13)).sentence == "ouvre mardi à 8 h 30".replace(
        " h", f"{NBSP}h"
    ).replace("h ", f"h{NBSP}")
    assert opening_of(Contact(team="sgne"), brussels(date(2024, 11, 8), 9)) is None


@pytest.mark.django_db
class TestInTheTable:
    def migration(self):
        return import_module("accounts.migrations.0005_contact_hours")

    def test_the_service_desk_has_the_hours_of_the_documents(self):
        Contact.objects.all().delete()
        import_module("accounts.migrations.0002_contacts").add(apps, None)
        self.migration().add(apps, None)
        hours = {c.team: (c.opens_at, c.closes_at) for c in Contact.objects.all()}
        assert hours.pop("etnic") == (time(8), time(17))
        assert set(hours.values()) == {(None, None)}
        self.migration().remove(apps, None)
        assert Contact.objects.get(team="etnic").opens_at is None

    def test_what_staff_wrote_since_is_theirs(self):
        Contact.objects.all().delete()
        theirs = ContactFactory(team="etnic", source="note du 3 mars", hours="Du lundi au vendredi de 8 h à 17 h")
        self.migration().add(apps, None)
        theirs.refresh_from_db()
        assert theirs.opens_at is None

    def test_a_page_s_contacts_say_whether_they_are_there(self):
        Contact.objects.filter(team="etnic").update(opens_at=time(8), closes_at=time(17))
        found = contacts_on(brussels(date(2024, 11, 8), 17))
        assert found["etnic"].opening.sentence == f"ouvre mardi à 8{NBSP}h"
        assert found["sgne"].opening is None

    def test_the_foot_of_a_page_says_it(self, client):
        from bma_portal import clock

        clock.set_for_every_process(brussels(date(2024, 11, 8), 10))
        text = client.get("/ma-boite/etat/").content.decode()
        assert f"Ouvert jusqu’à 17{NBSP}h" in text
