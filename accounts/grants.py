"""The permission « réinitialiser le mot de passe BMA »: granted, withdrawn, asked for, decided (S3 §2.1, A7, SEC-B5).

Granted by a GIA of the unit or of its PO, or by staff who may; for one unit, with an end. Ours: nobody grants to
themself, a permission lasts three years at most, it outlives the quality of whoever granted it, and it is never dated
back. Each deed is one line of the audit in its transaction, each refusal one outside of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta

from django.db.models import Q

from accounts.deeds import Deeds, deed
from accounts.models import Gia, GrantRequest, Organisation, ResetGrant, User
from accounts.perimeter import is_open
from accounts.signals import grant_ended
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal

LONGEST_YEARS = 3
START_WITHIN_DAYS = 366
OPEN_REQUESTS = 5  # of one person: more is a guess, not a need
WHY_MAX = MESSAGE_MAX = 300


class OutOfScope(Refusal):
    """That unit is not this person's to manage. A page answers as if it did not exist."""

    def __init__(self) -> None:
        super().__init__("Cette unité ne relève pas de vous.")


def longest_end(starts_on: date) -> date:
    """The last day that a permission begun on that day may have."""
    day = 28 if (starts_on.month, starts_on.day) == (2, 29) else starts_on.day
    return starts_on.replace(year=starts_on.year + LONGEST_YEARS, day=day) - timedelta(days=1)


def grant(
    organisation: Organisation, *, to: User, by: User, starts_on: date, ends_on: date, at: datetime
) -> ResetGrant:
    """`to` may reset the password of that unit's mailbox from one day to the other, both included.

    A request that `to` had made for that unit is thereby granted. Raises OutOfScope; Refusal if the unit is closed,
    if the dates are not, or if the two are one person.
    """
    with deed("grant.made", about=organisation, by=by, at=at) as deeds:
        unit = _locked(organisation)
        _authorise(by, unit, "add_resetgrant", at)
        made = make(unit, to=to, by=by, starts_on=starts_on, ends_on=ends_on, at=at, deeds=deeds)
        asked = GrantRequest.objects.filter(user=to, organisation=unit, status=GrantRequest.Status.ASKED)
        for request in asked.select_for_update(of=("self",)):
            _settle(request, GrantRequest.Status.GRANTED, by=by, why="", at=at, grant=made)
    return made


def make(
    unit: Organisation, *, to: User, by: User, starts_on: date, ends_on: date, at: datetime, deeds: Deeds
) -> ResetGrant:
    """The rules of a new permission, whoever may grant it; in the caller's transaction, the unit locked."""
    today = brussels_date(at)
    if to.pk == by.pk:
        raise Refusal("On ne s’accorde pas une permission à soi-même : demandez-la à un autre GIA ou au SGNE.")
    if starts_on < today:
        raise Refusal("Une permission ne commence pas dans le passé.")
    if starts_on > today + timedelta(days=START_WITHIN_DAYS):
        raise Refusal("Une permission commence dans l’année qui vient.")
    check_period(unit, to=to, starts_on=starts_on, ends_on=ends_on, at=at)
    made = ResetGrant.objects.create(
        user=to,
        organisation=unit,
        granted_by=by,
        starts_on=starts_on,
        ends_on=ends_on,
        recorded_at=at,
        recorded_by=by.get_username(),
    )
    deeds.note("grant.made", about=made, by=by, at=at, details=facts_of(made))
    return made


