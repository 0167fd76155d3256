"""How tests sign somebody in, without walking through Cerbère."""

import time

from django.conf import settings
from django.test import Client

from accounts.auth import BREAK_GLASS, CERBERE, ENTRY, roles_of
from accounts.models import User

WEAK_ACR = "urn:demo:cerbere:simple"
_force_login = Client.force_login


def sign_in(client: Client, user: User, *, strong: bool = True) -> Client:
    """A session as `accounts.sessions.open_session` leaves it; strong as staff need it, or not."""
    _force_login(client, user)
    note_entry(client, user, acr=settings.CERBERE_STAFF_ACR[0] if strong else WEAK_ACR)
    return client


def note_entry(client: Client, user: User, *, acr: str = "", by: str = CERBERE, second_factor: bool = True) -> None:
    now = int(time.time())
    session = client.session
    session[ENTRY] = {
        "user": user.pk,
        "by": BREAK_GLASS if by != CERBERE else CERBERE,
        "acr": acr,
        "second_factor": by != CERBERE and second_factor,
        "opened": now,
        "seen": now,
        "roles": sorted(roles_of(user)),
    }
    session.save()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
