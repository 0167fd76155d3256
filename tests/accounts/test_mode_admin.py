"""MODE in the admin: added and ended through the use cases, never rewritten, never deleted."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from accounts import mode, people, roles
from accounts.models import Gia, Holder, ModePeriod, ResetGrant, User
from bma_portal import clock
from bma_portal.models import AuditEntry
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import (
    DAY,
    NOON,
    GiaFactory,
    GrantRequestFactory,
    HolderFactory,
    ModePeriodFactory,
    ResetGrantFactory,
    SocialAccountFactory,
)

pytestmark = pytest.mark.django_db
MODELS = ["modeperiod", "holder", "gia", "resetgrant", "grantrequest"]
PERSON = {"numero": "ec000247", "identifiant": "sujet-x", "prenom": "Xavière", "nom": "X", "debut": str(DAY)}


@pytest.fixture(autouse=True)
def it_is_noon(db):
    clock.set_for_every_process(NOON)


@pytest.fixture
def school():
    return OrganisationFactory(fase=247)


def with_role(name):
    user = UserFactory(staff=True)
    user.groups.add(Group.objects.get(name=name))
    return user


@pytest.fixture
def sgne(client):
    user = with_role(roles.SGNE)
    client.force_login(user)
    client.user = user
    return client


def url(model, what="add", *args):
    return reverse(f"admin:accounts_{model}_{what}", args=args)


def deeds():
    return list(AuditEntry.objects.exclude(action__startswith="admin").order_by("seq").values_list("action", "result"))


def errors(answer):
    return str(answer.context["adminform"].form.errors) if answer.context else ""


def test_a_holder_is_added_and_follows_the_former(sgne, school):
    former = HolderFactory(organisation=school)
    granted = ResetGrantFactory(user=former.user, organisation=school)
    answer = sgne.post(url("holder"), PERSON | {"source": "Arrêté fictif"})
    assert answer.status_code == 302, errors(answer)
    new = mode.holder_of(school, NOON)
    assert (new.user, new.source, new.recorded_by) == (
        people.person_of("sujet-x"),
        "Arrêté fictif",
        sgne.user.username,
    )
    former.refresh_from_db()
    granted.refresh_from_db()
    assert (former.ends_on, granted.revoked_at) == (DAY - timedelta(days=1), NOON)
    assert deeds() == [("grant.revoked", "ok"), ("holder.changed", "ok")]


def test_a_gia_and_a_permission_are_added(sgne, school):
    assert sgne.post(url("gia"), PERSON | {"source": "Délégation"}).status_code == 302
    assert sgne.post(url("resetgrant"), PERSON | {"fin": "2027-08-31"}).status_code == 302
    assert Gia.objects.get().ends_on is None
    assert ResetGrant.objects.get().granted_by == sgne.user
    assert User.objects.filter(last_name="X").count() == 1
    assert deeds() == [("gia.made", "ok"), ("grant.made", "ok")]


@pytest.mark.parametrize(
    ("model", "changes", "said"),
    [
        ("holder", {"source": ""}, "source"),
        ("holder", {"debut": str(DAY + timedelta(days=1))}, "pas à l’avance"),
        ("gia", {"source": ""}, "source"),
        ("gia", {"fin": "2026-10-14"}, "suit le début"),
        ("resetgrant", {"fin": ""}, "fin"),
        ("resetgrant", {"fin": "2029-10-15"}, "3 ans au plus"),
        ("resetgrant", {"debut": "2026-10-14"}, "dans le passé"),
        ("resetgrant", {"numero": "zéro"}, "numéro FASE"),
        ("resetgrant", {"numero": "ec999999"}, "Aucune unité"),
        ("resetgrant", {"identifiant": "a b"}, "identifiant Cerbère"),
        ("resetgrant", {"nom": ""}, "donnez son nom"),
        ("resetgrant", {"identifiant": "moi"}, "à soi-même"),
    ],
)
def test_a_refusal_is_an_error_of_the_form_and_leaves_nobody_behind(sgne, school, model, changes, said):
    SocialAccountFactory(uid="moi", user=sgne.user)
    before = User.objects.count()
    answer = sgne.post(url(model), PERSON | {"source": "Source", "fin": "2027-08-31"} | changes)
    assert answer.status_code == 200
    assert said in errors(answer).replace("&#x27;", "’")
    assert [model.objects.count() for model in (Holder, Gia, ResetGrant)] == [0, 0, 0]
    assert User.objects.count() == before
    assert {result for _, result in deeds()} <= {"refused"}


@pytest.mark.parametrize(
    ("model", "factory", "action"),
    [
        ("holder", HolderFactory, "holder.changed"),
        ("gia", GiaFactory, "gia.revoked"),
        ("resetgrant", ResetGrantFactory, "grant.revoked"),
    ],
)
def test_each_is_ended_with_a_reason_and_only_then(sgne, model, factory, action):
    row = factory()
    sheet = url(model, "change", row.pk)
    assert sgne.get(sheet).status_code == 200
    assert "motif" in errors(sgne.post(sheet, {"motif": " "}))
    other = UserFactory()
    extras = {"user": other.pk, "starts_on": "2020-01-01", "revoked_by": "moi", "organisation": "1"}
    answer = sgne.post(sheet, {"motif": "A changé de fonction."} | extras)
    assert answer.status_code == 302, errors(answer)
    before = (row.user_id, row.starts_on, row.organisation_id)
    row.refresh_from_db()
    assert (row.user_id, row.starts_on, row.organisation_id) == before
    assert not type(row).objects.in_force(NOON).filter(pk=row.pk).exists()
    assert (action, "ok") in deeds()
    assert sgne.get(sheet).status_code == 200  # what is over can only be read
    assert sgne.post(sheet, {"motif": "Encore."}).status_code == 403


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("role", "reads", "writes"),
    [
        (roles.SGNE, True, True),
        (roles.ETNIC, True, False),
        (roles.AUDITOR, True, False),
        (roles.VERIFIER, False, False),
    ],
)
def test_who_reads_and_who_writes(client, model, role, reads, writes):
    client.force_login(with_role(role))
    assert client.get(url(model, "changelist")).status_code == (200 if reads else 403)
    may_add = writes and model != "grantrequest"
    assert client.get(url(model)).status_code == (200 if may_add else 403)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_ever_deleted(client, model):
    factory = {
        "modeperiod": ModePeriodFactory,
        "holder": HolderFactory,
        "gia": GiaFactory,
        "resetgrant": ResetGrantFactory,
        "grantrequest": GrantRequestFactory,
    }[model]
    row = factory()
    client.force_login(UserFactory(superuser=True))
    assert client.post(url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    client.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"})
    assert type(row).objects.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("lookup", ["user__password__startswith", "organisation__holders__user__password__contains"])
def test_no_list_can_be_probed(sgne, model, lookup):
    assert sgne.get(url(model, "changelist"), {lookup: "pbkdf2"}).status_code in (302, 400)


@pytest.mark.parametrize(
    ("model", "factory"), [("holder", HolderFactory), ("gia", GiaFactory), ("resetgrant", ResetGrantFactory)]
)
def test_lists_filter_search_and_stay_cheap(sgne, model, factory, django_assert_max_num_queries):
    for n in range(20):
        factory(organisation__fase=3000 + n)
    over = factory(organisation__fase=4000, over=True)
    listing = url(model, "changelist")
    with django_assert_max_num_queries(16):
        sgne.get(listing)
    assert sgne.get(listing, {"validite": "oui"}).context["cl"].result_count == 20
    assert list(sgne.get(listing, {"validite": "non"}).context["cl"].result_list) == [over]
    assert sgne.get(listing, {"q": "4000"}).context["cl"].result_count == 1


# The perimeter

PERIOD = {
    "category": "Un type nouveau", "unit_types": "Type nouveau", "verdict": "mode", "valid_from": "2026-09-01",
    "valid_to": "", "source": "Circulaire fictive",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": ""}, "obligatoire"),
        ({"valid_to": "2026-09-01"}, "La fin de validité suit le début"),
        ({"unit_types": "cpms"}, "« cpms » a déjà une réponse"),
        ({}, None),
    ],
)
def test_a_rule_of_the_perimeter_needs_a_source_and_contradicts_no_other(sgne, changes, said):
    answer = sgne.post(url("modeperiod"), PERIOD | changes)
    assert (answer.status_code == 302) is (said is None), errors(answer)
    if said:
        assert said in errors(answer)
    assert ModePeriod.objects.filter(category="Un type nouveau").exists() is (said is None)


def test_a_new_circular_ends_one_rule_and_begins_another(sgne):
    cta = ModePeriod.objects.get(category__startswith="Centres de technologies", valid_to=None)
    school = OrganisationFactory(unit_types=["CTA"])
    facts = {
        "category": cta.category, "unit_types": ",".join(cta.unit_types), "verdict": cta.verdict,
        "valid_from": cta.valid_from, "source": cta.source,
    }  # fmt: skip
    assert sgne.post(url("modeperiod", "change", cta.pk), facts | {"valid_to": "2027-09-01"}).status_code == 302
    after = facts | {"verdict": "mode", "valid_from": "2027-09-01", "valid_to": "", "source": "Circulaire de 2027"}
    assert sgne.post(url("modeperiod"), after).status_code == 302
    assert mode.perimeter_of(school, clock.brussels(date(2027, 8, 31), 12)).verdict == "hors_mode"
    assert mode.perimeter_of(school, clock.brussels(date(2027, 9, 1), 12)).verdict == "mode"
