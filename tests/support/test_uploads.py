"""Files on their way in: stopped while they arrive, never on a disk, and the rest of the form is kept (SEC-E5, E6)."""

import base64
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from support.proofs import Prepared, ProofField
from support.reading import MAX_BYTES, SENTENCES, ProofRefused
from support.uploads import MAX_REQUEST, TooLarge, plain_name
from tests.bma_portal.processes import wait_until
from tests.bma_portal.production import free_port, reachable
from tests.support.hostile import CORPUS, NAMES, REMADE, png
from tests.support.upload_site import Form

SITE = "tests.support.upload_site"
BOUNDARY = "separation"
KIND = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = SITE
    settings.MIDDLEWARE = [
        name for name in settings.MIDDLEWARE if name.startswith(("django.middleware.common", "django.middleware.csrf"))
    ]


def part(field: str, content: bytes, name: str | None = None, more: str = "") -> bytes:
    file = "" if name is None else f'; filename="{name}"\r\nContent-Type: image/png'
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"{file}{more}\r\n\r\n'.encode()
        + content
        + b"\r\n"
    )


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def post(*parts: bytes, to: str = "/essai/", client: Client | None = None, **extra):
    return (client or Client()).generic("POST", to, body(*parts), content_type=KIND, **extra)


NAME = part("name", b"Camille Fictive")


# The rest of the form is kept


def test_an_honest_file_gives_its_pages():
    answer = post(NAME, part("proof", png(), "carte.png")).json()
    assert answer["valid"], answer["errors"]


@pytest.mark.parametrize(
    "name", [name for name, hostile in CORPUS.items() if hostile.becomes not in {REMADE, "heavy"}]
)
def test_a_refused_file_leaves_the_rest_of_the_form_as_it_was_typed(name):
    hostile = CORPUS[name]
    answer = post(NAME, part("proof", hostile.made(), hostile.name)).json()
    assert answer["errors"] == {"proof": [SENTENCES[hostile.becomes]]}
    assert 'value="Camille Fictive"' in answer["html"]


def test_no_file_is_said_in_french_too():
    assert post(NAME).json()["errors"] == {"proof": ["Choisissez le fichier de la copie."]}


def test_a_file_is_not_asked_again_when_one_is_there():
    assert ProofField().clean(None, initial=True) is None
    assert ProofField(required=False).clean(None) is None
    with pytest.raises(ValidationError, match="Choisissez le fichier"):
        ProofField().clean(None)


def test_a_proof_is_never_prepared_without_its_caption():
    with pytest.raises(RuntimeError):
        ProofField().clean(SimpleUploadedFile("carte.png", png()))


def test_the_cleaned_value_is_a_prepared_proof():
    form = Form({"name": "Camille"}, {"proof": SimpleUploadedFile("carte.png", png())})
    assert form.is_valid()
    assert isinstance(form.cleaned_data["proof"], Prepared)
    assert len(form.cleaned_data["proof"].pages) == 1


# Too large


def test_a_file_over_8_megabytes_is_an_error_of_its_field_and_is_not_held():
    response = post(part("proof", b"x" * (MAX_BYTES + 1), "carte.png"), NAME)
    assert response.json()["errors"] == {"proof": [SENTENCES["large"]]}
    assert 'value="Camille Fictive"' in response.json()["html"]


def test_the_largest_file_is_received_whole():
    data = png()
    answer = post(NAME, part("proof", data + bytes(MAX_BYTES - len(data)), "carte.png")).json()
    assert answer["valid"], answer["errors"]


def test_any_other_field_of_the_site_is_told_so_too():
    answer = post(NAME, part("file", b"x" * (MAX_BYTES + 1), "nuit.csv"), to="/essai/simple/").json()
    assert answer["errors"] == {"file": [SENTENCES["large"]]}
    assert post(NAME, part("file", b"x" * 500, "nuit.csv"), to="/essai/simple/").json()["valid"]


def test_what_is_left_of_a_file_too_large_cannot_be_read():
    left = TooLarge("fichier.png", "image/png")
    for deed in (left.read, left.open, left.chunks, left.seek):
        with pytest.raises(ProofRefused):
            deed()
    with pytest.raises(ValidationError):
        _ = left.size
    left.close()


