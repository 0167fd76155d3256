"""The senders' inboxes, read: once each mail, whatever dies on the way; what fails is waited for."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from bma_portal import vault
from bma_portal.mail.models import SenderState
from bma_portal.verdicts import Outcome, Verdict
from support import incoming
from support.incoming import masking, parsing, reading, receiving
from support.models import InboxState, IncomingMail, Message, Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.support.corpus.making import mail, non_delivery
from tests.support.inbox_stage import memory
from tests.support.tickets_stage import AT, asked

__all__ = ["memory"]  # a fixture
pytestmark = [pytest.mark.django_db, pytest.mark.database]
PO = "po000931@adm.cfwb.be"


class Killed(BaseException):
    """The worker is gone: nothing catches this."""


@pytest.fixture
def box(db):
    return MailboxFactory(organisation=OrganisationFactory(po_unit=True, fase=931))


def letter(subject: str = "Ma date de migration", **fields) -> bytes:
    return mail(author=f"Direction <{PO}>", subject=subject, **fields)


def counts() -> tuple[int, int, int]:
    return Ticket.objects.count(), Message.objects.count(), IncomingMail.objects.count()


def test_read_twice_is_read_once(box, memory):
    memory.put("sgne", letter(), at=AT)
    assert [one.count for one in incoming.tick(at=AT)] == [1, 0]
    before = counts()
    assert before == (1, 1, 1)
    assert [one.count for one in incoming.tick(at=AT)] == [0, 0]
    InboxState.objects.update(state="")  # a restored database, or a state that the server forgot
    assert [one.count for one in incoming.tick(at=AT)] == [0, 0]
    memory.forgotten.add("1")
    assert [one.count for one in incoming.tick(at=AT)] == [0, 0]
    assert counts() == before


@pytest.mark.parametrize("where", ["after the mail", "before its commit", "before the state"])
def test_killed_in_between_it_is_taken_up_and_nothing_is_twice(box, memory, monkeypatch, where):
    for n in range(3):
        memory.put("sgne", letter(f"Ma date {n}"), at=AT)
    act, receive = receiving._act, receiving.receive
    calls = []

    def dies(*args, **kwargs):
        calls.append(1)
        done = (act if where == "before its commit" else receive)(*args, **kwargs)
        if len(calls) == 2:
            raise Killed
        return done

    with monkeypatch.context() as patched:
        match where:
            case "before its commit":
                patched.setattr(receiving, "_act", dies)
            case "after the mail":
                patched.setattr(receiving, "receive", dies)
            case "before the state":
                patched.setattr(reading, "_advance", lambda *args, **kwargs: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            incoming.tick(at=AT)
    assert InboxState.objects.get(pk="sgne").state == ""
    incoming.tick(at=AT, forced=True)
    assert counts() == (1, 3, 3)  # the second and the third add to the one that the first opened
    assert InboxState.objects.get(pk="sgne").state == "3"


@pytest.mark.django_db(transaction=True)
def test_two_readers_at_once_take_each_mail_once(box, memory, monkeypatch):
    for n in range(4):
        memory.put("sgne", letter(f"Ma date {n}"), at=AT)
    ready, prepared = threading.Barrier(2, timeout=20), receiving.prepared

    def together(mail):
        if not ready.broken and IncomingMail.objects.count() == 0:
            ready.wait()  # both have seen that the first one is new
        return prepared(mail)

    monkeypatch.setattr(receiving, "prepared", together)
    failures: list[BaseException] = []

    def read() -> None:
        try:
            incoming.tick(at=AT, forced=True)
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert failures == []
    assert counts() == (1, 4, 4)
    assert InboxState.objects.get(pk="sgne").state == "4"


def test_one_inbox_that_fails_does_not_stop_the_other_and_is_waited_for(box, memory):
    memory.put("etnic", letter(), at=AT)
    memory.answers.append(Outcome(Verdict.SENDER, "ErrorAccessDenied", "Pas accès à cette boîte."))
    first, second = incoming.tick(at=AT)
    assert (first.failure, second.count) == ("Pas accès à cette boîte.", 1)
    state = InboxState.objects.get(pk="sgne")
    assert (state.failures, state.last_code) == (1, "ErrorAccessDenied")
    memory.calls.clear()
    assert incoming.tick(at=AT)[0].busy  # it is not asked again so soon
    assert [sender for sender, _ in memory.calls] == ["etnic"]
    assert not incoming.tick(at=AT, forced=True)[0].failure
    state.refresh_from_db()
    assert (state.failures, state.last_error, state.not_before) == (0, "", None)


def test_a_refused_account_is_not_tried_again_for_the_other_inbox(box, memory):
    memory.answers.append(Outcome(Verdict.SENDER, "HTTP 401", "Exchange refuse le compte de service."))
    assert [bool(one.failure) for one in incoming.tick(at=AT)] == [True, True]
    assert len(memory.calls) == 1
    assert [one.busy for one in incoming.tick(at=AT)] == [True, True]
    assert len(memory.calls) == 1


def test_what_the_outbox_knows_of_the_account_counts_here_too(box, memory):
    SenderState.objects.create(sender="sgne", paused_at=AT)
    assert [one.busy for one in incoming.tick(at=AT)] == [True, False]
    assert [sender for sender, _ in memory.calls] == ["etnic"]


def test_a_mail_that_our_own_code_stumbles_over_stops_no_other(box, memory, monkeypatch):
    memory.put("sgne", letter("Le premier"), at=AT)
    memory.put("sgne", letter("Le second"), at=AT)
    parse = parsing.parse

    def stumbles(mime: bytes):
        if b"premier" in mime:
            raise RuntimeError("unforeseen")
        return parse(mime)

    monkeypatch.setattr(parsing, "parse", stumbles)
    assert incoming.tick(at=AT)[0].taken == {"quarantined": 1, "ticket": 1}
    assert "n’a pas pu lire" in IncomingMail.objects.get(verdict="quarantined").why


def test_while_the_vault_is_shut_nothing_is_kept(box, memory, monkeypatch):
    """Without its keys no secret can be recognised: the mail waits, unread."""
    memory.put("sgne", letter(), at=AT)

    def shut(*args, **kwargs):
        raise vault.VaultError("Le coffre n'a pas la clé.")

    with monkeypatch.context() as patched:
        patched.setattr(masking, "mask_for", shut)
        assert "coffre" in incoming.tick(at=AT)[0].failure
    assert counts() == (0, 0, 0)
    assert incoming.tick(at=AT, forced=True)[0].count == 1


def test_what_came_long_before_the_first_reading_is_left_to_people(box, memory):
    memory.put("sgne", letter("Ancien"), at=AT - timedelta(days=2))
    memory.put("sgne", letter("D’hier soir"), at=AT - timedelta(hours=14))
    incoming.tick(at=AT)
    assert list(IncomingMail.objects.values_list("subject", flat=True)) == ["D’hier soir"]


def test_the_same_mail_in_both_inboxes_opens_one_ticket(box, memory):
    for sender in ("sgne", "etnic"):
        memory.put(sender, letter(message_id="<un@exemple.test>"), at=AT)
    incoming.tick(at=AT)
    assert Ticket.objects.count() == 1
    assert IncomingMail.objects.get(verdict="ignored").why == "Ce message est déjà arrivé."


def test_a_loop_is_cut(box, memory):
    for n in range(receiving.TICKETS_A_DAY + 3):
        asked(box, need="procedure", email=f"autre{n}@exemple.test", at=AT)  # so that no mail finds « the one » ticket
        memory.put("sgne", letter(f"Encore {n}"), at=AT)
    assert incoming.tick(at=AT)[0].taken == {"ticket": receiving.TICKETS_A_DAY, "quarantined": 3}
    assert "boucle" in IncomingMail.objects.filter(verdict="quarantined").first().why


def test_a_second_notice_of_the_same_bounce_changes_nothing(box, memory):
    from bma_portal.mail.compose import outgoing

    sent = outgoing(key="essai:1", kind="plain", sender="sgne", to=[PO], subject="x", queued_at=AT)
    sent.status, sent.sent_at = "sent", AT
    sent.save()
    for hours in (1, 5):
        mime = non_delivery(key=str(sent.uuid), recipient=PO.upper())
        memory.put("sgne", mime.replace(b"<ndr@", b"<ndr%d@" % hours), at=AT + timedelta(hours=hours))
    incoming.tick(at=AT + timedelta(hours=6))
    sent.refresh_from_db()
    assert sent.bounced_at == AT + timedelta(hours=1)
    assert list(IncomingMail.objects.values_list("verdict", flat=True)) == ["bounce", "bounce"]


def test_who_lost_access_is_a_stranger(box, memory):
    ticket = asked(box, at=AT)
    Ticket.objects.filter(pk=ticket.pk).update(revoked_at=AT)
    memory.put("etnic", mail(subject=f"[{ticket.reference}]"), at=AT)
    incoming.tick(at=AT)
    row = IncomingMail.objects.get()
    assert (row.verdict, row.ticket, row.text) == ("quarantined", ticket, "Bonjour, cela ne marche toujours pas.")


def test_nothing_is_read_where_no_exchange_is_named(settings, memory):
    settings.EXCHANGE_URL = ""
    assert incoming.tick(at=AT) == []
