"""Who is at the other end, and how sure we are: the backend, how strong a session is, where one may come back to."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import User
from bma_portal.planned import Place, Plan

ENTRY = "entree"  # where a session keeps how it was opened: written by `sessions.open`, and nowhere else
CERBERE, BREAK_GLASS = "cerbere", "secours"


_FIELDS = [field.attname for field in User._meta.concrete_fields]
_COLUMNS = ", ".join(f'u."{field.column}"' for field in User._meta.concrete_fields)
# A person with their roles and all that these and they themselves may do, in one statement
_WITH_ROLES = f"""SELECT {_COLUMNS},
        ARRAY(SELECT group_id FROM accounts_user_groups WHERE user_id = u.id) AS group_ids,
        ARRAY(
            SELECT c.app_label || '.' || p.codename
            FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
            WHERE p.id IN (
                SELECT gp.permission_id
                FROM auth_group_permissions gp JOIN accounts_user_groups ug ON ug.group_id = gp.group_id
                WHERE ug.user_id = u.id
                UNION ALL
                SELECT permission_id FROM accounts_user_user_permissions WHERE user_id = u.id
            )
        ) AS permission_names
    FROM accounts_user u WHERE u.id = %s AND u.is_active"""  # noqa: S608
_person = Plan(_WITH_ROLES, [Place(0)], ["int"])


class PortalBackend(ModelBackend):
    """A password opens the break-glass accounts only.

    Whoever is loaded comes with their roles, and with what these and they themselves may do, in one query.
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        user = super().authenticate(request, username=username, password=password)
        return user if user is not None and user.break_glass else None

    def get_user(self, user_id: int) -> User | None:
        for *columns, group_ids, permission_names in _person.fetch([user_id]):
            user = User.from_db(DEFAULT_DB_ALIAS, _FIELDS, columns)
            vars(user).update(group_ids=group_ids, permission_names=permission_names)
            return user
        return None

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """The person's own and those of their roles: as they were loaded, else in one query instead of two."""
        asked = user_obj.is_active and not user_obj.is_superuser and obj is None
        if asked and not hasattr(user_obj, "_perm_cache") and hasattr(user_obj, "permission_names"):
            user_obj._perm_cache = set(user_obj.permission_names)
        if asked and user_obj.pk is not None and not hasattr(user_obj, "_perm_cache"):
            names = ("content_type__app_label", "codename")
            own = self._get_user_permissions(user_obj).order_by().values_list(*names)  # type: ignore[attr-defined]
            of_roles = self._get_group_permissions(user_obj).order_by().values_list(*names)  # type: ignore[attr-defined]
            user_obj._perm_cache = {f"{app}.{codename}" for app, codename in own.union(of_roles)}
        return super().get_all_permissions(user_obj, obj)


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
