"""The outbox against the stand-in, in one process: what is stored, refused, withdrawn, paced."""

import logging
import time
from datetime import UTC, datetime

import pytest
from django.core.mail import BadHeaderError, EmailMessage, EmailMultiAlternatives, send_mail
from django.db import IntegrityError, connection, transaction

from bma_portal.mail import claims, outbox
from bma_portal.mail.compose import KINDS, Mail, outgoing
from bma_portal.mail.models import OutgoingMail, Sender, SenderState

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database, pytest.mark.usefixtures("no_bells")]
AT = datetime(2024, 10, 7, 8, tzinfo=UTC)


def queue(n: int = 1, **fields) -> OutgoingMail:
    row = outgoing(
        **{
            "key": f"essai:{n}",
            "kind": "plain",
            "sender": Sender.SGNE,
            "to": [f"ec{n:06d}@adm.cfwb.be"],
            "subject": f"Essai {n}",
            "text": "Bonjour",
            "queued_at": AT,
        }
        | fields
    )
    row.save(force_insert=True)
    return row


def test_send_mail_queues_a_row_and_calls_nobody(exchange, no_bells):
    exchange.faults([{"op": "*", "action": "drop_before"}])
    assert send_mail("Objet", "Texte", None, ["ec000001@adm.cfwb.be"], html_message="<p>Texte</p>") == 1
    assert exchange.faults()[0]["fired"] == 0
    row = OutgoingMail.objects.get()
    assert (row.status, row.sender, row.text, row.html) == ("queued", "sgne", "Texte", "<p>Texte</p>")
    assert no_bells


def test_a_rolled_back_fact_leaves_no_mail(exchange):
    class Boom(Exception):
        pass

    def fails() -> None:
        send_mail("Objet", "Texte", None, ["ec000001@adm.cfwb.be"])
        raise Boom

    with pytest.raises(Boom), transaction.atomic():
        fails()
    assert not OutgoingMail.objects.exists()


def test_what_leaves_is_what_was_written(exchange, settings):
    message = EmailMultiAlternatives(
        "Été à l’école",
        "Le texte, complet.",
        settings.EXCHANGE_ETNIC_ADDRESS,
        ["ec000001@adm.cfwb.be"],
        reply_to=["desk@exemple.test"],
        headers={"X-Sujet": "essai"},
    )
    message.attach_alternative("<p>Le HTML</p>", "text/html")
    message.attach("note.txt", "contenu", "text/plain")
    message.send()
    outbox.drain("etnic")
    row = OutgoingMail.objects.get()
    delivery = exchange.deliveries()[0]
    assert delivery["key"] == str(row.uuid)
    assert delivery["message_id"] == row.message_id
    assert delivery["from"] == settings.EXCHANGE_ETNIC_ADDRESS.lower()
    assert delivery["subject"] == "Été à l’école"
    received = exchange.mailbox("ec000001@adm.cfwb.be")["mails"][0]
    assert "<p>Le HTML</p>" in received["html"]


def test_headers_cannot_be_forged(exchange):
    for bad in ({"subject": "a\nBcc: x@y.z"}, {"to": ["a@b.c\nBcc: x@y.z"]}):
        with pytest.raises(BadHeaderError):
            EmailMessage(**({"subject": "s", "body": "b", "to": ["ec000001@adm.cfwb.be"]} | bad)).send()
    with pytest.raises(ValueError, match="expéditeur"):
        EmailMessage("s", "b", "moi@exemple.test", ["ec000001@adm.cfwb.be"]).send()
    assert EmailMessage("s\n", "b", to=["ec000001@adm.cfwb.be"]).send(fail_silently=True) == 0
    assert not OutgoingMail.objects.exists()


def test_the_natural_key_makes_queueing_twice_impossible():
    queue(1)
    with pytest.raises(IntegrityError):
        queue(1)


def test_the_database_refuses_a_sensitive_mail_with_a_body_or_a_copy():
    for bad in ({"text": "secret"}, {"text": "", "cc": ["x@y.z"]}, {"text": "", "to": ["a@b.c", "d@e.f"]}):
        with pytest.raises(IntegrityError):
            queue(1, sensitive=True, **bad)


def test_a_poison_row_does_not_hold_the_others(exchange, monkeypatch):
    class Poison(Mail):
        kind, sender, template, sensitive = "test.poison", Sender.SGNE, "nulle-part", True

        @classmethod
        def load(cls, object_ids, *, at):
            return {pk: cls() for pk in object_ids}

    try:
        queue(1, kind="test.poison", sensitive=True, text="", object_id=1)
        for n in range(2, 12):
            queue(n)
        outbox.drain("sgne")
    finally:
        del KINDS["test.poison"]
    assert exchange.counts()["delivered"] == 10
    bad = OutgoingMail.objects.get(kind="test.poison")
    assert (bad.status, bad.last_error) == ("failed", "Le texte de ce courriel n'a pas pu être composé.")


def test_mails_of_one_stream_wait_for_each_other(exchange):
    first = queue(1, stream="boîte", not_before=datetime(2999, 1, 1, tzinfo=UTC))
    queue(2, stream="boîte", sender=Sender.ETNIC)
    assert claims.claim("etnic", doubtful=False) is None
    first.not_before = None
    first.save()
    outbox.drain("sgne")
    outbox.drain("etnic")
    assert [d["subject"] for d in exchange.deliveries()] == ["Essai 1", "Essai 2"]


