"""What the desk counts (F19): by team, need, phase, batch and week, and only what one's role may see."""

from datetime import UTC, date, datetime, timedelta

import pytest

from bma_portal import clock
from bma_portal.clock import brussels
from support import figures, sla
from support.tickets.common import targets_of
from tests.factories_holders import DAY, NOON, PasswordResetFactory
from tests.factories_migration import BatchFactory
from tests.factories_tickets import TicketFactory, agent
from tests.support.desk_stage import Desk

pytestmark = pytest.mark.django_db
ASKED = figures.Period(DAY - timedelta(days=60), DAY)


@pytest.fixture(autouse=True)
def noon(db):
    clock.set_for_every_process(NOON)


def by_label(lines):
    return {line.label: line for line in lines}


def test_tickets_are_counted_by_everything_that_they_are_sorted_by():
    batch = BatchFactory(number=7)
    TicketFactory(solved=True, satisfied=True, batch=batch, phase="announced")
    TicketFactory(solved=True, satisfied=False, late=True, reopened=2)
    TicketFactory(closed=True, team="sgne", need="procedure")
    TicketFactory(opened_at=NOON - timedelta(days=7))
    TicketFactory(opened_at=NOON - timedelta(days=90))  # before the period
    TicketFactory(merged=True, subject="Ne compte pas ; celle qu’elle rejoint, oui")
    found = figures.tickets(["etnic", "sgne"], ASKED, at=NOON)
    total = found.total
    assert (total.opened, total.running, total.solved, total.late, total.reopened) == (5, 2, 3, 1, 2)
    assert (total.satisfied, total.opinions, total.satisfaction) == (1, 2, "50\N{NO-BREAK SPACE}%")
    teams = by_label(found.tables["team"])
    assert (teams["ETNIC"].opened, teams["SGNE"].opened) == (4, 1)
    assert [line.label for line in found.tables["week"]] == ["Semaine du 5 octobre 2026", "Semaine du 12 octobre 2026"]
    assert [line.opened for line in found.tables["week"]] == [1, 4]
    assert by_label(found.tables["phase"])["Annoncée"].opened == 1
    batches = by_label(found.tables["batch"])
    assert batches["Sans lot"].opened == 4
    assert sum("lot 7" in name for name in batches) == 1
    for lines in found.tables.values():
        assert sum(line.opened for line in lines) == 5


MOMENTS = [
    (brussels(date(2026, 10, 2), 16, 30), brussels(date(2026, 10, 5), 9, 30)),  # a week-end between
    (brussels(date(2026, 10, 3), 11), brussels(date(2026, 10, 3), 15)),  # on a Saturday
    (brussels(date(2026, 10, 1), 5), brussels(date(2026, 10, 1), 23)),  # before the opening, after the closing
    (brussels(date(2026, 9, 30), 10, 15), brussels(date(2026, 10, 13), 10, 47)),
]


@pytest.mark.parametrize(("opened", "answered"), MOMENTS)
def test_the_time_to_the_first_answer_is_that_of_the_deadlines(opened, answered):
    TicketFactory(opened_at=opened, first_answered_at=answered)
    expected = sla.between(opened, answered, targets_of("etnic", at=NOON).hours)
    assert figures.tickets(["etnic"], ASKED, at=NOON).total.first_minutes == expected


def test_a_holiday_is_no_time_of_work():
    at = brussels(date(2026, 11, 20), 12)
    TicketFactory(opened_at=brussels(date(2026, 11, 10), 16), first_answered_at=brussels(date(2026, 11, 12), 10))
    found = figures.tickets(["etnic"], figures.Period(date(2026, 11, 1), date(2026, 11, 20)), at=at)
    hours = targets_of("etnic", at=at).hours
    assert found.total.first_minutes == sla.between(
        datetime(2026, 11, 10, 15, tzinfo=UTC), datetime(2026, 11, 12, 9, tzinfo=UTC), hours
    )
    assert found.total.first_hours.startswith(("2", "3"))


def test_resets_are_counted_by_type_and_passwords_nobody_came_for_are_told():
    PasswordResetFactory(mode=True, shown=True, path="mode")
    PasswordResetFactory(ready=True, pickup_expires_at=NOON - timedelta(hours=1))
    PasswordResetFactory(ready=True, pickup_expires_at=NOON + timedelta(hours=1))
    PasswordResetFactory(refused=True)
    lines = by_label(figures.resets(ASKED, at=NOON))
    mode, other = lines["MODE"], lines["hors MODE"]
    assert (mode.asked, mode.shown, mode.unread) == (1, 1, 0)
    assert (other.asked, other.waiting, other.unread, other.refused) == (3, 2, 1, 1)


def test_a_team_sees_the_numbers_of_its_role():
    TicketFactory(need="technique")
    TicketFactory(team="priminfo", need="panne")
    PasswordResetFactory(mode=True, shown=True, path="mode")
    page = Desk(agent("etnic"))(path="/desk/chiffres/")
    page.assert_sound()
    assert "2 demandes reçues" in page.text
    assert "2 encore en cours" in page.text
    assert "ouverte" not in page.text
    assert "Nouveaux mots de passe" in page.text
    assert "1 demande reçue" in Desk(agent("sgne"))("de=priminfo", path="/desk/chiffres/").text
    page = Desk(agent("priminfo"))("de=etnic", path="/desk/chiffres/")
    page.assert_sound()
    assert "1 demande reçue" in page.text
    assert "autre souci technique" not in page.text
    assert "mots de passe" not in page.text
    assert "Aucune demande n’a été reçue" in Desk(agent("enseignement_be"))(path="/desk/chiffres/").text


def test_a_period_is_what_was_asked_as_far_as_it_makes_sense():
    assert figures.period("", "", at=NOON) == figures.Period(DAY - timedelta(days=83), DAY)
    assert figures.period("2026-10-01", "2026-10-02", at=NOON) == figures.Period(date(2026, 10, 1), date(2026, 10, 2))
    assert figures.period("2026-10-09", "2026-10-02", at=NOON).start == date(2026, 10, 2)
    assert figures.period("2002-01-01", "2099-01-01", at=NOON).end == DAY
    assert figures.period("1000000000", "0000-00-00", at=NOON).end == DAY
