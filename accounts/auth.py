"""Who is at the other end, and how sure we are: the backend, how strong a session is, where one may come back to."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User

ENTRY = "entree"  # where a session keeps how it was opened: written by `sessions.open`, and nowhere else
CERBERE, BREAK_GLASS = "cerbere", "secours"


class PortalBackend(ModelBackend):
    """A password opens the break-glass accounts only. Whoever is loaded comes with their roles, in one query."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        user = super().authenticate(request, username=username, password=password)
        return user if user is not None and user.break_glass else None

    def get_user(self, user_id: int) -> User | None:
        groups = Group.objects.filter(user=OuterRef("pk")).order_by("pk").values("pk")
        return User.objects.filter(pk=user_id, is_active=True).annotate(group_ids=ArraySubquery(groups)).first()


def roles_of(user: User) -> set[str]:
    """What a person was given: losing one of these ends their sessions (SEC-B11)."""
    groups = getattr(user, "group_ids", None)
    if groups is None:
        groups = user.groups.values_list("pk", flat=True)
    roles = {f"groupe {pk}" for pk in groups}
    roles |= {name for name in ("is_staff", "is_superuser", "break_glass") if getattr(user, name)}
    return roles


def needs_strength(user: User) -> bool:
    """Staff: whoever holds a role."""
    return bool(roles_of(user))


def is_strong_enough(acr: str) -> bool:
    """Whether Cerbère vouches for what is demanded of staff. Nothing said means weak (SEC-B3)."""
    return bool(acr) and acr in settings.CERBERE_STAFF_ACR


def is_strong(request: HttpRequest) -> bool:
    """Whether this session was opened with the strength demanded of staff.

    By Cerbère with one of the `acr` of CERBERE_STAFF_ACR, or by a break-glass account with its second factor.
    """
    entry = request.session.get(ENTRY) or {}
    user = request.user
    if not user.is_authenticated or entry.get("user") != user.pk:
        return False
    if entry.get("by") == BREAK_GLASS:
        return user.break_glass and bool(entry.get("second_factor"))
    return is_strong_enough(entry.get("acr", ""))


def is_own_path(url: str) -> bool:
    """Whether it leads to a page of the portal: a path, never an address, however it is disguised (SEC-G7)."""
    if not url.startswith("/") or url.startswith("//") or "\\" in url or not url.isprintable():
        return False
    return url_has_allowed_host_and_scheme(url, allowed_hosts=None)