def test_a_secret_leaves_no_copy_in_sent_items(exchange):
    class Carrier(Mail):
        kind, sender, template, sensitive = "test.carrier", Sender.ETNIC, "", True

        @classmethod
        def load(cls, object_ids, *, at):
            return {pk: cls() for pk in object_ids}

        def render(self, *, at, code=""):
            return "Xk7m", "<p>Xk7m</p>"

    try:
        queue(1, kind="test.carrier", sender=Sender.ETNIC, sensitive=True, text="", object_id=1)
        queue(2, sender=Sender.ETNIC)
        outbox.drain("etnic")
    finally:
        del KINDS["test.carrier"]
    assert exchange.counts()["delivered"] == 2
    assert exchange.counts()["sent_items"] == 1
    assert exchange.counts()["drafts"] == 0


def test_a_failed_mail_leaves_no_draft_behind(exchange):
    exchange.faults([{"op": "SendItem", "action": "invalid_recipient"}])
    queue(1)
    outbox.drain("sgne")
    assert OutgoingMail.objects.get().status == "failed"
    assert exchange.counts()["drafts"] == 0


def test_outside_production_nothing_leaves_for_a_bma_through_another_machine(settings):
    settings.EXCHANGE_URL = "https://mail.exemple.test/EWS/Exchange.asmx"
    from bma_portal.mail.backends.ews import forget_accounts

    forget_accounts()
    queue(1)
    started = time.monotonic()
    outbox.drain("sgne")
    assert time.monotonic() - started < 2, "aucune connexion n'est tentée"
    row = OutgoingMail.objects.get()
    assert row.status == "failed"
    assert "Hors production" in row.last_error


def test_the_pace_holds_for_all_workers(exchange, settings):
    settings.EXCHANGE_MAX_PER_MINUTE = 60  # ten at once, then one a second
    for n in range(1, 41):
        queue(n)
    held = [claims.claim("sgne", doubtful=False) for _ in range(4)]
    taken = sum(len(claim.mails) for claim in held if claim)
    assert taken in {10, 11}
    for claim in held:
        if claim:
            outbox.deliver(claim)
    assert exchange.counts()["delivered"] == taken


def test_a_claim_takes_what_no_other_took():
    for n in range(1, 121):
        queue(n)
    seen: list[int] = []
    while held := claims.claim("sgne", doubtful=False):
        seen += [mail.pk for mail in held.mails]
    assert len(seen) == len(set(seen)) == 120


def test_no_transaction_is_open_while_exchange_thinks(exchange, monkeypatch):
    seen: list[bool] = []
    door = outbox.transport()
    sending = door.send

    def send(*arguments, **options):
        seen.append(connection.in_atomic_block)
        return sending(*arguments, **options)

    monkeypatch.setattr(door, "send", send)
    queue(1)
    outbox.drain("sgne")
    assert seen == [False]


def test_the_last_of_many_refusals_needs_a_person(exchange):
    exchange.faults([{"op": "*", "action": "unauthorized"}])
    queue(1)
    outbox.drain("sgne")
    state = SenderState.objects.get(sender="sgne")
    assert (state.refusals, state.paused_at is not None) == (3, True)
    assert "compte de service" in state.reason
    assert outbox.senders_with_work() == []
    exchange.faults([])
    claims.resume_sender("sgne")
    outbox.drain("sgne")
    assert OutgoingMail.objects.get().status == "sent"


def test_nothing_of_a_mail_is_logged_even_at_debug(exchange, caplog):
    caplog.set_level(logging.DEBUG)
    exchange.faults([{"op": "SendItem", "action": "truncate", "times": 1}])
    queue(1, text="marqueur-Zq8w")
    outbox.drain("sgne")
    assert OutgoingMail.objects.get().status == "sent"
    assert "marqueur-Zq8w" not in caplog.text
    assert "demo-exchange" not in caplog.text
    assert "Basic " not in caplog.text


def test_an_adopted_draft_is_remembered_before_it_is_sent(exchange):
    """Its answer lost, a draft is found by its key and sent; that answer lost too, it must not be made again."""
    exchange.faults(
        [
            {"op": "CreateItem", "action": "drop_after", "times": 1},
            {"op": "SendItem", "action": "drop_after", "times": 1},
        ]
    )
    queue(1)
    outbox.drain("sgne")
    assert OutgoingMail.objects.get().status == "sent"
    assert exchange.counts()["delivered"] == 1
    assert [rule["fired"] for rule in exchange.faults()] == [1, 1]


def test_impersonation_is_the_other_way_in(exchange, settings):
    settings.EXCHANGE_ACCESS = "impersonation"
    queue(1)
    queue(2, sender=Sender.ETNIC)
    outbox.drain("sgne")
    outbox.drain("etnic")
    assert {d["from"].lower() for d in exchange.deliveries()} == {
        settings.EXCHANGE_SGNE_ADDRESS.lower(),
        settings.EXCHANGE_ETNIC_ADDRESS.lower(),
    }
