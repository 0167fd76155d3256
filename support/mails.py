"""The mails of a request for a password. None carries a password; those that carry a link or a code are sensitive."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.urls import reverse

from accounts import mode
from accounts.contacts import contact_of
from accounts.models import Contact, Mailbox
from bma_portal.mail import tasks
from bma_portal.mail.compose import Mail, Withdrawn
from bma_portal.mail.models import OutgoingMail, Sender
from support import tokens
from support.models import PasswordReset

Status = PasswordReset.Status


def absolute(name: str, *args: Any) -> str:
    """An address of the portal, from its configuration and never from a request (SEC-D7)."""
    return settings.PORTAL_URL + reverse(name, args=args)


class ResetMail(Mail):
    """What they have in common. Signed by ETNIC, which sets the passwords."""

    sender = Sender.ETNIC
    event: str

    def __init__(self, reset: PasswordReset, *, recipient: str = "", role: str = "contact") -> None:
        self.reset, self.recipient, self.role = reset, recipient, role

    def key(self) -> str:
        return f"reset:{self.reset.pk}:{self.event}:{self.serial()}{self.role}"

    def serial(self) -> str:
        """For what may be said more than once of a request."""
        return ""

    def object_id(self) -> int:
        return self.reset.pk

    def to(self) -> str:
        return self.recipient

    def stream(self) -> str:
        return f"reset:{self.reset.pk}"

    def context(self, *, at: datetime) -> dict[str, Any]:
        reset = self.reset
        return {
            "reset": reset,
            "address": reset.mailbox.address,
            "organisation": reset.mailbox.organisation,
            "hors_mode": reset.path == PasswordReset.Path.HORS_MODE,
            "contact": contact_of(Contact.Team.ETNIC, at),
            "door": absolute("password_door"),
        }

    @classmethod
    def load(cls, object_ids: Iterable[int], *, at: datetime) -> dict[int, Self]:
        resets = PasswordReset.objects.filter(pk__in=list(object_ids)).select_related(
            "mailbox__organisation", "requester"
        )
        return {reset.pk: cls(reset) for reset in resets}


class StoppableNotice(ResetMail):
    """Tells those concerned, with the link that stops it (D13). It says no personal data but the requester's name."""

    sensitive = True  # it carries the stop link

    def context(self, *, at: datetime) -> dict[str, Any]:
        asked_by = self.reset.requester.get_full_name() if self.reset.requester else ""
        token = tokens.stop_token(self.reset)
        return super().context(at=at) | {
            "asked_by": asked_by or f"{self.reset.first_name} {self.reset.last_name}".strip(),
            "stop_link": absolute("reset_stop", token.reveal()),
        }


class ResetAsked(StoppableNotice):
    kind = "reset.asked"
    event = "asked"
    template = "support/mails/reset_asked"

    def subject(self) -> str:
        return "Un nouveau mot de passe est demandé pour votre boîte mail administrative"


class ResetChanged(StoppableNotice):
    kind = "reset.changed"
    event = "changed"
    template = "support/mails/reset_changed"

    def serial(self) -> str:
        return f"{self.reset.credential_id}:"

    def subject(self) -> str:
        return "Le mot de passe de votre boîte mail administrative vient d’être remplacé"


class ResetStopped(ResetMail):
    kind = "reset.stopped"
    event = "stopped"
    template = "support/mails/reset_stopped"

    def subject(self) -> str:
        return f"Demande {self.reset.reference} arrêtée : mot de passe d’une boîte mail administrative"


class ContactCode(ResetMail):
    """Proves that the contact address is read. The same whatever is known of the mailbox (D7)."""

    kind = "reset.contact_code"
    event = "code"
    template = "support/mails/contact_code"
    sensitive = True

    def serial(self) -> str:
        return f"{self.reset.code_serial}:"

    def subject(self) -> str:
        return "Votre code pour confirmer votre adresse de contact"

    def context(self, *, at: datetime) -> dict[str, Any]:
        if self.reset.status != Status.UNCONFIRMED or self.reset.confirmed_at:
            raise Withdrawn("L’adresse de contact est déjà confirmée, ou la demande est fermée.")
        return super().context(at=at) | {"secret_code": tokens.contact_code(self.reset)}


