"""Statements that PostgreSQL keeps planned: the same answer whatever its sessions know of them."""

import sys
import threading

import pytest
from django.db import ProgrammingError, connection, transaction

from accounts.models import Organisation
from bma_portal import planned
from bma_portal.limits import Limit, exceeded_by
from bma_portal.planned import Place, Plan
from bma_portal.prepared import Prepared
from tests.factories import OrganisationFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent():
    """What goes to the server."""
    found: list[str] = []

    def note(execute, sql, params, many, context):
        found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


@pytest.fixture
def doubled() -> Plan:
    """Its words are this test's alone: no other has prepared it."""
    return Plan("SELECT %s * 2, '100 %%'", [Place(0)], ["int"])


def words(sent: list[str]) -> list[str]:
    """What each statement begins with."""
    return [sql.split(" ", 1)[0] for sql in sent]


def forget() -> None:
    """As another session of a pooler, which knows none of them."""
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


def test_it_is_planned_once_a_session(doubled, sent):
    forget()
    sent.clear()
    assert [doubled.fetch([n]) for n in (2, 21, -1)] == [[(4, "100 %")], [(42, "100 %")], [(-2, "100 %")]]
    assert words(sent) == ["PREPARE", "EXECUTE", "EXECUTE"]


def test_a_session_that_does_not_know_it_is_told(doubled, sent):
    assert doubled.fetch([1]) == [(2, "100 %")]
    forget()
    sent.clear()
    assert [doubled.fetch([n])[0][0] for n in (2, 3)] == [4, 6]
    assert words(sent) == ["EXECUTE", "PREPARE", "EXECUTE"]


def test_a_session_that_another_told_already_just_runs_it(doubled, sent):
    assert doubled.fetch([1]) == [(2, "100 %")]
    planned._known.clear()  # a new process of the portal, behind the same pooler
    sent.clear()
    assert [doubled.fetch([n])[0][0] for n in (2, 3)] == [4, 6]
    assert words(sent) == ["PREPARE", "EXECUTE", "EXECUTE"]


def test_a_column_that_changed_its_type_costs_nothing(sent):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE essai (a int)")
        cursor.execute("INSERT INTO essai VALUES (7)")
    try:
        plan = Plan("SELECT a FROM essai WHERE a > %s", [Place(0)], ["int"])
        assert plan.fetch([1]) == plan.fetch([2]) == [(7,)]
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE essai ALTER a TYPE bigint")
        sent.clear()
        assert [plan.fetch([n]) for n in (1, 2)] == [[(7,)], [(7,)]]
        assert words(sent) == ["EXECUTE", "PREPARE", "DEALLOCATE", "EXECUTE"]  # and then as if nothing had changed
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE essai")


def test_within_a_transaction_nothing_is_tried(doubled, sent):
    forget()
    with transaction.atomic():
        sent.clear()
        assert doubled.fetch([4]) == [(8, "100 %")]
        assert words(sent) == ["SELECT"]


def test_another_fault_is_not_tried_again(sent):
    plan = Plan("SELECT 1 / %s", [Place(0)], ["int"])
    assert plan.fetch([1]) == [(1,)]
    sent.clear()
    with pytest.raises(Exception, match="division by zero"):
        plan.fetch([0])
    assert words(sent) == ["EXECUTE"]
    with pytest.raises(ProgrammingError):
        Plan("SELECT missing FROM nowhere", [], []).fetch([])


def test_a_use_is_counted_once_whatever_the_session_knows():
    limit = Limit("essai", 2, 3600)
    assert exceeded_by("a", limit) == 0
    forget()
    assert exceeded_by("a", limit) == 0
    planned._known.clear()
    assert exceeded_by("a", limit) > 0  # the third


def test_a_queryset_finds_the_same_planned_or_not(sent):
    units = [OrganisationFactory(with_po=True, mailbox=True, name=f"École de l’Essai {n} 100 %s") for n in range(8)]
    asked = Prepared(
        lambda names, kind: (
            Organisation.objects.filter(name__in=names, kind=kind).select_related("po", "mailbox").order_by("pk")
        )
    )
    for unit in units:  # beyond the five times after which a plan may be kept for every value
        [found] = asked(names=[unit.name, "'; DROP TABLE x"], kind="ec")
        assert (found, found.po, found.mailbox.address) == (unit, unit.po, unit.mailbox.address)
        with transaction.atomic():
            assert asked(names=[unit.name, "'; DROP TABLE x"], kind="ec") == [unit]
    assert words(sent).count("PREPARE") == 1


def test_several_threads_meet_at_the_first_use():
    plans = [Plan(f"SELECT %s, '{n}', '{'x' * 3000}'", [Place(0)], ["int"]) for n in range(60)]
    wrong: list[BaseException] = []
    barrier = threading.Barrier(4)

    def client() -> None:
        try:
            for n, plan in enumerate(plans):
                barrier.wait(20)
                assert plan.fetch([7])[0][:2] == (7, str(n))
        except BaseException as error:
            wrong.append(error)
            barrier.abort()
        finally:
            connection.close()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert wrong == []


def test_a_percent_is_a_percent_where_there_is_no_value():
    plan = Plan("SELECT '100 %%'", [], [])
    assert plan.fetch([]) == [("100 %",)]
    with transaction.atomic():
        assert plan.fetch([]) == [("100 %",)]
