"""From files to rows: read, told what is wrong where, loaded once, a version when what is read changes (G3, G4)."""

from datetime import date
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError

from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from support.articles import linting, loading, markdown, reading, synonyms
from support.models import Article, ArticleWord
from tests.support.articles_stage import PHASES, publish, write

DAY = date(2026, 11, 22)
AT = brussels(DAY, 12)


def told(folder, **head) -> list[str]:
    body = head.pop("body", "Un texte d’essai.\n")
    write(folder, "essai", body, **head)
    return [str(fault) for fault in linting.lint(folder, day=DAY)]


# Reading


def test_a_file_becomes_an_article_with_the_line_of_each_thing(tmp_path):
    path = write(
        tmp_path, "deux-serveurs", "\n## Un\n\nTexte.\n", keywords=["vieux mot"], valid_from=date(2024, 10, 1)
    )
    source, faults = reading.read(path)
    assert faults == []
    assert (source.slug, source.owner, source.keywords) == ("deux-serveurs", "etnic", ["vieux mot"])
    lines = path.read_text().splitlines()
    assert lines[source.body_line - 1] == "## Un"
    assert lines[source.lines["owner"] - 1].startswith("owner:")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("pas d’en-tête", 1, "l’en-tête manque"),
        ("---\ntitle: [un\n---\n", 3, "ne se lit pas"),
        ("---\ntitle: un\ntitle: deux\n---\n", 3, "y est deux fois"),
        ("---\ntitle: un\nautheur: moi\n---\n", 3, "« autheur » n’est pas une rubrique"),
        ("---\nkeywords: [110]\n---\n", 2, "une liste de textes"),
        ("---\nreview_on: demain\n---\n", 2, "« review_on » est une date"),
        ("---\nends_with_old_server: oui\n---\n", 2, "vaut true ou false"),
        ("---\nowner: Priminfo\n---\n", 2, "n’est pas un responsable connu"),
        ("---\n- une\n- liste\n---\n", 1, "« title » manque"),
        ("---\ntitle: 12\n---\n", 2, "« title » est un texte"),
    ],
)
def test_what_is_wrong_is_told_with_its_file_and_line(tmp_path, text, line, message):
    (tmp_path / "faux.md").write_text(text)
    _sources, faults = reading.read_folder(tmp_path)
    assert any(message in fault.message and fault.line == line for fault in faults), faults


def test_a_file_that_is_no_text_is_a_fault_and_no_more(tmp_path):
    (tmp_path / "binaire.md").write_bytes(b"\xff\xfe\x00")
    assert [fault.message for fault in reading.read_folder(tmp_path)[1]] == ["le fichier n’est pas en UTF-8"]


# Markdown


def html_of(body: str) -> str:
    return "".join(piece.html for piece in markdown.pieces(body))


def test_headings_have_ids_of_their_own_and_tables_scroll():
    html = html_of("## L’été\n\n## L’été\n\n| A | B |\n|---|---|\n| 1 | 2 |\n")
    assert '<h2 id="s-l-ete">' in html
    assert '<h2 id="s-l-ete-2">' in html
    assert '<div class="aide-table" tabindex="0"' in html
    assert '<th scope="col">A</th>' in html


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "<img src=x onerror=y>", "[x](data:text/html,y)",
     "![x](x.svg)<b onclick=y>", "<style>p{}</style>", "[x](vbscript:y)"],
)  # fmt: skip
def test_nothing_that_acts_comes_out_of_a_text(hostile):
    html = html_of(f"Avant.\n\n{hostile}\n")
    assert not any(f"<{tag}" in html for tag in ("script", "style", "b ", "img src=x"))
    assert 'href="javascript' not in html
    assert 'href="data' not in html
    assert 'href="vbscript' not in html


def test_a_drawing_alone_is_a_figure_with_its_text_and_caption():
    html = html_of('![Une <fenêtre> & deux boutons](drawings/x.svg "Dessin « schématique »")\n')
    assert '<figure class="aide-figure"><img src="/static/drawings/x.svg" alt="Une &lt;fenêtre&gt; &amp; deux' in html
    assert "<figcaption>" in html


