"""The four mails of the migration (S1 §5, S4). Each says a version of `MailText`, pinned when it is queued."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self

from accounts import credentials
from accounts.contacts import contact_of
from accounts.models import Contact, Credential, Mailbox
from bma_portal.clock import brussels_date
from bma_portal.mail import authenticity
from bma_portal.mail.compose import MASK, Mail, Withdrawn
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.templatetags.french import jour
from migration import arrivals, texts, withdrawal
from migration.models import Batch, Campaign, Mailing, MailText, Move, Step
from migration.texts import rendering

RECALLED = "mail 4 envoyé"  # why mail 2's secret is destroyed


class MigrationMail(Mail):
    """What the four have in common: one recipient, computed from the FASE number; one stream per mailbox."""

    step: ClassVar[int]
    contacts: rendering.Values

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

    @cached_property
    def version(self) -> MailText:
        """What it says: its own; else what would leave now or, queued before texts had versions, what left then."""
        return self.mailing.text or (texts.first if self.mailing.mail_id else texts.current)(self.step)

    def subject(self) -> str:
        return self.version.subject

    def context(self, *, at: datetime) -> dict[str, Any]:
        """By placeholder (`texts.contents`), what it becomes."""
        return {
            **self.contacts,
            **rendering.of_dates(self.batch.mail2_on, self.batch.mail3_on, self.batch.night_on),
            "adresse_boite": self.mailbox.address,
            "nom_unite": self.mailbox.organisation.name,
            "nouvelle_interface": self.campaign.new_webmail,
            "aide": self.campaign.help_page,
            "fermeture": jour(self.campaign.old_server_closes_on),
            "espace_ancien": "80 Mo",  # S4
            "espace_nouveau": "2 Go",  # S4
        }

    def bodies(self, context: dict[str, Any]) -> tuple[str, str]:
        return rendering.render(self.version.subject, self.version.body, context)

    def text_of(self, context: dict[str, Any]) -> str:
        return self.bodies(context)[0]

    def shown(self, *, at: datetime, code: str = "", ahead: bool = False) -> tuple[str, str]:
        """Both parts as they left at `at` or (`ahead`) would: dots where a password stands. No secret is opened."""
        context = MigrationMail.context(self, at=at) | self.masked_context(sent_at=at, ahead=ahead)
        return self.bodies(context | {"code": code, "authenticity": authenticity.page()})

    def masked_context(self, *, sent_at: datetime, ahead: bool = False) -> dict[str, Any]:
        return {}

    @classmethod
    def load(cls, object_ids: Iterable[int], *, at: datetime) -> dict[int, Self]:
        mailings = Mailing.objects.filter(pk__in=list(object_ids)).select_related(
            "move__mailbox__organisation", "move__batch__campaign", "text"
        )
        mails = {mailing.pk: cls(mailing) for mailing in mailings}
        cls.gather(list(mails.values()), at=at)
        return mails

    @classmethod
    def overtaken(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> dict[int, str]:
        """Nor does a mail on its way once its batch is suspended or cancelled, its night recorded, or (B18) a mail
        before it came back.
        """
        ids = [mail.object_id or 0 for mail in mails]
        reasons = withdrawal.objections(ids)
        for step in arrivals.AFTER[cls.step]:
            returned = Mailing.objects.filter(arrivals.came_back(step), pk__in=ids).values_list("pk", flat=True)
            reasons = dict.fromkeys(returned, f"Le mail {step} est revenu : la boîte attend son titulaire.") | reasons
        return {mail.pk: reasons[mail.object_id] for mail in mails if mail.object_id in reasons}

    @classmethod
    def prepare(cls, mails: Sequence[Self], *, at: datetime) -> None:
        """Before they are queued, in that transaction: the text that is approved now is theirs for good (C7)."""
        version = texts.current(cls.step)
        Mailing.objects.filter(pk__in=[mail.mailing.pk for mail in mails]).update(text=version)
        for mail in mails:
            mail.mailing.text = version
        cls.gather(mails, at=at)

    @classmethod
    def gather(cls, mails: Sequence[Self], *, at: datetime) -> None:
        """Read once for all of them what they say and name: the version, the contacts of the day (S1 §9)."""
        contacts = {
            f"contact_{team}": rendering.of_contact(contact_of(team, at))
            for team in (Contact.Team.SGNE, Contact.Team.ETNIC)
        }
        known: dict[bool, MailText] = {}
        for mail in mails:
            mail.contacts = contacts
            if mail.mailing.text_id is None:
                queued = mail.mailing.mail_id is not None
                mail.version = known[queued] = known.get(queued) or mail.version


class Announcement(MigrationMail):
    """Mail 1: the procedure, the planned dates, support and contacts."""

    kind = "migration.announcement"
    sender = Sender.SGNE
    step = Step.ANNOUNCEMENT


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
    def gather(cls, mails: Sequence[Self], *, at: datetime) -> None:
        super().gather(mails, at=at)
        current = {
            credential.mailbox_id: credential
            for credential in Credential.objects.filter(
                mailbox__in=[mail.mailbox.pk for mail in mails], superseded_at=None
            )
        }
        for mail in mails:
            mail.credential = current.get(mail.mailbox.pk)

    def masked(self, *, sent_at: datetime) -> str:
        """The text that left then, of the version that left, made again with dots where the password stood."""
        mail = self.mailing.mail
        return self.shown(at=sent_at, code=(mail.code or "") if mail else "")[0]

    def masked_context(self, *, sent_at: datetime, ahead: bool = False) -> dict[str, Any]:
        return {"mot_de_passe": MASK}


class NewPassword(SecretMail):
    """Mail 2: the new password, already in force in the directory, valid from the night on."""

    kind = "migration.new_password"
    sender = Sender.ETNIC
    step = Step.CREDENTIALS

    def context(self, *, at: datetime) -> dict[str, Any]:
        if at >= self.campaign.night(self.batch.night_on)[1]:
            raise Withdrawn("Le mot de passe n'est plus annoncé une fois la nuit de la migration passée.")
        credential = self.credential
        if credential and credential.purpose != Credential.Purpose.MIGRATION:
            raise Withdrawn("Ce mot de passe a été changé depuis à la demande de la boîte : aucun mail ne l'annonce.")
        if credential is None or credential.destroyed_at or credential.applied_at is None:
            raise Withdrawn("Aucun mot de passe en vigueur dans l'annuaire pour cette boîte.")
        return super().context(at=at) | {"mot_de_passe": credentials.reveal(credential)}


class Confirmation(MigrationMail):
    """Mail 3: the date is confirmed; link to the new interface, two tutorials."""

    kind = "migration.confirmation"
    sender = Sender.SGNE
    step = Step.CONFIRMATION


class Closing(SecretMail):
    """Mail 4, the last one read on the old interface; recalls the current password, or says when it was changed."""

    kind = "migration.closing"
    sender = Sender.ETNIC
    step = Step.CLOSING

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
        return super().context(at=at) | {"rappel_mot_de_passe": rendering.of_recall(password, changed_on)}

    def masked_context(self, *, sent_at: datetime, ahead: bool = False) -> dict[str, Any]:
        """Which of its three recalls left, by what remains of the password that was in force then."""
        of_box = Credential.objects.filter(mailbox=self.mailbox, issued_at__lte=sent_at).defer("sealed")
        then = of_box.order_by("-issued_at", "-pk").first()
        password = changed_on = None
        if then and then.purpose != Credential.Purpose.MIGRATION:
            changed_on = brussels_date(then.issued_at)
        elif then and (then.destroyed_at is None or then.destroyed_at > sent_at or then.destroyed_why == RECALLED):
            password = MASK
        elif then is None and ahead:
            password = MASK  # it will be made with mail 2
        return {"rappel_mot_de_passe": rendering.of_recall(password, changed_on)}

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
KINDS = [mail.kind for mail in BY_STEP.values()]


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
