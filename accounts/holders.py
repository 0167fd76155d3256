"""Who heads a unit, and who manages its permissions: recorded by staff or from a file, ended, never deleted (A6)."""

from datetime import date, datetime, timedelta

from django.db.models import Q

from accounts.deeds import Deeds, deed
from accounts.grants import end, name_of
from accounts.models import Gia, GrantRequest, Holder, Organisation, ResetGrant, User
from accounts.signals import holder_left
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal

LEFT = "changement de titulaire"


def change_holder(
    organisation: Organisation, *, to: User | None, by: User | str, on: date, at: datetime, source: str = ""
) -> Holder | None:
    """From that day `to` heads the unit, or nobody known. The former's period ends the day before, and now end their
    permissions for that unit, their open requests for one, and what follows `signals.holder_left` (A6).

    Their quality of GIA is another fact and stays. Recorded on the day or after it: what is pending closes at once,
    so a change to come is not recorded ahead. Raises Refusal.
    """
    with deed("holder.changed", about=organisation, by=by, at=at) as deeds:
        unit = Organisation.objects.select_for_update(of=("self",), no_key=True).get(pk=organisation.pk)
        if to is not None and not isinstance(by, str) and by.pk == to.pk:
            raise Refusal("On ne se consigne pas titulaire soi-même : un ou une collègue le fait.")
        if on > brussels_date(at):
            raise Refusal("Un changement de titulaire se consigne le jour où il a lieu, ou après : pas à l’avance.")
        return replace(unit, to=to, by=by, on=on, at=at, source=source, deeds=deeds)


def replace(
    unit: Organisation, *, to: User | None, by: User | str, on: date, at: datetime, source: str, deeds: Deeds
) -> Holder | None:
    """The same in the caller's transaction, the unit locked."""
    concerned = Holder.objects.filter(Q(ends_on=None) | Q(ends_on__gte=on), organisation=unit, revoked_at=None)
    formers = list(concerned.select_for_update(of=("self",), no_key=True).select_related("user"))
    if any(former.user_id == getattr(to, "pk", None) for former in formers):
        raise Refusal("Cette personne est déjà titulaire de cette unité.")
    if any(former.starts_on >= on for former in formers):
        raise Refusal("Un ou une titulaire est déjà consigné·e à partir de ce jour ou d’un jour qui suit.")
    if to is None and not formers:
        raise Refusal("Cette unité n’a pas de titulaire à ce jour.")
    for former in formers:
        former.ends_on = on - timedelta(days=1)
        former.save(update_fields=["ends_on"])
        leave(former, by=by, at=at, deeds=deeds)
    if to is None:
        new = None
    else:
        new = Holder.objects.create(
            user=to, organisation=unit, starts_on=on, source=source, recorded_at=at, recorded_by=name_of(by)
        )
    details = {"unit": unit.number, "on": on.isoformat(), "to": getattr(to, "pk", None)}
    details["from"] = [former.user_id for former in formers]
    deeds.note("holder.changed", about=unit, by=by, at=at, why=source, details=details)
    return new


def leave(former: Holder, *, by: User | str, at: datetime, deeds: Deeds) -> None:
    """What a head that left may no longer do for that unit."""
    deeds.announce(holder_left, sender=Holder, holder=former, by=by, at=at)
    mine = {"user": former.user_id, "organisation": former.organisation_id}
    rights = ResetGrant.objects.filter(**mine, revoked_at=None, ends_on__gte=brussels_date(at))
    for grant in rights.select_related("organisation", "user"):
        end(grant, by=by, why=LEFT, at=at, deeds=deeds)
    asked = GrantRequest.objects.filter(**mine, status=GrantRequest.Status.ASKED)
    for request in asked.select_for_update(of=("self",)):
        request.move_to(
            GrantRequest.Status.WITHDRAWN, by=name_of(by), at=at, note=LEFT, decided_at=at, decided_why=LEFT
        )


def appoint_gia(
    organisation: Organisation,
    *,
    to: User,
    by: User | str,
    starts_on: date,
    ends_on: date | None,
    at: datetime,
    source: str = "",
) -> Gia:
    """`to` manages the permissions of that unit, and of its establishments if it is a PO. Raises Refusal."""
    with deed("gia.made", about=organisation, by=by, at=at) as deeds:
        unit = Organisation.objects.select_for_update(of=("self",), no_key=True).get(pk=organisation.pk)
        return make_gia(unit, to=to, by=by, starts_on=starts_on, ends_on=ends_on, source=source, at=at, deeds=deeds)


def make_gia(
    unit: Organisation,
    *,
    to: User,
    by: User | str,
    starts_on: date,
    ends_on: date | None,
    at: datetime,
    source: str,
    deeds: Deeds,
) -> Gia:
    if not to.is_active or to.break_glass:
        raise Refusal("Ce compte ne peut pas être GIA.")
    if not isinstance(by, str) and by.pk == to.pk:
        raise Refusal("On ne se nomme pas GIA soi-même : un ou une collègue le fait.")
    if ends_on is not None and ends_on < starts_on:
        raise Refusal("La fin suit le début.")
    same = Gia.objects.filter(Q(ends_on=None) | Q(ends_on__gte=starts_on), user=to, organisation=unit, revoked_at=None)
    if (same.filter(starts_on__lte=ends_on) if ends_on else same).exists():
        raise Refusal("Cette personne est déjà GIA de cette unité pendant ces dates.")
    new = Gia.objects.create(
        user=to,
        organisation=unit,
        starts_on=starts_on,
        ends_on=ends_on,
        source=source,
        recorded_at=at,
        recorded_by=name_of(by),
    )
    details = {"unit": unit.number, "person": to.pk, "from": starts_on.isoformat()}
    details["to"] = ends_on.isoformat() if ends_on else None
    deeds.note("gia.made", about=new, by=by, at=at, why=source, details=details)
    return new


def end_gia(gia: Gia, *, by: User | str, why: str, at: datetime) -> None:
    """No longer a GIA, from now. What was granted meanwhile stays until its end or its own withdrawal."""
    with deed("gia.revoked", about=gia, by=by, at=at) as deeds:
        why = " ".join(why.split())
        if not why:
            raise Refusal("Indiquez le motif.")
        row = Gia.objects.select_for_update(of=("self",), no_key=True).get(pk=gia.pk)
        if row.revoked_at is not None:
            raise Refusal("Quelqu’un d’autre vient de mettre fin à cette qualité.")
        gia.revoked_at, gia.revoked_by, gia.revoked_why = at, name_of(by), why[:300]
        gia.save(update_fields=["revoked_at", "revoked_by", "revoked_why"])
        details = {"unit": gia.organisation.number, "person": gia.user_id}
        deeds.note("gia.revoked", about=gia, by=by, at=at, why=why, details=details)