def test_blocks_say_when_they_hold():
    found = markdown.pieces(PHASES)
    assert any(piece.phases == {"migrated"} for piece in found)
    since = next(piece for piece in found if piece.since)
    assert since.holds(date(2025, 9, 1), None)
    assert not since.holds(date(2025, 8, 31), None)
    until = next(piece for piece in found if piece.until)
    assert until.holds(date(2025, 8, 31), "migrated")
    assert not until.holds(date(2025, 9, 1), "migrated")


def test_a_placeholder_outside_the_list_is_shown_as_it_was_typed():
    assert markdown.fill("<p>{{ settings.SECRET_KEY }}</p>", {}) == "<p>{{ settings.SECRET_KEY }}</p>"


def test_an_acronym_is_expanded_once_and_not_in_a_link_or_a_title():
    html = synonyms.expand("<h2>La BMA</h2><p><a href='/'>BMA</a> La BMA, encore la BMA, et BMA@enseignement.be.</p>")
    assert html.count("boîte mail administrative") == 1
    assert html.startswith("<h2>La BMA</h2><p><a href='/'>BMA</a> La BMA (boîte mail administrative), encore la BMA,")
    assert "title=" not in html  # unseen on a phone and with a keyboard (A9)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("<p>Un serveur (SMTP 465), le SMTP.</p>",  # brackets do not stand in brackets
         "<p>Un serveur (SMTP 465), le SMTP (protocole qui envoie les mails).</p>"),
        ("<p>Choisissez « POP » (110).</p>",  # what is read on a button is quoted as it is read
         '<p>Choisissez « POP » (110).</p><p class="aide-sigles">Sigle\N{NO-BREAK SPACE}: POP, '
         "protocole qui relève les mails vers un ordinateur.</p>"),
        ("<td><strong>POP</strong></td><td>une façon de relever</td>",  # a glossary
         "<td><strong>POP</strong></td><td>une façon de relever</td>"),
        ("POP, puis POP3.", "POP (protocole qui relève les mails vers un ordinateur), puis POP3."),
        ("Le gestionnaire des identités et des accès (GIA) ; un GIA.",
         "Le gestionnaire des identités et des accès (GIA) ; un GIA."),
        ("<strong>GIA</strong> et GIA", "<strong>GIA</strong> (gestionnaire des identités et des accès) et GIA"),
        ("(un mot) GIA", "(un mot) GIA (gestionnaire des identités et des accès)"),
        ("Le gestionnaire des identités et des accès, ou GIA.", "Le gestionnaire des identités et des accès, ou GIA."),
    ],
)  # fmt: skip
def test_what_an_acronym_stands_for_is_written_where_it_reads_well(said, read):
    assert synonyms.expand(said) == read


