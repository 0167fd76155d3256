"""/aide/ as it is used: searched, read and judged without a script, on a phone, with the keyboard, on paper."""

from datetime import date
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from playwright.sync_api import expect

from support.models import Article, ArticleVote
from tests.factories import MailboxFactory, UserFactory
from tests.walks.mode_scenes import set_date
from tests.walks.sound import WCAG, assert_sound_at_each_size, enter, follow, hear, photograph, press, violations

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BEFORE = date(2024, 11, 15)


@pytest.fixture
def site(live_server) -> str:
    set_date(BEFORE)
    return live_server.url


def test_the_pages_are_sound_at_each_size(page, site):
    """The real articles: the index, results, nothing found, an article with drawings, one with a table and cases."""
    complaints = hear(page, within=site)
    scenes = {
        "index": "",
        "resultats": "?q=mdp outlok perdu",
        "rien": "?q=xylophone",
        "dessins": "outlook-nouveau-compte/",
        "tableau": "quel-mot-de-passe/",
        "cas": "ancien-mot-de-passe-perdu/",
        "cas-en-liste": "materiel-vole/",
        "calendrier": "migration-en-bref/",
        "numero-faux": "ancien-mot-de-passe-perdu/?numero=zzz",
        "avis": "boite-pleine/utile/",
        "suggestions": "suggestions/?q=boite pleine&besoin=technique",
    }
    for name, path in scenes.items():
        page.goto(f"{site}/aide/{path}")
        assert_sound_at_each_size(page, f"aide-{name}")
    assert complaints == []


def test_a_director_finds_reads_and_judges_without_a_script(site, new_context):
    page = new_context(java_script_enabled=False, viewport={"width": 360, "height": 740}).new_page()
    page.goto(f"{site}/aide/")
    page.get_by_label("Que cherchez-vous").fill("mon ordi portable a ete vole")
    press(page, "Chercher")
    results = page.locator("#resultats > li")
    expect(results.first.locator("mark").first).to_be_visible()
    follow(page, page.get_by_role("link", name=Article.objects.get(slug="materiel-vole").title))
    expect(page.get_by_text("Source :")).to_be_visible()
    press(page, "Non")
    page.get_by_label("Je ne comprends pas une étape").check()
    press(page, "Envoyer")
    expect(page.get_by_role("heading", level=1)).to_have_text("Merci !")
    given = ArticleVote.objects.get()
    assert (given.helpful, given.reason, given.version.article.slug) == (False, "obscur", "materiel-vole")


@pytest.mark.parametrize("scripts", [True, False])
def test_what_one_was_writing_is_still_there_after_an_article(site, new_context, scripts):
    number = MailboxFactory().address[:8]
    page = new_context(java_script_enabled=scripts, viewport={"width": 360, "height": 740}).new_page()
    page.goto(f"{site}/demandes/nouvelle/?besoin=reception&numero={number}")
    page.get_by_label("Votre message").fill("Plus rien depuis lundi, et l’inspection vient jeudi.")
    suggestions = page.locator(".suggestions")
    for link in (suggestions.get_by_role("link").first, suggestions.get_by_role("link", name="Cela a répondu").first):
        with page.expect_popup() as opened:
            link.click()
        expect(opened.value.get_by_text("restée ouverte dans l’autre onglet")).to_be_visible()
        photograph(opened.value, f"aide-onglet-{scripts}")
        opened.value.close()
    photograph(page, f"aide-demande-{scripts}")
    expect(page.get_by_label("Votre message")).to_have_value("Plus rien depuis lundi, et l’inspection vient jeudi.")


def test_an_article_is_printed_as_text_one_can_select(page, site, tmp_path: Path):
    page.goto(f"{site}/aide/outlook-nouveau-compte/")
    photograph(page, "aide-ecran")
    printed = page.pdf(format="A4", print_background=False)
    document = pypdfium2.PdfDocument(BytesIO(printed))
    text = "\n".join(sheet.get_textpage().get_text_range() for sheet in document)
    (tmp_path / "article.pdf").write_bytes(printed)
    assert Article.objects.get(slug="outlook-nouveau-compte").title.replace("’", "'")[:20] in text.replace("’", "'")
    assert "Source" in text
    assert len(text) > 1000
    for screen_only in ("Cet article vous a-t-il été utile", "Chercher", "Aller au contenu"):
        assert screen_only not in text
    assert len(document) <= 8


def test_the_staff_s_pages_are_sound(page, site):
    person = UserFactory(staff=True)
    person.groups.add(Group.objects.get(name="SGNE"))
    enter(page.context, site, person)
    version = Article.objects.get(slug="boite-pleine").versions.get()
    complaints = hear(page)
    for name, where in {
        "liste": reverse("admin:support_article_changelist"),
        "fiche": reverse("admin:support_article_change", args=[version.article_id]),
        "version": reverse("admin:support_article_diff", args=[version.article_id, 1]),
    }.items():
        page.goto(site + where)
        assert violations(page, only=WCAG) == [], name
    assert complaints == []
