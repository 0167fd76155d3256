"""Persons and what they are towards a unit, permissions, requests for a password: `PasswordResetFactory(ready=True)`.

Everything is in force on 15 October 2026 (`DAY`) unless told otherwise.
"""

from datetime import UTC, date, datetime, timedelta

import factory
from allauth.socialaccount.models import SocialAccount
from django.conf import settings

from accounts import credentials
from accounts.models import Credential, Gia, GrantRequest, Holder, ModePeriod, ResetGrant
from bma_portal import vault
from bma_portal.clock import brussels
from bma_portal.secret import Secret
from support.models import PasswordReset
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory

DAY = date(2026, 10, 15)
NOON = brussels(DAY, 12)
Status = PasswordReset.Status


class SocialAccountFactory(factory.django.DjangoModelFactory):
    """How Cerbère knows a person: `SocialAccountFactory(user=…, uid="abc123")`."""

    class Meta:
        model = SocialAccount

    user = factory.SubFactory(UserFactory)
    provider = factory.LazyFunction(lambda: settings.CERBERE_ISSUER)
    uid = factory.Sequence(lambda n: f"sujet-{n}")


class DatedFactory(factory.django.DjangoModelFactory):
    class Meta:
        abstract = True

    class Params:
        revoked = factory.Trait(
            revoked_at=datetime(2026, 10, 1, 8, tzinfo=UTC), revoked_by="gia", revoked_why="A quitté l’école."
        )
        over = factory.Trait(ends_on=DAY - timedelta(days=1))
        to_come = factory.Trait(starts_on=DAY + timedelta(days=1), ends_on=date(2027, 8, 31))

    user = factory.SubFactory(UserFactory)
    organisation = factory.SubFactory(OrganisationFactory, mailbox=True)
    starts_on = date(2024, 9, 1)
    recorded_at = datetime(2024, 9, 1, 8, tzinfo=UTC)
    recorded_by = "sgne"


class HolderFactory(DatedFactory):
    class Meta:
        model = Holder


class GiaFactory(DatedFactory):
    class Meta:
        model = Gia


class ResetGrantFactory(DatedFactory):
    class Meta:
        model = ResetGrant

    granted_by = factory.SubFactory(UserFactory)
    ends_on = date(2027, 8, 31)
    recorded_by = factory.LazyAttribute(lambda row: row.granted_by.username if row.granted_by else "import_grants")


class GrantRequestFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = GrantRequest

    user = factory.SubFactory(UserFactory)
    organisation = factory.SubFactory(OrganisationFactory, mailbox=True)
    message = "Je remplace la directrice."
    asked_at = NOON


class ModePeriodFactory(factory.django.DjangoModelFactory):
    """Beside the documents' own, which the migrations wrote: a category of its own."""

    class Meta:
        model = ModePeriod

    category = factory.Sequence(lambda n: f"Catégorie fictive {n}")
    unit_types = factory.LazyAttribute(lambda row: [row.category])
    verdict = ModePeriod.Verdict.MODE
    valid_from = date(2024, 10, 1)
    source = "Circulaire fictive"


class CredentialFactory(factory.django.DjangoModelFactory):
    """A sealed password of a reset, current for its mailbox; `applied=True`: the directory has it."""

    class Meta:
        model = Credential

    class Params:
        applied = factory.Trait(applied_at=NOON)
        destroyed = factory.Trait(applied_at=NOON, sealed="", destroyed_at=NOON, destroyed_why="affiché")

    mailbox = factory.SubFactory(MailboxFactory)
    purpose = Credential.Purpose.RESET
    issued_at = NOON

    @classmethod
    def _create(cls, model_class, *args, clear=None, **kwargs):
        kwargs.setdefault("destroyed_at", None)
        row = model_class(*args, **kwargs)
        if row.destroyed_at is None and not row.sealed:
            secret = Secret(clear) if clear else credentials.new_password(fase=row.mailbox.organisation.fase)
            row.sealed = vault.seal(secret, bound_to=row.bound_to)
        row.save(force_insert=True)
        return row


class PasswordResetFactory(factory.django.DjangoModelFactory):
    """A hors-MODE request whose address is still to be confirmed, unless a trait says otherwise.

    A path: `mode=True` (a requester, with a grant) or hors MODE. A state: `received`, `accepted`, `setting`,
    `ready` (the password sealed and applied), `shown` (its secret destroyed). A mode request is `setting` at least.
    """

    class Meta:
        model = PasswordReset

    class Params:
        mode = factory.Trait(
            path=PasswordReset.Path.MODE,
            status=Status.SETTING,
            requester=factory.SubFactory(UserFactory),
            grant=factory.LazyAttribute(
                lambda row: ResetGrantFactory(user=row.requester, organisation=row.mailbox.organisation)
            ),
            first_name="",
            last_name="",
            email="",
            phone="",
        )
        hors_mode = factory.Trait(path=PasswordReset.Path.HORS_MODE)
        received = factory.Trait(status=Status.RECEIVED, confirmed_at=NOON)
        verified = factory.Trait(
            confirmed_at=NOON,
            verified_by=factory.SubFactory(UserFactory, staff=True),
            verified_at=NOON,
            callback_number="+32 2 000 00 00",
        )
        accepted = factory.Trait(status=Status.ACCEPTED, verified=True)
        setting = factory.Trait(status=Status.SETTING, with_password=True)
        ready = factory.Trait(status=Status.READY, ready_at=NOON, with_password="applied")
        shown = factory.Trait(
            status=Status.SHOWN, ready_at=NOON, shown_at=NOON, ended_at=NOON, with_password="destroyed"
        )
        refused = factory.Trait(status=Status.REFUSED, ended_at=NOON, refusal="La copie est illisible.")
        closed = factory.Trait(status=Status.CLOSED, ended_at=NOON, ended_why="abandonnée")

    mailbox = factory.SubFactory(MailboxFactory)
    path = PasswordReset.Path.HORS_MODE
    status = Status.UNCONFIRMED
    asked_at = NOON
    first_name = "Camille"
    last_name = "Fictive"
    email = "camille@exemple.test"
    phone = "+32 470 00 00 00"

    with_password: object = False  # True: sealed, not applied yet; "applied"; "destroyed"

    @classmethod
    def _create(cls, model_class, *args, with_password=False, **kwargs):
        state = kwargs["status"]
        hors_mode = kwargs["path"] == PasswordReset.Path.HORS_MODE
        if hors_mode and state in {Status.SETTING, Status.READY, Status.SHOWN} and not kwargs.get("verified_by"):
            kwargs |= {"confirmed_at": NOON, "verified_by": UserFactory(staff=True), "verified_at": NOON}
            kwargs.setdefault("executed_by", UserFactory(staff=True))
            kwargs.setdefault("executed_at", NOON)
        if with_password and not kwargs.get("credential"):
            traits = {with_password: True} if isinstance(with_password, str) else {}
            kwargs["credential"] = CredentialFactory(mailbox=kwargs["mailbox"], **traits)
        return super()._create(model_class, *args, **kwargs)