# Linting


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Écrivez à support@ethn" + "ic.be.\n", "n’est pas celui de l’ETNIC"),
        ("Ouvrez https://www.webm" + "ail@adm.cfwb.be\n", "malformée"),
        ("Ouvrez https://moi@exemple.be/\n", "n’est pas une adresse"),
        ("Ouvrez http://webmail.adm.cfwb.be\n", "ends_with_old_server"),
        ("Ouvrez {{ ancien-webmail }}\n", "ends_with_old_server"),
        ("Ouvrez https://ec.cfwb.be/owa\n", "écrit en clair"),
        ("Écrivez à support@etnic.be\n", "écrit en clair"),
        ("Appelez le +32 2 800 10 10\n", "écrit en clair"),
        ("Appelez le 02/800.10.10\n", "écrit en clair"),
        ("Une école de l’ESAR" + "H\n", "s’écrit ESAHR"),
        ("L’ancien SMA" + "L2\n", "s’écrit SMAIL2"),
        ("C'est droit.\n", "apostrophe droite"),
        ('Il dit "oui" ici.\n', "guillemets droits"),
        ("{{ settings }}\n", "n’existe pas"),
        ("{% debug %}\n", "aucune balise"),
        ("# Un grand titre\n", "sans saut"),
        ("### Un saut\n", "sans saut"),
        ("[x](/aide/nulle-part/)\n", "cet article n’existe pas"),
        ("[x](/nulle-part/)\n", "n’est pas une page du portail"),
        ("[x](nulle-part)\n", "n’est pas une adresse de page"),
        ("[x](#s-rien)\n", "ne mène à aucun titre"),
        ("[{{ webmail }}]({{ webmail }})\n", "dans le texte d’un lien"),
        ("[x]({{ contact etnic }})\n", "sont l’adresse d’un lien"),
        ("![](drawings/x.svg)\n", "n’a pas de texte équivalent"),
        ("![Un dessin qui manque](drawings/x.svg)\n", "n’existe pas"),
        ("Voyez ![un dessin dans le texte](drawings/x.svg) ici.\n", "seul dans son paragraphe"),
        ("::: phase lundi\nTexte.\n:::\n", "n’est pas une phase connue"),
        ("::: apres demain\nTexte.\n:::\n", "n’est pas une date"),
        ("::: phase migrated\nTexte.\n", "pas fermé"),
        ("Texte.\n:::\n", "que rien n’ouvre"),
        ("::: gris\nTexte.\n:::\n", "attendu « phase"),
        ("L’ancien serveur sera fermé le 25 avril 2025.\n", "l’annonce encore"),
        ("\n", "n’a pas de texte"),
    ],
)
def test_the_linter_stops_what_must_not_be_read(tmp_path, body, message):
    assert any(message in fault for fault in told(tmp_path, body=body)), told(tmp_path, body=body)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ({"topic": "divers"}, "« divers » n’est pas un sujet connu"),
        ({"needs": ["rien"]}, "« rien » n’est pas un besoin connu"),
        ({"phases": ["lundi"]}, "« lundi » n’est pas une phase connu"),
        ({"audience": ["tous"]}, "« tous » n’est pas un public connu"),
        ({"title": "x" * 81}, "81 signes"),
        ({"summary": "x" * 201}, "201 signes"),
        ({"title": "Un titre."}, "ne finit pas par un point"),
        ({"source": ""}, "« source » manque"),
        ({"valid_from": date(2025, 1, 1), "valid_to": date(2025, 1, 1)}, "ne suit pas le début"),
    ],
)
def test_the_linter_reads_the_head_too(tmp_path, head, message):
    assert any(message in fault for fault in told(tmp_path, **head)), told(tmp_path, **head)


def test_what_is_only_old_is_a_warning_and_is_published(tmp_path):
    write(tmp_path, "vieux", valid_to=date(2025, 9, 1), review_on=date(2026, 1, 1))
    found = linting.lint(tmp_path, day=DAY)
    assert [fault.warning for fault in found] == [True, True]


def test_what_is_right_has_no_fault(tmp_path):
    body = "La boîte est `ec000247@adm.cfwb.be`. Il a fermé le 25 avril 2025.\n\n## Suite\n\n{{ contact etnic }}\n\n"
    body += "[Mot de passe](/mot-de-passe/), [suite](#s-suite), [site](https://www.enseignement.be/).\n"
    assert told(tmp_path, body=body, keywords=["esar" + "h", "smal" + "2"]) == []


def test_two_articles_may_not_have_one_title_nor_replace_the_same(tmp_path):
    write(tmp_path, "un", title="Même titre", replaces=["vieux"])
    write(tmp_path, "deux", title="Meme  TITRE", replaces=["vieux"])
    found = [str(fault) for fault in linting.lint(tmp_path, day=DAY)]
    assert any("est déjà celui de" in fault for fault in found)
    assert any("remplacé par lui" in fault for fault in found)


def test_the_articles_of_the_repository_are_fit_to_be_published():
    """The same as `manage.py lint_articles`, on the day they were written."""
    assert [str(fault) for fault in linting.lint(day=DAY) if not fault.warning] == []


def test_the_articles_of_the_repository_are_enough():
    assert len(reading.files(reading.FOLDER)) >= 25


# Loading


