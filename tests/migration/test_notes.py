"""Notes of colleagues: signed, kept, in the audit; read and written by staff who may, never by a holder."""

import pytest
from django.urls import reverse

from bma_portal import clock
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from migration import notes
from migration.models import MailboxNote
from tests.factories import MailboxFactory

pytestmark = pytest.mark.django_db

TEXT = "La direction préfère être jointe <b>le matin</b>."


def write(client, box, text: str = TEXT):
    return client.post(reverse("admin:accounts_mailbox_note", args=[box.pk]), {"text": text}, follow=True)


def sheet(client, box) -> str:
    return client.get(reverse("admin:accounts_mailbox_change", args=[box.pk])).content.decode()


@pytest.mark.parametrize("role", ["sgne", "etnic", "secours"])
def test_a_note_is_signed_and_is_one_line_of_audit_without_its_text(role, signed_in, person):
    box, client = MailboxFactory(), signed_in(role)
    page = write(client, box).content.decode()
    assert "La note est ajoutée." in page
    assert "&lt;b&gt;le matin&lt;/b&gt;" in page
    note = MailboxNote.objects.get()
    assert (note.mailbox, note.text, note.by) == (box, TEXT, person(role).username)
    line = AuditEntry.objects.get(action="mailbox.noted")
    assert (line.actor, line.object_type, line.object_id) == (role, "accounts.mailbox", str(box.pk))
    assert line.details == {"note": note.pk}
    assert "matin" not in f"{line.why}{line.about}"


@pytest.mark.parametrize("role", ["auditeur", "personnel", "anonyme"])
def test_who_may_not_write_one_does_not(role, signed_in):
    box = MailboxFactory()
    answer = signed_in(role).post(reverse("admin:accounts_mailbox_note", args=[box.pk]), {"text": TEXT})
    assert answer.status_code == (302 if role == "anonyme" else 403)
    assert not MailboxNote.objects.exists()


def test_an_auditor_reads_them_and_is_offered_no_form(signed_in):
    box = MailboxFactory()
    notes.add(box, text=TEXT, by="sgne", at=clock.now())
    page = sheet(signed_in("auditeur"), box)
    assert "le matin" in page
    assert "Ajouter la note" not in page
    assert "Ajouter la note" in sheet(signed_in("sgne"), box)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Écrivez la note"),
        (" \n\t ", "Écrivez la note"),
        ("\u200b\u202e", "Écrivez la note"),
        ("é" * 2001, "2000"),
        ("Le directeur, 85.07.30-033.28, rappellera.", "registre national"),
    ],
)
def test_what_may_not_be_noted_is_refused_in_french(text, why, signed_in):
    box = MailboxFactory()
    page = write(signed_in("sgne"), box, text).content.decode()
    assert why in page
    assert not MailboxNote.objects.exists()
    with pytest.raises(Refusal):
        notes.add(box, text=text, by="sgne", at=clock.now())


def test_pressing_twice_writes_one(signed_in):
    box, client = MailboxFactory(), signed_in("sgne")
    write(client, box)
    assert "Cette note est déjà là" in write(client, box).content.decode()
    write(signed_in("etnic"), box)  # another may say the same
    assert MailboxNote.objects.count() == 2


def test_it_is_written_by_post_alone_and_on_a_mailbox_that_exists(signed_in):
    client = signed_in("sgne")
    assert client.get(reverse("admin:accounts_mailbox_note", args=[MailboxFactory().pk])).status_code == 405
    for pk in ("0", "abc", "9" * 30):
        assert client.post(f"/admin/accounts/mailbox/{pk}/note/", {"text": TEXT}).status_code == 404
