"""The ways in, and those that are closed: nothing of allauth nor of the admin answers beside them (SEC-B3)."""

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import people
from tests.factories import UserFactory
from tests.support.pages import Page

pytestmark = pytest.mark.django_db


def test_a_link_does_not_sign_anybody_in(client, cerbere):
    page = Page(client.get("/connexion/"))
    page.assert_sound()
    assert "Se connecter avec Cerbère" in page.text
    assert not Session.objects.exists()
    assert Client(enforce_csrf_checks=True).post("/connexion/").status_code == 403


def test_the_page_may_send_its_form_to_cerbere_and_nowhere_else(client, cerbere):
    policy = client.get("/connexion/")["Content-Security-Policy"]
    assert f"form-action 'self' {cerbere.url};" in policy + ";"


@pytest.mark.parametrize(
    "path",
    [
        "accounts/login/", "accounts/signup/", "signup/", "password/reset/", "email/", "3rdparty/", "oidc/x/login/",
        "connexion/secours/desactiver/", "2fa/", "sessions/", "connexion/retour/login/",
    ],
)  # fmt: skip
def test_nothing_else_of_allauth_answers(path, client):
    assert client.get(f"/{path}").status_code == 404


def test_the_admin_has_no_door_of_its_own(client):
    UserFactory(username="a", superuser=True, password="!")
    response = client.get("/admin/login/?next=/admin/migration/batch/")
    assert response.url == "/connexion/?next=%2Fadmin%2Fmigration%2Fbatch%2F"
    response = client.post("/admin/login/", {"username": "a", "password": "b"})
    assert response.url.startswith("/connexion/")
    assert SESSION_KEY not in client.session


def test_the_admin_shows_no_page_of_allauth(client):
    client.force_login(UserFactory(superuser=True))
    html = client.get("/admin/").content.decode()
    for name in ("socialaccount", "authenticator", "usersession", "emailaddress", "socialtoken"):
        assert f"/{name}" not in html
        assert client.get(f"/admin/mfa/{name}/").status_code == 404


def test_the_page_of_a_person_shows_who_they_are_to_cerbere_and_does_not_change_it(client):
    person = people.known_as("demo-directrice", first_name="Dominique", last_name="Fictive")
    client.force_login(UserFactory(superuser=True))
    page = Page(client.get(f"/admin/accounts/user/{person.pk}/change/"))
    assert page.status == 200
    assert "demo-directrice" in page.text
    assert 'name="cerbere_identity"' not in page.html
    assert 'name="break_glass"' in page.html
