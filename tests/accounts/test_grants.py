"""Permissions: who may grant, to whom, for what, from when to when; withdrawn, asked for, decided; all audited."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts import mode
from accounts.grants import OutOfScope, longest_end
from accounts.models import ResetGrant
from accounts.signals import grant_ended
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import DAY, NOON, GiaFactory, GrantRequestFactory, HolderFactory, ResetGrantFactory

pytestmark = pytest.mark.django_db
END = date(2027, 8, 31)
YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)


def staff_with(*codenames):
    user = UserFactory(staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


def grant(unit, to=None, by=None, starts_on=DAY, ends_on=END, at=NOON):
    return mode.grant(unit, to=to or UserFactory(), by=by, starts_on=starts_on, ends_on=ends_on, at=at)


def audited():
    return list(AuditEntry.objects.order_by("seq").values_list("action", "result"))


@pytest.fixture
def gia():
    return GiaFactory(organisation__with_po=True)


# Who may


def grantors(gia):
    unit = gia.organisation
    return {
        "its GIA": (gia.user, True),
        "the GIA of its PO": (GiaFactory(organisation=unit.po).user, True),
        "staff who may": (staff_with("add_resetgrant"), True),
        "a superuser": (UserFactory(superuser=True), True),
        "the GIA of another unit": (GiaFactory().user, False),
        "the GIA of another unit of that PO": (GiaFactory(organisation=OrganisationFactory(po=unit.po)).user, False),
        "a GIA until yesterday": (GiaFactory(organisation=unit, over=True).user, False),
        "a GIA from tomorrow": (GiaFactory(organisation=unit, starts_on=TOMORROW).user, False),
        "a GIA no longer": (GiaFactory(organisation=unit, revoked=True).user, False),
        "a GIA who was disabled": (GiaFactory(organisation=unit, user__is_active=False).user, False),
        "staff who may only read": (staff_with("view_resetgrant"), False),
        "a permission without being staff": (_not_staff("add_resetgrant"), False),
        "its holder": (HolderFactory(organisation=unit).user, False),
        "whoever has the permission": (ResetGrantFactory(organisation=unit).user, False),
        "anybody": (UserFactory(), False),
    }


def _not_staff(codename):
    user = UserFactory()
    user.user_permissions.set(Permission.objects.filter(codename=codename))
    return user


@pytest.mark.parametrize("who", list(range(15)))
def test_who_may_grant_withdraw_and_decide(gia, who):
    name, (by, may) = list(grantors(gia).items())[who]
    unit = gia.organisation
    former, asked = ResetGrantFactory(organisation=unit), GrantRequestFactory(organisation=unit)
    before = ResetGrant.objects.count()
    acts = [
        lambda: grant(unit, by=by),
        lambda: mode.decide(asked, by=by, accept=True, ends_on=END, at=NOON),
        lambda: mode.decide(GrantRequestFactory(organisation=unit), by=by, accept=False, why="Non.", at=NOON),
    ]
    if name != "staff who may":  # adding and withdrawing are two permissions of the staff
        acts.append(lambda: mode.revoke(former, by=by, why="Fin.", at=NOON))
    for act in acts:
        if may:
            act()
        else:
            with pytest.raises(OutOfScope):
                act()
    former.refresh_from_db()
    asked.refresh_from_db()
    assert ResetGrant.objects.count() - before == (2 if may else 0)
    assert asked.status == ("granted" if may else "asked")
    assert {result for _, result in audited()} == {"ok" if may else "refused"}
    assert len(audited()) == len(acts)


def test_staff_withdraw_with_the_permission_to_change():
    granted = ResetGrantFactory()
    with pytest.raises(OutOfScope):
        mode.revoke(granted, by=staff_with("add_resetgrant"), why="Fin.", at=NOON)
    mode.revoke(granted, by=staff_with("change_resetgrant"), why="Fin.", at=NOON)
    assert not ResetGrant.objects.in_force(NOON).exists()


@pytest.mark.parametrize(
    ("day", "may"),
    [(date(2026, 10, 14), False), (date(2026, 10, 15), True), (date(2026, 12, 31), True), (date(2027, 1, 1), False)],
)
def test_a_gia_acts_from_the_first_day_to_the_last(day, may):
    gia = GiaFactory(starts_on=date(2026, 10, 15), ends_on=date(2026, 12, 31))
    for at in (brussels(day), brussels(day, 23, 59)):
        assert mode.scope_of(gia.user, at).exists() is may
        assert bool(mode.gias_of(gia.organisation, at)) is may


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    gia_of=st.sampled_from(["school", "sister", "po", "other", "other_po", None]),
    target=st.sampled_from(["school", "sister", "po", "other", "other_po"]),
    to_self=st.booleans(),
    starts=st.integers(-2, 2),
    lasts=st.integers(-2, 4),
)
def test_outside_a_gia_s_scope_nothing_is_ever_written(db, gia_of, target, to_self, starts, lasts):
    from django.db import transaction

    with transaction.atomic():
        po, other_po = OrganisationFactory(po_unit=True), OrganisationFactory(po_unit=True)
        units = {
            "school": OrganisationFactory(po=po),
            "sister": OrganisationFactory(po=po),
            "po": po,
            "other": OrganisationFactory(po=other_po),
            "other_po": other_po,
        }
        by = GiaFactory(organisation=units[gia_of]).user if gia_of else UserFactory()
        to = by if to_self else UserFactory()
        family = {"school": "po", "sister": "po", "other": "other_po"}
        in_scope = gia_of is not None and (gia_of == target or family.get(target) == gia_of)
        assert mode.scope_of(by, NOON).filter(pk=units[target].pk).exists() is in_scope
        starts_on, ends_on = DAY + timedelta(days=starts), DAY + timedelta(days=starts + lasts)
        should = in_scope and not to_self and starts >= 0 and lasts >= 0
        made = None
        with suppress(OutOfScope) if not in_scope else suppress(Refusal):
            made = grant(units[target], to=to, by=by, starts_on=starts_on, ends_on=ends_on)
        assert list(ResetGrant.objects.all()) == ([made] if should else [])
        if should:  # no chain grows: whoever was granted may grant nothing
            with pytest.raises(OutOfScope):
                grant(units[target], by=to)
        transaction.set_rollback(True)


# For what, from when to when


@pytest.mark.parametrize(
    ("starts_on", "ends_on", "said"),
    [
        (YESTERDAY, END, "ne commence pas dans le passé"),
        (DAY, YESTERDAY, "La fin d’une permission suit son début"),
        (DAY, date(2029, 10, 15), "dure 3 ans au plus : ici, jusqu’au 14/10/2029"),
        (DAY + timedelta(days=367), date(2028, 1, 1), "dans l’année qui vient"),
        (DAY, date(2029, 10, 14), None),
        (DAY, DAY, None),
        (DAY + timedelta(days=366), date(2028, 1, 1), None),
    ],
)
def test_the_dates_of_a_permission(gia, starts_on, ends_on, said):
    if said is None:
        assert grant(gia.organisation, by=gia.user, starts_on=starts_on, ends_on=ends_on).pk
        return
    with pytest.raises(Refusal, match=said):
        grant(gia.organisation, by=gia.user, starts_on=starts_on, ends_on=ends_on)
    assert not ResetGrant.objects.exists()


def test_three_years_from_a_leap_day_end_on_a_day_that_exists():
    assert longest_end(date(2028, 2, 29)) == date(2031, 2, 27)
    assert longest_end(date(2026, 9, 1)) == date(2029, 8, 31)


@pytest.mark.parametrize(
    ("facts", "may"),
    [
        ({"closed_on": TOMORROW}, True),
        ({"closed_on": DAY}, False),
        ({"closed_on": YESTERDAY}, False),
        ({"successor": True}, False),
        ({"successor": True, "closed_on": TOMORROW}, True),
    ],
)
def test_a_closed_unit_receives_no_permission(facts, may):
    if facts.get("successor"):
        facts = facts | {"successor": OrganisationFactory()}
    gia = GiaFactory(organisation=OrganisationFactory(**facts))
    assert mode.scope_of(gia.user, NOON).exists() is may
    assert mode.overseen_by(gia.user, NOON).exists()
    if may:
        assert grant(gia.organisation, by=gia.user)
    else:
        with pytest.raises(Refusal, match="fermée ou reprise"):
            grant(gia.organisation, by=gia.user)
        with pytest.raises(Refusal, match="fermée ou reprise"):
            mode.ask(gia.organisation, user=UserFactory(), message="", at=NOON)


def test_a_permission_for_a_closed_unit_can_still_be_withdrawn():
    granted = ResetGrantFactory(organisation__closed_on=DAY)
    mode.revoke(granted, by=GiaFactory(organisation=granted.organisation).user, why="Fermée.", at=NOON)
    assert granted.revoked_at == NOON


def test_nobody_grants_to_themself(gia):
    for by in (gia.user, UserFactory(superuser=True)):
        with pytest.raises(Refusal, match="à soi-même"):
            grant(gia.organisation, to=by, by=by)
    asked = GrantRequestFactory(organisation=gia.organisation, user=gia.user)
    for accept in (True, False):
        with pytest.raises(Refusal, match="sa propre demande"):
            mode.decide(asked, by=gia.user, accept=accept, ends_on=END, why="Non.", at=NOON)
    assert not ResetGrant.objects.exists()
    other = GiaFactory(organisation=gia.organisation.po)
    assert mode.decide(asked, by=other.user, accept=True, ends_on=END, at=NOON).grant.granted_by == other.user


@pytest.mark.parametrize("facts", [{"is_active": False}, {"break_glass": True}])
def test_a_disabled_or_break_glass_account_receives_nothing(gia, facts):
    with pytest.raises(Refusal, match="ne peut pas recevoir"):
        grant(gia.organisation, to=UserFactory(**facts), by=gia.user)


def test_two_permissions_of_one_person_for_one_unit_never_overlap(gia):
    to = UserFactory()
    first = grant(gia.organisation, to=to, by=gia.user, ends_on=date(2026, 12, 31))
    with pytest.raises(Refusal, match="déjà cette permission du 15/10/2026 au 31/12/2026"):
        grant(gia.organisation, to=to, by=gia.user, starts_on=date(2026, 12, 31))
    grant(gia.organisation, to=to, by=gia.user, starts_on=date(2027, 1, 1))
    mode.revoke(first, by=gia.user, why="Erreur.", at=NOON)
    assert grant(gia.organisation, to=to, by=gia.user, ends_on=date(2026, 12, 31), at=NOON + timedelta(hours=1))


@pytest.mark.parametrize(
    ("day", "has"),
    [(date(2026, 10, 14), False), (date(2026, 10, 15), True), (date(2026, 12, 31), True), (date(2027, 1, 1), False)],
)
def test_a_permission_holds_from_its_first_day_to_its_last(day, has):
    granted = ResetGrantFactory(starts_on=date(2026, 10, 15), ends_on=date(2026, 12, 31))
    for at in (brussels(day), brussels(day, 23, 59)):
        assert bool(mode.grant_for(granted.user, granted.organisation, at=at)) is has
        assert mode.grants_of(granted.user, at).exists() is has


def test_a_permission_is_for_one_person_and_one_unit():
    po = OrganisationFactory(po_unit=True)
    of_po = ResetGrantFactory(organisation=po)
    school = OrganisationFactory(po=po)
    assert mode.grant_for(of_po.user, school, at=NOON) is None
    assert mode.grant_for(UserFactory(), po, at=NOON) is None
    of_po.user.is_active = False
    assert mode.grant_for(of_po.user, po, at=NOON) is None
    assert not mode.grants_of(of_po.user, NOON).exists()


def test_the_permissions_of_a_person_come_with_their_mailboxes_in_one_query(django_assert_num_queries):
    user = UserFactory()
    for _ in range(3):
        ResetGrantFactory(user=user)
    with django_assert_num_queries(1):
        assert len([grant.organisation.mailbox.address for grant in mode.grants_of(user, NOON)]) == 3


# Withdrawn


def test_a_withdrawn_permission_is_refused_even_to_a_request_that_began_before():
    granted = ResetGrantFactory()
    by = GiaFactory(organisation=granted.organisation).user
    mode.revoke(granted, by=by, why="  A quitté\nl’école. ", at=NOON + timedelta(seconds=5))
    assert (granted.revoked_by, granted.revoked_why) == (by.username, "A quitté l’école.")
    assert mode.grant_for(granted.user, granted.organisation, at=NOON)  # as it was then
    assert not mode.grant_for(granted.user, granted.organisation, at=NOON, lock=True)
    assert not mode.grant_for(granted.user, granted.organisation, at=NOON + timedelta(seconds=5))


@pytest.mark.parametrize("why", ["", "  \n", "x" * 301, "a\0b"])
def test_a_withdrawal_has_a_readable_reason(why):
    granted = ResetGrantFactory()
    with pytest.raises(Refusal, match="motif"):
        mode.revoke(granted, by=UserFactory(superuser=True), why=why, at=NOON)
    granted.refresh_from_db()
    assert granted.revoked_at is None


def test_a_permission_that_is_over_is_not_withdrawn_again():
    by = UserFactory(superuser=True)
    with pytest.raises(Refusal, match="déjà arrivée à sa fin"):
        mode.revoke(ResetGrantFactory(over=True), by=by, why="Fin.", at=NOON)
    with pytest.raises(Refusal, match="Quelqu’un d’autre"):
        mode.revoke(ResetGrantFactory(revoked=True), by=by, why="Fin.", at=NOON)
    coming = ResetGrantFactory(to_come=True)
    mode.revoke(coming, by=by, why="Finalement non.", at=NOON)
    assert coming.revoked_at == NOON


def test_those_who_follow_a_withdrawal_act_in_its_transaction_before_the_line():
    granted, heard = ResetGrantFactory(), []

    def listen(sender, grant, by, at, **_):
        assert connection.in_atomic_block
        heard.append((grant.pk, grant.revoked_at, at, AuditEntry.objects.count()))

    grant_ended.connect(listen)
    try:
        mode.revoke(granted, by=UserFactory(superuser=True), why="Fin.", at=NOON)
    finally:
        grant_ended.disconnect(listen)
    assert heard == [(granted.pk, NOON, NOON, 0)]
    assert audited() == [("grant.revoked", "ok")]


def test_when_a_follower_fails_nothing_was_withdrawn():
    granted = ResetGrantFactory()

    def fail(**_):
        raise RuntimeError("follower")

    grant_ended.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            mode.revoke(granted, by=UserFactory(superuser=True), why="Fin.", at=NOON)
    finally:
        grant_ended.disconnect(fail)
    granted.refresh_from_db()
    assert granted.revoked_at is None
    assert audited() == []


# What the audit keeps


def test_the_line_of_a_deed_says_who_for_what_and_whom_and_nothing_more(gia):
    to = UserFactory()
    made = grant(gia.organisation, to=to, by=gia.user)
    line = AuditEntry.objects.get()
    assert (line.actor, line.object_type, line.object_id) == (gia.user.username, "accounts.resetgrant", str(made.pk))
    assert line.details == {
        "unit": gia.organisation.number,
        "person": to.pk,
        "from": "2026-10-15",
        "to": "2027-08-31",
    }


def test_a_refused_deed_is_a_line_with_its_reason(gia):
    with pytest.raises(Refusal):
        grant(gia.organisation, by=gia.user, ends_on=YESTERDAY)
    line = AuditEntry.objects.get()
    assert (line.action, line.result, line.actor) == ("grant.made", "refused", gia.user.username)
    assert "suit son début" in line.why
