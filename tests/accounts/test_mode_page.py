"""The pages of MODE: who sees what, foreign units that do not exist, what changes between a page and its answer."""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from accounts import mode
from accounts.models import ResetGrant
from bma_portal import clock
from bma_portal.models import AuditEntry
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import (
    DAY,
    NOON,
    GiaFactory,
    GrantRequestFactory,
    HolderFactory,
    ResetGrantFactory,
    SocialAccountFactory,
)
from tests.support.pages import Page

pytestmark = pytest.mark.django_db
END = "2027-08-31"


@pytest.fixture(autouse=True)
def it_is_noon(db):
    clock.set_for_every_process(NOON)


@pytest.fixture
def gia():
    return GiaFactory(
        organisation=OrganisationFactory(
            fase=247, name="École du Préau", po=OrganisationFactory(po_unit=True, fase=900)
        ),
        user__first_name="Gaëlle",
        user__last_name="Gia",
    )


@pytest.fixture
def as_gia(client, gia):
    client.force_login(gia.user)
    return client


def known(uid="abc-1", **facts):
    return SocialAccountFactory(uid=uid, user=UserFactory(**facts)).user


def page(response):
    found = Page(response)
    found.assert_sound()
    return found


def grant_form(**changes):
    return {"identifiant": "abc-1", "debut": str(DAY), "fin": END, "confirme": "oui"} | changes


def pages_of(unit, grant, asked):
    name = f"{unit.kind}{unit.fase:06d}"
    return {
        "unit": reverse("mode_unit", args=[name]),
        "grant": reverse("mode_grant", args=[name]),
        "revoke": reverse("mode_revoke", args=[grant.pk]),
        "decide": reverse("mode_decide", args=[asked.pk]),
    }


# Who sees what


def test_a_visitor_is_sent_to_sign_in(client, gia):
    for url in (reverse("mode_grants"), reverse("mode_ask"), *pages_of(
        gia.organisation, ResetGrantFactory(organisation=gia.organisation), GrantRequestFactory()
    ).values()):  # fmt: skip
        for answer in (client.get(url), client.post(url, grant_form())):
            assert answer.status_code in (302, 405)
    assert ResetGrant.objects.count() == 1


@pytest.mark.parametrize(
    "who", ["gia", "gia of the po", "other gia", "over", "to come", "revoked", "holder", "granted", "staff", "anybody"]
)
def test_the_pages_of_a_unit_exist_for_its_gias_alone(client, gia, who):
    unit = gia.organisation
    make = {
        "gia": lambda: gia.user,
        "gia of the po": lambda: GiaFactory(organisation=unit.po).user,
        "other gia": lambda: GiaFactory().user,
        "over": lambda: GiaFactory(organisation=unit, over=True).user,
        "to come": lambda: GiaFactory(organisation=unit, starts_on=DAY + timedelta(days=1)).user,
        "revoked": lambda: GiaFactory(organisation=unit, revoked=True).user,
        "holder": lambda: HolderFactory(organisation=unit).user,
        "granted": lambda: ResetGrantFactory(organisation=unit).user,
        "staff": lambda: UserFactory(superuser=True),
        "anybody": lambda: UserFactory(),
    }
    user, may = make[who](), who in {"gia", "gia of the po"}
    granted, asked = ResetGrantFactory(organisation=unit), GrantRequestFactory(organisation=unit)
    known()
    client.force_login(user)
    before = ResetGrant.objects.count()
    nowhere = Page(client.get(reverse("mode_unit", args=["ec999999"])))
    assert nowhere.status == 404
    for url in pages_of(unit, granted, asked).values():
        answer = client.get(url)
        assert answer.status_code == (200 if may else 404), url
        if not may:
            assert Page(answer).text == nowhere.text
    urls = pages_of(unit, granted, asked)
    posts = [
        (urls["grant"], grant_form()),
        (urls["revoke"], {"motif": "Fin."}),
        (urls["decide"], {"reponse": "accorder", "fin": END}),
    ]
    for url, data in posts:
        answer = client.post(url, data)
        assert answer.status_code == (302 if may else 404), url
        if not may:
            assert Page(answer).text == nowhere.text
    granted.refresh_from_db()
    asked.refresh_from_db()
    assert ResetGrant.objects.count() - before == (2 if may else 0)
    assert (granted.revoked_at is not None) is may
    assert asked.status == ("granted" if may else "asked")
    results = set(AuditEntry.objects.filter(action__startswith="grant").values_list("result", flat=True))
    assert (results, AuditEntry.objects.filter(action__startswith="grant").count()) == (
        {"ok" if may else "refused"},
        3,
    )


