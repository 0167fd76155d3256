"""The four mails of the migration (S1 §5, S4). Their texts are in templates/migration/mails."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Self

from accounts import credentials
from accounts.contacts import contact_of
from accounts.models import Contact, Credential, Mailbox
from bma_portal.clock import brussels_date
from bma_portal.mail.compose import MASK, Mail, Withdrawn
from bma_portal.mail.models import OutgoingMail, Sender
from migration.models import Batch, Campaign, Mailing, Move

RECALLED = "mail 4 envoyé"  # why mail 2's secret is destroyed


class MigrationMail(Mail):
    """What the four have in common: one recipient, computed from the FASE number; one stream per mailbox."""

    contacts: dict[str, Contact]

    def __init__(self, mailing: Mailing) -> None:
        self.mailing = mailing
        self.mailbox: Mailbox = mailing.move.mailbox
        self.batch: Batch = mailing.move.batch
        self.campaign: Campaign = self.batch.campaign

    def key(self) -> str:
        return f"mailing:{self.mailing.pk}"

    def object_id(self) -> int:
        return self.mailing.pk

    def to(self) -> str:
        return self.mailbox.address

    def stream(self) -> str:
        return f"mailbox:{self.mailbox.pk}"

    def context(self, *, at: datetime) -> dict[str, Any]:
        return {
            "address": self.mailbox.address,
            "organisation": self.mailbox.organisation,
            "campaign": self.campaign,
            "batch": self.batch,
            **self.contacts,
            "old_storage": "80 Mo",  # S4
            "new_storage": "2 Go",  # S4
        }

    @classmethod
    def load(cls, object_ids: Iterable[int], *, at: datetime) -> dict[int, Self]:
        mailings = Mailing.objects.filter(pk__in=list(object_ids)).select_related(
            "move__mailbox__organisation", "move__batch__campaign"
        )
        mails = {mailing.pk: cls(mailing) for mailing in mailings}
        cls.prepare(list(mails.values()), at=at)
        return mails

    @classmethod
    def overtaken(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> dict[int, str]:
        """A mail that was on its way when its batch was cancelled, or its night recorded, does not leave later."""
        foreseen = Mailing.objects.filter(
            pk__in=[mail.object_id for mail in mails], move__status=Move.Status.PLANNED
        ).exclude(move__batch__status=Batch.Status.CANCELLED)
        still = set(foreseen.values_list("pk", flat=True))
        return {
            mail.pk: "Cette boîte n'est plus dans un lot en cours." for mail in mails if mail.object_id not in still
        }

    @classmethod
    def prepare(cls, mails: Sequence[Self], *, at: datetime) -> None:
        """Read once for all of them what the texts need: the contacts of the day (S1 §9)."""
        contacts = {"sgne": contact_of(Contact.Team.SGNE, at), "etnic": contact_of(Contact.Team.ETNIC, at)}
        for mail in mails:
            mail.contacts = contacts


class Announcement(MigrationMail):
    """Mail 1: the procedure, the planned dates, support and contacts."""

    kind = "migration.announcement"
    sender = Sender.SGNE
    template = "migration/mails/announcement"

    def subject(self) -> str:
        return "Votre boîte mail administrative va migrer : dates et procédure"


class Masked:
    """Stands where a password stood."""

    reveal = MASK


class SecretMail(MigrationMail):
    """A mail that carries a password: rendered when it is sent, one recipient, no copy."""

    sensitive = True
    credential: Credential | None = None

    @classmethod
    def overtaken(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> dict[int, str]:
        """Nor does a draft that still waits in Exchange with a password that was replaced since."""
        found = super().overtaken(mails, at=at)
        drafted = {mail.object_id: mail for mail in mails if mail.ews_id}
        newer = Credential.objects.filter(mailbox__moves__mailings__in=drafted, superseded_at=None)
        for mailing_id, issued_at in newer.values_list("mailbox__moves__mailings", "issued_at"):
            mail = drafted.get(mailing_id)
            if mail and issued_at > mail.queued_at:
                found[mail.pk] = "Le mot de passe a changé depuis que ce mail attend : renvoyez-le."
        return found

    @classmethod
    def prepare(cls, mails: Sequence[Self], *, at: datetime) -> None:
        super().prepare(mails, at=at)
        current = {
            credential.mailbox_id: credential
            for credential in Credential.objects.filter(
                mailbox__in=[mail.mailbox.pk for mail in mails], superseded_at=None
            )
        }
        for mail in mails:
            mail.credential = current.get(mail.mailbox.pk)

    def masked(self, *, sent_at: datetime) -> str:
        """The text that left then, made again with dots where the password stood. No secret is opened for it."""
        context = MigrationMail.context(self, at=sent_at) | self.masked_context(sent_at=sent_at)
        return self.text_of(context)

    def masked_context(self, *, sent_at: datetime) -> dict[str, Any]:
        return {"password": Masked()}


class NewPassword(SecretMail):
    """Mail 2: the new password, already in force in the directory, valid from the night on."""

    kind = "migration.new_password"
    sender = Sender.ETNIC
    template = "migration/mails/new_password"

    def subject(self) -> str:
        return "Le nouveau mot de passe de votre boîte mail administrative : à conserver"

    def context(self, *, at: datetime) -> dict[str, Any]:
        if at >= self.campaign.night(self.batch.night_on)[1]:
            raise Withdrawn("Le mot de passe n'est plus annoncé une fois la nuit de la migration passée.")
        credential = self.credential
        if credential and credential.purpose != Credential.Purpose.MIGRATION:
            raise Withdrawn("Ce mot de passe a été changé depuis à la demande de la boîte : aucun mail ne l'annonce.")
        if credential is None or credential.destroyed_at or credential.applied_at is None:
            raise Withdrawn("Aucun mot de passe en vigueur dans l'annuaire pour cette boîte.")
        return super().context(at=at) | {"password": credentials.reveal(credential)}


class Confirmation(MigrationMail):
    """Mail 3: the date is confirmed; link to the new interface, two tutorials."""

    kind = "migration.confirmation"
    sender = Sender.SGNE
    template = "migration/mails/confirmation"

    def subject(self) -> str:
        return "Date confirmée pour la migration de votre boîte mail administrative"


class Closing(SecretMail):
    """Mail 4, the last one read on the old interface; recalls the current password, or says when it was changed."""

    kind = "migration.closing"
    sender = Sender.ETNIC
    template = "migration/mails/closing"

    def subject(self) -> str:
        return "Dernier message sur l’ancienne interface de votre boîte mail administrative"

    def context(self, *, at: datetime) -> dict[str, Any]:
        starts, ends = self.campaign.night(self.batch.night_on)
        if not starts <= at < ends:
            raise Withdrawn("Le mail de clôture ne part que pendant la nuit de la migration.")
        password = changed_on = None
        credential = self.credential
        if credential and credential.purpose != Credential.Purpose.MIGRATION:
            changed_on = brussels_date(credential.issued_at)
        elif credential and not credential.destroyed_at and credential.applied_at:
            password = credentials.reveal(credential)
        return super().context(at=at) | {"password": password, "changed_on": changed_on}

    def masked_context(self, *, sent_at: datetime) -> dict[str, Any]:
        """Which of its three texts left, told from what remains of the password that was in force then."""
        of_box = Credential.objects.filter(mailbox=self.mailbox, issued_at__lte=sent_at).defer("sealed")
        then = of_box.order_by("-issued_at", "-pk").first()
        password = changed_on = None
        if then and then.purpose != Credential.Purpose.MIGRATION:
            changed_on = brussels_date(then.issued_at)
        elif then and (then.destroyed_at is None or then.destroyed_at > sent_at or then.destroyed_why == RECALLED):
            password = Masked()
        return {"password": password, "changed_on": changed_on}

    @classmethod
    def accepted(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> None:
        """The secret of mail 2 is destroyed in the transaction that records mail 4 as accepted."""
        mailboxes = Move.objects.filter(mailings__pk__in=[mail.object_id for mail in mails]).values("mailbox")
        announced = Credential.objects.filter(
            mailbox__in=mailboxes, purpose=Credential.Purpose.MIGRATION, destroyed_at=None
        )
        credentials.destroy(announced, why=RECALLED, at=at)


BY_STEP: dict[int, type[MigrationMail]] = {
    Mailing.Step.ANNOUNCEMENT: Announcement,
    Mailing.Step.CREDENTIALS: NewPassword,
    Mailing.Step.CONFIRMATION: Confirmation,
    Mailing.Step.CLOSING: Closing,
}


class BatchPaused(Mail):
    """Tells the SGNE team that a batch stopped by itself, and why."""

    kind = "migration.batch_paused"
    sender = Sender.SGNE
    template = "migration/mails/batch_paused"

    def __init__(self, batch: Batch, *, bad: int, total: int, recipient: str, at: datetime) -> None:
        self.batch, self.bad, self.total, self.recipient, self.at = batch, bad, total, recipient, at

    def key(self) -> str:
        return f"batch:{self.batch.pk}:paused:{self.at.isoformat()}"

    def object_id(self) -> int:
        return self.batch.pk

    def to(self) -> str:
        return self.recipient

    def subject(self) -> str:
        return f"Le {self.batch} s’est suspendu : votre décision est attendue"

    def context(self, *, at: datetime) -> dict[str, Any]:
        return {"batch": self.batch, "bad": self.bad, "total": self.total, "at": at}
