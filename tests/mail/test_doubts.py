"""What may go wrong with one mail and must not become the fate of another, nor last for ever."""

from datetime import UTC, datetime

import pytest
from django.db import connection

from bma_portal.mail import claims, outbox
from bma_portal.mail.models import OutgoingMail
from bma_portal.verdicts import Outcome, Verdict
from tests.mail.test_outbox import queue

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database, pytest.mark.usefixtures("no_bells")]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_housekeeping_leaves_alone_a_mail_that_exchange_has_not_let_go_yet(exchange):
    exchange.faults([{"op": "SendItem", "action": "hold", "ms": 60_000}])
    queue(1)
    outbox.drain("sgne")
    assert OutgoingMail.objects.get().status == "sent"
    assert exchange.counts()["drafts"] == 1, "accepté, il attend dans les brouillons (exchange.md §5)"
    assert outbox.tidy_drafts("sgne") == 0
    assert exchange.counts()["drafts"] == 1


def test_a_draft_too_heavy_for_one_request_is_not_the_fate_of_the_others(exchange):
    exchange.faults([{"op": "CreateItem", "action": "status", "status": 413, "match": {"subject": "Essai 3"}}])
    for n in range(1, 6):
        queue(n)
    outbox.drain("sgne")
    assert dict(OutgoingMail.objects.values_list("subject", "status")) == {
        "Essai 1": "sent", "Essai 2": "sent", "Essai 3": "failed", "Essai 4": "sent", "Essai 5": "sent",
    }  # fmt: skip


def test_a_mail_that_never_becomes_a_draft_ends_with_a_person(exchange):
    exchange.faults([{"op": "CreateItem", "action": "error", "code": "ErrorCorruptData"}])
    mail = queue(1)
    for _ in range(2 * claims.ATTEMPTS_MAX):
        OutgoingMail.objects.filter(status__in=["queued", "sending"]).update(not_before=LONG_AGO)
        held = claims.claim("sgne", doubtful=True) or claims.claim("sgne", doubtful=False)
        if held is None:
            break
        outbox.deliver(held)
    mail.refresh_from_db()
    assert mail.status == "failed"
    assert mail.last_error.startswith("Abandonné après 48 essais.")
    assert exchange.counts()["delivered"] == 0


def test_a_long_absence_of_exchange_is_not_held_against_the_mails(exchange, monkeypatch):
    mail = queue(1)
    claims.claim("sgne", doubtful=False)
    door = outbox.transport()
    cut = Outcome(Verdict.AMBIGUOUS, "ConnectionError", "La connexion à Exchange s'est coupée pendant l'échange.")
    with monkeypatch.context() as away:
        away.setattr(door, "locate", lambda sender, mails: {mail.pk: cut for mail in mails})
        for _ in range(60):
            OutgoingMail.objects.update(not_before=LONG_AGO)
            outbox.deliver(claims.claim("sgne", doubtful=True))
    OutgoingMail.objects.update(not_before=LONG_AGO)
    outbox.drain("sgne")
    mail.refresh_from_db()
    assert mail.status == "sent"


def test_a_counter_of_attempts_that_is_full_stops_nothing(exchange, monkeypatch):
    queue(1)
    claims.claim("sgne", doubtful=False)
    OutgoingMail.objects.update(not_before=LONG_AGO, attempts=32767)
    with monkeypatch.context() as away:
        cut = Outcome(Verdict.AMBIGUOUS, "ConnectionError", "Coupé.")
        away.setattr(outbox.transport(), "locate", lambda sender, mails: {mail.pk: cut for mail in mails})
        outbox.deliver(claims.claim("sgne", doubtful=True))
    assert connection.is_usable()
    assert OutgoingMail.objects.get().status == "sending"


def test_an_answer_that_nobody_can_read_is_a_doubt_and_not_a_crash(exchange, monkeypatch):
    def stumble(*arguments, **options):
        raise AttributeError("NoneType")

    queue(1)
    with monkeypatch.context() as odd:
        odd.setattr("bma_portal.mail.backends.ews.EachCreateItem.call", stumble)
        outbox.deliver(claims.claim("sgne", doubtful=False))
    assert OutgoingMail.objects.get().last_code == "AttributeError"
    outbox.drain("sgne")
    assert OutgoingMail.objects.get().status == "sent"
    assert exchange.counts()["delivered"] == 1
