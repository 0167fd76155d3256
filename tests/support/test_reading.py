"""Hostile files: each is refused with a sentence that helps, or nothing of it is left but pixels (SEC-E1 to E4)."""

import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, ImageChops, ImageOps

from support import proofs, reader, reading
from support.reading import SENTENCES, ProofRefused
from tests.support.hostile import (
    CANARY,
    CORPUS,
    NAMES,
    REMADE,
    chunk,
    document,
    header,
    jpeg,
    phone_photo,
    picture,
    png,
    stream,
    turned,
)

CAPTION = "Copie remise au portail BMA – essai – 12 mai 2025"
KINDS = {"carte.png": png, "carte.jpg": jpeg, "carte.jpeg": jpeg, "CARTE.JPG": jpeg, "carte.pdf": document}


def prepare(name: str, data: bytes, kind: str = "", *, caption: str = CAPTION) -> list[Image.Image]:
    prepared = proofs.prepare(SimpleUploadedFile(name, data, content_type=kind), caption=caption)
    for page in prepared.pages:
        assert_harmless(page)
    return [Image.open(io.BytesIO(page)) for page in prepared.pages]


def assert_harmless(page: bytes) -> None:
    """A JPEG of ours: pixels, and not one byte that we did not write."""
    with Image.open(io.BytesIO(page)) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert reader.SHORTEST_LONGEST <= max(image.size) <= reader.LONGEST
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not image.getexif()
        assert image.app.keys() == {"APP0"}
        image.load()
    assert page.endswith(b"\xff\xd9")
    assert page.count(b"\xff\xd9") == 1
    for mark in (CANARY, b"PK\x03\x04", b"<script", b"JavaScript", b"Exif", b"ICC_PROFILE", b"%PDF"):
        assert mark not in page


