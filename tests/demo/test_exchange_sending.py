"""The stand-in through the real exchangelib, without faults."""

import logging
import uuid
from datetime import UTC, datetime

import pytest
import requests
from exchangelib import IMPERSONATION, EWSDateTime, FileAttachment, Mailbox, Message, Q
from exchangelib.errors import (
    ErrorAccessDenied,
    ErrorChangeKeyRequired,
    ErrorFolderNotFound,
    ErrorImpersonateUserDenied,
    ErrorInvalidIdMalformed,
    ErrorInvalidRecipients,
    ErrorItemNotFound,
    ErrorMessageSizeExceeded,
    ErrorMissingRecipients,
    ErrorNonExistentMailbox,
    ErrorSendAsDenied,
    ErrorStaleObject,
)
from exchangelib.folders import Drafts, Folder, SentItems
from exchangelib.items import BulkCreateResult
from exchangelib.properties import DistinguishedFolderId

from tests.demo.conftest import OTHER
from tests.demo.mailer import ETNIC, SGNE, HttpFailure


def test_a_chunk_of_fifty_drafts_gives_fifty_ids_and_delivers_nothing(exchange, mailer):
    results = mailer.draft(*[mailer.message() for _ in range(50)])
    assert all(isinstance(result, BulkCreateResult) for result in results)
    assert len({result.id for result in results}) == 50
    assert min(len(result.id) for result in results) > 150
    assert exchange.counts() == {
        "delivered": 0, "by_key_max": 0, "drafts": 50, "sent_items": 0, "duplicates": [],
    }  # fmt: skip


def test_a_send_by_id_is_logged_once_with_its_key_and_message_id(exchange, mailer):
    key = str(uuid.uuid4())
    (draft,) = mailer.draft(mailer.message(key=key, subject="Été & <hiver>"))
    assert mailer.send(draft) == [True]
    (row,) = exchange.deliveries()
    assert row["seq"] == 1
    assert row["key"] == key
    assert row["message_id"] == f"<{key}@bma.test>"
    assert row["from"] == SGNE
    assert row["to"] == "ec000012@adm.cfwb.be"
    assert row["subject"] == "Été & <hiver>"
    assert datetime.fromisoformat(row["time"]).tzinfo


def test_a_sent_draft_with_a_copy_lies_in_sent_items_under_a_new_id(exchange, mailer):
    key = str(uuid.uuid4())
    (draft,) = mailer.draft(mailer.message(key=key))
    assert mailer.send(draft, save=True) == [True]
    assert mailer.find(mailer.drafts, key) == []
    (copy,) = mailer.find(mailer.sent, key)
    assert copy.id != draft.id
    assert isinstance(mailer.fetch(draft), ErrorItemNotFound)
    found = mailer.fetch(copy, "is_draft", "message_id", "test_key", "test_header", "author", "datetime_sent")
    assert (found.is_draft, found.message_id, found.test_key, found.test_header) == (
        False, f"<{key}@bma.test>", key, key,
    )  # fmt: skip
    assert found.author.email_address == SGNE


def test_a_sent_draft_without_a_copy_leaves_no_trace(exchange, mailer):
    key = str(uuid.uuid4())
    (draft,) = mailer.draft(mailer.message(key=key))
    mailer.send(draft)
    assert mailer.find(mailer.drafts, key) == mailer.find(mailer.sent, key) == []
    assert isinstance(mailer.fetch(draft), ErrorItemNotFound)
    counts = exchange.counts()
    assert (counts["drafts"], counts["sent_items"], counts["delivered"]) == (0, 0, 1)


def test_an_id_is_sent_only_once(exchange, mailer):
    (draft,) = mailer.draft(mailer.message())
    assert mailer.send(draft) == [True]
    (second,) = mailer.send(draft)
    assert isinstance(second, ErrorItemNotFound)
    assert exchange.counts()["delivered"] == 1


def test_the_same_mail_sent_under_two_ids_is_counted_as_a_duplicate(exchange, mailer):
    drafts = mailer.draft(mailer.message(key="twice"), mailer.message(key="twice"), mailer.message(key="once"))
    mailer.send(*drafts)
    counts = exchange.counts()
    assert (counts["delivered"], counts["by_key_max"], counts["duplicates"]) == (3, 2, ["twice"])


def test_a_mail_to_two_mailboxes_is_no_duplicate(exchange, mailer):
    both = [Mailbox(email_address="ec000012@adm.cfwb.be"), Mailbox(email_address="po000012@adm.cfwb.be")]
    mailer.send(*mailer.draft(mailer.message(to_recipients=both)))
    assert [row["to"] for row in exchange.deliveries()] == ["ec000012@adm.cfwb.be", "po000012@adm.cfwb.be"]
    assert exchange.counts()["by_key_max"] == 1


