"""Pages that are shown when something is wrong, and what every page carries."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.urls import NoReverseMatch

from bma_portal import views
from bma_portal.assets import HashedFiles
from tests.support.pages import Page

CODES = ["400", "403", "403_csrf", "404", "413", "429", "500", "503"]


@pytest.mark.parametrize("code", CODES)
def test_every_error_page_is_made_without_request_session_or_database(code):
    html = render_to_string(f"errors/{code}.html", {"contact": views.CONTACT, "minutes": 3})
    assert '<html lang="fr">' in html
    assert html.count("<h1>") == 1
    assert "VARIABLE-INCONNUE" not in html
    assert "support@etnic.be" in html
    assert "tel:+3228001010" in html
    assert "/static/css/portail.css" in html
    assert f"Erreur {code[:3]}" in html


@pytest.mark.parametrize("code", ["400", "403_csrf", "413", "500", "503"])
def test_an_error_page_says_what_became_of_what_was_sent(code):
    html = render_to_string(f"errors/{code}.html", {"contact": views.CONTACT})
    assert "enregistré" in html


@pytest.mark.parametrize("code", CODES)
def test_no_error_page_promises_what_a_browser_may_have_forgotten(code):
    """Pages of the portal are kept by no browser (no-store): what was typed on the one before may be gone."""
    html = render_to_string(f"errors/{code}.html", {"contact": views.CONTACT, "minutes": 3})
    assert "encore dans la page précédente" not in html


@pytest.mark.django_db
def test_a_page_that_does_not_exist_is_a_404_in_french(client):
    page = Page(client.get("/rien/"))
    page.assert_sound()
    assert page.status == 404
    assert "Cette page n’existe pas" in page.text


@pytest.mark.django_db
def test_a_form_without_its_token_is_told_so_in_french():
    page = Page(Client(enforce_csrf_checks=True).post("/connexion/", {"next": "/"}))
    page.assert_sound()
    assert page.status == 403
    assert "Votre formulaire n’a pas été pris en compte" in page.text


@pytest.mark.django_db
def test_a_body_in_an_odd_encoding_is_refused_and_does_not_break_the_page():
    client = Client(enforce_csrf_checks=True)
    client.get("/connexion/")
    token = client.cookies["csrftoken"].value
    response = client.post(
        "/connexion/",
        data=f"csrfmiddlewaretoken={token}&username=x",
        content_type="application/x-www-form-urlencoded; charset=utf-16",
        headers={"X-CSRFToken": token},
    )
    assert response.status_code == 400
    assert "n’a pas pu être lue" in response.content.decode()


@pytest.mark.django_db
def test_an_unexpected_fault_gives_the_french_page_without_a_trace(client):
    client.raise_request_exception = False
    with override_settings(ROOT_URLCONF="tests.bma_portal.test_pages"):
        response = client.get("/casse/")
    page = Page(response)
    assert page.status == 500
    assert "Le portail a rencontré un problème" in page.text
    assert "secret-de-la-trace" not in page.html


@pytest.mark.parametrize("path", ["/", "/ma-boite/etat/?numero=1234", "/connexion/"])
def test_with_the_database_away_every_page_is_a_503_in_french_with_its_style(path):
    program = f"""
