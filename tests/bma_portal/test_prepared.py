"""Statements made once: the same rows as the queryset's own, whatever the values; and nothing that is not a value."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from accounts.models import Contact, Organisation
from bma_portal import kept
from bma_portal.mail.models import OutgoingMail
from bma_portal.prepared import Prepared, insert
from tests.factories import OrganisationFactory

pytestmark = pytest.mark.django_db
AT = datetime(2026, 10, 15, 12, tzinfo=UTC)


def test_it_gives_what_the_queryset_gives_with_other_values_each_time(django_assert_num_queries):
    units = [OrganisationFactory(with_po=True, mailbox=True) for _ in range(3)]
    asked = Prepared(
        lambda fase, kinds: Organisation.objects.filter(fase=fase, kind__in=kinds).select_related("po", "mailbox")
    )
    for unit in units:
        with django_assert_num_queries(1):
            [found] = asked(fase=unit.fase, kinds=["ec", "po"])
            assert (found, found.po, found.mailbox) == (unit, unit.po, unit.mailbox)
    assert asked(fase=units[0].fase, kinds=["po"]) == []
    assert asked.first(fase=units[1].fase, kinds=("ec",)) == units[1]
    assert asked(fase=units[0].fase, kinds=[]) == []
    assert len(asked.made) == 3


def test_texts_moments_days_and_nothing_are_values():
    unit = OrganisationFactory(closed_on=date(2026, 1, 31))
    closed = Prepared(
        lambda name, day: Organisation.objects.filter(name=name, closed_on=day).values_list("pk", "name")
    )
    assert closed(name=unit.name, day=date(2026, 1, 31)) == [(unit.pk, unit.name)]
    assert closed(name=unit.name, day=date(2026, 2, 1)) == []
    assert closed(name="§0§", day=date(2026, 1, 31)) == []
    assert closed(name="%s' OR 1=1", day=date(2026, 1, 31)) == []
    open_ = OrganisationFactory()
    assert closed(name=open_.name, day=None) == [(open_.pk, open_.name)]
    queued = Prepared(lambda at: OutgoingMail.objects.filter(queued_at__lte=at))
    row = OutgoingMail.objects.create(key="a", queued_at=AT, to=["a@exemple.test"], sender="sgne", kind="plain")
    assert queued(at=AT) == [row]
    assert queued(at=AT - timedelta(microseconds=1)) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda text: Organisation.objects.filter(name__contains=text),  # part of a pattern
        lambda text: Organisation.objects.filter(name=text.upper() + "x"),
        lambda text: Organisation.objects.all(),  # forgotten
    ],
)
def test_a_value_that_does_not_reach_the_statement_as_it_is_refused(make):
    with pytest.raises(TypeError, match="does not reach"):
        Prepared(make)(text="École")


def test_a_day_made_of_a_moment_is_refused():
    asked = Prepared(lambda at: Organisation.objects.filter(Q(closed_on=at.date()) | Q(phone_recorded_at=at)))
    with pytest.raises(TypeError, match="does not reach"):
        asked(at=AT)


def test_an_insert_is_a_row_like_another():
    unit = OrganisationFactory.build(mailbox=False, fase=77_001)
    unit.search_key = "ecole"
    insert(unit, expressions={"name": ("upper(%s)", ["école"])})
    found = Organisation.objects.get(fase=77_001)
    assert (found.pk, found.name, found.unit_types) == (unit.pk, "ÉCOLE", unit.unit_types)
    unit.locality = "Valfictive"
    unit.save()  # it is known to be in the database
    assert Organisation.objects.get(pk=unit.pk).locality == "Valfictive"
    again = OrganisationFactory.build(mailbox=False, fase=77_001)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(again)
    insert(again, ignore_conflicts=True)
    assert again.pk is None


# Kept rows


def contact(**facts: object) -> Contact:
    return Contact.objects.create(team="sgne", name="A", email="a@exemple.test", **facts)


def test_outside_a_glance_the_database_is_asked():
    assert kept.rows(Contact) is None


def test_rows_are_read_again_when_one_changed_and_only_then(django_assert_num_queries):
    Contact.objects.all().delete()
    row = contact()
    with kept.glance():
        assert kept.rows(Contact) == [row]
    with django_assert_num_queries(1), kept.glance(), kept.glance():
        assert [found.name for found in kept.rows(Contact)] == ["A"]
    for change in (
        lambda: Contact.objects.filter(pk=row.pk).update(name="B"),
        lambda: Contact.objects.filter(pk=row.pk).update(name="C"),  # twice in one transaction
        lambda: contact(valid_from=date(2026, 1, 1)),
        lambda: Contact.objects.filter(pk=row.pk).delete(),
    ):
        change()
        with kept.glance():
            assert [found.name for found in kept.rows(Contact)] == list(
                Contact.objects.order_by("pk").values_list("name", flat=True)
            )


def test_a_change_that_is_rolled_back_is_forgotten_too():
    Contact.objects.all().delete()
    row = contact()
    before = transaction.savepoint()
    Contact.objects.filter(pk=row.pk).update(name="Z")
    with kept.glance():
        assert kept.rows(Contact)[0].name == "Z"
    transaction.savepoint_rollback(before)
    with kept.glance():
        assert kept.rows(Contact)[0].name == "A"


def test_a_glance_sees_what_it_saw_first():
    Contact.objects.all().delete()
    contact()
    with kept.glance():
        assert len(kept.rows(Contact)) == 1
        contact(valid_from=date(2026, 1, 1))
        assert len(kept.rows(Contact)) == 1


def test_a_new_session_is_one_statement(client, django_assert_num_queries):
    from bma_portal.visits import SessionStore

    store = SessionStore()
    store["a"] = 1
    with django_assert_num_queries(1):
        store.create()
    assert SessionStore(store.session_key)["a"] == 1
    twin = SessionStore()
    twin._get_new_session_key = lambda: keys.pop()  # type: ignore[method-assign]
    keys = ["b" * 32, store.session_key]  # the second is taken
    twin.create()
    assert twin.session_key == "b" * 32
    assert connection.in_atomic_block  # and nothing was rolled back on the way


@pytest.mark.parametrize("key", ["\0abcdefghij", "é" * 12, "x" * 5000, "' OR 1=1 --", "%s" * 6])
def test_a_key_that_is_none_of_ours_opens_nothing_and_breaks_nothing(client, key):
    client.cookies["sessionid"] = key
    assert client.get("/").status_code == 200
