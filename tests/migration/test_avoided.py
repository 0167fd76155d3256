"""The periods that a plan avoids: entered by SGNE, told when they overlap, with the public holidays beside them."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.models import AuditEntry
from migration.admin import avoided
from migration.models import AvoidedPeriod
from tests.factories_migration import CampaignFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:migration_avoidedperiod_changelist")
ADD = reverse("admin:migration_avoidedperiod_add")
COUNT = {
    "reason": "count",
    "name": "Comptage de janvier",
    "first": "2025-01-15",
    "last": "2025-01-15",
    "kind": "ec",
    "source": "circulaire 9358",
}


def page_of(client, url=LIST, **query):
    return client.get(url, query).content.decode()


def test_the_list_goes_by_school_year_with_its_public_holidays(signed_in):
    client = signed_in("auditeur")
    page = page_of(client, annee="2024-2025")
    assert "Congé d’automne 2024-2025" in page
    assert "Congé d’automne 2023-2024" not in page
    assert "Jours fériés légaux de 2024-2025" in page
    assert "lundi 11 novembre 2024" in page
    assert "lundi 11 novembre 2025" not in page
    assert page_of(client, annee="n’importe quoi")


def test_a_year_without_a_school_calendar_is_told(signed_in):
    CampaignFactory()
    clock.set_for_every_process(brussels(date(2026, 11, 22), 10))
    page = page_of(signed_in("sgne"))
    clock.release()
    assert "Aucun congé scolaire n’est encodé pour 2026-2027" in page
    assert "encodé pour 2024-2025" not in page
    assert "encodé pour 2025-2026" not in page  # no campaign touches it
    assert "Jours fériés légaux de 2026-2027" in page


def test_the_years_of_a_campaign_are_asked_for_too():
    CampaignFactory(po_first_mail_from=date(2030, 10, 1), ec_first_mail_from=date(2030, 11, 4), slug="2030",
                    po_first_mail_to=date(2030, 10, 31), ec_first_mail_to=date(2030, 11, 30),
                    old_server_closes_on=date(2031, 8, 1))  # fmt: skip
    years = avoided.years_to_encode(date(2024, 9, 30))
    assert years == ["2024-2025", "2030-2031", "2031-2032"]
    assert avoided.without_calendar(years) == ["2030-2031", "2031-2032"]


@pytest.mark.parametrize(("year", "first", "last"), [("2024-2025", date(2024, 7, 6), date(2025, 7, 4))])
def test_a_school_year_ends_on_the_first_friday_of_july(year, first, last):
    assert avoided.bounds(year) == (first, last)


def test_sgne_adds_a_period_and_leaves_a_line(signed_in):
    campaign = CampaignFactory()
    response = signed_in("sgne").post(ADD, COUNT, follow=True)
    period = AvoidedPeriod.objects.get(reason="count")
    assert (period.first, period.kind) == (date(2025, 1, 15), "ec")
    assert reverse("admin:migration_campaign_plan", args=[campaign.pk]) in response.content.decode()
    line = AuditEntry.objects.get(action="avoided.added")
    assert (line.actor, line.details["name"]) == ("sgne", "Comptage de janvier")


def test_sgne_changes_and_deletes_and_each_is_a_line(signed_in):
    client = signed_in("sgne")
    period = AvoidedPeriod.objects.create(reason="count", name="Comptage", first=date(2025, 1, 15),
                                          last=date(2025, 1, 15), kind="ec", source="M. Fictif")  # fmt: skip
    url = reverse("admin:migration_avoidedperiod_change", args=[period.pk])
    assert client.post(url, COUNT | {"last": "2025-01-16"}).status_code == 302
    assert AuditEntry.objects.get(action="avoided.changed").details["last"] == "2025-01-16"
    assert client.post(url, COUNT | {"last": "2025-01-16"}).status_code == 302  # nothing changes: no line
    assert AuditEntry.objects.filter(action="avoided.changed").count() == 1
    assert (
        client.post(reverse("admin:migration_avoidedperiod_delete", args=[period.pk]), {"post": "yes"}).status_code
        == 302
    )
    assert not AvoidedPeriod.objects.filter(pk=period.pk).exists()
    line = AuditEntry.objects.get(action="avoided.deleted")
    assert (line.object_id, line.details["source"]) == (str(period.pk), "circulaire 9358")


@pytest.mark.parametrize("role", ["etnic", "auditeur"])
def test_others_read_only(role, signed_in):
    client, pk = signed_in(role), AvoidedPeriod.objects.first().pk
    assert client.get(LIST).status_code == 200
    for name, args in (("add", []), ("change", [pk]), ("delete", [pk])):
        url = reverse(f"admin:migration_avoidedperiod_{name}", args=args)
        assert client.post(url, COUNT | {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"first": "2025-01-16"}, "« au » (15/01/2025) vient avant « du » (16/01/2025)"),
        ({"first": "2024-08-15"}, "dépasse quatre mois"),
        ({"first": "0024-01-15", "last": "0024-01-15"}, "L’année 24 n’est pas celle d’une campagne"),
        ({"last": "demain"}, "Saisissez une date valide"),
        ({"source": ""}, "obligatoire"),
        ({"reason": "school", "first": "2024-10-30", "last": "2024-11-04"}, "de même motif"),
        ({"reason": "school", "kind": "", "first": "2024-10-21", "last": "2024-10-21"}, "Congé d’automne"),
    ],
)
def test_a_period_that_makes_no_sense_is_refused(wrong, told, signed_in):
    before = AvoidedPeriod.objects.count()
    page = signed_in("sgne").post(ADD, COUNT | wrong).content.decode()
    assert told in page
    assert AvoidedPeriod.objects.count() == before


def test_the_same_days_for_another_kind_or_reason_are_kept_and_told(signed_in):
    client = signed_in("sgne")
    autumn = {"first": "2024-10-21", "last": "2024-11-01"}
    assert client.post(ADD, COUNT | autumn | {"reason": "school", "kind": "po"}).status_code == 302
    page = client.post(ADD, COUNT | autumn, follow=True).content.decode()
    assert "déjà évitée par « Congé d’automne 2024-2025" in page
