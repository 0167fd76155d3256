"""What comes back to the senders: a mail from outside, and a visitor's answer to a mail in the pages."""

from email import policy
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, make_msgid

from demo.exchange.messages import Address, Mail
from demo.exchange.mime import DOMAIN, as_text, read_mime_bytes
from demo.exchange.soap import EwsError
from demo.exchange.store import Place, Store

MOST_TEXT = 20_000


def arrive(store: Store, address: str, data: bytes, *, size: int | None = None) -> Place:
    """A mail from outside lies in that inbox. Like a real server, it is kept however malformed it is."""
    mail = Mail()
    try:
        read_mime_bytes(mail, data)
    except (EwsError, AttributeError, TypeError, RecursionError, IndexError):
        mail.body = ""
    if not isinstance(mail.body, str):
        mail.body = ""
    mail.attachment_names = [attachment.name for attachment in mail.attachments or ()]
    mail.size = len(data) if size is None else size
    mail.sent_by = mail.author.email if mail.author else ""
    return store.add(mail, address, "inbox")


def answer(store: Store, author: str, mail: Mail, text: str) -> Place:
    """The reader of a mail writes back to whoever signed it, as a mail program does: subject, quotation, headers."""
    signed = mail.author or Address(mail.sent_by)
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = formataddr(("", author))
    message["To"] = formataddr((signed.name, signed.email))
    subject = " ".join(mail.subject.split())
    message["Subject"] = subject if subject.upper().startswith("RE:") else f"RE: {subject}"
    message["Date"] = format_datetime(store.now())
    message["Message-ID"] = make_msgid(domain=DOMAIN)
    if mail.message_id:
        message["In-Reply-To"] = mail.message_id
        message["References"] = mail.message_id
    quoted = "\n".join(f"> {line}".rstrip() for line in as_text(mail).splitlines())
    who = signed.name or signed.email
    message.set_content(
        f"{text[:MOST_TEXT].strip()}\n\nLe {store.now():%d/%m/%Y à %H:%M}, {who} a écrit :\n{quoted}\n"
    )
    return arrive(store, signed.email.lower(), message.as_bytes())
