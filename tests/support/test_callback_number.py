"""The number to call back is recorded by staff, with its source, and each recording is remembered (D18)."""

import pytest
from django.urls import reverse

from accounts.models import Organisation
from bma_portal import clock
from bma_portal.models import AuditEntry
from support.models import PasswordReset
from tests.support.resets_stage import AT, hors_mode_box, received, staff
from tests.support.review_stage import as_, do, said

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(AT)


def write(client, unit: Organisation, **typed: str):
    """What the form of the unit already holds, with these changes."""
    url = reverse("admin:accounts_organisation_change", args=[unit.pk])
    page = client.get(url)
    form = page.context["adminform"].form
    posted = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    for inline in page.context["inline_admin_formsets"]:
        posted |= {f"{inline.formset.prefix}-TOTAL_FORMS": "0", f"{inline.formset.prefix}-INITIAL_FORMS": "0"}
    return client.post(url, {name: value or "" for name, value in {**posted, **typed}.items()})


def test_a_number_is_recorded_with_its_source_by_whom_and_when():
    unit, agent = hors_mode_box(phone="").organisation, staff("SGNE")
    assert write(as_(agent), unit, phone="081 00 00 99", phone_source="Site de l’école").status_code == 302
    unit.refresh_from_db()
    assert (unit.phone, unit.phone_source, unit.phone_recorded_by) == (
        "081 00 00 99",
        "Site de l’école",
        agent.username,
    )
    assert unit.phone_recorded_at == AT
    line = AuditEntry.objects.get(action="unit.phone")
    assert (line.actor, line.details["phone"]) == (agent.username, "081 00 00 99")


def test_a_number_without_its_source_is_refused():
    unit = hors_mode_box(phone="").organisation
    response = write(as_(staff("SGNE")), unit, phone="081 00 00 99")
    assert response.status_code == 200
    assert "Dites d’où vient ce numéro" in response.content.decode()
    unit.refresh_from_db()
    assert unit.phone == ""


def test_who_recorded_the_number_after_the_request_does_not_accept_it_with_it():
    reset = received(hors_mode_box(phone=""))
    both, other = staff("SGNE", "Vérification"), staff("Vérification")
    write(as_(both), reset.mailbox.organisation, phone="081 00 00 99", phone_source="Site de l’école")
    do(as_(both), reset, "prendre")
    response = do(as_(both), reset, "accepter", number="081 00 00 99", called="on")
    assert "une autre personne doit la vérifier" in said(response)
    PasswordReset.objects.filter(pk=reset.pk).update(taken_by=other)
    do(as_(other), reset, "accepter", number="081 00 00 99", called="on")
    reset.refresh_from_db()
    assert reset.status == PasswordReset.Status.ACCEPTED
    write(as_(both), reset.mailbox.organisation, phone="081 00 00 11", phone_source="Site de l’école")
    page = do(as_(staff("Exécution")), reset, "executer").content.decode()
    assert "<strong>081 00 00 99</strong>" in page, "le code se dit au numéro rappelé, pas à un autre"
    assert "081 00 00 11" not in page


@pytest.mark.parametrize("group", ["Vérification", "Exécution", "ETNIC", "Auditeur"])
def test_the_others_read_it_only(group):
    unit = hors_mode_box(phone="").organisation
    url = reverse("admin:accounts_organisation_change", args=[unit.pk])
    assert as_(staff(group)).post(url, {"phone": "081 00 00 99", "phone_source": "x"}).status_code == 403
