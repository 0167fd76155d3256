from datetime import UTC, date, datetime
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from accounts.contacts import contact_of
from accounts.models import Contact
from tests.factories import ContactFactory

pytestmark = pytest.mark.django_db
AT = datetime(2024, 10, 15, 10, tzinfo=UTC)


@pytest.fixture(autouse=True)
def only_ours():
    Contact.objects.all().delete()


def test_the_initial_contacts_are_those_of_the_documents():
    import_module("accounts.migrations.0002_contacts").add(apps, None)
    assert {contact.team: contact.email for contact in Contact.objects.all()} == {
        "sgne": "migrationBMA@cfwb.be",
        "etnic": "support@etnic.be",
        "priminfo": "sttd@priminfo.be",
        "enseignement_be": "BMA@enseignement.be",
    }
    for contact in Contact.objects.all():
        contact.full_clean()
        assert contact_of(contact.team, AT) == contact
        assert contact.source


def test_a_contact_changes_on_its_date_in_brussels():
    old = ContactFactory(valid_to=date(2024, 11, 1))
    new = ContactFactory(valid_from=date(2024, 11, 1), email="nouvelle@exemple.test")
    assert contact_of("sgne", datetime(2024, 10, 31, 22, 59, tzinfo=UTC)) == old  # 23:59 in Brussels
    assert contact_of("sgne", datetime(2024, 10, 31, 23, 0, tzinfo=UTC)) == new


def test_where_two_overlap_the_latest_wins_and_none_is_an_error():
    ContactFactory()
    new = ContactFactory(valid_from=date(2024, 10, 1))
    assert contact_of("sgne", AT) == new
    with pytest.raises(Contact.DoesNotExist):
        contact_of("etnic", AT)


def test_a_gap_between_two_contacts_stops_nothing(caplog):
    before = ContactFactory(valid_to=date(2024, 9, 1))
    ContactFactory(valid_from=date(2024, 12, 1))
    assert contact_of("sgne", AT) == before
    assert "aucun contact valable" in caplog.text
    Contact.objects.filter(pk=before.pk).delete()
    assert contact_of("sgne", AT).valid_from == date(2024, 12, 1)


@pytest.mark.parametrize("email", ["support@ethnic.be", "a@SUPPORT.Ethnic.BE"])
def test_ethnic_be_is_refused_by_the_form_and_by_the_database(email):
    with pytest.raises(ValidationError, match="n’est pas un domaine"):
        ContactFactory.build(email=email).full_clean()
    with pytest.raises(IntegrityError, match="contact_email_not_at_ethnic_be"):
        ContactFactory(email=email)


def test_a_contact_ends_after_it_begins():
    with pytest.raises(IntegrityError, match="contact_ends_after_it_begins"):
        ContactFactory(valid_from=date(2024, 10, 2), valid_to=date(2024, 10, 2))


def test_a_team_has_one_contact_per_start():
    ContactFactory()
    with pytest.raises(IntegrityError, match="contact_once_per_team_and_start"):
        ContactFactory()