@pytest.mark.parametrize(
    "path", ["ec247", "247", "EC000247", "ec000247x", "ec0000000247", "demandes", "permission", "--", "ec000000"]
)
def test_a_unit_has_one_address(as_gia, path):
    assert as_gia.get(f"/mode/{path}/").status_code == 404


@pytest.mark.parametrize("path", ["demande", "permission"])
def test_numbers_beyond_the_database_do_not_exist(as_gia, path):
    end = "retirer/" if path == "permission" else ""
    for number in (0, 2**63, 10**40):
        assert as_gia.get(f"/mode/{path}/{number}/{end}").status_code == 404


# A GIA's list


def test_a_gia_s_list_shows_the_units_the_permissions_and_the_requests(as_gia, gia):
    ResetGrantFactory(organisation=gia.organisation, user__first_name="Ada", user__last_name="Active")
    ResetGrantFactory(organisation=gia.organisation, user__last_name="Retirée", revoked=True)
    ResetGrantFactory(organisation=gia.organisation, user__last_name="Finie", over=True)
    asked = GrantRequestFactory(organisation=gia.organisation, user__last_name="Demandeuse")
    GrantRequestFactory(user__last_name="Ailleurs")
    found = page(as_gia.get(reverse("mode_grants")))
    assert "Ada Active (jusqu’au 31 août 2027)" in found.text
    assert "Demandeuse" in found.text
    assert reverse("mode_decide", args=[asked.pk]) in found.links
    for absent in ("Retirée", "Finie", "Ailleurs"):
        assert absent not in found.text


def test_the_list_of_a_large_po_is_paged_searched_and_cheap(client, django_assert_max_num_queries):
    po = OrganisationFactory(po_unit=True, name="Grand PO")
    for n in range(60):
        school = OrganisationFactory(po=po, fase=1000 + n, name=f"Athénée {n}")
        ResetGrantFactory(organisation=school)
        GrantRequestFactory(organisation=school)
    client.force_login(GiaFactory(organisation=po).user)
    client.get(reverse("mode_grants"))
    with django_assert_max_num_queries(16):
        first = page(client.get(reverse("mode_grants")))
    assert "61 unités." in first.text
    assert "Page 1 sur 3" in first.text
    last = page(client.get(reverse("mode_grants"), {"page": "3"}))
    assert "Page 3 sur 3" in last.text
    for typed in ("1042", "ec001042", "athenee 42"):
        found = page(client.get(reverse("mode_grants"), {"q": typed}))
        assert "1 unité pour" in found.text
        assert "Athénée 42" in found.text
    assert "Aucune de vos unités" in page(client.get(reverse("mode_grants"), {"q": "<b>rien\0"})).text
    OrganisationFactory(fase=4321, name="D’un autre")
    assert "Aucune de vos unités" in page(client.get(reverse("mode_grants"), {"q": "4321"})).text


def test_the_history_says_who_and_when(as_gia, gia):
    unit = gia.organisation
    granted = ResetGrantFactory(organisation=unit, granted_by=gia.user, user__last_name="Partie")
    mode.revoke(granted, by=gia.user, why="A quitté l’école.", at=NOON)
    ResetGrantFactory(organisation=unit, granted_by=None, over=True, user__last_name="Terminée")
    ResetGrantFactory(organisation=unit, to_come=True, user__last_name="Future")
    mode.decide(GrantRequestFactory(organisation=unit), by=gia.user, accept=False, why="Inconnue ici.", at=NOON)
    text = page(as_gia.get(reverse("mode_unit", args=["ec000247"]))).text
    assert "retirée le jeudi 15 octobre 2026 par Gaëlle Gia. Motif : A quitté l’école." in text
    assert "terminée le 14 octobre 2026" in text
    assert "Reprise de MODE le 1er septembre 2024" in text
    assert "à venir du 16 octobre 2026 au 31 août 2027 inclus" in text
    assert "demande refusée le jeudi 15 octobre 2026 par Gaëlle Gia. Motif : Inconnue ici." in text


def test_the_page_of_a_unit_is_cheap(as_gia, gia, django_assert_max_num_queries):
    for _ in range(20):
        ResetGrantFactory(organisation=gia.organisation)
        ResetGrantFactory(organisation=gia.organisation, revoked=True)
        GrantRequestFactory(organisation=gia.organisation)
    as_gia.get(reverse("mode_grants"))
    with django_assert_max_num_queries(18):
        as_gia.get(reverse("mode_unit", args=["ec000247"]))


