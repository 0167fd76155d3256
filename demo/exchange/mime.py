"""Mails as MIME: read from `MimeContent`, written for a reader who asks for it, and non-delivery reports."""

import base64
import binascii
from datetime import datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import Header
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import EmailPolicy
from email.utils import format_datetime, formataddr, getaddresses, make_msgid
from functools import lru_cache

from lxml import etree, html

from demo.exchange.messages import Address, Attachment, Mail
from demo.exchange.soap import EwsError

DOMAIN = "exchange.demo.invalid"
BLOCKS = {"p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "blockquote", "section"}


@lru_cache(maxsize=512)
def _parsed(name: str, value: str):
    return policy.default.header_fetch_parse(name, value)


class ParsedOnce(EmailPolicy):
    """Python's policy parses a header each time it is looked at: nine tenths of the time of a mail that comes in."""

    def header_fetch_parse(self, name: str, value: str):
        return _parsed(name, value)


PARSED_ONCE = ParsedOnce()


def read_mime(mail: Mail, encoded: str) -> None:
    """Fill a mail from base64 MIME; the structured fields read afterwards override what is found here."""
    try:
        data = base64.b64decode(encoded, validate=False)
    except (binascii.Error, ValueError) as error:
        raise EwsError("ErrorMimeContentInvalid", "The MIME content is not valid.") from error
    read_mime_bytes(mail, data)


def read_mime_bytes(mail: Mail, data: bytes) -> None:
    """The same from the bytes themselves."""
    mail.mime = data
    try:
        message = message_from_bytes(mail.mime, policy=PARSED_ONCE)
        mail.subject = str(message.get("Subject", "")).strip()  # a folded one begins with a space
        mail.message_id = str(message.get("Message-ID", "")).strip()
        mail.in_reply_to = str(message.get("In-Reply-To", ""))
        mail.references = str(message.get("References", ""))
        mail.to, mail.cc, mail.reply_to = (_addresses(message, name) for name in ("To", "Cc", "Reply-To"))
        mail.author = next(iter(_addresses(message, "From")), None)
        for name, value in message.items():
            if name.lower().startswith("x-"):
                mail.properties[f"internetheaders:{name.lower()}"] = str(value)
        part = message.get_body(("html", "plain"))
        if part is not None:
            mail.body_type = "HTML" if part.get_content_subtype() == "html" else "Text"
            mail.body = part.get_content()
        for part in message.iter_attachments():
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                mail.attachments.append(
                    Attachment(part.get_filename() or "piece-jointe", part.get_content_type(), content)
                )
    except (binascii.Error, MessageError, LookupError, ValueError, KeyError) as error:
        raise EwsError("ErrorMimeContentInvalid", "The MIME content is not valid.") from error


def _addresses(message, name: str) -> list[Address]:
    return [Address(email, title) for title, email in getaddresses(map(str, message.get_all(name, []))) if email]


def as_text(mail: Mail) -> str:
    """The plain text of a filled mail: its own, or what remains of its HTML without the markup."""
    if mail.body_type != "HTML" or not (mail.body or "").strip():
        return mail.body or ""
    try:
        root = html.fromstring(mail.body)
    except (etree.ParserError, ValueError):
        return ""
    for unwanted in root.xpath("//style | //script | //head | //comment()"):
        unwanted.drop_tree()
    lines = "".join(_pieces(root)).splitlines()
    kept = []
    for line in (" ".join(line.split()) for line in lines):
        if line or (kept and kept[-1]):
            kept.append(line)
    return "\n".join(kept).strip()


def _pieces(element):
    block = element.tag in BLOCKS
    if block or element.tag == "br":
        yield "\n"
    if element.tag == "li":
        yield "- "
    yield " ".join((element.text or "").split("\n"))
    for child in element:
        yield from _pieces(child)
        yield " ".join((child.tail or "").split("\n"))
    link = element.get("href", "")
    if element.tag == "a" and link.startswith(("http", "mailto")) and link != (element.text or "").strip():
        yield f" <{link}>"
    if block:
        yield "\n"


def write_mime(mail: Mail, at: datetime) -> bytes:
    """The MIME of a filled mail, as GetItem gives it."""
    if mail.mime is not None:
        return mail.mime
    message = EmailMessage(policy=policy.SMTP)
    author = mail.author or Address(mail.sent_by or f"inconnu@{DOMAIN}")
    message["From"] = _formatted([author])
    for name, people in (("To", mail.to), ("Cc", mail.cc), ("Reply-To", mail.reply_to)):
        if people:
            message[name] = _formatted(people)
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = format_datetime(at)
    message["Message-ID"] = mail.message_id or make_msgid(domain=DOMAIN)
    for name, value in mail.headers().items():
        message[header_case(name)] = " ".join(value.split())
    message.set_content(as_text(mail))
    if mail.body_type == "HTML":
        message.add_alternative(mail.body or "", subtype="html")
    for attachment in mail.attachments or ():
        main, _, sub = attachment.kind.partition("/")
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub or "octet-stream", filename=attachment.name
        )
    return message.as_bytes()


def _formatted(people: list[Address]) -> str:
    return ", ".join(formataddr((person.name, person.email)) for person in people)


def non_delivery(mail: Mail, recipient: str, status: str, at: datetime) -> Mail:
    """The report (NDR) that comes back to the sender's inbox when a recipient could not be reached."""
    sentence = f"Votre message n'a pas pu être remis à {recipient}"
    title = " ".join(f"Non remis : {mail.subject}".split())
    message = MIMEMultipart("report", report_type="delivery-status")
    message["From"] = f"Microsoft Outlook <postmaster@{DOMAIN}>"
    message["To"] = mail.sent_by
    message["Subject"] = Header(title, "utf-8")
    message["Date"] = format_datetime(at)
    message["Message-ID"] = make_msgid(domain=DOMAIN)
    message["Auto-Submitted"] = "auto-replied"
    message["In-Reply-To"] = mail.message_id
    message.attach(MIMEText(f"{sentence} ({status}).", "plain", "utf-8"))
    delivery = MIMEBase("message", "delivery-status")
    delivery.attach(_fields({"Reporting-MTA": f"dns;{DOMAIN}"}))
    delivery.attach(_fields({"Final-Recipient": f"rfc822;{recipient}", "Action": "failed", "Status": status}))
    message.attach(delivery)
    marks = {"message-id": mail.message_id, "to": recipient, **mail.headers()}
    original = MIMEBase("text", "rfc822-headers")
    original.set_payload(
        _fields({header_case(name): " ".join(value.split()) for name, value in marks.items()}).as_string()
    )
    message.attach(original)
    report = Mail()
    report.item_class = "REPORT.IPM.Note.NDR"
    report.subject = title
    report.author = Address(f"postmaster@{DOMAIN}", "Microsoft Outlook")
    report.sent_by = report.author.email
    report.to = [Address(mail.sent_by)]
    report.message_id = str(message["Message-ID"])
    report.in_reply_to = mail.message_id
    report.body = f"{sentence} ({status})."
    report.mime = message.as_bytes()
    report.size = len(report.mime)
    return report


def _fields(values: dict[str, str]) -> Message:
    block = Message()
    for name, value in values.items():
        block[name] = value
    return block


def header_case(name: str) -> str:
    """`x-bma-key` as mail programs write it: X-BMA-Key."""
    return "-".join(word.upper() if word in ("id", "bma") else word.capitalize() for word in name.split("-"))
