"""The language of the four mails: paragraphs, titles, lists, bold, links, placeholders. Nothing else (SEC-F5).

It is read by the Markdown library with almost all of its rules off, and checked before: what it does not know is
refused with its line, never dropped nor passed on. The text and the HTML are made from the same source, so that one
cannot say what the other does not.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from django.utils.html import escape
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bma_portal.templatetags.french import insecable
from migration.texts.addresses import fault_of_address, fault_of_words

MOST_LINES, MOST_SIGNS, LONGEST_LINE = 300, 20_000, 2_000
MOST_MARKS = 500  # « * », « _ », « [ »
BEGINNING = 30  # signs of a line that a fault repeats
TITLE_STYLE = "font-size:18px; color:#0f4c5c;"
LINK_STYLE = "color:#0f4c5c;"
BOX_STYLE = "margin:16px 0; padding:12px 16px; background:#e6f0f2; border-left:4px solid #0f4c5c;"
CODE_STYLE = "font-family:Consolas,'DejaVu Sans Mono',monospace; font-size:22px; color:#1c2b33;"

PLACEHOLDER = re.compile(r"\{([a-z0-9_]+)\}")
# Placeholders that make a block of their own, and those whose HTML holds links
ALONE = {"mot_de_passe", "rappel_mot_de_passe"}
RICH = {"contact_sgne", "contact_etnic"}

HIDDEN = {"Cc": "un caractère de commande", "Cf": "un caractère invisible", "Cs": "un caractère incomplet"}
HIDDEN |= {"Co": "un caractère privé", "Cn": "un caractère inconnu", "Zl": "un saut caché", "Zp": "un saut caché"}
# What other dialects of Markdown would read, and this one does not
FOREIGN = (
    (re.compile(r"^ {0,3}(?:#(?!#)|###)"), "un titre commence par « ## », et il n’y en a qu’une sorte"),
    (re.compile(r"^ {0,3}##(?:\s*$|[^\s#])"), "un titre s’écrit « ## Titre »"),
    (re.compile(r"^ {0,3}>"), "une citation (« > ») n’est pas permise"),
    (re.compile(r"^ {0,3}(?:```|~~~)|`"), "les apostrophes inversées ne sont pas permises"),
    (re.compile(r"^ {0,3}(?:-{2,}|={2,}|\*{3,}|_{3,}|(?:[-*_] ){2,}[-*_])\s*$"), "un trait ne se dessine pas"),
    (re.compile(r"^\s*[*+]\s"), "une liste commence par « - » ou « 1. »"),
    (re.compile(r"^\s*\d+\)\s"), "une liste numérotée commence par « 1. »"),
    (re.compile(r"^(?: {4}|\t)"), "la ligne commence trop à droite"),
    (re.compile(r"^\s*\|.*\|"), "un tableau n’est pas permis"),
    (re.compile(r"!\["), "une image n’est pas permise"),
)


@dataclass(frozen=True)
class Fault:
    """What is wrong, on which line of the text, and how that line begins: a form shows no numbers."""

    line: int
    what: str
    begins: str = ""

    def __str__(self) -> str:
        where = f"Ligne {self.line}, « {self.begins} »" if self.begins else f"Ligne {self.line}"
        return f"{where} : {self.what}."


@dataclass(frozen=True)
class Block:
    """A title, a paragraph, or one item of a list. `first`, `last`: where its list begins and ends."""

    kind: str  # « title », « paragraph », « bullet », « number »
    line: int
    inline: list[Token] = field(repr=False)
    number: int = 0
    first: bool = False
    last: bool = False


class _Parser(MarkdownIt):
    """Addresses stay as they were typed: they are judged in `addresses.py`."""

    def validateLink(self, url: str) -> bool:
        return True

    def normalizeLink(self, url: str) -> str:
        return url


_parser = _Parser("zero").enable(["heading", "list", "newline", "emphasis", "link"])


def lines_of(body: str) -> list[str]:
    return body.split("\n")


def clean(body: str) -> str:
    """As it is kept: one kind of line end, none at the end of a line nor of the text, no form of two signs for one."""
    body = unicodedata.normalize("NFC", body.replace("\r\n", "\n").replace("\r", "\n"))
    return "\n".join(line.rstrip(" ") for line in lines_of(body)).strip("\n")


def faults(body: str, allowed: Collection[str]) -> list[Fault]:
    """All that this text may not say or hold, in the order of its lines; empty if it can be made into a mail."""
    if not body.strip():
        return [Fault(1, "le texte est vide")]
    lines = lines_of(body)
    if len(lines) > MOST_LINES:
        return [Fault(MOST_LINES + 1, f"le texte a {len(lines)} lignes ; {MOST_LINES} au plus")]
    if len(body) > MOST_SIGNS:
        return [Fault(len(lines), f"le texte a {len(body)} caractères ; {MOST_SIGNS} au plus")]
    found = [Fault(number, what) for number, line in enumerate(lines, 1) for what in _of_line(line, allowed)]
    found += _too_marked(lines)
    if not found:
        found = list(_of_blocks(body))
    found.sort(key=lambda fault: fault.line)
    return [Fault(fault.line, fault.what, _beginning(lines[fault.line - 1])) for fault in found]


def _too_marked(lines: list[str]) -> Iterator[Fault]:
    """More marks than any mail has: reading them all would take seconds."""
    marks = 0
    for number, line in enumerate(lines, 1):
        marks += sum(PLACEHOLDER.sub("", line).count(sign) for sign in "*_[")
        if marks > MOST_MARKS:
            yield Fault(number, f"le texte a trop de signes « * », « _ » ou « [ » ; {MOST_MARKS} au plus")
            return


def _beginning(line: str) -> str:
    seen = "".join(sign for sign in line.strip() if unicodedata.category(sign) not in HIDDEN)
    return seen if len(seen) <= BEGINNING else seen[:BEGINNING].rstrip() + "…"


def _of_line(line: str, allowed: Collection[str]) -> Iterator[str]:
    if len(line) > LONGEST_LINE:
        yield f"elle a {len(line)} caractères ; {LONGEST_LINE} au plus"
        return
    if hidden := fault_of_signs(line):
        yield hidden
    yield from fault_of_braces(line, allowed)
    if re.search(r"<[A-Za-z/!?]", line):
        yield "le HTML n’est pas permis"
    yield from (what for pattern, what in FOREIGN if pattern.search(line))
    yield from fault_of_words(line)


def fault_of_signs(line: str) -> str:
    """A sign that nobody sees, or that stands for nothing."""
    for sign in line:
        if why := HIDDEN.get(unicodedata.category(sign)):
            return f"elle contient {why} (U+{ord(sign):04X}) : effacez-le"
    return ""


def fault_of_braces(line: str, allowed: Collection[str]) -> Iterator[str]:
    """Braces hold a placeholder of the list and nothing else: no tag of a template, nothing left open."""
    for tag in ("{{", "{%", "{#", "}}", "%}", "#}"):
        if tag in line:
            yield f"« {tag} » n’est pas permis : un champ s’écrit avec une seule accolade, {{nuit}} par exemple"
            return
    for name in PLACEHOLDER.findall(line):
        if name not in allowed:
            yield f"le champ {{{name}}} n’existe pas pour ce mail"
    if re.search(r"[{}]", PLACEHOLDER.sub("", line)):
        yield "une accolade n’est pas fermée, ou ce qu’elle entoure n’est pas le nom d’un champ"


def _of_blocks(body: str) -> Iterator[Fault]:
    """What only shows once the text is read: how its pieces stand in each other."""
    for token in _parser.parse(body):
        if token.type in {"bullet_list_open", "ordered_list_open"} and token.level:
            yield Fault(_line(token), "une liste ne se met pas dans une autre")
        elif token.type == "heading_open" and token.level:
            yield Fault(_line(token), "un titre ne se met pas dans une liste")
    for block in blocks(body):
        yield from _of_block(block)


def _of_block(block: Block) -> Iterator[Fault]:
    line, inside, words = block.line, "", "".join(_words(block.inline))
    for position, token in enumerate(block.inline):
        if token.type in {"softbreak", "hardbreak"}:
            line += 1
        elif token.type == "em_open":
            yield Fault(line, "une seule étoile, ou un soulignement, n’est pas permis : le gras s’écrit **ainsi**")
        elif token.type == "link_open":
            inside = str(token.attrGet("href") or "")
            if what := fault_of_address(inside):
                yield Fault(line, what)
            if token.attrGet("title"):
                yield Fault(line, "un lien s’écrit [texte](adresse), sans rien d’autre")
            label = "".join(_words(block.inline[position : _end_of_link(block.inline, position)])).strip()
            if not label or label.startswith(("http://", "https://")):
                yield Fault(line, "dites en mots où mène le lien : [texte](adresse)")
            if {*PLACEHOLDER.findall(label)} & (ALONE | RICH):
                yield Fault(line, "ce champ ne se met pas dans le texte d’un lien")
        elif token.type == "text":
            if "](" in token.content or re.search(r"\[[^\]]*$|\]\s+\(", token.content):
                yield Fault(line, "un lien s’écrit [texte](adresse), l’adresse sans espace")
            if "**" in token.content:
                yield Fault(line, "un « ** » ouvre du gras et rien ne le ferme")
    for name in PLACEHOLDER.findall(words):
        if name in ALONE and (block.kind != "paragraph" or words != f"{{{name}}}"):
            yield Fault(block.line, f"{{{name}}} se met seul dans son paragraphe")
        if name in RICH and block.kind == "title":
            yield Fault(block.line, f"{{{name}}} ne se met pas dans un titre")


def blocks(body: str) -> list[Block]:
    """The text as a list of its blocks, in order."""
    found: list[Block] = []
    kind, line, number, inline = "paragraph", 1, 0, None
    first = False
    for token in _parser.parse(body):
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                number, first = int(token.attrGet("start") or 1) - 1, True
            case "list_item_open":
                kind = "bullet" if token.markup == "-" else "number"
                number, line, inline = number + 1, _line(token), None
            case "heading_open" | "paragraph_open" if not token.level:
                kind, line = "title" if token.type == "heading_open" else "paragraph", _line(token)
            case "inline" if kind in {"bullet", "number"} and inline is not None:
                inline += [Token("softbreak", "br", 0), *(token.children or [])]
            case "inline":
                inline = list(token.children or [])
                if kind in {"title", "paragraph"}:
                    found.append(Block(kind, line, inline))
            case "list_item_close":
                found.append(Block(kind, line, inline or [], number, first))
                first = False
            case "bullet_list_close" | "ordered_list_close":
                if found:
                    found[-1] = Block(kind, found[-1].line, found[-1].inline, number, found[-1].first, last=True)
                kind = "paragraph"
    return found


def _line(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def _end_of_link(inline: list[Token], start: int) -> int:
    return next(n for n in range(start, len(inline)) if inline[n].type == "link_close")


def _words(inline: list[Token]) -> Iterator[str]:
    for token in inline:
        if token.type == "text":
            yield token.content
        elif token.type in {"softbreak", "hardbreak"}:
            yield "\n"


def links(body: str) -> list[tuple[str, str]]:
    """(text, address) of each link, in order."""
    found = []
    for block in blocks(body):
        for position, token in enumerate(block.inline):
            if token.type == "link_open":
                words = "".join(_words(block.inline[position : _end_of_link(block.inline, position)]))
                found.append((words, str(token.attrGet("href") or "")))
    return found


def placeholders(body: str) -> Counter[str]:
    return Counter(PLACEHOLDER.findall(body))


# From the source to the two parts of a mail


@dataclass(frozen=True)
class Parts:
    """A text cut at its placeholders: what is fixed at even places, a name at odd ones."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Parts":
        return cls(tuple(PLACEHOLDER.split(text)))

    @property
    def names(self) -> tuple[str, ...]:
        return self.pieces[1::2]

    def filled(self, value: Callable[[str], str]) -> str:
        made = list(self.pieces)
        made[1::2] = [value(name) for name in self.names]
        return "".join(made)


