"""What a mail is made of, and how it is read from the `t:Message` of a CreateItem request."""

import base64
import binascii
from dataclasses import dataclass, field

from lxml import etree

from demo.exchange.soap import EwsError, T

KEY_HEADER = "internetheaders:x-bma-key"
MAX_MESSAGE = 10 * 1024 * 1024  # the default policy of a real Exchange

type_prefix = len(T)


@dataclass(slots=True)
class Address:
    email: str
    name: str = ""


@dataclass(slots=True)
class Attachment:
    name: str
    kind: str
    content: bytes


@dataclass(slots=True, eq=False)
class Mail:
    """The content, shared by the sender's copy and every mailbox that received it.

    `body`, `mime` and `attachments` are let go once they are on disk (`stored`): tens of thousands of mails must not
    live in memory. `Store.filled()` gives a copy that has them.
    """

    ref: int = 0
    subject: str = ""
    body_type: str = "Text"
    body: str | None = ""
    author: Address | None = None
    to: list[Address] = field(default_factory=list)
    cc: list[Address] = field(default_factory=list)
    bcc: list[Address] = field(default_factory=list)
    reply_to: list[Address] = field(default_factory=list)
    message_id: str = ""
    item_class: str = "IPM.Note"
    categories: list[str] = field(default_factory=list)
    importance: str = "Normal"
    sensitivity: str = "Normal"
    in_reply_to: str = ""
    references: str = ""
    properties: dict[str, str | list[str]] = field(default_factory=dict)
    attachments: list[Attachment] | None = field(default_factory=list)
    attachment_names: list[str] = field(default_factory=list)
    mime: bytes | None = None
    size: int = 0
    sent_by: str = ""  # the account it left as, once sent
    places: int = 0  # in how many folders it lies
    stored: bool = False

    @property
    def key(self) -> str:
        value = self.properties.get(KEY_HEADER, "")
        return value if isinstance(value, str) else ",".join(value)

    def recipients(self) -> list[str]:
        """Every address, lower case, once."""
        return list(dict.fromkeys(address.email.lower() for address in (*self.to, *self.cc, *self.bcc)))

    def headers(self) -> dict[str, str]:
        """The X- headers that travel with the mail."""
        prefix = "internetheaders:"
        return {
            name[len(prefix) :]: value
            for name, value in self.properties.items()
            if name.startswith(prefix) and isinstance(value, str)
        }


def property_key(uri: etree._Element) -> str:
    """One name for an extended property: by set and name, by set and number, or by tag.

    Names of headers are compared without case, as everywhere in mail.
    """
    get = uri.get
    tag = get("PropertyTag")
    if tag:
        return f"tag:{int(tag, 0)}"
    owner = (get("PropertySetId") or get("DistinguishedPropertySetId") or "").lower()
    name = get("PropertyName") or get("PropertyId") or ""
    return f"{owner}:{name.lower() if owner == 'internetheaders' else name}"


def _text(element) -> str:
    return element.text or ""


def _addresses(element) -> list[Address]:
    found = []
    for mailbox in element:
        address = Address("")
        for part in mailbox:
            if part.tag == f"{T}EmailAddress":
                address.email = (part.text or "").strip()
            elif part.tag == f"{T}Name":
                address.name = part.text or ""
        found.append(address)
    return found


def _body(mail: Mail, element):
    mail.body_type = "HTML" if element.get("BodyType") == "HTML" else "Text"
    mail.body = element.text or ""


def _extended(mail: Mail, element):
    uri = element.find(f"{T}ExtendedFieldURI")
    if uri is None:
        raise EwsError("ErrorInvalidExtendedProperty")
    value = element.find(f"{T}Value")
    if value is not None:
        mail.properties[property_key(uri)] = value.text or ""
    else:
        mail.properties[property_key(uri)] = [item.text or "" for item in element.iterfind(f"{T}Values/{T}Value")]


def _attachments(mail: Mail, element):
    for item in element.iterfind(f"{T}FileAttachment"):
        try:
            content = base64.b64decode(item.findtext(f"{T}Content") or "")
        except binascii.Error as error:
            raise EwsError("ErrorCorruptData", "The attachment is not valid base64.") from error
        kind = item.findtext(f"{T}ContentType") or "application/octet-stream"
        mail.attachments.append(Attachment(item.findtext(f"{T}Name") or "piece-jointe", kind, content))


def _author(mail: Mail, element):
    found = _addresses(element)
    mail.author = found[0] if found and found[0].email else None


def _setter(name: str, read):
    return lambda mail, element: setattr(mail, name, read(element))


READERS = {
    "Subject": _setter("subject", _text),
    "Body": _body,
    "From": _author,
    "ToRecipients": _setter("to", _addresses),
    "CcRecipients": _setter("cc", _addresses),
    "BccRecipients": _setter("bcc", _addresses),
    "ReplyTo": _setter("reply_to", _addresses),
    "InternetMessageId": _setter("message_id", _text),
    "ItemClass": _setter("item_class", _text),
    "Categories": _setter("categories", lambda element: [item.text or "" for item in element]),
    "Importance": _setter("importance", _text),
    "Sensitivity": _setter("sensitivity", _text),
    "InReplyTo": _setter("in_reply_to", _text),
    "References": _setter("references", _text),
    "ExtendedProperty": _extended,
    "Attachments": _attachments,
}


def read_message(element: etree._Element) -> Mail:
    """Read one item of a CreateItem request; what the stand-in has no use for is accepted and forgotten."""
    if element.tag != f"{T}Message":
        raise EwsError("ErrorInvalidOperation", "Only messages can be created here.")
    mail = Mail()
    content = element.find(f"{T}MimeContent")
    if content is not None:
        # Imported here: the standard library's mail package is slow to load and structured mails do without it.
        from demo.exchange.mime import read_mime

        read_mime(mail, content.text or "")
    for child in element:
        reader = READERS.get(child.tag[type_prefix:])
        if reader is not None:
            reader(mail, child)
    mail.attachment_names = [attachment.name for attachment in mail.attachments]
    mail.size = (
        len(mail.body) + len(mail.mime or b"") + sum(len(attachment.content) for attachment in mail.attachments) + 512
    )
    if mail.size > MAX_MESSAGE:
        raise EwsError("ErrorMessageSizeExceeded")
    return mail
