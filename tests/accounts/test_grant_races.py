"""Two at once, on real threads: each deed ends in exactly one outcome."""

import threading
from collections.abc import Callable
from datetime import date

import pytest
from django.db import connection, transaction

from accounts import mode
from accounts.models import Holder, ResetGrant
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from tests.factories import UserFactory
from tests.factories_holders import DAY, NOON, GiaFactory, GrantRequestFactory, HolderFactory, ResetGrantFactory
from tests.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
END = date(2027, 8, 31)


def all_at_once(*acts: Callable[[], object]) -> list[str]:
    """What each one came to."""
    return [str(end) if isinstance(end, Refusal) else "done" for end in together(*acts)]


def test_a_request_that_ten_gias_decide_at_once_is_decided_once():
    asked = GrantRequestFactory()
    gias = [GiaFactory(organisation=asked.organisation).user for _ in range(10)]
    ends = all_at_once(
        *(
            lambda by=by, n=n: mode.decide(
                type(asked).objects.get(pk=asked.pk), by=by, accept=n % 2 == 0, ends_on=END, why="Non.", at=NOON
            )
            for n, by in enumerate(gias)
        )
    )
    assert ends.count("done") == 1
    assert sum("Quelqu’un d’autre" in end for end in ends) == 9
    asked.refresh_from_db()
    assert ResetGrant.objects.count() == (asked.status == "granted")
    assert AuditEntry.objects.filter(result="ok").count() == 1
    assert AuditEntry.objects.filter(result="refused").count() == 9


def test_a_double_click_grants_once():
    gia, to = GiaFactory(), UserFactory()
    ends = all_at_once(
        *[lambda: mode.grant(gia.organisation, to=to, by=gia.user, starts_on=DAY, ends_on=END, at=NOON)] * 5
    )
    assert (ends.count("done"), ResetGrant.objects.count()) == (1, 1)


def test_two_changes_of_head_at_once_leave_one_head():
    former = HolderFactory()
    ends = all_at_once(
        *(
            lambda to=to: mode.change_holder(former.organisation, to=to, by="sgne", on=DAY, at=NOON)
            for to in [UserFactory() for _ in range(5)]
        )
    )
    assert ends.count("done") == 1
    assert Holder.objects.in_force(NOON).count() == 1


def test_a_gia_ended_at_the_same_moment_grants_before_or_not_at_all():
    gia, to = GiaFactory(), UserFactory()
    ends = all_at_once(
        lambda: mode.end_gia(gia, by="sgne", why="Fin.", at=NOON),
        lambda: mode.grant(gia.organisation, to=to, by=gia.user, starts_on=DAY, ends_on=END, at=NOON),
    )
    assert ResetGrant.objects.count() == ends.count("done") - 1


def test_a_use_of_the_permission_waits_for_a_withdrawal_under_way():
    granted = ResetGrantFactory()
    withdrawn, found = threading.Event(), []

    def use() -> None:
        try:
            withdrawn.wait(10)
            with transaction.atomic():
                found.append(mode.grant_for(granted.user, granted.organisation, at=NOON, lock=True))
        finally:
            connection.close()

    user = threading.Thread(target=use)
    user.start()
    with transaction.atomic():
        mode.revoke(granted, by=UserFactory(superuser=True), why="Fin.", at=NOON)
        withdrawn.set()
        user.join(1)
        assert user.is_alive()  # it waits
    user.join(10)
    assert found == [None]
