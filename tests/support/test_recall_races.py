"""A worker and a recall at the same moment, on the real database: a mail leaves or is recalled, one of the two."""

import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from bma_portal.errors import Refusal
from bma_portal.mail import claims, outbox, tasks
from bma_portal.mail.models import OutgoingMail
from bma_portal.verdicts import Outcome, Verdict
from support import tickets
from support.models import Draft, Message, TicketChange
from tests.support.tickets_stage import AT, again, agent, asked, mails
from tests.together import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
SOON = AT + timedelta(seconds=5)
ROUNDS = 50


class Door:
    """An Exchange that accepts everything, unless told otherwise, and remembers what left it."""

    def __init__(self) -> None:
        self.left: list[str] = []
        self.answer = Outcome(Verdict.SENT)
        self.drafts: dict[str, str] = {}

    def locate(self, sender, found):
        return {
            mail.pk: outbox.Gone("absence") if mail.ews_id in self.left else (mail.ews_id, "") if mail.ews_id else None
            for mail in found
        }

    def draft(self, sender, items):
        return [(str(item.uuid), "") for item in items]

    def send(self, sender, remote, *, keep_copy):
        if self.answer.verdict is Verdict.SENT:
            self.left.append(remote[0])
        return self.answer

    def discard(self, sender, remotes):
        pass


@pytest.fixture(autouse=True)
def door(monkeypatch) -> Door:
    made = Door()
    monkeypatch.setattr(outbox, "transport", lambda: made)
    monkeypatch.setattr(tasks.drain, "delay", lambda sender: None)
    return made


@pytest.fixture
def lena():
    return agent(first_name="Léna", last_name="Inventée")


@pytest.fixture
def ticket(lena):
    ticket = asked()
    OutgoingMail.objects.all().delete()  # what the answer follows has left
    return ticket


def answered(ticket, by, *, seconds: int = 30) -> Message:
    return tickets.answer(ticket, text="Redémarrez.", by=by, version=None, then="open", recall_seconds=seconds, at=AT)


