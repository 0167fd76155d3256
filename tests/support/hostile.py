"""Files that somebody hostile, or unlucky, might send as a proof. All are made here, none was copied from anywhere.

`CORPUS` gives each one by name: the file name, a function that makes its bytes, and what must become of it: the code
of its refusal, or `REMADE` (nothing of it is left but harmless pixels).
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

REMADE = ""
CANARY = b"CANARI-4f7a-ne-doit-pas-survivre"
SIZE = (800, 500)


def picture(size: tuple[int, int] = SIZE, mode: str = "RGB") -> Image.Image:
    """An invented card: something to see on it, red at the top left and blue at the bottom right."""
    image = Image.new("RGB", size, "#dde8f4")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, size[0] // 3, size[1] // 3), fill="#d01010")
    pen.rectangle((size[0] * 2 // 3, size[1] * 2 // 3, *size), fill="#1010d0")
    return image.convert(mode)


def saved(image: Image.Image, form: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def png(**options) -> bytes:
    return saved(picture(), "PNG", **options)


def jpeg(**options) -> bytes:
    return saved(picture(), "JPEG", **options)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("charge.txt", CANARY)
    return out.getvalue()


# PNG, by hand


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))


def header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack("!IIBBBBB", width, height, depth, colour, 0, 0, 0))


def with_chunk(kind: bytes, data: bytes) -> bytes:
    """An honest PNG with one chunk more, just after its header."""
    whole = png()
    return whole[:33] + chunk(kind, data) + whole[33:]


@cache
def deflated_zeros(megabytes: int) -> bytes:
    squeeze = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(squeeze.compress(block) for _ in range(megabytes)) + squeeze.flush()


def vast_png(width: int, height: int, *, depth: int = 1, colour: int = 0) -> bytes:
    """All its pixels are there, black, in a few kilobytes."""
    line = (width * depth * (3 if colour == 2 else 1) + 7) // 8 + 1
    return header(width, height, depth, colour) + chunk(b"IDAT", deflated_zeros(line * height // 2**20 + 1))


# JPEG, by hand


def with_marker(marker: int, data: bytes) -> bytes:
    whole = jpeg()
    return whole[:2] + struct.pack("!BBH", 0xFF, marker, len(data) + 2) + data + whole[2:]


def located() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = exif[0x9286] = CANARY.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (50.0, 28.0, 2.0), 3: "E", 4: (4.0, 51.0, 59.0), 29: "2025:05:12"})
    return jpeg(exif=exif, comment=CANARY, icc_profile=CANARY * 9)


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return jpeg(exif=exif)


def many_scans() -> bytes:
    """A progressive image whose last scan is repeated: little to send, long to decode."""
    whole = saved(picture((6000, 6000)), "JPEG", progressive=True, quality=5)
    at = whole.rindex(b"\xff\xda")
    scan = whole[at:-2]
    return whole[:at] + scan * min(4000, 7_500_000 // len(scan)) + b"\xff\xd9"


# PDF, by hand


def pdf(*objects: bytes, catalog: bytes = b"", trailer: bytes = b"", start: int | None = None) -> bytes:
    """Object 1 is the catalog, 2 the pages; those given are numbered from 3."""
    body = [b"<< /Type /Catalog /Pages 2 0 R " + catalog + b" >>", *objects]
    out, offsets = b"%PDF-1.7\n", []
    for number, content in enumerate(body, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(body) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    at = len(out) if start is None else start
    return out + table + b"trailer << /Size %d /Root 1 0 R %b >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(body) + 1, trailer, at
    )  # fmt: skip


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<< /Length %d %b >>\nstream\n%b\nendstream" % (len(data), entries, data)


DRAWING = stream(b"1 0 0 rg 0 420 200 422 re f 0 0 1 rg 400 0 195 300 re f")


def document(
    *more: bytes, count: int = 1, box: bytes = b"0 0 595 842", page: bytes = b"", contents: bytes = DRAWING, **rest
) -> bytes:
    """Pages that all show the same drawing (object 3); `more` objects are numbered after the pages."""
    kids = b" ".join(b"%d 0 R" % (4 + number) for number in range(count))
    pages = [b"<< /Type /Page /Parent 2 0 R /MediaBox [%b] /Contents 3 0 R %b >>" % (box, page)] * count
    return pdf(b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, count), contents, *pages, *more, **rest)


SCRIPT = b"<< /S /JavaScript /JS (app.alert\\('%b'\\)) >>" % CANARY


def attached() -> bytes:
    names = b"/Names << /EmbeddedFiles << /Names [(charge.exe) 5 0 R] >> >>"
    spec = b"<< /Type /Filespec /F (charge.exe) /EF << /F 6 0 R >> >>"
    return document(spec, stream(b"MZ" + CANARY, b"/Type /EmbeddedFile"), catalog=names)


def form_with_script() -> bytes:
    field = b"<< /Type /Annot /Subtype /Widget /FT /Tx /T (x) /V (%b) /Rect [50 50 90 90] /A %b >>" % (CANARY, SCRIPT)
    return document(field, page=b"/Annots [5 0 R]", catalog=b"/AcroForm << /Fields [5 0 R] >>")


def protected() -> bytes:
    """The dictionary of a document under a password, whose key nobody has."""
    key = b"/Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <%b> /U <%b>" % (b"41" * 32, b"42" * 32)
    return document(b"<< %b >>" % key, trailer=b"/Encrypt 5 0 R /ID [<%b> <%b>]" % (b"43" * 16, b"43" * 16))


def restricted() -> bytes:
    """Opens without a password (the empty one), but says that it may not be copied: RC4 of 40 bits, revision 2."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.ciphers import Cipher

    def md5(data: bytes) -> bytes:
        digest = hashes.Hash(hashes.MD5())  # what the format says
        digest.update(data)
        return digest.finalize()

    def rc4(secret: bytes, data: bytes) -> bytes:
        return Cipher(ARC4(secret), mode=None).encryptor().update(data)

    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    owner = rc4(md5(padding)[:5], padding)
    secret = md5(padding + owner + struct.pack("<i", -64) + b"C" * 16)[:5]
    entries = b"/Filter /Standard /V 1 /R 2 /P -64 /O <%b> /U <%b>" % (
        owner.hex().encode(), rc4(secret, padding).hex().encode()
    )  # fmt: skip
    drawing = DRAWING.split(b"stream\n")[1].split(b"\nendstream")[0]
    own = md5(secret + (3).to_bytes(3, "little") + b"\0\0")[:10]
    ids = b"/Encrypt 5 0 R /ID [<%b> <%b>]" % (b"43" * 16, b"43" * 16)
    return document(b"<< %b >>" % entries, trailer=ids, contents=stream(rc4(own, drawing)))


