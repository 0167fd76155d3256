"""What HTML asks of a page (SEC-M1), for each page that a test opens and each mail that one composes.

Not a whole validator: what the Nu checker found here, and what templates usually get wrong. Elements that do not
match, nesting, attributes that HTML does not know or that come twice, ids that come twice, references to nothing.
"""

import re
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from lxml import etree

TAG = re.compile(r"""<([a-z][a-z0-9]*)((?:\s+[^\s=>"'/]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?)+)""", re.IGNORECASE)
NAME = re.compile(r"""\s+([^\s=>"'/]+)(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>"']+))?""")

GLOBAL = """
accesskey autocapitalize autofocus class dir draggable enterkeyhint hidden id inert inputmode lang nonce popover role
spellcheck style tabindex title translate
"""
FIELD = "disabled form name required"
TYPED = f"{FIELD} autocomplete dirname maxlength minlength placeholder readonly"
SENDS = """
formaction formenctype formmethod formnovalidate formtarget popovertarget popovertargetaction
"""
OF_ITS_OWN = {
    """
    abbr address article aside b bdi bdo body br caption cite code datalist dd dfn div dl dt em figcaption figure
    footer h1 h2 h3 h4 h5 h6 head header hr html i kbd legend main mark menu nav noscript p pre rp rt ruby s samp
    search section small span strong sub summary sup table tbody template tfoot thead title tr u ul var wbr
    """: "",
    "a": "download href hreflang ping referrerpolicy rel target type",
    "base": "href target",
    "blockquote q": "cite",
    "button": f"disabled form name type value {SENDS}",
    "col colgroup": "span",
    "data li": "value",
    "del ins": "cite datetime",
    "details": "name open",
    "dialog": "open",
    "fieldset": "disabled form name",
    "form": "accept-charset action autocomplete enctype method name novalidate rel target",
    "iframe": "allow allowfullscreen height loading name referrerpolicy sandbox src srcdoc width",
    "img": "alt crossorigin decoding fetchpriority height ismap loading referrerpolicy sizes src srcset usemap width",
    "input": f"""
    accept alt capture checked height list max min multiple pattern size src step type value width {TYPED} {SENDS}
    """,
    "label": "for",
    "link": "as crossorigin disabled href hreflang integrity media referrerpolicy rel sizes type",
    "meta": "charset content http-equiv media name",
    "meter": "high low max min optimum value",
    "ol": "reversed start type",
    "optgroup": "disabled label",
    "option": "disabled label selected value",
    "output": "for form name",
    "progress": "max value",
    "script": "async crossorigin defer integrity nomodule referrerpolicy src type",
    "select": f"{FIELD} autocomplete multiple size",
    "style": "media",
    "td": "colspan headers rowspan",
    "textarea": f"{TYPED} cols rows wrap",
    "th": "abbr colspan headers rowspan scope",
    "time": "datetime",
}
KNOWN = {tag: {*GLOBAL.split(), *names.split()} for tags, names in OF_ITS_OWN.items() for tag in tags.split()}

