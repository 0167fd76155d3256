"""A proof at rest: sealed under a key of its own, bound to its row, destroyed with a certificate, seen by no log."""

import base64
import logging
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection, transaction
from django.views.debug import ExceptionReporter

from bma_portal import rotation, vault
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from support import proofs, reading
from support.models import PasswordReset, ProofFile
from tests.factories import MailboxFactory
from tests.support.hostile import jpeg, png

AT = datetime(2025, 5, 12, 9, tzinfo=UTC)
LATER = datetime(2025, 6, 11, 9, tzinfo=UTC)
NEW = "neuve:" + base64.b64encode(b"n" * 32).decode()


@pytest.fixture
def pages() -> list[proofs.Page]:
    return reading.remake("png", png(), caption="essai")


def draft(status: str = PasswordReset.Status.UNCONFIRMED) -> PasswordReset:
    return PasswordReset.objects.create(
        mailbox=MailboxFactory(), path=PasswordReset.Path.HORS_MODE, status=status, asked_at=AT
    )


def stored(pages: list[proofs.Page], reset: PasswordReset | None = None) -> ProofFile:
    return proofs.store(reset or draft(), proofs.Prepared(pages), at=AT)


def deeds(proof: ProofFile) -> list[tuple[str, str]]:
    mine = AuditEntry.objects.filter(object_type="support.prooffile", object_id=proof.pk).order_by("seq")
    return list(mine.values_list("action", "why"))


