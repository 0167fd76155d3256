"""Asking for the permission, and what is answered: granted, declined, withdrawn, once."""

from datetime import date

import pytest

from accounts import mode
from accounts.grants import OutOfScope
from accounts.models import GrantRequest, ResetGrant
from bma_portal.errors import Refusal
from bma_portal.states import StateChange
from tests.accounts.test_grants import END, YESTERDAY, audited, grant
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import DAY, NOON, GiaFactory, GrantRequestFactory, ResetGrantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def gia():
    return GiaFactory(organisation__with_po=True)


def test_asking_then_accepting():
    asked = mode.ask(gia_unit := OrganisationFactory(), user=UserFactory(), message=" Nouvelle\n directrice ", at=NOON)
    assert asked.message == "Nouvelle directrice"
    by = GiaFactory(organisation=gia_unit).user
    mode.decide(asked, by=by, accept=True, ends_on=END, at=NOON)
    asked.refresh_from_db()
    assert (asked.status, asked.decided_by, asked.grant.user, asked.grant.starts_on) == (
        "granted",
        by,
        asked.user,
        DAY,
    )
    assert audited() == [("grant.asked", "ok"), ("grant.made", "ok")]
    assert StateChange.objects.filter(object_type="accounts.grantrequest", new="granted").count() == 1


def test_declining_takes_a_reason_and_leaves_no_permission():
    asked = GrantRequestFactory()
    by = GiaFactory(organisation=asked.organisation).user
    with pytest.raises(Refusal, match="Indiquez le motif"):
        mode.decide(asked, by=by, accept=False, why=" ", at=NOON)
    mode.decide(asked, by=by, accept=False, why="Inconnue ici.", at=NOON)
    assert (asked.status, asked.decided_why, asked.grant) == ("declined", "Inconnue ici.", None)
    assert audited() == [("grant.declined", "refused"), ("grant.declined", "ok")]


@pytest.mark.parametrize("status", ["granted", "declined", "withdrawn"])
def test_a_request_is_decided_once(status):
    asked = GrantRequestFactory(status=status)
    by = GiaFactory(organisation=asked.organisation).user
    for accept in (True, False):
        with pytest.raises(Refusal, match="Quelqu’un d’autre vient de traiter"):
            mode.decide(asked, by=by, accept=accept, ends_on=END, why="Non.", at=NOON)
    assert not ResetGrant.objects.exists()


def test_a_refused_acceptance_leaves_the_request_open():
    asked = GrantRequestFactory()
    by = GiaFactory(organisation=asked.organisation).user
    for ends_on in (None, YESTERDAY, date(2040, 1, 1)):
        with pytest.raises(Refusal):
            mode.decide(asked, by=by, accept=True, ends_on=ends_on, at=NOON)
    asked.refresh_from_db()
    assert (asked.status, ResetGrant.objects.count()) == ("asked", 0)


def test_granting_settles_the_request_of_that_person(gia):
    asked, other = (GrantRequestFactory(organisation=gia.organisation) for _ in range(2))
    made = grant(gia.organisation, to=asked.user, by=gia.user)
    asked.refresh_from_db()
    other.refresh_from_db()
    assert (asked.status, asked.grant, other.status) == ("granted", made, "asked")


def test_what_may_not_be_asked():
    user, unit = UserFactory(), OrganisationFactory()
    mode.ask(unit, user=user, message="", at=NOON)
    with pytest.raises(Refusal, match="déjà une demande en cours"):
        mode.ask(unit, user=user, message="", at=NOON)
    has = ResetGrantFactory(user=user)
    with pytest.raises(Refusal, match="Vous avez déjà cette permission, jusqu’au 31/08/2027"):
        mode.ask(has.organisation, user=user, message="", at=NOON)
    with pytest.raises(Refusal, match="300 signes"):
        mode.ask(OrganisationFactory(), user=user, message="x" * 301, at=NOON)
    for _ in range(4):
        mode.ask(OrganisationFactory(), user=user, message="", at=NOON)
    with pytest.raises(Refusal, match="5 demandes en cours"):
        mode.ask(OrganisationFactory(), user=user, message="", at=NOON)


def test_only_whoever_asked_may_stop_asking():
    asked = GrantRequestFactory()
    with pytest.raises(OutOfScope):
        mode.withdraw(asked, by=UserFactory(), at=NOON)
    mode.withdraw(asked, by=asked.user, at=NOON)
    assert asked.status == GrantRequest.Status.WITHDRAWN
    with pytest.raises(Refusal, match="Quelqu’un d’autre"):
        mode.withdraw(asked, by=asked.user, at=NOON)
