"""Who is what towards a unit at a moment: its holder, its GIAs, the persons who may reset its password. Only reads."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import Gia, Holder, Organisation, ResetGrant
from accounts.perimeter import open_on
from bma_portal.clock import brussels_date


def holder_of(organisation: Organisation, at: datetime) -> Holder | None:
    held = Holder.objects.in_force(at).filter(organisation=organisation).select_related("user")
    return held.order_by("-starts_on", "-pk").first()


def gias_of(organisation: Organisation, at: datetime) -> list[Gia]:
    """Its own first, then its PO's: a PO's GIA covers its establishments (S3 §2.1)."""
    units = [organisation.pk] + ([organisation.po_id] if organisation.po_id else [])
    found = Gia.objects.in_force(at).filter(organisation__in=units, user__is_active=True)
    gias = found.select_related("user", "organisation").order_by("user__last_name", "user__first_name", "pk")
    return sorted(gias, key=lambda gia: gia.organisation_id != organisation.pk)


def overseen_by(user: Any, at: datetime) -> QuerySet[Organisation]:
    """The units whose permissions a GIA sees and may withdraw, the closed ones included."""
    if not _may_act(user):
        return Organisation.objects.none()
    own = Gia.objects.in_force(at).filter(user=user).order_by().values("organisation")
    return Organisation.objects.filter(Q(pk__in=own) | Q(po__in=own))


def scope_of(user: Any, at: datetime) -> QuerySet[Organisation]:
    """What a GIA may grant for at that moment: the units that he manages, and that are open."""
    return overseen_by(user, at).filter(open_on(brussels_date(at)))


def grants_of(user: Any, at: datetime) -> QuerySet[ResetGrant]:
    """The permissions that this person has at that moment, one per unit and period."""
    if not _may_act(user):
        return ResetGrant.objects.none()
    found = ResetGrant.objects.in_force(at).filter(user=user).order_by("organisation__search_key", "pk")
    return found.select_related("organisation__mailbox", "organisation__po")


def grant_for(user: Any, organisation: Organisation, *, at: datetime, lock: bool = False) -> ResetGrant | None:
    """The permission of that person for that very unit at that moment (a PO's does not reach its establishments).

    Read anew each time, never kept from sign-in (SEC-B4). With `lock`, inside a transaction: a revocation under way
    is waited for, one that comes later waits, and one already written counts, were its moment after `at`.
    """
    if not _may_act(user):
        return None
    found = ResetGrant.objects.in_force(at).filter(user=user, organisation=organisation)
    if lock:
        found = found.filter(revoked_at=None).select_for_update(of=("self",), no_key=True)
    return found.order_by("-ends_on", "-pk").first()


def is_linked(user: Any, organisation: Organisation, at: datetime) -> bool:
    """May this person be told who manages that unit's permissions? Its holder, a GIA of it, whoever has or had the
    permission; having asked for it is not enough, since anybody may ask."""
    if not _may_act(user):
        return False
    return (
        overseen_by(user, at).filter(pk=organisation.pk).exists()
        or Holder.objects.in_force(at).filter(user=user, organisation=organisation).exists()
        or ResetGrant.objects.filter(user=user, organisation=organisation).exists()
    )


def _may_act(user: Any) -> bool:
    return bool(user is not None and user.is_authenticated and user.is_active)
