"""From a file of `articles/` to an article. Every fault is told in French with its file and its line."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings

FOLDER = Path(settings.ROOT) / "articles"
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, faster, where libyaml is
INDEX = 1  # part of each file's digest: another number has every article indexed anew
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LISTS = ("audience", "needs", "phases", "keywords", "replaces")
DAYS = ("valid_from", "valid_to", "review_on")
REQUIRED = ("title", "summary", "audience", "topic", "source", "review_on", "owner")
OWNERS = {"SGNE": "sgne", "ETNIC": "etnic"}


@dataclass(frozen=True, order=True)
class Fault:
    """What is wrong, where. A warning is told and lets the article through."""

    file: str
    line: int
    message: str
    warning: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line} : {self.message}"


@dataclass(frozen=True)
class Source:
    """One file, read. `lines`: by key of its head, the line it stands on; `body_line`: where its text begins."""

    slug: str
    title: str
    summary: str
    topic: str
    source: str
    review_on: date
    owner: str  # a team's code
    body: str
    audience: list[str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    keywords: list[str] = field(default_factory=list)
    replaces: list[str] = field(default_factory=list)
    valid_from: date | None = None
    valid_to: date | None = None
    ends_with_old_server: bool = False
    digest: str = ""  # of what readers read: another one is another version
    file_digest: str = ""
    body_line: int = 1
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"{self.slug}.md"


KEYS = {found.name for found in fields(Source)} - {"slug", "body", "digest", "file_digest", "body_line", "lines"}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.md") if path.name != "README.md")


def digest_of(path: Path) -> str:
    return hashlib.sha256(b"%d:" % INDEX + path.read_bytes()).hexdigest()


def read_folder(folder: Path) -> tuple[list[Source], list[Fault]]:
    """Every article that could be read, every fault of those that could not."""
    sources: list[Source] = []
    faults: list[Fault] = []
    for path in files(folder):
        source, found = read(path)
        faults += found
        if source is not None:
            sources.append(source)
    return sources, faults


def read(path: Path) -> tuple[Source | None, list[Fault]]:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        return None, [Fault(path.name, 1, "le fichier n’est pas en UTF-8")]
    parts = re.split(r"^---[ \t]*$\n?", text.replace("\r\n", "\n"), maxsplit=2, flags=re.MULTILINE)
    if len(parts) != 3 or parts[0].strip():
        return None, [Fault(path.name, 1, "l’en-tête manque : il s’écrit entre deux lignes « --- »")]
    try:
        head, lines = _head(parts[1])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 2
        return None, [Fault(path.name, line, f"l’en-tête ne se lit pas : {getattr(error, 'problem', error)}")]
    faults = [Fault(path.name, line, message) for line, message in _faults_of(path.stem, head, lines)]
    if faults:
        return None, faults
    body = parts[2].strip("\n") + "\n"
    leading = len(parts[2]) - len(parts[2].lstrip("\n"))
    values = {key: value for key, value in head.items() if value is not None}
    values["owner"] = OWNERS[values["owner"]]
    read_by_people = "\n".join([values["title"], values["summary"], body])
    return Source(
        slug=path.stem,
        body=body,
        digest=hashlib.sha256(read_by_people.encode()).hexdigest(),
        file_digest=digest_of(path),
        body_line=parts[1].count("\n") + 3 + leading,
        lines=lines,
        **values,
    ), []


def _head(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The values, and the line of each key in the file."""
    node = yaml.compose(text, Loader=LOADER)
    if not isinstance(node, yaml.MappingNode):
        return {}, {}
    lines: dict[str, int] = {}
    for key, _value in node.value:
        if key.value in lines:
            raise yaml.MarkedYAMLError(problem=f"« {key.value} » y est deux fois", problem_mark=key.start_mark)
        lines[str(key.value)] = key.start_mark.line + 2
    return yaml.load(text, Loader=LOADER), lines  # noqa: S506  a safe one


def _faults_of(slug: str, head: dict[str, Any], lines: dict[str, int]) -> Iterator[tuple[int, str]]:
    """What keeps the head from being an article: keys and kinds of values. The rest is the linter's."""
    if not SLUG.fullmatch(slug) or len(slug) > 80:
        yield 1, "le nom du fichier n’a que des minuscules sans accent, des chiffres et des tirets"
    for key in head:
        if key not in KEYS:
            yield lines.get(str(key), 2), f"« {key} » n’est pas une rubrique de l’en-tête"
    for key in REQUIRED:
        if head.get(key) in (None, "", []):
            yield lines.get(key, 1), f"« {key} » manque"
    for key, value in head.items():
        line = lines.get(str(key), 2)
        if value is None:
            continue
        if key in LISTS and not (isinstance(value, list) and all(isinstance(word, str) and word for word in value)):
            yield line, f"« {key} » est une liste de textes : [un, deux], un nombre entre guillemets"
        elif key in DAYS and (not isinstance(value, date) or isinstance(value, datetime)):
            yield line, f"« {key} » est une date : 2025-09-01"
        elif key == "ends_with_old_server" and not isinstance(value, bool):
            yield line, "« ends_with_old_server » vaut true ou false"
        elif key in {"title", "summary", "topic", "source", "owner"} and not isinstance(value, str):
            yield line, f"« {key} » est un texte : mettez-le entre guillemets"
        elif key == "owner" and value not in OWNERS:
            yield line, f"« {value} » n’est pas un responsable connu : {', '.join(OWNERS)}"