class PickUpLink(ResetMail):
    """Where the password is picked up, with the code said on the phone: the link alone opens nothing (SEC-D2)."""

    kind = "reset.pick_up"
    event = "pickup"
    template = "support/mails/pick_up"
    sensitive = True

    def serial(self) -> str:
        return f"{self.reset.pickup_serial}:"

    def subject(self) -> str:
        return "Votre nouveau mot de passe est prêt à être retiré"

    def context(self, *, at: datetime) -> dict[str, Any]:
        expires_at = self.reset.pickup_expires_at
        if self.reset.status != Status.READY or expires_at is None or at >= expires_at:
            raise Withdrawn("Ce lien de retrait n’est plus valable.")
        token = tokens.pick_up_token(self.reset)
        return super().context(at=at) | {
            "link": absolute("reset_pick_up", token.reveal()),
            "expires_at": expires_at,
        }


class ResetReady(ResetMail):
    """MODE, when the directory was away at first: the password waits for its requester, behind the sign-in."""

    kind = "reset.ready"
    event = "ready"
    template = "support/mails/reset_ready"

    def serial(self) -> str:
        return f"{self.reset.credential_id}:"

    def subject(self) -> str:
        return "Votre nouveau mot de passe est prêt"

    def context(self, *, at: datetime) -> dict[str, Any]:
        return super().context(at=at) | {"link": absolute("reset_request", self.reset.public)}


class ResetRefused(ResetMail):
    kind = "reset.refused"
    event = "refused"
    template = "support/mails/reset_refused"

    def subject(self) -> str:
        return f"Demande {self.reset.reference} : ce qu’il faut corriger"


class ResetClosed(ResetMail):
    """Nothing came of it: too late, too many wrong codes, a permission that ended."""

    kind = "reset.closed"
    event = "closed"
    template = "support/mails/reset_closed"

    def subject(self) -> str:
        return f"Demande {self.reset.reference} fermée"


class ResetReminder(ResetMail):
    kind = "reset.reminder"
    event = "reminder"
    template = "support/mails/reset_reminder"

    def subject(self) -> str:
        return f"Demande {self.reset.reference} : votre mot de passe vous attend"


class PickUpExpired(ResetMail):
    kind = "reset.pick_up_expired"
    event = "expired"
    template = "support/mails/pick_up_expired"

    def serial(self) -> str:
        return f"{self.reset.pickup_serial}:"

    def subject(self) -> str:
        return f"Demande {self.reset.reference} : un autre lien va vous être envoyé"


def concerned(mailbox: Mailbox, at: datetime) -> dict[str, str]:
    """Who is told of a request: the BMA itself, its PO's, its titulaire's own address. By role, each address once."""
    found = {"bma": mailbox.address}
    po = mailbox.organisation.po
    if po is not None and (of_po := Mailbox.objects.filter(organisation=po).first()):
        found["po"] = of_po.address
    holder = mode.holder_of(mailbox.organisation, at)
    if holder is not None and holder.user.email:
        found["holder"] = holder.user.email
    return {
        role: address for n, (role, address) in enumerate(found.items()) if address not in list(found.values())[:n]
    }


def tell(mail: ResetMail, *, at: datetime) -> None:
    """Queue one mail in the caller's transaction; queued already, nothing happens. Rings after the commit."""
    row = mail.row(at=at)
    OutgoingMail.objects.bulk_create([row], ignore_conflicts=True)
    tasks.ring(mail.sender)


def tell_concerned(mail_class: type[ResetMail], reset: PasswordReset, *, at: datetime) -> None:
    for role, address in concerned(reset.mailbox, at).items():
        tell(mail_class(reset, recipient=address, role=role), at=at)


def tell_requester(mail_class: type[ResetMail], reset: PasswordReset, *, at: datetime) -> None:
    """To the confirmed contact address, or to the address that Cerbère gives; nobody if there is none (D11)."""
    address = reset.requester.email if reset.requester else reset.email if reset.confirmed_at else ""
    if address:
        tell(mail_class(reset, recipient=address), at=at)
