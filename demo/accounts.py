"""The demo's people in the portal: their accounts, their identities at the stand-in, what they are to which school.

All of it is invented, and the passwords and the key are published: they open invented data only.
"""

import time
from datetime import date, datetime, timedelta
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from accounts import mode
from accounts.contacts import contact_of
from accounts.models import Contact, Gia, Holder, ModePeriod, Organisation, ResetGrant, User
from bma_portal.clock import brussels, brussels_date
from demo import one_time_code
from demo.people import DESK_ONLY, PEOPLE, Person
from support.models import Team

PASSWORD = "demonstration-bma"  # of the break-glass account
ONE_TIME_KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # its second factor: what its telephone would hold
BY = "démonstration"
PHONE = "+32 81 00 00 01"  # of no real subscriber
LEAD = "etnic"  # leads the Service Desk: told of the deadlines that pass
SINCE = date(2024, 10, 1)
SAMPLE = "Valfictive"  # a municipality of the invented register: only there are holders invented too


@transaction.atomic
def create_people() -> None:
    """Make the accounts, or put them back as they are described; twice is once."""
    for person in PEOPLE:
        user, _ = User.objects.update_or_create(
            username=person.username,
            defaults={
                "first_name": person.first_name,
                "last_name": person.last_name,
                "is_staff": person.is_staff,
                "is_superuser": person.break_glass,
                "break_glass": person.break_glass,
                "is_active": True,
            }
            | ({"email": person.email} if person.is_agent and not person.break_glass else {}),
        )
        user.groups.set(Group.objects.filter(name__in=person.roles))
        if person.break_glass:
            _break_glass(user)
            continue
        user.set_unusable_password()
        user.save(update_fields=["password"])
        SocialAccount.objects.get_or_create(
            provider=settings.CERBERE_ISSUER, uid=person.subject, defaults={"user": user}
        )
    Team.objects.filter(pk="etnic").update(lead=User.objects.get(username=LEAD))


def _break_glass(user: User) -> None:
    if not user.check_password(PASSWORD):
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    sealed = get_adapter().encrypt(ONE_TIME_KEY)
    kind = Authenticator.Type.TOTP
    Authenticator.objects.get_or_create(user=user, type=kind, defaults={"data": {"secret": sealed}})


def give_qualities(at: datetime) -> None:
    """Who heads which invented school, manages permissions, has one, in force at that moment; twice is once.

    Each invented unit also has a number to call back, without which no hors-MODE request is accepted.
    """
    Organisation.objects.filter(municipality=SAMPLE, phone="").update(
        phone=PHONE, phone_source="inventé pour la démonstration", phone_recorded_at=at, phone_recorded_by=BY
    )
    schools = _schools(at)
    if schools is None:
        return
    first, second, authority, elsewhere = schools
    people = {person.username: User.objects.get(username=person.username) for person in PEOPLE}
    for unit, name in ((first, "directrice"), (second, "directeur"), (authority, "po"), (elsewhere, "po")):
        held = Holder.objects.in_force(at).filter(organisation=unit)
        if not held.filter(user=people[name]).exists() and not held.exists():
            mode.change_holder(unit, to=people[name], by=BY, on=SINCE, at=at, source="inventé pour la démonstration")
    today = brussels_date(at)
    if not Gia.objects.in_force(at).filter(user=people["gia"], organisation=authority).exists():
        mode.appoint_gia(authority, to=people["gia"], by=BY, starts_on=today, ends_on=None, at=at, source="inventé")
    if not ResetGrant.objects.in_force(at).filter(user=people["directrice"], organisation=first).exists():
        end = today + timedelta(days=365)
        mode.grant(first, to=people["directrice"], by=people["gia"], starts_on=today, ends_on=end, at=at)


def _schools(at: datetime) -> tuple[Organisation, Organisation, Organisation, Organisation] | None:
    """Two schools of one PO, the PO, a school of another, in MODE since 2024; None without the invented register."""
    if not Organisation.objects.filter(municipality=SAMPLE).exists():
        return None
    in_mode: dict[int, list[Organisation]] = {}
    units = Organisation.objects.establishments().plannable(at).filter(po__isnull=False, mailbox__isnull=False)
    for unit in units.select_related("po").order_by("fase"):
        verdicts = {mode.perimeter_of(unit, moment).verdict for moment in (brussels(SINCE), at)}
        if verdicts == {ModePeriod.Verdict.MODE}:
            in_mode.setdefault(unit.po_id, []).append(unit)
        pairs = [found for found in in_mode.values() if len(found) >= 2]
        if pairs and len(in_mode) >= 2:
            first, second = pairs[0][:2]
            elsewhere = next(found[0] for po, found in in_mode.items() if po != first.po_id)
            return first, second, first.po, elsewhere
    return None


def described(at: datetime) -> list[dict[str, Any]]:
    """Everybody, their roles, what they are to which unit, and how they sign in."""
    return [_described(person, at) for person in PEOPLE]


def _described(person: Person, at: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": person.name,
        "username": person.username,
        "what": person.what,
        "roles": list(person.roles),
        "qualities": _qualities(person, at),
    }
    if person.break_glass:
        return facts | {
            "signs_in": "compte de secours : mot de passe, puis code à usage unique",
            "path": "/connexion/secours/",
            "password": PASSWORD,
            "one_time_key": ONE_TIME_KEY,
            "one_time_code": one_time_code.at(ONE_TIME_KEY, time.time()),
        }
    how = "Cerbère de démonstration, connexion renforcée" if person.is_agent else "Cerbère de démonstration"
    signs_in = f"{how} : un clic sur « {person.name} »"
    if by_mail := _works_by_mail(person, at):
        signs_in += f" ; ou par mail seulement, dans la boîte {by_mail} de la doublure d’Exchange, sous /ailleurs/"
    return facts | {"signs_in": signs_in, "path": "/connexion/"}


def _works_by_mail(person: Person, at: datetime) -> str:
    """The address at which their team gets its tickets, if it may do without the desk."""
    team = next((team for team in Contact.Team if team.label in person.roles and team.label in DESK_ONLY), None)
    return contact_of(team, at).email if team else ""


def _qualities(person: Person, at: datetime) -> list[str]:
    user = User.objects.filter(username=person.username).first()
    if user is None:
        return []
    kinds = ((Holder, "titulaire de"), (Gia, "GIA de"), (ResetGrant, "peut réinitialiser"))
    return [
        f"{words} {row.organisation.number} ({row.organisation.name})"
        for model, words in kinds
        for row in model.objects.in_force(at).filter(user=user).select_related("organisation").order_by("pk")
    ]
