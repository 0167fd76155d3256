"""Files that come with a ticket: the rules of proofs, without the watermark unless they identify a person (F11).

Remade before anything keeps them, sealed, examined by the antivirus, opened by whoever may see the ticket.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet

from bma_portal import audit, vault
from bma_portal.errors import Refusal
from bma_portal.mail.models import Attachment as MailAttachment
from bma_portal.mail.models import OutgoingMail
from bma_portal.rotation import Holding
from bma_portal.secret import leaving_no_trace
from support import antivirus, proofs
from support.antivirus import Found
from support.models import Attachment, Message, Ticket
from support.proofs import Prepared, Quarantined
from support.reading import Page, ProofRefused
from support.sealed import open_row, seal
from support.ticket_mail_kinds import stream_of

HOLDING = Holding(lambda: Attachment.objects.filter(destroyed_at=None).defer("content"), "key")
MOST = 3  # files at once

log = logging.getLogger(__name__)


def prepare_bytes(name: str, data: bytes) -> Prepared:
    """Pages that may be kept, of a file that came by mail. Raises ProofRefused with what to say."""
    with leaving_no_trace():
        return proofs.prepare_bytes(name, data, caption="")


def attach(message: Message, prepared: Prepared, *, label: str, personal: bool, at: datetime) -> Attachment:
    """Seal the pages and keep them with this message, in the caller's transaction."""
    row = Attachment(
        message=message,
        label=label[:120],
        personal=personal,
        received_at=at,
        pages=len(prepared.pages),
        to_scan=prepared.to_scan,
        scanned_at=at if prepared.scanned else None,
    )
    with leaving_no_trace():
        seal(row, prepared.pages)
    row.save(force_insert=True)
    return row


def personal_of(ticket: Ticket) -> QuerySet[Attachment]:
    return Attachment.objects.filter(message__ticket=ticket, personal=True, destroyed_at=None)


def make_personal(ticket: Ticket) -> None:
    """What came before anybody saw that it is a matter whose documents identify a person; no waiting mail keeps it."""
    waiting = OutgoingMail.objects.filter(stream=stream_of(ticket), status=OutgoingMail.Status.QUEUED)
    MailAttachment.objects.filter(mail__in=waiting).delete()
    Attachment.objects.filter(message__ticket=ticket, personal=False).update(personal=True)


def open_pages(attachment: Attachment, *, at: datetime) -> list[Page]:
    """The pages, for a person who may see the ticket; a personal document leaves a line of audit first.

    Raises Quarantined until the antivirus has spoken, Refusal once destroyed, VaultError if the row was altered.
    """
    row = Attachment.objects.get(pk=attachment.pk)
    if row.destroyed_at:
        raise Refusal("Ce document a été détruit : il n’en reste que la date et le motif de sa destruction.")
    if row.to_scan:
        raise Quarantined("Ce document attend l’antivirus. Revenez dans quelques minutes.")
    if row.personal:
        audit.record("attachment.viewed", about=row, at=at)
    with leaving_no_trace():
        return open_row(row)


def destroy(rows: Iterable[Attachment], *, why: str, at: datetime) -> int:
    """Erase key and content; the rows stay as certificates, each with its line of audit. In one transaction."""
    pks = [row.pk for row in rows]
    with transaction.atomic():
        found = list(
            Attachment.objects.select_for_update(of=("self",)).filter(pk__in=pks, destroyed_at=None).defer("content")
        )
        Attachment.objects.filter(pk__in=[row.pk for row in found]).update(
            key="", content=b"", to_scan=False, destroyed_at=at, destroyed_why=why[:120]
        )
        for row in found:
            audit.record("attachment.destroyed", about=row, at=at, why=why)
    return len(found)


def scan_waiting(*, at: datetime) -> int:
    """Have the antivirus look at what came while it was away; destroys what it finds. How many it spoke of."""
    done = 0
    waiting = Attachment.objects.filter(to_scan=True, destroyed_at=None)
    for pk in list(waiting.order_by("pk").values_list("pk", flat=True)):
        row = waiting.filter(pk=pk).first()
        if row is None:
            continue
        try:
            with leaving_no_trace():
                found = antivirus.examine(open_row(row))
        except vault.VaultError:
            log.exception("pièce illisible", extra={"id": pk, "code": "VaultError"})
            continue
        if found in {Found.AWAY, Found.OFF}:
            break
        if found is Found.INFECTED:
            destroy([row], why="signalée par l’antivirus", at=at)
        else:
            waiting.filter(pk=pk).update(to_scan=False, scanned_at=at)
        done += 1
    return done


class SeveralFiles(forms.FileInput):
    allow_multiple_selected = True


class AttachmentsField(forms.FileField):
    """Up to three files. Its cleaned value is a list of (label, Prepared); one that is refused refuses the form.

    `caption`: what is written across a document that identifies a person; empty for the others.
    """

    widget = SeveralFiles(attrs={"accept": ".jpg,.jpeg,.png,.pdf,image/jpeg,image/png,application/pdf"})
    caption = ""

    def clean(self, data: Any, initial: Any = None) -> list[tuple[str, Prepared]]:
        given: Sequence[Any] = data if isinstance(data, list | tuple) else [data] if data else []
        if self.required and not given:
            raise ValidationError(self.error_messages["required"], code="required")
        if len(given) > MOST:
            raise ValidationError("Trois fichiers au plus. Gardez les plus utiles.", code="many")
        found = []
        for number, upload in enumerate(given, start=1):
            upload = super().clean(upload)
            try:
                found.append((f"Pièce jointe {number}", proofs.prepare(upload, caption=self.caption)))
            except ProofRefused as refusal:
                raise ValidationError(f"Fichier {number} : {refusal}", code=refusal.code) from None
        return found
