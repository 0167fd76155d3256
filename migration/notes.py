"""What a colleague should know of a mailbox. Written once, signed, read by staff alone: no holder ever sees one."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import Mailbox
from bma_portal import audit
from bma_portal.errors import Refusal
from bma_portal.identity import refuse_national_number
from migration.models import MailboxNote

LONGEST = 2000


@transaction.atomic
def add(mailbox: Mailbox, *, text: str, by: str, at: datetime) -> MailboxNote:
    """Raises Refusal if there is nothing to say, too much, or what the law forbids to note."""
    said = "".join(sign for sign in text.replace("\r\n", "\n") if sign.isprintable() or sign == "\n").strip()
    if not said:
        raise Refusal("Écrivez la note avant de l’ajouter.")
    if len(said) > LONGEST:
        raise Refusal(f"Cette note compte {len(said)} signes ; {LONGEST} au plus.")
    try:
        refuse_national_number(said)
    except ValidationError as error:
        raise Refusal(error.messages[0]) from None
    if MailboxNote.objects.filter(mailbox=mailbox, text=said, by=by).exists():
        raise Refusal("Cette note est déjà là : rien n’a été ajouté.")
    note = MailboxNote.objects.create(mailbox=mailbox, text=said, by=by, at=at)
    audit.record("mailbox.noted", about=mailbox, by=by, at=at, details={"note": note.pk})
    return note
