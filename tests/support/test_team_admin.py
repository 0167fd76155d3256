"""What a desk promises: changed by SGNE, within reason, with a line of audit; and permissions asked for once."""

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.auth import PortalBackend, roles_of
from accounts.models import User
from bma_portal.models import AuditEntry
from support.models import Team
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.tickets_stage import agent

pytestmark = pytest.mark.django_db
PAGE = "/admin/support/team/etnic/change/"
GIVEN = {
    "lead": "",
    "first_minutes": "240",
    "next_minutes": "480",
    "solve_minutes": "2700",
    "warn_minutes": "60",
    "release_minutes": "1080",
    "opens_at": "08:00",
    "closes_at": "17:00",
}


@pytest.fixture
def sgne(db) -> Client:
    return sign_in(Client(), agent("sgne"))


def test_the_lead_is_one_of_the_team_and_a_target_may_change(sgne):
    lead = agent("etnic")
    assert sgne.post(PAGE, {**GIVEN, "lead": lead.pk, "first_minutes": "120"}).status_code == 302
    team = Team.objects.get(pk="etnic")
    assert (team.lead, team.first_minutes, team.by_mail) == (lead, 120, False)
    line = AuditEntry.objects.get(action="team.changed")
    assert line.details == {"first_minutes": "120", "lead": str(lead.pk)}
    sgne.post(PAGE, {**GIVEN, "lead": lead.pk, "first_minutes": "120"})
    assert AuditEntry.objects.filter(action="team.changed").count() == 1  # nothing changed, nothing is said


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"first_minutes": "999999"}, "120 jours ouvrés"),
        ({"first_minutes": "1" + "0" * 30}, "120 jours ouvrés"),
        ({"first_minutes": "-1"}, "supérieure ou égale"),
        ({"warn_minutes": "240"}, "L’avertissement vient avant l’échéance"),
        ({"closes_at": "07:00"}, "Une équipe ouvre, puis ferme."),
        ({"lead": "999999"}, "Choisissez une personne de cette équipe."),
    ],
)
def test_a_promise_out_of_reason_is_refused(sgne, typed, words):
    answer = sgne.post(PAGE, {**GIVEN, **typed})
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert Team.objects.get(pk="etnic").first_minutes == 240


def test_a_person_s_permissions_are_the_same_in_one_query(django_assert_num_queries):
    person = agent("etnic")
    person.user_permissions.add(Permission.objects.get(codename="view_incident"))
    with django_assert_num_queries(1):
        found = PortalBackend().get_all_permissions(person)
    assert found == ModelBackend().get_all_permissions(User.objects.get(pk=person.pk))
    assert "support.work_etnic" in found
    person.is_active = False
    assert PortalBackend().get_all_permissions(person) == set()


def test_a_person_is_loaded_with_their_roles_and_permissions_in_one_query(django_assert_num_queries):
    person = agent("etnic")
    person.user_permissions.add(Permission.objects.get(codename="view_incident"))
    with django_assert_num_queries(1):
        loaded = PortalBackend().get_user(person.pk)
        found, roles = loaded.get_all_permissions(), roles_of(loaded)
    assert (loaded, loaded.username, loaded.password) == (person, person.username, person.password)
    assert found == ModelBackend().get_all_permissions(User.objects.get(pk=person.pk))
    assert roles == roles_of(User.objects.get(pk=person.pk))
    alone = UserFactory()
    assert PortalBackend().get_user(alone.pk).get_all_permissions() == set()
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert PortalBackend().get_user(person.pk) is None
    assert PortalBackend().get_user(0) is None
