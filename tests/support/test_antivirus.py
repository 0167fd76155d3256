"""Where an antivirus is configured, nothing is shown that it has not cleared (SEC-E8)."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from bma_portal.models import AuditEntry
from support import antivirus, proofs, sealed
from support.antivirus import Found, examine
from support.models import PasswordReset, ProofFile
from tests.bma_portal.processes import wait_until
from tests.bma_portal.production import free_port, reachable
from tests.factories import MailboxFactory
from tests.support.clamd import EICAR, standing_in
from tests.support.hostile import jpeg, picture, png, saved

AT = datetime(2025, 5, 12, 9, tzinfo=UTC)
LATER = datetime(2025, 5, 12, 10, tzinfo=UTC)


@pytest.fixture
def clamd(settings):
    with standing_in() as twin:
        settings.CLAMD = twin.address
        yield twin


def prepare(data: bytes | None = None) -> proofs.Prepared:
    return proofs.prepare(SimpleUploadedFile("carte.png", data or png()), caption="essai")


def stored(prepared: proofs.Prepared) -> ProofFile:
    reset = PasswordReset.objects.create(
        mailbox=MailboxFactory(),
        path=PasswordReset.Path.HORS_MODE,
        status=PasswordReset.Status.UNCONFIRMED,
        asked_at=AT,
    )
    return proofs.store(reset, prepared, at=AT)


# What clamd says


def test_without_an_antivirus_nothing_is_asked_nor_promised(settings):
    settings.CLAMD = ""
    assert examine([EICAR]) is Found.OFF


def test_the_verdict_on_several_parts_is_that_of_the_worst(clamd):
    assert examine([b"a" * 5000, b"b"]) is Found.CLEAN
    assert clamd.seen == [b"a" * 5000, b"b"]
    assert examine([b"a", b"-" + EICAR]) is Found.INFECTED
    assert examine([]) is Found.AWAY


def test_it_is_asked_over_a_unix_socket_too(settings, tmp_path):
    with standing_in(tmp_path) as twin:
        settings.CLAMD = twin.address
        assert examine([b"a"]) is Found.CLEAN
        assert examine([EICAR]) is Found.INFECTED


@pytest.mark.parametrize("mood", ["full", "error", "mute", "rude"])
def test_whatever_is_no_clear_verdict_is_none(clamd, mood, monkeypatch):
    monkeypatch.setattr(antivirus, "SECONDS", 0.5)
    clamd.mood = mood
    assert examine([b"x" * 100_000]) is Found.AWAY


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:{port}", "unix:///nulle/part/clamd.ctl"])
def test_one_that_is_not_there_gives_no_verdict(settings, where):
    settings.CLAMD = where.format(port=free_port())
    assert examine([b"a"]) is Found.AWAY


@pytest.mark.parametrize("value", ["127.0.0.1:3310", "tcp://clamd", "unix:clamd.ctl", "http://clamd:3310", "oui"])
def test_the_portal_does_not_start_with_an_address_that_it_cannot_read(value):
    done = subprocess.run(
        [sys.executable, "-c", "import bma_portal.settings.base"],
        env={**os.environ, "CLAMD": value}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "CLAMD s'écrit tcp://hôte:3310 ou unix:///chemin." in done.stderr


# What becomes of a proof


def test_the_original_is_what_the_antivirus_sees(clamd):
    data = png() + b"queue"
    prepared = prepare(data)
    assert clamd.seen == [data]
    assert (prepared.scanned, prepared.to_scan) == (True, False)


def test_an_infected_original_is_refused_and_the_person_told(clamd):
    with pytest.raises(proofs.ProofRefused, match="L’antivirus a reconnu") as refused:
        prepare(png() + EICAR)
    assert refused.value.code == "infected"


@pytest.mark.django_db
def test_a_proof_that_was_examined_can_be_opened(clamd):
    proof = stored(prepare())
    assert proof.scanned_at == AT
    assert len(proofs.open_pages(proof)) == 1


@pytest.mark.django_db
def test_while_the_antivirus_is_away_a_proof_stays_in_quarantine_then_opens(clamd):
    clamd.mood = "rude"
    proof = stored(prepare())
    assert (proof.to_scan, proof.scanned_at) == (True, None)
    with pytest.raises(proofs.Quarantined, match="en quarantaine"):
        proofs.open_pages(proof)
    assert proofs.scan_waiting(at=LATER) == []
    with pytest.raises(proofs.Quarantined):
        proofs.open_pages(proof)
    clamd.mood = "well"
    assert proofs.scan_waiting(at=LATER) == []
    pages = proofs.open_pages(proof)
    assert clamd.seen == [bytes(page) for page in pages]
    proof.refresh_from_db()
    assert (proof.to_scan, proof.scanned_at) == (False, LATER)


@pytest.mark.django_db
def test_one_found_infected_later_is_destroyed_and_named(clamd):
    clamd.mood = "rude"
    bad, good = stored(prepare()), stored(prepare(saved(picture((900, 600)), "PNG")))
    clamd.mood = "well"
    clamd.bad = [bytes(sealed.open_row(bad)[0])]
    assert proofs.scan_waiting(at=LATER) == [bad]
    bad.refresh_from_db()
    assert (bad.key, bytes(bad.content), bad.destroyed_why) == ("", b"", "signalée par l’antivirus")
    assert AuditEntry.objects.filter(action="proof.destroyed", object_id=bad.pk).count() == 1
    assert proofs.open_pages(good)
    assert proofs.scan_waiting(at=LATER) == []


@pytest.mark.django_db
def test_an_antivirus_withdrawn_from_the_settings_does_not_free_what_waits_for_it(clamd, settings):
    clamd.mood = "rude"
    proof = stored(prepare())
    settings.CLAMD = ""
    assert proofs.scan_waiting(at=LATER) == []
    with pytest.raises(proofs.Quarantined):
        proofs.open_pages(proof)


@pytest.mark.django_db
def test_a_verdict_does_not_fall_on_the_copy_that_took_its_place(clamd, monkeypatch):
    clamd.mood = "rude"
    proof = stored(prepare())
    clamd.mood = "well"
    asked = antivirus.examine

    def replaced_meanwhile(parts):
        found = asked(parts)
        clamd.mood = "rude"
        proofs.store(proof.reset, prepare(), at=AT)
        return found

    monkeypatch.setattr(antivirus, "examine", replaced_meanwhile)
    monkeypatch.setattr(proofs, "_prepare", lambda *_: proofs.Prepared([proofs.Page(jpeg())], to_scan=True))
    proofs.scan_waiting(at=LATER)
    monkeypatch.undo()
    with pytest.raises(proofs.Quarantined):
        proofs.open_pages(proof)


# The real one


@pytest.mark.slow
def test_the_real_clamd_gives_the_same_verdicts(settings, tmp_path):
    program = os.environ.get("CLAMD_PROGRAM") or shutil.which("clamd") or "/usr/sbin/clamd"
    if not os.access(program, os.X_OK):
        pytest.skip("clamav-daemon n’est pas installé ici")
    base, port = tmp_path / "base", free_port()
    base.mkdir()
    (base / "essai.ndb").write_text(f"Eicar-Signature:0:*:{EICAR.hex()}\n")
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "")
    (tmp_path / "clamd.conf").write_text(
        f"DatabaseDirectory {base}\nTCPSocket {port}\nTCPAddr 127.0.0.1\nLocalSocket {tmp_path}/clamd.ctl\n"
        f"Foreground yes\nTemporaryDirectory {tmp_path}\nUser {user}\n"
    )
    process = subprocess.Popen([program, "--config-file", str(tmp_path / "clamd.conf")], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: reachable(port), 30, "clamd")
        for address in (f"tcp://127.0.0.1:{port}", f"unix://{tmp_path}/clamd.ctl"):
            settings.CLAMD = address
            assert examine([b"a"]) is Found.CLEAN
            assert examine([png()]) is Found.CLEAN
            assert examine([EICAR]) is Found.INFECTED
        with pytest.raises(proofs.ProofRefused, match="L’antivirus a reconnu"):
            prepare(png() + EICAR)
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert examine([b"a"]) is Found.AWAY