def test_a_draft_is_found_by_its_key_and_says_that_it_is_one(mailer):
    key = str(uuid.uuid4())
    (draft,) = mailer.draft(mailer.message(key=key))
    (found,) = mailer.find(mailer.drafts, key)
    assert (found.id, found.changekey) == (draft.id, draft.changekey)
    seen = mailer.fetch(draft)
    assert (seen.is_draft, seen.is_submitted, seen.message_id) == (True, False, f"<{key}@bma.test>")
    assert mailer.find(mailer.drafts, "another key") == []


def test_several_keys_are_found_at_once_and_with_their_values(mailer):
    keys = [f"key-{number}" for number in range(30)]
    mailer.draft(*[mailer.message(key=key) for key in keys])
    wanted = keys[3:9]
    found = mailer.drafts.filter(test_key__in=wanted).only("id", "changekey", "test_key")
    assert sorted(item.test_key for item in found) == wanted
    either = mailer.drafts.filter(Q(test_key="key-1") | Q(message_id="<key-2@bma.test>")).only("test_key")
    assert sorted(item.test_key for item in either) == ["key-1", "key-2"]
    both = mailer.drafts.filter(test_key="key-1", subject__startswith="Votre boîte").only("test_key")
    assert [item.test_key for item in both] == ["key-1"]
    assert mailer.drafts.filter(Q(test_key="key-1") & ~Q(subject__contains="boîte")).count() == 0


def test_a_search_gives_pages_of_250_and_exchangelib_walks_them(mailer, caplog):
    for start in range(0, 600, 50):
        mailer.draft(*[mailer.message(key=f"{start + n:04}", categories=["lot 1"]) for n in range(50)])
    with caplog.at_level(logging.WARNING):
        query = mailer.drafts.filter(subject__startswith="Votre").only("test_key")
        query.page_size = 1000
        assert sorted(item.test_key for item in query) == [f"{n:04}" for n in range(600)]
    assert not caplog.records
    assert mailer.drafts.all().count() == 600


def test_searches_sort_and_compare_dates(exchange, mailer):
    for hour, key in ((9, "nine"), (11, "eleven"), (10, "ten")):
        exchange.clock(datetime(2024, 10, 7, hour, tzinfo=UTC))
        mailer.draft(mailer.message(key=key))
    since = EWSDateTime(2024, 10, 7, 10, tzinfo=mailer.account().default_timezone)
    found = mailer.drafts.filter(datetime_received__gte=since).only("test_key").order_by("-datetime_received")
    assert [item.test_key for item in found] == ["eleven", "ten"]


@pytest.mark.parametrize("address", ["", "pas-une-adresse", "deux@@adm.cfwb.be", "sans-point@domaine"])
def test_an_address_that_cannot_be_one_is_refused_for_that_item_only(exchange, mailer, address):
    good, bad, other = mailer.message(), mailer.message(), mailer.message(to="po000001@adm.cfwb.be")
    bad.to_recipients = [Mailbox(email_address=address or "x")]
    drafts = mailer.draft(good, bad, other)
    results = mailer.send(*drafts)
    assert results[0] is True
    assert results[2] is True
    assert isinstance(results[1], ErrorInvalidRecipients)
    assert exchange.counts()["delivered"] == 2


def test_a_mail_without_recipients_is_refused(mailer):
    (draft,) = mailer.draft(mailer.message(to_recipients=[]))
    assert isinstance(mailer.send(draft)[0], ErrorMissingRecipients)


def test_without_an_author_the_mail_leaves_as_the_service_account(exchange, mailer):
    mailer.send(*mailer.draft(mailer.message(author=None)))
    assert exchange.deliveries()[0]["from"] == mailer.user


def test_both_senders_may_be_used_from_one_service_account(exchange, mailer):
    account = mailer.account(ETNIC)
    mailer.send(*mailer.draft(mailer.message(account=account, author=ETNIC), account=account), account=account)
    mailer.send(*mailer.draft(mailer.message()))
    assert [row["from"] for row in exchange.deliveries()] == [ETNIC, SGNE]


@pytest.mark.parametrize("author", ["directeur@ecole.test", "ec000012@adm.cfwb.be", OTHER])
def test_any_other_author_is_denied_and_the_mail_stays_in_drafts(exchange, mailer, author):
    (draft,) = mailer.draft(mailer.message(author=author))
    assert isinstance(mailer.send(draft)[0], ErrorSendAsDenied)
    assert mailer.fetch(draft).is_draft
    assert exchange.counts()["drafts"] == 1


