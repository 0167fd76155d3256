"""The reader: makes plain JPEG pages of one file that nobody trusts, in a process of its own, with very little.

`support/reading.py` starts it and never imports it. It reads everything from its standard input: a line of JSON
(`kind`, `caption`), then the file. It answers on its standard output: `ok`, then each page after its length in four
bytes; or `no` and the word that says why. It opens no file, writes none, and dies at its limits.
"""

import contextlib
import io
import json
import math
import os
import resource
import struct
import sys
import unicodedata
import warnings
from typing import Any, NoReturn

MAX_PIXELS = 50_000_000  # a telephone of today; 150 MB once decoded
MAX_SIDE = 20_000
MIN_SIDE = 200  # under that nobody reads a card
MAX_PAGES = 4
LONGEST = 2000  # of a remade page
SHORTEST_LONGEST = 1000  # a smaller image grows to that, or the watermark would hide it
MAX_DPI = 300
CPU_SECONDS = 5
ADDRESS_SPACE = 1 << 30
ORIENTATION = 0x0112
DASHES = str.maketrans({"–": "-", "—": "-", "’": "'", "œ": "oe", "Œ": "OE", "°": "o", "\N{NO-BREAK SPACE}": " "})


class Refused(Exception):
    """One word, of those that `support/reading.py` has a sentence for."""


def limit() -> None:
    """From here on: no file is opened nor written, no process started, so much time and memory, no core dump."""
    for what, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, ADDRESS_SPACE),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(what, (most, most))


# Images


def image_pages(kind: str, data: bytes) -> list[Any]:
    """The image, upright, alone. Its dimensions and frames are judged before a single pixel is decoded."""
    decoder = {"png": PngImagePlugin.PngImageFile, "jpeg": JpegImagePlugin.JpegImageFile}[kind]
    image = decoder(io.BytesIO(data))  # this decoder and no other: Image.open would try whichever fits
    if max(image.size) > MAX_SIDE or image.width * image.height > MAX_PIXELS:
        raise Refused("pixels")
    if min(image.size) < MIN_SIDE:
        raise Refused("small")
    if getattr(image, "n_frames", 1) > 1:
        raise Refused("frames")
    image.draft("RGB", (LONGEST, LONGEST))  # a JPEG can be decoded smaller
    image.load()
    orientation = 1
    with contextlib.suppress(Exception):  # what is damaged there is thrown away with the rest
        orientation = image.getexif().get(ORIENTATION, 1)
    ways = Image.Transpose
    turn = {
        2: ways.FLIP_LEFT_RIGHT,
        3: ways.ROTATE_180,
        4: ways.FLIP_TOP_BOTTOM,
        5: ways.TRANSPOSE,
        6: ways.ROTATE_270,
        7: ways.TRANSVERSE,
        8: ways.ROTATE_90,
    }.get(orientation)
    page = resized(flat(image))
    return [page if turn is None else page.transpose(turn)]


