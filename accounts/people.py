"""Persons known by Cerbère's identifier, before or after their first sign-in (SEC-B1)."""

from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from bma_portal.errors import Refusal

PREFIX = "cerbere"
LONGEST_SUBJECT = 191
_EXPECTED = "Indiquez l’identifiant Cerbère de la personne, tel qu’elle le lit sur sa page « Mes permissions »."


def subject_of(text: str) -> str:
    """An identifier as typed. Raises Refusal for what cannot be one; letters keep their case, they are Cerbère's."""
    subject = text.strip()
    if not subject:
        raise Refusal(_EXPECTED)
    if len(subject) > LONGEST_SUBJECT or not subject.isprintable() or " " in subject:
        raise Refusal(f"Ceci n’est pas un identifiant Cerbère. {_EXPECTED}")
    return subject


def _known() -> QuerySet[SocialAccount]:
    """The identities of the Cerbère of the settings: the issuer is part of who one is."""
    return SocialAccount.objects.filter(provider=settings.CERBERE_ISSUER)


def person_of(subject: str) -> User | None:
    """Whoever Cerbère knows under that identifier, if the portal does too."""
    account = _known().filter(uid=subject).select_related("user").first()
    return account.user if account else None


def subject_known(user: User) -> str:
    """Cerbère's identifier of that person, "" for a local account."""
    found = _known().filter(user=user).order_by("pk").values_list("uid", flat=True)
    return found.first() or ""


@transaction.atomic
def known_as(subject: str, *, first_name: str, last_name: str) -> User:
    """That person, made known if needed: no password, no role, no right. Whoever is known keeps their name."""
    subject = subject_of(subject)
    if (user := person_of(subject)) is not None:
        return user
    user = User(username=free_username(subject), first_name=first_name.strip(), last_name=last_name.strip())
    user.set_unusable_password()
    user.save(force_insert=True)
    SocialAccount.objects.create(user=user, provider=settings.CERBERE_ISSUER, uid=subject)
    return user


def free_username(subject: str) -> str:
    """Readable in the audit; never what tells who somebody is. A local account of that name stays another person."""
    base = f"{PREFIX}:{subject}"[:140]
    taken = set(User.objects.filter(username__startswith=base).values_list("username", flat=True))
    return next(name for n in range(len(taken) + 1) if (name := base if n == 0 else f"{base}~{n}") not in taken)
