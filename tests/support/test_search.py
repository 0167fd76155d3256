"""The search of /aide/ on the real articles: the questions of directors, typos, acronyms, dates, phases."""

from collections import Counter
from datetime import date

import pytest

from bma_portal.clock import brussels
from support.articles import loading, search
from support.articles.reading import FOLDER
from support.articles.showing import is_shown, moment
from support.models import Article
from support.needs import NEEDS
from tests.support.questions_of_directors import QUESTIONS

pytestmark = pytest.mark.django_db
DAYS = (date(2024, 11, 15), date(2026, 11, 22))


@pytest.fixture
def real_articles(db, monkeypatch):
    """The files of the repository, whatever the linter has to say of them: it has tests of its own."""
    monkeypatch.setattr("support.articles.linting.lint", lambda *args, **options: [])
    loading.load(brussels(date(2024, 9, 1)), folder=FOLDER)
    return {article.slug: article for article in Article.objects.all()}


def first(text: str, day: date, limit: int = 3, **options) -> list[str]:
    return [hit.slug for hit in search.search(text, moment(brussels(day, 12), **options), limit=limit)]


def misses(articles: dict[str, Article], day: date) -> tuple[int, list[str]]:
    """How many questions have an answer that day, and those whose answer is not among the first three."""
    asked, wrong = 0, []
    for question, slugs in QUESTIONS:
        if any(is_shown(articles[slug], moment(brussels(day, 12))) for slug in slugs):
            asked += 1
            if not slugs & set(first(question, day)):
                found = first(question, day, limit=10)
                rank = next((n for n, slug in enumerate(found, 1) if slug in slugs), "–")
                terms = [term.typed for term in search.terms_of(question)]
                wrong.append(
                    f"{question}\n    mots {terms}\n    attendu {sorted(slugs)} (rang {rank})\n    {found[:3]}"
                )
    return asked, wrong


def test_the_questions_name_articles_that_exist(real_articles):
    assert len(QUESTIONS) >= 60
    assert len({question for question, _ in QUESTIONS}) == len(QUESTIONS)
    assert {slug for _, slugs in QUESTIONS for slug in slugs} <= set(real_articles)


@pytest.mark.parametrize("day", DAYS)
def test_the_right_article_is_among_the_first_three(real_articles, day):
    """THE BAR. On each of two days, for every question that an article answers that day."""
    asked, wrong = misses(real_articles, day)
    assert wrong == [], f"{asked - len(wrong)}/{asked} le {day}\n" + "\n".join(wrong)


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize(
    ("question", "slug"),
    [
        ("deux écoles", "renvoi-automatique"),
        ("envoyer un mail a un parent", "usage-de-la-bma"),
        ("téléphone etnic", "a-qui-s-adresser"),
        ("pop", "pop-garder-ses-mails"),
        ("retrouver mot de passe enregistré", "mot-de-passe-edge"),  # it comes with Windows
    ],
)
def test_the_first_answer_is_the_one_that_is_meant(real_articles, question, slug, day):
    assert first(question, day)[0] == slug


def test_every_question_is_answered_on_one_day_at_least(real_articles):
    counted = Counter(
        question
        for day in DAYS
        for question, slugs in QUESTIONS
        if any(is_shown(real_articles[slug], moment(brussels(day, 12))) for slug in slugs)
    )
    assert [question for question, _ in QUESTIONS if not counted[question]] == []


@pytest.mark.parametrize(
    ("need", "slug"),
    [
        ("ancien-mot-de-passe", "ancien-mot-de-passe-perdu"),
        ("nouveau-mot-de-passe", "nouveau-mot-de-passe-perdu"),
        ("reception", "plus-de-mails-sans-erreur"),
        ("cerbere", "cerbere-messages"),
        ("panne", "panne-"),
        ("vol", "materiel-vole"),
        ("internet", "pas-d-internet"),
    ],
)
def test_the_first_article_for_a_need_is_the_one_that_is_named_like_it(real_articles, need, slug):
    hits = search.for_need(need, at=brussels(DAYS[0], 12))
    assert hits[0].slug.startswith(slug)
    assert len(hits) <= 3


def test_every_need_has_an_article(real_articles):
    assert [need for need in NEEDS if not search.for_need(need, at=brussels(DAYS[0], 12))] == []


def test_what_one_types_in_a_ticket_counts_with_its_need(real_articles):
    at = brussels(DAYS[1], 12)
    assert search.suggest("le mot de passe ne marche pas", need="cerbere", at=at)[0].slug.startswith("cerbere")
    assert [hit.slug for hit in search.suggest("xyzzy", need="internet", at=at)] == ["pas-d-internet"]


@pytest.mark.parametrize(
    ("day", "phase", "told"),
    [
        (DAYS[0], None, False),  # no mailbox was named: only what holds for all
        (DAYS[0], "not_started", True),
        (DAYS[0], "confirmed", False),
        (DAYS[1], None, False),
        (DAYS[1], "migrated", False),
    ],
)
def test_an_excerpt_quotes_nothing_that_the_article_would_not_show(real_articles, day, phase, told):
    """« Il n’est donc pas perdu : le mail 2 vous l’apportera » is for those whom mail 2 has not reached."""
    for hits in (
        search.search("mot de passe perdu", moment(brussels(day, 12), phase)),
        search.suggest("mot de passe perdu", need="nouveau-mot-de-passe", at=brussels(day, 12), phase=phase),
    ):
        found = next(hit for hit in hits if hit.slug == "nouveau-mot-de-passe-perdu")
        assert ("Il n’est donc pas" in found.excerpt) == told


def test_two_searches_of_the_same_give_the_same(real_articles):
    assert first("mdp boite", DAYS[1], limit=10) == first("mdp boite", DAYS[1], limit=10)
