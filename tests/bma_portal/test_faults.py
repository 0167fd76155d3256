"""When something is wrong: French pages, made without what is missing (SEC-H2); the database away, and back."""

import contextlib
import re
import time
import urllib.error
import urllib.request

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.urls import path

from bma_portal.urls import handler400, handler403, handler404, handler500  # noqa: F401  the portal's own
from bma_portal.urls import urlpatterns as portal
from tests.bma_portal.processes import wait_until
from tests.bma_portal.production import free_port, manage, reachable, service, settings_of, strong_values


def fails(request):
    raise {"base": OperationalError, "lien": InterfaceError, "autre": ValueError}[request.GET["quoi"]]("canari")


class FailsBefore:
    """A middleware whose own query fails: no view is reached, so no view's fault is caught."""

    def __init__(self, get_response):
        pass

    def __call__(self, request):
        return fails(request)


fails.login_required = False
urlpatterns = [*portal, path("essai/", fails)]


@pytest.fixture
def visitor(db, settings):
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def is_a_french_page(response, status):
    text = response.content.decode()
    assert response.status_code == status
    assert '<html lang="fr"' in text
    assert len(re.findall(r"<h1\b", text)) == 1
    assert "support@etnic.be" in text
    assert "VARIABLE-INCONNUE" not in text
    assert "canari" not in text
    assert "Traceback" not in text
    return text


@pytest.mark.database
@pytest.mark.parametrize("charset", ["utf-16", "utf-7", "latin-1"])
@pytest.mark.parametrize("where", ["/", "/ma-boite/etat/", "/connexion/"])
def test_a_form_in_another_encoding_is_refused_as_a_bad_request(visitor, charset, where):
    visitor.handler.enforce_csrf_checks = True
    page = visitor.get("/connexion/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
    body = f"csrfmiddlewaretoken={token}&username=a".encode("utf-16")
    given = {"HTTP_X_CSRFTOKEN": token, "HTTP_REFERER": "http://testserver/"}
    response = visitor.generic(
        "POST", where, body, content_type=f"application/x-www-form-urlencoded; charset={charset}", **given
    )
    is_a_french_page(response, 400)


@pytest.mark.database
def test_every_refusal_has_its_page(visitor, settings):
    is_a_french_page(visitor.get("/inconnu/"), 404)
    is_a_french_page(visitor.get("/essai/?quoi=autre"), 500)
    is_a_french_page(visitor.get("/", HTTP_HOST="ailleurs.invalid"), 400)
    strict = Client(enforce_csrf_checks=True)
    is_a_french_page(strict.post("/connexion/", {"username": "a"}), 403)


@pytest.mark.database
@pytest.mark.parametrize("what", ["base", "lien"])
@pytest.mark.parametrize("where", ["view", "middleware"])
def test_a_database_that_goes_away_gives_the_page_that_says_try_again(visitor, settings, what, where):
    if where == "middleware":
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.FailsBefore"]
    response = visitor.get(f"/essai/?quoi={what}")
    is_a_french_page(response, 503)
    assert response["Retry-After"] == "60"
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/.env", "/.git/config", "/silk/", "/__debug__/", "/flower/", "/metrics", "/static/"]
)
@pytest.mark.database
def test_nothing_for_developers_answers(visitor, path):
    assert visitor.get(path).status_code in {302, 404}
    if visitor.get(path).status_code == 302:
        assert visitor.get(path, follow=True).redirect_chain[0][0].startswith("/")


# A real server, whose database stops and comes back


def ask(port: int, where: str, **headers):
    given = {"Host": "portail.bma.invalid", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"} | headers
    request = urllib.request.Request(f"http://127.0.0.1:{port}{where}", headers=given)
    try:
        with urllib.request.urlopen(request, timeout=15) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def test_while_postgresql_is_away_every_page_says_so_in_french_and_comes_back_with_it(private_servers, image):
    servers = private_servers("faults")
    environ = strong_values(DATABASE_URL=servers.database_url, REDIS_URL=servers.redis_url, TRUSTED_PROXIES="1")
    done = manage("migrate", "--no-input", "-v", "0", environ=environ, cwd=image)
    assert done.returncode == 0, done.stderr
    port = free_port()
    changes = ("0.0.0.0:8000", f"127.0.0.1:{port}"), ("--workers 3", "--workers 1")
    with service("web", environ | settings_of("web"), image, *changes) as (_, log):
        wait_until(lambda: reachable(port), 20, "the portal")
        assert ask(port, "/sante/")[0] == 200
        assert ask(port, "/")[0] == 200, log.read_text()

        servers.postgres.stop("immediate")
        cookie = {"Cookie": "__Host-session=abcdefghijklmnopqrstuvwxyz012345"}
        for where, headers in (("/ma-boite/etat/?numero=1234", {}), ("/admin/", cookie), ("/connexion/", cookie)):
            began = time.monotonic()
            status, answered, page = ask(port, where, **headers)
            assert (status, answered["Retry-After"]) == (503, "60"), where
            assert time.monotonic() - began < 10
            assert '<html lang="fr"' in page
            assert "support@etnic.be" in page
        status, _, state = ask(port, "/sante/")
        assert status == 503
        assert "injoignable" in state

        servers.postgres.start()
        with contextlib.suppress(AssertionError):
            wait_until(lambda: ask(port, "/sante/")[0] == 200, 10, "the database")
        for where, headers in (("/sante/", {}), ("/connexion/", cookie)):
            assert ask(port, where, **headers)[0] == 200
    assert "canari" not in log.read_text()