def test_a_unit_outside_mode_says_so(client):
    client.force_login(GiaFactory(organisation=OrganisationFactory(fase=5, unit_types=["CTA"])).user)
    text = page(client.get(reverse("mode_unit", args=["ec000005"]))).text
    assert "Une unité de type « CTA » n’est pas dans MODE." in text
    assert "Circulaire du 01/09/2025" in text


# Granting


def test_granting_shows_the_person_before_anything_is_written(as_gia, gia):
    to = known(first_name="Ada", last_name="Exacte")
    url = reverse("mode_grant", args=["ec000247"])
    opened = page(as_gia.get(url))
    assert 'value="2027-08-31"' in opened.html
    assert 'value="2026-10-15"' in opened.html
    check = page(as_gia.post(url, grant_form(confirme="")))
    assert "Est-ce la bonne personne" in check.text
    assert "Ada Exacte" in check.text
    assert not ResetGrant.objects.exists()
    again = page(as_gia.post(url, grant_form(confirme="", modifier="oui")))
    assert 'value="abc-1"' in again.html
    answer = as_gia.post(url, grant_form(), follow=True)
    assert "La permission est accordée à Ada Exacte." in page(answer).text
    made = ResetGrant.objects.get()
    assert (made.user, made.granted_by, made.starts_on, made.ends_on) == (to, gia.user, DAY, date(2027, 8, 31))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"identifiant": ""}, "Indiquez l’identifiant"),
        ({"identifiant": "inconnu"}, "ne connaît personne"),
        ({"identifiant": "a b"}, "Ceci n’est pas un identifiant"),
        ({"identifiant": "x" * 500}, "Ceci n’est pas un identifiant"),
        ({"fin": ""}, "obligatoire"),
        ({"fin": "2026-10-14"}, "suit son début"),
        ({"fin": "2029-10-15"}, "dure 3 ans au plus"),
        ({"fin": "9999-12-31"}, "date proche"),
        ({"fin": "demain"}, "Écrivez une date"),
        ({"debut": "2026-10-14"}, "ne commence pas dans le passé"),
        ({"identifiant": "moi"}, "à soi-même"),
    ],
)
def test_what_is_refused_is_said_and_nothing_typed_is_lost(as_gia, gia, changes, said):
    known()
    SocialAccountFactory(uid="moi", user=gia.user)
    found = page(as_gia.post(reverse("mode_grant", args=["ec000247"]), grant_form(**changes)))
    assert said in found.text
    assert found.title.startswith("Erreur : ")
    assert "data-error-summary" in found.html
    assert not ResetGrant.objects.exists()
    for typed in grant_form(**changes).values():
        assert f'value="{typed}"' in found.html or typed in {"", "oui"}


def test_fields_that_the_form_does_not_show_change_nothing(as_gia, gia):
    known()
    other = GiaFactory()
    extras = {"granted_by": other.user.pk, "organisation": other.organisation.pk, "revoked_at": "2020-01-01"}
    as_gia.post(reverse("mode_grant", args=["ec000247"]), grant_form(**extras))
    made = ResetGrant.objects.get()
    assert (made.granted_by, made.organisation, made.revoked_at) == (gia.user, gia.organisation, None)


def test_trying_identifiers_one_after_the_other_is_stopped(as_gia, gia):
    url = reverse("mode_grant", args=["ec000247"])
    answers = [as_gia.post(url, grant_form(identifiant=f"essai{n}")).status_code for n in range(31)]
    assert answers == [200] * 30 + [429]


# Withdrawing and deciding


def test_withdrawing_asks_for_a_reason(as_gia, gia):
    granted = ResetGrantFactory(organisation=gia.organisation)
    url = reverse("mode_revoke", args=[granted.pk])
    assert "cesse tout de suite" in page(as_gia.get(url)).text
    assert page(as_gia.post(url, {"motif": " "})).title.startswith("Erreur : ")
    granted.refresh_from_db()
    assert granted.revoked_at is None
    answer = as_gia.post(url, {"motif": "A quitté l’école."}, follow=True)
    assert "est retirée" in page(answer).text
    granted.refresh_from_db()
    assert (granted.revoked_at, granted.revoked_by) == (NOON, gia.user.username)


