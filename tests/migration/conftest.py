from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.test import Client

from accounts import roles
from accounts.models import User
from accounts.roles import AUDITOR, ETNIC, SGNE
from bma_portal.mail.models import OutgoingMail
from migration.models import Mailing, Move
from tests.factories import UserFactory
from tests.factories_migration import MoveFactory

ROLES = {"sgne": SGNE, "etnic": ETNIC, "auditeur": AUDITOR}


@pytest.fixture
def person(db) -> Callable[[str], User]:
    """Somebody of that role: sgne, etnic, auditeur; « personnel » has none, « secours » is a superuser."""

    def of(role: str) -> User:
        user = User.objects.filter(username=role).first()
        if user is None:
            user = UserFactory(username=role, staff=True, is_superuser=role == "secours")
            if role in ROLES:
                if not Group.objects.exists():  # emptied by a test that commits
                    for app in apps.get_app_configs():
                        roles.install(app)
                user.groups.add(Group.objects.get(name=ROLES[role]))
        return user

    return of


@pytest.fixture
def signed_in(person) -> Callable[[str], Client]:
    def as_role(role: str) -> Client:
        client = Client()
        if role != "anonyme":
            client.force_login(person(role))
        return client

    return as_role


@pytest.fixture
def failed_mail(db) -> Callable[..., OutgoingMail]:
    """A mail of the migration that Exchange refused for good."""

    def of(step: int = 1, move: Move | None = None, status: str = OutgoingMail.Status.FAILED) -> OutgoingMail:
        move = move or MoveFactory(**{("announced", "credentials_sent", "confirmed")[step - 1]: True})
        mailing = Mailing.objects.get(move=move, step=step)
        OutgoingMail.objects.filter(pk=mailing.mail_id).update(
            status=status,
            sent_at=None,
            proof="",
            attempts=3,
            ews_id="AAMk-ancien",
            ews_changekey="CQ-ancien",
            last_error="Exchange refuse cette adresse.",
            last_code="ErrorInvalidRecipients",
        )
        return OutgoingMail.objects.get(pk=mailing.mail_id)

    return of
