"""« Ma boîte »: what a signed-in person is told of each mailbox that is theirs, by what quality, at a moment.

Read in a fixed number of statements: the representative of a PO may have sixty. Nothing here writes.
"""

from dataclasses import dataclass, field
from datetime import date, datetime

from django.db.models import Q

from accounts.models import Contact, Credential, Gia, GrantRequest, Holder, Mailbox, Organisation, ResetGrant, User
from accounts.models.mode import Dated
from bma_portal.clock import brussels_date
from support.contacts import Turn, contact_for, contacts_on
from support.lookup import is_gone
from support.models import PasswordReset, Ticket
from support.received import Received, received_by
from support.status import MailboxStatus, statuses_of
from support.tickets import as_told

URGENT_DAYS = 15  # the first of the three warnings that Cerbère sends (S0 §6.1)
TICKETS_SHOWN = 20
FOLDED_FROM = 4  # from that many mailboxes on, each one is folded under its sentence
Status = PasswordReset.Status
PROGRESS = {
    Status.ACCEPTED: "Le mot de passe va être placé dans l’annuaire.",
    Status.SETTING: "Le mot de passe est en train d’être placé dans l’annuaire : revenez dans quelques minutes.",
    Status.READY: "Votre nouveau mot de passe est prêt : ouvrez la demande pour l’afficher.",
}


@dataclass
class Qualities:
    """What a person is to one unit."""

    organisation: Organisation
    holder: Holder | None = None
    grant: ResetGrant | None = None
    gia: Gia | None = None


@dataclass(frozen=True)
class OwnRequest:
    reset: PasswordReset
    sentence: str


@dataclass(frozen=True)
class Box:
    mailbox: Mailbox
    quality: Qualities
    status: MailboxStatus
    turn: Turn
    contact: Contact | None
    gone: bool  # closed, or taken over by another unit
    mails: list[Received] = field(default_factory=list)
    own_request: OwnRequest | None = None
    request_of_another: bool = False  # told to the titulaire alone, and without a name (D7)
    changed_at: datetime | None = None  # when its password took the place of mail 2's; told as above, or to who asked

    @property
    def organisation(self) -> Organisation:
        return self.quality.organisation


@dataclass(frozen=True)
class Expiry:
    """The end of a Cerbère password."""

    on: date
    days: int
    sentence: str

    @property
    def urgent(self) -> bool:
        return self.days <= URGENT_DAYS


@dataclass(frozen=True)
class MyPage:
    boxes: list[Box]
    expiry: Expiry | None
    asked: list[GrantRequest]  # permissions that wait for a GIA's answer
    contacts: dict[str, Contact | None]
    tickets: list[Ticket] = field(default_factory=list)  # their own, and those of the mailboxes that they head

    @property
    def folded(self) -> bool:
        return len(self.boxes) >= FOLDED_FROM


def page_of(user: User, at: datetime) -> MyPage:
    qualities = _qualities(user, at)
    mailboxes = [quality.organisation.mailbox for quality in qualities]
    held = {quality.organisation.mailbox.pk for quality in qualities if quality.holder}
    statuses = statuses_of(mailboxes, at)
    mails = received_by(mailboxes, held=held, at=at)
    live = {reset.mailbox_id: reset for reset in PasswordReset.objects.live().filter(mailbox__in=mailboxes)}
    changed = _changed(mailboxes, user, held=held, at=at)
    contacts, today = contacts_on(at), brussels_date(at)
    boxes = []
    for quality in qualities:
        mailbox = quality.organisation.mailbox
        status, reset = statuses[mailbox.pk], live.get(mailbox.pk)
        turn = contact_for(status, at)
        own = reset is not None and reset.requester_id == user.pk
        boxes.append(
            Box(
                mailbox=mailbox,
                quality=quality,
                status=status,
                turn=turn,
                contact=contacts[turn.team],
                gone=is_gone(quality.organisation, today),
                mails=mails[mailbox.pk],
                own_request=OwnRequest(reset, PROGRESS.get(Status(reset.status), "")) if reset and own else None,
                request_of_another=reset is not None and not own and mailbox.pk in held,
                changed_at=changed.get(mailbox.pk),
            )
        )
    asked = GrantRequest.objects.filter(user=user, status=GrantRequest.Status.ASKED).select_related("organisation")
    return MyPage(boxes, expiry_of(user, at), list(asked), contacts, _tickets(user, held, at))


