"""Somebody who reads or steers the campaign, signed in."""

from django.contrib.auth.models import Group
from django.test import Client

from tests.factories import UserFactory


def reader(role: str) -> Client:
    """A person of that role: SGNE, ETNIC, Auditeur."""
    user = UserFactory(staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client