def deep_bomb() -> bytes:
    """A drawing of half a gigabyte of operators, deflated twice."""
    twice = zlib.compress(zlib.compress(b"0 0 m 9 9 l S " * (1 << 23), 9), 9)
    return document(contents=stream(twice, b"/Filter [/FlateDecode /FlateDecode]"))


def image_bomb() -> bytes:
    """An image of 900 megapixels in one page."""
    entries = b"/Type /XObject /Subtype /Image /Width 30000 /Height 30000 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    image = stream(deflated_zeros(859), entries + b" /Filter /FlateDecode")
    drawing = stream(b"595 0 0 842 0 0 cm /I Do")
    return document(image, contents=drawing, page=b"/Resources << /XObject << /I 5 0 R >> >>")


def endless_forms() -> bytes:
    """Drawings that draw drawings, ten times each, ten deep."""
    entries = b"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /F %d 0 R >> >>"
    levels = [stream(b"/F Do " * 10, entries % (6 + level)) for level in range(10)]
    last = stream(b"0 0 m 500 500 l S " * 50, b"/Type /XObject /Subtype /Form /BBox [0 0 595 842]")
    page = b"/Resources << /XObject << /F 5 0 R >> >>"
    return document(*levels, last, contents=stream(b"/F Do " * 10), page=page)


@dataclass(frozen=True)
class Hostile:
    name: str  # as the client gives it
    made: Callable[[], bytes]
    becomes: str
    kind: str = "application/octet-stream"  # what the client says it is


def gif(frames: int = 3) -> bytes:
    return saved(picture(), "GIF", save_all=True, append_images=[picture()] * (frames - 1))


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert('" + CANARY + b"')</script>"
EXE = b"MZ\x90\x00" + bytes(200) + CANARY
TEXT_BOMB = b"Comment\0\0" + deflated_zeros(500)

