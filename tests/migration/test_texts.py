"""The language of the mails' texts: what it reads, what it refuses and where (C2, C7, SEC-F5)."""

import random
import time
from html.parser import HTMLParser

import pytest

from bma_portal.templatetags.french import insecable
from migration.models import Step
from migration.texts import contents, language
from migration.texts.addresses import fault_of_address
from migration.texts.rendering import Both, render
from migration.texts.versions import source_of

ALL = contents.EVERYWHERE | contents.OF_STEP[Step.CREDENTIALS] | contents.OF_STEP[Step.CLOSING]
NBSP = "\N{NO-BREAK SPACE}"


def faults(body: str, allowed=ALL) -> list[str]:
    return [str(fault) for fault in language.faults(language.clean(body), allowed)]


def changed(step: int, old: str, new: str) -> list[str]:
    """What is said of the text that the portal comes with, one thing in it replaced."""
    subject, body = source_of(step)
    assert old in body
    return contents.faults(step, subject, language.clean(body.replace(old, new)))


# What it reads


def test_the_same_source_gives_the_text_and_the_html():
    body = "Bonjour **vous** !\n\n## Un titre\n\n- un\n- [l’aide]({aide})\n\n"
    body += "1. d’abord\n2. ensuite\n\nFin\nsur deux lignes"
    assert faults(body) == []
    assert language.as_text(body) == insecable(
        "Bonjour vous !\n\nUN TITRE\n\n- un\n- l’aide : {aide}\n\n1. d’abord\n2. ensuite\n\nFin\nsur deux lignes\n"
    )
    assert language.as_html(body).replace(NBSP, " ") == (
        "<p>Bonjour <strong>vous</strong> !</p>\n"
        f'<h2 style="{language.TITLE_STYLE}">Un titre</h2>\n'
        f'<ul>\n<li>un</li>\n<li><a href="{{aide}}" style="{language.LINK_STYLE}">l’aide</a></li>\n</ul>\n'
        "<ol>\n<li>d’abord</li>\n<li>ensuite</li>\n</ol>\n"
        "<p>Fin<br>sur deux lignes</p>"
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("[Aide]({aide})", f"Aide{NBSP}: {{aide}}"),
        ("Voyez [l’aide]({aide}) d’abord.", "Voyez l’aide <{aide}> d’abord."),
        ("Écrivez à [support@etnic.be](mailto:support@etnic.be).", "Écrivez à support@etnic.be."),
        ("Appelez le [+32 2 800 10 10](tel:+3228001010).", "Appelez le +32 2 800 10 10."),
        ("Appelez [l’ETNIC](tel:+3228001010).", "Appelez l’ETNIC <+3228001010>."),
    ],
)
def test_the_text_alone_says_where_each_link_leads(source, text):
    assert faults(source) == []
    assert language.as_text(source) == f"{text}\n"


def test_a_title_in_capitals_keeps_its_placeholder():
    assert language.as_text("## Le mail du {lendemain}") == "LE MAIL DU {lendemain}\n"


def test_lists_that_follow_each_other_stay_two_lists():
    assert language.as_html("- a\n\nEt\n\n- b").count("<ul>") == 2
    assert language.as_text("3. trois\n4. quatre") == "3. trois\n4. quatre\n"
    assert '<ol start="3">' in language.as_html("3. trois\n4. quatre")
    assert language.as_text("- a\n  suite\n- b") == "- a\n  suite\n- b\n"


def test_the_password_stands_in_its_box():
    html = language.as_html("Le voici :\n\n{mot_de_passe}")
    assert f'<code style="{language.CODE_STYLE}">{{mot_de_passe}}</code>' in html


def test_values_are_escaped_once_and_read_no_further():
    """A name with signs of HTML, or with a placeholder in it, is that name."""
    name = 'École <b>« {mot_de_passe} & "fils"</b>'
    text, html = render(
        "Objet", "Bonjour {nom_unite}, {contact_sgne}", {"nom_unite": name, "contact_sgne": Both("t", "h")}
    )
    assert text == f"Bonjour {name}, t\n"
    assert "Bonjour École &lt;b&gt;« {mot_de_passe} &amp; &quot;fils&quot;&lt;/b&gt;, h" in html


def test_the_texts_that_the_portal_comes_with_say_what_they_must():
    """C2: each of the four, as it is shipped."""
    for step in Step.values:
        assert contents.faults(step, *source_of(step)) == []


# What it refuses (SEC-F5)


@pytest.mark.parametrize(
    "line",
    [
        "{{ settings }}", "{{ settings.SECRET_KEY }}", "{{adresse_boite}}", "{% debug %}", "{% load static %}",
        "{% include 'x' %}", "{# rien #}", "{inconnu}", "{ nuit }", "{nuit", "nuit}", "{}", "{nuit.__class__}", "{0}",
        "{nuit!r}", "{nuit:>9}", "{Nuit}", "{code}", "{nu{nuit}it}", "{nuıt}",
    ],
)  # fmt: skip
def test_only_the_placeholders_of_the_list_are_read(line):
    """SEC-F5: nothing of Django's language, nothing of Python's format."""
    found = faults(f"Bonjour\n\n{line}")
    assert found
    assert found[0].startswith("Ligne 3"), found