def check_period(unit: Organisation, *, to: User, starts_on: date, ends_on: date, at: datetime) -> None:
    """What holds for every permission, those of a file included. Raises Refusal."""
    if not to.is_active or to.break_glass:
        raise Refusal("Ce compte ne peut pas recevoir de permission.")
    if not is_open(unit, at):
        raise Refusal("Cette unité est fermée ou reprise par une autre : sa boîte ne reçoit plus de permission.")
    if ends_on < starts_on:
        raise Refusal("La fin d’une permission suit son début.")
    if ends_on > (last := longest_end(starts_on)):
        raise Refusal(f"Une permission dure {LONGEST_YEARS} ans au plus : ici, jusqu’au {last:%d/%m/%Y}.")
    same = ResetGrant.objects.filter(user=to, organisation=unit, revoked_at=None)
    if other := same.filter(starts_on__lte=ends_on, ends_on__gte=starts_on).first():
        raise Refusal(
            f"Cette personne a déjà cette permission du {other.starts_on:%d/%m/%Y} au {other.ends_on:%d/%m/%Y}. "
            "Retirez-la d’abord, ou faites commencer la nouvelle après."
        )


def revoke(grant: ResetGrant, *, by: User, why: str, at: datetime) -> None:
    """Withdraw it, now. What was begun with it is closed by those who follow `signals.grant_ended`.

    Raises OutOfScope; Refusal without a reason, or if it is already over.
    """
    with deed("grant.revoked", about=grant, by=by, at=at) as deeds:
        unit = _locked(grant.organisation)
        _authorise(by, unit, "change_resetgrant", at)
        end(grant, by=by, why=_reason(why), at=at, deeds=deeds)


def end(grant: ResetGrant, *, by: User | str, why: str, at: datetime, deeds: Deeds) -> None:
    """The same, whoever may; in the caller's transaction."""
    row = ResetGrant.objects.select_for_update(of=("self",), no_key=True).get(pk=grant.pk)
    if row.revoked_at is not None:
        raise Refusal("Quelqu’un d’autre vient de retirer cette permission.")
    if row.ends_on is not None and row.ends_on < brussels_date(at):
        raise Refusal("Cette permission est déjà arrivée à sa fin.")
    grant.revoked_at, grant.revoked_by, grant.revoked_why = at, name_of(by), why
    grant.save(update_fields=["revoked_at", "revoked_by", "revoked_why"])
    deeds.announce(grant_ended, sender=ResetGrant, grant=grant, by=by, at=at)
    deeds.note("grant.revoked", about=grant, by=by, at=at, why=why, details=facts_of(grant))


def ask(organisation: Organisation, *, user: User, message: str, at: datetime) -> GrantRequest:
    """Ask whoever manages that unit for the permission. The same answer whether or not somebody manages it (D7)."""
    with deed("grant.asked", about=organisation, by=user, at=at) as deeds:
        unit = _locked(organisation)
        message = " ".join(message.split())
        if len(message) > MESSAGE_MAX or not message.isprintable():
            raise Refusal(f"Le message compte {MESSAGE_MAX} signes au plus, sans signe invisible.")
        if not is_open(unit, at):
            raise Refusal("Cette unité est fermée ou reprise par une autre : sa boîte ne reçoit plus de permission.")
        if has := ResetGrant.objects.in_force(at).filter(user=user, organisation=unit).first():
            raise Refusal(f"Vous avez déjà cette permission, jusqu’au {has.ends_on:%d/%m/%Y}.")
        mine = GrantRequest.objects.filter(user=user, status=GrantRequest.Status.ASKED)
        if mine.filter(organisation=unit).exists():
            raise Refusal("Vous avez déjà une demande en cours pour cette unité.")
        User.objects.select_for_update(of=("self",), no_key=True).get(pk=user.pk)  # one count at a time
        if mine.count() >= OPEN_REQUESTS:
            raise Refusal(
                f"Vous avez déjà {OPEN_REQUESTS} demandes en cours : attendez une réponse ou retirez-en une."
            )
        request = GrantRequest.objects.create(user=user, organisation=unit, message=message, asked_at=at)
        deeds.note("grant.asked", about=request, by=user, at=at, details=_facts(request))
    return request


