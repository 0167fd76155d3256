"""The check of `markup.py` sees what it is there for, and no test can open a page past it."""

import pytest
from django.contrib.auth.decorators import login_not_required
from django.http import HttpResponse
from django.urls import path

from bma_portal.mail.compose import Mail
from tests.factories_holders import NOON
from tests.markup import faults

PAGE = """<!DOCTYPE html>
<html lang="fr"><head><title>Essai</title></head><body><main><h1>Essai</h1>{}</main></body></html>"""
WRONG = PAGE.format("<p>Un <div>bloc</div></p>")


@login_not_required
def wrong_page(request):
    return HttpResponse(WRONG)


urlpatterns = [path("faux/", wrong_page)]

SOUND = """
<form method="post" data-hx-post="/x/"><input type="hidden" name="a" value="b">
  <fieldset aria-describedby="aide"><legend>Votre choix</legend><p id="aide">Un seul.</p>
    <div><input type="radio" name="choix" id="id_choix_0"> <label for="id_choix_0">Oui</label></div></fieldset>
  <label>Ville
    <select name="v"><option value="">—</option><optgroup label="A"><option>Ath</option></optgroup></select></label>
  <button type="submit" formaction="/y/">Envoyer</button></form>
<details><summary><h2>Plus</h2></summary><dl><div><dt>Un</dt><dd>Deux</dd></div></dl></details>
<a href="#aide"><div>Un lien autour d’un bloc</div></a>
<table><caption>Lots</caption><thead><tr><th scope="col">Lot</th></tr></thead>
  <tbody><tr><td>1</td></tr></tbody></table>
<svg viewBox="0 0 1 1" role="img" aria-labelledby="t"><title id="t">Un</title><rect width="1" height="1"/></svg>
"""


def test_what_is_sound_passes():
    assert faults(PAGE.format(SOUND)) == []
    assert faults("<p data-news>Une réponse.</p>") == []  # a part of a page
    assert (
        faults('<!doctype html><html lang="fr"><head><title>Mail</title></head><body><h2>x</h2></body></html>') == []
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("<p>Un <div>bloc</div></p>", "Unexpected end tag : p"),
        ("<p>Un <section>bloc</section></p>", "<section> dans <p>"),
        ("<span><a href='/'><ul><li>x</li></ul></a></span>", "<ul> dans <span>"),
        ("<section><div></section>", "Opening and ending tag mismatch"),
        ("<ul><div>x</div></ul>", "<div> dans <ul>"),
        ("<li>x</li>", "<li> dans <main>"),
        ("<table><tr><p>x</p></tr></table>", "<p> dans <tr>"),
        ("<fieldset><p>x</p><legend>y</legend></fieldset>", "<legend> n’est pas en tête"),
        ("<button><a href='/'>x</a></button>", "<a> dans <button>"),
        ("<label>x <label>y</label></label>", "<label> dans <label>"),
        ("<p hx-get='/'>x</p>", "<p> n’a pas d’attribut hx-get"),
        ("<fieldset><legend for='x' id='x'>y</legend></fieldset>", "<legend> n’a pas d’attribut for"),
        ("<p class='a' id='b' class='c'>x</p>", "attribut répété"),
        ("<bouton>x</bouton>", "<bouton> n’existe pas"),
        ("<p id='a'></p><p id='a'></p>", "id « a » en double"),
        ("<p id='a b'></p>", "id « a b » vide ou avec une espace"),
        ("<label for='absent'>x</label>", "for mène à « absent »"),
        ("<label for='a'>x</label><p id='a'></p>", "un <label> pour <p>"),
        ("<input name='a' aria-describedby='aide erreur'><p id='aide'></p>", "mène à « erreur »"),
        ("<a href='#nulle-part'>x</a>", "#nulle-part est absent"),
        ("<input type='hidden' name='a' aria-describedby='b'><p id='b'></p>", "champ caché avec aria-*"),
        ("<select><option value=''></option></select>", "<option> sans texte"),
        ("<img src='/a.png'>", "<img> sans alt"),
        ("<h1>Encore</h1>", "1 main, 2 h1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(body, said):
    assert any(said in fault for fault in faults(PAGE.format(body))), faults(PAGE.format(body))


@pytest.mark.parametrize(
    ("part", "by", "said"),
    [
        ("<!DOCTYPE html>\n", "", "pas de doctype"),
        (' lang="fr"', "", "html sans lang"),
        ("<title>Essai</title>", "<title> </title>", "page sans titre"),
        ("<h1>Essai</h1>", "", "1 main, 0 h1"),
    ],
)
def test_a_page_says_what_it_is(part, by, said):
    assert said in faults(PAGE.replace(part, by))


@pytest.mark.urls(__name__)
def test_a_test_that_opens_a_wrong_page_fails(client, db):
    with pytest.raises(AssertionError, match=r"GET /faux/ : .*end tag : p"):
        client.get("/faux/")


def test_a_test_that_composes_a_wrong_mail_fails(monkeypatch):
    monkeypatch.setattr(Mail, "bodies", lambda mail, context: ("", WRONG))
    with pytest.raises(AssertionError, match="end tag : p"):
        Mail().render(at=NOON)