def test_an_unknown_mailbox_and_a_closed_one_are_told_apart(mailer):
    unknown = mailer.account("inconnu@exemple.test")
    assert isinstance(mailer.draft(mailer.message(account=unknown), account=unknown)[0], ErrorNonExistentMailbox)
    closed = mailer.account("ec000012@adm.cfwb.be")
    assert isinstance(mailer.draft(mailer.message(account=closed), account=closed)[0], ErrorAccessDenied)


def test_an_account_that_is_not_the_service_account_has_no_right_on_the_senders(mailer):
    other = mailer.account(user=OTHER)
    assert isinstance(mailer.draft(mailer.message(account=other), account=other)[0], ErrorAccessDenied)


def test_a_wrong_password_is_a_401(mailer):
    with pytest.raises(HttpFailure) as caught:
        mailer.draft(mailer.message(), account=mailer.account(password="faux"))
    assert caught.value.status == 401


def test_impersonation_sends_as_the_mailbox_without_an_author(exchange, mailer):
    account = mailer.account(access=IMPERSONATION)
    drafts = mailer.draft(mailer.message(account=account, author=None), account=account)
    assert mailer.send(*drafts, save=True, account=account) == [True]
    assert exchange.deliveries()[0]["from"] == SGNE
    assert exchange.counts()["sent_items"] == 1


@pytest.mark.parametrize(
    ("address", "error"),
    [("ec000012@adm.cfwb.be", ErrorImpersonateUserDenied), ("inconnu@exemple.test", ErrorNonExistentMailbox)],
)
def test_impersonating_anybody_else_is_a_soap_fault(mailer, address, error):
    account = mailer.account(address, access=IMPERSONATION)
    with pytest.raises(error):
        mailer.draft(mailer.message(account=account), account=account)


def test_sending_asks_for_the_current_change_key(mailer):
    (draft,) = mailer.draft(mailer.message())
    assert isinstance(mailer.send((draft.id, None))[0], ErrorChangeKeyRequired)
    assert isinstance(mailer.send((draft.id, draft.changekey[:-1] + "z"))[0], ErrorStaleObject)
    assert isinstance(mailer.send(("n'importe quoi", draft.changekey))[0], ErrorInvalidIdMalformed)
    assert mailer.send(draft) == [True]


def test_one_gone_item_does_not_stop_the_others_of_its_request(exchange, mailer):
    drafts = mailer.draft(*[mailer.message() for _ in range(3)])
    mailer.send(drafts[1])
    results = mailer.send(*drafts)
    assert [type(result) for result in results] == [bool, ErrorItemNotFound, bool]
    assert exchange.counts()["delivered"] == 3


def test_a_message_sent_in_one_go_gives_no_id(exchange, mailer):
    account = mailer.account()
    message = mailer.message(account=account)
    message.folder = mailer.folder(SentItems, account)
    message.send_and_save()
    assert exchange.counts()["sent_items"] == 1
    own = mailer.account(mailer.user)
    people = [Mailbox(email_address="po000001@adm.cfwb.be")]
    alone = Message(account=own, subject="Seul", body="x", to_recipients=people)
    alone.send(save_copy=False)
    assert [row["from"] for row in exchange.deliveries()] == [SGNE, mailer.user]
    delegate = mailer.message(account=account)
    delegate.folder = None
    with pytest.raises(ErrorAccessDenied):
        delegate.send(save_copy=False)


def test_stray_drafts_can_be_deleted(exchange, mailer):
    drafts = mailer.draft(mailer.message(), mailer.message())
    gone = mailer.account().bulk_delete([(drafts[0].id, drafts[0].changekey)], delete_type="HardDelete")
    assert gone == [True]
    assert exchange.counts()["drafts"] == 1
    assert isinstance(mailer.send(drafts[0])[0], ErrorItemNotFound)


def test_mime_content_is_read_and_given_back(exchange, mailer):
    mime = (
        b"From: SGNE <migrationBMA@cfwb.be>\r\nTo: ec000012@adm.cfwb.be\r\nSubject: =?utf-8?q?=C3=89t=C3=A9?=\r\n"
        b"Message-ID: <mime@bma.test>\r\nX-BMA-Key: from-mime\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Type: text/plain\r\n\r\nbonjour\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>bonjour</p>\r\n--b--\r\n"
    )
    account = mailer.account()
    message = Message(account=account, mime_content=mime)
    (draft,) = mailer.draft(message, account=account)
    assert mailer.fetch(draft, "mime_content", "subject").mime_content == mime
    assert mailer.send(draft) == [True]
    (row,) = exchange.deliveries()
    assert (row["subject"], row["key"], row["to"]) == ("Été", "from-mime", "ec000012@adm.cfwb.be")
    assert exchange.mailbox("ec000012@adm.cfwb.be")["mails"][0]["html"].strip() == "<p>bonjour</p>"


