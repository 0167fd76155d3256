"""EWS on the wire: reading an envelope, writing answers, item errors and SOAP faults.

Answers are put together as text: they are small, repetitive, and on the path of every mail.
"""

import re
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from demo.exchange.http import XML, Reply

SOAP_NS = "http://schemas.xmlsoap.org/soap/envelope/"
M_NS = "http://schemas.microsoft.com/exchange/services/2006/messages"
T_NS = "http://schemas.microsoft.com/exchange/services/2006/types"
E_NS = "http://schemas.microsoft.com/exchange/services/2006/errors"
M = f"{{{M_NS}}}"
T = f"{{{T_NS}}}"
S = f"{{{SOAP_NS}}}"

# No entities, no network, no DTD: what arrives is untrusted even in a demo. huge_tree lifts the 10 MB limit on one
# text node, so that a heavy attachment meets our own ErrorMessageSizeExceeded.
PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_comments=True)

# XML 1.0 cannot carry these at all, not even escaped.
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

OPENING = (
    '<?xml version="1.0" encoding="utf-8"?>'
    f'<s:Envelope xmlns:s="{SOAP_NS}" xmlns:m="{M_NS}" xmlns:t="{T_NS}"><s:Header>'
    '<t:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" MinorBuildNumber="4"'
    ' Version="Exchange2016"/></s:Header><s:Body>'
)
CLOSING = "</s:Body></s:Envelope>"

TEXTS = {
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorBatchProcessingStopped": "The batch was stopped before this item was processed.",
    "ErrorChangeKeyRequired": "The change key is required for this operation.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the requested user.",
    "ErrorInternalServerError": "An internal server error occurred. The operation failed.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidOperation": "The requested operation is not available here.",
    "ErrorInvalidPropertySet": "Set action is invalid for property InternetMessageId.",
    "ErrorInvalidRecipients": "At least one recipient isn't valid.",
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorMessageSizeExceeded": "The message exceeds the maximum supported size.",
    "ErrorMissingRecipients": "No recipients were specified for this message.",
    "ErrorNonExistentMailbox": "No mailbox with such guid or address.",
    "ErrorSchemaValidation": "The request failed schema validation.",
    "ErrorSendAsDenied": "The user account which was used to submit this request does not have the right to send "
    "mail on behalf of the specified sending account.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorStaleObject": "The object has changed since it was read: the change key is not the current one.",
}


class EwsError(Exception):
    """A refusal with its EWS code: of one item, of one folder, or (raised outside any item) of the request."""

    def __init__(self, code: str, text: str = ""):
        super().__init__(code)
        self.code = code
        self.text = text or TEXTS.get(code, "The operation failed.")


class SoapFault(EwsError):
    """A refusal of the whole request, answered as a SOAP fault under HTTP 500, as Exchange does."""

    def __init__(self, code: str, text: str = "", back_off_ms: int | None = None):
        super().__init__(code, text)
        self.back_off_ms = back_off_ms


def clean(value: str) -> str:
    return escape(UNPRINTABLE.sub("?", value))


def attribute(value: str) -> str:
    return quoteattr(UNPRINTABLE.sub("?", value))


def read_envelope(body: bytes) -> tuple[etree._Element | None, etree._Element]:
    """The header (or None) and the operation's element."""
    if b"<!DOCTYPE" in body[:4096] or b"<!ENTITY" in body[:4096]:
        raise SoapFault("ErrorSchemaValidation")
    try:
        root = etree.fromstring(body, PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise SoapFault("ErrorSchemaValidation") from error
    content = root.find(f"{S}Body")
    if root.tag != f"{S}Envelope" or content is None or not len(content):
        raise SoapFault("ErrorSchemaValidation")
    return root.find(f"{S}Header"), content[0]


def envelope(content: str) -> Reply:
    return Reply(200, f"{OPENING}{content}{CLOSING}".encode(), XML)


def success(operation: str, content: str = "") -> str:
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{content}'
        f"</m:{operation}ResponseMessage>"
    )


def failure(operation: str, error: EwsError) -> str:
    kind = "Warning" if error.code == "ErrorBatchProcessingStopped" else "Error"
    # exchangelib looks for the sync state before it looks at the code.
    state = "<m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>"
    return (
        f'<m:{operation}ResponseMessage ResponseClass="{kind}"><m:MessageText>{clean(error.text)}</m:MessageText>'
        f"<m:ResponseCode>{clean(error.code)}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        f"{state if operation == 'SyncFolderItems' else '<m:Items/>' if operation == 'CreateItem' else ''}"
        f"</m:{operation}ResponseMessage>"
    )


def responses(operation: str, messages: list[str]) -> Reply:
    return envelope(
        f"<m:{operation}Response><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:{operation}Response>"
    )


def fault(error: EwsError) -> Reply:
    back_off = getattr(error, "back_off_ms", None)
    more = ""
    if back_off is not None:
        more = (
            f'<t:MessageXml xmlns:t="{T_NS}"><t:Value Name="BackOffMilliseconds">{back_off}</t:Value></t:MessageXml>'
        )
    body = (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP_NS}"><s:Body><s:Fault>'
        f'<faultcode xmlns:a="{T_NS}">a:{clean(error.code)}</faultcode>'
        f'<faultstring xml:lang="en-US">{clean(error.text)}</faultstring><detail>'
        f'<e:ResponseCode xmlns:e="{E_NS}">{clean(error.code)}</e:ResponseCode>'
        f'<e:Message xmlns:e="{E_NS}">{clean(error.text)}</e:Message>{more}</detail></s:Fault></s:Body></s:Envelope>'
    )
    return Reply(500, body.encode(), XML)
