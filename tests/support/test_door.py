"""Which form, by unit type, phase and date; the day before and the day after each boundary (D2, K5, K7)."""

from datetime import date, timedelta

import pytest

from accounts.models import Contact
from bma_portal.clock import brussels
from migration.models import Batch, Mailing
from support.door import Kind, door_for, old_door_for
from support.status import status_of
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import MoveFactory

pytestmark = pytest.mark.django_db
MODE, OUT, PERSON = Kind.MODE, Kind.HORS_MODE, Kind.PERSON

# What the documents say by type: on the last day of October 2024's rules, and on the first of September 2025's (K7).
TYPES = [
    (["Maternel ordinaire", "Primaire ordinaire"], MODE, MODE),
    (["Secondaire ordinaire"], MODE, MODE),
    (["CPMS"], OUT, MODE),
    (["CTA"], OUT, OUT),
    (["Enseignement secondaire pour Adultes"], PERSON, MODE),
    (["CDPA"], OUT, PERSON),
    (["Université", "Primaire ordinaire"], MODE, MODE),
    (["Type jamais vu"], PERSON, PERSON),
]
IN_MODE = {"mailbox__organisation__unit_types": ["Primaire ordinaire"]}
LAST_OF_2024_RULES, FIRST_OF_2025_RULES = date(2025, 8, 31), date(2025, 9, 1)


def of_type(types, **facts):
    batch_of_schools = {"batch__establishments": True, "mailbox__organisation__unit_types": types}
    return MoveFactory(**batch_of_schools, **facts).mailbox


@pytest.mark.parametrize(("types", "before", "after"), TYPES)
@pytest.mark.parametrize(
    ("facts", "day"),
    [
        ({"credentials_sent": True}, date(2024, 11, 13)),
        ({"confirmed": True}, date(2024, 12, 4)),
        ({"migrated": True}, date(2024, 12, 6)),
        ({"migrated": True}, date(2025, 4, 24)),
        ({"migrated": True}, date(2025, 4, 25)),
        ({"migrated": True}, LAST_OF_2024_RULES),
    ],
)
def test_once_mail_2_is_delivered_the_type_decides_by_the_rules_of_october_2024(types, before, after, facts, day):
    door = door_for(of_type(types, **facts), at=brussels(day, 12))
    assert door.kind == before
    assert door.source
    assert door.sentence.endswith(".")


@pytest.mark.parametrize(("types", "before", "after"), TYPES)
def test_the_circular_of_2025_changes_the_answer_from_its_first_day(types, before, after):
    mailbox = of_type(types, migrated=True)
    assert door_for(mailbox, at=brussels(LAST_OF_2024_RULES, 23, 59)).kind == before
    assert door_for(mailbox, at=brussels(FIRST_OF_2025_RULES)).kind == after


@pytest.mark.parametrize("types", [types for types, _, _ in TYPES])
@pytest.mark.parametrize("facts", [{}, {"announced": True}])
@pytest.mark.parametrize("day", [date(2024, 11, 3), date(2024, 11, 12), date(2024, 12, 20)])
def test_before_mail_2_is_delivered_no_type_has_a_form(types, facts, day):
    door = door_for(of_type(types, **facts), at=brussels(day, 8))
    assert door.kind == Kind.NOT_ISSUED
    assert door.form is None
    assert door.expected_on == date(2024, 11, 12)


def test_the_form_opens_at_the_minute_mail_2_is_delivered():
    mailbox = MoveFactory(credentials_sent=True, **IN_MODE).mailbox
    delivered = brussels(date(2024, 10, 14), 9, 5)
    before = door_for(mailbox, at=delivered - timedelta(minutes=1))
    assert before.kind == Kind.NOT_ISSUED
    assert before.expected_on == date(2024, 10, 14)
    assert door_for(mailbox, at=delivered).form == "reset_mode"


def test_a_mail_2_that_came_back_was_not_issued():
    move = MoveFactory(credentials_sent=True, **IN_MODE)
    mail = move.mailings.get(step=Mailing.Step.CREDENTIALS).mail
    mail.bounced_at = brussels(date(2024, 10, 15), 9)
    mail.save(update_fields=["bounced_at"])
    assert door_for(move.mailbox, at=brussels(date(2024, 10, 14), 12)).kind == MODE
    assert door_for(move.mailbox, at=brussels(date(2024, 10, 15), 12)).kind == Kind.NOT_ISSUED


SENTENCES = [
    ({}, {}, date(2024, 10, 6), "il est prévu le lundi 14 octobre 2024", date(2024, 10, 14)),
    ({"announced": True}, {}, date(2024, 10, 14), "il est prévu le lundi 14 octobre 2024", date(2024, 10, 14)),
    ({"announced": True}, {}, date(2024, 10, 15), "il était prévu le lundi 14 octobre 2024", date(2024, 10, 14)),
    ({"announced": True}, {"batch__status": Batch.Status.PAUSED}, date(2024, 10, 9), "est suspendu", None),
    ({}, {"batch__status": Batch.Status.DRAFT}, date(2024, 10, 1), "entre le 7 octobre 2024 et le 31 octobre", None),
    ({}, {"batch__status": Batch.Status.DRAFT}, date(2024, 11, 1), "n’est pas encore parti", None),
]


