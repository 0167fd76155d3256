"""From the parts of a mail to text: charsets, format=flowed, and HTML for who must read it as text."""

import re
from email.message import Message
from html.parser import HTMLParser

import nh3

from support.incoming.headers import bytes_to_text, plain

MOST_HTML = 1_000_000  # bytes of one part
MOST_TAGS = 12_000
BLOCKS = {
    "address", "article", "aside", "blockquote", "caption", "center", "dd", "div", "dl", "dt", "fieldset", "figure",
    "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "li", "main", "nav", "ol", "p", "pre", "section",
    "table", "tbody", "thead", "tr", "ul",
}  # fmt: skip
SILENT = {"script", "style", "title", "template", "noscript", "object", "svg", "math", "select", "iframe"}


def bytes_of(part: Message) -> bytes:
    """The content of a part, its transfer encoding undone as far as it can be."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError, TypeError, IndexError):
        payload = None
    if isinstance(payload, bytes):
        return payload
    text = part.get_payload()
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else b""


def text_of_part(part: Message) -> str:
    """A text/plain part as its author saw it: lines of format=flowed joined again (RFC 3676)."""
    text = plain(bytes_to_text(bytes_of(part), _charset(part)), lines=True)
    if _parameter(part, "format").lower() == "flowed":
        return flowed(text, delsp=_parameter(part, "delsp").lower() == "yes")
    return text


def html_of_part(part: Message) -> str:
    data = bytes_of(part)[:MOST_HTML]
    charset = _charset(part)
    if not charset:
        found = re.search(rb"""<meta[^>]{0,200}charset=["']?([a-zA-Z0-9_-]{1,40})""", data[:4000], re.IGNORECASE)
        charset = found[1].decode("ascii") if found else ""
    return plain(bytes_to_text(data, charset), lines=True)


def _parameter(part: Message, name: str) -> str:
    try:
        value = part.get_param(name, "")
    except (ValueError, TypeError, IndexError, LookupError, RecursionError):
        return ""
    if isinstance(value, tuple):
        value = value[2] or ""
    return value if isinstance(value, str) else ""


def _charset(part: Message) -> str:
    return _parameter(part, "charset")


def flowed(text: str, *, delsp: bool) -> str:
    """A line that ends with a space goes on in the next one of the same depth of quotation; `-- ` ends a text."""
    out: list[tuple[str, str]] = []
    open_line = False
    for line in text.split("\n"):
        depth = re.match(r">*", line)[0]  # type: ignore[index]  # may be empty, always matches
        content = line[len(depth) :].removeprefix(" ")
        if open_line and out and out[-1][0] == depth and content != "-- ":
            former = out[-1][1]
            out[-1] = (depth, (former[:-1] if delsp else former) + content)
        else:
            out.append((depth, content))
        open_line = content.endswith(" ") and content != "-- "
    return "\n".join(f"{depth} {content}".rstrip() if depth else content.rstrip() for depth, content in out)


class _Reader(HTMLParser):
    """Collects lines; `>` marks what stands in a blockquote, as plain-text programs do."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = []
        self.line: list[str] = []
        self.depth = 0
        self.pre = 0
        self.link = ""
        self.link_text: list[str] = []

    def end_line(self) -> None:
        text = re.sub(r"[ \t\n]+", " ", "".join(self.line)).strip()
        self.line = []
        mark = ">" * self.depth + " " if self.depth else ""
        if text or (self.lines and self.lines[-1].strip("> ")):
            self.lines.append((mark + text).rstrip())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br" or tag in BLOCKS:
            if tag == "br" or self._begun():
                self.end_line()
            if tag == "blockquote":
                self.depth = min(self.depth + 1, 9)
            elif tag == "li":
                self.line.append("- ")
            elif tag == "pre":
                self.pre += 1
        elif tag in {"td", "th"}:
            self.line.append(" ")
        elif tag == "hr":
            self.end_line()
            self.lines.append("_" * 32)
        elif tag == "a":
            self.link = (dict(attrs).get("href") or "").strip()
            self.link_text = []

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            if self._begun():
                self.end_line()
            if tag == "blockquote":
                self.depth = max(self.depth - 1, 0)
            elif tag == "pre":
                self.pre = max(self.pre - 1, 0)
            elif tag in {"p", "ul", "ol", "table", "h1", "h2", "h3"} and self.lines and self.lines[-1].strip("> "):
                self.lines.append(">" * self.depth)
        elif tag == "a":
            said = "".join(self.link_text).strip()
            if self.link.startswith(("http://", "https://")) and self.link.rstrip("/") != said.rstrip("/"):
                self.line.append(f" <{self.link[:500]}>")
            self.link = ""

    def handle_data(self, data: str) -> None:
        *whole, data = data.split("\n") if self.pre else [data]
        for line in whole:
            self.line.append(line)
            self.end_line()
        self.line.append(data)
        if self.link:
            self.link_text.append(data)

    def _begun(self) -> bool:
        return any(piece.strip() for piece in self.line)


def bounded(html: str) -> str:
    """As much of it as can be worked on: so many signs, so many tags."""
    html = html[:MOST_HTML]
    if html.count("<") > MOST_TAGS:
        pieces = html.split("<", MOST_TAGS)
        html = "<".join(pieces[:MOST_TAGS])
    return html


def text_of_html(html: str) -> str:
    """The text of some HTML; what is not shown is not read, whatever is unbalanced.

    Python's parser takes minutes over what a browser's reads at once: it is given well-formed HTML only.
    """
    reader = _Reader()
    reader.feed(
        nh3.clean(
            bounded(html),
            tags=BLOCKS | {"a", "br", "td", "th", "hr"},
            attributes={"a": {"href"}},
            clean_content_tags=SILENT,
            url_schemes={"http", "https"},
            link_rel=None,
        )
    )
    reader.close()
    reader.end_line()
    text = "\n".join(reader.lines).replace("\N{NO-BREAK SPACE}", " ")
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n")
