"""The teams' side of the articles: what is late, what readers say of each version, what changed, one mail (G3, G5)."""

from datetime import date

import pytest
from django.urls import reverse

from bma_portal import retention
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from support.admin_articles import changed_lines
from support.articles import mails
from support.models import Article, ArticleVersion, ArticleVote
from tests.factories import UserFactory
from tests.sign_in import note_entry, sign_in
from tests.support.articles_stage import publish, write

pytestmark = pytest.mark.django_db
DAY = date(2025, 3, 3)
AT = brussels(DAY, 12)


@pytest.fixture
def articles(tmp_path, it_is):
    it_is(DAY)
    write(tmp_path, "a-jour", title="Un article à jour")
    write(tmp_path, "tard", title="Un article en retard", review_on=date(2025, 3, 1), owner="SGNE")
    write(tmp_path, "tard-aussi", title="Un autre en retard", review_on=date(2025, 3, 3), owner="SGNE")
    write(tmp_path, "bientot", title="Un article pour bientôt", valid_from=date(2025, 6, 1))
    return publish(tmp_path)


@pytest.fixture
def staff(client):
    person = UserFactory(superuser=True, break_glass=True)
    sign_in(client, person)
    note_entry(client, person, by="secours")
    return client


def page(client, name: str, *args) -> str:
    response = client.get(reverse(f"admin:support_article_{name}", args=args))
    assert response.status_code == 200
    text = response.content.decode()
    assert "VARIABLE-INCONNUE" not in text
    return text


def test_the_list_begins_with_what_is_late_and_says_where_articles_are_corrected(articles, staff):
    text = page(staff, "changelist")
    assert text.index("Un article en retard") < text.index("Un autre en retard") < text.index("Un article à jour")
    assert text.count(": en retard") == 2
    assert "dès le 01/06/2025" in text
    assert "publier est un commit" in text


def test_the_sheet_counts_the_opinions_of_each_version_and_says_why(articles, staff, tmp_path):
    article = articles["a-jour"]
    first = article.versions.get()
    ArticleVote.objects.create(version=first, helpful=False, reason="obscur", text="l’étape <3>", at=AT)
    write(tmp_path, "a-jour", "Un texte corrigé.\n", title="Un article à jour")
    publish(tmp_path)
    text = page(staff, "change", article.pk)
    assert "Version 2 : ce qui a changé" in text
    assert "l’étape &lt;3&gt;" in text
    assert "articles/a-jour.md" in text


def test_the_difference_between_two_versions_is_shown_line_by_line(articles, staff, tmp_path):
    write(tmp_path, "a-jour", "Un texte corrigé & <clair>.\n", title="Un article à jour")
    publish(tmp_path)
    text = page(staff, "diff", articles["a-jour"].pk, 2)
    assert "<ins>" in text
    assert "<del>" in text
    assert "Un texte corrigé &amp; &lt;clair&gt;." in text
    assert "première version" in page(staff, "diff", articles["a-jour"].pk, 1)
    for number in (3, 10**9):
        assert (
            staff.get(reverse("admin:support_article_diff", args=[articles["a-jour"].pk, number])).status_code == 404
        )


def test_what_did_not_change_is_left_out_of_a_difference():
    body = [f"ligne {n}" for n in range(40)]
    before = ArticleVersion(title="T", summary="R", body="\n".join(body))
    body[20] = "autre"
    lines = changed_lines(before, ArticleVersion(title="T", summary="R", body="\n".join(body)))
    assert ("retiré", "ligne 20") in lines
    assert ("ajouté", "autre") in lines
    assert lines[0] == ("saut", "…")
    assert len(lines) < 12


def test_a_late_review_is_told_once_to_the_team_that_owns_it(articles):
    assert mails.remind(at=AT) == 1
    mail = OutgoingMail.objects.get(kind="article.review")
    assert (mail.to, mail.sender) == (["migrationBMA@cfwb.be"], "sgne")
    assert mail.subject == "2 articles d’aide à relire"
    for text in (mail.text, mail.html):
        assert "Un article en retard" in text
        assert "http://testserver/aide/tard/" in text
        assert "VARIABLE-INCONNUE" not in text
    assert mails.remind(at=AT) == 0
    assert mails.remind(at=brussels(date(2025, 4, 1))) == 0


def test_a_new_date_of_review_is_told_again_when_it_comes(articles):
    mails.remind(at=AT)
    Article.objects.filter(slug="tard").update(review_on=date(2026, 3, 1))
    assert mails.remind(at=brussels(date(2026, 2, 28), 23)) == 0
    assert mails.remind(at=brussels(date(2026, 3, 1), 1)) == 1


def test_a_withdrawn_article_is_not_to_be_read_again(articles):
    Article.objects.filter(owner="sgne").update(withdrawn_at=AT)
    assert mails.remind(at=AT) == 0


def test_words_left_by_a_reader_go_after_a_year_and_the_opinion_stays(articles):
    version = articles["a-jour"].versions.get()
    vote = ArticleVote.objects.create(version=version, helpful=False, reason="obscur", text="un mot", at=AT)
    retention.apply(at=brussels(date(2026, 3, 2)))
    vote.refresh_from_db()
    assert vote.text == "un mot"
    retention.apply(at=brussels(date(2026, 3, 5)))
    vote.refresh_from_db()
    assert (vote.text, vote.reason) == ("", "obscur")
