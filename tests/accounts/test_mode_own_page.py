"""The page « Mes permissions »: what anybody has, asked for, and may ask; nothing about anybody else."""

import pytest
from django.urls import reverse

from accounts.models import GrantRequest
from bma_portal import clock
from tests.accounts.test_mode_page import known, page
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import DAY, NOON, GiaFactory, GrantRequestFactory, HolderFactory, ResetGrantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def it_is_noon(db):
    clock.set_for_every_process(NOON)


@pytest.fixture
def gia():
    return GiaFactory(
        organisation=OrganisationFactory(fase=247, name="École du Préau"),
        user__first_name="Gaëlle",
        user__last_name="Gia",
    )


def test_whoever_manages_nothing_sees_their_own_permissions_and_how_to_ask(client):
    user = known("mon-identifiant")
    granted = ResetGrantFactory(user=user, organisation__name="Mon école")
    GiaFactory(organisation=granted.organisation, user__last_name="Responsable")
    client.force_login(user)
    for name in ("mode_grants", "mode_ask"):
        found = page(client.get(reverse(name)))
        assert "Mon école : jusqu’au 31 août 2027" in found.text
        assert "mon-identifiant" in found.text
        assert "Responsable" in found.text


def test_without_an_answer_one_is_sent_to_the_po_then_etnic_and_out_of_mode_to_the_other_form(client):
    """Two cases, two ways: the form of the one refuses the other."""
    client.force_login(known("mon-identifiant"))
    found = page(client.get(reverse("mode_ask")))
    assert "Parlez-en à votre pouvoir organisateur (PO), puis au Service Desk de l’ETNIC" in found.text
    assert "mailto:support@etnic.be" in found.html
    assert "/mot-de-passe/hors-mode/" in found.links
    assert "autre formulaire" not in found.text


def test_asking_by_any_spelling_of_a_number_tells_nothing_of_the_unit(client, gia):
    texts = set()
    for typed, managed in (("ec000247", True), ("EC000247@adm.cfwb.be", True), ("00 248", False)):
        OrganisationFactory(fase=248, name="Sans GIA") if not managed else None
        client.force_login(UserFactory(first_name="Alix", last_name="Même"))
        answer = client.post(reverse("mode_ask"), {"numero": typed, "message": "Directrice"}, follow=True)
        text = page(answer).text
        assert "Votre demande pour EC 00024" in text
        assert "Gia" not in text
        texts.add(text.replace("000248", "000247").replace("Sans GIA", "École du Préau"))
    assert len(texts) == 1
    assert GrantRequest.objects.count() == 3


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Indiquez un numéro FASE"),
        ("zéro", "n’est pas un numéro FASE"),
        ("98765", "Aucune unité ne porte le numéro 098765"),
        ("555", "écrivez ec000555"),
        ("1" * 300, "trop longue"),
        ("ec000666", "fermée ou reprise"),
        ("ec000777", "déjà cette permission, jusqu’au 31/08/2027"),
        ("ec000888", "déjà une demande en cours"),
    ],
)
def test_what_cannot_be_asked_is_said(client, typed, said):
    user = UserFactory()
    OrganisationFactory(fase=555)
    OrganisationFactory(fase=555, po_unit=True)
    OrganisationFactory(fase=666, closed_on=DAY)
    ResetGrantFactory(user=user, organisation__fase=777)
    GrantRequestFactory(user=user, organisation__fase=888)
    client.force_login(user)
    found = page(client.post(reverse("mode_ask"), {"numero": typed, "message": "Mon message"}))
    assert said in found.text
    assert found.title.startswith("Erreur : ")
    assert "Mon message" in found.html
    assert GrantRequest.objects.count() == 1


def test_one_s_own_request_can_be_withdrawn_and_another_s_cannot(client):
    asked, other = GrantRequestFactory(), GrantRequestFactory()
    client.force_login(asked.user)
    assert client.get(reverse("mode_withdraw", args=[asked.pk])).status_code == 405
    assert client.post(reverse("mode_withdraw", args=[other.pk])).status_code == 404
    url = reverse("mode_withdraw", args=[asked.pk])
    assert "est retirée" in page(client.post(url, follow=True)).text
    assert "Quelqu’un d’autre" in page(client.post(url, follow=True)).text
    assert sorted(GrantRequest.objects.values_list("status", flat=True)) == ["asked", "withdrawn"]


def test_a_number_carried_over_fills_the_form(client):
    client.force_login(UserFactory())
    assert 'value="ec000247"' in page(client.get(reverse("mode_ask"), {"numero": "ec000247"})).html


@pytest.mark.parametrize("link", ["holder", "granted", "over"])
def test_who_manages_a_unit_is_told_to_those_of_that_unit_only(client, gia, link):
    user = UserFactory()
    facts = {"user": user, "organisation": gia.organisation}
    {"holder": HolderFactory, "granted": ResetGrantFactory, "over": HolderFactory}[link](
        **facts, **({"over": True} if link == "over" else {})
    )
    GiaFactory(user__last_name="Étranger")
    client.force_login(user)
    text = page(client.get(reverse("mode_ask"))).text
    assert ("Gaëlle Gia" in text) is (link != "over")
    assert "Étranger" not in text


def test_whoever_only_asked_is_not_told(client, gia):
    client.force_login(GrantRequestFactory(organisation=gia.organisation).user)
    assert "Gaëlle" not in page(client.get(reverse("mode_ask"))).text
