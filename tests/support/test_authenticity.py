"""« Authentique, envoyé par … le … » or « inconnu », and nothing more (C16)."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from bma_portal.clock import brussels
from bma_portal.mail import authenticity
from bma_portal.mail.compose import letters, outgoing
from bma_portal.mail.models import OutgoingMail
from migration.mails import Announcement
from tests.factories_migration import MoveFactory

pytestmark = pytest.mark.django_db
SENT = brussels(date(2024, 10, 7), 9, 5)


def page(code: str) -> str:
    answer = Client().get(reverse("authenticity"), {"code": code})
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def mail() -> OutgoingMail:
    """A mail 1 as the portal queues it, then as it is once Exchange took it."""
    row = Announcement(MoveFactory().mailings.get(step=1))
    row.prepare([row], at=SENT)
    saved = row.row(at=SENT)
    saved.save(force_insert=True)
    return saved


def leave(mail: OutgoingMail) -> None:
    OutgoingMail.objects.filter(pk=mail.pk).update(status="sent", sent_at=SENT, proof="answer")


def test_the_code_stands_in_both_parts_and_is_genuine_once_the_mail_left(mail):
    assert mail.code in mail.text
    assert "/authenticite/" in mail.text
    assert mail.code in mail.html
    assert "Inconnu" in page(mail.code), "rien n'est encore parti"
    leave(mail)
    said = page(mail.code)
    assert "Authentique" in said
    assert "le SGNE" in said
    assert "7 octobre 2024" in said
    assert "9 h 05" in said
    assert mail.to[0] not in said
    assert mail.subject not in said
    assert "ec00" not in said


@pytest.mark.parametrize("spelling", [str.lower, lambda code: code.replace("-", " "), lambda code: f"  {code}. "])
def test_a_code_is_read_however_it_is_typed(mail, spelling):
    leave(mail)
    assert "Authentique" in page(spelling(mail.code))


def test_a_letter_that_looks_like_a_digit_is_read_as_that_digit():
    assert authenticity.as_printed("oil0-oil0-oil0") == "0110-0110-0110"


@pytest.mark.parametrize(
    "typed", ["", "  ", "7K3M", "7K3M-0QXT-9ZAB-1", "UUUU-UUUU-UUUU", "\0" * 12, "É" * 12, "x" * 9000]
)
def test_what_cannot_be_a_code_is_said_and_kept(typed):
    said = page(typed)
    assert "<title>Erreur : " in said
    assert "Authentique" not in said


def test_what_was_never_sent_is_unknown(mail):
    for status in ("failed", "cancelled"):
        OutgoingMail.objects.filter(pk=mail.pk).update(status=status)
        assert "Inconnu" in page(mail.code)
    assert "Inconnu" in page(authenticity.new_code())
    assert authenticity.look_up(mail.code, at=SENT - timedelta(days=1)) is None


def test_codes_cannot_be_tried_one_after_the_other():
    visitor = Client()
    answers = [visitor.get(reverse("authenticity"), {"code": authenticity.new_code()}).status_code for _ in range(12)]
    assert answers[:10] == [200] * 10
    assert answers[10:] == [429, 429]


def test_a_mail_that_carries_a_secret_has_its_code_from_the_row_that_sends_it():
    from accounts import credentials

    move = MoveFactory(announced=True)
    credentials.issue([move.mailbox], at=SENT)
    move.mailbox.credentials.update(applied_at=SENT)
    from migration.mails import NewPassword

    row = NewPassword(move.mailings.get(step=2)).row(at=SENT)
    row.save(force_insert=True)
    assert row.text == row.html == ""
    assert row.code
    letter = letters([row], at=SENT)[row.pk]
    assert row.code in letter.text
    assert row.code in letter.html


def test_a_thousand_codes_are_a_thousand():
    assert len({authenticity.new_code() for _ in range(1000)}) == 1000


def test_a_row_written_without_code_is_found_by_none():
    row = outgoing(key="essai:1", kind="plain", sender="sgne", to=["x@exemple.test"], subject="x", queued_at=SENT)
    row.status, row.sent_at = "sent", SENT
    row.save()
    assert row.code is None
    assert authenticity.look_up("", at=SENT) is None
