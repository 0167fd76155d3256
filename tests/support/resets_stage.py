"""What the tests of resets are made of: migrated boxes, people with what they may do, proofs, mails as they leave."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from io import BytesIO

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from accounts.models import Gia, Holder, Mailbox, ResetGrant, User
from bma_portal.clock import brussels
from bma_portal.mail.compose import Letter, letters
from bma_portal.mail.models import OutgoingMail
from support import proofs, resets, tokens
from support.models import PasswordReset
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_migration import BatchFactory, MoveFactory

AT = brussels(date(2025, 10, 6), 10)  # a Monday, all is migrated, S3 in force
PHONE = "+32 81 00 00 01"
CAPTION = "Copie remise au portail BMA, essai"


def box(*, types: tuple[str, ...] = ("Primaire ordinaire",), migrated: bool = True, phone: str = PHONE) -> Mailbox:
    """A mailbox that migrated in autumn 2024, with its PO's."""
    po = OrganisationFactory(po_unit=True, mailbox=True)
    unit = OrganisationFactory(po=po, unit_types=list(types), phone=phone)
    mailbox = MailboxFactory(organisation=unit)
    if migrated:
        MoveFactory(mailbox=mailbox, batch=BatchFactory(establishments=True), migrated=True)
    return mailbox


def hors_mode_box(**kwargs) -> Mailbox:
    return box(types=("CTA",), **kwargs)


def granted(mailbox: Mailbox, user: User | None = None, *, at: datetime = AT, days: int = 30) -> User:
    user = user or UserFactory(email=f"personne{User.objects.count()}@exemple.test")
    day = at.date()
    ResetGrant.objects.create(
        user=user, organisation=mailbox.organisation, starts_on=day - timedelta(days=days),
        ends_on=day + timedelta(days=days), recorded_at=at, recorded_by="test",
    )  # fmt: skip
    return user


def holder(mailbox: Mailbox, user: User | None = None, *, at: datetime = AT) -> User:
    user = user or UserFactory(email="titulaire@exemple.test")
    Holder.objects.create(
        user=user, organisation=mailbox.organisation, starts_on=at.date() - timedelta(days=100), recorded_at=at,
        recorded_by="test",
    )  # fmt: skip
    return user


def gia(mailbox: Mailbox, user: User | None = None, *, at: datetime = AT) -> User:
    user = user or UserFactory()
    Gia.objects.create(
        user=user, organisation=mailbox.organisation, starts_on=at.date() - timedelta(days=100), recorded_at=at,
        recorded_by="test",
    )  # fmt: skip
    return user


def staff(*groups: str) -> User:
    user = UserFactory(staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    assert user.groups.count() == len(groups)
    return user


def verifier() -> User:
    return staff("Vérification")


def executor() -> User:
    return staff("Exécution")


def card(*, size: tuple[int, int] = (640, 400), name: str = "carte.png") -> SimpleUploadedFile:
    """An invented identity card: a coloured rectangle."""
    out = BytesIO()
    Image.new("RGB", size, (200, 220, 230)).save(out, "PNG")
    return SimpleUploadedFile(name, out.getvalue(), content_type="image/png")


def prepared() -> proofs.Prepared:
    """A proof as it is kept: remade once for all the tests, for a process must start for it; examined each time."""
    return proofs.prepare(card(), caption=CAPTION) if settings.CLAMD else _prepared()


@cache
def _prepared() -> proofs.Prepared:
    return proofs.prepare(card(), caption=CAPTION)


def drafted(mailbox: Mailbox, *, at: datetime = AT, **facts) -> PasswordReset:
    known = {
        "first_name": "Camille",
        "last_name": "Fictive",
        "email": "camille@exemple.test",
        "phone": "0470 00 00 00",
    }
    return resets.draft_hors_mode(mailbox, **{**known, **facts}, proof=prepared(), at=at)


def confirmed(mailbox: Mailbox, *, at: datetime = AT, **facts) -> PasswordReset:
    """A draft whose contact address is confirmed, not seen by the worker yet."""
    reset = drafted(mailbox, at=at, **facts)
    resets.send_code(reset, at=at)
    reset.refresh_from_db()
    resets.confirm(reset, code=tokens.contact_code(reset).reveal(), at=at)
    reset.refresh_from_db()
    return reset


def received(mailbox: Mailbox, *, at: datetime = AT, **facts) -> PasswordReset:
    reset = confirmed(mailbox, at=at, **facts)
    resets.tick(at=at)
    reset.refresh_from_db()
    return reset


def ready(mailbox: Mailbox, *, at: datetime = AT) -> tuple[PasswordReset, str, str]:
    """A hors-MODE request whose password waits: itself, the token of the link, the code said on the phone."""
    reset = received(mailbox, at=at)
    resets.accept(reset, by=verifier(), number=PHONE, at=at)
    code = resets.execute(reset, by=executor(), at=at)
    reset.refresh_from_db()
    return reset, tokens.pick_up_token(reset).reveal(), code.reveal()


def letter(kind: str, *, at: datetime = AT) -> Letter:
    """The one mail of that kind, as it would leave now."""
    return letters_of(kind, at=at)[0]


def letters_of(kind: str, *, at: datetime = AT) -> list[Letter]:
    rows = list(OutgoingMail.objects.filter(kind=kind).order_by("pk"))
    made = letters(rows, at=at)
    assert all(isinstance(made[row.pk], Letter) for row in rows), made
    return [made[row.pk] for row in rows]


def told(kind: str) -> list[str]:
    """To whom mails of that kind go, in the order in which they were queued."""
    return [address for row in OutgoingMail.objects.filter(kind=kind).order_by("pk") for address in row.to]


def utc(*args: int) -> datetime:
    return datetime(*args, tzinfo=UTC)
