"""Finding an article with the words that a person has: typos, no accents, wrong acronyms, whole questions.

Both sides are folded in Python (`accounts.words.fold`), then stemmed by PostgreSQL. A word that no article has is
brought back to the nearest ones that some article has, by trigrams. Words that are everywhere (« boîte », « mail »)
weigh little, those that few articles have weigh much.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import SequenceMatcher

from django.contrib.postgres.search import SearchQuery
from django.db import connection
from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from accounts.words import fold
from support.articles import markdown, synonyms
from support.articles.showing import Moment, moment, shown
from support.models import Article, ArticleVersion
from support.needs import NEEDS

CONFIG = "french"
LONGEST = 200  # signs of a question that are read
MOST_TERMS = 14
LONGEST_EXCERPT, SHORTEST_EXCERPT = 240, 40
PLACES = {"A": 1.0, "B": 0.9, "C": 0.5, "D": 0.15, "": 0.0}  # title, other words, summary and headings, text
NEAR = 0.42  # trigram likeness under which a word is not taken for a slip of another
ALIKE = 0.72
# Chosen on the questions of directors and on a hundred others; what is near them does as well.
MOST_WORTH = 2.0  # of a word that few articles have
COMMON_WORTH = 0.6  # what is left of it for the words that every article is about
OTHER_WORDS = 0.65  # the part of a rank that another word for the same thing gets
COVER_POWER = 0.5  # how much it costs to leave out a part of the question
LIKE_TITLE = 0.5  # what a title that is the question itself adds
_PHRASES = synonyms.phrases()
_LONGEST_PHRASE = max(map(len, _PHRASES))


def _any_way(ways: Sequence[str], label: str = "") -> str:
    """For `to_tsquery`: one of these phrases, in those places. Folded words only: nothing typed is an operator."""
    mark = f":{label}" if label else ""
    return " | ".join("(" + " <-> ".join(f"'{word}'{mark}" for word in way.split()) + ")" for way in ways)


@dataclass(frozen=True)
class Term:
    """One thing that is asked, in every way of saying it. `typed`: as it stood in the question."""

    typed: str
    ways: tuple[str, ...]  # folded phrases

    @property
    def is_common(self) -> bool:
        return not synonyms.COMMON.isdisjoint(self.ways)


@dataclass(frozen=True)
class Marks:
    """The words that are marked in an excerpt: short ones as they are, the others by how they begin."""

    words: frozenset[str] = frozenset()
    beginnings: tuple[str, ...] = ()

    def __contains__(self, word: str) -> bool:
        return word in self.words or (bool(self.beginnings) and word.startswith(self.beginnings))


@dataclass(frozen=True)
class Hit:
    """An article that was found, and why it is worth opening."""

    slug: str
    title: str
    summary: str
    topic: str
    ends_with_old_server: bool
    score: float
    excerpt: SafeString = field(default=SafeString(""))
    version: int = 1


def search(text: str, now: Moment, *, limit: int = 10, need: str | None = None) -> list[Hit]:
    """The best first. Nothing that can be searched in the question: none."""
    terms = terms_of(text)
    if not terms:
        return []
    any_of = _query(" | ".join(_any_way(term.ways) for term in terms))
    articles = _ranked(terms, shown(now).filter(search=any_of))
    scored = []
    for article, ranks, worth in articles:
        score = _score(ranks, worth) + LIKE_TITLE * _likeness(text[:LONGEST], article.title)
        scored.append((score * (1.5 if need in article.needs else 1), article))
    best = sorted(scored, key=_best_first)[:limit]
    bodies = {version.article_id: version for version in _bodies(article for _score, article in best)}
    marks = _marks(terms)
    return [_hit(article, score, bodies.get(article.pk), marks, now) for score, article in best]


def _best_first(found: tuple[float, Article]) -> tuple[float, str]:
    return -found[0], found[1].slug


def for_need(need: str, *, at: datetime, phase: str | None = None, limit: int = 3) -> list[Hit]:
    """What may answer a need before a ticket: those that say its name best, made for it first, for the phase."""
    if need not in NEEDS:
        return []
    now = moment(at, phase)
    made_for_it = shown(now).filter(needs__contains=[need])
    scored = []
    label = NEEDS[need].label
    for article, ranks, worth in _ranked(terms_of(label), made_for_it):
        score = _score(ranks, worth) + LIKE_TITLE * _likeness(label, article.title)
        score *= (1.3 if article.phases else 1) * (1.3 if article.needs[0] == need else 1)
        scored.append((score, article))
    best = sorted(scored, key=_best_first)[:limit]
    return [_hit(article, score, None, Marks(), now) for score, article in best]


def suggest(
    text: str, *, need: str | None = None, at: datetime, limit: int = 3, phase: str | None = None
) -> list[Hit]:
    """What may answer a person who is writing; without words, what answers the need."""
    hits = search(text, moment(at, phase), limit=limit, need=need)
    if hits or not need:
        return hits
    return for_need(need, at=at, phase=phase, limit=limit)


# The question


def terms_of(text: str) -> list[Term]:
    """What a question asks for: known phrases taken whole, empty words left out, slips brought back to a word."""
    words = fold(text[:LONGEST].replace("\0", " ")).split()
    found: list[Term] = []
    rest: list[str] = []
    position = 0
    while position < len(words):
        size = next((n for n in range(_LONGEST_PHRASE, 0, -1) if tuple(words[position : position + n]) in _PHRASES), 0)
        if size:
            known = tuple(words[position : position + size])
            found.append(Term(" ".join(known), _PHRASES[known]))
        elif words[position] not in synonyms.EMPTY and (len(words[position]) > 1 or words[position].isdigit()):
            rest.append(words[position])
        position += size or 1
    near = _near(rest) if rest else {}
    found += [_term_of(word, near.get(word, ())) for word in dict.fromkeys(rest)]
    return list({term.ways: term for term in found}.values())[:MOST_TERMS]


def _term_of(word: str, near: Iterable[str]) -> Term:
    """A word that is not in the articles stands for those that it may be a slip of, with their own synonyms."""
    ways = [word]
    for other in near:
        ways.append(other)
        ways += _PHRASES.get((other,), ())
    return Term(word, tuple(dict.fromkeys(ways)))


def _near(words: list[str]) -> dict[str, list[str]]:
    """By word that no article has, the words that it is most like, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT asked.word, near.word, near.likeness
               FROM unnest(%s::text[]) AS asked(word)
               CROSS JOIN LATERAL (
                   SELECT w.word, similarity(w.word, asked.word) AS likeness FROM support_articleword w
                   WHERE w.word %% asked.word ORDER BY likeness DESC, w.word LIMIT 6
               ) AS near""",
            [list(dict.fromkeys(words))],
        )
        rows = cursor.fetchall()
    found: dict[str, list[tuple[float, str]]] = {}
    exact = {asked for asked, word, _likeness in rows if asked == word}
    for asked, word, likeness in rows:
        alike = SequenceMatcher(None, asked, word).ratio()
        if asked not in exact and len(asked) > 3 and likeness >= NEAR and alike >= ALIKE:
            found.setdefault(asked, []).append((likeness + alike, word))
    return {asked: [word for _likeness, word in sorted(near, reverse=True)[:3]] for asked, near in found.items()}


# The ranking


def _ranked(terms: list[Term], articles: QuerySet[Article]) -> list[tuple[Article, list[float], list[float]]]:
    """For each article: how well it has each of the terms, and what each is worth among them."""
    places = {f"any_{number}": _place(term.ways) for number, term in enumerate(terms)}
    places |= {f"typed_{number}": _place((term.typed,)) for number, term in enumerate(terms)}
    table = []
    for article in articles.annotate(**places).defer("search"):
        ranks = [_rank(getattr(article, f"any_{n}"), getattr(article, f"typed_{n}")) for n in range(len(terms))]
        table.append((article, ranks))
    matching = sum(1 for _article, ranks in table if any(ranks))
    worth = []
    for number in range(len(terms)):
        having = sum(1 for _article, ranks in table if ranks[number] > 0)
        rare = min(MOST_WORTH, math.log(1 + (matching + 1) / (having + 0.5)))
        worth.append(rare * (COMMON_WORTH if terms[number].is_common else 1))
    return [(article, ranks, worth) for article, ranks in table]


def _likeness(question: str, title: str) -> float:
    """How much a title looks like the question, by the three-letter pieces that they share (0 to 1)."""
    asked, read = _pieces(question), _pieces(title)
    return len(asked & read) / (len(asked | read) or 1)


def _pieces(text: str) -> set[str]:
    words = fold(text).split()
    return {f"  {word} "[n : n + 3] for word in words for n in range(len(word) + 1)}


def _place(ways: Sequence[str]) -> Case:
    """The best place in which an article says it: A title, B other words, C summary and headings, D text; or none.

    Not `ts_rank`: that shares the weight among the alternatives, so what has many names would count for little.
    """
    labels = {"A": "A", "AB": "B", "ABC": "C", "": "D"}
    whens = [When(search=_query(_any_way(ways, label)), then=Value(place)) for label, place in labels.items()]
    return Case(*whens, default=Value(""), output_field=CharField())


def _rank(any_way: str, typed: str) -> float:
    """The words as they were typed count for more than other words for the same."""
    return OTHER_WORDS * PLACES[any_way] + (1 - OTHER_WORDS) * PLACES[typed]


def _query(text: str) -> SearchQuery:
    return SearchQuery(text, search_type="raw", config=CONFIG)


def _score(ranks: list[float], worth: list[float]) -> float:
    """How well the terms stand in an article, each by its worth, and how much of the question they are."""
    got = sum(rank * value for rank, value in zip(ranks, worth, strict=True))
    covered = sum(value for rank, value in zip(ranks, worth, strict=True) if rank > 0) / sum(worth)
    return got * covered**COVER_POWER


# What is shown of it


def _bodies(articles: Iterable[Article]) -> list[ArticleVersion]:
    numbers = {article.pk: article.version for article in articles}
    return list(ArticleVersion.objects.filter(article__in=numbers, number=F("article__version")))


def _marks(terms: list[Term]) -> Marks:
    words = {word for term in terms for way in term.ways for word in way.split() if word not in synonyms.EMPTY}
    long = tuple(word[: max(5, len(word) - 2)] for word in words if len(word) > 4)
    return Marks(frozenset(word for word in words if len(word) <= 4), long)


def _hit(article: Article, score: float, version: ArticleVersion | None, marks: Marks, now: Moment) -> Hit:
    best = article.summary
    if version is not None:
        parts = [part for words in markdown.plain(version.body, now.day, now.phase) for part in _parts(words)]
        best = max([article.summary, *parts], key=lambda words: (_marked(words, marks), words == article.summary))
    return Hit(
        article.slug, article.title, article.summary, article.topic, article.ends_with_old_server, score,
        excerpt(best, marks), article.version,
    )  # fmt: skip


def _parts(words: str) -> list[str]:
    """What may be quoted of a paragraph: the whole, or its sentences if it is long."""
    parts = [words] if len(words) <= LONGEST_EXCERPT else re.split(r"(?<=[.?!]) ", words)
    return [part for part in parts if len(part) > SHORTEST_EXCERPT]


def _marked(words: str, marks: Marks) -> int:
    return len({word[:5] for word in fold(words).split() if word in marks})


_WORD = re.compile(r"[^\W_]+")


def excerpt(words: str, marks: Marks, longest: int = LONGEST_EXCERPT) -> SafeString:
    """Words of an article, escaped, those that were looked for between <mark> tags."""
    if len(words) > longest:
        words = words[:longest].rpartition(" ")[0] + "…"
    pieces, last = [], 0
    for found in _WORD.finditer(words):
        word = fold(found[0])
        if word in marks:
            pieces += [escape(words[last : found.start()]), "<mark>", escape(found[0]), "</mark>"]
            last = found.end()
    return mark_safe("".join([*pieces, escape(words[last:])]))  # noqa: S308  each piece is escaped
