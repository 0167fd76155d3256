"""The pilot: a sample of each network and type, an evaluation that a person closes, the others that wait for it."""

from collections import Counter
from datetime import date

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from bma_portal.states import StateChange
from migration import decisions, pilot, planning
from migration.models import Batch, Mailing, Move
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory
from tests.together import together

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 9, 16), 10)
FIRST = date(2024, 9, 23)
LESSON = "Deux écoles n’avaient pas noté leur mot de passe : le mail 2 le redit."


@pytest.fixture
def campaign():
    return CampaignFactory()


@pytest.fixture
def register():
    """Five groups: one of POs, four of establishments."""
    for _ in range(12):
        MailboxFactory(organisation__network="Libre", organisation__levels=["Fondamental"])
    for _ in range(6):
        MailboxFactory(organisation__network="Officiel", organisation__levels=["Secondaire"])
    MailboxFactory(organisation__network="Officiel", organisation__levels=["Fondamental", "Secondaire"])
    MailboxFactory(organisation__network="", organisation__levels=[], organisation__unit_types=["CPMS"])
    for _ in range(4):
        MailboxFactory(organisation__po_unit=True, organisation__network="Libre")


def make(campaign, size=8, at=AT):
    return pilot.make(campaign, size, first_mail=FIRST, by="sgne", at=at)


def over(batch) -> Batch:
    Batch.objects.filter(pk=batch.pk).update(status=Batch.Status.FINISHED_WITH_ERRORS)
    batch.refresh_from_db()
    return batch


# The sample


@pytest.mark.parametrize("size", [5, 6, 8, 13, 24])
def test_each_network_and_type_is_there_and_the_rest_in_proportion(size, campaign, register):
    strata = pilot.sample(campaign, size, at=AT)
    assert sum(len(stratum.chosen) for stratum in strata) == size
    assert len(strata) == 5
    assert all(1 <= len(stratum.chosen) <= stratum.total for stratum in strata)
    assert {stratum.type for stratum in strata} == {
        "PO",
        "Fondamental",
        "Secondaire",
        "Fondamental + Secondaire",
        "CPMS",
    }
    shares = {stratum.total: len(stratum.chosen) for stratum in strata}
    assert shares[12] >= shares[6] >= shares[4] >= shares[1]
    chosen = [box.pk for stratum in strata for box in stratum.chosen]
    assert len(set(chosen)) == size
    assert chosen == [box.pk for stratum in pilot.sample(campaign, size, at=AT) for box in stratum.chosen]


@pytest.mark.parametrize(("size", "told"), [(4, "au moins 5"), (25, "que 24 boîtes")])
def test_a_sample_that_cannot_be_is_refused(size, told, campaign, register):
    with pytest.raises(Refusal, match=told):
        pilot.sample(campaign, size, at=AT)


def test_what_is_announced_migrated_closed_or_approved_is_not_sampled(campaign):
    with pytest.raises(Refusal, match="Aucune boîte"):
        pilot.sample(campaign, 1, at=AT)
    MoveFactory(announced=True)
    MoveFactory(migrated=True)
    MoveFactory(batch__status=Batch.Status.APPROVED)
    MoveFactory(batch__status=Batch.Status.DRAFT, batch__by_hand=True)
    MailboxFactory(organisation__closed_on=date(2024, 9, 1))
    planned = MoveFactory(batch__status=Batch.Status.DRAFT)
    (stratum,) = pilot.sample(campaign, 1, at=AT)
    assert [box.pk for box in stratum.chosen] == [planned.mailbox_id]


# Its batches


def test_the_sample_becomes_a_draft_of_each_kind_with_its_mails(campaign, register):
    planning.apply(campaign, at=AT)
    batches = make(campaign)
    assert [(batch.kind, batch.status, batch.pilot, batch.by_hand) for batch in batches] == [
        ("po", "draft", True, True),
        ("ec", "draft", True, True),
    ]
    assert {batch.mail1_on for batch in batches} == {FIRST}
    assert Move.objects.filter(batch__in=batches).count() == 8
    assert Mailing.objects.filter(move__batch__in=batches).count() == 32
    assert max(Counter(Move.objects.live().values_list("mailbox", flat=True)).values()) == 1
    assert Move.objects.count() == 24
    assert AuditEntry.objects.get(action="pilot.composed").actor == "sgne"


def test_a_new_plan_leaves_the_pilot_alone(campaign, register):
    batches = make(campaign)
    planning.apply(campaign, at=AT)
    assert Batch.objects.filter(pk__in=[batch.pk for batch in batches]).count() == 2
    assert Move.objects.filter(batch__in=batches).count() == 8
    assert Move.objects.count() == 24


def test_a_first_day_gone_by_is_refused_and_nothing_is_written(campaign, register):
    planning.apply(campaign, at=AT)
    before = Batch.objects.count()
    with pytest.raises(Refusal, match="est passé"):
        make(campaign, at=brussels(date(2024, 9, 24), 9))
    assert Batch.objects.count() == before
    assert Move.objects.count() == 24


# Who waits for it


