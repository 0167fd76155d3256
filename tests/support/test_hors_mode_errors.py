"""What is wrong in the hors-MODE form is said, kept and never a fault (SEC-M3, SEC-E11, SEC-B10)."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from bma_portal import clock
from bma_portal.mail.models import OutgoingMail
from support.models import PasswordReset, ProofFile
from tests.support.hors_mode_stage import (
    CHECK,
    CODE,
    DONE,
    FORM,
    TYPED,
    answers,
    draft_of,
    number,
    opened_before,
    send,
)
from tests.support.pages import Page
from tests.support.resets_stage import AT, card, hors_mode_box

pytestmark = pytest.mark.django_db
Status = PasswordReset.Status


@pytest.fixture(autouse=True)
def day(db):
    clock.set_for_every_process(AT)


@pytest.fixture
def mailbox():
    return hors_mode_box()


def read(response) -> Page:
    page = Page(response)
    page.assert_sound()
    return page


def codes_sent() -> int:
    return OutgoingMail.objects.filter(kind="reset.contact_code").count()


def before(text: str, first: str, *later: str) -> bool:
    return all(text.index(first) < text.index(other) for other in later)


# Errors


def test_an_empty_form_says_all_that_is_missing_with_links(client, mailbox):
    page = read(client.post(FORM, {"numero": number(mailbox), "ouvert": opened_before()}))
    assert page.title.startswith("Erreur : ")
    assert 'role="alert"' in page.html
    for name in ("last_name", "first_name", "email", "phone", "proof", "consequences"):
        assert f"#id_{name}" in page.links
        assert f'id="id_{name}_error"' in page.html
    assert "Ce champ est obligatoire" not in page.text
    assert not PasswordReset.objects.exists()


WRONG = [
    ("last_name", "Fic\r\ntive"),
    ("last_name", "Fic\0tive"),
    ("last_name", "F" * 100_000),
    ("last_name", "1234"),
    ("last_name", "Fictive \N{RIGHT-TO-LEFT OVERRIDE}evitcif"),
    ("last_name", "<script>alert(1)</script>"),
    ("last_name", "85.07.30-033.28"),
    ("first_name", "  "),
    ("first_name", "Cam\nille"),
    ("email", "camille"),
    ("email", "camille@"),
    ("email", "camille@exemple.test\r\nBcc: x@exemple.test"),
    ("email", "camille\0@exemple.test"),
    ("email", "a" * 100_000 + "@exemple.test"),
    ("email", "85073003328@exemple.test"),
    ("email", "ec000247@adm.cfwb.be"),
    ("email", "EC000247@ADM.CFWB.BE"),
    ("email", "x@sous.adm.cfwb.be"),
    ("email", "cämille@exemple.test"),
    ("phone", "demain"),
    ("phone", "12"),
    ("phone", "0470\n000000"),
    ("phone", "85.07.30-033.28"),
    ("phone", "0" * 100_000),
    ("consequences", None),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_what_is_wrong_is_said_beside_its_field_and_the_rest_is_kept(client, mailbox, field, value):
    page = read(send(client, mailbox, **{field: value}))
    assert page.status == 200
    assert f"#id_{field}" in page.links
    assert len(page.html) < 60_000
    for name, typed in TYPED.items():
        if name not in {field, "consequences"}:
            assert f'value="{typed}"' in page.html
    assert "<script>alert" not in page.html
    assert codes_sent() == 0


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xff\xfe", b"\xc0\xaf"])
def test_bytes_that_are_no_text_are_an_error_never_a_fault(client, mailbox, raw):
    boundary = "limite"
    parts = []
    for name, value in {**answers(mailbox, proof=None), "last_name": raw}.items():
        data = value if isinstance(value, bytes) else str(value).encode()
        parts.append(b'--limite\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), data))
    body = b"".join(parts) + b"--limite--\r\n"
    response = client.generic("POST", FORM, body, content_type=f"multipart/form-data; boundary={boundary}")
    assert response.status_code in {200, 400}
    assert not PasswordReset.objects.exists()
    assert client.get(FORM, QUERY_STRING="numero=%ed%a0%80").status_code in {200, 400}
    assert client.post(CODE, "code=%ed%a0%80", content_type="application/x-www-form-urlencoded").status_code == 200


def test_a_copy_that_was_accepted_is_not_asked_for_again(client, mailbox):
    page = read(send(client, mailbox, email="camille"))
    assert "Votre copie est déjà reçue" in page.text
    assert 'name="suite"' in page.html
    draft = draft_of(client)
    assert (draft.email, draft.last_name) == ("", "Fictive")
    # What is not whole goes no further.
    assert client.get(CHECK).url.startswith(FORM)
    assert client.post(CHECK).status_code == 302
    assert codes_sent() == 0
    assert send(client, mailbox, suite="1", proof=None).url == CHECK
    assert ProofFile.objects.count() == 1
    assert draft_of(client).email == "camille@exemple.test"


def test_the_tick_is_needed_even_when_all_the_rest_is_kept(client, mailbox):
    send(client, mailbox, consequences=None)
    assert client.get(CHECK).url.startswith(FORM)
    assert client.post(CHECK).status_code == 302
    assert codes_sent() == 0


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (SimpleUploadedFile("carte.png", b"pas une image"), "Le contenu de ce fichier"),
        (SimpleUploadedFile("carte.svg", b"<svg/>"), "ni une photo"),
        (SimpleUploadedFile("carte.png", b""), "Ce fichier est vide"),
    ],
    ids=["faux", "svg", "vide"],
)
def test_a_refused_file_must_be_chosen_again_and_the_rest_is_kept(client, mailbox, file, words):
    page = read(send(client, mailbox, proof=file))
    assert words in page.text
    assert "#id_proof" in page.links
    assert "Votre copie est déjà reçue" not in page.text
    assert 'value="camille@exemple.test"' in page.html
    assert not ProofFile.objects.exists()


def test_a_name_written_as_on_the_card_is_accepted(client, mailbox):
    for first, last in (
        ("Zoé-Anne", "d’Ursel"),
        ("Jean", "Van den Bossche"),
        ("Nguyễn", "Thị Ánh"),
        ("J.-P.", "O'Neil"),
    ):
        assert send(client, mailbox, first_name=first, last_name=last).status_code == 302, (first, last)


def test_a_trap_that_is_filled_or_a_form_sent_at_once_stops_there(client, mailbox):
    for changes in ({"site_web": "http://robot"}, {"ouvert": opened_before(-60)}, {"ouvert": ""}, {"ouvert": "x:y:z"}):
        page = read(send(client, mailbox, **changes))
        assert page.title.startswith("Erreur : ")
        assert 'value="camille@exemple.test"' in page.html
    assert codes_sent() == 0


def test_a_person_who_was_too_quick_sends_the_same_page_again(client, mailbox):
    page = read(send(client, mailbox, ouvert=opened_before(-60)))
    assert "parti trop vite" in page.text
    again = re.search(r'name="ouvert" value="([^"]+)"', page.html)[1]
    assert again.startswith("ouvert:")


def test_a_field_that_the_form_does_not_show_is_ignored(client, mailbox):
    extras = {"status": "received", "confirmed_at": "2025-10-06", "verified_by": "1", "reference": "BMA-XXXX-XXXX"}
    send(client, mailbox, **extras)
    draft = draft_of(client)
    assert (draft.status, draft.confirmed_at, draft.verified_by) == (Status.UNCONFIRMED, None, None)
    assert draft.reference != "BMA-XXXX-XXXX"


def test_another_browser_does_not_reach_the_draft(client, mailbox):
    send(client, mailbox)
    other = Client()
    assert "Aucune demande en cours ici" in read(other.get(CHECK)).text
    assert "camille" not in other.get(FORM, {"numero": number(mailbox), "modifier": "1"}).content.decode()


def test_the_form_is_protected_against_forgery(mailbox):
    strict = Client(enforce_csrf_checks=True)
    assert send(strict, mailbox).status_code == 403
    assert not PasswordReset.objects.exists()


def test_no_page_of_the_form_is_kept_by_a_cache(client, mailbox):
    send(client, mailbox)
    for url in (FORM, CHECK, CODE, DONE):
        assert "no-store" in client.get(url)["Cache-Control"]


def test_files_that_are_not_asked_for_are_ignored(client, mailbox):
    assert send(client, mailbox, autre=card()).status_code == 302