class Counted:
    """A body that tells how much of it was read."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        self.read_bytes += size
        return b"x" * size

    readline = read


@pytest.mark.parametrize("enforce_csrf", [False, True])
@pytest.mark.parametrize("size", [MAX_REQUEST + 1, 200_000_000])
def test_a_request_over_24_megabytes_is_refused_unread_with_a_french_page(size, enforce_csrf):
    stream = Counted()
    client = Client(enforce_csrf_checks=enforce_csrf)
    client.cookies["csrftoken"] = "a" * 32
    response = client.generic("POST", "/essai/", b"x", KIND, **{"CONTENT_LENGTH": str(size), "wsgi.input": stream})
    html = response.content.decode()
    assert response.status_code == 413
    assert stream.read_bytes == 0
    assert "Cet envoi est trop volumineux" in html
    assert "rien n’a été enregistré" in html
    assert response["Cache-Control"] == "no-store"


def test_three_large_files_fit_in_one_request():
    third = b"x" * (MAX_REQUEST // 3 - 1000)
    response = post(NAME, *(part(f"f{n}", third, "a.png") for n in range(3)))
    assert response.status_code == 200


def test_too_much_text_is_the_same_page():
    response = post(part("name", b"x" * 1_000_001))
    assert response.status_code == 413
    assert "Cet envoi est trop volumineux" in response.content.decode()


@pytest.mark.parametrize("count", [6, 150])
def test_more_than_a_few_files_are_refused(count):
    response = post(NAME, *(part("proof", b"x", "carte.png") for _ in range(count)))
    assert response.status_code == 400
    assert "n’a pas pu être lue" in response.content.decode()


def test_a_file_sent_in_base64_is_the_same_file():
    more = "\r\nContent-Transfer-Encoding: base64"
    assert post(NAME, part("proof", base64.encodebytes(png()), "carte.png", more)).json()["valid"]
    large = base64.b64encode(b"x" * (MAX_BYTES + 3))
    assert post(NAME, part("proof", large, "carte.png", more)).json()["errors"] == {"proof": [SENTENCES["large"]]}


# The client's name


@pytest.mark.parametrize("name", NAMES)
def test_the_client_s_name_goes_no_further_than_the_door(name, caplog):
    caplog.set_level("DEBUG")
    sent = NAMES[name].replace('"', "%22").replace("\r\n", "%0D%0A")
    response = post(NAME, part("proof", png(), sent))
    answer = response.json()
    assert answer["names"] in (["fichier.png"], ["fichier"], [])
    everything = caplog.text + str(response.headers) + response.content.decode()
    for mark in ("carte", "/etc", "85073003328", "ccccc", "CON.", "alert", "X-Injecte", "\u202e"):
        assert mark not in everything


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("photo.JPG", "fichier.jpg"),
        ("a.b.pdf", "fichier.pdf"),
        ("sans", "fichier.sans"),
        ("a.", "fichier"),
        ("a.p\u202eng", "fichier"),
        ("a.exécutable", "fichier"),
        ("a.toolong", "fichier"),
        ("", "fichier"),
    ],
)
def test_only_an_extension_is_kept_of_a_name(sent, kept):
    assert plain_name(sent) == kept


# Nothing on a disk


def test_nothing_is_written_while_a_file_is_received(monkeypatch):
    for name in ("TemporaryFile", "NamedTemporaryFile", "mkstemp", "mkdtemp", "SpooledTemporaryFile"):
        monkeypatch.setattr(tempfile, name, lambda *_, **__: pytest.fail("un fichier temporaire"))
    assert post(NAME, part("proof", png() + bytes(6_000_000), "carte.png")).json()["valid"]


def test_the_whole_site_receives_files_that_way():
    assert settings.FILE_UPLOAD_HANDLERS == ["support.uploads.InMemory"]
    assert settings.DATA_UPLOAD_MAX_NUMBER_FILES == 5


@pytest.fixture
def server(tmp_path):
    """A real server, whose temporary folder is `tmp`. Yields its port, its process, that folder."""
    folder, port = tmp_path / "tmp", free_port()
    folder.mkdir()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "tests.support.upload_server",
        "--bind",
        f"127.0.0.1:{port}",
        "--threads",
        "4",
    ]
    command += ["--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environ = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command, cwd=settings.ROOT, env=environ, start_new_session=True, **quiet)
    try:
        wait_until(lambda: answers(port), 30, "the server")
        yield port, process, folder
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/essai/", timeout=5) as page:
        return page.status == 200
    return False


def workers(process: subprocess.Popen) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def open_files(pid: int) -> list[str]:
    """Regular files that this process holds open, the deleted ones too."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(entry)
            if target.startswith("/") and not target.startswith(("/dev/", "/proc/")):
                found.append(target)
    return found


def memory(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def head(size: int) -> bytes:
    return (
        f"POST /essai/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {KIND}\r\nContent-Length: {size}\r\n\r\n".encode()
    )


@pytest.mark.slow
def test_a_server_killed_while_it_receives_a_file_leaves_nothing_behind(server):
    port, process, folder = server
    before = set(Path(tempfile.gettempdir()).glob("*upload*"))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        sent = NAME + part("proof", b"", "carte.png")[:-2] + png() + bytes(4_000_000)
        connection.sendall(head(len(sent) + 3_000_000) + sent)
        (pid,) = workers(process)
        wait_until(lambda: memory(pid) > 4_000_000, 10, "the file to arrive")
        time.sleep(0.5)
        assert open_files(pid) == []
        os.kill(pid, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
    assert list(folder.iterdir()) == []
    assert set(Path(tempfile.gettempdir()).glob("*upload*")) == before


@pytest.mark.slow
def test_a_stream_of_200_megabytes_is_cut_at_once(server):
    port, process, folder = server
    (pid,) = workers(process)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head(200_000_000) + NAME + part("proof", b"", "carte.png")[:-2])
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 413")
        warm = memory(pid)
        taken = 0
        with contextlib.suppress(OSError):
            for _ in range(2000):
                connection.sendall(bytes(100_000))
                taken += 100_000
    assert taken < MAX_REQUEST  # what the sockets of both ends hold, and no more
    assert memory(pid) - warm < 5_000_000
    assert open_files(pid) == []
    assert list(folder.iterdir()) == []
    assert reachable(port)
