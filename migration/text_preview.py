"""What one mailbox would receive of one version, made by the code that sends it; dots where the secret stands (C7)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts import addresses
from accounts.models import Mailbox
from bma_portal.errors import Refusal
from migration.campaigns import default_campaign
from migration.mails import BY_STEP, SecretMail
from migration.models import Batch, Mailing, MailText, Move

SAMPLE_CODE = "XXXX-XXXX-XXXX"  # each mail has its own, drawn when it is queued


@dataclass(frozen=True)
class Preview:
    """`sent`: this very version left for that mailbox. `example`: it is in no batch, its dates are invented."""

    mailbox: Mailbox
    subject: str
    text: str
    html: str
    sent: bool = False
    example: bool = False


def mailbox_named(words: str) -> Mailbox | None:
    """The mailbox of that FASE number or address; without words the first that is to move, or any: None if none is.

    Raises Refusal if the words name none, or two.
    """
    boxes = Mailbox.objects.select_related("organisation")
    if not words.strip():
        moving = Move.objects.live().order_by("batch", "position").values_list("mailbox", flat=True).first()
        return boxes.filter(pk=moving).first() if moving else boxes.order_by("pk").first()
    parsed = addresses.parse(words)
    kinds = [parsed.kind] if parsed.kind else addresses.KINDS
    found = list(boxes.filter(address__in=[addresses.address_of(kind, parsed.fase) for kind in kinds]))
    if not found:
        raise Refusal(f"Aucune boîte n’a le numéro {parsed}.")
    if len(found) > 1:
        raise Refusal(f"Deux boîtes ont ce numéro : {' et '.join(box.address for box in found)}. Laquelle ?")
    return found[0]


def preview(version: MailText, mailbox: Mailbox, *, at: datetime) -> Preview:
    """At the moment when that mail left or is due; now if that is past. Writes nothing, opens no secret."""
    mailings = Mailing.objects.filter(move__mailbox=mailbox, step=version.step)
    mailing = (
        mailings.select_related("move__mailbox__organisation", "move__batch__campaign", "mail", "text")
        .order_by("-move__pk")
        .first()
    )
    example = mailing is None
    if mailing is None:
        mailing = _example(version, mailbox, at)
    kind = BY_STEP[version.step]
    mail, row = kind(mailing), mailing.mail
    sent = row is not None and mailing.text_id == version.pk
    if sent and row and row.text:
        return Preview(mailbox, row.subject, row.text, row.html, sent=True)  # not made again: it is what left
    moment = (row.sent_at or row.queued_at) if sent and row else max(at, mailing.due_at)
    kind.gather([mail], at=moment)
    mail.version = version
    code = (row.code or "") if sent and row else SAMPLE_CODE
    text, html = mail.shown(at=moment, code=code, ahead=not sent)
    return Preview(mailbox, version.subject, text, html, sent=sent, example=example)


def _example(version: MailText, mailbox: Mailbox, at: datetime) -> Mailing:
    """As if that mailbox were in the first batch of its campaign. Not saved."""
    campaign = default_campaign()
    organisation = mailbox.organisation
    first = campaign.po_first_mail_from if organisation.kind == "po" else campaign.ec_first_mail_from
    second = first + timedelta(days=campaign.mail2_after_days)
    third = second + timedelta(days=campaign.mail3_after_days_min)
    batch = Batch(
        campaign=campaign,
        number=1,
        kind=organisation.kind,
        mail1_on=first,
        mail2_on=second,
        mail3_on=third,
        night_on=third + timedelta(days=campaign.night_after_days),
    )
    return Mailing(move=Move(batch=batch, mailbox=mailbox), step=version.step, text=version, due_at=at)


def carries_secret(version: MailText) -> bool:
    return issubclass(BY_STEP[version.step], SecretMail)
