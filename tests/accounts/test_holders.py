"""Heads and GIAs of units: one head at a time; a change closes what the former had begun (A6)."""

from datetime import date, timedelta

import pytest

from accounts import mode
from accounts.models import Gia, Holder
from accounts.signals import grant_ended, holder_left
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import DAY, NOON, GiaFactory, GrantRequestFactory, HolderFactory, ResetGrantFactory

pytestmark = pytest.mark.django_db
YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)


def audited():
    return list(AuditEntry.objects.order_by("seq").values_list("action", "result"))


def change(unit, to, on=DAY, by="sgne"):
    return mode.change_holder(unit, to=to, by=by, on=on, at=NOON)


@pytest.fixture
def heard():
    """What the apps above are told, in order."""
    found = []

    def ended(sender, grant, by, at, **_):
        found.append(("grant", grant.pk, by, at))

    def left(sender, holder, by, at, **_):
        found.append(("holder", holder.pk, by, at))

    grant_ended.connect(ended)
    holder_left.connect(left)
    yield found
    grant_ended.disconnect(ended)
    holder_left.disconnect(left)


def test_the_first_holder_of_a_unit(heard):
    unit, person = OrganisationFactory(), UserFactory()
    change(unit, person)
    assert mode.holder_of(unit, brussels(YESTERDAY, 23, 59)) is None
    assert mode.holder_of(unit, brussels(DAY)).user == person
    assert (heard, audited()) == ([], [("holder.changed", "ok")])


def test_a_change_of_holder_ends_the_former_s_period_rights_and_requests(heard):
    former = HolderFactory()
    unit, person = former.organisation, UserFactory()
    mine = ResetGrantFactory(user=former.user, organisation=unit)
    to_come = ResetGrantFactory(
        user=former.user, organisation=unit, starts_on=date(2027, 9, 1), ends_on=date(2028, 1, 1)
    )
    elsewhere = ResetGrantFactory(user=former.user)
    another_s = ResetGrantFactory(organisation=unit)
    over = ResetGrantFactory(user=former.user, organisation=unit, starts_on=date(2023, 9, 1), over=True)
    asked = GrantRequestFactory(user=former.user, organisation=unit)
    elsewhere_asked = GrantRequestFactory(user=former.user)
    still_gia = GiaFactory(user=former.user, organisation=unit)

    new = change(unit, person)

    for row in (former, mine, to_come, elsewhere, another_s, over, asked, elsewhere_asked, still_gia):
        row.refresh_from_db()
    assert (former.ends_on, former.revoked_at) == (YESTERDAY, None)
    assert mode.holder_of(unit, brussels(YESTERDAY, 23, 59)) == former
    assert mode.holder_of(unit, brussels(DAY)) == new
    assert [row.revoked_at for row in (mine, to_come, elsewhere, another_s, over)] == [NOON, NOON, None, None, None]
    assert mine.revoked_why == "changement de titulaire"
    assert (asked.status, elsewhere_asked.status) == ("withdrawn", "asked")
    assert still_gia.revoked_at is None
    assert sorted(heard) == sorted(
        [("grant", mine.pk, "sgne", NOON), ("grant", to_come.pk, "sgne", NOON), ("holder", former.pk, "sgne", NOON)]
    )
    assert sorted(audited()) == [("grant.revoked", "ok")] * 2 + [("holder.changed", "ok")]
    assert audited()[-1][0] == "holder.changed"


def test_a_unit_may_be_left_without_a_holder(heard):
    former = HolderFactory()
    assert change(former.organisation, None) is None
    assert mode.holder_of(former.organisation, NOON) is None
    assert [kind for kind, *_ in heard] == ["holder"]


@pytest.mark.parametrize(
    ("make", "on", "said"),
    [
        (lambda unit, person: None, TOMORROW, "pas à l’avance"),
        (lambda unit, person: HolderFactory(organisation=unit, user=person), DAY, "déjà titulaire"),
        (lambda unit, person: HolderFactory(organisation=unit, starts_on=DAY), DAY, "déjà consigné"),
        (lambda unit, person: HolderFactory(organisation=unit, starts_on=DAY), YESTERDAY, "déjà consigné"),
    ],
)
def test_refused_changes_change_nothing(make, on, said, heard):
    unit, person = OrganisationFactory(), UserFactory()
    make(unit, person)
    before = list(Holder.objects.values())
    with pytest.raises(Refusal, match=said):
        change(unit, person, on)
    assert list(Holder.objects.values()) == before
    assert (heard, audited()) == ([], [("holder.changed", "refused")])