def decide(
    request: GrantRequest, *, by: User, accept: bool, ends_on: date | None = None, why: str = "", at: datetime
) -> GrantRequest:
    """Grant from today, or decline with a reason. Raises OutOfScope; Refusal if somebody else decided first."""
    with deed("grant.made" if accept else "grant.declined", about=request, by=by, at=at) as deeds:
        unit = _locked(request.organisation)
        _authorise(by, unit, "add_resetgrant", at)
        with _still_asked(request) as row:
            if row.user_id == by.pk:
                raise Refusal("On ne décide pas de sa propre demande : un autre GIA ou le SGNE le fera.")
            if accept:
                if ends_on is None:
                    raise Refusal("Indiquez jusqu’à quand la permission est accordée.")
                today = brussels_date(at)
                made = make(unit, to=row.user, by=by, starts_on=today, ends_on=ends_on, at=at, deeds=deeds)
                _settle(request, GrantRequest.Status.GRANTED, by=by, why="", at=at, grant=made)
            else:
                why = _reason(why)
                _settle(request, GrantRequest.Status.DECLINED, by=by, why=why, at=at)
                deeds.note("grant.declined", about=request, by=by, at=at, why=why, details=_facts(request))
    return request


def withdraw(request: GrantRequest, *, by: User, at: datetime) -> None:
    """Whoever asked no longer does."""
    with deed("grant.withdrawn", about=request, by=by, at=at) as deeds:
        if request.user_id != by.pk:
            raise OutOfScope
        with _still_asked(request):
            _settle(request, GrantRequest.Status.WITHDRAWN, by=by, why="", at=at)
        deeds.note("grant.withdrawn", about=request, by=by, at=at, details=_facts(request))


def facts_of(grant: ResetGrant) -> dict[str, object]:
    """What the audit keeps beside the line: numbers and dates."""
    return {
        "unit": grant.organisation.number,
        "person": grant.user_id,
        "from": grant.starts_on.isoformat(),
        "to": grant.ends_on.isoformat() if grant.ends_on else None,
    }


def name_of(by: User | str) -> str:
    return by if isinstance(by, str) else by.get_username()


def _facts(request: GrantRequest) -> dict[str, object]:
    return {"unit": request.organisation.number, "person": request.user_id}


@contextmanager
def _still_asked(request: GrantRequest) -> Iterator[GrantRequest]:
    row = GrantRequest.objects.select_for_update(of=("self",)).select_related("user").get(pk=request.pk)
    if row.status != GrantRequest.Status.ASKED:
        raise Refusal("Quelqu’un d’autre vient de traiter cette demande.")
    yield row


def _settle(
    request: GrantRequest, status: str, *, by: User, why: str, at: datetime, grant: ResetGrant | None = None
) -> None:
    decided = {"decided_at": at, "decided_by": by, "decided_why": why, "grant": grant}
    request.move_to(status, by=by.get_username(), at=at, note=why, **decided)


def _locked(organisation: Organisation) -> Organisation:
    """Deeds on one unit go one after the other: neither two overlapping permissions nor one for a unit just closed."""
    return Organisation.objects.select_for_update(of=("self",), no_key=True).get(pk=organisation.pk)


def _authorise(by: User, unit: Organisation, permission: str, at: datetime) -> None:
    """A GIA in force of the unit or of its PO, read and held until the end of the deed; or staff who may."""
    if by.is_active:
        units = Q(organisation=unit) | (Q(organisation=unit.po_id) if unit.po_id else Q())
        held = Gia.objects.in_force(at).filter(units, user=by, revoked_at=None)
        if held.select_for_update(of=("self",), no_key=True).first() is not None:
            return
        if by.is_staff and by.has_perm(f"accounts.{permission}"):
            return
    raise OutOfScope


def _reason(why: str) -> str:
    why = " ".join(why.split())
    if not why:
        raise Refusal("Indiquez le motif.")
    if len(why) > WHY_MAX or not why.isprintable():
        raise Refusal(f"Le motif compte {WHY_MAX} signes au plus, sans signe invisible.")
    return why