def dump() -> bytes:
    """Everything that the database holds of proofs and of deeds, as it stands there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT p.*, a.* FROM support_prooffile p, bma_portal_auditentry a")
        return b"|".join(
            bytes(value) if isinstance(value, memoryview) else str(value).encode()
            for row in cursor.fetchall()
            for value in row
        )


# Sealed


@pytest.mark.django_db
def test_what_is_stored_comes_back_page_by_page(pages):
    both = [pages[0], proofs.Page(jpeg())]
    proof = stored(both)
    assert proofs.open_pages(ProofFile.objects.get(pk=proof.pk)) == both
    assert (proof.pages, proof.received_at, proof.to_scan, proof.scanned_at) == (2, AT, False, None)
    assert deeds(proof) == [("proof.received", "")]


@pytest.mark.django_db
def test_nothing_of_it_stands_in_clear_in_the_database(pages):
    stored(pages)
    held = dump()
    for start in range(0, len(pages[0]), 997):
        part = bytes(pages[0][start : start + 24])
        assert part not in held
        assert part.hex().encode() not in held
        assert base64.b64encode(part)[4:-4] not in held
    assert b"JFIF" not in held


@pytest.mark.django_db
def test_each_file_has_its_own_key_and_no_two_are_sealed_alike(pages):
    first, second = stored(pages), stored(pages)
    keys = {vault.unseal(p.key, bound_to=p.bound_to).reveal() for p in (first, second)}
    assert len(keys) == 2
    assert bytes(first.content)[12:40] != bytes(second.content)[12:40]


@pytest.mark.django_db
@pytest.mark.parametrize("columns", [("key",), ("content",), ("key", "content")])
def test_a_content_or_a_key_moved_to_another_row_does_not_open(pages, columns):
    first, second = stored(pages), stored(pages)
    ProofFile.objects.filter(pk=second.pk).update(**{name: getattr(first, name) for name in columns})
    with pytest.raises(vault.VaultError):
        proofs.open_pages(second)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "alter", [lambda c: c[:-1], lambda c: c[:20], lambda c: c[:30] + b"\0" + c[31:], lambda c: b"x"]
)
def test_an_altered_content_does_not_open(pages, alter):
    proof = stored(pages)
    ProofFile.objects.filter(pk=proof.pk).update(content=alter(bytes(proof.content)))
    with pytest.raises(vault.VaultError, match="ne s'ouvre pas"):
        proofs.open_pages(proof)


@pytest.mark.django_db
def test_what_fails_with_the_audit_is_not_kept(pages, monkeypatch):
    monkeypatch.setattr(proofs.audit, "record", lambda *_, **__: 1 / 0)
    reset = draft()
    with pytest.raises(ZeroDivisionError):
        stored(pages, reset)
    assert not ProofFile.objects.filter(reset=reset).exists()


# Replaced, destroyed


@pytest.mark.django_db
def test_another_copy_takes_the_place_of_a_draft_s_first_one(pages):
    reset = draft()
    first = stored([proofs.Page(jpeg())], reset)
    second = stored(pages, reset)
    assert second.pk == first.pk
    assert second.uuid != first.uuid
    assert proofs.open_pages(first) == pages
    assert deeds(second) == [
        ("proof.received", ""),
        ("proof.destroyed", "remplacée par une autre copie"),
        ("proof.received", ""),
    ]


@pytest.mark.django_db
def test_once_the_request_is_with_the_teams_its_copy_stays(pages):
    reset = draft()
    stored(pages, reset)
    reset.status = PasswordReset.Status.RECEIVED
    with pytest.raises(Refusal, match="n’attend plus de copie"):
        stored([proofs.Page(jpeg())], reset)
    assert proofs.open_pages(reset.proof) == pages


@pytest.mark.django_db
def test_a_destroyed_proof_leaves_its_certificate_and_nothing_else(pages):
    proof, other = stored(pages), stored(pages)
    assert proofs.destroy([proof], why="30 jours après la décision", at=LATER) == 1
    assert proofs.destroy(ProofFile.objects.filter(pk=proof.pk), why="encore", at=LATER) == 0
    proof.refresh_from_db()
    assert (proof.key, bytes(proof.content)) == ("", b"")
    assert (proof.received_at, proof.destroyed_at, proof.destroyed_why) == (AT, LATER, "30 jours après la décision")
    assert deeds(proof)[1:] == [("proof.destroyed", "30 jours après la décision")]
    with pytest.raises(Refusal, match="a été détruite"):
        proofs.open_pages(proof)
    with pytest.raises(Refusal):
        stored(pages, proof.reset)
    assert proofs.open_pages(other) == pages


@pytest.mark.django_db
def test_one_read_before_its_destruction_does_not_open_after_it(pages):
    proof = stored(pages)
    proofs.destroy([proof], why="refusée", at=LATER)
    assert proof.key
    with pytest.raises(Refusal, match="a été détruite"):
        proofs.open_pages(proof)


# The vault's keys


@pytest.mark.django_db
def test_a_rotation_seals_the_keys_of_proofs_again(pages, settings):
    proof, gone = stored(pages), stored(pages)
    proofs.destroy([gone], why="essai", at=LATER)
    settings.BMA_VAULT_KEYS = f"{NEW},{settings.BMA_VAULT_KEYS}"
    call_command("rotate_vault")
    proof.refresh_from_db()
    assert proof.key.startswith("neuve.")
    settings.BMA_VAULT_KEYS = NEW
    assert proofs.open_pages(proof) == pages


@pytest.mark.django_db
def test_the_command_says_that_an_old_key_still_seals_a_proof(pages, settings, capsys, monkeypatch):
    stored(pages)
    settings.BMA_VAULT_KEYS = f"{NEW},{settings.BMA_VAULT_KEYS}"
    monkeypatch.setattr(rotation.Holding, "seal_again", lambda holding: 0)
    call_command("rotate_vault")
    assert "« test » scelle encore 1 secrets" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)
def test_a_rotation_killed_half_way_loses_no_proof(pages, settings, monkeypatch):
    held = [stored(pages) for _ in range(5)]
    settings.BMA_VAULT_KEYS = f"{NEW},{settings.BMA_VAULT_KEYS}"
    sealing, calls = vault.seal, []

    def seal(clear, *, bound_to):
        calls.append(bound_to)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return sealing(clear, bound_to=bound_to)

    monkeypatch.setattr(vault, "seal", seal)
    with pytest.raises(KeyboardInterrupt):
        proofs.HOLDING.seal_again(batch=2)
    assert ProofFile.objects.filter(key__startswith="neuve.").count() == 2
    assert all(proofs.open_pages(proof) == pages for proof in held)
    monkeypatch.setattr(vault, "seal", sealing)
    assert proofs.HOLDING.seal_again(batch=2) == 3
    settings.BMA_VAULT_KEYS = NEW
    assert all(proofs.open_pages(proof) == pages for proof in held)


# Logs and reports


@pytest.mark.django_db
def test_no_log_holds_a_byte_of_it(pages, caplog):
    caplog.set_level(logging.DEBUG)
    data = png()
    prepared = proofs.prepare(SimpleUploadedFile("85073003328.png", data), caption="essai")
    proof = proofs.store(draft(), prepared, at=AT)
    proofs.open_pages(proof)
    with pytest.raises(proofs.ProofRefused):
        proofs.prepare(SimpleUploadedFile("85073003328.jpg", data), caption="essai")
    with transaction.atomic():
        proofs.destroy([proof], why="essai", at=LATER)
    assert_nowhere(caplog.text, data, *prepared.pages)
    assert "85073003328" not in caplog.text


def assert_nowhere(text: str, *contents: bytes) -> None:
    for content in contents:
        for part in (content[:16], content[200:216], content[-16:]):
            assert repr(part)[2:-1] not in text
            assert part.hex() not in text


@pytest.mark.django_db
@pytest.mark.parametrize("broken", ["antivirus.examine", "reading.remake", "reading._ask", "reading._pages"])
def test_no_error_report_shows_the_file(broken, monkeypatch, rf):
    def fails(*arguments, **named):
        raise RuntimeError("panne")

    monkeypatch.setattr(f"support.{broken}", fails)
    data = png()
    assert_nowhere(report_of(lambda: proofs.prepare(SimpleUploadedFile("a.png", data), caption="essai"), rf), data)


@pytest.mark.django_db
@pytest.mark.parametrize("broken", ["audit.record", "ProofFile.save", "vault.seal"])
def test_no_error_report_of_its_keeping_shows_the_pages(broken, monkeypatch, rf, pages):
    def fails(*arguments, **named):
        raise RuntimeError("panne")

    monkeypatch.setattr(f"support.proofs.{broken}", fails)
    reset = draft()
    assert_nowhere(report_of(lambda: stored(pages, reset), rf), *pages)


@pytest.mark.django_db
def test_no_error_report_of_its_opening_shows_the_pages(monkeypatch, rf, pages):
    proof = stored(pages)
    monkeypatch.setattr("support.sealed.Page", lambda data: 1 / 0)
    key = vault.unseal(proof.key, bound_to=proof.bound_to).reveal()
    report = report_of(lambda: proofs.open_pages(proof), rf)
    assert_nowhere(report, *pages)
    assert key not in report
    assert repr(base64.b64decode(key))[2:-1] not in report


def report_of(deed, rf) -> str:
    try:
        deed()
    except Exception as error:
        return ExceptionReporter(rf.get("/"), type(error), error, error.__traceback__).get_traceback_text()
    raise AssertionError("l'erreur provoquée n'a pas eu lieu")


def test_the_caption_says_for_what_and_when():
    at = datetime(2025, 5, 12, 22, 30, tzinfo=UTC)  # the 13th in Brussels
    text = proofs.caption("demande BMA-BCDF-2345", at=at)
    assert text == "Copie remise au portail BMA – demande BMA-BCDF-2345 – 13 mai 2025"
