"""The directory in the admin: found, completed, never deleted."""

from datetime import date

import pytest
from django.urls import reverse

from accounts.models import Mailbox, Organisation
from tests.factories import MailboxFactory, OrganisationFactory, SitePlacementFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST, ADD = "admin:accounts_organisation_changelist", "admin:accounts_organisation_add"


@pytest.fixture
def staff(client):
    client.force_login(UserFactory(superuser=True))
    return client


def sheet(unit):
    return reverse("admin:accounts_organisation_change", args=[unit.pk])


def inline_management(*prefixes, initial=0):
    return {f"{prefix}-{name}_FORMS": initial for prefix in prefixes for name in ("TOTAL", "INITIAL")}


def test_the_list_finds_by_number_and_by_name_without_accents(staff, django_assert_max_num_queries):
    for n in range(30):
        OrganisationFactory(fase=100 + n)
    OrganisationFactory(fase=1234, name="École du Préau")
    with django_assert_max_num_queries(12):
        everything = staff.get(reverse(LIST))
    assert everything.status_code == 200
    for typed in ("1234", "ec001234@adm.cfwb.be", "ecole preau"):
        page = staff.get(reverse(LIST), {"q": typed}).content.decode()
        assert "EC 001234" in page
        assert "EC 000101" not in page


@pytest.mark.parametrize(
    ("filters", "shown"),
    [
        ({"presence": "present"}, {1, 4}),
        ({"presence": "absent"}, {2}),
        ({"presence": "manual"}, {3}),
        ({"activite": "plannable"}, {1, 2, 3}),
        ({"activite": "over"}, {4}),
        ({"kind": "po"}, set()),
    ],
)
def test_the_filters(staff, filters, shown):
    OrganisationFactory(fase=1)
    OrganisationFactory(fase=2, absent_since=date(2024, 1, 1))
    OrganisationFactory(fase=3, by_hand=True)
    OrganisationFactory(fase=4, closed_on=date(2020, 1, 1))
    page = staff.get(reverse(LIST), filters).content.decode()
    assert {n for n in range(1, 5) if f"EC {n:06d}" in page} == shown


def test_staff_add_a_unit_that_the_register_lacks_and_its_address_follows(staff):
    answer = staff.post(
        reverse(ADD),
        {"kind": "ec", "fase": "98901", "name": "CPMS fictif", "unit_types": "CPMS", "municipality": "Valfictive"},
    )
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    unit = Organisation.objects.get(fase=98901)
    assert (unit.origin, unit.unit_types) == ("staff", ["CPMS"])
    assert unit.mailbox.address == "ec098901@adm.cfwb.be"
    assert unit.changes.get().field == "created"
    assert unit.changes.get().by is not None


@pytest.mark.parametrize("fase", ["0", "1000000", "-1", "10" * 15, "1\0"])
def test_a_number_that_cannot_be_is_an_error_of_the_form(staff, fase):
    answer = staff.post(reverse(ADD), {"kind": "ec", "fase": fase, "name": "X"})
    assert answer.status_code == 200
    assert not Organisation.objects.exists()


def test_a_number_taken_is_said_in_french(staff):
    OrganisationFactory(fase=7)
    page = staff.post(reverse(ADD), {"kind": "ec", "fase": "7", "name": "X"}).content.decode()
    assert "Ce numéro FASE existe déjà" in page


def test_what_the_register_says_is_read_only_and_what_staff_know_is_not(staff):
    box = MailboxFactory(organisation__name="Nom du registre")
    unit, successor = box.organisation, OrganisationFactory()
    SitePlacementFactory(establishment=unit)
    assert staff.get(sheet(unit)).status_code == 200
    answer = staff.post(
        sheet(unit),
        {
            "name": "Autre nom",
            "fase": "1",
            "closed_on": "2024-08-31",
            "successor": successor.pk,
            "mailbox-0-id": box.pk,
            "mailbox-0-organisation": unit.pk,
            "mailbox-0-confirmed_on": "2024-09-01",
        }
        | inline_management("mailbox", initial=1)
        | inline_management("placements", "changes"),
    )
    assert answer.status_code == 302, answer.context["errors"]
    unit = Organisation.objects.get(pk=unit.pk)
    assert (unit.name, unit.closed_on, unit.successor) == ("Nom du registre", date(2024, 8, 31), successor)
    assert unit.changes.filter(field="successor", new=str(successor.fase)).exists()
    assert Mailbox.objects.get().confirmed_on == date(2024, 9, 1)


def test_nothing_of_the_directory_can_be_deleted(staff):
    unit = MailboxFactory().organisation
    assert staff.get(reverse("admin:accounts_organisation_delete", args=[unit.pk])).status_code == 403
    staff.post(reverse(LIST), {"action": "delete_selected", "_selected_action": [unit.pk], "post": "yes"})
    assert Organisation.objects.filter(pk=unit.pk).exists()


@pytest.mark.parametrize("model", ["site", "registerimport", "organisationchange", "contact", "user"])
def test_the_other_lists_open(staff, model):
    assert staff.get(reverse(f"admin:accounts_{model}_changelist"), {"q": "1"}).status_code == 200
