"""How an item is shown in an answer: the shape that the request asks for, property by property."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

from demo.exchange.messages import Address, Mail, property_key
from demo.exchange.mime import as_text, header_case, write_mime
from demo.exchange.soap import EwsError, M, T, attribute, clean
from demo.exchange.store import Place, Store


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _flag(value: bool) -> str:
    return "true" if value else "false"


def _mailbox(person: Address) -> str:
    name = clean(person.name or person.email)
    return (
        f"<t:Mailbox><t:Name>{name}</t:Name><t:EmailAddress>{clean(person.email)}</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
    )


def _people(tag: str, people: list[Address]) -> str:
    return f"<t:{tag}>{''.join(map(_mailbox, people))}</t:{tag}>" if people else ""


def _text(tag: str, value: str) -> str:
    return f"<t:{tag}>{clean(value)}</t:{tag}>" if value else ""


def _author(place: Place) -> Address:
    return place.mail.author or Address(place.mail.sent_by)


def _sent(place: Place) -> bool:
    return place.folder != "drafts"


def _body(mail: Mail) -> str:
    return f'<t:Body BodyType="{mail.body_type}">{clean(mail.body or "")}</t:Body>'


def _headers(mail: Mail) -> str:
    rows = "".join(
        f"<t:InternetMessageHeader HeaderName={attribute(header_case(name))}>{clean(value)}</t:InternetMessageHeader>"
        for name, value in mail.headers().items()
    )
    return f"<t:InternetMessageHeaders>{rows}</t:InternetMessageHeaders>" if rows else ""


def _attachments(place: Place) -> str:
    rows = "".join(
        f'<t:FileAttachment><t:AttachmentId Id="{place.ews_id}-{rank}"/><t:Name>{clean(name)}</t:Name>'
        "</t:FileAttachment>"
        for rank, name in enumerate(place.mail.attachment_names)
    )
    return f"<t:Attachments>{rows}</t:Attachments>" if rows else ""


def _categories(mail: Mail) -> str:
    rows = "".join(f"<t:String>{clean(name)}</t:String>" for name in mail.categories)
    return f"<t:Categories>{rows}</t:Categories>" if rows else ""


SIMPLE: dict[str, Callable[[Place], str]] = {
    "item:ItemClass": lambda place: _text("ItemClass", place.mail.item_class),
    "item:Subject": lambda place: _text("Subject", place.mail.subject),
    "item:Sensitivity": lambda place: _text("Sensitivity", place.mail.sensitivity),
    "item:Importance": lambda place: _text("Importance", place.mail.importance),
    "item:InReplyTo": lambda place: _text("InReplyTo", place.mail.in_reply_to),
    "item:Categories": lambda place: _categories(place.mail),
    "item:Size": lambda place: f"<t:Size>{place.mail.size}</t:Size>",
    "item:HasAttachments": lambda place: (
        f"<t:HasAttachments>{_flag(bool(place.mail.attachment_names))}</t:HasAttachments>"
    ),
    "item:Attachments": _attachments,
    "item:IsDraft": lambda place: f"<t:IsDraft>{_flag(not _sent(place))}</t:IsDraft>",
    "item:IsSubmitted": lambda place: f"<t:IsSubmitted>{_flag(place.submitted)}</t:IsSubmitted>",
    "item:IsFromMe": lambda place: f"<t:IsFromMe>{_flag(place.mail.sent_by.lower() == place.mailbox)}</t:IsFromMe>",
    "item:DateTimeReceived": lambda place: f"<t:DateTimeReceived>{stamp(place.at)}</t:DateTimeReceived>",
    "item:DateTimeCreated": lambda place: f"<t:DateTimeCreated>{stamp(place.at)}</t:DateTimeCreated>",
    "item:LastModifiedTime": lambda place: f"<t:LastModifiedTime>{stamp(place.at)}</t:LastModifiedTime>",
    "item:DateTimeSent": lambda place: f"<t:DateTimeSent>{stamp(place.at)}</t:DateTimeSent>" if _sent(place) else "",
    "item:DisplayTo": lambda place: _text("DisplayTo", "; ".join(who.name or who.email for who in place.mail.to)),
    "item:DisplayCc": lambda place: _text("DisplayCc", "; ".join(who.name or who.email for who in place.mail.cc)),
    "item:InternetMessageHeaders": lambda place: _headers(place.mail),
    "message:InternetMessageId": lambda place: _text("InternetMessageId", place.mail.message_id),
    "message:References": lambda place: _text("References", place.mail.references),
    "message:From": lambda place: _people("From", [_author(place)]),
    "message:Sender": lambda place: _people("Sender", [_author(place)]),
    "message:ToRecipients": lambda place: _people("ToRecipients", place.mail.to),
    "message:CcRecipients": lambda place: _people("CcRecipients", place.mail.cc),
    "message:BccRecipients": lambda place: _people("BccRecipients", place.mail.bcc if _sent(place) is False else []),
    "message:ReplyTo": lambda place: _people("ReplyTo", place.mail.reply_to),
    "message:IsRead": lambda place: "<t:IsRead>false</t:IsRead>",
}

# These need what is on disk, so they are shown last and only when asked for.
HEAVY: dict[str, Callable[[Place, Mail], str]] = {
    "item:Body": lambda place, mail: _body(mail),
    "item:UniqueBody": lambda place, mail: "",
    "item:TextBody": lambda place, mail: f'<t:TextBody BodyType="Text">{clean(as_text(mail))}</t:TextBody>',
    "item:MimeContent": lambda place, mail: (
        '<t:MimeContent CharacterSet="UTF-8">'
        f"{base64.b64encode(write_mime(mail, place.at)).decode('ascii')}</t:MimeContent>"
    ),
}

DEFAULT = [
    "item:Subject", "item:ItemClass", "item:Sensitivity", "item:Importance", "item:Size", "item:HasAttachments",
    "item:IsDraft", "item:IsSubmitted", "item:DateTimeReceived", "item:DateTimeCreated", "item:DateTimeSent",
    "item:DisplayTo", "item:DisplayCc", "message:From", "message:ToRecipients", "message:CcRecipients",
    "message:ReplyTo", "message:InternetMessageId", "message:IsRead",
]  # fmt: skip


class Shape:
    def __init__(self, fields: list[str], extended: list[tuple[str, str]]):
        self.simple = [SIMPLE[name] for name in dict.fromkeys(fields) if name in SIMPLE]
        self.heavy = [HEAVY[name] for name in dict.fromkeys(fields) if name in HEAVY]
        self.extended = extended

    @classmethod
    def read(cls, element, *, heavy: bool = True) -> "Shape":
        if element is None:
            raise EwsError("ErrorSchemaValidation")
        base = element.findtext(f"{T}BaseShape")
        fields: list[str] = []
        extended: list[tuple[str, str]] = []
        if base == "AllProperties":
            fields += [*SIMPLE, "item:Body"]
        elif base != "IdOnly":
            fields += [*DEFAULT, "item:Body"]
        if element.findtext(f"{T}IncludeMimeContent") == "true":
            fields.append("item:MimeContent")
        for child in element.iterfind(f"{T}AdditionalProperties/*"):
            if child.tag == f"{T}FieldURI":
                fields.append(child.get("FieldURI") or "")
            elif child.tag == f"{T}ExtendedFieldURI":
                uri = " ".join(f"{name}={attribute(value)}" for name, value in child.attrib.items())
                extended.append((property_key(child), f"<t:ExtendedFieldURI {uri}/>"))
        if not heavy:  # FindItem and SyncFolderItems never give bodies
            fields = [name for name in fields if name not in HEAVY]
        return cls(fields, extended)

    def render(self, place: Place, store: Store) -> str:
        parts = [f'<t:Message><t:ItemId Id="{place.ews_id}" ChangeKey="{place.changekey}"/>']
        parts.extend(show(place) for show in self.simple)
        if self.heavy:
            mail = store.filled(place.mail)
            parts.extend(show(place, mail) for show in self.heavy)
        for key, uri in self.extended:
            value = place.mail.properties.get(key)
            if isinstance(value, str):
                parts.append(f"<t:ExtendedProperty>{uri}<t:Value>{clean(value)}</t:Value></t:ExtendedProperty>")
            elif value is not None:
                values = "".join(f"<t:Value>{clean(item)}</t:Value>" for item in value)
                parts.append(f"<t:ExtendedProperty>{uri}<t:Values>{values}</t:Values></t:ExtendedProperty>")
        parts.append("</t:Message>")
        return "".join(parts)


def read_shape(call, *, heavy: bool = False) -> Shape:
    return Shape.read(call.element.find(f"{M}ItemShape"), heavy=heavy)
