"""From end to end over the real protocol: exchangelib and the Exchange stand-in, both ways."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
import requests
from django.core.management import CommandError, call_command

from bma_portal.mail import inbox, outbox
from bma_portal.mail.models import OutgoingMail
from demo.exchange.control import StandIn
from support.models import InboxState, IncomingMail, Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.support.corpus.making import mail
from tests.support.tickets_stage import AT, asked

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
BOX = "ec000247@adm.cfwb.be"
ETNIC, SGNE = "support@etnic.be", "migrationBMA@cfwb.be"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn.start() as running:
        yield running


@pytest.fixture
def exchange(stand_in: StandIn, settings, monkeypatch) -> StandIn:
    from bma_portal.mail import tasks
    from bma_portal.mail.backends.ews import forget_accounts

    stand_in.reset()
    stand_in.clock(AT)
    settings.EXCHANGE_URL = stand_in.ews
    monkeypatch.setattr(tasks.drain, "delay", lambda sender: None)
    forget_accounts()
    outbox._transport.cache_clear()
    inbox._inbox.cache_clear()
    return stand_in


@pytest.fixture
def box(db):
    return MailboxFactory(organisation=OrganisationFactory(fase=247))


def read() -> dict:
    out = StringIO()
    call_command("read_inboxes", "--json", "--at", AT.isoformat(), stdout=out)
    return json.loads(out.getvalue())


def answered_in_the_pages(exchange: StandIn, address: str, text: str) -> None:
    """The holder opens their mail on the old interface and writes back."""
    with requests.Session() as browser:
        browser.trust_env = False
        data = {"adresse": address, "mot_de_passe": "ancien-serveur"}
        browser.post(f"{exchange.url}/ancien/connexion", data=data, timeout=5)
        listed = browser.get(f"{exchange.url}/ancien/", timeout=5).text
        number = listed.partition("/ancien/courriel/")[2].partition('"')[0]
        sent = browser.post(f"{exchange.url}/ancien/courriel/{number}/repondre", data={"texte": text}, timeout=5)
        assert "Votre réponse est partie." in sent.text


def test_a_director_answers_the_portal_s_mail_and_it_lands_in_the_ticket(exchange, box):
    ticket = asked(box, team="etnic", email=BOX)
    assert outbox.drain("etnic")
    answered_in_the_pages(exchange, BOX, "Merci : l’écran est redevenu normal.")
    for rule in (
        {"op": "SyncFolderItems", "action": "status", "status": 503, "retry_after": 1, "times": 2},
        {"op": "GetItem", "action": "drop_after", "times": 1},
        {"op": "GetItem", "action": "truncate", "times": 1},
    ):
        exchange.faults([rule])
        with pytest.raises(CommandError, match="ETNIC"):
            read()
        assert not IncomingMail.objects.exists()
    exchange.faults([])
    assert read()["etnic"]["verdicts"] == {"reply": 1}
    message = ticket.messages.order_by("pk").last()
    assert message.text == "Merci : l’écran est redevenu normal."
    assert "a écrit" in message.quoted
    assert read()["etnic"]["read"] == 0
    InboxState.objects.update(state="cGFzIGxlIG1pZW4=")
    assert read()["etnic"]["read"] == 0  # the server does not know that state: read again, nothing twice
    assert ticket.messages.count() == 2


def test_a_mailbox_that_writes_opens_a_ticket_and_is_told_so(exchange, box):
    exchange.arrive(SGNE.lower(), mail(author=f"Direction <{BOX}>", subject="Ma date", to=SGNE))
    exchange.arrive(ETNIC, mail(subject="Catalogue", author="vente@exemple.test"))
    found = read()
    assert (found["sgne"]["verdicts"], found["etnic"]["verdicts"]) == ({"ticket": 1}, {"quarantined": 1})
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.team, ticket.channel) == ("Ma date", "sgne", "mail")
    assert outbox.drain("sgne")
    (told,) = exchange.mailbox(BOX)["mails"]
    assert ticket.reference in told["subject"]


def test_a_mail_that_comes_back_is_marked_in_the_outbox(exchange, box):
    ticket = asked(box, team="etnic", email=BOX)
    exchange.faults([{"op": "SendItem", "action": "bounce", "times": 1}])
    assert outbox.drain("etnic")
    exchange.faults([])
    assert read()["etnic"]["verdicts"] == {"bounce": 1}
    sent = OutgoingMail.objects.get(kind="ticket.received", object_id=ticket.pk)
    assert sent.bounced_at is not None
    assert sent.bounced_at >= sent.sent_at


def test_the_command_says_what_it_read_and_what_it_could_not(exchange, box):
    out = StringIO()
    call_command("read_inboxes", "--at", AT.isoformat(), stdout=out)
    assert "SGNE : 0 message(s) lu(s)." in out.getvalue()
    exchange.faults([{"op": "SyncFolderItems", "action": "unauthorized", "times": 1}])
    with pytest.raises(CommandError, match="EXCHANGE_USER"):
        call_command("read_inboxes", stdout=StringIO())