def red_and_blue(image: Image.Image) -> tuple[tuple[int, int], tuple[int, int]]:
    """Where the two colours of the invented card are: the middle of each, in tenths of the sides."""
    red, _, blue = image.convert("RGB").split()
    found = []
    for one, other in ((red, blue), (blue, red)):
        lit = one.point(lambda v: 255 if v > 150 else 0)
        dark = other.point(lambda v: 255 if v < 60 else 0)
        box = ImageChops.darker(lit, dark).getbbox()
        found.append(((box[0] + box[2]) * 5 // image.width, (box[1] + box[3]) * 5 // image.height))
    return found[0], found[1]


# The corpus


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 60
    assert {hostile.becomes for hostile in CORPUS.values()} | {"busy", "infected"} == {REMADE, *SENTENCES}


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_file_is_refused_or_made_harmless(name):
    hostile = CORPUS[name]
    data = hostile.made()
    started = time.monotonic()
    if hostile.becomes == REMADE:
        pages = prepare(hostile.name, data, hostile.kind)
        assert len(pages) == 1
    else:
        with pytest.raises(ProofRefused) as refused:
            prepare(hostile.name, data, hostile.kind)
        assert refused.value.code == hostile.becomes
        assert str(refused.value) == SENTENCES[hostile.becomes]
    assert time.monotonic() - started < reading.SECONDS + 5


@pytest.mark.parametrize("code", SENTENCES)
def test_each_refusal_is_a_french_sentence_that_says_what_to_do(code):
    sentence = SENTENCES[code]
    assert sentence.endswith(".")
    assert "'" not in sentence
    advice = ("hoisissez", "photographiez", "Photographiez", "Reprenez", "Gardez", "Envoyez", "Faites")
    assert any(word in sentence for word in advice)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", ["", "image/gif", "text/html", "application/x-msdownload"])
def test_what_the_browser_says_of_the_type_changes_nothing(name, kind):
    (page,) = prepare(name, KINDS[name](), kind)
    assert page.width > page.height or name.endswith("pdf")


@pytest.mark.parametrize("name", NAMES)
def test_the_name_serves_for_its_extension_and_no_more(name, caplog):
    caplog.set_level("DEBUG")
    upload = SimpleUploadedFile("x.png", png())
    upload._name = NAMES[name]  # as no handler of Django's would leave it
    if not NAMES[name].lower().endswith(".png"):
        with pytest.raises(ProofRefused):
            proofs.prepare(upload, caption=CAPTION)
    else:
        proofs.prepare(upload, caption=CAPTION)
    assert NAMES[name] not in caplog.text
    assert reading.command()[1:3] == ["-I", "-B"]
    assert len(reading.command()) == 4


# What is kept of an honest file


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_that_lies_on_its_side_is_put_upright(orientation):
    data = turned(orientation)
    (page,) = prepare("carte.jpg", data)
    meant = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert (page.width > page.height) == (meant.width > meant.height)
    assert red_and_blue(page) == red_and_blue(meant)


@pytest.mark.parametrize("name", ["gps", "png and zip", "cmyk", "png with text", "broken exif", "palette"])
def test_what_is_on_the_card_stays_readable(name):
    hostile = CORPUS[name]
    (page,) = prepare(hostile.name, hostile.made())
    assert red_and_blue(page) == red_and_blue(picture())


def test_a_16_bit_scan_is_neither_black_nor_white():
    (page,) = prepare("carte.png", CORPUS["16 bits"].made())
    low, high = page.convert("L").getextrema()
    assert low < 60
    assert high > 200


def test_what_is_transparent_becomes_white():
    image = picture().convert("RGBA")
    image.paste((0, 0, 0, 0), (300, 0, 500, 500))
    out = io.BytesIO()
    image.save(out, "PNG")
    (page,) = prepare("carte.png", out.getvalue(), caption=" ")
    assert page.getpixel((page.width // 2, page.height // 2))[1] > 240


def test_a_pdf_of_four_pages_gives_four_with_what_hides_a_number_drawn():
    note = b"<< /Type /Annot /Subtype /Square /Rect [50 50 300 300] /C [0 0 0] /IC [0 0 0] /AP << /N 9 0 R >> >>"
    drawn = stream(b"0 0 0 rg 50 50 250 250 re f", b"/Type /XObject /Subtype /Form /BBox [50 50 300 300]")
    data = document(note, drawn, count=4, page=b"/Annots [8 0 R]")
    pages = prepare("carte.pdf", data, caption=" ")
    assert len(pages) == 4
    page = pages[0]
    assert max(page.getpixel((page.width // 4, page.height * 4 // 5))) < 40


def test_the_caption_crosses_the_whole_page_and_reads_in_the_pixels():
    one, other = (prepare("carte.png", png(), caption=text)[0] for text in (CAPTION, " "))
    changed = ImageChops.difference(one, other).convert("L").point(lambda v: 255 if v > 60 else 0)
    for row in range(4):
        for column in range(4):
            left, top = one.width * column // 4, one.height * row // 4
            assert changed.crop((left, top, left + one.width // 4, top + one.height // 4)).getbbox(), (
                f"rien d’écrit en {column}, {row}"
            )


def test_the_caption_is_written_with_signs_that_the_font_has():
    assert (
        reader.fold("Copie remise à l’école – œuvre – 12 août 2025")
        == "Copie remise a l'ecole - oeuvre - 12 aout 2025"
    )
    assert reader.fold("« BMA-BCDF-2345 »") == "« BMA-BCDF-2345 »"
    assert reader.fold("a\u202eb\n\0c" + "x" * 500) == "abc" + "x" * 157


def test_an_image_is_brought_to_a_size_that_can_be_kept():
    (page,) = prepare("carte.jpg", phone_photo())
    assert page.size == (1500, 2000)  # upright
    (small,) = prepare("carte.png", png_of(300, 220))
    assert max(small.size) == reader.SHORTEST_LONGEST


def png_of(width: int, height: int) -> bytes:
    out = io.BytesIO()
    picture((width, height)).save(out, "PNG")
    return out.getvalue()


# The reader has nothing


def asked(kind: str, data: bytes) -> tuple[bytes, float, int]:
    """The reader's answer, the seconds that it worked, and the memory that it ever held, in bytes."""
    process = subprocess.Popen(reading.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={}, cwd="/")
    process.stdin.write(reading.question(kind, data, CAPTION))
    process.stdin.close()
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    return out, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def test_dimensions_are_refused_before_anything_is_decoded():
    vast = header(60_000, 60_000) + chunk(b"IDAT", bytes(1950))
    assert len(vast) < 2100
    _, _, idle = asked("png", b"")
    out, seconds, memory = asked("png", vast)
    assert out == b"no pixels"
    assert seconds < 1
    assert memory - idle < 50_000_000


@pytest.mark.parametrize(
    "name",
    ["pdf with a bomb", "pdf that draws for ever", "pdf with a vast image", "all black, 49 megapixels", "zTXt bomb"],
)
def test_a_bomb_has_its_limits_in_time_and_memory(name):
    hostile = CORPUS[name]
    _, seconds, memory = asked(hostile.name[-3:], hostile.made())
    assert seconds < reader.CPU_SECONDS + 1
    assert memory < reader.ADDRESS_SPACE


def test_the_reader_opens_nothing_writes_nothing_and_calls_nobody(tmp_path):
    tried = """
import json, os, runpy, signal, socket, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
reader = runpy.run_path(sys.argv[1], run_name="lu")
out = os.open(sys.argv[2], os.O_WRONLY)
reader["limit"]()
def fails(deed):
    try:
        deed()
    except (OSError, MemoryError):
        return True
    return False
results = {
    "open": fails(lambda: open("/etc/passwd")),
    "create": fails(lambda: open("/tmp/preuve", "w")),
    "write": fails(lambda: os.write(out, b"x")),
    "socket": fails(socket.socket),
    "memory": fails(lambda: bytearray(2 << 30)),
}
print(json.dumps(results))
"""
    path = tmp_path / "vide"
    path.touch()
    done = subprocess.run(
        [sys.executable, "-c", tried, reading.READER, path], capture_output=True, check=True, timeout=30
    )
    assert json.loads(done.stdout) == dict.fromkeys(["open", "create", "write", "socket", "memory"], True)
    assert path.read_bytes() == b""


def test_time_spent_without_end_kills_the_reader():
    program = f"import runpy; runpy.run_path({str(reading.READER)!r}, run_name='lu')['limit']()\nwhile True: pass"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=120)
    assert done.returncode in {-signal.SIGKILL, -signal.SIGXCPU}
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < reader.CPU_SECONDS + 1


# The reader, taken over


OK = b"ok" + struct.pack("!I", len(jpeg())) + jpeg()
TAKEN_OVER = {
    "says nothing": "",
    "does not read": "import os; os._exit(0)",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "hangs": "import time; time.sleep(60)",
    "talks for ever": "import sys\nwhile True: sys.stdout.buffer.write(b'ok' * 100000)",
    "an unknown word": "print('no ../../etc/passwd', end='')",
    "a length that lies": "import sys; sys.stdout.buffer.write(b'ok' + b'\\xff' * 9)",
    "no page": "print('ok', end='')",
    "not a picture": "import sys; sys.stdout.buffer.write(b'ok\\0\\0\\0\\x04<b/>')",
    "many pages": f"import sys; sys.stdout.buffer.write(b'ok' + {OK[2:]!r} * 5)",
    "half a length": f"import sys; sys.stdout.buffer.write({OK!r} + b'\\0')",
}


@pytest.mark.parametrize("way", TAKEN_OVER)
def test_a_reader_that_was_taken_over_is_not_believed(way, monkeypatch):
    monkeypatch.setattr(reading, "command", lambda: [sys.executable, "-c", TAKEN_OVER[way]])
    monkeypatch.setattr(reading, "SECONDS", 2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    with pytest.raises(ProofRefused) as refused:
        reading.remake("png", png() * 100, caption=CAPTION)
    assert refused.value.code in {"heavy", "unreadable"}
    assert time.monotonic() - started < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_only_so_many_readers_work_at_once(monkeypatch):
    monkeypatch.setattr(reading, "TURN_SECONDS", 0.1)
    with reading.TURN, reading.TURN:
        with pytest.raises(ProofRefused) as refused:
            reading.remake("png", png(), caption=CAPTION)
        assert refused.value.code == "busy"
    assert reading.remake("png", png(), caption=CAPTION)


def test_a_page_does_not_show_itself():
    prepared = proofs.Prepared(reading.remake("png", png(), caption=CAPTION))
    assert "xff" not in repr(prepared) + repr(prepared.pages) + repr(prepared.pages[0])
    assert repr(prepared.pages[0]).startswith("Page(")