CORPUS: dict[str, Hostile] = {
    # What it is not
    "svg": Hostile("carte.svg", lambda: SVG, "type", "image/svg+xml"),
    "svg as png": Hostile("carte.png", lambda: SVG, "mismatch", "image/png"),
    "html as jpg": Hostile("carte.jpg", lambda: HTML, "mismatch", "image/jpeg"),
    "exe as pdf": Hostile("carte.pdf", lambda: EXE, "mismatch", "application/pdf"),
    "zip": Hostile("carte.zip", zipped, "type", "application/zip"),
    "zip as png": Hostile("carte.png", zipped, "mismatch", "image/png"),
    "gif with script": Hostile("carte.gif", lambda: b"GIF89a/*" + HTML + b"*/=1;", "type", "image/gif"),
    "gif as png": Hostile("carte.png", gif, "mismatch", "image/png"),
    "tiff of many pages as jpg": Hostile(
        "carte.jpg", lambda: saved(picture(), "TIFF", save_all=True, append_images=[picture()]), "mismatch"
    ),
    "heic": Hostile("IMG_0001.HEIC", lambda: b"\0\0\0\x18ftypheic" + bytes(99), "apple", "image/heic"),
    "heic as jpg": Hostile("IMG_0001.jpg", lambda: b"\0\0\0\x18ftypheic" + bytes(99), "apple", "image/jpeg"),
    "png as html": Hostile("carte.html", png, "mismatch", "image/png"),
    "png as jpg": Hostile("carte.jpg", png, "mismatch", "image/jpeg"),
    "jpeg as pdf": Hostile("carte.pdf", jpeg, "mismatch", "application/pdf"),
    "no extension": Hostile("carte", png, "mismatch", "image/png"),
    "empty": Hostile("carte.png", bytes, "empty", "image/png"),
    "one byte too many": Hostile("carte.png", lambda: png() + bytes(8_000_001 - len(png())), "large"),
    "html before a pdf": Hostile("carte.pdf", lambda: HTML + document(), "mismatch", "application/pdf"),
    # Two things at once: what follows the picture is gone
    "png and zip": Hostile("carte.png", lambda: png() + zipped(), REMADE),
    "jpeg and html": Hostile("carte.jpg", lambda: jpeg() + HTML, REMADE),
    "jpeg with html inside": Hostile("carte.jpg", lambda: with_marker(0xFE, HTML), REMADE),
    "jpeg as a script": Hostile("carte.jpg", lambda: with_marker(0xE5, b"*/=1;/*" + CANARY), REMADE),
    "pdf and zip": Hostile("carte.pdf", lambda: document() + zipped(), REMADE),
    # Images that say too much
    "gps": Hostile("carte.jpg", located, REMADE),
    "png with text": Hostile("carte.png", lambda: with_chunk(b"tEXt", b"Comment\0" + CANARY), REMADE),
    "cmyk": Hostile("carte.jpg", lambda: saved(picture(mode="CMYK"), "JPEG"), REMADE),
    "16 bits": Hostile(
        "carte.png", lambda: saved(picture(mode="I").point(lambda v: v * 257).convert("I;16"), "PNG"), REMADE
    ),
    "palette": Hostile("carte.png", lambda: saved(picture(mode="P"), "PNG", transparency=0), REMADE),
    "broken exif": Hostile("carte.jpg", lambda: with_marker(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"), REMADE),
    "exif that turns on itself": Hostile(
        "carte.jpg", lambda: with_marker(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x01\0i\x87\x04\0\x01\0\0\0\x08\0\0\0"), REMADE
    ),
    # Images that are too much
    "60000 x 60000, header only": Hostile(
        "carte.png", lambda: header(60_000, 60_000) + chunk(b"IDAT", bytes(1950)), "pixels"
    ),
    "200 megapixels": Hostile("carte.png", lambda: vast_png(20_000, 10_000), "pixels"),
    "a strip": Hostile("carte.png", lambda: vast_png(1, 65_000), "pixels"),
    "a shorter strip": Hostile("carte.png", lambda: vast_png(8, 15_000), "small"),
    "one pixel": Hostile("carte.png", lambda: saved(Image.new("RGB", (1, 1)), "PNG"), "small"),
    "all black, 49 megapixels": Hostile("carte.png", lambda: vast_png(7_000, 7_000, depth=8, colour=2), "blank"),
    "animated png": Hostile(
        "carte.png", lambda: png(save_all=True, append_images=[picture().rotate(9 * n) for n in range(1, 9)]), "frames"
    ),
    "zTXt bomb": Hostile("carte.png", lambda: with_chunk(b"zTXt", TEXT_BOMB), "unreadable"),
    "iCCP bomb": Hostile("carte.png", lambda: with_chunk(b"iCCP", TEXT_BOMB), "unreadable"),
    "many scans": Hostile("carte.jpg", many_scans, "heavy"),
    # Images that are damaged
    "truncated jpeg": Hostile("carte.jpg", lambda: jpeg()[: len(jpeg()) // 2], "unreadable"),
    "truncated png": Hostile("carte.png", lambda: png()[:-200], "unreadable"),
    "header of a jpeg": Hostile("carte.jpg", lambda: b"\xff\xd8\xff\xe0", "unreadable"),
    "png of nothing": Hostile("carte.png", lambda: header(0, 0), "unreadable"),
    "png with a wrong sum": Hostile("carte.png", lambda: png().replace(b"IDAT", b"IDAU"), "unreadable"),
    # PDF
    "pdf with a script": Hostile("carte.pdf", lambda: document(catalog=b"/OpenAction " + SCRIPT), REMADE),
    "pdf with a form and a script": Hostile("carte.pdf", form_with_script, REMADE),
    "pdf that launches": Hostile(
        "carte.pdf", lambda: document(catalog=b"/OpenAction << /S /Launch /F (cmd.exe) /P (%b) >>" % CANARY), REMADE
    ),
    "pdf that calls home": Hostile(
        "carte.pdf", lambda: document(page=b"/AA << /O << /S /URI /URI (http://%b.test/) >> >>" % CANARY), REMADE
    ),
    "pdf with a file": Hostile("carte.pdf", attached, REMADE),
    "pdf under a password": Hostile("carte.pdf", protected, "locked"),
    "pdf with restrictions": Hostile("carte.pdf", restricted, "locked"),
    "pdf of 500 pages": Hostile("carte.pdf", lambda: document(count=500), "pages"),
    "pdf of 5 pages": Hostile("carte.pdf", lambda: document(count=5), "pages"),
    "pdf without pages": Hostile("carte.pdf", lambda: document(count=0), "unreadable"),
    "pdf with a blank page": Hostile("carte.pdf", lambda: document(contents=stream(b"")), "blank"),
    "pdf of a huge page": Hostile("carte.pdf", lambda: document(box=b"0 0 900000 900000"), REMADE),
    "pdf of a long page": Hostile("carte.pdf", lambda: document(box=b"0 0 10 900000"), "paper"),
    "pdf of a page without size": Hostile("carte.pdf", lambda: document(box=b"0 0 0 0"), REMADE),
    "pdf with a broken table": Hostile("carte.pdf", lambda: document(start=3), REMADE),
    "truncated pdf": Hostile("carte.pdf", lambda: document()[:90], "unreadable"),
    "pdf of noise": Hostile("carte.pdf", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 40, "unreadable"),
    "pdf that draws for ever": Hostile("carte.pdf", endless_forms, "heavy"),
    "pdf with a bomb": Hostile("carte.pdf", deep_bomb, "heavy"),
    "pdf with a vast image": Hostile("carte.pdf", image_bomb, "blank"),
}

# An honest picture under a name that is not: the name must go nowhere.
NAMES = {
    "folders": "../../../etc/cron.d/carte.png",
    "folders of Windows": "..\\..\\windows\\carte.png",
    "absolute": "/etc/passwd.png",
    "nul": "carte\0.png",
    "new lines": "carte.png\r\nX-Injecte: oui\r\n.png",
    "right to left": "carte\u202egpj.png",
    "quotes": 'carte"; filename="autre.exe";\'.png',
    "long": "c" * 400 + ".png",
    "device": "CON.png",
    "markup": "<script>alert(1)</script>.png",
    "national number": "85073003328.png",
    "capitals": "CARTE.PNG",
}


def phone_photo() -> bytes:
    """What a telephone makes: 12 megapixels, about 4 MB, lying on its side, with its place."""
    image = Image.effect_noise((4032, 3024), 40).convert("RGB")
    image.paste(picture((2400, 1500)), (800, 700))
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image, "JPEG", quality=78, exif=exif)