import django; django.setup()
from django.test import Client
client = Client(raise_request_exception=False)
response = client.get({path!r})
print(response.status_code, response["Retry-After"])
print(response.content.decode())
print(client.get("/static/css/portail.css").status_code)
"""
    env = {
        **os.environ,
        "DATABASE_URL": "postgresql://postgres@127.0.0.1:9/bma",
        "DJANGO_SETTINGS_MODULE": "bma_portal.settings.test",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, cwd=settings.ROOT, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "503 60"
    assert "Le portail est momentanément indisponible" in done.stdout
    assert lines[-1] == "200"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["/", "/ma-boite/etat/", "/ma-boite/etat/?numero=zz", "/rien/", "/connexion/", "/connexion/secours/"]
)
def test_every_answer_carries_the_headers_of_the_portal(client, path):
    response = client.get(path, follow=True)
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style-src 'self'" in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"


@pytest.mark.django_db
def test_outside_production_a_banner_says_that_the_data_is_invented(client):
    assert "Démonstration : données fictives" in Page(client.get("/")).text
    with override_settings(PRODUCTION=True):
        assert "Démonstration" not in Page(client.get("/")).text


@pytest.mark.django_db
def test_nothing_comes_from_another_site(client):
    html = client.get("/").content.decode()
    for attribute in ("src=", "href="):
        for part in html.split(attribute)[1:]:
            target = part[1:].split(part[0])[0]
            assert target.startswith(("/", "#", "mailto:", "tel:")), target


def test_every_template_of_the_public_face_is_used_somewhere():
    root = Path(settings.ROOT)
    folders = [root / "templates" / name for name in ("components", "errors", "support", "migration")]
    files = [path for folder in folders for path in folder.rglob("*.*")]
    code = [*root.glob("*/*.py"), *root.glob("*/*/*.py"), *root.glob("support/*/*/*.py")]
    sources = [*code, *(root / "templates").rglob("*.html")]
    sources += (root / "templates").rglob("*.txt")
    written = "\n".join(path.read_text() for path in sources)
    for path in files:
        name = path.relative_to(root / "templates").as_posix()
        short = path.with_suffix("").relative_to(root / "templates").as_posix()
        assert name in written or short in written or f'"{path.stem}"' in written, f"{name} ne sert à rien"


def render(text: str, **context) -> str:
    return Template("{% load french %}" + text).render(Context(context))


@pytest.mark.parametrize(
    ("evening", "words"),
    [
        (date(2024, 11, 7), "dans la nuit du jeudi 7 au vendredi 8 novembre 2024"),
        (date(2024, 10, 31), "dans la nuit du jeudi 31 octobre au vendredi 1er novembre 2024"),
        (date(2024, 12, 31), "dans la nuit du mardi 31 décembre 2024 au mercredi 1er janvier 2025"),
        (date(2024, 12, 1), "dans la nuit du dimanche 1er au lundi 2 décembre 2024"),
    ],
)
def test_a_night_is_written_with_its_two_days(evening, words):
    assert render("{{ d|nuit }}", d=evening) == words


def test_a_day_is_written_as_in_french():
    assert render("{{ d|jour }}", d=date(2025, 5, 12)) == "lundi 12 mai 2025"
    assert render("{{ d|jour }}", d=date(2024, 12, 1)) == "dimanche 1er décembre 2024"
    assert render("{{ d|sans_semaine }}", d=date(2025, 8, 1)) == "1er août 2025"
    assert render("{{ d|lendemain|jour }}", d=date(2024, 12, 31)) == "mercredi 1er janvier 2025"


def test_a_moment_is_taken_at_brussels():
    assert render("{{ d|jour }}", d=datetime(2024, 11, 7, 23, 30, tzinfo=UTC)) == "vendredi 8 novembre 2024"


def test_a_sentence_made_in_python_does_not_break_before_a_colon():
    said = render("{{ s|insecable }}", s="Voici : « un mot » ; et « <b> ».").replace("\N{NO-BREAK SPACE}", "~")
    assert said == "Voici~: «~un mot~»~; et «~&lt;b&gt;~»."


# For the fault above: the portal's addresses, and one that breaks.
def broken(request):
    raise RuntimeError("secret-de-la-trace")


def _urls():
    from django.contrib.auth.decorators import login_not_required
    from django.urls import path

    from bma_portal import urls

    return [path("casse/", login_not_required(broken)), *urls.urlpatterns]


urlpatterns = _urls()
handler500 = "bma_portal.views.server_error"


def test_an_address_that_never_changes_is_worked_out_once_and_is_the_same():
    assert shown("{% url 'home' %} {% url 'aide' as there %}{{ there }} {% url 'admin:index' %}") == "/ /aide/ /admin/"
    assert shown("{% url 'desk_ticket' reference='D-AAAA-BBBB' %}") == "/desk/demande/D-AAAA-BBBB/"
    name = {"place": "privacy"}
    assert Template("{% url place %}").render(Context(name)) == Template("{% url 'privacy' %}").render(Context())
    assert shown("{% url 'nowhere' as there %}[{{ there }}]") == "[]"
    with pytest.raises(NoReverseMatch):
        shown("{% url 'nowhere' %}")
    with override_settings(ROOT_URLCONF="tests.bma_portal.other_addresses"):
        assert shown("{% url 'home' %}") == "/ailleurs/"
    assert shown("{% url 'home' %}") == "/"


def shown(source: str) -> str:
    return Template(source).render(Context())


def test_the_address_of_a_file_is_worked_out_once(tmp_path):
    storage = HashedFiles(location=tmp_path)
    storage.hashed_files = {"css/a.css": "css/a.0123456789ab.css"}
    assert [storage.url("css/a.css") for _ in range(2)] == ["/static/css/a.0123456789ab.css"] * 2
    storage.hashed_files = {}
    assert storage.url("css/a.css") == "/static/css/a.0123456789ab.css"
    with pytest.raises(ValueError, match="Missing staticfiles manifest entry"):
        storage.url("css/b.css")
