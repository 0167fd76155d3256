"""The accounts of last resort: a password that opens nothing else, a second factor that cannot be skipped (SEC-B3)."""

import logging
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.contrib.auth import SESSION_KEY
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts import second_factors
from accounts.auth import ENTRY
from accounts.models import User
from bma_portal import vault
from bma_portal.models import AuditEntry
from demo import one_time_code
from tests.factories import UserFactory
from tests.support.pages import Page

pytestmark = pytest.mark.django_db
DOOR, CODE = "/connexion/secours/", "/connexion/secours/code/"
ENROL, CODES = "/connexion/secours/second-facteur/", "/connexion/secours/codes/"
PASSWORD = "un-long-mot-de-passe"


@pytest.fixture
def rescue(db) -> User:
    cache.clear()
    user = UserFactory(username="secours", superuser=True, break_glass=True)
    user.set_password(PASSWORD)
    user.save()
    return user


def type_password(client: Client, name: str = "secours", password: str = PASSWORD):
    return client.post(DOOR, {"login": name, "password": password})


def enrol(client: Client) -> str:
    """Through the pages; the secret that the telephone now holds."""
    assert type_password(client).url == "/admin/"
    page = client.get(ENROL)
    secret = "".join(page.context["secret_groups"])
    assert client.post(ENROL, {"code": one_time_code.at(secret, time.time())}).url == CODES
    return secret


def deeds() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("seq").values_list("action", "result"))


def test_the_page_says_what_it_is(client):
    page = Page(client.get(DOOR))
    page.assert_sound()
    assert "quand Cerbère est en panne" in page.text
    assert "chaque usage est inscrit au journal d’audit" in page.text


def test_the_first_time_nothing_opens_before_the_second_factor(client, rescue, caplog):
    with caplog.at_level(logging.ERROR):
        assert type_password(client).url == "/admin/"
    assert [record.message for record in caplog.records] == ["compte de secours"]
    assert deeds() == [("break_glass", "second facteur à enrôler")]
    for path in ("/", "/admin/", "/connexion/sessions/", "/ma-boite/etat/", CODES, "/inconnu/"):
        assert client.get(path).url == ENROL, path
    page = Page(client.get(ENROL))
    page.assert_sound()
    assert "Rien d’autre ne s’ouvre avant" in page.text
    assert client.post(ENROL, {"code": "000000"}).status_code == 200
    assert client.get("/admin/").url == ENROL


def test_once_enrolled_it_opens_and_shows_the_recovery_codes_once(client, rescue):
    enrol(client)
    page = Page(client.get(CODES))
    page.assert_sound()
    assert len(page.html.split('class="masked"')) == 11
    assert client.get("/admin/").status_code == 200
    again = Page(client.get(CODES))
    assert 'class="masked"' not in again.html
    assert "Il reste 10 codes sur 10" in again.text
    assert deeds() == [("break_glass", "second facteur à enrôler"), ("break_glass", "second facteur enrôlé")]


def test_afterwards_the_password_alone_opens_nothing(rescue, caplog):
    secret = enrol(Client())
    client = Client()
    assert type_password(client).url == CODE
    assert SESSION_KEY not in client.session
    assert client.get("/admin/").url.startswith("/connexion/")
    Page(client.get(CODE)).assert_sound()
    wrong = Page(client.post(CODE, {"code": "000000"}))
    assert "Ce code n’est pas le bon" in wrong.text
    with caplog.at_level(logging.ERROR):
        assert client.post(CODE, {"code": one_time_code.at(secret, time.time() + 30)}).url == "/admin/"
    assert "compte de secours" in [record.message for record in caplog.records]
    assert client.get("/admin/").status_code == 200
    assert deeds()[-1] == ("break_glass", "ok")


def test_a_code_serves_once(rescue):
    secret = enrol(Client())
    code = one_time_code.at(secret, time.time() + 30)
    first, second = Client(), Client()
    type_password(first)
    type_password(second)
    assert first.post(CODE, {"code": code}).status_code == 302
    assert second.post(CODE, {"code": code}).status_code == 200
    assert SESSION_KEY not in second.session


def test_a_recovery_code_serves_once_in_the_place_of_the_telephone(rescue):
    client = Client()
    enrol(client)
    code = client.get(CODES).context["unused_codes"][0]
    for expected in (302, 200):
        other = Client()
        type_password(other)
        assert other.post(CODE, {"code": code}).status_code == expected


def test_other_recovery_codes_can_be_made(client, rescue):
    enrol(client)
    old = client.get(CODES).context["unused_codes"]
    assert client.post("/connexion/secours/codes/autres/").url == CODES
    new = client.get(CODES).context["unused_codes"]
    assert len(new) == 10
    assert not set(old) & set(new)


