"""Every mail of the corpus, through the memory in the place of an inbox: what becomes of it, and what is kept."""

import logging
import re

import pytest

from accounts import credentials
from accounts.models import Contact, Credential, Mailbox
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import OutgoingMail
from support import incoming
from support.models import IncomingMail, Message, Ticket
from tests.factories import MailboxFactory, OrganisationFactory
from tests.support.corpus.clients import BOX, Stage
from tests.support.corpus.table import CASES, Case
from tests.support.inbox_stage import memory
from tests.support.tickets_stage import AT, asked

pytestmark = pytest.mark.django_db
__all__ = ["memory"]  # a fixture


@pytest.fixture
def stage(db) -> Stage:
    box = MailboxFactory(organisation=OrganisationFactory(fase=247))
    MailboxFactory(organisation=OrganisationFactory(po_unit=True, fase=931))
    Contact.objects.filter(team="priminfo").update(email="sttd@priminfo.test")
    ticket = asked(box, team="etnic")
    broken = asked(need="panne", team="priminfo", email="marie@exemple.test", subject="Écran cassé")
    for subject in ("Un souci", "Un autre"):
        asked(broken.mailbox, team="sgne", need="procedure", subject=subject, email="sacha@exemple.test")
    credentials.issue([box], at=AT)
    credential = Credential.objects.get(mailbox=box)
    second = outgoing(
        key="essai:mail-2", kind="migration.new_password", sender="etnic", to=[BOX], subject="Le nouveau mot de passe",
        sensitive=True, queued_at=AT, status="sent", sent_at=AT,
    )  # fmt: skip
    second.save()
    return Stage(
        ticket=ticket,
        broken=broken,
        answered=OutgoingMail.objects.get(kind="ticket.received", object_id=ticket.pk).message_id,
        for_team=OutgoingMail.objects.get(kind="ticket.for_team", to=["sttd@priminfo.test"]).message_id,
        mail_2=second.message_id,
        mail_2_key=str(second.uuid),
        password=credentials.reveal(credential).reveal(),
    )


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_becomes_of_each_mail(case: Case, stage: Stage, memory, caplog):
    caplog.set_level(logging.DEBUG)
    before = set(Ticket.objects.values_list("pk", flat=True))
    said_before = set(Message.objects.values_list("pk", flat=True))
    memory.put(case.sender, case.make(stage), at=AT, size=case.size)
    (reading,) = [one for one in incoming.tick(at=AT) if one.count]
    assert (reading.failure, reading.count) == ("", 1)
    row = IncomingMail.objects.get()
    assert (row.verdict, row.why) == (case.verdict, row.why), row.why
    assert case.why in row.why

    new = set(Ticket.objects.values_list("pk", flat=True)) - before
    added = list(Message.objects.exclude(pk__in=said_before))
    match case.ticket:
        case "new":
            assert new == {row.ticket_id}
            assert row.ticket.team == case.sender
        case "camille" | "priminfo":
            assert row.ticket == (stage.ticket if case.ticket == "camille" else stage.broken)
            assert not new
        case _:
            assert row.ticket is None
            assert not new
    if case.verdict in {"ticket", "reply", "note"}:
        assert added == [row.message]
        _check_message(case, row.message)
        assert (row.text, row.html) == ("", "")
    else:
        assert not added
    assert bool(OutgoingMail.objects.get(uuid=stage.mail_2_key).bounced_at) == (case.verdict == "bounce")
    _nothing_secret_is_kept(stage, row, added, caplog.text)


def _check_message(case: Case, message: Message) -> None:
    if case.text is not None:
        assert message.text == case.text
    for words in case.holds:
        assert words in message.text
    for words in case.lacks:
        assert words not in f"{message.text}{message.html}".replace(case.quoted or "\0", "") or words in message.quoted
    assert case.quoted in message.quoted
    assert bool(message.quoted) == bool(case.quoted)
    assert message.attachments.count() == case.files
    assert not re.search(r"<(?:script|img|iframe|style|form|svg|input)|javascript:|\bon\w+=", message.html)
    assert message.by_mail


def _nothing_secret_is_kept(stage: Stage, row: IncomingMail, added: list[Message], logged: str) -> None:
    kept = [logged, row.subject, row.from_name, row.text, row.html, row.why, str(row.files)]
    kept += [part for message in added for part in (message.text, message.quoted, message.html, message.author_name)]
    kept += Ticket.objects.values_list("subject", flat=True)
    kept += OutgoingMail.objects.filter(kind__startswith="ticket.").values_list("text", flat=True)
    signs = re.sub(r"[^A-Za-z0-9]", "", re.sub(r"<[^>]*>", "", " ".join(kept)))
    assert stage.password.replace("-", "") not in signs


def test_the_corpus_is_as_large_as_the_bar_asks():
    assert len({case.name for case in CASES}) == len(CASES) >= 44


def test_the_mailbox_that_is_not_there_is_not_made(stage, memory):
    assert not Mailbox.objects.filter(address="ec999998@adm.cfwb.be").exists()