NOT_IN_A_LINE = """
address article aside blockquote dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6
header hr li main nav ol p pre section table tbody td tfoot th thead tr ul
"""
OF_LINES = """
abbr b bdi bdo button cite code dfn em h1 h2 h3 h4 h5 h6 i kbd label legend mark p pre q s samp small span strong sub
summary sup time u var
"""
BLOCKS, LINES = frozenset(NOT_IN_A_LINE.split()), frozenset(OF_LINES.split())
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
THROUGH = frozenset({"a", "del", "ins"})  # these hold what their parent may hold
HOLDS = {
    "ul": {"li"},
    "ol": {"li"},
    "menu": {"li"},
    "dl": {"dt", "dd", "div"},
    "table": {"caption", "colgroup", "thead", "tbody", "tfoot", "tr"},
    "thead": {"tr"},
    "tbody": {"tr"},
    "tfoot": {"tr"},
    "tr": {"td", "th"},
    "select": {"option", "optgroup", "hr"},
}
HELD_BY = {
    "li": {"ul", "ol", "menu"},
    "dt": {"dl", "div"},
    "dd": {"dl", "div"},
    "tr": {"table", "thead", "tbody", "tfoot"},
    "td": {"tr"},
    "th": {"tr"},
    "option": {"select", "optgroup", "datalist"},
    "legend": {"fieldset"},
    "summary": {"details"},
}
FIRST = frozenset({"legend", "summary"})
PRESSED = frozenset({"a", "button"})
TO_PRESS = frozenset({"a", "button", "select", "textarea", "label", "iframe", "details", "input"})
LABELLED = frozenset({"button", "input", "meter", "output", "progress", "select", "textarea"})
REFERENCES = ("for", "form", "list", "headers", "aria-labelledby", "aria-describedby", "aria-controls", "aria-owns")
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]+"|data-[a-z-]+="[^"]*"')  # what differs by itself
DOCTYPE = re.compile(r"\s*<!doctype html>", re.IGNORECASE)


READ: set[int] = set()  # most pages come many times, in a suite


def assert_valid(html: str, name: str) -> None:
    assert settings.TEMPLATES[0]["OPTIONS"]["string_if_invalid"] not in html, f"{name} : une variable inconnue"
    page = hash(TOKEN.sub("", html))
    if html.strip() and page not in READ:
        found = faults(html)
        assert found == [], f"{name} : {found}"
        READ.add(page)


def faults(html: str) -> list[str]:
    """What is wrong with a page or, when it has neither doctype nor `<html>`, with a part of one."""
    parser = etree.HTMLParser(recover=True, encoding="utf-8", remove_comments=True, remove_pis=True)
    root = etree.fromstring(html.encode(errors="replace"), parser)
    found = [f"ligne {error.line} : {error.message}" for error in parser.error_log]
    found += _twice(html)
    whole = bool(DOCTYPE.match(html))
    if not whole and "<html" in html:
        found.append("pas de doctype")
    if whole:
        found += _document(root)
    ids: Counter[str] = Counter()
    elements: dict[str, str] = {}
    for element in root.iter(etree.Element):
        if (own := element.get("id")) is not None:
            ids[own] += 1
            elements.setdefault(own, element.tag)
        if next(element.iterancestors("svg"), None) is None:
            found += [f"ligne {element.sourceline} : {fault}" for fault in _element(element)]
    found += [f"id « {own} » en double" for own, count in ids.items() if count > 1]
    found += [f"id « {own} » vide ou avec une espace" for own in ids if not own or re.search(r"\s", own)]
    if whole:
        found += _references(root, elements)
    return found


def _twice(html: str) -> Iterator[str]:
    for tag, attributes in TAG.findall(html):
        names = NAME.findall(attributes.lower())
        if len(names) != len(set(names)):
            yield f"attribut répété : <{tag}{attributes}>"


def _document(root: etree._Element) -> Iterator[str]:
    if not root.get("lang"):
        yield "html sans lang"
    if not "".join(root.xpath("head/title//text()")).strip():
        yield "page sans titre"
    mains, h1s = (sum(1 for _ in root.iter(tag)) for tag in ("main", "h1"))
    if mains > 1 or h1s != mains:  # a mail, and the frame that shows one, has neither
        yield f"{mains} main, {h1s} h1"


def _element(element: etree._Element) -> Iterator[str]:
    tag, parent = element.tag, element.getparent()
    if tag == "svg":
        return
    if tag not in KNOWN:
        yield f"<{tag}> n’existe pas"
        return
    for name in element.attrib:
        if name not in KNOWN[tag] and not name.startswith(("data-", "aria-")):
            yield f"<{tag}> n’a pas d’attribut {name}"
    yield from _nesting(element, tag, parent)
    if tag == "img" and element.get("alt") is None:
        yield "<img> sans alt"
    if tag == "option" and not (element.get("label") or "".join(element.itertext()).strip()):
        yield "<option> sans texte"
    if tag == "input" and element.get("type") == "hidden" and any(name.startswith("aria-") for name in element.attrib):
        yield "champ caché avec aria-*"


def _nesting(element: etree._Element, tag: str, parent: etree._Element | None) -> Iterator[str]:
    holder = parent
    while holder is not None and holder.tag in THROUGH:
        holder = holder.getparent()
    if holder is None:
        return
    within = holder.tag
    if tag in BLOCKS and within in LINES and not (tag in HEADINGS and within in {"legend", "summary"}):
        yield f"<{tag}> dans <{within}>"
    if within in HOLDS and tag not in HOLDS[within] | {"script", "template"}:
        yield f"<{tag}> dans <{within}>"
    if tag in HELD_BY and within not in HELD_BY[tag]:
        yield f"<{tag}> dans <{within}>"
    if tag in FIRST and element.getprevious() is not None:
        yield f"<{tag}> n’est pas en tête de <{within}>"
    if tag in TO_PRESS and not (tag == "input" and element.get("type") == "hidden"):
        for around in element.iterancestors(*PRESSED, *(("label",) if tag == "label" else ())):
            yield f"<{tag}> dans <{around.tag}>"


def _references(root: etree._Element, elements: dict[str, str]) -> Iterator[str]:
    for name in REFERENCES:
        for element in root.xpath(f"//*[@{name}]"):
            for target in element.get(name).split():
                if target not in elements:
                    yield f"ligne {element.sourceline} : {name} mène à « {target} », absent de la page"
                elif element.tag == "label" and elements[target] not in LABELLED:
                    yield f"ligne {element.sourceline} : un <label> pour <{elements[target]}>"
    for link in root.xpath("//a[starts-with(@href, '#')]"):
        target = link.get("href")[1:]
        if target and target != "top" and target not in elements:
            yield f"ligne {link.sourceline} : #{target} est absent de la page"
