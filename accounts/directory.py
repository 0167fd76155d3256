"""The door to the directory that holds the mailboxes' passwords (Active Directory).

One protocol, the same verdicts as for mail. Setting the same password twice is harmless, so a doubtful answer is
simply asked again.
"""

from functools import lru_cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from bma_portal.errors import Refusal
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome


class Directory(Protocol):
    def set_password(self, address: str, password: Secret) -> Outcome:
        """Make this the password of that mailbox. SENT once it is in force; nothing is raised for a fault there.

        The reason never quotes the password.
        """


@lru_cache(maxsize=4)
def _directory(path: str) -> Directory:
    return import_string(path)()


def by_hand() -> bool:
    """Whether agents set the passwords themselves (`accounts/by_hand.py`): then nothing is called."""
    return settings.DIRECTORY == "manual" and not settings.DIRECTORY_BACKEND


def directory() -> Directory:
    """The configured directory. Raises Refusal if there is none."""
    if settings.DIRECTORY_BACKEND:
        return _directory(settings.DIRECTORY_BACKEND)
    if settings.DIRECTORY == "ldaps" and settings.DIRECTORY_URL:
        return _directory("accounts.directory_ldap.ActiveDirectory")
    raise Refusal(
        "Aucun annuaire n'est configuré pour poser les mots de passe : définissez DIRECTORY_URL (Active Directory, "
        "ldaps://) ou DIRECTORY=manual."
    )
