"""What every answer says to the browser: pages, errors, the admin, redirects, files."""

import pytest
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from bma_portal import urls
from bma_portal.headers import SecurityHeaders
from tests.factories import UserFactory
from tests.sign_in import sign_in

pytestmark = pytest.mark.django_db
PAGES = ["/", "/ma-boite/etat/", "/ma-boite/etat/?numero=zz", "/vie-privee/", "/accessibilite/", "/mot-de-passe/"]
PAGES += ["/connexion/", "/rien/", "/admin/", "/ma-boite/", "/sante/", "/static/rien.css"]


def assert_headers(response) -> None:
    policy = response["Content-Security-Policy"]
    for wanted in ("default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
        assert wanted in policy
    assert "unsafe" not in policy
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Referrer-Policy"] in {"same-origin", "no-referrer"}
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert "camera=()" in response["Permissions-Policy"]
    assert "clipboard-write=(self)" in response["Permissions-Policy"]


@pytest.mark.parametrize("address", PAGES)
def test_every_answer_has_them_and_is_not_kept(client, address):
    response = client.get(address)
    assert_headers(response)
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("address", ["/admin/", "/admin/accounts/organisation/", "/admin/rien/", "/ma-boite/"])
def test_so_has_what_is_behind_the_sign_in(client, address):
    sign_in(client, UserFactory(superuser=True))
    response = client.get(address)
    assert_headers(response)
    assert "no-store" in response["Cache-Control"]


def test_a_file_of_ours_may_be_kept(client):
    response = client.get("/static/css/portail.css")
    assert response.status_code == 200
    assert_headers(response)
    assert "no-store" not in response["Cache-Control"]
    assert "public" in response["Cache-Control"]


FAULTS = {
    "400": SuspiciousOperation("x"),
    "403": PermissionDenied("x"),
    "500": RuntimeError("x"),
    "503": OperationalError("x"),
}


def breaks(request, code):
    raise FAULTS[code]


urlpatterns = [path("casse/<str:code>/", login_not_required(breaks)), *urls.urlpatterns]
handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


@pytest.mark.parametrize("code", FAULTS)
def test_errors_have_them(client, code):
    client.raise_request_exception = False
    with override_settings(ROOT_URLCONF="tests.bma_portal.test_headers"):
        response = client.get(f"/casse/{code}/")
    assert response.status_code == int(code)
    assert_headers(response)
    assert response["Cache-Control"] == "no-store"


def test_a_form_without_its_token_has_them():
    response = Client(enforce_csrf_checks=True).post("/connexion/secours/", {"login": "x", "password": "y"})
    assert response.status_code == 403
    assert_headers(response)
    assert "no-store" in response["Cache-Control"]


def test_a_foreign_host_is_refused_with_them_and_is_not_repeated(client):
    for secure in (False, True):
        with override_settings(SECURE_SSL_REDIRECT=True):
            response = client.get("/", headers={"host": "pirate.example"}, secure=secure)
        assert response.status_code == 400
        assert_headers(response)
        assert b"pirate.example" not in response.content


def test_they_are_outermost():
    """An answer that another middleware makes passes through this one."""
    assert settings.MIDDLEWARE[0] == "bma_portal.headers.SecurityHeaders"
    assert settings.MIDDLEWARE[1] == "csp.middleware.CSPMiddleware"


@pytest.mark.parametrize("said", ["", "max-age=0, no-cache, no-store", "max-age=3600, public"])
def test_whatever_a_view_says_of_its_cache_a_page_is_not_kept(said):
    answer = HttpResponse("page", headers={"Cache-Control": said} if said else {})
    response = SecurityHeaders(lambda request: answer)(RequestFactory().get("/page/"))
    assert "no-store" in response["Cache-Control"]
    assert "public" not in response["Cache-Control"]


# Cookies (SEC-G3)


def test_the_only_cookies_are_the_session_s_and_the_forms_and_both_end_with_the_browser(client):
    sign_in(client, UserFactory(superuser=True))
    seen = {}
    for address in ("/", "/connexion/", "/ma-boite/", "/admin/", "/admin/accounts/contact/add/"):
        seen |= client.get(address).cookies
    assert set(seen) <= {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    assert settings.CSRF_COOKIE_NAME in seen
    for cookie in seen.values():
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert not cookie["max-age"]
        assert not cookie["expires"]
        assert cookie["path"] == "/"
        assert not cookie["domain"]


def test_in_production_they_are_bound_to_the_host_and_to_https():
    text = (settings.ROOT / "bma_portal" / "settings" / "production.py").read_text()
    for line in ('"__Host-session"', '"__Host-csrf"', "SESSION_COOKIE_SECURE = True", "CSRF_COOKIE_SECURE = True"):
        assert line in text


# Notices (SEC-N1, SEC-M2)


@pytest.mark.parametrize("address", ["/", "/ma-boite/etat/", "/rien/", "/vie-privee/", "/accessibilite/"])
def test_both_notices_are_at_the_foot_of_every_page(client, address):
    html = client.get(address).content.decode()
    foot = html[html.index("<footer") :]
    assert 'href="/vie-privee/"' in foot
    assert 'href="/accessibilite/"' in foot