@pytest.mark.parametrize(("facts", "batch", "day", "words", "told"), SENTENCES)
def test_what_is_not_issued_yet_says_when_as_far_as_that_may_be_told(facts, batch, day, words, told):
    door = door_for(MoveFactory(**facts, **batch).mailbox, at=brussels(day, 12))
    assert (door.kind, door.expected_on) == (Kind.NOT_ISSUED, told)
    assert words in door.sentence
    assert "§5 (S1)" in door.source


def test_once_the_old_server_is_closed_even_a_mailbox_without_a_recorded_migration_has_a_form():
    mailbox = MailboxFactory()
    assert door_for(mailbox, at=brussels(date(2025, 4, 24), 23, 59)).kind == Kind.NOT_ISSUED
    assert door_for(mailbox, at=brussels(date(2025, 4, 25))).kind == MODE


def test_a_closed_unit_has_no_door_from_the_day_it_closes_and_names_its_heir():
    heir = OrganisationFactory(mailbox=True, name="École réunie")
    move = MoveFactory(migrated=True, **IN_MODE)
    unit = move.mailbox.organisation
    unit.closed_on, unit.successor = date(2025, 9, 1), heir
    unit.save()
    assert door_for(move.mailbox, at=brussels(date(2025, 8, 31), 23, 59)).kind == MODE
    door = door_for(move.mailbox, at=brussels(date(2025, 9, 1)))
    assert (door.kind, door.form) == (Kind.CLOSED, None)
    assert "fermé depuis le 1er septembre 2025" in door.sentence
    assert "École réunie" in door.sentence


def test_a_unit_taken_over_without_a_date_leads_to_its_heir_too():
    gone = OrganisationFactory(mailbox=True, successor=OrganisationFactory(name="École réunie"))
    door = door_for(gone.mailbox, at=brussels(date(2024, 11, 15)))
    assert door.kind == Kind.CLOSED
    assert "École réunie" in door.sentence


def test_each_kind_of_door_leads_to_its_form_or_to_none():
    forms = {kind: door.form for kind in Kind for door in [_door(kind)]}
    assert forms == {
        Kind.MODE: "reset_mode",
        Kind.HORS_MODE: "reset_hors_mode",
        Kind.PERSON: "reset_hors_mode",
        Kind.NOT_ISSUED: None,
        Kind.CLOSED: None,
    }


def _door(kind):
    from support.door import Door

    return Door(kind, "Une phrase.", "une source")


def test_the_door_writes_nothing_and_asks_little(django_assert_max_num_queries):
    mailbox = MoveFactory(migrated=True).mailbox
    with django_assert_max_num_queries(12) as queries:
        door_for(mailbox, at=brussels(date(2025, 9, 2)))
    assert all(q["sql"].lstrip("( ").startswith("SELECT") for q in queries)


# The old interface: the first row of the routing matrix

TEAM = Contact.Team
OLD = [
    ({}, date(2024, 10, 6), TEAM.ENSEIGNEMENT_BE),
    ({"announced": True}, date(2024, 10, 13), TEAM.ENSEIGNEMENT_BE),
    ({"credentials_sent": True}, date(2024, 10, 13), TEAM.ENSEIGNEMENT_BE),
    ({"credentials_sent": True}, date(2024, 10, 14), TEAM.SGNE),
    ({"confirmed": True}, date(2024, 11, 6), TEAM.SGNE),
    ({"sent": 4}, date(2024, 11, 8), TEAM.SGNE),
    ({"failed": True}, date(2024, 11, 9), TEAM.SGNE),
]


@pytest.mark.parametrize(("facts", "day", "team"), OLD)
def test_who_replaces_the_old_password_follows_the_phase(facts, day, team):
    at = brussels(day, 12)
    assert old_door_for(status_of(MoveFactory(**facts).mailbox, at), at=at).team == team


@pytest.mark.parametrize("others_wait", [True, False])
def test_for_a_migrated_mailbox_it_is_sgne_until_all_have_migrated_then_etnic(others_wait):
    mailbox = MoveFactory(migrated=True).mailbox
    if others_wait:
        MoveFactory(announced=True)
    at = brussels(date(2024, 12, 1), 12)
    expected = TEAM.SGNE if others_wait else TEAM.ETNIC
    assert old_door_for(status_of(mailbox, at), at=at).team == expected


@pytest.mark.parametrize("facts", [{}, {"announced": True}, {"confirmed": True}, {"migrated": True}])
def test_nobody_replaces_it_from_the_day_the_old_server_closes(facts):
    mailbox = MoveFactory(**facts).mailbox
    last, first = brussels(date(2025, 4, 24), 23, 59), brussels(date(2025, 4, 25))
    assert old_door_for(status_of(mailbox, last), at=last).team is not None
    assert old_door_for(status_of(mailbox, first), at=first).team is None


def test_enseignement_be_is_not_named_after_mail_4_even_if_mail_2_came_back():
    move = MoveFactory(sent=4)
    mail = move.mailings.get(step=Mailing.Step.CREDENTIALS).mail
    mail.bounced_at = brussels(date(2024, 10, 15), 9)
    mail.save(update_fields=["bounced_at"])
    for at, team in [
        (brussels(date(2024, 11, 7), 12), TEAM.ENSEIGNEMENT_BE),
        (brussels(date(2024, 11, 8), 12), TEAM.SGNE),
    ]:
        assert old_door_for(status_of(move.mailbox, at), at=at).team == team
