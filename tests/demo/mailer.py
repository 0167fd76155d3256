"""exchangelib as the portal is to use it: drafts in chunks, ids kept, one send by id, each item's own answer."""

import uuid
from dataclasses import dataclass

from exchangelib import (
    BASIC,
    DELEGATE,
    Account,
    Configuration,
    Credentials,
    EWSTimeZone,
    ExtendedProperty,
    FailFast,
    HTMLBody,
    Mailbox,
    Message,
)
from exchangelib.errors import EWSError, TransportError
from exchangelib.folders import Drafts, Inbox, Root, SentItems
from exchangelib.items import SAVE_ONLY, SEND_TO_NONE
from exchangelib.properties import DistinguishedFolderId
from exchangelib.services import CreateItem, SendItem
from exchangelib.util import is_xml
from exchangelib.version import Build, Version

SGNE = "migrationBMA@cfwb.be"
ETNIC = "support@etnic.be"


class TestKey(ExtendedProperty):
    property_set_id = "6e2b7c1d-5a4f-4f0e-9b1a-0d5c7a3e8f42"
    property_name = "SendKey"
    property_type = "String"
    __test__ = False  # not a test, whatever its name


class TestHeader(ExtendedProperty):
    distinguished_property_set_id = "InternetHeaders"
    property_name = "X-BMA-Key"
    property_type = "String"
    __test__ = False


# Names of our own: the portal registers its properties in the same process.
Message.register("test_key", TestKey)
Message.register("test_header", TestHeader)


class HttpFailure(TransportError):
    def __init__(self, status, retry_after):
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class OneShot(FailFast):
    """Raises at once and keeps the evidence."""

    def raise_response_errors(self, response):
        if response.status_code == 200 or (response.status_code == 500 and is_xml(response.content)):
            return
        raise HttpFailure(response.status_code, response.headers.get("Retry-After"))


class PlainCreateItem(CreateItem):
    ERRORS_TO_CATCH_IN_RESPONSE = (EWSError,)


class PlainSendItem(SendItem):
    ERRORS_TO_CATCH_IN_RESPONSE = (EWSError,)


@dataclass
class Mailer:
    ews: str
    user: str
    password: str

    def account(self, address=SGNE, *, access=DELEGATE, password=None, version=True, user=None):
        config = Configuration(
            service_endpoint=self.ews,
            credentials=Credentials(user or self.user, password or self.password),
            auth_type=BASIC,
            version=Version(Build(15, 2)) if version else None,
            retry_policy=OneShot(),
            max_connections=1,
        )
        return Account(
            address, config=config, autodiscover=False, access_type=access, default_timezone=EWSTimeZone("UTC")
        )

    def folder(self, kind, account=None):
        account = account or self.account()
        box = Mailbox(email_address=account.primary_smtp_address)
        return kind(
            root=Root(account=account),
            _distinguished_id=DistinguishedFolderId(id=kind.DISTINGUISHED_FOLDER_ID, mailbox=box),
        )

    @property
    def drafts(self):
        return self.folder(Drafts)

    @property
    def sent(self):
        return self.folder(SentItems)

    @property
    def inbox(self):
        return self.folder(Inbox)

    def message(self, to="ec000012@adm.cfwb.be", *, account=None, author=SGNE, key=None, **fields):
        account = account or self.account()
        key = key or str(uuid.uuid4())
        fields = {
            "subject": "Votre boîte va migrer",
            "body": HTMLBody("<p>Bonjour & bienvenue</p>"),
            "to_recipients": [Mailbox(email_address=to)],
            "message_id": f"<{key}@bma.test>",
            "test_key": key,
            "test_header": key,
        } | fields
        if author:
            fields["author"] = Mailbox(email_address=author, name="Équipe « Migration »")
        return Message(account=account, folder=self.folder(Drafts, account), **fields)

    def draft(self, *messages, account=None):
        account = account or self.account()
        results = list(
            PlainCreateItem(account=account).call(
                items=list(messages),
                folder=self.folder(Drafts, account),
                message_disposition=SAVE_ONLY,
                send_meeting_invitations=SEND_TO_NONE,
            )
        )
        assert len(results) == len(messages)
        return results

    def send(self, *drafts, save=False, account=None):
        account = account or self.account()
        items = [draft if isinstance(draft, tuple) else (draft.id, draft.changekey) for draft in drafts]
        copy_to = self.folder(SentItems, account) if save else None
        return list(PlainSendItem(account=account).call(items=items, saved_item_folder=copy_to))

    def fetch(self, draft, *fields):
        fields = fields or ("is_draft", "is_submitted", "message_id")
        (found,) = self.account().fetch([(draft.id, draft.changekey)], only_fields=list(fields))
        return found

    def find(self, folder, key):
        return list(folder.filter(test_key=key).only("id", "changekey")[:2])


def causes(error):
    """The class names of an error and of everything it came from."""
    names = []
    while error is not None:
        names.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    return names
