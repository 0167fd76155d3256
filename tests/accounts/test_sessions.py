"""Sessions: their end, their list, what kills them (SEC-B11, SEC-G1 to G4)."""

import re
import time

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings as django_settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.test import Client

from accounts import sessions
from accounts.adapters import AccountAdapter
from accounts.auth import ENTRY, is_strong
from accounts.models import User
from accounts.roles import ENSEIGNEMENT_BE, ETNIC, PRIMINFO, SGNE
from bma_portal.models import AuditEntry
from tests.bma_portal.production import manage, strong_values
from tests.cerbere import walk_in
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.pages import Page

pytestmark = pytest.mark.django_db
MINUTE = 60


@pytest.fixture
def person(db) -> User:
    return UserFactory(username="directeur")


@pytest.fixture
def sgne(db) -> User:
    user = UserFactory(username="sgne", staff=True)
    user.groups.add(Group.objects.get(name=SGNE))
    return user


@pytest.fixture
def later(monkeypatch):
    """Time travel on the server, in seconds."""
    now = time.time

    def travel(seconds: float) -> None:
        monkeypatch.setattr(sessions.time, "time", lambda: now() + seconds)

    return travel


def is_in(client: Client) -> bool:
    return client.get("/connexion/session/").json()["left"] > 0


@pytest.mark.parametrize(
    ("role", "staff", "where"),
    [
        (SGNE, True, "/admin/"),
        (PRIMINFO, False, "/desk/"),
        (ENSEIGNEMENT_BE, False, "/desk/"),
        (None, False, "/ma-boite/"),
    ],
)
def test_one_arrives_where_one_works(role, staff, where, rf):
    """An agent who has the desk and nothing else would find the administration closed."""
    user = UserFactory(staff=staff)
    user.groups.set(Group.objects.filter(name=role))
    request = rf.get("/")
    request.user = User.objects.get(pk=user.pk)
    assert AccountAdapter(request).get_login_redirect_url(request) == where


# Time


@pytest.mark.parametrize(("idle", "left"), [(14 * MINUTE, True), (15 * MINUTE + 1, False)])
def test_a_session_without_activity_ends_after_fifteen_minutes(idle, left, person, later):
    client = sign_in(Client(), person)
    key = client.session.session_key
    later(idle)
    assert is_in(client) is left
    assert Session.objects.filter(session_key=key).exists() is left


def test_activity_makes_it_last_but_never_beyond_eight_hours(person, later):
    client = sign_in(Client(), person)
    for minutes in range(10, 8 * 60, 10):
        later(minutes * MINUTE)
        assert client.get("/connexion/sessions/").status_code == 200, minutes
    later(8 * 3600 + 1)
    assert client.get("/connexion/sessions/").url.startswith("/connexion/?next=%2Fconnexion%2Fsessions%2F&fin=duree")


def test_asking_how_long_is_left_is_no_activity_and_saying_still_there_is(person, later):
    client = sign_in(Client(), person)
    later(14 * MINUTE)
    asked = client.get("/connexion/session/").json()
    assert 0 < asked["left"] <= MINUTE
    assert client.get("/connexion/session/").json()["left"] <= asked["left"]
    assert client.post("/connexion/session/").json()["left"] > 14 * MINUTE
    later(28 * MINUTE)
    assert is_in(client)


def test_near_the_eight_hours_nothing_is_promised(person, later):
    client = sign_in(Client(), person)
    session = client.session
    session[ENTRY] = session[ENTRY] | {"opened": int(time.time()) - 8 * 3600 + 5 * MINUTE}
    session.save()
    asked = client.post("/connexion/session/").json()
    assert asked["left"] <= 5 * MINUTE
    assert asked["extendable"] is False


def test_a_form_sent_too_late_leads_to_the_door_which_says_so(person, later):
    client = sign_in(Client(), person)
    later(16 * MINUTE)
    response = client.post("/connexion/sessions/", {"partout": "1"})
    assert response.url == "/connexion/?next=%2Fconnexion%2Fsessions%2F&fin=inactivite&perdu=1"
    page = Page(client.get(response.url))
    page.assert_sound()
    assert "Votre session a pris fin après 15 minutes sans activité" in page.text
    assert "n’a pas été enregistré" in page.text


def test_the_door_repeats_no_reason_of_a_stranger(client):
    page = Page(client.get("/connexion/?fin=<b>vous+avez+gagné</b>&perdu=1"))
    assert "gagné" not in page.html
    assert "enregistré" not in page.text


def test_a_visitor_s_form_also_says_that_it_was_not_kept(client):
    assert "fin=fermee&perdu=1" in client.post("/connexion/sessions/").url