def test_nobody_leaves_a_unit_that_nobody_heads():
    with pytest.raises(Refusal, match="n’a pas de titulaire"):
        change(OrganisationFactory(), None)


def test_a_period_with_an_end_to_come_is_cut_short():
    former = HolderFactory(ends_on=date(2027, 6, 30))
    change(former.organisation, UserFactory())
    former.refresh_from_db()
    assert former.ends_on == YESTERDAY


@pytest.mark.parametrize(("day", "who"), [(YESTERDAY, "former"), (DAY, "new"), (TOMORROW, "new")])
def test_the_holder_on_the_days_around_a_change(day, who):
    former = HolderFactory()
    new = change(former.organisation, UserFactory())
    assert mode.holder_of(former.organisation, brussels(day, 12)) == {"former": former, "new": new}[who]


# GIAs


def appoint(unit, to, by="sgne", starts_on=DAY, ends_on=None):
    return mode.appoint_gia(unit, to=to, by=by, starts_on=starts_on, ends_on=ends_on, at=NOON)


def test_a_po_s_gia_comes_after_the_unit_s_own():
    unit = OrganisationFactory(with_po=True)
    of_po, own = appoint(unit.po, UserFactory(last_name="A")), appoint(unit, UserFactory(last_name="Z"))
    assert mode.gias_of(unit, NOON) == [own, of_po]
    assert mode.gias_of(unit.po, NOON) == [of_po]
    assert audited() == [("gia.made", "ok")] * 2


def test_a_gia_is_appointed_once_and_ended_once():
    gia = appoint(OrganisationFactory(), UserFactory())
    with pytest.raises(Refusal, match="déjà GIA"):
        appoint(gia.organisation, gia.user, starts_on=date(2027, 1, 1))
    with pytest.raises(Refusal, match="motif"):
        mode.end_gia(gia, by="sgne", why=" ", at=NOON)
    mode.end_gia(gia, by="sgne", why="Autre fonction.", at=NOON)
    with pytest.raises(Refusal, match="Quelqu’un d’autre"):
        mode.end_gia(gia, by="sgne", why="Encore.", at=NOON)
    assert mode.gias_of(gia.organisation, NOON) == []
    assert appoint(gia.organisation, gia.user, starts_on=DAY)


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"ends_on": YESTERDAY}, "suit le début")],
)
def test_refused_appointments(facts, said):
    with pytest.raises(Refusal, match=said):
        appoint(OrganisationFactory(), UserFactory(), **facts)
    with pytest.raises(Refusal, match="ne peut pas être GIA"):
        appoint(OrganisationFactory(), UserFactory(is_active=False))
    person = UserFactory(superuser=True)
    with pytest.raises(Refusal, match="soi-même"):
        appoint(OrganisationFactory(), person, by=person)
    assert not Gia.objects.exists()


def test_what_a_gia_granted_outlives_the_quality():
    gia = GiaFactory()
    granted = mode.grant(
        gia.organisation, to=UserFactory(), by=gia.user, starts_on=DAY, ends_on=date(2027, 8, 31), at=NOON
    )
    mode.end_gia(gia, by="sgne", why="Autre fonction.", at=NOON)
    assert mode.grant_for(granted.user, gia.organisation, at=NOON) == granted


@pytest.mark.parametrize(
    ("link", "told"),
    [
        (lambda user, unit: HolderFactory(user=user, organisation=unit), True),
        (lambda user, unit: GiaFactory(user=user, organisation=unit), True),
        (lambda user, unit: GiaFactory(user=user, organisation=unit.po), True),
        (lambda user, unit: ResetGrantFactory(user=user, organisation=unit), True),
        (lambda user, unit: ResetGrantFactory(user=user, organisation=unit, revoked=True), True),
        (lambda user, unit: HolderFactory(user=user, organisation=unit, over=True), False),
        (lambda user, unit: GiaFactory(user=user, organisation=unit, revoked=True), False),
        (lambda user, unit: GrantRequestFactory(user=user, organisation=unit), False),
        (lambda user, unit: HolderFactory(user=user, organisation=unit.po), False),
        (lambda user, unit: None, False),
    ],
)
def test_who_is_told_who_manages_a_unit(link, told):
    user, unit = UserFactory(), OrganisationFactory(with_po=True)
    link(user, unit)
    assert mode.is_linked(user, unit, NOON) is told