def its_time_comes(*, seconds: float = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE mail_outgoingmail SET not_before = clock_timestamp() + make_interval(secs => %s)
               WHERE status = 'queued'""",
            [seconds],
        )


def recalled(ticket, message, by):
    return lambda: tickets.recall(ticket, message=message.pk, by=by, at=SOON)


def take_when_due():
    """As a worker does that comes by again and again."""
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        if held := claims.claim("etnic", doubtful=False):
            return held
    return None


def test_a_worker_or_the_recall_has_the_mail_never_both_never_neither(ticket, lena, door):
    """Each round is set to be closer to the other's outcome: most of them are really at the same moment."""
    tickets.watch(ticket, by=agent(email="attentive@exemple.test"))
    outcomes: Counter[str] = Counter()
    wait = 0.02
    for _ in range(ROUNDS):
        message = answered(ticket, lena)
        mine = set(OutgoingMail.objects.filter(status="queued").values_list("pk", flat=True))
        its_time_comes(seconds=wait)
        held, result = together(take_when_due, recalled(ticket, message, lena))
        if held:
            assert isinstance(result, Refusal), "prise par un ouvrier et rappelée à la fois"
            assert Message.objects.filter(pk=message.pk).exists()
            assert set(OutgoingMail.objects.filter(pk__in=mine).values_list("pk", flat=True)) == mine
            outbox.deliver(held)
            outbox.drain("etnic")
            assert set(OutgoingMail.objects.filter(pk__in=mine, status="sent").values_list("pk", flat=True)) == mine
            outcomes["left"] += 1
            wait *= 1.3
        else:
            assert result is False, "ni partie ni rappelée"
            assert not OutgoingMail.objects.filter(pk__in=mine).exists()
            assert not Message.objects.filter(pk=message.pk).exists()
            outcomes["recalled"] += 1
            wait /= 1.3
    assert len(door.left) == len(set(door.left))
    assert min(outcomes["left"], outcomes["recalled"]) > ROUNDS / 5
    assert OutgoingMail.objects.filter(kind="ticket.answered").count() == outcomes["left"]
    assert Message.objects.filter(kind="answer").count() == outcomes["left"]


def test_of_ten_recalls_at_once_one_does_it(ticket, lena):
    message = answered(ticket, lena)
    results = together(*[recalled(ticket, message, lena)] * 10)
    assert sum(result is False for result in results) == 1
    assert sum(isinstance(result, Refusal) for result in results) == 9
    assert Draft.objects.get().text == "Redémarrez."
    assert TicketChange.objects.filter(field="réponse").count() == 1


@pytest.mark.parametrize(
    "deed",
    [
        lambda ticket, by: tickets.note(ticket, text="Bien vu.", by=by, at=SOON),
        lambda ticket, by: tickets.requester_wrote(ticket, text="J’ai trouvé !", at=SOON),
    ],
)
def test_a_recall_beside_another_s_deed_comes_first_or_not_at_all(ticket, lena, deed):
    for _ in range(10):
        other, message = agent(), answered(ticket, lena)
        done, result = together(lambda by=other: deed(ticket, by), recalled(ticket, message, lena))
        assert isinstance(done, Message)
        gone = not Message.objects.filter(pk=message.pk).exists()
        assert gone == (result is False)
        assert gone == (not OutgoingMail.objects.filter(kind="ticket.answered", object_id=message.pk).exists())
        OutgoingMail.objects.all().delete()


def test_a_worker_that_dies_with_the_mail_leaves_nothing_to_recall(ticket, lena, door):
    message = answered(ticket, lena)
    its_time_comes()
    assert claims.claim("etnic", doubtful=False)  # and nothing is heard of it any more
    with pytest.raises(Refusal, match="déjà parti"):
        recalled(ticket, message, lena)()
    OutgoingMail.objects.update(not_before=AT)  # its lease ends
    outbox.drain("etnic")
    assert len(door.left) == 1
    assert mails("ticket.answered")[0].status == "sent"
    assert Message.objects.filter(pk=message.pk).exists()


@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.PERMANENT, Verdict.AMBIGUOUS])
def test_a_mail_that_exchange_had_in_hand_is_not_recalled_whatever_it_said(ticket, lena, door, verdict):
    message = answered(ticket, lena)
    its_time_comes()
    door.answer = Outcome(verdict, "Essai", "Pas maintenant.")
    outbox.deliver(claims.claim("etnic", doubtful=False))
    before = mails("ticket.answered")[0].status
    assert before in {"queued", "failed", "sending"}
    with pytest.raises(Refusal, match="déjà parti"):
        recalled(ticket, message, lena)()
    assert mails("ticket.answered")[0].status == before
    assert Message.objects.filter(pk=message.pk).exists()


# Who waits, and for how long


def test_it_leaves_by_itself_after_its_seconds_and_keeps_no_other_ticket_waiting(ticket, lena, door, monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr(tasks, "ring", lambda sender, **_: rung.append(sender))
    begins = time.monotonic()
    message, other = answered(ticket, lena, seconds=4), asked()
    rung.clear()
    tasks.sweep()
    assert rung == ["etnic"], "pour l’autre demande"
    held = claims.claim("etnic", doubtful=False)
    assert [mail.object_id for mail in held.mails] == [other.pk]
    outbox.deliver(held)
    tickets.requester_wrote(ticket, text="Toujours rien.", at=SOON)
    tickets.answer(ticket, text="Un second mot.", by=lena, version=None, then="open", at=SOON)
    assert claims.claim("etnic", doubtful=False) is None, "le second mot suit le premier"
    outbox.drain("etnic")
    assert time.monotonic() - begins >= 4
    left = OutgoingMail.objects.filter(kind="ticket.answered").order_by("pk")
    assert [mail.status for mail in left] == ["sent", "sent"]
    assert [str(mail.uuid) for mail in left] == door.left[1:]
    assert Message.objects.filter(pk=message.pk).exists()


def test_no_worker_sleeps_for_it_and_the_sweep_finds_it(ticket, lena, door, monkeypatch):
    rung: list[str] = []
    monkeypatch.setattr(tasks, "ring", lambda sender, **_: rung.append(sender))
    answered(ticket, lena)
    begins = time.monotonic()
    assert outbox.drain("etnic") is False
    assert time.monotonic() - begins < 4
    rung.clear()
    tasks.sweep()
    assert (rung, door.left) == ([], [])
    its_time_comes()
    tasks.sweep()
    assert rung == ["etnic"]
    outbox.drain("etnic")
    assert len(door.left) == 1
    assert again(ticket).recall is not None
    with pytest.raises(Refusal):
        recalled(ticket, Message.objects.get(kind="answer"), lena)()