@pytest.mark.parametrize("path", ["/", "/connexion/sessions/", "/admin/"])
def test_the_warning_is_on_every_page_of_a_signed_in_person(path, sgne):
    page = Page(sign_in(Client(), sgne).get(path))
    assert page.html.count('id="fin-de-session"') == 1
    assert 'data-warning="120"' in page.html
    assert 890 <= int(re.search(r'data-left="(\d+)"', page.html)[1]) <= 900
    assert "15 minutes sans activité" in re.search(r"<noscript>(.*?)</noscript>", page.html, re.DOTALL)[1]
    assert "fin-de-session" not in Client().get("/").content.decode()


# What kills a session


def test_a_disabled_person_is_out_at_the_next_request(sgne):
    client = sign_in(Client(), sgne)
    key = client.session.session_key
    assert client.get("/admin/").status_code == 200
    User.objects.filter(pk=sgne.pk).update(is_active=False)
    assert client.get("/admin/").url.startswith("/connexion/")
    assert not Session.objects.filter(session_key=key).exists()
    line = AuditEntry.objects.get(action="sign_out")
    assert (line.actor_id, line.why) == (sgne.pk, "compte désactivé")
    User.objects.filter(pk=sgne.pk).update(is_active=True)
    assert client.get("/admin/").status_code == 302  # the old session does not come back


@pytest.mark.parametrize("loss", ["group", "is_staff", "is_superuser"])
def test_a_removed_role_ends_the_sessions_of_that_person(loss, sgne):
    User.objects.filter(pk=sgne.pk).update(is_superuser=True)
    client = sign_in(Client(), User.objects.get(pk=sgne.pk))
    assert client.get("/admin/").status_code == 200
    if loss == "group":
        sgne.groups.clear()
    else:
        User.objects.filter(pk=sgne.pk).update(**{loss: False})
    assert client.get("/connexion/sessions/").status_code == 302
    assert AuditEntry.objects.get(action="sign_out").why == "rôle retiré"


def test_a_role_given_to_a_weak_session_asks_to_sign_in_again(person):
    client = sign_in(Client(), person, strong=False)
    assert client.get("/connexion/sessions/").status_code == 200
    person.groups.add(Group.objects.get(name=ETNIC))
    response = client.get("/connexion/sessions/")
    assert "fin=faible" in response.url
    assert "connexion renforcée" in Page(client.get(response.url)).text


def test_a_weak_session_of_staff_opens_nothing(sgne):
    client = sign_in(Client(), sgne, strong=False)
    assert client.get("/admin/").url.startswith("/connexion/")


def test_the_strength_is_held_against_the_settings_of_today(sgne, settings, rf):
    client = sign_in(Client(), sgne)
    request = rf.get("/")
    request.session, request.user = client.session, sgne
    assert is_strong(request)
    settings.CERBERE_STAFF_ACR = ["urn:autre"]
    assert not is_strong(request)
    request.user = UserFactory(staff=True)  # somebody else's session
    settings.CERBERE_STAFF_ACR = [client.session[ENTRY]["acr"]]
    assert not is_strong(request)


def test_a_session_that_no_door_opened_is_worth_nothing(sgne):
    client = sign_in(Client(), sgne)
    session = client.session
    del session[ENTRY]
    session.save()
    assert client.get("/admin/").status_code == 302
    assert not Session.objects.exists()


# Out


def test_signing_out_kills_the_session_here_and_at_cerbere(client, cerbere):
    walk_in(client, cerbere, "inconnue")
    cookie = client.cookies[django_settings.SESSION_COOKIE_NAME].value
    ended = cerbere.state()["ended"]
    response = client.post("/deconnexion/")
    assert response.url.startswith(f"{cerbere.url}/end_session?client_id=portail-bma-demo&post_logout_redirect_uri=")
    assert response["Clear-Site-Data"] == '"cache", "storage"'
    back = cerbere.session.get(response.url, allow_redirects=False, timeout=10)
    assert (cerbere.state()["ended"], back.headers["Location"]) == (ended + 1, "http://testserver/connexion/fin/")
    assert not Session.objects.filter(session_key=cookie).exists()
    assert not UserSession.objects.exists()
    assert AuditEntry.objects.filter(action="sign_out", actor_id=User.objects.get().pk).count() == 1
    client.cookies[django_settings.SESSION_COOKIE_NAME] = cookie  # the old one, played again
    assert not is_in(client)
    assert "Vous êtes déconnecté" in Page(client.get("/connexion/fin/")).text


@pytest.mark.parametrize("path", ["/deconnexion/", "/admin/logout/"])
def test_signing_out_is_a_post(path, sgne):
    client = sign_in(Client(), sgne)
    assert client.get(path).status_code == 405
    assert is_in(client)
    client.post(path)
    assert not is_in(client)


