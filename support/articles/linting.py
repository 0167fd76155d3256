"""What keeps an article from being published (G4), and what only has to be looked at (warnings).

Run by the tests on the files of the repository, by each loading, and by hand: `manage.py lint_articles`.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from markdown_it.token import Token

from accounts.words import fold
from bma_portal.french_names import MONTHS
from migration.phases import Phase
from support.articles import markdown
from support.articles.reading import FOLDER, Fault, Source, read_folder
from support.models import Article
from support.needs import NEEDS

LONGEST_TITLE, LONGEST_SUMMARY = 80, 200
# A service address that is quoted as an example of what the screen shows; the others are placeholders.
_DATE = re.compile(rf"\b(1er|\d{{1,2}}) ({'|'.join(MONTHS[1:])}) (20\d\d)\b|\b(20\d\d)-(\d\d)-(\d\d)\b")
_FUTURE = re.compile(
    r"\b(sera|seront|aura|auront|ferme(ra|ront)|ouvri(ra|ront)|recev(ra|rez|ront)|pourr(a|ez|ont)|devr(a|ez|ont)"
    r"|entrer(a|ont)|commencer(a|ont)|finir(a|ont)|cesser(a|ont)|passer(a|ont)|prochain|prochaine|bientôt)\b",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.])(?:\+32|0032|0)[ ./]?\d(?:[ ./]?\d){7,9}(?!\d)")
_URL = re.compile(r"https?://[^\s)>\]`»]+|www\.[^\s)>\]`»]+")
# The wrong spellings of the documents (K8, K9, K13); what is written here is never read by a visitor.
FORBIDDEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"ethnic\.be", re.IGNORECASE), "ce domaine n’est pas celui de l’ETNIC : etnic.be"),
    (re.compile(r"www\.webmail", re.IGNORECASE), "cette adresse est malformée et n’ouvre rien"),
    (re.compile(r"\besarh\b", re.IGNORECASE), "le sigle s’écrit ESAHR ; la faute ne va que dans « keywords »"),
    (re.compile(r"\bsmal2\b", re.IGNORECASE), "le nom s’écrit SMAIL2 ; la faute ne va que dans « keywords »"),
    (re.compile(r"{%"), "aucune balise de gabarit dans un article"),
)
_BOX = re.compile(r"(?:ec|po)(?:\d{6}|XXXXXX|……)@adm\.cfwb\.be", re.IGNORECASE)


def lint(folder: Path = FOLDER, *, day: date) -> list[Fault]:
    """Every fault and warning of the folder, by file and line."""
    sources, faults = read_folder(folder)
    slugs = {source.slug for source in sources} | {old for source in sources for old in source.replaces}
    slugs |= {fault.file.removesuffix(".md") for fault in faults}  # a link to a faulty article is no second fault
    for source in sources:
        faults += _head(source, day)
        faults += _text(source, day)
        faults += _blocks(source, slugs, folder)
    faults += _together(sources)
    return sorted(set(faults))


def _head(source: Source, day: date) -> Iterator[Fault]:
    def fault(key: str, message: str, *, warning: bool = False) -> Fault:
        return Fault(source.file, source.lines.get(key, 1), message, warning)

    if len(source.title) > LONGEST_TITLE:
        yield fault("title", f"le titre a {len(source.title)} signes ({LONGEST_TITLE} au plus)")
    if len(source.summary) > LONGEST_SUMMARY:
        yield fault("summary", f"le résumé a {len(source.summary)} signes ({LONGEST_SUMMARY} au plus)")
    if source.title.endswith("."):
        yield fault("title", "un titre ne finit pas par un point")
    known: tuple[tuple[str, Iterable[str], Iterable[str], str], ...] = (
        ("topic", [source.topic], Article.Topic.values, "sujet"),
        ("audience", source.audience, Article.Audience.values, "public"),
        ("needs", source.needs, NEEDS, "besoin"),
        ("phases", source.phases, Phase.values, "phase"),
    )
    for key, values, allowed, name in known:
        for value in values:
            if value not in allowed:
                yield fault(key, f"« {value} » n’est pas un {name} connu".replace("un phase", "une phase"))
    if source.valid_from and source.valid_to and source.valid_to <= source.valid_from:
        yield fault("valid_to", "la fin de validité ne suit pas le début")
    if source.valid_to and source.valid_to <= day:
        yield fault("valid_to", "cet article n’est plus montré : sa date de fin est passée", warning=True)
    if source.review_on <= day:
        yield fault("review_on", "la date de relecture est passée", warning=True)
    for key in ("title", "summary", "source"):
        yield from _typography(source.file, source.lines.get(key, 1), getattr(source, key))
        yield from _forbidden(source.file, source.lines.get(key, 1), getattr(source, key))


def _typography(file: str, line: int, words: str) -> Iterator[Fault]:
    without_code = re.sub(r"`[^`]*`|\{\{.*?\}\}|\]\([^)]*\)", " ", words)
    if re.search(r"\w'\w", without_code):
        yield Fault(file, line, "apostrophe droite : écrivez ’")
    if re.search(r'(?<![\w(=])"\w|\w"(?!\w)', re.sub(r'\("[^"]*"\)|"[^"]*"\)', " ", without_code)):
        yield Fault(file, line, "guillemets droits : écrivez « »")


def _forbidden(file: str, line: int, words: str) -> Iterator[Fault]:
    for pattern, message in FORBIDDEN:
        if found := pattern.search(words):
            yield Fault(file, line, f"« {found[0]} » : {message}")


def _text(source: Source, day: date) -> Iterator[Fault]:
    """Line by line: what may be written nowhere."""
    code = False
    for number, words in enumerate(source.body.split("\n"), source.body_line):
        code ^= words.startswith("```")
        yield from _forbidden(source.file, number, words)
        if code:
            continue
        yield from _typography(source.file, number, re.sub(r'(?<=\))|"[^"]*"(?=\)$)', "", words))
        for name in markdown.PLACEHOLDER.findall(words):
            if " ".join(name.split()) not in markdown.PLACEHOLDERS:
                known = ", ".join(markdown.PLACEHOLDERS)
                yield Fault(source.file, number, f"« {{{{ {name} }}}} » n’existe pas : {known}")
            elif name == "ancien-webmail" and not source.ends_with_old_server:
                message = "l’ancien webmail n’a sa place que dans un article « ends_with_old_server: true »"
                yield Fault(source.file, number, message)
        for found in _URL.findall(words):
            yield from _address(source, number, found)
        for email in _EMAIL.findall(words):
            if not _BOX.fullmatch(email):
                yield Fault(source.file, number, f"« {email} » est écrit en clair : {{{{ contact … }}}}")
        for phone in _PHONE.findall(_URL.sub(" ", words)):
            yield Fault(source.file, number, f"« {phone.strip()} » est écrit en clair : {{{{ contact … }}}}")
    if not source.body.strip():
        yield Fault(source.file, source.body_line, "l’article n’a pas de texte")
    yield from _announced(source, day)


def _address(source: Source, line: int, address: str) -> Iterator[Fault]:
    """An address of the web in the text: well formed, and not one that a placeholder stands for."""
    whole = address if "//" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        host = parts.hostname or ""
        parts.port  # noqa: B018  reading it checks it
    except ValueError:
        yield Fault(source.file, line, f"« {address} » n’est pas une adresse")
        return
    if parts.username or "@" in parts.netloc or "." not in host:
        yield Fault(source.file, line, f"« {address} » n’est pas une adresse")
    elif host == "webmail.adm.cfwb.be" and not source.ends_with_old_server:
        yield Fault(
            source.file, line, "l’ancien webmail n’a sa place que dans un article « ends_with_old_server: true »"
        )
    elif host in {"webmail.adm.cfwb.be", "ec.cfwb.be"}:
        yield Fault(
            source.file, line, f"« {address} » est écrit en clair : {{{{ webmail }}}} ou {{{{ ancien-webmail }}}}"
        )


def _announced(source: Source, day: date) -> Iterator[Fault]:
    """A day that is past is not told as one to come, in an article that is read today."""
    shown = (source.valid_from is None or source.valid_from <= day) and (
        source.valid_to is None or day < source.valid_to
    )
    if not shown or source.ends_with_old_server:
        return
    for block in markdown.blocks(source.body):
        if (block.until and day >= block.until) or (block.phases and Phase.MIGRATED not in block.phases):
            continue
        for number, words in enumerate(block.text.split("\n"), source.body_line + block.line - 1):
            for sentence in re.split(r"(?<=[.;:!?]) ", words):
                past = [found for found in _days(sentence) if found < day]
                if past and (_FUTURE.search(sentence)):
                    yield Fault(source.file, number, f"le {past[0]:%d/%m/%Y} est passé, et la phrase l’annonce encore")


def _days(words: str) -> Iterator[date]:
    for found in _DATE.finditer(words.lower()):
        try:
            if found[4]:
                yield date(int(found[4]), int(found[5]), int(found[6]))
            else:
                yield date(int(found[3]), MONTHS.index(found[2]), int(found[1].removesuffix("er")))
        except ValueError:
            continue


def _blocks(source: Source, slugs: set[str], folder: Path) -> Iterator[Fault]:
    """What Markdown makes of the text: fences, headings, links, pictures."""
    level = 1
    for block in markdown.blocks(source.body):
        line = source.body_line + block.line - 1
        if block.fault:
            yield Fault(source.file, line, block.fault)
        for phase in block.phases - set(Phase.values):
            yield Fault(source.file, line, f"« {phase} » n’est pas une phase connue")
        stream = markdown.tokens(block.text)
        for token in stream:
            if token.map:
                line = source.body_line + block.line - 1 + token.map[0]
            if token.type == "heading_open":
                depth = int(token.tag[1])
                if depth not in {2, 3} or depth > level + 1:
                    yield Fault(source.file, line, "les titres d’un article sont ## puis ###, sans saut")
                level = depth
            if token.type == "inline":
                yield from _inline(source, line, token, slugs, folder)


def _inline(source: Source, line: int, paragraph: Token, slugs: set[str], folder: Path) -> Iterator[Fault]:
    alone = markdown.picture_alone(paragraph)
    linked = False
    for token in markdown.inline(paragraph.children or []):
        if token.type == "link_open":
            linked = True
            yield from _link(source, line, str(token.attrGet("href") or ""), slugs)
        elif token.type == "link_close":
            linked = False
        elif token.type == "text" and linked and markdown.PLACEHOLDER.search(token.content):
            yield Fault(source.file, line, "un repère {{ … }} ne se met pas dans le texte d’un lien")
        elif token.type == "image":
            where = str(token.attrGet("src") or "")
            if token is not alone:
                yield Fault(source.file, line, "un dessin est seul dans son paragraphe")
            if len(token.content.strip()) < 10:
                yield Fault(source.file, line, f"« {where} » n’a pas de texte équivalent")
            if not where.startswith("drawings/") or ".." in where or not (folder / where).is_file():
                yield Fault(source.file, line, f"le dessin « {where} » n’existe pas")


def _link(source: Source, line: int, href: str, slugs: set[str]) -> Iterator[Fault]:
    if href.startswith(markdown.LINK_PREFIX):
        if href.removeprefix(markdown.LINK_PREFIX) not in {"webmail", "ancien-webmail"}:
            yield Fault(source.file, line, "seuls {{ webmail }} et {{ ancien-webmail }} sont l’adresse d’un lien")
        return
    if href.startswith("#"):
        used: set[str] = set()
        if href[1:] not in {markdown.anchor(words, used) for words in markdown.headings(source.body)}:
            yield Fault(source.file, line, f"« {href} » ne mène à aucun titre de l’article")
        return
    if href.startswith("/") and not href.startswith("//"):
        path = href.partition("#")[0].partition("?")[0]
        article = re.fullmatch(r"/aide/([a-z0-9-]+)/", path)
        if article and article[1] not in {"suggestions"}:
            if article[1] not in slugs:
                yield Fault(source.file, line, f"« {path} » : cet article n’existe pas")
            return
        try:
            resolve(path)
        except Resolver404:
            yield Fault(source.file, line, f"« {path} » n’est pas une page du portail")
        return
    if not href.startswith(("http://", "https://")):
        yield Fault(source.file, line, f"« {href} » n’est pas une adresse de page")


def _together(sources: list[Source]) -> Iterator[Fault]:
    """What is wrong of several files only: one title twice, two files that replace the same one."""
    titles: dict[str, str] = {}
    replaced: dict[str, str] = {source.slug: source.file for source in sources}
    for source in sources:
        other = titles.setdefault(fold(source.title), source.file)
        if other != source.file:
            yield Fault(source.file, source.lines.get("title", 1), f"ce titre est déjà celui de {other}")
        for slug in source.replaces:
            if replaced.setdefault(slug, source.file) != source.file:
                message = f"« {slug} » est déjà {replaced[slug]} ou remplacé par lui"
                yield Fault(source.file, source.lines.get("replaces", 1), message)