@pytest.mark.parametrize("flags", [{}, {"is_staff": True, "is_superuser": True}])
def test_no_other_account_enters_by_a_password(flags, client, rescue):
    user = UserFactory(username="autre", **flags)
    user.set_password(PASSWORD)
    user.save()
    page = Page(type_password(client, "autre"))
    assert "n’ouvrent aucun compte de secours" in page.text
    assert SESSION_KEY not in client.session
    assert deeds() == [("sign_in.refused", "refused")]


@pytest.mark.parametrize(("name", "password"), [("secours", "faux"), ("personne", PASSWORD), ("sec\0ours", PASSWORD)])
def test_a_wrong_pair_is_refused_in_the_same_words(name, password, client, rescue, caplog):
    page = Page(type_password(client, name, password))
    page.assert_sound()
    assert page.status == 200
    assert SESSION_KEY not in client.session
    assert PASSWORD not in caplog.text + page.html
    assert not AuditEntry.objects.filter(details__icontains=password).exists()


def test_a_disabled_break_glass_account_opens_nothing(client, rescue):
    User.objects.filter(pk=rescue.pk).update(is_active=False)
    type_password(client)
    assert SESSION_KEY not in client.session


def test_guesses_are_slowed_then_stopped(client, rescue):
    answers = [Page(type_password(client, password=f"faux{n}")).text for n in range(7)]
    assert "Trop d’essais" in answers[-1]
    assert "Trop d’essais" in Page(type_password(client)).text  # even the right one


def test_an_account_that_is_no_more_of_last_resort_is_out(client, rescue):
    enrol(client)
    User.objects.filter(pk=rescue.pk).update(break_glass=False)
    assert client.get("/admin/").url.startswith("/connexion/")


def test_the_pages_of_the_second_factor_are_for_those_sessions_only(client, rescue):
    for path in (ENROL, CODES, "/connexion/secours/codes/autres/"):
        assert client.get(path).url.startswith("/connexion/")
    client.force_login(UserFactory(superuser=True))
    for path in (ENROL, CODES, "/connexion/secours/codes/autres/"):
        assert client.get(path).status_code == 404


def test_its_secrets_are_sealed_at_rest_and_while_they_are_enrolled(client, rescue):
    type_password(client)
    client.get(ENROL)
    clear = "".join(client.get(ENROL).context["secret_groups"])
    assert clear not in str(dict(client.session.items()))
    client.post(ENROL, {"code": one_time_code.at(clear, time.time())})
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator")
        rows = [row[0] for row in cursor.fetchall()]
    assert len(rows) == 2
    assert all('"test.' in row for row in rows)
    assert clear not in "".join(rows)
    assert "second_facteur" not in client.session


def test_its_secrets_follow_the_keys_of_the_vault(client, rescue, settings):
    secret = enrol(client)
    settings.BMA_VAULT_KEYS = "neuve:bmV1dmUtY2xlZi1kZS0zMi1vY3RldHMtcGFzLXNlY3I=," + settings.BMA_VAULT_KEYS
    assert second_factors.SecondFactors().seal_again() == 2
    assert second_factors.SecondFactors().sealed_by("neuve").count() == 2
    assert not second_factors.SecondFactors().sealed_by("test").exists()
    row = Authenticator.objects.get(type="totp")
    assert vault.unseal(row.data["secret"], bound_to="second facteur").reveal() == secret
    assert second_factors.SecondFactors().seal_again() == 0


def test_our_reckoning_of_codes_is_allauth_s():
    secret = totp.generate_totp_secret()
    assert totp.validate_totp_code(secret, one_time_code.at(secret, time.time()))


def test_a_command_makes_one_and_says_its_password_once(client, capsys):
    call_command("make_break_glass", "garde", "--why", "premier démarrage")
    password = capsys.readouterr().out.split("Mot de passe : ")[1].split()[0]
    user = User.objects.get(username="garde")
    assert (user.break_glass, user.is_staff, user.is_superuser) == (True, True, True)
    assert type_password(client, "garde", password).url == "/admin/"
    assert client.session[ENTRY]["by"] == "secours"
    assert AuditEntry.objects.get(action="break_glass.made").why == "premier démarrage"
    with pytest.raises(Exception, match="existe déjà"):
        call_command("make_break_glass", "garde", "--why", "encore")


def test_a_lost_second_factor_is_forgotten_by_two_colleagues(client, rescue):
    enrol(client)
    with pytest.raises(Exception, match="deux personnes"):
        call_command("forget_second_factor", "secours", "--by", "a", "--and-by", "a", "--why", "x")
    call_command("forget_second_factor", "secours", "--by", "Alix", "--and-by", "Noa", "--why", "téléphone perdu")
    assert not Authenticator.objects.exists()
    assert AuditEntry.objects.get(action="break_glass.reset").details == {"par": ["Alix", "Noa"]}
    again = Client()
    type_password(again)
    assert again.get("/admin/").url == ENROL
