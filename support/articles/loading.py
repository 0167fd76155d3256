"""From the files of `articles/` to the rows that are searched. Doing it twice changes nothing.

One fault in one file and nothing is loaded: what was readable before stays as it was.
"""

import logging
from dataclasses import dataclass, fields
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

from django.contrib.postgres.search import SearchVector
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.db.models import TextField, Value
from django.db.models.expressions import CombinedExpression

from accounts.words import fold
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal
from support.articles import linting, markdown
from support.articles.reading import FOLDER, Source, digest_of, files, read_folder
from support.articles.search import CONFIG
from support.models import Article, ArticleVersion, ArticleWord

log = logging.getLogger(__name__)
LONGEST_WORD = 60


@dataclass(frozen=True)
class Loaded:
    """How many articles are new, changed (with how many new versions), withdrawn, and left as they were."""

    new: int = 0
    changed: int = 0
    versions: int = 0
    withdrawn: int = 0
    same: int = 0


def load(at: datetime, *, folder: Path = FOLDER) -> Loaded:
    """Raises Refusal, with every fault, if a file is not fit to be published."""
    known = {article.slug: article for article in Article.objects.defer("search")}
    digests = {path.stem: digest_of(path) for path in files(folder)}
    if not digests:
        raise Refusal(f"Aucun article dans {folder} : rien ne change.")
    alive = {slug: article.file_digest for slug, article in known.items() if article.withdrawn_at is None}
    if digests == alive:
        return Loaded(same=len(digests))
    faults = [fault for fault in linting.lint(folder, day=brussels_date(at)) if not fault.warning]
    if faults:
        raise Refusal("Rien n’est publié. " + " ".join(str(fault) for fault in faults))
    sources, _none = read_folder(folder)
    with transaction.atomic():
        return _load(sources, known, at)


def _load(sources: list[Source], known: dict[str, Article], at: datetime) -> Loaded:
    new = changed = same = 0
    texts = {source.slug: _texts(source) for source in sources}
    versions: list[ArticleVersion] = []
    last = {version.article_id: version for version in _current_versions()}
    for source in sources:
        article = known.get(source.slug)
        if article and article.file_digest == source.file_digest and article.withdrawn_at is None:
            same += 1
            continue
        before = last.get(article.pk) if article else None
        renewed = before is None or before.digest != source.digest
        number = before.number + renewed if before else 1
        values: dict[str, Any] = _row(source) | {"version": number, "withdrawn_at": None}
        values["search"] = _vector(texts[source.slug])
        if article is None:
            article = Article.objects.create(slug=source.slug, **values)
            new += 1
        else:
            Article.objects.filter(pk=article.pk).update(**values)
            changed += 1
        if renewed:
            text = {"title": source.title, "summary": source.summary, "body": source.body, "digest": source.digest}
            versions.append(ArticleVersion(article=article, number=number, loaded_at=at, **text))
    ArticleVersion.objects.bulk_create(versions)
    gone = Article.objects.filter(withdrawn_at=None).exclude(slug__in=[source.slug for source in sources])
    withdrawn = gone.update(withdrawn_at=at)
    _words(texts)
    return Loaded(new, changed, len(versions), withdrawn, same)


def _current_versions() -> list[ArticleVersion]:
    return list(
        ArticleVersion.objects.order_by("article_id", "-number")
        .distinct("article_id")
        .only("article_id", "number", "digest")
    )


def _row(source: Source) -> dict[str, Any]:
    copied = {found.name for found in fields(Source)} & {field.name for field in Article._meta.concrete_fields}
    return {name: getattr(source, name) for name in copied - {"slug"}}


def _texts(source: Source) -> dict[str, str]:
    """By weight, what is searched: title, other words, summary and headings, text."""
    return {
        "A": fold(source.title),
        "B": fold(" . ".join([*source.keywords, *source.replaces])),
        "C": fold(" . ".join([source.summary, *markdown.headings(source.body)])),
        "D": fold(" ".join(markdown.plain(source.body))),
    }


def _vector(texts: dict[str, str]) -> CombinedExpression:
    parts = [
        SearchVector(Value(text, output_field=TextField()), weight=weight, config=CONFIG)
        for weight, text in texts.items()
    ]
    return parts[0] + parts[1] + parts[2] + parts[3]


def _words(texts: dict[str, dict[str, str]]) -> None:
    words = {word for article in texts.values() for text in article.values() for word in text.split()}
    words = {word for word in words if 3 <= len(word) <= LONGEST_WORD and not word.isdigit()}
    known = set(ArticleWord.objects.values_list("word", flat=True))
    ArticleWord.objects.filter(word__in=known - words).delete()
    ArticleWord.objects.bulk_create([ArticleWord(word=word) for word in sorted(words - known)], ignore_conflicts=True)


def after_migrate(sender: Any, *, plan: Any = None, using: str = "default", **_: Any) -> None:
    """Each `migrate` publishes the files that came with the code; an emptied database (`flush`) is left empty.

    A fault in an article must not stop a deployment: it is logged, and what was published stays.
    """
    if plan is None or any(backwards for _migration, backwards in plan):
        return
    if Article._meta.db_table not in connections[using].introspection.table_names():
        return
    told = StringIO()
    try:
        call_command("load_articles", stdout=told)
        log.info("articles publiés", extra={"objet": told.getvalue().strip()})
    except CommandError as refusal:
        log.error("articles refusés", extra={"objet": str(refusal)[:2000]})