def _changed(mailboxes: list[Mailbox], user: User, *, held: set[int], at: datetime) -> dict[int, datetime]:
    """By mailbox, when the password now in the directory was set, where that is not mail 2's and they may know it."""
    applied = Credential.objects.filter(mailbox__in=mailboxes, applied_at__lte=at).order_by("applied_at", "pk")
    latest = {row[0]: row for row in applied.values_list("mailbox", "purpose", "applied_at", "reset__requester")}
    return {
        box: when
        for box, purpose, when, requester in latest.values()
        if purpose != Credential.Purpose.MIGRATION and (box in held or requester == user.pk)
    }


def _tickets(user: User, held: set[int], at: datetime) -> list[Ticket]:
    """What they may follow (A6), the live ones first, then the latest."""
    theirs = Q(user=user, revoked_at=None) | Q(mailbox__in=held)
    found = Ticket.objects.filter(theirs, opened_at__lte=at).exclude(status=Ticket.Status.MERGED)
    rows = list(found.select_related("mailbox__organisation").defer("search").order_by("-pk")[:TICKETS_SHOWN])
    for row in rows:
        as_told(row, at=at)
    return sorted(rows, key=lambda ticket: not ticket.is_live)


def own_units(user: User, at: datetime) -> list[Organisation]:
    """The units whose mailbox is theirs at that moment, by whatever quality; those that are gone left out."""
    today = brussels_date(at)
    return [quality.organisation for quality in _qualities(user, at) if not is_gone(quality.organisation, today)]


def qualities_for(user: User, organisation: Organisation, at: datetime) -> Qualities | None:
    """What this person is to that unit; None if nothing."""
    found = [quality for quality in _qualities(user, at) if quality.organisation.pk == organisation.pk]
    return found[0] if found else None


def _qualities(user: User, at: datetime) -> list[Qualities]:
    """The units with a mailbox towards which the person has a quality in force: POs first, then by name.

    A GIA's own unit only: granting for the establishments of a PO does not make their mailboxes one's own.
    """
    found: dict[int, Qualities] = {}
    for model, name in ((Holder, "holder"), (ResetGrant, "grant"), (Gia, "gia")):
        rows = model.objects.in_force(at).filter(user=user, organisation__mailbox__isnull=False)
        row: Dated
        for row in rows.select_related("organisation__mailbox").order_by("starts_on", "pk"):
            quality = found.setdefault(row.organisation_id, Qualities(row.organisation))
            setattr(quality, name, _longer(getattr(quality, name), row))
    for quality in found.values():
        quality.organisation.mailbox.organisation = quality.organisation
    return sorted(found.values(), key=lambda q: (q.organisation.kind != "po", q.organisation.search_key))


def _longer(former: Dated | None, row: Dated) -> Dated:
    """Of two that are in force at once, the one that ends later."""
    if former is None or (former.ends_on and (row.ends_on is None or row.ends_on >= former.ends_on)):
        return row
    return former


def expiry_of(user: User, at: datetime) -> Expiry | None:
    if user.cerbere_expires_on is None:
        return None
    days = (user.cerbere_expires_on - brussels_date(at)).days
    match days:
        case 0:
            sentence = "aujourd’hui"
        case 1:
            sentence = "demain"
        case _ if days < 0:
            sentence = ""
        case _:
            sentence = f"dans {days} jours"
    return Expiry(user.cerbere_expires_on, days, sentence)
