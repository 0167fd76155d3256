"""The mails that a mailbox was sent by the portal, shown again to its own people: never a secret among them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F

from accounts.models import Mailbox
from bma_portal.mail.compose import KINDS, MASK
from bma_portal.mail.models import OutgoingMail
from migration.mails import SecretMail
from migration.models import Mailing
from support.mails import ResetAsked, ResetChanged, ResetMail, ResetStopped
from support.models import PasswordReset

# What the mailbox itself is told of a request for its password: only its titulaire sees these here (D7).
NOTICES = {mail.kind: mail for mail in (ResetAsked, ResetChanged, ResetStopped)}


@dataclass(frozen=True)
class Received:
    """One mail to the mailbox, as it stood at a moment."""

    mail: OutgoingMail
    word: str
    tone: str  # of the badge
    on: datetime  # when it left; when it was written, if it has not

    @property
    def readable(self) -> bool:
        return self.tone == "done"


def received_by(mailboxes: Sequence[Mailbox], *, held: Collection[int], at: datetime) -> dict[int, list[Received]]:
    """By mailbox, the latest first, in two statements: mails of the migration, and notices for those in `held`."""
    found: dict[int, list[Received]] = {mailbox.pk: [] for mailbox in mailboxes}
    by_address = {mailbox.address: mailbox.pk for mailbox in mailboxes}
    sent = Mailing.objects.filter(move__mailbox__in=found, mail__isnull=False).annotate(box=F("move__mailbox"))
    rows = [(mailing.box, mailing.mail) for mailing in sent.select_related("mail").defer("mail__text", "mail__html")]
    resets = PasswordReset.objects.filter(mailbox__in=held).values("pk")
    notices = OutgoingMail.objects.filter(kind__in=NOTICES, object_id__in=resets).defer("text", "html")
    rows += [(by_address[to], mail) for mail in notices for to in mail.to if by_address.get(to) in held]
    for pk, mail in rows:
        if line := _received(mail, at):
            found[pk].append(line)
    for lines in found.values():
        lines.sort(key=lambda line: line.on, reverse=True)
    return found


def _received(mail: OutgoingMail, at: datetime) -> Received | None:
    """None if at that moment there was nothing to say of it: not written yet, or withdrawn before it left."""
    if mail.sent_at and mail.sent_at <= at:
        if mail.bounced_at and mail.bounced_at <= at:
            return Received(mail, "revenu à l’expéditeur", "late", mail.sent_at)
        return Received(mail, "envoyé", "done", mail.sent_at)
    if mail.queued_at > at or mail.status == OutgoingMail.Status.CANCELLED:
        return None
    if mail.status == OutgoingMail.Status.FAILED:
        return Received(mail, "pas encore parti", "late", mail.queued_at)
    return Received(mail, "en cours d’envoi", "next", mail.queued_at)


def mailbox_of(mail: OutgoingMail) -> Mailbox | None:
    """The mailbox whose people may see this mail; None if it is not one that they are shown."""
    boxes = Mailbox.objects.select_related("organisation")
    if mail.kind in NOTICES:
        return boxes.filter(resets=mail.object_id, address__in=mail.to).first()
    return boxes.filter(moves__mailings__mail=mail).first()


def text_of(mail: OutgoingMail) -> str:
    """What the mail said, dots in the place of a password or of a personal link. Empty if it is kept no longer.

    A mail without secret is kept as it left. The others are made again, from the facts and without opening a secret.
    """
    if not mail.sensitive:
        return mail.text
    sent_at = mail.sent_at or mail.queued_at
    made = KINDS.get(mail.kind)
    again = made.load([mail.object_id or 0], at=sent_at).get(mail.object_id or 0) if made else None
    match again:
        case SecretMail():
            return again.masked(sent_at=sent_at)
        case ResetMail():
            return _masked_notice(again, sent_at)
    return ""


def _masked_notice(notice: ResetMail, sent_at: datetime) -> str:
    reset = notice.reset
    asked_by = reset.requester.get_full_name() if reset.requester else f"{reset.first_name} {reset.last_name}".strip()
    context = ResetMail.context(notice, at=sent_at)  # not its own, which makes the link
    return notice.text_of(context | {"asked_by": asked_by, "stop_link": MASK})
