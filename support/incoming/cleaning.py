"""HTML of a mail as it may be shown: an allow-list, nothing that loads, nothing that runs (SEC-F2, SEC-F8)."""

import re
from html import escape

import nh3

from support.incoming.bodies import BLOCKS, bounded

MOST_KEPT = 200_000  # signs; a longer one is read as text
TAGS = (BLOCKS - {"form", "fieldset", "main", "nav", "header", "footer", "article", "aside", "section", "center"}) | {
    "a", "abbr", "b", "br", "code", "del", "em", "hr", "i", "ins", "kbd", "q", "s", "small", "span", "strong", "sub",
    "sup", "td", "th", "u",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "td": {"colspan", "rowspan"}, "th": {"colspan", "rowspan"}}
# What they hold is not to be read either.
GONE = {
    "script", "style", "title", "template", "noscript", "object", "embed", "applet", "iframe", "frame", "frameset",
    "svg", "math", "select", "textarea", "button", "audio", "video", "xml",
}  # fmt: skip
_IMAGE = re.compile(r"<img\b[^>]{0,2000}>", re.IGNORECASE)
_CID = re.compile(r"""\bsrc\s*=\s*["']?\s*cid:([^"'\s>]{1,200})""", re.IGNORECASE)


def named_picture(name: str) -> str:
    """What stands in the place of a picture that came with the mail."""
    return f"[image : {escape(name)}]"


def cleaned(html: str, *, names: dict[str, str] | None = None) -> str:
    """The HTML to keep and to show, or nothing if it is too long.

    A picture that came with the mail (`cid:`) is named where it stood and is kept as an attachment; one that would be
    fetched from elsewhere is taken away. `names`: of the attachments, by Content-ID.
    """
    if not html.strip():
        return ""
    known = names or {}

    def picture(tag: re.Match[str]) -> str:
        found = _CID.search(tag[0])
        return named_picture(known[found[1]]) if found and found[1] in known else ""

    safe = nh3.clean(
        _IMAGE.sub(picture, bounded(html)),
        tags=TAGS,
        attributes=ATTRIBUTES,
        clean_content_tags=GONE,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )
    safe = re.sub(r"(?:<br>\s*){4,}", "<br><br>", safe).strip()
    return safe if len(safe) <= MOST_KEPT else ""