@pytest.mark.parametrize(
    "line",
    [
        "<b>gras</b>", "<script>alert(1)</script>", "<!-- rien -->", "</p>", "<img src=x onerror=alert(1)>",
        "<?php ?>", "# Titre", "### Titre", "##Titre", "##", "> cité", "```", "`code`", "---", "***", "* * *", "===",
        "* a", "+ a", "1) a", "    code", "\tcode", "| a | b |", "![image](https://exemple.be/x.png)", "*penché*",
        "_penché_", "**gras", "[lien](adresse", "[lien] (https://exemple.be)", "[lien](https://exemple.be titre)",
        "[lien",
        '[lien](https://exemple.be "titre")', "[](https://exemple.be)", "[https://exemple.be](https://exemple.be)",
        "[{contact_sgne}](https://exemple.be)", "<https://exemple.be>", "- a\n  - b", "- ## titre",
        "## {contact_sgne}",
        "Le voici : {mot_de_passe}", "- {mot_de_passe}", "**{mot_de_passe}**\nici", "## {rappel_mot_de_passe}",
        "a\N{RIGHT-TO-LEFT OVERRIDE}b", "a\N{ZERO WIDTH SPACE}b", "a\x00b", "a\x1b[31m", "a\ud800b", "a\ue000b",
        "a\u2028b", "\ufeffa", "x" * 2001, "support@ethnic.be", "https://www.webmail@adm.cfwb.be",
        "Service ESAR" + "H",
    ],
)  # fmt: skip
def test_what_the_language_does_not_know_is_refused_with_its_line(line):
    found = faults(f"Bonjour\n\n{line}")
    assert found
    assert found[0].startswith(("Ligne 3", "Ligne 4")), found


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "ftp://a.be",
        "//exemple.be", "/aide/", "exemple.be", "https:/exemple.be", "https://", "https://exemple", "http://.be",
        "https://www.webmail@adm.cfwb.be", "https://a@exemple.be", "https://exemple.be:0", "https://exemple.be:x",
        "https://exa mple.be", "https://exemple.be\\@evil.be", "https://exémple.be", "https://[::1", "https://-a.be",
        "mailto:", "mailto:support", "mailto:a@b@c.be", "mailto:support@etnic.be?bcc=x@y.be", "tel:", "tel:08+00",
        "tel:112x",
        "{nuit}", "{aide}x", "{aide", "{mot_de_passe}", "https://exemple.be/{adresse_boite}", "",
    ],
)  # fmt: skip
def test_a_link_leads_to_a_page_a_mail_or_a_telephone_only(address):
    """SEC-F5: no password in an address, no scheme that runs anything."""
    assert fault_of_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "https://ec.cfwb.be/owa", "http://www.enseignement.be/bma-faq", "https://exemple.be:8443/a?b=c&d=e#f",
        "mailto:migrationBMA@cfwb.be", "tel:+3228001010", "tel:112", "{aide}", "{nouvelle_interface}",
    ],
)  # fmt: skip
def test_the_addresses_that_a_link_may_have(address):
    assert fault_of_address(address) == ""
    assert faults(f"[là]({address})") == []