@pytest.mark.django_db
def test_loading_twice_changes_nothing(tmp_path):
    write(tmp_path, "essai-un", keywords=["archipel"])
    first = loading.load(AT, folder=tmp_path)
    assert (first.new, first.versions) == (1, 1)
    again = loading.load(AT, folder=tmp_path)
    assert (again.new, again.changed, again.versions, again.same) == (0, 0, 0, 1)
    assert ArticleWord.objects.filter(word="archipel").exists()


@pytest.mark.django_db
def test_a_version_begins_when_what_is_read_changes_and_only_then(tmp_path):
    write(tmp_path, "essai-un", "Un.\n")
    article = publish(tmp_path)["essai-un"]
    write(tmp_path, "essai-un", "Un.\n", review_on=date(2031, 1, 1), keywords=["autre"])
    assert loading.load(AT, folder=tmp_path).versions == 0
    write(tmp_path, "essai-un", "Deux.\n")
    assert loading.load(AT, folder=tmp_path).versions == 1
    article.refresh_from_db()
    assert article.version == 2
    assert list(article.versions.order_by("number").values_list("body", flat=True)) == ["Un.\n", "Deux.\n"]


@pytest.mark.django_db
def test_a_file_that_is_gone_withdraws_its_article_and_one_that_is_back_shows_it(tmp_path):
    write(tmp_path, "reste")
    path = write(tmp_path, "part")
    publish(tmp_path)
    text = path.read_text()
    path.unlink()
    assert loading.load(AT, folder=tmp_path).withdrawn == 1
    gone = Article.objects.get(slug="part")
    assert gone.withdrawn_at == AT
    path.write_text(text)
    loading.load(AT, folder=tmp_path)
    gone.refresh_from_db()
    assert (gone.withdrawn_at, gone.version) == (None, 1)


@pytest.mark.django_db
def test_one_fault_and_nothing_is_loaded(tmp_path):
    write(tmp_path, "bon")
    write(tmp_path, "mauvais", "C'est droit.\n")
    with pytest.raises(Refusal, match=r"mauvais\.md:\d+ : apostrophe droite"):
        loading.load(AT, folder=tmp_path)
    assert not Article.objects.filter(slug="bon").exists()


@pytest.mark.django_db
def test_an_empty_folder_withdraws_nothing(tmp_path):
    with pytest.raises(Refusal, match="Aucun article"):
        loading.load(AT, folder=tmp_path)


@pytest.mark.django_db
def test_migrate_publishes_and_flush_does_not(monkeypatch):
    asked = []
    monkeypatch.setattr(loading, "call_command", lambda name, **options: asked.append(name))
    config = apps.get_app_config("support")
    loading.after_migrate(sender=config)
    assert asked == []
    loading.after_migrate(sender=config, plan=[])
    assert asked == ["load_articles"]


@pytest.mark.django_db
def test_a_faulty_article_does_not_stop_a_deployment(monkeypatch, caplog):
    def refuse(name, **options):
        raise CommandError("Rien n’est publié.")

    monkeypatch.setattr(loading, "call_command", refuse)
    loading.after_migrate(sender=apps.get_app_config("support"), plan=[])
    assert "articles refusés" in caplog.text


@pytest.mark.django_db
def test_the_articles_of_the_repository_are_published_by_migrate():
    """These tests' own database was migrated."""
    published = Article.objects.filter(withdrawn_at=None)
    assert published.count() == len(reading.files(reading.FOLDER))


# Commands


def test_the_linter_s_command_fails_with_the_faults(tmp_path):
    write(tmp_path, "mauvais", "C'est droit.\n")
    out = StringIO()
    with pytest.raises(CommandError, match="1 faute"):
        call_command("lint_articles", str(tmp_path), "--at", "2026-11-22", "--json", stdout=out)
    assert '"line": 20' in out.getvalue() or "apostrophe droite" in out.getvalue()


@pytest.mark.django_db
def test_the_loader_s_command_says_what_it_did(tmp_path):
    write(tmp_path, "essai-un")
    out = StringIO()
    call_command("load_articles", str(tmp_path), "--at", "2024-10-01", "--json", stdout=out)
    assert '"new": 1' in out.getvalue()