def test_a_structured_mail_has_mime_text_attachments_and_headers(mailer):
    message = mailer.message(key="abc", attachments=[FileAttachment(name="tutoriel.pdf", content=b"%PDF-1.4")])
    (draft,) = mailer.draft(message)
    found = mailer.fetch(draft, "mime_content", "text_body", "body", "has_attachments", "to_recipients", "headers")
    assert found.text_body == "Bonjour & bienvenue"
    assert found.body == "<p>Bonjour & bienvenue</p>"
    assert found.has_attachments
    assert [person.email_address for person in found.to_recipients] == ["ec000012@adm.cfwb.be"]
    assert [(header.name, header.value) for header in found.headers] == [("X-BMA-Key", "abc")]
    assert b"tutoriel.pdf" in found.mime_content
    assert b"Message-ID: <abc@bma.test>" in found.mime_content


def test_everything_of_an_item_can_be_fetched(mailer):
    (draft,) = mailer.draft(mailer.message(categories=["lot 12"], reply_to=[Mailbox(email_address=ETNIC)]))
    (found,) = mailer.account().fetch([(draft.id, draft.changekey)])
    assert found.categories == ["lot 12"]
    assert found.reply_to[0].email_address == ETNIC
    assert found.subject == "Votre boîte va migrer"


def test_a_message_of_more_than_ten_megabytes_is_refused_for_itself_only(mailer):
    heavy = mailer.message(attachments=[FileAttachment(name="film.bin", content=bytes(11 * 1024 * 1024))])
    results = mailer.draft(mailer.message(), heavy)
    assert isinstance(results[0], BulkCreateResult)
    assert isinstance(results[1], ErrorMessageSizeExceeded)


def test_exchangelib_finds_version_and_folders_by_itself(mailer):
    account = mailer.account(version=False)
    assert account.version.build.major_version == 15
    assert account.version.build.minor_version == 2
    mailer.send(*mailer.draft(mailer.message(), mailer.message()), save=True)
    assert account.sent.total_count == 2
    assert account.inbox.name == "Boîte de réception"
    assert account.drafts.all().count() == 0


def test_a_folder_that_does_not_exist_is_not_found(mailer):
    account = mailer.account()
    folder = Folder(
        root=mailer.drafts.root,
        _distinguished_id=DistinguishedFolderId(id="voicemail", mailbox=Mailbox(email_address=SGNE)),
    )
    with pytest.raises(ErrorFolderNotFound):
        list(folder.all().only("subject"))
    assert account


def test_mail_between_our_accounts_lands_in_their_inbox_and_synchronises(mailer):
    inbox = mailer.inbox
    assert list(inbox.sync_items()) == []
    state = inbox.item_sync_state
    mailer.send(*mailer.draft(mailer.message(to=SGNE, subject="Une réponse")))
    again = mailer.inbox
    ((change, item),) = again.sync_items(sync_state=state, only_fields=["subject"])
    assert (change, item.subject) == ("create", "Une réponse")
    state = again.item_sync_state
    mailer.account().bulk_delete([(item.id, item.changekey)], delete_type="HardDelete")
    ((change, gone),) = mailer.inbox.sync_items(sync_state=state)
    assert (change, gone.id) == ("delete", item.id)


def test_hostile_xml_is_refused(exchange, mailer):
    for body in (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", b"<a", b"", b"<a/>", b"\xff\xfe"):
        answer = requests.post(exchange.ews, data=body, auth=(mailer.user, mailer.password), timeout=5)
        assert answer.status_code == 500
        assert b"ErrorSchemaValidation" in answer.content
    assert exchange.health()["ok"]


def test_an_account_that_only_drafts_leaves_other_senders_drafts_alone(mailer):
    etnic = mailer.account(ETNIC)
    mailer.draft(mailer.message(account=etnic, key="etnic", author=ETNIC), account=etnic)
    mailer.draft(mailer.message(key="sgne"))
    assert [item.test_key for item in mailer.folder(Drafts, etnic).all().only("test_key")] == ["etnic"]
    assert [item.test_key for item in mailer.drafts.all().only("test_key")] == ["sgne"]
