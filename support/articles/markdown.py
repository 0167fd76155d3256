"""From the text of an article to pieces of HTML: written by us, and cleaned as if it were not (SEC-F2).

A piece says for which phases and days it holds. What varies with the day (contacts, addresses of the interfaces)
stays in it as a placeholder of a closed list (SEC-F5), filled when the page is made (`showing.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from html import escape, unescape

import nh3
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bma_portal.templatetags.french import insecable

TEAMS = ("sgne", "etnic", "priminfo", "enseignement_be")
PLACEHOLDERS = (*(f"contact {team}" for team in TEAMS), "webmail", "ancien-webmail")
PLACEHOLDER = re.compile(r"\{\{\s*([^{}\n]*?)\s*\}\}")
LINK_PREFIX = "/-/"  # « [text]({{ webmail }}) » : a link to `/-/webmail` until the page is made
_LINKED = re.compile(r"\]\(<?\{\{\s*([^{}\n]*?)\s*\}\}>?\)")
FENCE = re.compile(r"^:::[ \t]*(.*?)[ \t]*$")

TAGS = {
    "p", "h2", "h3", "ul", "ol", "li", "strong", "em", "code", "pre", "blockquote", "a", "table", "thead", "tbody",
    "tr", "th", "td", "br", "hr",
}  # fmt: skip
ATTRIBUTES = {"a": {"href"}, "h2": {"id"}, "h3": {"id"}, "ol": {"start"}}
_parser = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Block:
    """A stretch of the text, and when it holds. `line`: its first line in the text; `fault`: what its fence lacks."""

    text: str
    line: int
    phases: frozenset[str] = frozenset()
    since: date | None = None
    until: date | None = None
    fault: str = ""


@dataclass(frozen=True)
class Piece:
    """The same, as HTML."""

    html: str
    phases: frozenset[str] = frozenset()
    since: date | None = None
    until: date | None = None

    def holds(self, day: date, phase: str | None) -> bool:
        """Whether it is for that day and, where one is known, that phase."""
        return in_force(self, day) and (not self.phases or phase is None or phase in self.phases)


def in_force(stretch: Block | Piece, day: date) -> bool:
    began = stretch.since is None or day >= stretch.since
    return began and (stretch.until is None or day < stretch.until)


def blocks(body: str) -> list[Block]:
    """The text parted at its « ::: » lines. A fence does not stand in another one."""
    found: list[Block] = []
    lines: list[str] = []
    fence, opened, start, code = "", 0, 1, False

    def close(number: int, problem: str = "") -> None:
        nonlocal lines, start
        if any(line.strip() for line in lines) or fence or problem:
            found.append(_block("\n".join(lines), start, fence, problem))
        lines, start = [], number + 1

    for number, line in enumerate(body.split("\n"), 1):
        code ^= line.startswith("```")
        match = None if code else FENCE.match(line)
        if match is None:
            lines.append(line)
        elif match[1]:
            close(number, f"le bloc ouvert à la ligne {opened} n’est pas fermé par « ::: »" if fence else "")
            fence, opened = match[1], number
        else:
            close(number, "" if fence else "« ::: » ferme un bloc que rien n’ouvre")
            fence = ""
    close(len(lines), "un bloc « ::: » n’est pas fermé" if fence else "")
    return found


def _block(text: str, line: int, fence: str, problem: str) -> Block:
    word, *rest = fence.split() or [""]
    if problem:
        return Block(text, line, fault=problem)
    if not word:
        return Block(text, line)
    if word == "phase" and rest:
        return Block(text, line, phases=frozenset(rest))
    if word in {"apres", "avant"} and len(rest) == 1:
        try:
            day = date.fromisoformat(rest[0])
        except ValueError:
            return Block(text, line, fault=f"« {rest[0]} » n’est pas une date (2025-09-01)")
        return Block(text, line, since=day) if word == "apres" else Block(text, line, until=day)
    return Block(text, line, fault=f"« ::: {fence} » : attendu « phase … », « apres AAAA-MM-JJ » ou « avant … »")


def tokens(text: str) -> list[Token]:
    """What Markdown makes of a stretch of text, its placeholders in links made into addresses."""
    return _parser.parse(_LINKED.sub(lambda found: f"]({LINK_PREFIX}{found[1].replace(' ', '-')})", text))


def inline(stream: list[Token]) -> Iterator[Token]:
    """Every token, those inside paragraphs too."""
    for token in stream:
        yield token
        yield from inline(token.children or [])


@lru_cache(maxsize=256)
def pieces(body: str) -> tuple[Piece, ...]:
    used: set[str] = set()
    found = []
    for block in blocks(body):
        found.append(Piece(_html(tokens(block.text), used), block.phases, block.since, block.until))
    return tuple(found)


def _html(stream: list[Token], used: set[str]) -> str:
    figures: list[str] = []
    kept: list[Token] = []
    for position, token in enumerate(stream):
        if token.type == "heading_open":
            token.attrSet("id", anchor(stream[position + 1].content, used))
        image = picture_alone(token)
        if image is not None:
            token.children = [Token("text", "", 0, content=f"\ue000{len(figures)}\ue001")]
            figures.append(_figure(image))
        kept.append(token)
    html = _parser.renderer.render(kept, _parser.options, {})
    html = nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "mailto", "tel"}, link_rel=None
    )
    html = re.sub(r"<p>\s*\ue000(\d+)\ue001\s*</p>", lambda found: figures[int(found[1])], html)
    html = html.replace("<table>", '<div class="aide-table" tabindex="0" role="group" aria-label="Tableau"><table>')
    html = html.replace("</table>", "</table></div>").replace("<th>", '<th scope="col">')
    return insecable(html)


def anchor(words: str, used: set[str]) -> str:
    """An id for a heading that no other heading of the page has."""
    base = "s-" + (slugify(words.replace("’", " ")) or "section")
    name, number = base, 2
    while name in used:
        name, number = f"{base}-{number}", number + 1
    used.add(name)
    return name


def picture_alone(token: Token) -> Token | None:
    """The picture, where it is all that a paragraph holds."""
    children = token.children or []
    return children[0] if token.type == "inline" and len(children) == 1 and children[0].type == "image" else None


def _figure(image: Token) -> str:
    caption = str(image.attrGet("title") or "")
    return str(
        format_html(
            '<figure class="aide-figure"><img src="{}" alt="{}">{}</figure>',
            static(str(image.attrGet("src"))),
            unescape(image.content),
            format_html("<figcaption>{}</figcaption>", caption) if caption else "",
        )
    )


@lru_cache(maxsize=256)
def plain(body: str, day: date | None = None, phase: str | None = None) -> tuple[str, ...]:
    """The paragraphs as words alone, to be indexed and quoted: no markup, no placeholder, no heading twice.

    Without a day, all of them; for a day, those for that phase, and for everybody where none is known.
    """
    found = []
    for block in blocks(body):
        if day and not (in_force(block, day) and (not block.phases or phase in block.phases)):
            continue
        for token in tokens(block.text):
            if token.type == "inline":
                words = "".join(_words(token))
                words = re.sub(r"\s+", " ", PLACEHOLDER.sub(lambda m: _SAID.get(m[1], ""), words)).strip()
                if words:
                    found.append(words)
            elif token.type in {"fence", "code_block"}:
                found.append(re.sub(r"\s+", " ", token.content).strip())
    return tuple(found)


_SAID = {
    "contact sgne": "le SGNE",
    "contact etnic": "l’ETNIC",
    "contact priminfo": "Priminfo",
    "contact enseignement_be": "Enseignement.be",
    "webmail": "la nouvelle interface",
    "ancien-webmail": "l’ancienne interface",
}


def _words(token: Token) -> Iterator[str]:
    for child in token.children or []:
        if child.type in {"text", "code_inline"}:
            yield child.content
        elif child.type in {"softbreak", "hardbreak"}:
            yield " "
        elif child.type == "image":
            yield f" {child.content} "


def fill(html: str, values: dict[str, tuple[str, str]]) -> str:
    """Put what varies in its places. `values`: by placeholder, its HTML and the address that a link leads to."""

    def said(found: re.Match[str]) -> str:
        name = " ".join(found[1].split())
        return values[name][0] if name in values else escape(found[0])

    def linked(found: re.Match[str]) -> str:
        return f'href="{escape(values[found[1]][1])}"' if found[1] in values else 'href="#"'

    return PLACEHOLDER.sub(said, re.sub(rf'href="{LINK_PREFIX}([a-z_-]+)"', linked, html))


_ABOUT_A_MAILBOX = re.compile(r'href="(/(?:aide|demandes/nouvelle|ma-boite/etat|mot-de-passe)/[^"?#]*)(?:\?([^"#]*))?')


def for_number(html: str, number: str) -> str:
    """The same, its links to pages about a mailbox carrying that number on; none: as it was."""
    if not number:
        return html
    return _ABOUT_A_MAILBOX.sub(
        lambda found: f'href="{found[1]}?{found[2] + "&amp;" if found[2] else ""}numero={number}', html
    )


def headings(body: str) -> list[str]:
    """The titles of its sections."""
    found = []
    for block in blocks(body):
        stream = tokens(block.text)
        found += [stream[n + 1].content for n, token in enumerate(stream) if token.type == "heading_open"]
    return found
