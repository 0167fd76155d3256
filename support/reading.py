"""What is sent as a proof is recognised here, then remade by a process that has no right to anything (SEC-E1 to E4).

Nothing of this process ever decodes the file. Extension, first bytes and decoder must agree; the type that the
browser announced is not looked at; the name serves for its extension, and no more.
"""

import contextlib
import json
import logging
import re
import struct
import subprocess
import sys
import threading
from pathlib import Path

from bma_portal.errors import Refusal
from bma_portal.secret import leaving_no_trace

log = logging.getLogger(__name__)

READER = Path(__file__).with_name("reader.py")
SECONDS = 20  # of the clock on the wall, for a busy machine; the reader's own limit counts its work
MAX_BYTES = 8_000_000
MAX_ANSWER = 16_000_000
MAX_PAGES = 4
TURN = threading.BoundedSemaphore(2)  # readers at work for one process of the portal
TURN_SECONDS = 10

SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "pdf": b"%PDF-"}
EXTENSIONS = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "pdf": "pdf"}
APPLE = re.compile(rb".{4}ftyp(hei[cfmsx]|mif1|msf1)", re.DOTALL)

SENTENCES = {
    "empty": "Ce fichier est vide. Choisissez-en un autre.",
    "large": "Ce fichier dépasse 8 Mo. Reprenez la photo en plus petit, ou réduisez le PDF, puis choisissez-le.",
    "type": "Ce fichier n’est ni une photo JPEG ou PNG, ni un PDF. Choisissez un fichier .jpg, .png ou .pdf.",
    "apple": (
        "Le portail ne lit pas le format HEIC des iPhone. Faites une capture d’écran de la photo, ou "
        "enregistrez-la en JPEG, puis choisissez-la."
    ),
    "mismatch": (
        "Le contenu de ce fichier n’est pas celui que son nom annonce. Ouvrez-le, enregistrez-le de "
        "nouveau en .jpg, .png ou .pdf, puis choisissez-le."
    ),
    "unreadable": (
        "Ce fichier est abîmé ou incomplet : le portail ne peut pas le lire. Reprenez la photo, ou "
        "enregistrez de nouveau le document, puis choisissez-le."
    ),
    "pixels": (
        "Cette image est trop grande : 50 millions de points et 20 000 de côté au plus. Reprenez la photo "
        "dans une qualité plus basse."
    ),
    "small": (
        "Cette image est trop petite pour être lue : 200 points de côté au moins. Reprenez la photo de plus près."
    ),
    "frames": "Cette image est animée ou en contient plusieurs. Choisissez une simple photo.",
    "blank": "Une page de ce document est toute blanche ou toute noire. Vérifiez-le, puis choisissez-le de nouveau.",
    "locked": (
        "Ce PDF est protégé par un mot de passe ou par des restrictions. Enregistrez-le sans protection, "
        "ou photographiez le document."
    ),
    "pages": "Ce PDF a trop de pages : quatre au plus. Gardez seulement les pages de la copie.",
    "paper": (
        "Une page de ce PDF a un format que le portail ne peut pas lire. Photographiez le document, ou "
        "imprimez-le en PDF au format A4."
    ),
    "heavy": "Ce fichier demande trop de travail pour être lu. Photographiez le document, puis choisissez la photo.",
    "busy": "Le portail lit déjà plusieurs documents. Choisissez le fichier de nouveau dans une minute.",
    "infected": (
        "L’antivirus a reconnu un programme malveillant dans ce fichier : rien n’en a été gardé. Envoyez "
        "une photo prise par un autre appareil, et faites examiner le vôtre."
    ),
}


class ProofRefused(Refusal):
    """The file is at fault. `code` is its one word for the logs; the message says what to do."""

    def __init__(self, code: str) -> None:
        super().__init__(SENTENCES[code])
        self.code = code


class Page(bytes):
    """A page that we made, as JPEG. Not written out when somebody prints what holds it."""

    def __repr__(self) -> str:
        return f"Page({len(self)} octets)"


def kind_of(name: str, data: bytes) -> str:
    """`png`, `jpeg` or `pdf`, if the extension and the first bytes say the same. Raises ProofRefused."""
    if not data:
        raise ProofRefused("empty")
    if len(data) > MAX_BYTES:
        raise ProofRefused("large")
    if APPLE.match(data):
        raise ProofRefused("apple")
    announced = EXTENSIONS.get(name.rpartition(".")[2].lower())
    found = next((kind for kind, start in SIGNATURES.items() if data.startswith(start)), None)
    if found is None:
        raise ProofRefused("mismatch" if announced else "type")
    if found != announced:
        raise ProofRefused("mismatch")
    return found


def remake(kind: str, data: bytes, *, caption: str) -> list[Page]:
    """The pages of the file as new JPEG images with the caption in them. Raises ProofRefused."""
    if not TURN.acquire(timeout=TURN_SECONDS):
        raise ProofRefused("busy")
    try:
        with leaving_no_trace():
            return _pages(_ask(kind, data, caption))
    finally:
        TURN.release()


def command() -> list[str]:
    """Python alone (-I): neither this folder, nor the environment, nor the user's packages."""
    return [sys.executable, "-I", "-B", str(READER)]


def question(kind: str, data: bytes, caption: str) -> bytes:
    return json.dumps({"kind": kind, "caption": caption[:200]}).encode() + b"\n" + data


def _ask(kind: str, data: bytes, caption: str) -> bytes:
    with subprocess.Popen(
        command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={}, cwd="/"
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        killer = threading.Timer(SECONDS, reader.kill)
        killer.start()
        try:
            with contextlib.suppress(BrokenPipeError):  # dead before it had read everything
                try:
                    reader.stdin.write(question(kind, data, caption))
                finally:
                    reader.stdin.close()
            out = reader.stdout.read(MAX_ANSWER + 1)
        finally:
            reader.kill()  # it has answered, or says more than it may
            killer.cancel()
    if not out:
        log.warning("lecteur de preuves arrêté", extra={"code": reader.returncode})
    return out


def _pages(out: bytes) -> list[Page]:
    """What the reader answered, believed as little as the file: it may have been taken over."""
    if out.startswith(b"no "):
        code = out[3:20].decode("ascii", "replace")
        raise ProofRefused(code if code in SENTENCES else "unreadable")
    if not out.startswith(b"ok"):
        raise ProofRefused("heavy")  # killed by one of its limits
    pages, at = [], 2
    while at < len(out):
        (length,) = struct.unpack("!I", out[at : at + 4].rjust(4, b"\xff"))
        page = Page(out[at + 4 : at + 4 + length])
        if len(page) != length or not (page.startswith(b"\xff\xd8\xff") and page.endswith(b"\xff\xd9")):
            raise ProofRefused("heavy")
        pages.append(page)
        at += 4 + length
    if not 1 <= len(pages) <= MAX_PAGES:
        raise ProofRefused("heavy")
    return pages
