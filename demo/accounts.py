"""The demo's people: invented, with published passwords. They exist on invented data only."""

from dataclasses import dataclass

from django.contrib.auth.models import Group

from accounts.models import User

PASSWORD = "demonstration-bma"


@dataclass(frozen=True)
class Person:
    username: str
    role: str  # the group, or "" for none
    what: str
    superuser: bool = False


PEOPLE = [
    Person("sgne", "SGNE", "équipe « Migration BMA » : suit les lots, approuve, ouvre à tous"),
    Person("etnic", "ETNIC", "Service Desk : résultats des nuits, envois de l’ETNIC"),
    Person("auditeur", "Auditeur", "lit tout, ne change rien"),
]


def create_people() -> None:
    """Make the accounts, or put them back as they are described; twice is once."""
    for person in PEOPLE:
        user, made = User.objects.get_or_create(username=person.username, defaults={"is_staff": True})
        if made:
            user.set_password(PASSWORD)
            user.save()
        user.groups.set(Group.objects.filter(name=person.role))