def test_a_text_of_5000_lines_is_refused_and_soon():
    started = time.monotonic()
    assert faults("ligne\n" * 5000) == ["Ligne 301 : le texte a 5000 lignes ; 300 au plus."]
    assert faults(("x" * 100 + "\n") * 250)[0].endswith("20 000 au plus.".replace(" 000", "000"))
    for sign in ("[", "](", "**", "{", "- ", "_", "<a", "(", "![", "*a", "[a](", "*_", "[a](b)"):
        faults("\n".join([sign * (1900 // len(sign))] * 10))
    assert time.monotonic() - started < 5


class Tags(HTMLParser):
    """Whether every tag is one of ours, and closed where it must be."""

    OURS = {
        "p": set(),
        "h2": set(),
        "ul": set(),
        "ol": {"start"},
        "li": set(),
        "a": {"href"},
        "strong": set(),
        "code": set(),
    }

    def __init__(self):
        super().__init__()
        self.open, self.wrong = [], []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)
            self.wrong += (
                [tag] if tag not in self.OURS else [n for n, _ in attrs if n not in self.OURS[tag] | {"style"}]
            )

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


PIECES = [
    "a", " ", "\n", "\n\n", "- ", "1. ", "## ", "**", "*", "_", "[", "]", "(", ")", "](", "{aide}", "{nuit}",
    "{mot_de_passe}", "{contact_sgne}", "https://a.be/x", "mailto:a@b.be", "{", "}", "<", "&", '"', "é", " :", "« ",
    "\\", "&amp;", "   ", "!", "|", ">", "#", "0", "tel:112", "[a]({aide})", "**b**",
]  # fmt: skip


def test_whatever_is_accepted_makes_a_whole_page_and_loses_no_placeholder():
    """Four thousand texts made of marks thrown together, the same each time."""
    thrown, accepted = random.Random(8), 0
    for _ in range(4000):
        body = language.clean("".join(thrown.choices(PIECES, k=thrown.randint(1, 14))))
        if language.faults(body, ALL):
            continue
        accepted += 1
        html = language.as_html(body)
        tags = Tags()
        tags.feed(html)
        tags.close()
        assert (tags.wrong, tags.open) == ([], []), body
        assert (
            language.placeholders(html) == language.placeholders(language.as_text(body)) == language.placeholders(body)
        )
    assert accepted > 500


def test_an_empty_text_says_so():
    assert faults(" \n\n ") == ["Ligne 1 : le texte est vide."]


def test_every_fault_is_told_in_the_order_of_its_lines():
    found = faults("{a}\n\n<b>\n\n{{ x }}\n\nfin}")
    assert [what[:7] for what in found] == ["Ligne 1", "Ligne 3", "Ligne 5", "Ligne 7"]


def test_a_fault_repeats_how_its_line_begins_without_what_nobody_sees():
    assert faults("Bonjour\n\nCeci est une ligne assez longue \u202e{x}")[0] == (
        "Ligne 3, « Ceci est une ligne assez longu… » : elle contient un caractère invisible (U+202E) : effacez-le."
    )
    assert faults("{x}") == ["Ligne 1, « {x} » : le champ {x} n’existe pas pour ce mail."]


@pytest.mark.parametrize(
    "subject", ["", "  ", "x" * 151, "Le {nuit}", "{{ x }}", "<b>", "a\nBcc: b@c.be", "a\x00", "ethnic.be"]
)
def test_a_subject_is_one_line_of_words(subject):
    found = contents.faults(1, subject, source_of(1)[1])
    assert found
    assert all(what.startswith("Objet : ") for what in found)


# What each must carry (C2)


@pytest.mark.parametrize(
    ("step", "old", "new", "lacks"),
    [
        (1, "{nuit}", "bientôt", "la date de la migration"),
        (1, "{lendemain}", "ensuite", "le jour d’ouverture"),
        (1, "{contact_sgne}", "le SGNE", "le contact du SGNE"),
        (1, "{contact_etnic}", "l’ETNIC", "le contact de l’ETNIC"),
        (1, "]({aide})", "](https://exemple.be/)", "un lien vers l’aide"),
        (2, "{mot_de_passe}", "secret", "le mot de passe, {mot_de_passe}"),
        (2, "{mot_de_passe}", "{mot_de_passe}\n\n{mot_de_passe}", "un seul {mot_de_passe} au lieu de 2"),
        (3, "{nuit}", "bientôt", "la date de la migration"),
        (3, "]({nouvelle_interface})", "]({aide})", "le lien de la nouvelle interface"),
        (3, "- [Installer sa boîte dans Outlook]({aide})", "- Outlook", "le lien de deux tutoriels"),
        (4, "dernier message", "message", "« dernier message »"),
        (4, "]({nouvelle_interface})", "]({aide})", "le lien de la nouvelle interface"),
        (4, "{rappel_mot_de_passe}", "rien", "le rappel du mot de passe"),
    ],
)
def test_each_mail_carries_what_it_must(step, old, new, lacks):
    """C2: date, procedure, support; secret; date, link, two tutorials; last message, link, recall."""
    found = changed(step, old, new)
    assert any(lacks in what for what in found), found


def test_mail_1_has_a_procedure():
    """C2: without its numbered steps it is not one."""
    subject, body = source_of(1)
    flat = "\n".join(f"- {line[3:]}" if line[:1].isdecimal() else line for line in body.split("\n"))
    assert any("la marche à suivre" in what for what in contents.faults(1, subject, flat))


@pytest.mark.parametrize("step", Step.values)
def test_each_mail_names_the_mailbox(step):
    assert any("{adresse_boite}" in what for what in changed(step, "{adresse_boite}", "votre boîte"))


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (1, "mot_de_passe"),
        (3, "mot_de_passe"),
        (4, "mot_de_passe"),
        (1, "rappel_mot_de_passe"),
        (2, "rappel_mot_de_passe"),
    ],
)
def test_a_password_stands_in_no_other_mail(step, name):
    """C2, S4: mail 2 carries it, mail 4 recalls it; SGNE's mails name none."""
    found = changed(step, "Bien à vous,", f"{{{name}}}\n\nBien à vous,")
    assert any(f"le champ {{{name}}} n’existe pas pour ce mail" in what for what in found)