def test_somebody_else_withdrew_it_between_the_page_and_its_answer(as_gia, gia):
    granted = ResetGrantFactory(organisation=gia.organisation)
    url = reverse("mode_revoke", args=[granted.pk])
    as_gia.get(url)
    mode.revoke(granted, by=UserFactory(superuser=True), why="Autre motif.", at=NOON)
    found = page(as_gia.post(url, {"motif": "Le mien."}))
    assert "Quelqu’un d’autre vient de retirer" in found.text
    assert "a été retirée le" in found.text
    granted.refresh_from_db()
    assert granted.revoked_why == "Autre motif."


@pytest.mark.parametrize(
    ("data", "status"),
    [({"reponse": "accorder", "fin": END}, "granted"), ({"reponse": "refuser", "motif": "Inconnue."}, "declined")],
)
def test_deciding_a_request(as_gia, gia, data, status):
    asked = GrantRequestFactory(organisation=gia.organisation, message="<b>Je remplace</b>")
    url = reverse("mode_decide", args=[asked.pk])
    assert "&lt;b&gt;Je remplace" in page(as_gia.get(url)).html
    assert as_gia.post(url, data).status_code == 302
    asked.refresh_from_db()
    assert (asked.status, ResetGrant.objects.count()) == (status, int(status == "granted"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({}, "Choisissez une réponse"),
        ({"reponse": "accorder", "fin": ""}, "jusqu’à quand"),
        ({"reponse": "accorder", "fin": "2026-10-14"}, "suit son début"),
        ({"reponse": "refuser", "motif": " "}, "Indiquez le motif du refus"),
        ({"reponse": "autre"}, "Sélectionnez un choix valide"),
    ],
)
def test_a_decision_that_says_too_little(as_gia, gia, data, said):
    asked = GrantRequestFactory(organisation=gia.organisation)
    found = page(as_gia.post(reverse("mode_decide", args=[asked.pk]), {"x": "1"} | data))
    assert said in found.text
    assert found.title.startswith("Erreur : ")
    asked.refresh_from_db()
    assert asked.status == "asked"


@pytest.mark.parametrize("data", [{"reponse": "accorder", "fin": END}, {"reponse": "refuser", "motif": "Non."}])
def test_a_request_that_somebody_else_decided_meanwhile(as_gia, gia, data):
    asked = GrantRequestFactory(organisation=gia.organisation)
    url = reverse("mode_decide", args=[asked.pk])
    as_gia.get(url)
    mode.decide(asked, by=GiaFactory(organisation=gia.organisation).user, accept=False, why="Inconnue.", at=NOON)
    found = page(as_gia.post(url, data))
    assert "Quelqu’un d’autre vient de traiter cette demande" in found.text
    assert "Inconnue." in found.text
    assert not ResetGrant.objects.exists()


def test_a_gia_whose_quality_ended_between_the_page_and_its_answer_is_refused(as_gia, gia):
    granted, asked = (
        ResetGrantFactory(organisation=gia.organisation),
        GrantRequestFactory(organisation=gia.organisation),
    )
    known()
    urls = pages_of(gia.organisation, granted, asked)
    for url in urls.values():
        assert as_gia.get(url).status_code == 200
    mode.end_gia(gia, by="sgne", why="Autre fonction.", at=NOON)
    for name, data in (
        ("grant", grant_form()),
        ("revoke", {"motif": "x"}),
        ("decide", {"reponse": "accorder", "fin": END}),
    ):
        assert as_gia.post(urls[name], data).status_code == 404
    assert ResetGrant.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize(("day", "status"), [(14, 404), (15, 200), (20, 200), (21, 404)])
def test_a_gia_s_pages_on_the_days_around_each_date(client, day, status):
    gia = GiaFactory(starts_on=date(2026, 10, 15), ends_on=date(2026, 10, 20), organisation__fase=77)
    clock.set_for_every_process(clock.brussels(date(2026, 10, day), 12))
    client.force_login(gia.user)
    assert client.get(reverse("mode_unit", args=["ec000077"])).status_code == status


def test_reading_writes_nothing(as_gia, gia):
    granted, asked = (
        ResetGrantFactory(organisation=gia.organisation),
        GrantRequestFactory(organisation=gia.organisation),
    )
    lines = AuditEntry.objects.count()
    for url in (reverse("mode_grants"), reverse("mode_ask"), *pages_of(gia.organisation, granted, asked).values()):
        assert as_gia.get(url).status_code == 200
        assert as_gia.head(url).status_code == 200
    assert AuditEntry.objects.count() == lines