def test_the_others_are_not_approved_before_its_evaluation_is_closed(campaign, register):
    po, ec = make(campaign)
    planning.apply(campaign, at=AT)
    general = campaign.batches.filter(pilot=False).first()
    elsewhere = BatchFactory(campaign=CampaignFactory(slug="autre"), status=Batch.Status.DRAFT)
    assert pilot.blocks(po) == pilot.blocks(elsewhere) == ""
    with pytest.raises(Refusal, match="est un pilote dont l’évaluation n’est pas close"):
        decisions.approve(general, by="ada", at=AT)
    pilot.close_evaluation(over(po), by="sgne", at=AT, text=LESSON)
    assert f"{ec}" in pilot.blocks(general)
    Batch.objects.filter(pk=ec.pk).update(status=Batch.Status.CANCELLED)
    assert pilot.blocks(general) == ""


def test_an_evaluation_is_closed_once_signed_and_kept(campaign):
    batch = over(BatchFactory(campaign=campaign, pilot=True))
    pilot.close_evaluation(batch, by="sgne", at=AT, text=f" {LESSON} ")
    assert (batch.evaluation, batch.evaluated_by, batch.evaluated_at) == (LESSON, "sgne", AT)
    assert StateChange.objects.get(object_id=batch.pk, new="pilote évalué").note == LESSON
    assert AuditEntry.objects.get(action="pilot.evaluated").why == LESSON
    with pytest.raises(Refusal, match="déjà close, par sgne"):
        pilot.close_evaluation(batch, by="ada", at=AT, text=LESSON)


@pytest.mark.parametrize(
    ("facts", "text", "told"),
    [
        ({"pilot": False, "status": "finished"}, LESSON, "n’est pas un lot pilote"),
        ({"pilot": True, "status": "running"}, LESSON, "n’est pas terminé"),
        ({"pilot": True, "status": "finished"}, "Tout va bien.", "en une phrase au moins"),
    ],
)
def test_an_evaluation_that_means_nothing_is_refused(facts, text, told, campaign):
    batch = BatchFactory(campaign=campaign, **facts)
    with pytest.raises(Refusal, match=told):
        pilot.close_evaluation(batch, by="sgne", at=AT, text=text)
    assert not AuditEntry.objects.filter(action="pilot.evaluated").exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_close_it_at_once_one_is_told():
    batch = over(BatchFactory(pilot=True))
    copies = [Batch.objects.get(pk=batch.pk) for _ in range(2)]
    done = together(
        *(lambda copy=copy: pilot.close_evaluation(copy, by="sgne", at=AT, text=LESSON) for copy in copies)
    )
    assert [isinstance(one, Refusal) for one in done].count(True) == 1


# The pages


@pytest.fixture
def september():
    clock.set_for_every_process(AT)
    yield
    clock.release()


def test_a_pilot_is_shown_then_composed(campaign, register, september, signed_in):
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_pilot", args=[campaign.pk])
    assert client.get(url).status_code == 200
    page = client.get(url, {"size": "8", "first_mail": "2024-09-23"}).content.decode()
    assert "Échantillon de 8 boîtes" in page
    assert "lundi 23 septembre 2024" in page
    assert not Batch.objects.exists()
    assert client.post(url, {"size": "8", "first_mail": "2024-09-23"}).status_code == 302
    assert campaign.batches.filter(pilot=True).count() == 2


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"size": "0", "first_mail": "2024-09-23"}, "Donnez un nombre de 1 à 500."),
        ({"size": "3", "first_mail": "2024-09-23"}, "demandez-en au moins 5"),
        ({"size": "8", "first_mail": "2024-09-02"}, "est passé"),
        ({"size": "8", "first_mail": ""}, "Choisissez le jour du premier mail."),
    ],
)
def test_a_pilot_that_cannot_be_is_told_on_the_page(asked, told, campaign, register, september, signed_in):
    client, url = signed_in("sgne"), reverse("admin:migration_campaign_pilot", args=[campaign.pk])
    for response in (client.get(url, asked), client.post(url, asked)):
        assert told in response.content.decode().replace("\xa0", " ")
    assert not Batch.objects.exists()


def test_the_evaluation_is_closed_from_its_page_which_keeps_what_was_typed(campaign, signed_in):
    batch = BatchFactory(campaign=campaign, pilot=True, status=Batch.Status.RUNNING)
    client, url = signed_in("sgne"), reverse("admin:migration_batch_evaluation", args=[batch.pk])
    assert url in client.get(reverse("admin:migration_batch_change", args=[batch.pk])).content.decode()
    page = client.post(url, {"text": LESSON}).content.decode()
    assert "terminé" in page
    assert LESSON in page
    over(batch)
    assert client.post(url, {"text": LESSON}).status_code == 302
    assert LESSON in client.get(url).content.decode()
    for role in ("etnic", "auditeur"):
        assert signed_in(role).get(url).status_code == 403
    plain = BatchFactory(campaign=campaign)
    assert client.get(reverse("admin:migration_batch_evaluation", args=[plain.pk])).status_code == 404
