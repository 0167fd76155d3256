"""What comes back to the senders: read through exchangelib by changes since a state, and made in the pages."""

from datetime import UTC, datetime

import pytest

from demo.exchange.rights import SENDERS, SERVICE
from tests.demo.conftest import PASSWORD
from tests.demo.test_exchange_webmail import OLD_PASSWORD, Browser

SGNE, ETNIC = SENDERS
MIME = b"From: Camille <camille@exemple.test>\nSubject: Bonjour\nMessage-ID: <1@exemple.test>\n\nUn mot.\n"
BOX = "ec000123@adm.cfwb.be"


@pytest.fixture
def inbox(exchange, settings):
    from bma_portal.mail.backends.ews import forget_accounts
    from bma_portal.mail.backends.ews_inbox import ExchangeInbox

    settings.EXCHANGE_URL, settings.EXCHANGE_USER, settings.EXCHANGE_PASSWORD = exchange.ews, SERVICE[0], PASSWORD
    forget_accounts()
    yield ExchangeInbox()
    forget_accounts()  # their connections have our retry policy: the other tests of this stand-in have their own


def everything(items):
    return {item_id for item_id, _ in items}


def test_what_arrives_is_read_once_in_pages_then_from_the_state(exchange, inbox):
    exchange.clock(datetime(2024, 11, 14, 9, tzinfo=UTC))
    ids = [exchange.arrive(ETNIC, MIME.replace(b"mot", b"mot %d" % n)) for n in range(3)]
    first = inbox.changes("etnic", "", limit=2, unknown=everything)
    assert [mail.item_id for mail in first.items] == ids[:2]
    assert first.more
    assert first.items[0].mime.endswith(b"Un mot 0.\n")
    assert first.items[0].received_at == datetime(2024, 11, 14, 9, tzinfo=UTC)
    second = inbox.changes("etnic", first.state, limit=2, unknown=everything)
    assert [mail.item_id for mail in second.items] == ids[2:]
    assert not second.more
    assert inbox.changes("etnic", second.state, limit=2, unknown=everything).items == []
    assert inbox.changes("sgne", "", limit=2, unknown=everything).items == []


def test_what_is_known_is_not_fetched(exchange, inbox):
    exchange.arrive(ETNIC, MIME)
    asked_before = exchange.health()["requests"].get("GetItem", 0)
    assert inbox.changes("etnic", "", limit=9, unknown=lambda items: set()).items == []
    assert exchange.health()["requests"].get("GetItem", 0) == asked_before


def test_a_state_that_the_server_forgot_begins_again(exchange, inbox):
    exchange.arrive(ETNIC, MIME)
    for state in ("bm9uc2Vucw==", "pas du base64"):
        again = inbox.changes("etnic", state, limit=9, unknown=everything)
        assert len(again.items) == 1


def test_of_a_mail_that_is_too_heavy_only_the_head_is_read(exchange, inbox):
    exchange.arrive(ETNIC, MIME, size=30_000_000)
    (mail,) = inbox.changes("etnic", "", limit=9, unknown=everything).items
    assert not mail.whole
    assert "25 Mo" in mail.why
    assert b"camille@exemple.test" in mail.mime
    assert b"Un mot" not in mail.mime


@pytest.mark.parametrize(
    ("rule", "verdict", "code"),
    [
        ({"op": "SyncFolderItems", "action": "status", "status": 503, "retry_after": 7}, "ambiguous", "HTTP 503"),
        ({"op": "SyncFolderItems", "action": "unauthorized"}, "sender", "HTTP 401"),
        ({"op": "SyncFolderItems", "action": "busy", "ms": 3000}, "retry", "ErrorServerBusy"),
        ({"op": "GetItem", "action": "drop_after"}, "ambiguous", ""),
        ({"op": "GetItem", "action": "truncate"}, "ambiguous", ""),
        ({"op": "GetItem", "action": "busy_item"}, "retry", "ErrorServerBusy"),
        ({"op": "GetItem", "action": "error", "code": "ErrorInternalServerError"}, "ambiguous", ""),
        ({"op": "GetItem", "action": "error", "code": "ErrorAccessDenied"}, "sender", "ErrorAccessDenied"),
    ],
)
def test_each_fault_has_its_verdict_and_nothing_is_lost(exchange, inbox, rule, verdict, code):
    exchange.arrive(ETNIC, MIME)
    exchange.faults([{**rule, "times": 1}])
    outcome = inbox.changes("etnic", "", limit=9, unknown=everything)
    assert outcome.verdict == verdict
    assert code in outcome.code
    assert len(inbox.changes("etnic", "", limit=9, unknown=everything).items) == 1


def test_a_mail_that_the_server_cannot_give_is_passed_over_in_the_end(exchange, inbox):
    exchange.arrive(ETNIC, MIME)
    exchange.arrive(ETNIC, MIME.replace(b"Bonjour", b"Suivant"))
    fault = {"op": "GetItem", "action": "error", "code": "ErrorInternalServerError", "match": {"subject": "Bonjour"}}
    exchange.faults([fault])
    assert inbox.changes("etnic", "", limit=9, unknown=everything, insist=True).verdict == "ambiguous"
    found = inbox.changes("etnic", "", limit=9, unknown=everything, insist=False).items
    assert sorted(mail.whole for mail in found) == [False, True]
    exchange.faults([{**fault, "code": "ErrorItemNotFound"}])  # deleted by a person meanwhile
    assert [mail.whole for mail in inbox.changes("etnic", "", limit=9, unknown=everything).items] == [True]


def test_a_reader_of_a_mail_answers_it_in_the_pages(exchange, inbox, mailer):
    message_id = "<essai@portail.bma.cfwb.be>"
    mailer.send(*mailer.draft(mailer.message(BOX, subject="Votre demande [D-ABCD-EFGH]", message_id=message_id)))
    with Browser(exchange.url) as browser:
        browser.sign_in("ancien", BOX, OLD_PASSWORD)
        number = browser.open("/ancien/").text.partition("/courriel/")[2].partition('"')[0]
        assert "Votre réponse" in browser.open(f"/ancien/courriel/{number}").text
        empty = browser.post(f"{exchange.url}/ancien/courriel/{number}/repondre", data={"texte": " "}, timeout=5)
        assert empty.status_code == 422
        assert "Écrivez votre réponse." in empty.text
        sent = browser.post(
            f"{exchange.url}/ancien/courriel/{number}/repondre", data={"texte": "Merci, réglé !"}, timeout=5
        )
        assert "Votre réponse est partie." in sent.text
    (mail,) = inbox.changes("sgne", "", limit=9, unknown=everything).items
    assert f"In-Reply-To: {message_id}".encode() in mail.mime
    assert BOX.encode() in mail.mime
    assert b"[D-ABCD-EFGH]" in mail.mime


def test_only_the_senders_have_an_inbox_to_fill(exchange):
    with pytest.raises(ValueError, match="inconnue"):
        exchange.arrive("ailleurs@exemple.test", MIME)