@lru_cache(maxsize=64)
def as_text(body: str) -> str:
    """The text part, its placeholders in their places. Only for a text without faults."""
    made: list[str] = []
    for block in blocks(body):
        words = insecable("".join(_text_of(block.inline)))
        match block.kind:
            case "title":
                made.append("".join(part.upper() if n % 2 == 0 else f"{{{part}}}" for n, part in _cut(words)))
            case "bullet" | "number":
                sign = "-" if block.kind == "bullet" else f"{block.number}."
                item = f"{sign} " + words.replace("\n", "\n" + " " * (len(sign) + 1))
                made.append(item)
                if not block.first:
                    made[-2:] = [f"{made[-2]}\n{item}"]
            case _:
                made.append(words)
    return "\n\n".join(made) + "\n"


def _cut(words: str) -> Iterator[tuple[int, str]]:
    return enumerate(PLACEHOLDER.split(words))


def _text_of(inline: list[Token]) -> Iterator[str]:
    """A link alone reads « text : address », one in a sentence « text <address> » (RFC 3986, C)."""
    for position, token in enumerate(inline):
        match token.type:
            case "text":
                yield token.content
            case "softbreak" | "hardbreak":
                yield "\n"
            case "link_close":
                start = max(n for n in range(position) if inline[n].type == "link_open")
                label = "".join(_words(inline[start:position]))
                shown = re.sub(r"^(mailto|tel):", "", str(inline[start].attrGet("href") or ""))
                alone = _alone(inline[:start], ahead=True) and _alone(inline[position + 1 :])
                if shown.replace(" ", "") != label.replace(" ", ""):
                    yield f" : {shown}" if alone else f" <{shown}>"


