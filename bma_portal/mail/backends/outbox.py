"""Django's e-mail backend: `send_mail()` writes a row and rings; it never calls Exchange in a request."""

from collections.abc import Sequence
from email.mime.base import MIMEBase
from email.utils import parseaddr
from uuid import uuid4

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import BadHeaderError, sanitize_address
from django.db import transaction

from bma_portal import clock
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import Attachment, OutgoingMail, Sender
from bma_portal.mail.tasks import ring


def sender_of(from_email: str) -> Sender:
    """The sender whose address this is. Raises ValueError for any other: nobody else may sign a mail."""
    address = parseaddr(from_email)[1].lower()
    sgne, etnic = settings.EXCHANGE_SGNE_ADDRESS.lower(), settings.EXCHANGE_ETNIC_ADDRESS.lower()
    known = {sgne: Sender.SGNE, etnic: Sender.ETNIC}
    if address not in known:
        raise ValueError("L'expéditeur doit être l'adresse du SGNE ou celle de l'ETNIC.")
    return known[address]


def addresses(values: Sequence[str]) -> list[str]:
    """Bare addresses. Raises ValueError or BadHeaderError for one that is not an address or hides a line break."""
    found = []
    for value in values:
        if any(c in value for c in "\r\n\0"):
            raise BadHeaderError("Une adresse ne contient pas de retour à la ligne.")
        address = parseaddr(sanitize_address(value, "utf-8"))[1]
        if "@" not in address:
            raise ValueError("Une adresse n'en est pas une.")
        found.append(address)
    return found


class OutboxBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Queue them, all or none. Returns how many were queued; honours `fail_silently`."""
        try:
            with transaction.atomic():
                rows = [self._queue(message) for message in email_messages if message.recipients()]
        except Exception:
            if self.fail_silently:
                return 0
            raise
        for sender in {row.sender for row in rows}:
            ring(sender)
        return len(rows)

    def _queue(self, message: EmailMessage) -> OutgoingMail:
        if any(c in message.subject for c in "\r\n\0"):
            raise BadHeaderError("L'objet ne contient pas de retour à la ligne.")
        html = next(
            (a.content for a in getattr(message, "alternatives", []) if a.mimetype == "text/html"),
            message.body if message.content_subtype == "html" else "",
        )
        row = outgoing(
            key=f"plain:{uuid4()}",
            kind="plain",
            sender=sender_of(message.from_email),
            to=addresses(message.to),
            cc=addresses(message.cc),
            bcc=addresses(message.bcc),
            reply_to=addresses(message.reply_to),
            subject=message.subject[:250],
            text="" if message.content_subtype == "html" else message.body,
            html=html,
            headers={k: v for k, v in message.extra_headers.items() if k.lower().startswith(("x-", "auto-"))},
            queued_at=clock.now(),
        )
        row.save(force_insert=True)
        for attachment in message.attachments:
            if isinstance(attachment, MIMEBase):
                name, content, mimetype = (
                    attachment.get_filename() or "fichier",
                    attachment.get_payload(decode=True),
                    attachment.get_content_type(),
                )
            else:
                name, content, mimetype = attachment
            if isinstance(content, str):
                content = content.encode()
            elif isinstance(content, EmailMessage | EmailMultiAlternatives):
                content = content.message().as_bytes()
            Attachment.objects.create(
                mail=row, name=name or "fichier", content=content, mimetype=mimetype or "application/octet-stream"
            )
        return row
