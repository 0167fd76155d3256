"""What servers say of our mails: come back, delayed, delivered, or in a form that nobody knows (C12, B18)."""

from datetime import timedelta

import pytest

from bma_portal.mail.compose import letters, outgoing
from bma_portal.mail.models import OutgoingMail
from support import attachments, incoming
from support.incoming import deliveries
from support.models import IncomingMail
from tests.support.corpus.making import non_delivery, png
from tests.support.inbox_stage import memory
from tests.support.tickets_stage import AT, asked, mails

__all__ = ["memory"]
pytestmark = pytest.mark.django_db
PO = "po000123@adm.cfwb.be"
LATER = AT + timedelta(hours=1)


@pytest.fixture
def sent() -> OutgoingMail:
    mail = outgoing(key="essai:1", kind="plain", sender="sgne", to=[PO], subject="x", queued_at=AT)
    mail.status, mail.sent_at = "sent", AT
    mail.save()
    return mail


def said(memory, mail: OutgoingMail, *, number: int = 1, hours: int = 1, **report: str) -> IncomingMail:
    """That report arrives and is read."""
    mime = non_delivery(key=str(mail.uuid), recipient=PO, **report).replace(b"<ndr@", b"<ndr%d@" % number)
    memory.put("sgne", mime, at=AT + timedelta(hours=hours))
    incoming.tick(at=AT + timedelta(hours=hours, minutes=5))
    mail.refresh_from_db()
    return IncomingMail.objects.latest("pk")


@pytest.mark.parametrize(
    ("report", "field", "verdict"),
    [
        ({"action": "failed", "status": "5.2.2"}, "bounced_at", "bounce"),
        ({"action": "delayed", "status": "4.4.7"}, "delayed_at", "ignored"),
        ({"action": "delivered", "status": "2.0.0"}, "delivered_at", "ignored"),
        ({"action": "relayed", "status": "2.0.0"}, "delivered_at", "ignored"),
    ],
)
def test_each_state_is_written_on_the_mail_with_its_code(memory, sent, report, field, verdict):
    row = said(memory, sent, **report)
    assert row.verdict == verdict
    moments = {name: getattr(sent, name) for name in ("bounced_at", "delayed_at", "delivered_at")}
    assert moments.pop(field) == LATER
    assert set(moments.values()) == {None}
    assert sent.delivery_code == report["status"]


def test_a_delay_then_a_return_is_a_return(memory, sent):
    said(memory, sent, action="delayed", status="4.4.7")
    row = said(memory, sent, number=2, hours=3, action="failed", status="5.2.2")
    assert (sent.delayed_at, sent.bounced_at) == (LATER, AT + timedelta(hours=3))
    assert sent.delivery_code == "5.2.2"
    assert "cette boîte est pleine" in row.why


def test_a_delay_told_after_the_return_changes_nothing(memory, sent):
    said(memory, sent, action="failed", status="5.1.1")
    said(memory, sent, number=2, hours=3, action="delayed", status="4.4.7")
    assert sent.delayed_at is None
    assert sent.delivery_code == "5.1.1"


def test_a_report_of_an_unknown_form_is_left_to_a_person(memory, sent):
    row = said(memory, sent, action="mystère", status="9.9.9")
    assert row.verdict == "quarantined"
    assert "forme inconnue" in row.why
    assert sent.bounced_at is None


def test_a_return_for_another_recipient_is_not_ours(memory, sent):
    mime = non_delivery(key=str(sent.uuid), recipient="directrice@exemple.test", action="delayed", status="4.4.1")
    memory.put("sgne", mime, at=LATER)
    incoming.tick(at=LATER)
    sent.refresh_from_db()
    assert sent.delayed_at is None


def test_codes_are_told_in_plain_words():
    assert deliveries.meaning("5.1.1") == "cette boîte n’existe pas"
    assert deliveries.meaning("5.99.99") == deliveries.meaning("") == ""


def test_the_files_of_a_ticket_leave_with_the_mail_to_a_team_that_works_by_mail():
    photo = attachments.prepare_bytes("ecran.png", png())
    asked(
        need="panne", answers={"livraison": "2023-01-10"}, subject="PC en panne", files=[("photo de l’écran", photo)]
    )
    acknowledged, for_team = mails()
    gone = letters([acknowledged, for_team], at=AT)
    assert gone[acknowledged.pk].attachments == []
    [(name, content, mimetype)] = gone[for_team.pk].attachments
    assert (name, mimetype) == ("photo de l’écran.jpg", "image/jpeg")
    assert content.startswith(b"\xff\xd8")
