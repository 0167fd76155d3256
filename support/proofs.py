"""A proof's life: remade before anything keeps it, sealed under a key of its own, opened by few, destroyed soon.

The original is gone when `prepare` returns; what is kept are JPEG pages that we made (SEC-E1 to E4, E8, E9; D14).
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction

from bma_portal import audit, vault
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from bma_portal.rotation import Holding
from bma_portal.secret import leaving_no_trace
from bma_portal.templatetags.french import sans_semaine
from support import antivirus, reading
from support.antivirus import Found
from support.models import PasswordReset, ProofFile
from support.reading import Page, ProofRefused
from support.sealed import open_row, seal

# A rotation seals the key of each file again; the content, under that key, is not touched.
HOLDING = Holding(lambda: ProofFile.objects.filter(destroyed_at=None).defer("content"), "key")


log = logging.getLogger(__name__)


class Quarantined(Refusal):
    """The antivirus has not spoken yet: nobody sees the proof."""


@dataclass(frozen=True)
class Prepared:
    """Pages that may be kept. `scanned`: the antivirus saw the original; `to_scan`: it should have, and was away."""

    pages: list[Page] = field(repr=False)
    scanned: bool = False
    to_scan: bool = False


def caption(about: str, *, at: datetime) -> str:
    """What is written across each page: for what it was handed over, and when."""
    return f"Copie remise au portail BMA – {about} – {sans_semaine(brussels_date(at))}"


def prepare(upload: UploadedFile, *, caption: str) -> Prepared:
    """Remake what was uploaded into watermarked pages. Raises ProofRefused, whatever is wrong with the file.

    Writes nothing anywhere. The antivirus sees the original, which exists nowhere else and is forgotten here.
    """
    with leaving_no_trace():
        return _prepare(upload, caption)


def _prepare(upload: UploadedFile, caption: str) -> Prepared:
    upload.seek(0)
    return prepare_bytes(upload.name or "", upload.read(reading.MAX_BYTES + 1), caption=caption)


def prepare_bytes(name: str, data: bytes, *, caption: str) -> Prepared:
    """The same for a file that came otherwise, by mail for one; an empty caption leaves no watermark."""
    if len(data) > reading.MAX_BYTES:
        raise ProofRefused("large")
    kind = reading.kind_of(name, data)
    found = antivirus.examine([data])
    if found is Found.INFECTED:
        raise ProofRefused("infected")
    pages = reading.remake(kind, data, caption=caption)
    return Prepared(pages, scanned=found is Found.CLEAN, to_scan=found is Found.AWAY)


def store(reset: PasswordReset, prepared: Prepared, *, at: datetime) -> ProofFile:
    """Seal the pages and keep them as the proof of this request; a draft's former proof is destroyed by it.

    Inside the caller's transaction, if there is one. Raises Refusal once the request is no draft any more.
    """
    with transaction.atomic():
        former = ProofFile.objects.select_for_update(of=("self",)).filter(reset=reset).defer("content").first()
        if former and (former.destroyed_at or reset.status != PasswordReset.Status.UNCONFIRMED):
            raise Refusal("Cette demande n’attend plus de copie.")
        if former:
            audit.record("proof.destroyed", about=former, at=at, why="remplacée par une autre copie")
        proof = ProofFile(pk=former.pk if former else None, reset=reset, received_at=at, pages=len(prepared.pages))
        with leaving_no_trace():
            seal(proof, prepared.pages)
        proof.to_scan = prepared.to_scan
        proof.scanned_at = at if prepared.scanned else None
        proof.save(force_insert=former is None)
        details = {
            "pages": proof.pages,
            "antivirus": "à faire" if proof.to_scan else "fait" if proof.scanned_at else "",
        }
        audit.record("proof.received", about=proof, at=at, details=details)
    return proof


def open_pages(proof: ProofFile) -> list[Page]:
    """The pages, for a person who may see them: whoever calls this records `proof.viewed` first.

    The row is read again. Raises Quarantined until the antivirus has spoken, Refusal once destroyed, VaultError if
    the row was altered.
    """
    row = ProofFile.objects.get(pk=proof.pk)
    if row.destroyed_at:
        raise Refusal("Cette copie a été détruite : il n’en reste que la date et le motif de sa destruction.")
    if row.to_scan:
        raise Quarantined(
            "Cette copie est en quarantaine : l’antivirus ne l’a pas encore examinée. Revenez plus tard."
        )
    with leaving_no_trace():
        return open_row(row)


def destroy(proofs: Iterable[ProofFile], *, why: str, at: datetime) -> int:
    """Erase key and content; the rows stay as certificates, each with its line of audit. Returns how many.

    Inside the caller's transaction. What is destroyed already is left as it was.
    """
    pks = [proof.pk for proof in proofs]
    with transaction.atomic():
        rows = ProofFile.objects.select_for_update(of=("self",)).filter(pk__in=pks, destroyed_at=None)
        found = list(rows.defer("content").order_by("pk"))
        ProofFile.objects.filter(pk__in=[row.pk for row in found]).update(
            key="", content=b"", to_scan=False, destroyed_at=at, destroyed_why=why[:120]
        )
        for row in found:
            audit.record("proof.destroyed", about=row, at=at, why=why)
    return len(found)


def scan_waiting(*, at: datetime) -> list[ProofFile]:
    """Have the antivirus look at what came while it was away; returns what it found infected, destroyed by then.

    What it clears may be opened from now on. Stops at the first silence; killed or run twice at once, it does no harm:
    no transaction is open while clamd thinks, and a verdict falls on the same content or on nothing.
    """
    infected = []
    waiting = ProofFile.objects.filter(to_scan=True, destroyed_at=None)
    for pk in list(waiting.order_by("pk").values_list("pk", flat=True)):
        row = waiting.select_related("reset").filter(pk=pk).first()
        if row is None:
            continue
        try:
            with leaving_no_trace():
                found = antivirus.examine(open_row(row))
        except vault.VaultError:  # altered, or its key is away: an operator's business, the others are examined
            log.exception("preuve illisible", extra={"id": pk, "code": "VaultError"})
            continue
        if found in {Found.AWAY, Found.OFF}:
            break
        with transaction.atomic():
            same = waiting.filter(pk=pk, uuid=row.uuid)  # another copy may have taken its place
            if found is Found.INFECTED:
                if destroy(same, why="signalée par l’antivirus", at=at):
                    infected.append(row)
            else:
                same.update(to_scan=False, scanned_at=at)
    return infected


class ProofField(forms.FileField):
    """Its cleaned value is a `Prepared`, or None when nothing new was sent and the form already had a proof.

    The form gives `caption` (`caption(…)`) before it is cleaned: `self.fields["proof"].caption = …`; and
    `initial={"proof": True}`, or `required = False`, when a proof is there.
    """

    widget = forms.FileInput(attrs={"accept": ".jpg,.jpeg,.png,.pdf,image/jpeg,image/png,application/pdf"})
    default_error_messages = {
        "required": "Choisissez le fichier de la copie.",
        "invalid": "Le fichier n’est pas arrivé. Choisissez-le de nouveau.",
        "missing": "Le fichier n’est pas arrivé. Choisissez-le de nouveau.",
        "empty": reading.SENTENCES["empty"],
    }
    caption = ""

    def clean(self, data: Any, initial: Any = None) -> Prepared | None:
        if not data and initial:
            return None
        upload = super().clean(data)
        if upload is None:
            return None
        if not self.caption:
            raise RuntimeError("a proof is never kept without its caption")
        try:
            return prepare(upload, caption=self.caption)
        except ProofRefused as refusal:
            raise ValidationError(str(refusal), code=refusal.code) from None
