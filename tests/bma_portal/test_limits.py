"""Limits for visitors: counted in PostgreSQL, by address; forged headers and lost Redis change nothing (SEC-A6)."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from bma_portal import limits
from bma_portal.limits import Limit, client_address
from bma_portal.models import RateCount

pytestmark = pytest.mark.database
THREE = Limit("essai", 3, 3600)


def visit(rf, address="192.0.2.7", forwarded=None):
    given = {"REMOTE_ADDR": address}
    if forwarded is not None:
        given["HTTP_X_FORWARDED_FOR"] = forwarded
    return rf.get("/", **given)


def test_the_use_after_the_last_allowed_one_must_wait_until_the_window_ends(db, rf):
    waits = [limits.exceeded(visit(rf), THREE) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert all(1 <= wait <= 3600 for wait in waits[3:])
    assert limits.exceeded(visit(rf, "192.0.2.8"), THREE) == 0


def test_the_next_window_starts_from_nothing(db, rf):
    for _ in range(4):
        limits.exceeded(visit(rf), THREE)
    with connection.cursor() as cursor:  # an hour goes by
        cursor.execute("""UPDATE bma_portal_ratecount SET "window" = "window" - interval '1 hour'""")
    assert limits.exceeded(visit(rf), THREE) == 0
    assert RateCount.objects.count() == 2


def test_a_short_limit_and_a_long_one_count_side_by_side(db, rf):
    short, long = Limit("court", 1, 60), Limit("long", 2, 3600)
    assert limits.exceeded(visit(rf), short, long) == 0
    assert 1 <= limits.exceeded(visit(rf), short, long) <= 60
    assert limits.exceeded(visit(rf), short, long) > 0
    assert limits.exceeded(visit(rf), long) > 0
    assert limits.exceeded(visit(rf), THREE) == 0  # another name, another count


def test_whether_a_use_was_counted_is_asked_without_counting(db):
    for _ in range(3):
        assert not limits.was_counted("192.0.2.7:ec000247", THREE)
    limits.exceeded_by("192.0.2.7:ec000247", THREE)
    assert limits.was_counted("192.0.2.7:ec000247", THREE)
    assert not limits.was_counted("192.0.2.7:ec000248", THREE)
    assert not limits.was_counted("192.0.2.7:ec000247", Limit("autre", 3, 3600))
    assert RateCount.objects.get().count == 1
    RateCount.objects.update(window=F("window") - timedelta(hours=1))
    assert not limits.was_counted("192.0.2.7:ec000247", THREE)


def test_old_counts_are_forgotten(db, rf):
    limits.exceeded(visit(rf), THREE)
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE bma_portal_ratecount SET "window" = "window" - interval '2 days'""")
    limits.exceeded(visit(rf), THREE)
    limits.forget_old_counts()
    assert RateCount.objects.count() == 1


def test_no_address_is_kept(db, rf):
    limits.exceeded(visit(rf), THREE)
    (count,) = RateCount.objects.all()
    assert "192.0.2" not in count.bucket
    assert count.bucket.startswith("essai:")


def test_twenty_visits_at_once_are_all_counted(transactional_db, rf):
    waits = []

    def go():
        waits.append(limits.exceeded(visit(rf), Limit("foule", 10, 3600)))
        connection.close()

    threads = [threading.Thread(target=go) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert waits.count(0) == 10


def test_redis_is_not_asked(db, rf, settings):
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    assert [limits.exceeded(visit(rf), THREE) > 0 for _ in range(4)] == [False, False, False, True]


# By anything else than an address


def test_a_mailbox_a_person_or_a_destination_is_counted_whoever_asks(db):
    by_mailbox, by_person = Limit("boîte", 3, 3600), Limit("personne", 5, 3600)
    waits = [limits.exceeded_by("ec000247", by_mailbox) for _ in range(5)]
    assert waits[:3] == [0, 0, 0]
    assert all(1 <= wait <= 3600 for wait in waits[3:])
    assert limits.exceeded_by("ec000248", by_mailbox) == 0
    assert limits.exceeded_by("ec000247", by_person) == 0  # another name, another count
    assert limits.exceeded_by("ec000247", by_mailbox, by_person) > 0


def test_one_limit_by_address_and_by_key_is_the_same_count(db, rf):
    assert [limits.exceeded(visit(rf), THREE), limits.exceeded_by("192.0.2.7", THREE)] == [0, 0]
    assert [limits.exceeded(visit(rf), THREE), limits.exceeded_by("192.0.2.7", THREE) > 0] == [0, True]


@pytest.mark.parametrize("key", ["Camille@exemple.test", "", "a\x00b", "\ud800", "x" * 100_000, "é"])
def test_no_key_is_kept_whatever_it_is(db, key):
    assert [limits.exceeded_by(key, THREE) > 0 for _ in range(4)] == [False, False, False, True]
    (count,) = RateCount.objects.all()
    assert count.bucket.startswith("essai:")
    assert len(count.bucket) < 50
    assert not key or key not in count.bucket


# Whose visit it is


def test_a_forged_header_does_not_change_who_asks(db, rf, settings):
    settings.TRUSTED_PROXIES = 0
    waits = [limits.exceeded(visit(rf, forwarded=f"203.0.113.{n}"), THREE) for n in range(4)]
    assert waits[3] > 0


def test_behind_a_trusted_proxy_visitors_are_told_apart_and_their_own_headers_are_not_believed(db, rf, settings):
    settings.TRUSTED_PROXIES = 1
    first = [limits.exceeded(visit(rf, forwarded=f"203.0.113.{n}, 198.51.100.1"), THREE) for n in range(4)]
    assert first[3] > 0
    assert limits.exceeded(visit(rf, forwarded="198.51.100.1, 198.51.100.2"), THREE) == 0


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "192.0.2.7"),
        (0, "203.0.113.1", "192.0.2.7"),
        (1, "203.0.113.1", "203.0.113.1"),
        (1, "10.0.0.1, 203.0.113.1", "203.0.113.1"),
        (1, " , ,203.0.113.1 ,", "203.0.113.1"),
        (2, "10.0.0.1, 203.0.113.1, 10.9.9.9", "203.0.113.1"),
        (2, "203.0.113.1", "192.0.2.7"),  # fewer hops than proxies: it did not come through them
        (1, None, "192.0.2.7"),
        (1, "", "192.0.2.7"),
        (1, "n'importe quoi", "inconnue"),
        (1, "203.0.113.1\x00", "inconnue"),
        (1, "x" * 100_000, "inconnue"),
        (1, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (1, "2001:DB8:1:2::9", "2001:db8:1:2::/64"),
        (1, "::ffff:203.0.113.1", "203.0.113.1"),  # IPv4, seen by a socket of both families
        (1, "fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_address_that_counts(rf, settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    assert client_address(visit(rf, forwarded=forwarded)) == address


def test_one_person_s_ipv6_addresses_count_as_one(db, rf):
    waits = [limits.exceeded(visit(rf, address=f"2001:db8:1:2::{n:x}"), THREE) for n in range(4)]
    assert waits[3] > 0
    assert limits.exceeded(visit(rf, address="2001:db8:1:3::1"), THREE) == 0