def _alone(around: list[Token], *, ahead: bool = False) -> bool:
    """Whether nothing is said on that side of its line."""
    near = reversed(around) if ahead else around
    for token in near:
        if token.type in {"softbreak", "hardbreak"}:
            return True
        if token.content.strip():
            return False
    return True


@lru_cache(maxsize=64)
def as_html(body: str) -> str:
    """The HTML part without its frame, its placeholders in their places. Only for a text without faults."""
    made: list[str] = []
    for block in blocks(body):
        inner = "".join(_html_of(block.inline))
        match block.kind:
            case "title":
                made.append(f'<h2 style="{TITLE_STYLE}">{inner}</h2>')
            case "bullet" | "number":
                tag = "ul" if block.kind == "bullet" else "ol"
                start = f' start="{block.number}"' if tag == "ol" and block.first and block.number != 1 else ""
                made += [f"<{tag}{start}>"] if block.first else []
                made.append(f"<li>{inner}</li>")
                made += [f"</{tag}>"] if block.last else []
            case _ if inner == "{mot_de_passe}":
                made.append(f'<p style="{BOX_STYLE}"><code style="{CODE_STYLE}">{inner}</code></p>')
            case _ if inner == "{rappel_mot_de_passe}":
                made.append(inner)  # is paragraphs itself
            case _:
                made.append(f"<p>{inner}</p>")
    return "\n".join(made)


def _html_of(inline: list[Token]) -> Iterator[str]:
    for token in inline:
        match token.type:
            case "text":
                yield escape(insecable(token.content))
            case "softbreak" | "hardbreak":
                yield "<br>"
            case "strong_open":
                yield "<strong>"
            case "strong_close":
                yield "</strong>"
            case "link_open":
                yield f'<a href="{escape(str(token.attrGet("href")))}" style="{LINK_STYLE}">'
            case "link_close":
                yield "</a>"