def flat(image: Any) -> Any:
    """Red, green and blue, or grey; what was transparent stays so until it is small."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256).convert("L")  # convert() alone would make it white
    if image.mode == "P" or "transparency" in image.info:
        return image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "RGBA", "LA"} else image.convert("RGB")


def resized(image: Any) -> Any:
    longest = max(image.size)
    wanted = min(max(longest, SHORTEST_LONGEST), LONGEST)
    if wanted == longest:
        return image
    size = tuple(max(1, round(side * wanted / longest)) for side in image.size)
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


# PDF


def pdf_pages(data: bytes) -> list[Any]:
    """A picture of each page: scripts, actions, attachments and fonts stay behind."""
    try:
        document = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in {pypdfium2.raw.FPDF_ERR_PASSWORD, pypdfium2.raw.FPDF_ERR_SECURITY}
        raise Refused("locked" if locked else "unreadable") from None
    if pypdfium2.raw.FPDF_GetSecurityHandlerRevision(document.raw) >= 0:
        raise Refused("locked")
    if len(document) > MAX_PAGES:
        raise Refused("pages")
    pages = []
    for number in range(len(document)):
        page = document[number]
        width, height = page.get_size()
        if not (math.isfinite(width) and math.isfinite(height) and min(width, height) > 0):
            raise Refused("paper")
        scale = min(LONGEST / max(width, height), MAX_DPI / 72)
        if min(width, height) * scale < MIN_SIDE:
            raise Refused("paper")
        # Annotations are drawn: many people hide their number under one. Form fields are not: they can hold scripts.
        pages.append(page.render(scale=scale, draw_annots=True, may_draw_forms=False).to_pil())
    return [resized(page) for page in pages]


# What both become


def fold(text: str) -> str:
    """The one font that is always there has neither accents nor long dashes."""
    plain = unicodedata.normalize("NFKD", text.translate(DASHES))
    return "".join(sign for sign in plain if (sign.isascii() and sign.isprintable()) or sign in "«»")[:160]


def remade(page: Any, caption: str) -> bytes:
    """A new image that takes nothing but the pixels of the former, the caption, if there is one, across it."""
    clean = Image.new("RGB", page.size, "white")
    clean.paste(page, mask=page.getchannel("A") if "A" in page.getbands() else None)
    if all(low > 247 for low, _ in clean.getextrema()) or all(high < 8 for _, high in clean.getextrema()):
        raise Refused("blank")
    if caption:
        watermark(clean, caption)
    out = io.BytesIO()
    clean.save(out, "JPEG", quality=82)
    return out.getvalue()


def watermark(page: Any, caption: str) -> None:
    """The caption in rows that go up across the whole page: dark on a light edge, so that it reads on anything."""
    size = max(page.size) // 50
    font = ImageFont.load_default(size)
    side = math.ceil(math.hypot(*page.size))
    ink, edge = (Image.new("L", (side, side)) for _ in range(2))
    step = math.ceil(font.getlength(caption)) + 3 * size
    for row, y in enumerate(range(0, side, 5 * size)):
        for x in range(-(row % 3) * step // 3, side, step):
            ImageDraw.Draw(ink).text((x, y), caption, fill=150, font=font)
            ImageDraw.Draw(edge).text((x, y), caption, fill=120, font=font, stroke_width=max(1, size // 12))
    left, top = (side - page.width) // 2, (side - page.height) // 2
    box = (left, top, left + page.width, top + page.height)
    for colour, mask in (("white", edge), ("#102040", ink)):
        page.paste(colour, (0, 0), mask.rotate(30, Image.Resampling.BICUBIC).crop(box))


def answer(head: dict[str, str], data: bytes) -> bytes:
    try:
        pages = pdf_pages(data) if head["kind"] == "pdf" else image_pages(head["kind"], data)
        written = [remade(page, fold(head["caption"])) for page in pages]
    except Refused as refused:
        return b"no " + str(refused).encode()
    except MemoryError:
        return b"no heavy"
    except Exception:
        return b"no unreadable"
    return b"ok" + b"".join(struct.pack("!I", len(page)) + page for page in written)


def main() -> NoReturn:
    head = json.loads(sys.stdin.buffer.readline(4096))
    data = sys.stdin.buffer.read()
    out = answer(head, data)
    sys.stdout.buffer.write(out)
    sys.stdout.flush()
    os._exit(0)  # nothing is left to be tidied up, least of all by a decoder that was given a hostile file


if __name__ == "__main__":
    import pypdfium2
    import pypdfium2.raw
    from PIL import Image, ImageDraw, ImageFont, JpegImagePlugin, PngImagePlugin, TiffImagePlugin  # noqa: F401  EXIF is a TIFF

    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)  # of which Pillow only warns
    Image.preinit()
    ImageFont.load_default(20).getlength("x")
    limit()
    main()