def test_with_cerbere_away_one_is_out_all_the_same(person):
    client = sign_in(Client(), person)
    assert client.post("/deconnexion/").url == "/connexion/fin/"
    assert not is_in(client)


def test_signing_out_twice_harms_nobody(client):
    assert client.post("/deconnexion/").url == "/connexion/fin/"
    assert not AuditEntry.objects.filter(action="sign_out").exists()


# The list


def listed(client: Client) -> list[UserSession]:
    return [line["session"] for line in client.get("/connexion/sessions/").context["sessions"]]


def test_each_browser_is_a_line_and_can_be_closed_from_another(cerbere, settings):
    here = Client(headers={"user-agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"})
    there = Client(headers={"user-agent": "Mozilla/5.0 (X11; Linux) Chrome/140.0 Safari/537"}, REMOTE_ADDR="192.0.2.7")
    for client in (here, there):
        walk_in(client, cerbere, "inconnue")
    page = Page(here.get("/connexion/sessions/"))
    page.assert_sound()
    assert "Firefox sous Windows – cette session" in page.text
    assert "Chrome sous Linux" in page.text
    assert "192.0.2.7" in page.text
    other = UserSession.objects.get(session_key=there.session.session_key)
    assert here.post("/connexion/sessions/", {"session": other.pk}).url == "/connexion/sessions/"
    assert not is_in(there)
    assert len(listed(here)) == 1
    assert AuditEntry.objects.filter(action="sign_out").count() == 1


def test_everywhere_means_here_too_and_cerbere(cerbere):
    clients = [Client() for _ in range(3)]
    for client in clients:
        walk_in(client, cerbere, "inconnue")
    response = clients[0].post("/connexion/sessions/", {"partout": "1"})
    assert response.url.startswith(f"{cerbere.url}/end_session")
    assert not any(map(is_in, clients))
    line = AuditEntry.objects.get(action="sign_out")
    assert (line.why, line.details) == ("partout", {"sessions": 3})


@pytest.mark.parametrize("chosen", ["", "x", "-1", "9" * 30, "٣"])
def test_a_session_that_is_not_mine_is_as_if_it_did_not_exist(chosen, cerbere):
    mine, theirs = Client(), Client()
    walk_in(mine, cerbere, "inconnue")
    walk_in(theirs, cerbere, "directeur")
    foreign = UserSession.objects.get(session_key=theirs.session.session_key)
    for value in (chosen, foreign.pk):
        assert mine.post("/connexion/sessions/", {"session": value}).url == "/connexion/sessions/"
    assert is_in(theirs)
    assert is_in(mine)
    assert len(listed(mine)) == 1


def test_a_session_that_is_over_is_not_listed(cerbere, later):
    old, new = Client(), Client()
    walk_in(old, cerbere, "inconnue")
    UserSession.objects.update(last_seen_at="2024-01-01T00:00Z")
    walk_in(new, cerbere, "inconnue")
    assert len(listed(new)) == 1


# Cookies


def test_cookies_end_with_the_browser_and_are_out_of_the_reach_of_scripts(client, cerbere):
    client.get("/connexion/")
    walk_in(client, cerbere, "inconnue")
    assert set(client.cookies) == {"sessionid", "csrftoken"}
    for cookie in client.cookies.values():
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
        assert (cookie["max-age"], cookie["expires"], cookie["domain"]) == ("", "", "")


def test_in_production_cookies_belong_to_the_host_alone():
    code = (
        "from django.conf import settings as s; print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME,"
        " s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.CSRF_COOKIE_AGE, s.SESSION_COOKIE_DOMAIN,"
        " s.CSRF_COOKIE_DOMAIN, s.SESSION_COOKIE_PATH)"
    )
    done = manage("shell", "-v", "0", "-c", code, environ=strong_values())
    assert done.stdout.split() == ["__Host-session", "__Host-csrf", "True", "True", "None", "None", "None", "/"]


@pytest.mark.parametrize("path", ["/", "/connexion/", "/connexion/sessions/", "/admin/", "/connexion/session/"])
def test_nothing_behind_sign_in_is_kept_by_a_cache(path, sgne):
    assert "no-store" in sign_in(Client(), sgne).get(path)["Cache-Control"]


def test_the_roles_come_with_the_person_in_one_query(sgne, django_assert_max_num_queries):
    client = sign_in(Client(), sgne)
    client.get("/connexion/session/")
    with django_assert_max_num_queries(3):  # the clock, the session, the person
        client.get("/connexion/session/")
    assert SESSION_KEY in client.session
